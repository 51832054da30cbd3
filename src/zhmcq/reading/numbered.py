"""Options that a stem numbers, 「…？①甲②乙③丙」, as banks of trade and licence tests do."""

from __future__ import annotations

import re
from typing import Any

from zhmcq.zh.fold import normal_text, tidy
from zhmcq.zh.labels import HEAVENLY_STEMS, LABEL_MARK, label_index, label_pattern

__all__ = ["find_numbered"]

_SIGNS = (
    re.compile(rf"(?P<label>{label_pattern('bare')})\s*[.．、]?"),
    re.compile(
        rf"[(（]\s*(?P<label>[1-9１-９]|[{HEAVENLY_STEMS.characters[:6]}])\s*[)）]\s*{LABEL_MARK}?"
    ),
    re.compile(r"(?<![\d.$^_])(?P<label>[1-9])\s*[.．、](?!\d)"),
)
_LEAST, _MOST = 3, 6
# Numbered parts that ask or leave a blank are sub-questions.
_ASKS = re.compile(r"[?？]|_{2,}|\\quad|（\s*）|\(\s*\)")
# 「請依序說明：1. 春天 2. 夏天」 asks for no choice.
_ASKS_CHOICE = re.compile(r"何者|哪|\bwhich\b", re.IGNORECASE)
_MAY_ASK_CHOICE = re.compile(r"[?？]|下列")
# 「請說明下列名詞：1. 光合作用 2. 蒸散」 wants text.
_ASKS_TEXT = re.compile(
    r"[請请試试](?:[簡简略分]?[述論论]|[簡简]?[說说]明|解[釋释]|比[較较]|翻[譯译]|列[舉举]|[寫写造])"
    r"|[簡简]述|申[論论]|名[詞词]解[釋释]"
)


def find_numbered(
    text: str, answer: Any, *, asks_key: bool
) -> tuple[str, tuple[str, ...], tuple[str, ...]] | None:
    """The stem, the options and their labels, where a text numbers 3 to 6 options.

    Numbers in a stem may also be statements or sub-questions. So the key must be such a number.
    Where the source has no keys at all, the numbers must be circled or the stem must ask for a
    choice.

    Args:
        text: The whole stem.
        answer: The key as the source has it.
        asks_key: Whether the source has a place for keys.
    """
    for sign in _SIGNS:
        marks = list(sign.finditer(text))
        labels = [normal_text(mark.group("label")) for mark in marks]
        places = [label_index(label) for label in labels]
        if places != list(range(len(marks))) or not _LEAST <= len(marks) <= _MOST:
            continue
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        options = tuple(tidy(text[mark.end() : end]) for mark, end in zip(marks, ends, strict=True))
        stem = tidy(text[: marks[0].start()])
        if not stem or not all(options) or any(map(_ASKS.search, options)):
            continue
        if asks_key:
            found = _names_one(answer, labels)
        else:
            found = answer is None and _chooses(stem, circled=sign is _SIGNS[0])
        if found:
            return stem, options, tuple(labels)
    return None


def _chooses(stem: str, *, circled: bool) -> bool:
    """Whether a stem without a key asks to choose among what it numbers."""
    if _ASKS_CHOICE.search(stem):
        return True
    return not _ASKS_TEXT.search(stem) and (circled or bool(_MAY_ASK_CHOICE.search(stem)))


def _names_one(answer: Any, labels: list[str]) -> bool:
    """Whether a key is made of these labels only: ``③``, ``(3)``, ``3``, ``[1, 3]``."""
    keys = answer if isinstance(answer, list) else [answer]
    texts = [normal_text(str(key)).strip("().、 ") for key in keys]
    return bool(texts) and all(text in labels for text in texts)
