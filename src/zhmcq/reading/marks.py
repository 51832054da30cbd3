"""Words and signs in place of labels: true and false, and that there is no key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zhmcq.reading.fold import fold_name, normal_text

__all__ = ["is_negative", "is_no_key", "marked", "truth_of"]

_TRUE = "正确 对 是 真 o true t yes y right correct 〇 ○ ◯ √ ✓ ✔ ☑ v 属实"
_FALSE = "错误 错 否 假 x false f no n wrong incorrect × ✗ ✘ ╳ ✕ ✖ 不正确 不是 非 不对 有误"
_TRUTH = dict.fromkeys(_TRUE.split(), True) | dict.fromkeys(_FALSE.split(), False)

_NO_KEY_WORDS = """
    送分 一律给分 一律送分 均给分 全部给分 全给分 皆给分 都给分 本题送分 送分题 不计分 不予计分
    本题给分 给分 无 无解 无答案 无正解 无标准答案 暂无 暂无答案 略 未知 未定 待定 皆可 开放 缺 空
    none null nan na nil nokey noanswer tbd unknown
"""
_NO_KEY = frozenset(_NO_KEY_WORDS.split())
_NEGATIVE = re.compile(r"[(\[]?[-−–—]\s?\d+(?:\.0+)?[)\]]?")
_MARKS = {"0": False, "1": True}


def truth_of(value: Any) -> bool | None:
    """Whether a word or sign says true (正確, 對, O, ✓) or false (錯誤, 否, X); else None."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or len(value) > 20:
        return None
    stripped = normal_text(value).strip("()[]【】「」。.").strip()
    return _TRUTH.get(stripped.lower(), _TRUTH.get(fold_name(stripped)))


def is_no_key(answer: Any) -> bool:
    """Whether a key is empty or says that there is none (送分, 一律給分, none, a dash)."""
    if answer is None or (isinstance(answer, list | tuple | dict | str) and not answer):
        return True
    if isinstance(answer, float) and answer != answer:
        return True
    if not isinstance(answer, str):
        return False
    text = normal_text(answer)
    return (not fold_name(text) and truth_of(text) is None and not text.strip("-—–_*?/\\.")) or (
        fold_name(text) in _NO_KEY
    )


def is_negative(answer: Any) -> bool:
    """Whether a key is a whole number below 0, by which data sets mark what has no label."""
    if isinstance(answer, int | float):
        return answer < 0 and answer == answer // 1
    return isinstance(answer, str) and bool(_NEGATIVE.fullmatch(normal_text(answer)))


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
