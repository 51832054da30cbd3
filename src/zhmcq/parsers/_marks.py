"""Lists and tables that give each option a mark (✓, ✗, yes, no, 對, 錯) or a share (80 %)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from zhmcq.parsers._names import NamedOptions
from zhmcq.parsers._vocabulary import Vocabulary

__all__ = ["MarkedOptions", "likeliest_by_share", "read_marks"]

# A mark says no more than yes or no. Words of it need an end behind them; a sign does not.
_END = r"(?=[\s,.。;!|)\]、]|\Z)"
_NO_WORD = r"否|不是|不对|不正确|不符合?|错误?|有误|非"
_YES_WORD = r"是的?|对的?|正确|符合|成立"
_MARK = (
    rf"(?:(?P<no>×|\[\s\]|(?:{_NO_WORD}){_END}|\b(?:(?i:no|false|wrong|incorrect|not)|X|N|F){_END})"
    rf"|(?P<yes>√|○|\[[xXvV√]\]|(?:{_YES_WORD}){_END}"
    rf"|\b(?:(?i:yes|true|correct|right)|O|V|Y|T){_END}))"
)
_TRAILING = re.compile(rf"(?:选?项)?[\s)\]\"'*.:|(=>-]{{0,8}}+(?:(?i:is|are)\s)?{_MARK}")
_LEADING = re.compile(
    r"(?:(?P<no>×|\[\s\])|(?P<yes>√|○|\[[xXvV√]\]))[\s*(.:\"'-]{0,6}(?:选项\s?)?\Z"
)
_CELL_MARK = re.compile(rf"[\s*\"'(]{{0,4}}{_MARK}[\s*\"').。]{{0,4}}")
_RULED = re.compile(r"[\s|:-]+")
_MOST_LINES = 400

# 「A：10%」, 「A 的機率是 0.1」.
_SHARE = re.compile(
    r"[)\]\"'*.]{0,3}\s?(?:选?项)?(?:的)?(?:机率|概率|可能性|信心|probability)?\s?(?:是|为|约|[:=|>(-])?\s{0,3}"
    r"(?P<number>\d{1,3}(?:\.\d{1,4})?)(?![\d.]\d)\s?(?P<percent>%)?(?!\s?[A-Za-z\u4e00-\u9fff°])"
)
#: A share that decides is more than half, and at least so many times the next.
_CLEARLY = 2.0


class MarkedOptions(NamedTuple):
    """What a list or table says of the options it marks.

    Attributes:
        marks: For each option that has a mark, whether it is a yes.
        start: Where the list begins.
        end: Where it ends.
    """

    marks: dict[int, bool]
    start: int
    end: int


def read_marks(text: str, words: Vocabulary, names: list[NamedOptions]) -> MarkedOptions | None:
    """The list or table of marks in a reply; ``None`` if it holds none.

    Args:
        text: The folded reply.
        words: How the options are named.
        names: Where labels stand, each with its option's own text, in the order of the text.
    """
    if not names:
        return _marks_in_order(text, words.count)
    return _marks_in_columns(text, words) or _marks_of(text, names)


def _marks_in_order(text: str, count: int) -> MarkedOptions | None:
    """是、否、是、否: a mark for each option, and nothing else."""
    parts = [part for part in re.split(r"[\s,、;/]+", text.strip(" .。\n"), maxsplit=count) if part]
    matches = [_CELL_MARK.fullmatch(part) for part in parts]
    if len(matches) != count:
        return None
    marks = {index: match.lastgroup == "yes" for index, match in enumerate(matches) if match}
    return MarkedOptions(marks, 0, len(text.rstrip())) if len(marks) == count else None


def _marks_of(text: str, names: list[NamedOptions]) -> MarkedOptions | None:
    """Marks right after the names or, where each name has one before it, right before them."""
    before: list[tuple[NamedOptions, bool]] = []
    after: list[tuple[NamedOptions, bool]] = []
    ends_with_mark = False
    for position, name in enumerate(names):
        leading = _LEADING.search(text, max(0, name.start - 10), name.start)
        if leading:
            before.append((name, leading.lastgroup == "yes"))
        following = names[position + 1].start if position + 1 < len(names) else len(text)
        trailing = _TRAILING.match(text, name.end, following) or _last_cell(text, name, following)
        ends_with_mark = trailing is not None
        if trailing:
            after.append((name, trailing.lastgroup == "yes"))
    led = len(before) == len(names) or (len(before) >= len(after) and not ends_with_mark)
    marked = (
        before if before and led and not (ends_with_mark and len(after) == len(names)) else after
    )
    marks: dict[int, bool] = {}
    for name, yes in marked:
        if marks.setdefault(name.indexes[0], yes) != yes:
            return None
    if len(marks) < 2:
        return None
    return MarkedOptions(marks, marked[0][0].start, marked[-1][0].end)


def _last_cell(text: str, name: NamedOptions, stop: int) -> re.Match[str] | None:
    """The mark in the last cell of a table's row that begins with a label."""
    line_end = text.find("\n", name.end, stop)
    row = text[name.end : stop if line_end < 0 else line_end].rstrip()
    if "|" not in row[:12] or not row.endswith("|"):
        return None
    return _CELL_MARK.fullmatch(row.rstrip("|").rsplit("|", 1)[-1])


def _marks_in_columns(text: str, words: Vocabulary) -> MarkedOptions | None:
    """A row of labels over a row of marks."""
    if "|" not in text:
        return None
    names = {text: index for index, text in words.texts.items()} | words.forms
    header: list[int] = []
    start = position = 0
    for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]:
        begin, position = position, position + len(line) + 1
        if "|" not in line:
            header = []
            continue
        cells = [cell.strip(" *()") for cell in line.strip().strip("|").split("|")]
        indexes = [names.get(cell, -1) for cell in cells]
        if sum(index >= 0 for index in indexes) >= 2:
            header, start = indexes, begin
        elif header and len(cells) == len(header) and not _RULED.fullmatch(line):
            matches = [_CELL_MARK.fullmatch(cell) for cell in cells]
            marks = {
                index: match.lastgroup == "yes"
                for index, match in zip(header, matches, strict=True)
                if match and index >= 0
            }
            if len(marks) >= 2:
                return MarkedOptions(marks, start, begin + len(line))
    return None


def _shares(text: str, names: list[NamedOptions]) -> Iterator[tuple[int, float, int]]:
    """The options that have a number behind them, with the number and where it ends."""
    for position, name in enumerate(names):
        stop = names[position + 1].start if position + 1 < len(names) else len(text)
        if match := _SHARE.match(text, name.end, stop):
            percent = 100 if match.group("percent") else 1
            yield name.indexes[0], float(match.group("number")) / percent, match.end()


def likeliest_by_share(
    text: str, words: Vocabulary, names: list[NamedOptions]
) -> NamedOptions | None:
    """The option of by far the largest share, where the reply divides 100 % among all options.

    It has to have more than half and twice as much as the next. Where the options are numbers
    themselves, a list of numbers repeats them.
    """
    if len(names) < 2:
        return None
    shares = list(_shares(text, names))
    amounts = {index: amount for index, amount, _ in shares}
    if len(shares) != words.count or len(amounts) != words.count or words.others.has_numbers:
        return None
    total = sum(amounts.values())
    first, second = sorted(amounts.values(), reverse=True)[:2]
    whole = abs(total - 1) < 0.021
    if not whole or first <= 0.5 or first < _CLEARLY * second:
        return None
    best = max(amounts, key=lambda index: amounts[index])
    return NamedOptions((best,), names[0].start, shares[-1][2])
