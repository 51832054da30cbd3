"""Words and signs in place of labels: true, false, and that a question has no key."""

from __future__ import annotations

import re
from typing import Any

from zhmcq.zh._fold import fold_name, normal_text

__all__ = [
    "FALSE_WORDS",
    "TRUE_WORDS",
    "is_negative",
    "is_no_key",
    "is_open_key",
    "true_false_options",
    "truth_of",
]

# Simplified, as the folds leave them. What a reply says at length is no key, and what a key may
# abbreviate (right, 非) or draw (✓) a reply does not say, or its fold makes √ and × of it.
_TRUE_ANYWHERE = ("是", "对", "正确", "真", "√", "○", "O", "V", "True", "Yes", "T", "Y")
_TRUE_KEYS = ("right", "correct", "属实", "〇", "◯", "✓", "✔", "☑", "✅")
_FALSE_ANYWHERE = (
    *("否", "错", "错误", "有误", "不是", "不对", "不正确", "假"),
    *("×", "X", "False", "No", "F", "N"),
)
_FALSE_KEYS = ("wrong", "incorrect", "非", "✗", "✘", "╳", "✕", "✖", "❌")

#: What a reply says for yes, folded character by character.
TRUE_WORDS = (
    *(*_TRUE_ANYWHERE, "正确无误", "没错", "无误", "没有错", "没有错误", "并无错误"),
    *("并非错误", "并非不正确", "并不是不正确", "不是不正确", "不是不对", "并非不对", "不是错的"),
)
#: What a reply says for no.
FALSE_WORDS = (*_FALSE_ANYWHERE, "不", "不太正确", "并不正确", "不成立")

_KEYS = dict.fromkeys((word.lower() for word in (*_TRUE_ANYWHERE, *_TRUE_KEYS)), True)
_KEYS |= dict.fromkeys((word.lower() for word in (*_FALSE_ANYWHERE, *_FALSE_KEYS)), False)

# How the two options are written where the key is one of the two.
_PAIRS = (
    ("O", "X"),
    ("○", "×"),
    ("√", "×"),
    ("✓", "✗"),
    ("T", "F"),
    ("True", "False"),
    ("Yes", "No"),
    ("Y", "N"),
    ("是", "否"),
    ("对", "错"),
    ("對", "錯"),
    ("正确", "错误"),
    ("正確", "錯誤"),
)
_PAIR_OF = {word.lower(): pair for pair in reversed(_PAIRS) for word in pair}
# Round signs vary; a cross is that of ○ and × more often than that of ✓ and ✗.
_PAIR_OF |= dict.fromkeys("〇◯✗", ("○", "×"))
_SHORT_WORDS = "是对對"  # which are labels and options' texts at once

_NO_KEY_WORDS = """
    送分 一律给分 一律送分 均给分 全部给分 全给分 皆给分 都给分 本题送分 送分题 不计分 不予计分
    本题给分 给分 无 无解 无答案 无正解 无标准答案 暂无 暂无答案 略 未知 未定 待定 皆可 开放 缺 空
    答案略 见解析 详见解析 见详解 见答案 参见解析
    none null nan na nil nokey noanswer tbd unknown
"""
_NO_KEY = frozenset(_NO_KEY_WORDS.split())
# What stands for a key where the answer is a text, which is elsewhere or anybody's own.
_OPEN_KEY_WORDS = "略 答案略 见解析 详见解析 见详解 参见解析 开放 无标准答案"
_OPEN_KEYS = frozenset(_OPEN_KEY_WORDS.split())
_NEGATIVE = re.compile(r"[(\[]?[-−–—]\s?\d+(?:\.0+)?[)\]]?")
_SIMPLIFIED_ONLY = re.compile(
    r"[们这说对错误题选择项国会时问东义见长门实发现点过还进么头给认识让应该]"
)
_HAN = re.compile(r"[\u4e00-\u9fff]")


def truth_of(value: Any) -> bool | None:
    """Whether a word or sign says true (正確, 對, O, ✓) or false (錯誤, 否, X); else None."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or len(value) > 20:
        return None
    stripped = normal_text(value).strip("()[]【】「」。.").strip()
    return _KEYS.get(stripped.lower(), _KEYS.get(fold_name(stripped)))


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


def is_open_key(answer: Any) -> bool:
    """Whether a key says that the answer is a text that is not given (略, 見解析)."""
    return isinstance(answer, str) and fold_name(answer) in _OPEN_KEYS


def is_negative(answer: Any) -> bool:
    """Whether a key is a whole number below 0, by which data sets mark what has no label."""
    if isinstance(answer, int | float):
        return answer < 0 and answer == answer // 1
    return isinstance(answer, str) and bool(_NEGATIVE.fullmatch(normal_text(answer)))


def true_false_options(answer: object, stem: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """The texts and the labels of the two options of a true/false question that lists none.

    The labels are written as the key is. ``O`` gives the texts 正確 and 錯誤 with the labels O and
    X; words are their own labels.

    Args:
        answer: The key as the source has it.
        stem: Decides whether the texts are Traditional, Simplified or English.
    """
    word = normal_text(str(answer)).strip("()[]。. ") if answer is not None else ""
    if _SIMPLIFIED_ONLY.search(stem):
        texts = ("正确", "错误")
    elif _HAN.search(stem):
        texts = ("正確", "錯誤")
    else:
        texts = ("True", "False")
    if answer is True or answer is False:
        return texts, ("TRUE", "FALSE")
    pair = _PAIR_OF.get(word.lower())
    if pair is None:
        return texts, texts
    return (pair if len(pair[0]) > 1 or pair[0] in _SHORT_WORDS else texts), pair
