"""Vector pictures as strings: escaped, in two languages, without script, ids or fetched parts.

Colours are presentation attributes, which any rule of a page's style overrides; text and axes take
the colour of the text around them, so that a picture is readable on light and on dark pages. Words
have both languages in ``data-zh`` and ``data-en``, for a page whose reader may change the language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from unicodedata import east_asian_width

from zhmcq._visible import visible
from zhmcq.zh._language import Language

__all__ = ["AXIS", "SMALL", "Drawing", "Plot", "Text", "joined", "percent", "shortened"]

#: What stands in a picture: words in all three languages, or a text that is the same in each.
Text = str | Mapping[Language, str]

WIDTH = 360  # units of a picture: as many pixels as a phone's screen is wide
TEXT, SMALL = 12, 10  # sizes of letters, in units


def _in_language(text: Text, language: Language) -> str:
    """The text in one language, as people can read it."""
    return visible(text if isinstance(text, str) else text[language])


def _as_text(text: str) -> Mapping[Language, str]:
    """A text that is the same in each language."""
    return {"zh-Hant": text, "zh-Hans": text, "en": text}


def joined(*parts: Text, between: str = "") -> Mapping[Language, str]:
    """The parts one after the other, in each language."""
    everywhere = [_as_text(part) if isinstance(part, str) else part for part in parts]
    return {name: between.join(part[name] for part in everywhere) for name in _as_text("")}


@dataclass(slots=True)
class Drawing:
    """A picture that is being drawn.

    Attributes:
        language: The language that is shown first.
        parts: What was drawn, as elements.
    """

    language: Language
    parts: list[str] = field(default_factory=list)

    def words(
        self, x: float, y: float, text: Text, *, anchor: str = "middle", size: int = TEXT
    ) -> None:
        """Write a text.

        Args:
            x: Where it stands, in units.
            y: Its base line.
            text: The text.
            anchor: Whether ``x`` is its ``"start"``, ``"middle"`` or ``"end"``.
            size: The height of its letters.
        """
        self.parts.append(
            f'<text x="{_number(x)}" y="{_number(y)}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="currentColor"{self._bilingual(text)}'
            f"{_escaped(_in_language(text, self.language))}</text>"
        )

    def line(self, start: tuple[float, float], end: tuple[float, float], look: str) -> None:
        """Draw a line; ``look`` is its class and its presentation attributes."""
        (x1, y1), (x2, y2) = start, end
        self.parts.append(
            f'<line x1="{_number(x1)}" y1="{_number(y1)}" x2="{_number(x2)}" y2="{_number(y2)}" '
            f"{look}/>"
        )

    def path(self, points: Sequence[tuple[float, float]], look: str) -> None:
        """Draw a line through some points."""
        joints = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        self.parts.append(f'<polyline points="{joints}" fill="none" {look}/>')

    def box(self, x: float, y: float, size: tuple[float, float], look: str) -> None:
        """Draw a rectangle, given its upper left corner, its width and its height."""
        width, height = size
        self.parts.append(
            f'<rect x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" '
            f'height="{_number(height)}" {look}/>'
        )

    def dot(self, x: float, y: float, look: str) -> None:
        """Draw a point."""
        self.parts.append(f'<circle cx="{_number(x)}" cy="{_number(y)}" r="3.5" {look}/>')

    def hint(self, text: Text) -> None:
        """Give what was drawn last a text that is seen when a pointer rests on it."""
        last = self.parts.pop()
        self.parts.append(f"<g>{self._element('title', text)}{last}</g>")

    def join_last(self, count: int) -> None:
        """Take what was drawn in the last few steps for one thing."""
        self.parts[-count:] = ["".join(self.parts[-count:])]

    def clipped(self, corner: tuple[float, float], size: tuple[float, float]) -> None:
        """Cut what was drawn last at the edges of a rectangle."""
        (x, y), (width, height) = corner, size
        last = self.parts.pop()
        edges = " ".join(map(_number, (x, y, width, height)))
        self.parts.append(
            f'<svg x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" '
            f'height="{_number(height)}" viewBox="{edges}">{last}</svg>'
        )

    def picture(self, height: float, title: Text, description: Text) -> str:
        """The picture as an element of a page.

        Args:
            height: Its height in units; it is :data:`WIDTH` wide.
            title: What it is, for those who hear it read out.
            description: What it shows, likewise.
        """
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="zc" role="img" '
            f'viewBox="0 0 {WIDTH} {_number(height)}" width="100%" font-family="inherit">'
            f"{self._element('title', title)}{self._element('desc', description)}"
            f"{''.join(self.parts)}</svg>"
        )

    def _element(self, name: str, text: Text) -> str:
        shown = _escaped(_in_language(text, self.language))
        return f"<{name}{self._bilingual(text)}{shown}</{name}>"

    def _bilingual(self, text: Text) -> str:
        """The end of a tag whose words a page may exchange."""
        if isinstance(text, str):
            return ">"
        chinese = _in_language(text, "zh-Hans" if self.language == "zh-Hans" else "zh-Hant")
        english = _in_language(text, "en")
        if chinese == english:
            return ">"
        return f' class="t" data-zh="{_escaped(chinese)}" data-en="{_escaped(english)}">'


@dataclass(frozen=True, slots=True)
class Plot:
    """The area of a picture that points are drawn in, from their values.

    Attributes:
        top: Where it begins, in units.
        height: Its height.
        largest: The value at its upper edge; 0 is at its lower one.
        left: Where it begins, in units.
        width: Its width, for values of 0 to 1.
    """

    top: float
    height: float
    largest: float = 1.0
    left: float = 42.0
    width: float = 304.0

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is drawn."""
        return (
            self.left + self.width * x,
            self.top + self.height * (1 - y / self.largest),
        )

    def axes(self, drawing: Drawing, *, across: bool = True) -> None:
        """Draw lines and percentages at the left, and with ``across`` also at the bottom."""
        for step in range(5):
            value = self.largest * step / 4
            start, end = self.at(0, value), self.at(1, value)
            look = AXIS if step == 0 else GRID
            drawing.line(start, end, look)
            drawing.words(self.left - 5, start[1] + 4, percent(value), anchor="end", size=SMALL)
        if across:
            for step in range(5):
                x, y = self.at(step / 4, 0)
                drawing.words(x, y + 14, percent(step / 4), size=SMALL)


AXIS = 'class="zc-axis" stroke="currentColor" stroke-opacity=".6"'
GRID = 'class="zc-grid" stroke="currentColor" stroke-opacity=".15"'


def percent(share: float) -> str:
    """A share as a percentage with as many decimals as it has, at most one: ``"2.5%"``."""
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def shortened(text: Text, columns: int) -> Text:
    """A text that is no wider than some columns, of which a Chinese character takes two."""
    if not isinstance(text, str):
        return text  # our own words
    shown = visible(text)
    width = 0
    for index, character in enumerate(shown):
        width += 2 if east_asian_width(character) in "WF" else 1
        if width > columns:
            return shown[: max(0, index - 1)] + "…"
    return shown


def _number(value: float) -> str:
    return f"{value + 0.0:.1f}".removesuffix(".0")


def _escaped(text: str) -> str:
    return escape(visible(text))
