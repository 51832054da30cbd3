"""The language of what people read while a program runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Literal

__all__ = ["TerminalLanguage", "say", "terminal_language"]

logger = logging.getLogger(__name__)

#: Two of :data:`zhmcq.zh._language.Language`, which files can be written in.
TerminalLanguage = Literal["zh-Hant", "en"]

VARIABLE = "ZHMCQ_LANG"
_LANGUAGES: Mapping[str, TerminalLanguage] = {
    "": "en",
    "en": "en",
    "zh": "zh-Hant",
    "zh-tw": "zh-Hant",
    "zh-hant": "zh-Hant",
}
_refused: set[str] = set()  # what a warning was logged for


def terminal_language() -> TerminalLanguage:
    """The language that ``ZHMCQ_LANG`` names; English without it, and after one warning otherwise.

    No locale is looked at: a program says the same on every machine, unless somebody wants it
    otherwise. A wrong value ends no program whose results it cannot change.
    """
    given = os.environ.get(VARIABLE, "")
    # cmd of Windows takes the blank of "set ZHMCQ_LANG=zh && python …" for a part of the value.
    language = _LANGUAGES.get(given.strip().lower().replace("_", "-"))
    if language is not None:
        return language
    if given not in _refused:
        _refused.add(given)
        logger.warning(
            "%s=%.40r: expected 'zh' (Traditional Chinese) or 'en'; English it is", VARIABLE, given
        )
    return "en"


def say(*, en: str, zh: str) -> str:
    """A sentence in the language of the terminal.

    Args:
        en: The sentence in English.
        zh: The same in Traditional Chinese.
    """
    return en if terminal_language() == "en" else zh
