"""Columns that say of each option whether it is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zhmcq.zh.truth import truth_of

__all__ = ["marked"]

_MARKS = {"0": False, "1": True}


def marked(texts: Mapping[str, str]) -> Any:
    """The key that columns such as 選項A是否正確 tell.

    Args:
        texts: What the column of each label holds.

    Returns:
        The labels of the options marked as right, None without any; a text that is no such mark.
    """
    chosen = []
    for label, text in texts.items():
        truth = _MARKS.get(text, truth_of(text)) if text else False
        if truth is None:
            return text
        chosen += [label] if truth else []
    return chosen or None
