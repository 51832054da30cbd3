"""Folding: texts that differ only in writing (width, script, case, spacing) become equal.

There are two folds over the same tables. :func:`fold_text` and its relatives give a text to
compare; they may change its length. :func:`fold_characters` turns each character into one
character and maps positions, so that a span of the folded text is a span of the original.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "FoldedText",
    "fold_characters",
    "fold_name",
    "fold_text",
    "fold_texts",
    "half_width",
    "normal_text",
    "simplified",
    "tidy",
]

# Characters that nobody sees. Joiners shape what stands around them, so tidy() leaves them alone.
_FORMAT = "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff"
_JOINER = "\u200c\u200d\ufe00-\ufe0f"
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_DROPPED = re.compile(f"[{_FORMAT}{_CONTROL}]")
_JOINERS = re.compile(f"[{_JOINER}]")
_INVISIBLE = re.compile(f"[{_FORMAT}{_JOINER}\u20e3\u2061-\u2064]")
_SURROGATES = re.compile("[\ud800-\udfff]")

_SHORT = 200
_NOT_WORD = re.compile(r"[\W_]+")
# A point, comma, colon, slash or minus means something in a number ("1.5", "3:8", "-2") only.
_NUMBER_SIGN = frozenset(".,:/%-")
_LOOSE_SIGN = re.compile(r"[.,:/](?!\d)|(?<!\d)[.,:/%]|-(?!\d)")

# Full-width ASCII. Circled and Roman numerals, which NFKC would unfold, are not in it.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: ord(" ")}


def tidy(text: str) -> str:
    """Text without outer whitespace and without characters that nobody can see.

    Whitespace inside stays as it is; line ends become newlines; a lone surrogate, which no file
    can hold, becomes U+FFFD.
    """
    if text.isprintable():
        # Quick: what is dropped or replaced below counts as not printable, and so do line ends.
        return text.strip()
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _SURROGATES.sub("\ufffd", _DROPPED.sub("", text))
    return text.strip()


def half_width(text: str) -> str:
    """Full-width letters, digits, signs and blanks as ASCII; every other character stays."""
    return text.translate(_HALF_WIDTH)


def normal_text(text: str) -> str:
    """NFKC with all whitespace folded to single blanks, since options may differ in spacing."""
    return _normal_short(text) if len(text) < _SHORT else _normal(text)


def _normal(text: str) -> str:
    text = tidy(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _JOINERS.sub("", text))
    return " ".join(text.split())


# An option is looked at from several sides, one after the other.
_normal_short = functools.lru_cache(maxsize=256)(_normal)


@functools.cache
def _converter() -> object:
    from opencc import OpenCC  # 10 ms, and only for those who read Chinese text

    return OpenCC("t2s")


def simplified(text: str) -> str:
    """Traditional characters as Simplified ones (OpenCC's ``t2s``: characters, not words)."""
    if text.isascii():
        return text
    return _converter().convert(text)  # type: ignore[attr-defined, no-any-return]


def fold_text(text: str) -> str:
    """What is left of a text when width, script, case, whitespace and punctuation don't count."""
    return fold_texts([text])[0]


def fold_texts(texts: Sequence[str]) -> list[str]:
    """:func:`fold_text` of many texts: each different one once, converted in one go."""
    different = list(dict.fromkeys(texts))
    folded = dict(zip(different, _fold_different(different), strict=True))
    return [folded[text] for text in texts]


def _fold_different(texts: Sequence[str]) -> list[str]:
    if not texts:
        return []
    normal = [normal_text(text) for text in texts]
    # normal_text() leaves no line ends, so they can part the texts.
    converted = simplified("\n".join(normal)).split("\n")
    folded = [_LOOSE_SIGN.sub("", text.casefold().translate(_PUNCTUATION)) for text in converted]
    # A text of punctuation only ("、", "；") must not become equal to every other such text.
    return [text or whole for text, whole in zip(folded, normal, strict=True)]


class _DropPunctuation(dict[int, int | None]):
    """A table for ``str.translate``, filled as characters are met; signs like ＜ and + stay."""

    def __missing__(self, code: int) -> int | None:
        drop = unicodedata.category(chr(code))[0] in "PZC" and chr(code) not in _NUMBER_SIGN
        self[code] = None if drop else code
        return self[code]


_PUNCTUATION = _DropPunctuation()


@functools.lru_cache(maxsize=4096)
def fold_name(text: str) -> str:
    """A header or a type as the vocabulary spells it: Simplified, lower case, no punctuation."""
    return _NOT_WORD.sub("", simplified(normal_text(text[:200])).casefold())


# Ranges in which fold_characters() takes the NFKC form. Digits in circles are left alone: ① is a
# label, not a 1.
_COMPATIBLE = (
    (0x00A0, 0x00A0),
    (0x2000, 0x200A),
    (0x24B6, 0x24E9),
    (0x2F00, 0x2FD5),
    (0x3000, 0x3000),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE6F),
    (0xFF01, 0xFFE6),
    (0x1D400, 0x1D7FF),
    (0x1F130, 0x1F149),
)
_HAN = range(0x3400, 0xA000)
_PLAIN = {
    **dict.fromkeys("【〔〖［", "["),
    **dict.fromkeys("】〕〗］", "]"),
    **dict.fromkeys("“”„‟「」『』﹁﹂﹃﹄", '"'),
    **dict.fromkeys("‘’‛", "'"),
    **dict.fromkeys("•·・●▪◆■", "*"),
    **dict.fromkeys("→⇒➡⟹", ">"),
    **dict.fromkeys("–—―−", "-"),
    **dict.fromkeys("✓✔☑✅", "√"),
    **dict.fromkeys("✗✘╳❌☒", "×"),
    **dict.fromkeys("〇◯⭕", "○"),
    "︰": ":",
    # The character table has no words by which to separate 麽 from 麼 or 著 from 着.
    "著": "着",
    "麽": "么",
}
_PARENTHESIZED_LETTER = 0x249C  # ⒜, whose NFKC form has three characters


@dataclass(frozen=True, slots=True)
class FoldedText:
    """A text in one spelling, and where each of its characters came from.

    Attributes:
        text: The folded text.
        positions: For each character of ``text``, its index in the original text; ``None`` where
            the indexes are the same.
    """

    text: str
    positions: list[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text that ``text[start:end]`` was made from."""
        if self.positions is None or start >= end:
            return start, max(start, end)
        return self.positions[start], self.positions[end - 1] + 1


@functools.cache
def _character_table() -> dict[int, str]:
    """For ``str.translate``: one character for one character."""
    han = [chr(code) for code in _HAN]
    table = {
        ord(old): new
        for old, new in zip(han, simplified("\n".join(han)).split("\n"), strict=True)
        if old != new and len(new) == 1
    }
    for first, last in _COMPATIBLE:
        for code in range(first, last + 1):
            plain = unicodedata.normalize("NFKC", chr(code))
            if len(plain) == 1 and plain != chr(code):
                table[code] = table.get(ord(plain), plain)
    for offset in range(26):
        table[_PARENTHESIZED_LETTER + offset] = chr(ord("A") + offset)
    table.update({ord(old): new for old, new in _PLAIN.items()})
    return table


def fold_characters(text: str) -> FoldedText:
    """Fold a text: NFKC where it keeps the length, Simplified characters, no invisible ones.

    Traditional and Simplified characters are matched one by one (OpenCC's ``t2s`` of each single
    character); words are not translated. Spaces, case and punctuation stay.
    """
    if not _INVISIBLE.search(text):
        return FoldedText(text if text.isascii() else text.translate(_character_table()))
    positions = [index for index, char in enumerate(text) if not _INVISIBLE.match(char)]
    visible = _INVISIBLE.sub("", text)
    return FoldedText(visible.translate(_character_table()), positions)
