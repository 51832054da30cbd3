"""What the answers to one question look like in a reply: labels in any style, option texts."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

from zhmcq.parsers.folding import fold
from zhmcq.parsers.label_shapes import label_shapes, label_style
from zhmcq.parsers.option_texts import length_of, squeeze
from zhmcq.questions import Question

__all__ = ["Reading", "Vocabulary", "vocabulary"]

NUMERALS = "一二三四五六七八九十"
ORDINALS = ("first", "second", "third", "fourth", "fifth")
TRUE_WORDS = (
    "是",
    "对",
    "正确",
    "正确无误",
    "没错",
    "无误",
    "真",
    "√",
    "○",
    "O",
    "V",
    "True",
    "Yes",
    "T",
    "Y",
)
FALSE_WORDS = (
    *("否", "错", "错误", "有误", "不", "不是", "不对", "不正确", "不太正确", "并不正确", "不成立"),
    *("假", "×", "X", "False", "No", "F", "N"),
)
NONE_OF_THEM = re.compile(
    r"(?:以上|上述)?(?:选项|答案)?(?:都|皆|均|全)(?:不是|不对|不正确|非|错误?|不符合?)"
    r"|none of the above|none of these|neither of the above",
    re.IGNORECASE,
)
ALL_OF_THEM = re.compile(
    r"(?:以上|上述)(?:选项|答案)?(?:都|皆|均|全部?)(?:是|对|正确|可)|all of the above|all of these",
    re.IGNORECASE,
)

_CLOSING = re.compile(r"[\s.、:)\]\"'*_$}`>-]{0,8}")
# A letter glued to one of these is the beginning of a word (B細胞, A型) unless it is a label.
_GOES_ON = frozenset(
    "项选是为和与或及、,正符合因而也才最的了吧呢哦都均两以这答即故错不对有更应比较会需能可所就则但吧嘛吗啊呀"
)


class Reading(NamedTuple):
    """What stands at one place of a reply.

    Attributes:
        indexes: The options named, in the order of the text; empty with ``unknown``.
        start: Where the label or text begins.
        end: Where it ends, brackets and the option's own text included.
        by_text: Whether an option text was read, and no label.
        with_text: Whether a label was followed by its own option text.
        open_choice: Whether the labels are joined by "or".
        unknown: Whether the label is in the question's style, but not one of its labels.
    """

    indexes: tuple[int, ...]
    start: int
    end: int
    by_text: bool = False
    with_text: bool = False
    open_choice: bool = False
    unknown: bool = False


class Vocabulary:
    """The labels and option texts of one question, ready to be found in a folded reply."""

    def __init__(self, labels: Sequence[str], options: Sequence[str]) -> None:
        self.count = len(labels)
        names = [_bare(label) for label in labels]
        texts = [fold(option).text.strip().rstrip("。.;,") for option in options]
        self.style = label_style(names)
        self.forms: dict[str, int] = {}
        self.polar = _polarity(names, texts)
        for word, index in self.polar.items():
            self.forms[word] = index
        self.forms.update({name: index for index, name in enumerate(names)})
        if self.style == "letters":
            for change in (str.lower, str.upper):
                self.forms.update({change(name): index for index, name in enumerate(names)})
        # Without a text of its own an option can be known by its label only; an option whose
        # text is a label (options 1, 2, 3 under labels 1, 2, 3) is too: the label wins.
        self.texts = {
            index: text
            for index, text in enumerate(texts)
            if text and _bare(text) not in self.forms and texts.count(text) == 1
        }
        self.longest_first = sorted(self.texts.items(), key=lambda item: -len(item[1]))
        self.squeezed = {index: squeeze(text) for index, text in self.texts.items()}
        self.summaries = [
            (index, pattern)
            for index, text in self.texts.items()
            for pattern in (NONE_OF_THEM, ALL_OF_THEM)
            if pattern.fullmatch(text)
        ]
        firsts = {word[0] for word in self.squeezed.values() if word}
        self.beginnings = firsts | {char.upper() for char in firsts}
        self.shapes = label_shapes(self.style, tuple(self.forms), names[0].islower())

    def read(self, text: str, place: int) -> Reading | None:
        """Read labels or an option text at ``place``, after brackets, colons and the like.

        Args:
            text: A folded reply.
            place: Where a cue has ended.
        """
        found = self.shapes.run.match(text, place)
        by_text = self._text_behind(text, place)
        if not found:
            return by_text or self._ordinal(text, place)
        start, end = found.span("run")
        if by_text and by_text.end - by_text.start > end - start:
            return by_text
        tokens = [text[start:end]]
        if tokens[0] not in self.forms:
            tokens = self.shapes.token.findall(_AND_OR.sub("、", tokens[0]))
        small = any(len(token) == 1 and token.islower() for token in tokens)
        if small and not _AFTER_LOWER.match(text, end):
            return by_text
        indexes = [self.forms.get(token, -1) for token in tokens]
        if -1 in indexes:
            return by_text or Reading((), start, end, unknown=True)
        different = tuple(dict.fromkeys(indexes))
        if len(different) == 1:
            return self._with_own_text(text, Reading(different, start, end))
        return Reading(different, start, end, open_choice=bool(_OR.search(text, start, end)))

    def _with_own_text(self, text: str, reading: Reading) -> Reading | None:
        index = reading.indexes[0]
        after = _CLOSING.match(text, reading.end).end()  # type: ignore[union-attr]
        own = self.texts.get(index)
        if own:
            length = length_of(own, self.squeezed[index], text, after)
            if length:
                return Reading(reading.indexes, reading.start, after + length, with_text=True)
        follows = text[reading.end : reading.end + 1]
        glued = "\u3400" <= follows <= "\u9fff" and follows not in _GOES_ON
        if glued and self.style == "letters" and self.texts:
            return None
        return reading

    def _ordinal(self, text: str, place: int) -> Reading | None:
        """選項2, 第二個選項 or Option 2, where the labels are letters."""
        found = _ORDINAL.match(text, place)
        if not found:
            return None
        token = found.group("a") or found.group("b")
        if not token:
            number = ORDINALS.index(found.group("c").lower()) + 1
        else:
            number = NUMERALS.find(token) + 1 if token in NUMERALS else int(token)
        index = self.forms.get(str(number), number - 1) if self.style == "digits" else number - 1
        if 0 <= index < self.count:
            return Reading((index,), found.start(), found.end())
        return Reading((), found.start(), found.end(), unknown=True)

    def _text_behind(self, text: str, place: int) -> Reading | None:
        """An option text after a filler; signs that look like one (``-1``) may belong to it."""
        begins = self.shapes.filler.match(text, place).end()  # type: ignore[union-attr]
        start = begins
        while start > place and text[start - 1] in "-<>=~$(\"'":
            start -= 1
        for at in range(start, begins + 1):
            if found := self.text_at(text, at):
                return found
        return None

    def text_at(self, text: str, place: int) -> Reading | None:
        """The longest option text that stands at ``place``, spaces and punctuation aside."""
        first = text[place : place + 1]
        if first not in self.beginnings and (first.isalnum() or not first):
            return self._all_or_none(text, place) if self.summaries else None
        best: Reading | None = None
        for index, option in self.longest_first:
            length = length_of(option, self.squeezed[index], text, place)
            if length and (best is None or length > best.end - best.start):
                best = Reading((index,), place, place + length, by_text=True)
        return best or self._all_or_none(text, place)

    def _all_or_none(self, text: str, place: int) -> Reading | None:
        """以上皆非 and its like, if that is one of the options in other words."""
        for index, pattern in self.summaries:
            if found := pattern.match(text, place):
                return Reading((index,), place, found.end(), by_text=True)
        return None


_OR = re.compile(r"或|还是|\bor\b", re.IGNORECASE)
_AND_OR = re.compile(r"\b(?:and|or)\b", re.IGNORECASE)
# "the answer is a metal": a small letter needs an end behind it to be a label.
_AFTER_LOWER = re.compile(r"\s?(?:[)\].,、。*\"'`}$:;<]|\n|\Z)|项|选项")
_ORDINAL = re.compile(
    r"[\s:;,*_\"'(\[]{0,8}+(?:(?:选项|(?i:options?|choices?|no\.|number))\s{0,2}[#(]?"
    r"(?P<a>\d{1,2}|[一二三四五六七八九十])(?![\d.]\d|[十%])"
    r"|第\s?(?P<b>\d{1,2}|[一二三四五六七八九十])\s?[个项](?:选项|答案)?"
    r"|(?i:the\s)?(?P<c>(?i:first|second|third|fourth|fifth))\s(?i:option|choice|answer|one)\b)"
)


def _bare(label: str) -> str:
    name = fold(label).text.strip().strip("()[].、:。 ")
    shorter = re.sub(r"^(?:选项|答案|option|choice)\s*", "", name, flags=re.IGNORECASE)
    return shorter.strip() or name or label


def _polarity(names: list[str], texts: list[str]) -> dict[str, int]:
    """All words for yes and no, if that is what the two labels or options say."""
    if len(names) != 2:
        return {}
    true, false = ({word.lower() for word in words} for words in (TRUE_WORDS, FALSE_WORDS))
    for first, second in (
        (names[0].lower(), names[1].lower()),
        (texts[0].lower(), texts[1].lower()),
    ):
        sides: tuple[tuple[str, ...], ...]
        if first in true and second in false:
            sides = (TRUE_WORDS, FALSE_WORDS)
        elif first in false and second in true:
            sides = (FALSE_WORDS, TRUE_WORDS)
        else:
            continue
        forms = {}
        for index, words in enumerate(sides):
            for word in words:
                forms.update(dict.fromkeys((word, word.lower(), word.upper()), index))
        return forms
    return {}


def vocabulary(question: Question) -> Vocabulary:
    """The vocabulary of a question, kept for the next reply to it."""
    return _vocabulary(question.labels, question.options)


@functools.lru_cache(maxsize=1024)
def _vocabulary(labels: tuple[str, ...], options: tuple[str, ...]) -> Vocabulary:
    return Vocabulary(labels, options)
