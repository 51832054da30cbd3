"""Automatic numbers of a Word document: what stands before a paragraph and not in its text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from zhmcq.zh._labels import CIRCLED_NUMBERS, HEAVENLY_STEMS

__all__ = ["Numbering"]

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PLACE = re.compile(r"%([1-9])")
_HAN = "〇一二三四五六七八九"
_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"),
    (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_BRANCHES = "子丑寅卯辰巳午未申酉戌亥"
_LEVELS = 9
_LARGEST = 10_000


@dataclass(slots=True)
class _Level:
    start: int = 1
    form: str = "decimal"
    text: str = ""


@dataclass(slots=True)
class _List:
    """A ``w:num``: the levels of its abstract list, and where it counts anew."""

    abstract: str
    levels: dict[int, _Level]
    restarts: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Counts the numbered paragraphs of a document, in its order.

    Args:
        root: The element ``w:numbering``; ``None`` where the document has none.
    """

    def __init__(self, root: Any) -> None:
        abstract: dict[str, dict[int, _Level]] = {}
        self._lists: dict[str, _List] = {}
        self._counts: dict[str, list[int | None]] = {}
        self._begun: set[str] = set()
        if root is None:
            return
        for element in root.iterchildren(f"{_W}abstractNum"):
            levels = {_integer(e, "ilvl"): _level(e) for e in element.iterchildren(f"{_W}lvl")}
            abstract[element.get(f"{_W}abstractNumId", "")] = levels
        for element in root.iterchildren(f"{_W}num"):
            name = _value(element, "abstractNumId")
            item = _List(name, dict(abstract.get(name, {})))
            for override in element.iterchildren(f"{_W}lvlOverride"):
                index = _integer(override, "ilvl")
                level = override.find(f"{_W}lvl")
                if level is not None:
                    item.levels[index] = _level(level)
                start = override.find(f"{_W}startOverride")
                if start is not None:
                    item.restarts[index] = _integer(start, "val")
            self._lists[element.get(f"{_W}numId", "")] = item

    def before(self, number: str, level: int) -> str:
        """The number of the next paragraph of a list, as Word shows it; ``""`` for a bullet.

        Args:
            number: The list's ``w:numId``.
            level: Its level in the list, from 0.
        """
        item = self._lists.get(number)
        if item is None or level not in item.levels or not 0 <= level < _LEVELS:
            return ""
        counts = self._counts.setdefault(item.abstract, [None] * _LEVELS)
        if number not in self._begun:
            self._begun.add(number)
            for index, start in item.restarts.items():
                if 0 <= index < _LEVELS:
                    counts[index] = start - 1
        current = counts[level]
        counts[level] = item.levels[level].start if current is None else current + 1
        counts[level + 1 :] = [None] * (_LEVELS - level - 1)
        if item.levels[level].form == "bullet":
            return ""

        def shown(match: re.Match[str]) -> str:
            index = int(match.group(1)) - 1
            of_level = item.levels.get(index, _Level())
            count = counts[index]
            return _written(of_level.start if count is None else count, of_level.form)

        return _PLACE.sub(shown, item.levels[level].text).strip()


def _level(element: Any) -> _Level:
    start = element.find(f"{_W}start")
    return _Level(
        1 if start is None else _integer(start, "val"),
        _value(element, "numFmt") or "decimal",
        _value(element, "lvlText")[:40],
    )


def _value(element: Any, name: str) -> str:
    child = element.find(f"{_W}{name}")
    return "" if child is None else str(child.get(f"{_W}val", ""))


def _integer(element: Any, name: str) -> int:
    text = str(element.get(f"{_W}{name}", ""))
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0


def _written(count: int, form: str) -> str:
    """A number in one of Word's forms."""
    if not 0 < count <= _LARGEST:
        return str(count)
    if form in ("upperLetter", "lowerLetter"):
        letter = chr(ord("A") + (count - 1) % 26) * ((count - 1) // 26 + 1)
        return letter if form == "upperLetter" else letter.lower()
    if form in ("upperRoman", "lowerRoman"):
        roman = _roman(count)
        return roman if form == "upperRoman" else roman.lower()
    if form in ("decimalEnclosedCircle", "decimalEnclosedCircleChinese") and count <= 20:
        return CIRCLED_NUMBERS.characters[count - 1]
    if form == "ideographTraditional" and count <= 10:
        return HEAVENLY_STEMS.characters[count - 1]
    if form == "ideographZodiac" and count <= len(_BRANCHES):
        return _BRANCHES[count - 1]
    if "ounting" in form or form in (
        "ideographDigital",
        "koreanDigital2",
        "japaneseDigitalTenThousand",
    ):
        return _chinese(count)
    return str(count)


def _roman(count: int) -> str:
    text = ""
    for value, sign in _ROMAN:
        text += sign * (count // value)
        count %= value
    return text


def _chinese(count: int) -> str:
    """A number up to 99 in Chinese numerals; others digit by digit."""
    if count > 99:
        return "".join(_HAN[int(digit)] for digit in str(count))
    tens, ones = divmod(count, 10)
    text = ("" if tens < 2 else _HAN[tens]) + ("十" if tens else "")
    return text + (_HAN[ones] if ones or not tens else "")
