"""The kind of a question, from the source's word for it, its stem and its options."""

from __future__ import annotations

import re

from zhmcq.zh._fold import fold_name, normal_text

__all__ = ["asks_order", "kind_of", "says_multiple"]

# In this order: "多选题" and "不定项选择题" hold "选择题", "判断说明题" is an essay.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ordering", re.compile(r"排序|排列题|ordering|ranking|sequenc|重组")),
    (
        "essay",
        re.compile(
            r"简答|问答|论述|申论|作文|写作|计算题|名词解释|翻译|解答题|证明题|实作|essay|shortanswer|open(?:ended)?$|freeresponse"
        ),
    ),
    (
        "multiple",
        re.compile(
            r"多选|复选|多项|多重选|不定项|不定选|multi(?:ple)?(?:select|answer|response|correct)|multi$|checkbox|^multiple$"
        ),
    ),
    (
        "true_false",
        re.compile(
            r"是非|判断|对错|正误|真伪|truefalse|trueorfalse|truth|boolean|yesno|^tf$|^judge?ment$|^judge$"
        ),
    ),
    ("fill_in", re.compile(r"填空|填充|克漏字|完形|fillin|blank|cloze")),
    ("matching", re.compile(r"配对|配合题|连线|matching")),
    ("single", re.compile(r"单选|单一|单项|singlechoice|single|^mcq$|^radio$|onecorrect")),
)
_MULTIPLE_HINT = re.compile(
    r"[(\[【〔「]\s*(?:本題|本题)?\s*(?:複選|复选|多選|多选|不定項|不定项|可複選|可多選|可多选|"
    r"multiple answers?|select all that apply)(?:題|题|選擇題|选择题)?\s*[)\]】〕」]",
    re.IGNORECASE,
)
_ORDER_HINT = re.compile(
    r"排序|排列|(?:依|按)[^，。？?]{0,20}?(?:順序|顺序|次序|先後|先后)|重組|重组|"
    r"in (?:the )?(?:correct |right )?order"
)


def kind_of(word: str) -> str:
    """What the source's word for a kind says, ``""`` where it says nothing of use.

    One of ``single``, ``multiple``, ``true_false``, ``ordering``, ``fill_in``, ``matching``,
    ``essay``.
    """
    name = fold_name(word)
    return next((kind for kind, pattern in _KINDS if pattern.search(name)), "")


def says_multiple(stem: str) -> bool:
    """Whether a stem says in brackets that several options are right (「（複選）」)."""
    return bool(_MULTIPLE_HINT.search(normal_text(stem)))


def asks_order(stem: str) -> bool:
    """Whether a stem asks to put the options in order."""
    return bool(_ORDER_HINT.search(stem))
