"""The kind of a question, from the source's word for it, its stem and its options."""

from __future__ import annotations

import re

from zhmcq.reading.fold import fold_name, normal_text

__all__ = ["asks_order", "kind_of", "true_false_options"]

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
_SIMPLIFIED_ONLY = re.compile(
    r"[们这说对错误题选择项国会时问东义见长门实发现点过还进么头给认识让应该]"
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


_PAIRS: dict[str, tuple[str, str]] = {
    "o": ("O", "X"),
    "x": ("O", "X"),
    "○": ("○", "×"),
    "〇": ("○", "×"),
    "◯": ("○", "×"),
    "×": ("○", "×"),
    "✗": ("○", "×"),
    "√": ("√", "×"),
    "✓": ("✓", "✗"),
    "t": ("T", "F"),
    "f": ("T", "F"),
    "true": ("True", "False"),
    "false": ("True", "False"),
    "yes": ("Yes", "No"),
    "no": ("Yes", "No"),
    "y": ("Y", "N"),
    "n": ("Y", "N"),
    "是": ("是", "否"),
    "否": ("是", "否"),
    "对": ("对", "错"),
    "错": ("对", "错"),
    "對": ("對", "錯"),
    "錯": ("對", "錯"),
    "正确": ("正确", "错误"),
    "错误": ("正确", "错误"),
    "正確": ("正確", "錯誤"),
    "錯誤": ("正確", "錯誤"),
}


def true_false_options(answer: object, stem: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """The two options of a true/false row that has none, and their labels as its key says them.

    ``O`` gives the options 正確 and 錯誤 with the labels O and X; words are their own labels.
    """
    word = normal_text(str(answer)).strip("()[]。. ") if answer is not None else ""
    word = word if word in _PAIRS else word.lower()
    if _SIMPLIFIED_ONLY.search(stem):
        texts = ("正确", "错误")
    elif re.search(r"[\u4e00-\u9fff]", stem):
        texts = ("正確", "錯誤")
    else:
        texts = ("True", "False")
    if answer is True or answer is False:
        return texts, ("TRUE", "FALSE")
    pair = _PAIRS.get(word)
    if pair is None:
        return texts, texts
    return (pair if len(pair[0]) > 1 or pair[0] in "是对對" else texts), pair
