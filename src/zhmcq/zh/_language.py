"""Which language what we write into a user's file is to be in: told from their own text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Literal

__all__ = ["Language", "language_of"]

#: Traditional Chinese, Simplified Chinese, English.
Language = Literal["zh-Hant", "zh-Hans", "en"]

_HAN = re.compile("[㐀-䶿一-鿿]")
_ENOUGH = 20_000  # Chinese characters that are looked at


def language_of(*groups: Iterable[str]) -> Language:
    """The language that texts are in.

    A character that Big5 has and GB 2312 lacks is Traditional, one the other way round Simplified;
    both sets hold what the two scripts share. The machine's locale plays no part, so that the same
    texts give the same language everywhere.

    Args:
        groups: The texts, the most telling ones first: the first group that holds characters of
            one script alone decides. Only the beginning of each is looked at.

    Returns:
        ``"en"`` if there is no Chinese character; otherwise the script of more of the characters
        that belong to one alone; ``"zh-Hant"`` where none does.
    """
    any_han = False
    for texts in groups:
        characters = (match.group() for text in texts for match in _HAN.finditer(text))
        balance = 0
        for character in islice(characters, _ENOUGH):
            any_han = True
            balance += _in(character, "big5") - _in(character, "gb2312")
        if balance:
            return "zh-Hans" if balance < 0 else "zh-Hant"
    return "zh-Hant" if any_han else "en"


def _in(character: str, charset: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
