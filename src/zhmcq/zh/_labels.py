"""The alphabets by which papers label options, in one table, and the patterns made of it.

An alphabet is added here and nowhere else: a row of :data:`ALPHABETS` says how it is written and
what may be believed of it, and headers, option prefixes, options inside a stem, keys, replies and
option shuffling follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from zhmcq.questions import MAX_OPTIONS, default_labels
from zhmcq.zh._fold import normal_text

__all__ = [
    "ALPHABETS",
    "CHINESE_NUMERALS",
    "CIRCLED_NUMBERS",
    "CLOSING_BRACKET",
    "DIGITS",
    "ENCLOSED",
    "ENGLISH_ORDINALS",
    "HEAVENLY_STEMS",
    "LABEL",
    "LABEL_BEFORE_TEXT",
    "LABEL_MARK",
    "LETTERS",
    "NAMES_IN_TEXT",
    "NUMERALS_IN_TEXT",
    "OPENING_BRACKET",
    "ROMAN_NUMERALS",
    "Alphabet",
    "Writing",
    "alphabet_of",
    "label_at",
    "label_index",
    "label_pattern",
    "plain_label",
    "stem_label_pattern",
]

Writing = Literal["bracketed", "marked", "marked_number", "spaced", "bare"]


@dataclass(frozen=True, slots=True)
class Alphabet:
    """A series of labels, and what may be believed where one of them is met.

    Attributes:
        name: What the series is called.
        characters: Its labels in order, one character each; the first is the first option's.
        pattern: A regular expression for one label in normal text (NFKC), where it is more than
            one of ``characters``.
        written: The same for text as it was written, full-width forms included.
        enclosed: Whether NFKC turns each sign into a label of another alphabet (① into 1), so
            that normal text holds none of them.
        are_words: Whether the characters are words or options' texts as often (甲, 一). As a key
            they never win over the text of an option.
        before_options: The writings in which a label at the head of an option's cell is believed:
            ``(A) …``, ``A. …``, ``A.5 …``, ``A …``, or bare as in ``①…``.
        in_stems: The writings in which a stem that holds its own options may have it.
        with_text: Whether a key may be this label and the option's text: ``B. 台北``.
        anywhere: Whether a reply may hold it anywhere, glued to other characters.
        mentioned: How many of its characters, from the first on, name options in running text:
            「僅甲正確」, 「①③」.
    """

    name: str
    characters: str
    pattern: str = ""
    written: str = ""
    enclosed: bool = False
    are_words: bool = False
    before_options: frozenset[Writing] = frozenset()
    in_stems: frozenset[Writing] = frozenset()
    with_text: bool = False
    anywhere: bool = False
    mentioned: int = 0

    def __post_init__(self) -> None:
        if not self.pattern:
            object.__setattr__(self, "pattern", f"[{self.characters}]")
        if not self.written:
            object.__setattr__(self, "written", self.pattern)

    def has(self, label: str) -> bool:
        """Whether a label is one of this alphabet; letters may be small, digits two."""
        if self is DIGITS:
            return label.isascii() and label.isdigit() and len(label) <= 2
        return len(label) == 1 and (label in self.characters or label.upper() in self.characters)


_OFTEN: frozenset[Writing] = frozenset({"bracketed", "marked"})

LETTERS = Alphabet(
    "letters",
    "".join(default_labels(MAX_OPTIONS)),
    pattern="[A-Za-z]",
    written="[A-Za-zＡ-Ｚａ-ｚ]",
    before_options=frozenset({"bracketed", "marked", "marked_number", "spaced"}),
    in_stems=frozenset({"bracketed", "marked"}),
    with_text=True,
)
DIGITS = Alphabet(
    "digits",
    "123456789",
    pattern=r"\d{1,2}",
    written=r"[0-9０-９]{1,2}",
    # A number followed by a mark and another digit is a number: 1.5公厘, 3:8.
    before_options=_OFTEN,
    with_text=True,
)
HEAVENLY_STEMS = Alphabet(
    "heavenly stems",
    "甲乙丙丁戊己庚辛壬癸",
    are_words=True,
    before_options=_OFTEN,
    anywhere=True,
    mentioned=8,
)
CHINESE_NUMERALS = Alphabet("Chinese numerals", "一二三四五六七八九十", are_words=True)
# Taiwan's primary schools use them. They are also what a question on pronunciation asks for
# (「含有ㄅ、ㄆ的是」), so that inside a stem they count in brackets only.
BOPOMOFO = Alphabet(
    "bopomofo",
    "ㄅㄆㄇㄈㄉㄊㄋㄌㄍㄎ",
    are_words=True,
    before_options=_OFTEN,
    in_stems=frozenset({"bracketed"}),
    mentioned=8,
)
CIRCLED_NUMBERS = Alphabet(
    "circled numbers",
    "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳",
    enclosed=True,
    before_options=frozenset({"bare"}),
    anywhere=True,
    mentioned=10,
)
#: All alphabets that name options in headers, cells, stems or keys.
ALPHABETS = (
    LETTERS,
    DIGITS,
    HEAVENLY_STEMS,
    CHINESE_NUMERALS,
    BOPOMOFO,
    CIRCLED_NUMBERS,
    Alphabet("numbers in brackets", "⑴⑵⑶⑷⑸⑹⑺⑻⑼⑽⑾⑿⒀⒁⒂⒃⒄⒅⒆⒇", enclosed=True),
    Alphabet("numbers with a full stop", "⒈⒉⒊⒋⒌⒍⒎⒏⒐⒑⒒⒓⒔⒕⒖⒗⒘⒙⒚⒛", enclosed=True),
    Alphabet("letters in brackets", "⒜⒝⒞⒟⒠⒡⒢⒣⒤⒥⒦⒧⒨⒩⒪⒫⒬⒭⒮⒯⒰⒱⒲⒳⒴⒵", enclosed=True),
    Alphabet("circled capitals", "ⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿⓀⓁⓂⓃⓄⓅⓆⓇⓈⓉⓊⓋⓌⓍⓎⓏ", enclosed=True),
    Alphabet("circled small letters", "ⓐⓑⓒⓓⓔⓕⓖⓗⓘⓙⓚⓛⓜⓝⓞⓟⓠⓡⓢⓣⓤⓥⓦⓧⓨⓩ", enclosed=True),
    Alphabet("circled Chinese numerals", "㊀㊁㊂㊃㊄㊅㊆㊇㊈㊉", enclosed=True),
)
#: Roman numerals name options in running text only; NFKC turns them into the letters I and V.
ROMAN_NUMERALS = Alphabet("Roman numerals", "ⅠⅡⅢⅣⅤⅥ")
#: 「第一個選項」 in English.
ENGLISH_ORDINALS = ("first", "second", "third", "fourth", "fifth")

_PLAIN = tuple(alphabet for alphabet in ALPHABETS if not alphabet.enclosed)
_INDEXES = {
    char: index
    for alphabet in _PLAIN
    if alphabet is not DIGITS
    for index, char in enumerate(alphabet.characters)
}

OPENING_BRACKET = r"[(（\[【]"
CLOSING_BRACKET = r"[)）\]】]"
#: What may follow a label and part it from its option.
LABEL_MARK = "[.．、:：]"

#: One label in normal text (see :func:`zhmcq.zh.normal_text`).
LABEL = "|".join(alphabet.pattern for alphabet in _PLAIN)
#: One label in normal text that may come before the text of its option, in a key.
LABEL_BEFORE_TEXT = "|".join(alphabet.pattern for alphabet in _PLAIN if alphabet.with_text)
#: One sign that NFKC turns into a label.
ENCLOSED = f"[{''.join(alphabet.characters for alphabet in ALPHABETS if alphabet.enclosed)}]"
#: Characters that name options in running text, letters, digits and numerals aside.
NAMES_IN_TEXT = "".join(alphabet.characters[: alphabet.mentioned] for alphabet in ALPHABETS)
#: Digits and numerals that do so after or before a word such as 選項.
NUMERALS_IN_TEXT = DIGITS.characters[:8] + CHINESE_NUMERALS.characters[:8]


def label_index(label: str) -> int:
    """The 0-based index that a label stands for; -1 where it stands for none.

    ``"A"``, ``"1"``, ``"甲"`` and ``"一"`` stand for 0. Give normal text in upper case, as
    :func:`plain_label` does: ``"①"`` and ``"a"`` stand for none.
    """
    if label.isascii() and label.isdigit():
        return int(label) - 1
    return _INDEXES.get(label, -1)


def label_at(index: int, alphabet: Alphabet) -> str:
    """The label of an alphabet for a 0-based index; ``""`` beyond its end."""
    if alphabet is DIGITS:
        return str(index + 1)
    return alphabet.characters[index : index + 1]


def alphabet_of(labels: Sequence[str]) -> Alphabet | None:
    """The alphabet that all of these labels belong to, in any order; ``None`` if there is none.

    Args:
        labels: Labels without brackets or marks. Letters may be small.
    """
    for alphabet in ALPHABETS:
        if labels and all(alphabet.has(label) for label in labels):
            return alphabet
    return None


def plain_label(label: str) -> str:
    """A label as normal text in upper case: ``"(a)"``, ``"ａ"``, ``"⒜"`` and ``"Ⓐ"`` are A."""
    return normal_text(label).strip("().").upper()


def label_pattern(writing: Writing) -> str:
    """A regular expression for one label that may be written so before an option.

    Args:
        writing: One of :attr:`Alphabet.before_options`. Bare signs go to 10.
    """
    if writing == "bare":
        signs = [a.characters[:10] for a in ALPHABETS if writing in a.before_options]
        return f"[{''.join(signs)}]"
    return "|".join(a.written for a in ALPHABETS if writing in a.before_options)


def stem_label_pattern(writing: Writing, count: int) -> str:
    """A regular expression for one label that may be written so inside a stem.

    Args:
        writing: One of :attr:`Alphabet.in_stems`. In brackets, letters may be small.
        count: How many labels of an alphabet are believed, from its first on.
    """
    characters = ""
    for alphabet in ALPHABETS:
        if writing in alphabet.in_stems:
            first = alphabet.characters[:count]
            characters += first
            if alphabet is LETTERS:
                characters += first.lower() if writing == "bracketed" else ""
                characters += "".join(chr(ord(char) + 0xFEE0) for char in first)
    return f"[{characters}]"
