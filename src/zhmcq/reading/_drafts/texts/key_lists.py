"""Keys that stand together, before or after the questions: ``1.B 2.C``, ``1-5 BCADA``, a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from zhmcq.reading._formats.plain_text import Line
from zhmcq.zh._fold import half_width

__all__ = ["KeyList", "keys_of_line", "keys_of_rows", "opens_key_list"]

_SURE = r"(?:[A-Ha-h]{1,8}|[①-⑩]|[OX○×〇◯✓✗√╳]|[甲乙丙丁戊]|[對錯对错是非]|送分)"
_KEY = rf"(?:{_SURE}|[1-9](?![0-9]))"
_NUMBER = r"[0-9]{1,6}"
_WORD = (
    r"(?:(?:參考|参考|標準|标准|正確|正确)?(?:答案|解答)(?:卷|欄|栏|表|對照表|对照表|一覽表?|如下)?|"
    r"answers?(?:\s+keys?)?)"
)
_TITLE = re.compile(
    rf"\s*[【\[(（〔《◎※]?\s*{_WORD}\s*[】\])）〕》]?\s*(?:[(（][^()（）]{{1,40}}[)）]\s*)?"
    r"[:：]?\s*|[\s|]*(?:[題题][號号]|No\.?|#)[\t |]+(?:答案|解答|Answer|Key)(?:[\t |].{0,60})?",
    re.IGNORECASE,
)
_LEAD = re.compile(rf"\s*[【\[(（〔]?\s*{_WORD}\s*[】\])）〕]?\s*[:：]?\s*", re.IGNORECASE)
_SECTION = re.compile(
    r"(?:[(（]?[一二三四五六七八九十]{1,3}[)）]?[、.．:：\s]{0,3}(?:[^\d\s:：]{1,10}[:：]?)?|"
    r"[^\d\s:：A-Za-z]{0,6}[題题]\s?[:：])\s{0,5}(?=[(（]?\d)"
)
# A row of a table of keys: number, key, and what else it says.
_ROW = re.compile(
    rf"[\s|]*(?P<number>{_NUMBER})\s*[|\t]\s*[(（]?(?P<key>{_KEY})[)）]?\s*[|\t](?P<rest>.*)"
)
_PAIR = re.compile(
    rf"[(（]?(?P<number>{_NUMBER})[)）]?\s{{0,3}}(?:[.．、:：)\-]\s{{0,3}}|\s|(?=[(（A-Za-z○×]))"
    rf"(?:[(（]\s{{0,3}}(?P<bracketed>{_KEY})\s{{0,3}}[)）]|"
    rf"(?P<bare>{_KEY})(?![A-Za-z0-9\u3400-\u9fff]))[)）]?[\s,，;；、|。]*"
)
_SPAN = re.compile(
    rf"(?P<low>{_NUMBER})\s{{0,3}}[-~～—–－至到]\s{{0,3}}(?P<high>{_NUMBER})\s{{0,3}}[題题]?\s{{0,3}}[.．、:：]?"
    rf"\s{{0,3}}(?P<keys>(?:[A-Ha-h○×OX1-9][\s,，、]{{0,4}}){{1,100}})[;；。|]?\s*"
)
# The answer of a question that is no choice, among the keys of those that are.
_OTHER = re.compile(
    rf"(?P<number>{_NUMBER})\s{{0,3}}[.．、:：]\s{{0,3}}(?P<bare>[^\s.．、]{{1,40}})(?P<bracketed>)(?:\s+|$)"
)
_ROW_WORDS = re.compile(r"題號|题号|題目|题目|答案|解答|no\.?|answer|key|#", re.IGNORECASE)


_SECOND = re.compile(r"(?:^|[|\t])\s{0,9}\d{1,6}\s{0,9}[|\t]")


@dataclass(slots=True)
class KeyList:
    """The keys that stand together in a text.

    Attributes:
        keys: Number and key, in the text's order.
        lines: The lines that they stand in.
        explanations: What the list says after the keys, by number.
    """

    keys: list[tuple[int, str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    explanations: dict[int, str] = field(default_factory=dict)

    def runs(self) -> list[dict[int, str]]:
        """The keys, a dictionary for each counting of numbers: a new one where they fall."""
        runs: list[dict[int, str]] = []
        last = 0
        for number, key in self.keys:
            if not runs or number <= last:
                runs.append({})
            runs[-1][number] = key
            last = number
        return runs

    def repeated(self) -> int:
        """A number that occurs twice; 0 without one."""
        counts = Counter(number for number, _ in self.keys)
        return next((number for number, count in counts.items() if count > 1), 0)


def opens_key_list(text: str) -> bool:
    """Whether a line is the title of a list of keys."""
    return bool(_TITLE.fullmatch(text))


def keys_of_line(text: str, *, inside: bool) -> list[tuple[int, str]]:
    """The numbers and keys that a line lists; none where it holds anything else.

    Args:
        text: The line.
        inside: Whether it stands in a list, so that one number and key are enough. Elsewhere
            ``(1)3 (2)4`` are options, and keys are no digits.
    """
    text = half_width(text)
    lead = _LEAD.match(text)
    start = lead.end() if lead else 0
    if section := _SECTION.match(text, start):
        start = section.end()
    if inside and (row := _ROW.fullmatch(text)) and not _SECOND.search(row["rest"]):
        return [(int(row["number"]), row["key"])]
    keys: list[tuple[int, str]] = []
    while start < len(text):
        span = _SPAN.match(text, start)
        if span and (several := _of_span(span)):
            keys += several
            start = span.end()
            continue
        pair = _PAIR.match(text, start)
        if pair is None and keys and (inside or lead):
            pair = _OTHER.match(text, start)
        if pair is None:
            return []
        keys.append((int(pair["number"]), pair["bracketed"] or pair["bare"]))
        start = pair.end()
    if inside or lead:
        return keys
    sure = all(re.fullmatch(_SURE, key) for _, key in keys) and text[:1] != "("
    return keys if len(keys) > 1 and sure else []


def _of_span(span: re.Match[str]) -> list[tuple[int, str]]:
    low, high = int(span["low"]), int(span["high"])
    keys = re.findall(r"[A-Za-z○×1-9]", span["keys"])
    if not low <= high or len(keys) != high - low + 1:
        return []
    return list(zip(range(low, high + 1), keys, strict=True))


def keys_of_rows(first: str, second: str) -> list[tuple[int, str]]:
    """The keys of a table's two rows: numbers above labels; none where they are none."""
    numbers, keys = _cells(first), _cells(second)
    named = bool(_ROW_WORDS.match(first.strip()) or _ROW_WORDS.match(second.strip()))
    if len(numbers) < 2 or len(numbers) != len(keys):
        return []
    if not all(re.fullmatch(_NUMBER, cell.strip(". ")) for cell in numbers):
        return []
    if not all(re.fullmatch(_KEY if named else _SURE, cell) for cell in keys):
        return []
    return [(int(n.strip(". ")), key) for n, key in zip(numbers, keys, strict=True)]


def _cells(row: str) -> Sequence[str]:
    cells = [
        cell.strip() for cell in re.split(r"[\t|]|\s{2,}|\s(?=\S{1,4}(?:\s|$))", half_width(row))
    ]
    return [cell for cell in cells if cell and not _ROW_WORDS.fullmatch(cell)]
