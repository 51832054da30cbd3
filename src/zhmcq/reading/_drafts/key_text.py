"""A key and the text of a page that was copied along with it."""

from __future__ import annotations

import re
from typing import Any

from zhmcq.zh._fold import normal_text
from zhmcq.zh._truth import truth_of

__all__ = ["is_label_set", "key_and_page_text", "plain_key"]

# 「B 解析：…」, 「B（略）」: what begins so is no part of the key.
_PAGE_WORDS = (
    r"(?:答案)?(?:解析|詳解|详解|解說|解说)|試題分析|试题分析|知識點|知识点|考點|考点|難易度|难易度|"
    r"難度|难度|得分|explanation"
)
_PAGE_TEXT = re.compile(
    rf"\s*[,，;；。.]?\s*(?:[(（【\[]\s*(?:{_PAGE_WORDS})\s*[】\])）]|(?:{_PAGE_WORDS})\s*[:：])",
    re.IGNORECASE,
)
_ONE = r"[(\[]?\s*(?:[A-Ja-j]|[1-9])\s*[)\]]?"
_PLAIN = re.compile(
    rf"(?:(?:正確|正确|標準|标准|參考|参考)?(?:答案|正解)(?:是|為|为)?\s*:?\s*|answer\s*:\s*)?"
    rf"{_ONE}(?:\s*[,、;/&]?\s*{_ONE}){{0,9}}\s*[.。,;]?",
    re.IGNORECASE,
)
_LABEL_SET = re.compile(
    r"[A-J]{1,10}|[(\[]?[A-Ja-j][)\]]?(?:\s*[,、;/&]?\s*[(\[]?[A-Ja-j][)\]]?){0,9}|"
    r"(?:[(\[][1-9]{1,9}[)\]]){1,9}"
)
_LONGEST_KEY = 40
_LONGEST = 20_000


def plain_key(text: str) -> bool:
    """Whether a text is nothing but labels, or a word for true or false."""
    text = text.strip()
    if not text or len(text) > _LONGEST_KEY:
        return False
    return truth_of(text) is not None or bool(_PLAIN.fullmatch(normal_text(text)))


def key_and_page_text(answer: Any) -> tuple[str, str]:
    """A key's first line and what follows it, where the line is a plain key.

    A first line 錯 before lines such as 章節測驗 and 已完成, or B in ``"B 解析：略"``.

    Returns:
        ``("", "")`` where nothing follows, or the first line is no plain key.
    """
    if not isinstance(answer, str) or not 1 < len(answer) <= _LONGEST:
        return "", ""
    text = answer.strip()
    first = text.split("\n", 1)[0]
    match = _PAGE_TEXT.search(first[: 2 * _LONGEST_KEY])
    head = first[: match.start()] if match else first
    rest = text[len(head) :].strip()
    return (head.strip(), rest) if rest and plain_key(head) else ("", "")


def is_label_set(answer: Any) -> bool:
    """Whether a key is labels of options that are not there: ``AB``, ``(A)(C)``, ``①③``, ``(134)``.

    A word of capital letters may be one too, so their order must be that of the alphabet.
    """
    if not isinstance(answer, str) or len(answer) > _LONGEST_KEY:
        return False
    if answer.strip() and all("①" <= char <= "⑩" for char in answer.strip()):
        return True
    text = normal_text(answer).strip(" .")
    letters = [char for char in text.upper() if char.isalpha()]
    return bool(_LABEL_SET.fullmatch(text)) and letters == sorted(set(letters))
