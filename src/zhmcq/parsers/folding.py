"""One spelling for a reply: Simplified, half-width, plain brackets, positions kept."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

__all__ = ["Folded", "fold", "spoken_part"]

# Ranges in which NFKC is wanted. Digits in circles are left alone: ① is a label, not a 1.
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
    # The character table has no word to tell 麽 and 麼 or 著 and 着 apart by.
    "著": "着",
    "麽": "么",
}
_PARENTHESIZED_LETTER = 0x249C  # ⒜, whose NFKC form has three characters
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u20e3\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")


_CLOSING = re.compile("</think(?:ing)?>", re.IGNORECASE)
_OPENING = re.compile("<think(?:ing)?>", re.IGNORECASE)
_FINAL_LINE = re.compile(
    r"\s{0,9}[*#【\[]{0,4}(?:因此|所以|[Tt]he )?(?:最[终終])?(?:答案|[Aa]nswer\b|ANSWER\b|\\boxed)"
)


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in one spelling.

    Attributes:
        text: The folded text.
        positions: Where each of its characters stands in the original; ``None`` if nowhere else.
    """

    text: str
    positions: list[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text that ``text[start:end]`` was made from."""
        if self.positions is None or start >= end:
            return start, max(start, end)
        return self.positions[start], self.positions[end - 1] + 1


@functools.cache
def _table() -> dict[int, str]:
    """A character for a character, so that spans in the folded text are spans in the reply."""
    from opencc import OpenCC  # 10 ms, and only for those who read replies

    han = [chr(code) for code in _HAN]
    simplified = OpenCC("t2s").convert("\n".join(han)).split("\n")
    table = {
        ord(old): new
        for old, new in zip(han, simplified, strict=True)
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


def fold(text: str) -> Folded:
    """Fold a text: NFKC where it keeps the length, Simplified characters, no invisible ones.

    Traditional and Simplified characters are matched one by one (OpenCC's ``t2s`` of each single
    character), for the reply and the options alike; words are not translated.
    """
    if not _INVISIBLE.search(text):
        return Folded(text if text.isascii() else text.translate(_table()))
    positions = [place for place, char in enumerate(text) if not _INVISIBLE.match(char)]
    visible = _INVISIBLE.sub("", text)
    return Folded(visible.translate(_table()), positions)


def spoken_part(text: str) -> tuple[int, int]:
    """Where the reply proper stands in a text with ``<think>…</think>``: start and end.

    It is what follows the last ``</think>``, since some chat templates write the opening tag
    themselves and some models nest the tags. A block that is never closed hides what it holds,
    for a model cut off while thinking has committed to nothing; only a last line that is itself
    a final answer (``答案：B``) is read.
    """
    start = 0
    for closing in _CLOSING.finditer(text):
        start = closing.end()
    opening = _OPENING.search(text, start)
    if not opening:
        return start, len(text)
    if not text[start : opening.start()].strip():
        end = len(text.rstrip())
        line = text.rfind("\n", opening.end(), end)
        if line >= 0 and _FINAL_LINE.match(text, line):
            return line, end
    return start, opening.start()
