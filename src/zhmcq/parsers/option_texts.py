"""Option texts in a reply: compared without spaces and punctuation, but not cut short."""

from __future__ import annotations

import re

__all__ = ["begins_word", "length_of", "squeeze"]

# Punctuation that tells options apart: 15.9 and 1.59, -1 and 1, B > C and B = C.
_MEANS = frozenset(".:-+<>=/%^")
_COUNTS = re.compile(r"(?<=\d)[.:](?=\d)|(?<![^\W_])-(?=\s?[\w\\])|[+<>=/%^]")
_SQUEEZED = re.compile(r"(?:[^\w.:+<>=/%^-]|_|(?<!\d)[.:]|[.:](?!\d)|(?<=[^\W_])-|-(?!\s?[\w\\]))+")


def squeeze(text: str) -> str:
    """The letters, digits and characters of a folded text, without case."""
    return _SQUEEZED.sub("", text).lower()


def length_of(option: str, squeezed: str, text: str, place: int) -> int:
    """How many characters from ``place`` on spell the option; 0 if they do not."""
    if text.startswith(option, place):
        end = place + len(option)
    else:
        if not squeezed:
            return 0
        stop = min(len(text), place + 2 * len(option) + 12)
        end, left = place, 0
        while left < len(squeezed) and end < stop:
            char = text[end]
            if char.isalnum() or (char in _MEANS and _COUNTS.match(text, end)):
                if char.lower() != squeezed[left]:
                    return 0
                left += 1
            elif not left and char not in "\"'$(":
                return 0
            end += 1
        if left < len(squeezed):
            return 0
    return 0 if _cut_short(text[end - 1 : end + 2]) else end - place


def _cut_short(seam: str) -> bool:
    """Whether a word or number goes on (``2`` in ``2.5`` or ``25``, ``win`` in ``winter``)."""
    last, following = seam[:1], seam[1:]
    if not following or not (last.isascii() and last.isalnum()):
        return False
    if following[0].isascii() and following[0].isalnum():
        return True
    return last.isdigit() and following[0] in ".," and following[1:2].isdigit()


def begins_word(text: str, place: int) -> bool:
    """Whether no word or number goes on at ``place`` (``5`` in ``15``, ``2.5`` and ``-5``)."""
    before, first = text[max(0, place - 1) : place], text[place]
    if not before or not (first.isascii() and first.isalnum()):
        return True
    return not (before.isascii() and (before.isalnum() or (before in ".-" and first.isdigit())))
