"""Fold what differs only in writing: width, whitespace, invisible characters, Traditional forms."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

__all__ = ["fold_name", "fold_text", "fold_texts", "normal_text", "simplified", "tidy"]

_DROPPED = re.compile(
    "[\u200b\u2060\ufeff\u00ad\u200e\u200f\u202a-\u202e\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_JOINERS = re.compile("[\u200c\u200d\ufe00-\ufe0f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_SHORT = 200
_NOT_WORD = re.compile(r"[\W_]+")
# A point, comma, colon, slash or minus means something in a number ("1.5", "3:8", "-2") only.
_NUMBER_SIGN = set(".,:/%-")
_LOOSE_SIGN = re.compile(r"[.,:/](?!\d)|(?<!\d)[.,:/%]|-(?!\d)")


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


def normal_text(text: str) -> str:
    """NFKC with all whitespace folded to single blanks: one option is another, however spaced."""
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
    from opencc import OpenCC

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
    """:func:`fold_text` of many texts; characters are converted in one go, which is faster."""
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
