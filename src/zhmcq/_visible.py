"""Text for people: characters that act instead of being seen are shown as escapes."""

from __future__ import annotations

import re
import sys
from typing import TextIO

__all__ = ["console_text", "visible"]

# Controls (ESC sequences colour and overwrite a terminal, a carriage return overwrites a line),
# marks that turn the direction of the text after them, other format characters but for the joiners
# of emoji, surrogates, and what is no character at all. Line ends and tabs stay.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""A text in which nothing hides: ``"\x1b[31m"`` becomes ``r"\x1b[31m"``.

    For messages, reports and pages that quote a file or a model. Questions themselves, and exports
    of them, stay exactly as they are.
    """
    if text.isprintable():
        return text  # quick: every character that is escaped counts as not printable
    return _ACTING.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def console_text(text: str, stream: TextIO | None = None) -> str:
    """A text that can be printed: what the encoding of a stream lacks is shown as escapes.

    Where output goes to a file, Windows in Taiwan writes CP950, which lacks Simplified characters.

    Args:
        text: The text.
        stream: What it is written to; stdout if ``None``.
    """
    encoding = getattr(sys.stdout if stream is None else stream, "encoding", None) or "utf-8"
    try:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return text
