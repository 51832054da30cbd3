"""What names an option besides its label and its text: its number, its items, a part of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from zhmcq.parsers._label_patterns import LabelPatterns, label_patterns
from zhmcq.zh._labels import (
    CHINESE_NUMERALS,
    CIRCLED_NUMBERS,
    DIGITS,
    ENGLISH_ORDINALS,
    HEAVENLY_STEMS,
    LETTERS,
    Alphabet,
    label_index,
)

__all__ = ["NamedOptions", "OtherNames"]


class NamedOptions(NamedTuple):
    """The options that a reply names at one position.

    Attributes:
        indexes: The 0-based options, in the order of the text; empty with ``unknown``.
        start: Where the label or text begins in the folded reply.
        end: Where it ends, brackets and the option's own text included.
        by_text: Whether they are named by a text and not by a label.
        with_text: Whether a label is followed by the text of its option.
        open_choice: Whether labels are joined by "or".
        unknown: Whether the label is of the question's alphabet, but not one of its labels.
    """

    indexes: tuple[int, ...]
    start: int
    end: int
    by_text: bool = False
    with_text: bool = False
    open_choice: bool = False
    unknown: bool = False


_NUMBER = rf"(?:\d{{1,2}}|[{CHINESE_NUMERALS.characters}])"
_AND = r"\s?(?:[、,和与及]|(?i:,?\s?and\b))\s?"
_ENGLISH = rf"(?i:{'|'.join(ENGLISH_ORDINALS)})"
_ORDINAL = re.compile(
    r"[\s:;,*_\"'(\[]{0,8}+(?:(?:选项|(?i:options?|choices?|no\.|number))\s{0,2}[#(]?"
    rf"(?P<after_word>{_NUMBER}(?:{_AND}(?:选项)?{_NUMBER}){{0,8}})(?![\d.]\d|[十%])"
    rf"|第\s?(?P<ordinal>{_NUMBER}(?:(?:\s?[个项])?(?:选项)?{_AND}第?\s?{_NUMBER}){{0,8}})\s?[个项](?:选项|答案)?"
    rf"|(?i:the\s)?(?P<english>{_ENGLISH}(?:(?i:,?\s(?:and\s)?(?:the\s)?){_ENGLISH}){{0,5}})"
    r"\s(?i:(?:option|choice|answer|one)s?)\b)"
)
# How an ordinal begins. Every word begins with one character and not a set of them, so that ``re``
# searches for these characters, five times as fast.
_WORDS = ("option", "choice", "number", "first", "second", "third", "fourth", "fifth")
_ORDINAL_BEGINS = re.compile(
    "|".join(["第", "选项", *_WORDS, *(word.capitalize() for word in _WORDS)])
)
_EACH_NUMBER = re.compile(_NUMBER)
_EACH_ENGLISH = re.compile(_ENGLISH)

# Options made of numbered statements: ①③, 甲、丙.
_ITEM = rf"[{CIRCLED_NUMBERS.characters}{HEAVENLY_STEMS.characters[:8]}]"
_ITEMS_ONLY = re.compile(rf"{_ITEM}(?:[、,和与及\s]{{0,2}}{_ITEM})*")
_ITEM_RUN = re.compile(rf"(?:{_ITEM}|\d{{1,9}})(?:[、,和与及\s]{{1,3}}(?:{_ITEM}|\d))*(?![\d.%])")
_EACH_ITEM = re.compile(rf"{_ITEM}|\d")

# Shortened texts are compared as words: characters, and Latin words without articles.
_TOKEN = re.compile(r"[A-Za-z0-9]+(?:[.'-][A-Za-z0-9]+)*|[^\W\d_A-Za-z]")
_UNSAID = frozenset(("的", "之", "了", "the", "a", "an"))
_PHRASE_END = re.compile(r"[,。;!?\n)\]\"'|(》〉*吧]|\.(?!\d)")
_LONGEST_PHRASE = 80
_NOT = frozenset(("不", "没", "无", "未", "非", "勿", "别", "not", "no", "never", "without"))
#: An unlucky reply has a word that chooses at every character: so many phrases are looked up.
_MOST_PHRASES = 200


class OtherNames:
    """The names of one question's options besides labels and whole texts.

    Args:
        alphabet: The alphabet of the labels; ``None`` if they are words.
        forms: Everything that names an option as a label does, and the option's index.
        texts: The folded texts by which options can be named, by index.
        count: How many options there are.
        token: The pattern of one label.

    Attributes:
        has_numbers: Whether some option is a number itself.
    """

    def __init__(
        self,
        alphabet: Alphabet | None,
        forms: Mapping[str, int],
        texts: Mapping[int, str],
        count: int,
        token: str,
    ) -> None:
        self.alphabet = alphabet
        self.forms = forms
        self.count = count
        self.has_numbers = any(re.fullmatch(r"[\d.,%/+-]+", text) for text in texts.values())
        # First choice: D — the first of the reply's own choices, not option A.
        self._ranked = re.compile(rf"\s?(?:是|为|:|is|would be)\s?[(\[]?(?:{token})(?![A-Za-z0-9])")
        self._numbers: LabelPatterns | None = None
        plain = alphabet is not LETTERS and alphabet is not DIGITS and count > 2
        if plain and not self.has_numbers and not any(map(str.isdecimal, forms)):
            digits = tuple(str(number) for number in range(1, count + 1))
            self._numbers = label_patterns(DIGITS, digits, False)
        self._items = {
            index: frozenset(label_index(_plain_item(item)) for item in _EACH_ITEM.findall(text))
            for index, text in texts.items()
            if _ITEMS_ONLY.fullmatch(text)
        }
        self._tokens = {index: _joined(text) for index, text in texts.items()}
        self._characters = {char for text in texts.values() for char in text.lower()}

    def ordinal(self, text: str, position: int) -> NamedOptions | None:
        """選項2, 第二個選項, 第一、三項 or the first option, whatever the labels are."""
        match = _ORDINAL.match(text, position)
        if not match or self._ranked.match(text, match.end()):
            return None
        if english := match.group("english"):
            tokens = _EACH_ENGLISH.findall(english)
            numbers = [ENGLISH_ORDINALS.index(token.lower()) + 1 for token in tokens]
        else:
            tokens = _EACH_NUMBER.findall(match.group("after_word") or match.group("ordinal"))
            numbers = [
                int(token) if token.isdigit() else label_index(token) + 1 for token in tokens
            ]
        indexes = [number - 1 for number in numbers]
        if self.alphabet is DIGITS:
            indexes = [self.forms.get(str(number), number - 1) for number in numbers]
        return self._known(indexes, match.start(), match.end())

    def ordinals(self, text: str) -> Iterator[NamedOptions]:
        """Every ordinal in a text."""
        end = 0
        for match in _ORDINAL_BEGINS.finditer(text):
            named = self.ordinal(text, match.start()) if match.start() >= end else None
            if named and not named.unknown:
                end = named.end
                yield named

    def number(self, text: str, position: int) -> NamedOptions | None:
        """A number in place of ① or 甲; items of a combination in other signs (1、3 for ①③)."""
        if self._items and (named := self._combination(text, position)):
            return named
        match = self._numbers.run.match(text, position) if self._numbers else None
        if not match:
            return None
        tokens = re.findall(r"\d{1,2}", match.group("run"))
        return self._known([int(token) - 1 for token in tokens], match.start("run"), match.end())

    def shortened(self, text: str, position: int) -> NamedOptions | None:
        """A phrase that is part of one option and of no other: its beginning, or its core.

        The whole phrase up to the next punctuation has to be in the option. A beginning has to have
        two characters, another part four or half of the option, or a Latin word of six letters;
        and nothing in the option negates it.
        """
        if text[position : position + 1].lower() not in self._characters:
            return None
        stop = min(len(text), position + _LONGEST_PHRASE)
        end = _PHRASE_END.search(text, position, stop)
        if end is None and stop < len(text):
            return None
        phrase = text[position : end.start() if end else stop]
        tokens = _joined(phrase)
        fitting = [index for index, whole in self._tokens.items() if tokens in whole]
        if len(fitting) != 1 or not self._is_enough(tokens, self._tokens[fitting[0]]):
            return None
        return NamedOptions((fitting[0],), position, position + len(phrase.rstrip()), by_text=True)

    @staticmethod
    def _is_enough(part: str, whole: str) -> bool:
        before, words = whole.split(part, 1)[0].split(), part.split()
        if any(word in _NOT for word in before[-3:]) or not words:
            return False
        share = len(words) / len(whole.split())
        longest = max((len(word) for word in words if word.isascii() and word.isalpha()), default=0)
        if longest >= 6 or (longest >= 4 and share >= 0.3):
            return True
        if not before:
            return len(words) >= 2 and share >= 0.15
        return len(words) >= 4 or (len(words) >= 2 and share >= 0.5)

    def _combination(self, text: str, position: int) -> NamedOptions | None:
        match = _ITEM_RUN.match(text, position)
        if not match:
            return None
        items = frozenset(label_index(_plain_item(item)) for item in _EACH_ITEM.findall(match[0]))
        same = [index for index, named in self._items.items() if named == items]
        if len(same) != 1:
            return None
        return NamedOptions((same[0],), match.start(), match.end(), by_text=True)

    def _known(self, indexes: list[int], start: int, end: int) -> NamedOptions:
        if all(0 <= index < self.count for index in indexes):
            return NamedOptions(tuple(dict.fromkeys(indexes)), start, end)
        return NamedOptions((), start, end, unknown=True)


def _plain_item(item: str) -> str:
    index = CIRCLED_NUMBERS.characters.find(item)
    return str(index + 1) if index >= 0 else item


def _joined(text: str) -> str:
    """The words of a text with a blank around each, so that a part is a substring."""
    words = (word.lower() for word in _TOKEN.findall(text))
    return f" {' '.join(word for word in words if word not in _UNSAID)} "
