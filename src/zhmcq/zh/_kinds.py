"""The kind of a question, from the source's word for it, its stem and its options."""

from __future__ import annotations

import re

from zhmcq.zh._fold import fold_name, normal_text

__all__ = ["CHOICE_KINDS", "asks_order", "kind_of", "says_multiple"]

#: Kinds that are questions of choice.
CHOICE_KINDS = ("single", "multiple", "true_false")

# A word that says choice is one whatever else it says: 翻譯選擇題, 配對選擇題, 填空選擇.
_CHOICE = re.compile(r"(?<!非)选择|multiplechoice|singlechoice|^mcq?$")
# Spelled as fold_name() leaves them, in this order: 排序填空 asks for an order.
# Words that also name subjects (碱基配对, pattern matching) must be the whole name, or bear 题.
_NO_CHOICE: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "ordering",
        re.compile(
            r"排序题|^排序(?:填空)?$|排列题|重组题|^重组$|句子重组|重组句|句子重整|"
            r"^(?:re|sentence|word)?order(?:ing)?(?:question|item|task)?s?$|"
            r"^rank(?:ing|order)?(?:question)?$|^sequenc(?:e|ing)(?:question|item|task)?s?$|"
            r"^(?:re)?arrang(?:e|ing|ement)"
        ),
    ),
    (
        "matching",
        re.compile(
            r"配对题|^配对|配合题|匹配题|^匹配$|连线题|^连线$|连连看|拖曳|拖拽|拖放|拖拉|归类题|分类题|"
            r"^match(?:ing)?(?:question|item|pair|task|exercise)?s?$|^drag|anddrop|dropzone|"
            r"^categori[sz]ation$|^pairs?$"
        ),
    ),
    (
        "essay",
        re.compile(
            r"非选|简答|简述|论述|申论|作文题|^作文|写作题|^写作$|说明题|手写题|essay|shortanswer|"
            r"shorttext|longanswer|longtext|openended|^open$|openquestion|freeresponse|freetext|"
            r"constructedresponse"
        ),
    ),
    ("hotspot", re.compile(r"热点题|热区题|热点图|图片点选|图上点选|^hotspot|^hottext|markpoint")),
    (
        "upload",
        re.compile(
            r"上传|档案题|文件题|录音题|口说题|口语题|upload|fileresponse|^file$|oralresponse|"
            r"^(?:audio|voice)?recording$"
        ),
    ),
    (
        "survey",
        re.compile(
            r"问卷题|^问卷(?:调查)?$|量表题|^(?:李克特)?量表$|意见调查|投票题|"
            r"^survey(?:question|item)?s?$|likert|^poll$|^rating$|ratingscale"
        ),
    ),
    ("numerical", re.compile(r"数值题|数字题|整数题|numerical|^numeric$|^number$|^calculated$")),
    ("cloze", re.compile(r"克漏|完形|完型|cloze")),
    ("fill_in", re.compile(r"填空|填充|填答|fillin|blank|^gapfill")),
    (
        "open",
        re.compile(r"计算题|问答|名词解释|辨析题|翻译|解答题|证明题|实作|应用题|^open|translation"),
    ),
)
_CHOICES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "multiple",
        re.compile(
            r"多选|复选|多项|多重选|不定项|不定选|multi(?:ple)?(?:select|answer|response|correct)|"
            r"multi$|checkbox|^multiple$"
        ),
    ),
    (
        "true_false",
        re.compile(
            r"是非|判断|对错|正误|真伪|truefalse|trueorfalse|truth|boolean|yesno|^tf$|^judge?ment$|"
            r"^judge$"
        ),
    ),
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

    ``single``, ``multiple`` and ``true_false`` are choices. ``ordering``, ``matching``, ``essay``,
    ``hotspot``, ``upload`` and ``survey`` never are. ``fill_in``, ``cloze``, ``numerical`` and
    ``open`` (計算題, 翻譯) are where the item has options of its own and a key that names one.
    """
    if not word:
        return ""
    name = fold_name(word)
    if not _CHOICE.search(name):
        kind = next((kind for kind, pattern in _NO_CHOICE if pattern.search(name)), "")
        if kind:
            return kind
    return next((kind for kind, pattern in _CHOICES if pattern.search(name)), "")


def says_multiple(stem: str) -> bool:
    """Whether a stem says in brackets that several options are right (「（複選）」)."""
    return bool(_MULTIPLE_HINT.search(normal_text(stem)))


def asks_order(stem: str) -> bool:
    """Whether a stem asks to put the options in order."""
    return bool(_ORDER_HINT.search(stem))
