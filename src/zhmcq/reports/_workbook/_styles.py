"""The styles of a workbook, with those added that its new cells need."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from zhmcq.errors import ReadError
from zhmcq.reports._tables import RISKY_STARTS
from zhmcq.reports._workbook._values import AddedCell, CellColour
from zhmcq.reports._workbook._xml import (
    DECLARATION,
    Element,
    SmallPart,
    attribute_text,
    tag_end,
    with_attributes,
)

__all__ = ["EMPTY_STYLES", "FILLS", "Styles"]

# The light fills that Excel calls good, bad and neutral: dark text is legible on them.
FILLS: dict[CellColour, str] = {
    "right": "C6EFCE",
    "wrong": "FFC7CE",
    "unsure": "FFEB9C",
    "error": "FFC7CE",
    "warning": "FFEB9C",
}
# Light text, as headers on a dark ground have it, could not be read on these, nor red on green.
_COLOUR = re.compile(r"<(?:[\w.-]{1,40}:)?color(?:\s[^<>]{0,200})?/>")
_BLACK = re.compile(r"""(?:rgb=["'](?:[0-9A-F]{2})?000000["']|theme=["']1["'])""", re.IGNORECASE)
_ALIGNMENT = re.compile(rb"<(?:[\w.-]{1,40}:)?alignment(?:\s[^<>]{0,2000})?>")
_PERCENT = "0.0%"
_GENERAL, _TEXT = "0", "49"  # numbers of formats that are built in
_FIRST_CUSTOM = 164
# Excel's limit is 65,490.
MAX_FORMATS = 65_000
# The parts of styles in the order that ECMA-376 part 1, section 18.8.39, gives them.
_SECTIONS = (
    "numFmts",
    "fonts",
    "fills",
    "borders",
    "cellStyleXfs",
    "cellXfs",
    "cellStyles",
    "dxfs",
    "tableStyles",
    "colors",
    "extLst",
)
Section = Literal["numFmts", "fonts", "fills", "cellXfs"]
# What a section begins with where it is missing: formats refer to the first of each.
_FIRST: dict[Section, tuple[str, ...]] = {
    "numFmts": (),
    "fonts": ("<{p}font/>",),
    "fills": (
        '<{p}fill><{p}patternFill patternType="none"/></{p}fill>',
        '<{p}fill><{p}patternFill patternType="gray125"/></{p}fill>',
    ),
    "cellXfs": ('<{p}xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>',),
}
EMPTY_STYLES = (
    f"{DECLARATION}"
    '<styleSheet xmlns="{namespace}">'
    '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)


@dataclass(slots=True)
class _Section:
    """A list of the styles: what is in it, and what is added."""

    element: Element | None
    length: int
    added: list[str] = field(default_factory=list)

    def add(self, xml: str) -> int:
        """Add an item; its number."""
        if xml in self.added:
            return self.length + self.added.index(xml)
        self.added.append(xml)
        return self.length + len(self.added) - 1


class Styles:
    """Gives numbers of formats for added cells, and notes which formats that takes.

    Args:
        data: The part with the workbook's styles.
        where: How messages call it.

    Raises:
        ReadError: If it is damaged.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self._part = SmallPart(data, where)
        self._where = where
        self._numbers: dict[tuple[int | None, str, CellColour, bool], int] = {}
        self._sections: dict[Section, _Section] = {}
        for name in _FIRST:
            lists = self._part.root.named(name)
            element = lists[0] if lists else None
            length = len(element.children) if element else len(_FIRST[name])
            self._sections[name] = _Section(element, length)
        formats = self._sections["cellXfs"].element
        self._formats = formats.children if formats else []

    def number(self, cell: AddedCell, neighbour: int | None) -> int:
        """The number of the format of an added cell.

        Args:
            cell: The cell.
            neighbour: The format that it looks like; ``None`` if there is none.

        Raises:
            ReadError: If the workbook would have more formats than Excel takes.
        """
        value = cell.value
        shows = "" if value is None else "text" if isinstance(value, str) else "number"
        # Whoever edits such a text by hand and presses Enter would else have made a formula of it.
        quoted = isinstance(value, str) and value.startswith(RISKY_STARTS)
        kind = shows if cell.style == "plain" or not shows else cell.style
        if neighbour is not None and neighbour >= len(self._formats):
            neighbour = None
        key = (neighbour, kind, cell.colour, quoted)
        if key not in self._numbers:
            self._numbers[key] = self._derive(*key)
        return self._numbers[key]

    def changed(self) -> bytes | None:
        """The part with the formats added; ``None`` if it stays as it was."""
        part = self._part
        if not any(section.added for section in self._sections.values()):
            return None
        new: dict[int, list[str]] = {}
        for name, section in self._sections.items():
            if not section.added:
                continue
            xml = "".join(section.added)
            count = str(section.length + len(section.added))
            if section.element is not None:
                part.append(section.element, xml, {"count": count})
                continue
            first = "".join(item.format(p=part.prefix) for item in _FIRST[name])
            tag = f"{part.prefix}{name}"
            new.setdefault(self._index_of(name), []).append(
                f'<{tag} count="{count}">{first}{xml}</{tag}>'
            )
        for index, sections in new.items():
            part.insert(index, "".join(sections))
        return part.changed()

    def _index_of(self, name: Section) -> int:
        """Where a missing section belongs."""
        following = _SECTIONS[_SECTIONS.index(name) + 1 :]
        for element in self._part.root.children:
            if element.local in following:
                return element.start
        return self._part.root.close

    def _derive(self, neighbour: int | None, kind: str, colour: CellColour, quoted: bool) -> int:
        base = self._formats[neighbour or 0] if self._formats else None
        values = self._values(base, kind, colour, bold=kind == "header" and neighbour is None)
        if quoted:
            values["quotePrefix"] = "1"
        elif kind and base and base.attributes.get("quotePrefix") in ("1", "true"):
            values["quotePrefix"] = None
        if not values:
            return neighbour or 0
        return self._add_format(base, values, right=kind == "range")

    def _values(
        self, base: Element | None, kind: str, colour: CellColour, *, bold: bool
    ) -> dict[str, str | None]:
        """The attributes in which the format of an added cell is not that of ``base``."""
        attributes = base.attributes if base else {}
        values: dict[str, str | None] = {}
        shown = attributes.get("numFmtId", _GENERAL)
        if kind == "percent":
            values |= {"numFmtId": self._percent(), "applyNumberFormat": "1"}
        elif kind and shown != _GENERAL and not (shown == _TEXT and kind != "number"):
            values |= {"numFmtId": _GENERAL, "applyNumberFormat": "1"}
        font = attributes.get("fontId", "0")
        if bold:
            values |= {"fontId": str(self._bold(font)), "applyFont": "1"}
        elif colour and (dark := self._dark(font)) is not None:
            values |= {"fontId": str(dark), "applyFont": "1"}
        if colour:
            values |= {"fillId": str(self._fill(colour)), "applyFill": "1"}
        if kind == "range":
            values["applyAlignment"] = "1"
        return values

    def _add_format(
        self, base: Element | None, values: dict[str, str | None], *, right: bool
    ) -> int:
        """Add a format like another one but for some attributes; its number."""
        raw = (
            self._part.raw(base)
            if base
            else _FIRST["cellXfs"][0].format(p=self._part.prefix).encode()
        )
        end = tag_end(raw, 0, self._where)
        tag, rest = with_attributes(raw[:end], values), raw[end:]
        if right:
            tag, rest = self._right_aligned(tag, rest)
        section = self._sections["cellXfs"]
        number = section.add((tag + rest).decode())
        if number >= MAX_FORMATS:
            raise ReadError(f"{self._where}: it has more formats of cells than Excel takes")
        return number

    def _right_aligned(self, tag: bytes, rest: bytes) -> tuple[bytes, bytes]:
        """A format, as its first tag and what follows, whose texts stand where numbers do."""
        right: dict[str, str | None] = {"horizontal": "right"}
        if there := _ALIGNMENT.search(rest):
            aligned = with_attributes(there[0], right)
            return tag, rest[: there.start()] + aligned + rest[there.end() :]
        p = self._part.prefix
        aligned = f'<{p}alignment horizontal="right"/>'.encode()
        if tag.endswith(b"/>"):
            return tag[:-2].rstrip() + b">", aligned + f"</{p}xf>".encode()
        return tag, aligned + rest

    def _percent(self) -> str:
        """The number of the format for percentages."""
        section = self._sections["numFmts"]
        used = [_FIRST_CUSTOM - 1]
        for element in section.element.children if section.element else ():
            number = element.attributes.get("numFmtId", "")
            if element.attributes.get("formatCode") == _PERCENT:
                return number
            if re.fullmatch("[0-9]{1,8}", number):
                used.append(int(number))
        number = str(max(used) + 1)
        code = attribute_text(_PERCENT)
        section.add(f'<{self._part.prefix}numFmt numFmtId="{number}" formatCode="{code}"/>')
        return number

    def _bold(self, font: str) -> int:
        """The number of a font like another one, but bold."""
        inner = self._inner(font)
        if re.match(rf"<{re.escape(self._part.prefix)}b\b", inner):
            return int(font)
        return self._add_font(f"<{self._part.prefix}b/>{inner}")

    def _dark(self, font: str) -> int | None:
        """The number of a font like another one, but black; ``None`` if it is black."""
        inner = self._inner(font)
        dark = _COLOUR.sub(lambda m: m[0] if _BLACK.search(m[0]) else "", inner)
        return None if dark == inner else self._add_font(dark)

    def _inner(self, font: str) -> str:
        """What a font is made of, as XML."""
        section = self._sections["fonts"]
        fonts = section.element.children if section.element else []
        index = int(font) if re.fullmatch("[0-9]{1,6}", font) else len(fonts)
        if index >= len(fonts):
            return ""
        return self._part.data[fonts[index].tag_end : fonts[index].close].decode()

    def _add_font(self, inner: str) -> int:
        tag = f"{self._part.prefix}font"
        return self._sections["fonts"].add(f"<{tag}>{inner}</{tag}>")

    def _fill(self, colour: CellColour) -> int:
        """The number of a fill."""
        p = self._part.prefix
        return self._sections["fills"].add(
            f'<{p}fill><{p}patternFill patternType="solid"><{p}fgColor rgb="FF{FILLS[colour]}"/>'
            f'<{p}bgColor indexed="64"/></{p}patternFill></{p}fill>'
        )
