"""What may stand between the words of a rule and a label."""

from __future__ import annotations

__all__ = ["LINKS"]

_NOUN = (
    r"(?:题意|题目|要求|条件|描述|题干|最(?!不)[\u4e00-\u9fff]{1,3}(?=的))?的?(?:一?个?选?项|选项|选择|答案|叙述|说法|描述|组合|诊断|部分|顺序"
    r"|排序|结论|结果|原因|做法)?"
)
_NOUN_EN = (
    r"(?i:\s(?:option|choice|answer|statement|one|selection|response))?"
    r"(?i:\s(?:to|for|from|among)\s(?:\"[^\"\n]{0,80}\"|[^.:\"\n]){1,60}?"
    r"(?=\s(?:is|are|was|would|should|must)\b))?"
)
_SURELY = r"(?:最?有?可能|大概|或许|应该?|应当|就|即|便|只能|只会|会|肯定|当然|也|才|仍|还|了|出)?"
_IS = r"(?:是|为|有|包括|选择?(?!项)|填|:|=|->?|>|(?i:should be|would be|must be|is|are|was)\b)"
_LEAD = (
    rf"{_NOUN}{_NOUN_EN}(?:\s?\([\u4e00-\u9fff]{{2,8}}\))?[^\S\n]?[\"'*]{{0,3}}[^\S\n]?{_SURELY}"
)
_THING = (
    r"(?:[^\S\n]?(?:选?项|选项))?(?:[两二三四五]个?[项者])?(?:\"[^\"\n]{1,60}\")?中?(?:所述|所说|所示)?"
    r"(?:的?(?:说法|叙述|描述|内容|表述|观点|陈述|答案))?[^\S\n]?[,:(]?[^\S\n]?"
)
_ADVERB = (
    r"(?:则|也|都|均|皆|全|显然|明显|其实|完全|一定|应该?|应当|可以?|属于|被|并|就|才|更加|更|比较|较|最|来"
    r"|是|为){0,3}"
)

#: What may or must stand between the words of a rule and a label. The patterns are bounded, so that
#: reading takes time proportional to the length of the reply.
LINKS = {
    "none": "",
    "may": rf"{_LEAD}{_IS}?",
    "must": rf"{_LEAD}{_IS}",
    "then": r"(?:[,:\s]|我们?|可以|可|认为|得出?|应该?|应当|最?可能|就|是|为){0,6}",
    "judged": _THING + r"(?:比(?:其他|其余|别的)[^,。\n]{0,6}?)?" + _ADVERB,
    "is": (
        rf"{_THING}(?:才|就|即|应该?)?(?:是|为)(?:本题|该题|此题|我们?)?的?"
        r"(?:最佳|最终|唯一|最好|最合适)?的?"
    ),
    "judged_en": (
        r"(?i:\s?(?:is|are|was|seems|appears|must be|would be)\s"
        r"(?:(?:to be|also|clearly|likely|the|most|my)\s){0,3})"
    ),
    "judged_not_en": (
        r"(?i:\s?(?:isn't|aren't|(?:can't|cannot)\sbe|(?:is|was|are)\s"
        r"(?:(?:certainly|definitely|clearly)\s)?(?:not|never|by no means))\s)"
    ),
    "compared_en": (
        r"(?i:\s?(?:is|are|was|seems|looks|fits|works|makes)\s(?:the\s\w{1,12}\s)?(?:(?:also|much|far|a|even)\s){0,2})"
    ),
    "left": (
        r"(?:[,:\s]|的|一个|那个|选项|答案|只有|就|便|后|可得|可知|得出?|可以?|应该?|只能|是|为"
        r"|(?i:\b(?:us|me|with|only|just|is|option|choice)\b)){0,8}"
    ),
}
