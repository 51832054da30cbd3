"""A key that stands inside its stem: 「1. (3) 下列…」, 「（Ｂ）1. 下列…」, 「最長的河是（ B ）。」.

Whether such brackets are keys shows only in the whole file, so that a stem's bracket is noted
first, all of them are counted, and the question is made after that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from zhmcq.zh._fold import normal_text
from zhmcq.zh._labels import label_index
from zhmcq.zh._truth import is_no_key, truth_of

if TYPE_CHECKING:
    from zhmcq.reading._drafts.draft import Draft

__all__ = [
    "KeyPosition",
    "Reading",
    "StemKey",
    "StemKeyTally",
    "StemKeys",
    "cut_trailing_key",
    "find_stem_key",
    "names_option",
]

Form = Literal["leading", "blank", "trailing"]
#: What the brackets of a file are: keys; perhaps keys; keys that only repeat those of their rows;
#: or part of the text.
Reading = Literal["key", "unclear", "repeated", "text"]

_OPEN, _CLOSE = r"[(（\[【〔]", r"[)）\]】〕]"
_BETWEEN = r"[ \u3000\xa0,，、;；]{0,3}"
_SERIES = ("A-JＡ-Ｊa-jａ-ｊ", "1-9１-９", "①-⑩", "甲乙丙丁戊己")
_KEY = "|".join(
    [
        *(f"[{series}](?:{_BETWEEN}[{series}]){{0,9}}" for series in _SERIES),
        r"[OoＯXxＸ○×◯〇✓✗✔✘√╳TFＴＦ對错錯对是非否]|正確|正确|錯誤|错误|[Tt]rue|[Ff]alse|TRUE|FALSE",
    ]
)
_PAD = r"[ \u3000\xa0]{0,9}"
# 1. or 1) or (1) or 第1題 or 一、 before a bracket with the key.
_NUMBER = (
    rf"(?:第|[Qq]\.?)?{_PAD}(?:\d{{1,4}}|[一二三四五六七八九十]{{1,3}}){_PAD}[題题]?{_PAD}[.．、:：)）]?|"
    rf"[(（]\d{{1,4}}[)）](?={_PAD}{_OPEN})"
)
_LEADING = re.compile(
    rf"\s{{0,9}}(?P<before>(?:{_NUMBER}){_PAD})?"
    rf"{_OPEN}{_PAD}(?P<key>{_KEY}){_PAD}{_CLOSE}{_PAD}[.．、:：]?{_PAD}"
    rf"(?P<after>\d{{1,4}}{_PAD}[.．、](?!\d){_PAD})?(?=\S)"
)
# 「答案：B 何者…」, 「【答案】(B) 1. 何者…」
_LEADING_WORD = re.compile(
    rf"\s{{0,9}}(?:\d{{1,4}}{_PAD}[.．、]{_PAD})?[(（【\[]?{_PAD}"
    rf"(?:正確|正确|標準|标准|參考|参考)?(?:答案|正解){_PAD}(?:[】\]）)]{_PAD}[:：]?|[:：]){_PAD}"
    rf"{_OPEN}?{_PAD}(?P<key>{_KEY}){_PAD}{_CLOSE}?(?:[\s.．、，,。;；:：]{{1,9}})"
    rf"(?:\d{{1,4}}{_PAD}[.．、](?!\d){_PAD})?(?=\S)"
)
_BLANK = re.compile(
    rf"{_OPEN}(?P<left>{_PAD})(?P<key>{_KEY})(?P<right>{_PAD}){_CLOSE}|"
    rf"(?<!_)_{{1,20}}{_PAD}(?P<lined>[A-J]{{1,9}}){_PAD}_{{1,20}}(?!_)"
)
_BRACKETED = re.compile(r"[(（]\s{0,9}(?P<label>[A-J1-9])\s{0,9}[)）]")
# 「最長的河是（B）。」: nothing else than a key has this position.
_FILLED = re.compile(r"[是為为][(（【\[][^()（）]{1,40}[)）】\]](?:[。，,？?！!．.]|$)")
# 「…丁河 答案：B」, 「…【答案】B\n【解析】…」 at the end of a text.
_TRAILING = re.compile(
    rf"(?<![是為为的])[(（【\[]?{_PAD}"
    r"(?:(?:正確|正确|標準|标准|參考|参考)?(?:答案|正解)|[Aa]nswer|ANSWER|[Aa]ns\.?)"
    rf"{_PAD}(?:[】\]）)]{_PAD}[:：]?|[:：])\s{{0,9}}"
    rf"(?P<key>{_OPEN}?{_PAD}(?:{_KEY}){_PAD}{_CLOSE}?){_PAD}[】\]）)]?{_PAD}[。.]?"
    r"(?P<rest>\s*$|\s*[(（【\[]?\s*(?:解析|詳解|详解|解說|解说|說明|说明|[Ee]xplanation)[\s\S]*)"
)
#: What a blank is when its key was taken out.
EMPTY_BLANK = "（　）"
_ANSWER_WORDS = ("答案", "正解", "nswer", "NSWER", "Ans", "ans")
_EXPLANATION_WORD = re.compile(
    r"[(（【\[]?\s*(?:解析|詳解|详解|解說|解说|說明|说明|[Ee]xplanation)\s*[】\])）]?\s*[:：]?\s*"
)
# Of the rows that could hold a key in their stem, so many must do so.
_NEARLY_ALL, _SOME = 0.75, 0.25
# One key in so many stems, and never another one, is none.
_SAME = 3
_DIFFERENT_KEYS = 5


@dataclass(frozen=True, slots=True)
class StemKey:
    """What may be a key inside a stem.

    Attributes:
        text: The key as written.
        stem: The stem without it, a number before or after it left out as well; a blank that it
            filled stays, emptied. ``""`` where it came after the options, and is gone already.
        mark: What was taken out of the stem.
        form: Whether it stands before the stem or fills a blank.
        sure: Whether it is written as nothing else is: beside a number, or with blanks around it.
    """

    text: str
    stem: str
    mark: str
    form: Form
    sure: bool

    def marked(self, stem: str) -> str:
        """A stem, without what followed it, with the mark put back."""
        if self.form == "leading":
            return self.mark + stem
        return stem.replace(EMPTY_BLANK, self.mark, 1)


def find_stem_key(stem: str, *, before_options: bool = False) -> StemKey | None:
    """The bracket of a stem that may be its key; ``None`` without one, or with several.

    Args:
        stem: The stem.
        before_options: Whether options follow in the same text, so that only the first bracket
            is looked at.
    """
    leading = _LEADING.match(stem)
    sure = bool(leading and (leading["before"] or leading["after"]))
    if leading and not (sure or before_options) and _begins_list(leading):
        return None
    if leading:
        return StemKey(leading["key"], stem[leading.end() :], leading.group(), "leading", sure)
    named = _LEADING_WORD.match(stem)
    if named:
        return StemKey(named["key"], stem[named.end() :], named.group(), "leading", sure=True)
    blanks = list(islice(_BLANK.finditer(stem), 2))
    if not blanks or (len(blanks) > 1 and not before_options):
        return None
    blank = blanks[0]
    key = blank["key"] or blank["lined"]
    padded = blank["lined"] or (blank["left"] and blank["right"])
    sure = bool(padded or _FILLED.search(stem, max(0, blank.start() - 1), blank.end() + 1))
    emptied = stem[: blank.start()] + EMPTY_BLANK + stem[blank.end() :]
    return StemKey(key, emptied, blank.group(), "blank", sure)


def _begins_list(leading: re.Match[str]) -> bool:
    """Whether a label in front is the first of a list: 「(A)甲 (B)乙，何者為是」."""
    following = _BRACKETED.search(leading.string, leading.end())
    pair = (leading["key"].strip().upper(), following["label"] if following else "")
    return pair in (("A", "B"), ("1", "2"))


def cut_trailing_key(text: str) -> tuple[str, str, str]:
    """A text that ends in its key: the text before it, the key, and the explanation after it.

    The key is ``""`` where the text has none.
    """
    if not any(word in text for word in _ANSWER_WORDS):
        return text, "", ""
    match = _TRAILING.search(text)
    if match is None or not text[: match.start()].strip():
        return text, "", ""
    explanation = _EXPLANATION_WORD.sub("", match["rest"].strip())
    return text[: match.start()].rstrip(), match["key"].strip(), explanation.strip()


class KeyPosition(NamedTuple):
    """Where keys are looked for: the form, and whether the rows have options."""

    form: Form
    choice: bool


StemKeys = Mapping[KeyPosition, Reading]


@dataclass(slots=True)
class _Count:
    """What the brackets of one position look like."""

    marks: int = 0
    sure: int = 0
    keys: Counter[str] = field(default_factory=Counter)
    in_order: int = 0
    rising: int = 0
    digits: int = 0
    last: int = -1
    agreeing: int = 0
    compared: int = 0


class StemKeyTally:
    """Counts the brackets of a file that may be keys, row by row."""

    def __init__(self) -> None:
        self._rows: Counter[bool] = Counter()
        self._counts: dict[KeyPosition, _Count] = {}

    def see(self, draft: Draft) -> None:
        """Count the stem of one row."""
        if not draft.stem:
            return
        choice = sum(map(bool, draft.options)) > 1
        self._rows[choice] += 1
        stem_key = draft.stem_key
        if stem_key is None or not names_option(stem_key.text, draft):
            return
        count = self._counts.setdefault(KeyPosition(stem_key.form, choice), _Count())
        count.marks += 1
        count.sure += stem_key.sure
        key = normal_text(stem_key.text).upper()
        if key in count.keys or len(count.keys) < _DIFFERENT_KEYS:
            count.keys[key] += 1
        number = label_index(key)
        count.in_order += number in (0, count.last + 1)
        count.rising += number == count.last + 1
        count.digits += key.isdecimal()
        count.last = number
        given = _indexes(draft.answer)
        if given is not None:
            count.compared += 1
            count.agreeing += given == _indexes(stem_key.text)

    def readings(self) -> dict[KeyPosition, Reading]:
        """What the brackets of each position are."""
        return {
            position: self._reading(position, count) for position, count in self._counts.items()
        }

    def labels(self) -> str:
        """How the keys in stems are written: ``"number"``, ``"letter"`` or ``""``."""
        written: Counter[str] = Counter()
        for position, count in self._counts.items():
            if position.choice and self._reading(position, count) == "key":
                for key, times in count.keys.items():
                    if key[:1].isdecimal():
                        written["number"] += times
                    elif key[:1].isascii():
                        written["letter"] += times
        return written.most_common(1)[0][0] if written else ""

    def _reading(self, position: KeyPosition, count: _Count) -> Reading:
        surely = count.sure * 2 > count.marks
        if not surely:
            # (1), (2), (3) … before one stem after another are their numbers, and a bracket that
            # the rows' keys contradict is no key.
            if count.marks == 1 or count.digits == count.in_order == count.marks:
                return "text"
            if count.compared > 3 and count.agreeing * 2 < count.compared:
                return "text"
        share = count.marks / self._rows[position.choice]
        # One and the same bracket in all stems, or 圖(A), 圖(B), 圖(C), may be anything.
        same = len(count.keys) == 1 and count.marks >= _SAME
        series = position.form == "blank" and count.rising == count.marks >= _SAME
        odd = not surely and (same or series)
        if share >= self._needed(position) and not odd:
            return "key"
        if count.compared == count.marks:
            trusted = count.agreeing == count.marks and (count.sure or count.marks >= _SAME)
            return "repeated" if trusted else "text"
        return "unclear" if count.marks > 1 and share >= _SOME else "text"

    def _needed(self, position: KeyPosition) -> float:
        # Rows without options are questions only if they are marked as true or false.
        return _NEARLY_ALL if position.choice else 0.5


def names_option(key: str, draft: Draft) -> bool:
    """Whether a key in a stem names an option of its row, or says true or false of it."""
    options = [option for option in draft.options if option]
    if truth_of(key) is not None:
        if not options:
            return True
        if len(options) == 2 and {truth_of(option) for option in options} == {True, False}:
            return True
    if len(options) < 2:
        return False
    given = {label.upper() for label in draft.labels}
    labels = [char for char in normal_text(key).upper() if char.isalnum()]
    return all(label in given or 0 <= label_index(label) < len(draft.options) for label in labels)


def _indexes(answer: Any) -> frozenset[int] | bool | None:
    """What a key says, for a comparison before it can be read; ``None`` where that is unknown."""
    if is_no_key(answer) or isinstance(answer, dict | list | tuple):
        return None
    truth = truth_of(answer)
    if truth is not None:
        return truth
    text = normal_text(f"{answer:g}" if isinstance(answer, float) else str(answer)).upper()
    labels = [char for char in text if char.isalnum()]
    indexes = frozenset(map(label_index, labels))
    return indexes if labels and min(indexes) >= 0 and len(text) < 2 * len(labels) + 4 else None
