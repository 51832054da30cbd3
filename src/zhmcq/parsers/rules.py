"""The rules: what words lead to an answer, how much each counts, and an example of each.

A rule is one line of :data:`RULES`. Its pattern is written for folded text (Simplified,
half-width, ``【】`` as ``[]``, curly and corner quotes as ``"``); its example is a whole reply to a
question whose options are A 春天, B 夏天, C 秋天, D 冬天, and is run as a test. Where the rule applies
depends on its ``place``:

- ``before``: the pattern comes right before a label or an option text;
- ``after``: it comes right after one;
- ``form``: no words but the shape of the reply decides; :mod:`zhmcq.parsers.zh` knows how.

Patterns are bounded (no ``*`` or ``+`` over what the next part may match too), so that reading
takes time proportional to the length of the reply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["AFTER", "BEFORE", "BY_NAME", "DECISION", "RULES", "STRICT", "Rule"]

#: From this weight on a rule is a decision: among several, the last one in the reply counts.
#: Below it, rules of one weight have to agree.
DECISION = 80
#: From this weight on a rule states a final answer: what the ``strict`` parser reads.
STRICT = 82


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to give an answer.

    Attributes:
        name: What ``explain`` and ``reason`` call it.
        place: Where the pattern stands (see the module).
        pattern: A regular expression; ``""`` for ``form`` rules.
        weight: 1 to 100.
        example: A reply in which the rule decides.
        reads: The labels it is read as; ``""`` where it rules an option out or gives none.
        effect: ``"choose"``; ``"reject"``; or ``"false"``, which chooses if the question asks for
            the false option and rejects otherwise.
    """

    name: str
    place: Literal["before", "after", "form"]
    pattern: str
    weight: int
    example: str
    reads: str = ""
    effect: Literal["choose", "reject", "false"] = "choose"


_IS = r"(?:最?有?可能|大概|或许|应该?|应当|就|即|便|只能|只会|会|肯定|当然|也|才|仍|还)?(?:是|为|选择?|填|:|=)"
_TRUE = r"正确|√|对(?=的?(?:[\s,。;.!]|$))|成立|无误|符合(?:题意|题目|要求|条件|题干)?|(?:最|更)(?:佳|好|合适|恰当|适当|合理|准确|符合)"
_FALSE = r"错误?|×|有误|不(?:太|够|完全)?(?:正确|对|成立|符合|合|当|恰当|合适|准确|合理|可能)|不是|并非|排除"
_THING = r"(?:[^\S\n]?(?:选?项|选项))?(?:中)?(?:所述|所说|所示)?(?:的?(?:说法|叙述|描述|内容|表述|观点|陈述|答案))?"

RULES: tuple[Rule, ...] = (
    # name, place, pattern, weight, example, reads
    Rule("answer_tag", "before", r"\[\s?(?:正确|标准|参考|最终|最后)?答案\s?\](?:应该?|应当)?(?:是|为)?", 90, "【解析】夏天最热。\n【答案】B", "B"),
    Rule("boxed", "before", r"\\f?boxed\s?(?=\{)", 90, "气温最高，故 \\boxed{\\text{B}}", "B"),
    Rule("answer_is", "before", r"(?:答案|正解|解答|答)(?:\s?\([^()\n]{1,8}\))?(?:的?选?项)?[^\S\n]?[\"'*]{0,3}" + _IS, 90, "所以正確答案是 (B)。", "B"),
    Rule("answer_bare", "before", r"(?:答案|正解)(?=[\s*\"(\[>A-Z①-⑳甲-癸\d-])", 90, "答案 B", "B"),
    Rule("choose", "before", r"(?:选择|选定|选取|挑选|选|圈选|填)(?!项|题|出|取|用|举|修|手)(?:了|的是|的?答案|的?选项)?(?:是|为)?", 90, "一年中最热，故選B。", "B"),
    Rule("right_one_is", "before", r"(?:正确|对的|合适|恰当|适当|符合|适合|合理|最可能|最有可能|最佳|最好|接近)(?:题意|题目|要求|条件|描述)?的?(?:一?个?选?项|选项|选择|答案|叙述|说法|描述|组合|诊断|一项|顺序|排序|结果)?[^\S\n]?(?:应该?|应当|就)?(?:是|为|有|包括|(?<=[项案择])\s?:)", 88, "最熱的季節，正確的是B", "B"),
    Rule("false_one_is", "before", r"(?:错误|不正确|不对|有误|不符合|不符|不当|不恰当|不合适|不属于|不包括|不适合|不适当)(?:题意|题目|要求|条件|描述)?的?(?:选?项|选项|答案|叙述|说法|描述|一项|部分)?[^\S\n]?(?:应该?|应当|就)?(?:是|为)", 88, "错误的是 A，冬天最冷。", "", "false"),
    Rule("should_be", "before", r"(?:应该?|应当|而|乃|,|也就)(?:是|为)", 84, "不是A，而是B", "B"),
    Rule("option_is", "before", r"(?:选项|选择|结论|结果|解法)(?:应该?|应当|就|的?结果|的?是)?(?:是|为)", 85, "经过比较，选项为B", "B"),
    Rule("answer_en", "before", r"(?i:ans(?:wers?)?(?:\s(?:to|for)\s[^.:\n]{1,40})?)\**\s?(?:(?i:should be|would be|must be|is|are|was|choice)\b|:|=|-|>)", 90, "The correct answer is option B.", "B"),
    Rule("correct_en", "before", r"(?i:\b(?:correct|right|best|final)\s(?:option|choice|statement|one|selection|response)(?:\sfrom[^.:\n]{1,30})?\s(?:is|would be|should be))", 90, "After all, the best choice is (B).", "B"),
    Rule("choose_en", "before", r"(?i:\b(?:choose|select|pick|go with|went with|opt for)\b)(?:\s(?i:option|answer|choice))?", 88, "Summer is hot, so I choose B.", "B"),
    Rule("it_is_en", "before", r"(?i:\bit(?:'s|\sis|\sshould be|\smust be|\swould be)\b)", 84, "Hot weather means it is B.", "B"),
    Rule("correction", "before", r"(?:更正|修正|订正|纠正|改为|改选|改成|(?i:correction))(?:一下)?[^\n。]{0,6}?(?:答案|应)?(?:是|为|选|:)?", 95, "答案是A。更正：B", "B"),
    Rule("result", "before", r"(?:得出|得到|得|推出|判断|判定|认为)(?:结论|结果|答案|出)?(?:应该?)?(?:是|为|:)", 82, "經過計算得出：B", "B"),
    Rule("only", "before", r"(?:只有|唯有|仅有|即)(?=\s?[(\"*]{0,3}(?:选项|[A-Z]\s?\)?\s?(?:选?项|正确|符合|对)))", 80, "四季之中只有选项B最热。", "B"),
    Rule("therefore", "before", r"(?:因此|所以|故而?|综上(?:所述|可知)?|由此(?:可[知见])?|可[知见]|总之|于是|从而|(?i:\b(?:therefore|thus|hence)\b))(?:[,:]|\s|我们?|可以|可|认为|得出?|应该?|最?可能|就|是|为|应当){0,6}", 80, "因此，(B)夏天。", "B"),
    Rule("rules_out", "before", r"(?:排除|剔除|删去|去掉|淘汰|不选择?|不能选择?|不应该?选择?|不可选|别选|(?i:\b(?:rule out|eliminate|exclude)\b))(?:掉|了)?", 70, "可以排除A。", "", "reject"),
    Rule("is_the_answer", "after", r"(?:才|就|即|应该?)?(?:是|为)(?:本题|该题|此题)?(?:的)?(?:最佳|最终|唯一|正确|标准|最好|最合适)?的?(?:正确)?(?:答案|正解|选择)", 90, "(B)才是正確答案。", "B"),
    Rule("is_the_answer_en", "after", r"(?i:\s?(?:is|seems|appears|must be)\s(?:to be\s)?(?:likely\s|definitely\s|clearly\s)?(?:the\s)?(?:most\s)?(?:correct|right|best|appropriate|accurate)\b)", 84, "Option B is the correct one.", "B"),
    Rule("is_wrong_en", "after", r"(?i:\s?(?:is|are|was|cannot be|can't be|must be)\s(?:also\s|clearly\s)?(?:not|incorrect|wrong|false|the incorrect)\b)", 70, "Option A is incorrect.", "", "false"),
    Rule("is_wrong", "after", _THING + r"[^\S\n]?[,:(]?[^\S\n]?(?:则|也|都|均|皆|显然|明显|是|为|并|应|属于|可以?|可被|应该|被|完全|一定|全|就|其实|就是)?(?:是|为|都|均)?(?:" + _FALSE + r")", 70, "A项错误。", "", "false"),
    Rule("is_right", "after", _THING + r"[^\S\n]?[,:(]?[^\S\n]?(?:则|也|都|均|皆|显然|是|为|更|较|最|才|完全|一定|应该?|就|就是)?(?:是|为|最|更)?(?:" + _TRUE + r")", 70, "经分析，选项B正确。", "B"),
    Rule("only_label", "form", "", 95, "(B)", "B"),
    Rule("only_text", "form", "", 92, "夏天。", "B"),
    Rule("opening", "form", "", 75, "(B) 夏天，因为气温最高。", "B"),
    Rule("closing", "form", "", 85, "气温最高的季节。\n\n**B**", "B"),
    Rule("statement_is", "form", "", 80, "", ""),
    Rule("label_and_text", "form", "", 60, "气温最高，大概在 (B) 夏天吧", "B"),
    Rule("verdicts", "form", "", 55, "A. 错误\nB. 正确\nC. 错误\nD. 错误", "B"),
    Rule("text_at_end", "form", "", 50, "一年中气温最高的季节是夏天", "B"),
    Rule("text_once", "form", "", 40, "夏天的时候气温最高，人人都想去海边。", "B"),
)  # fmt: skip

BY_NAME = {rule.name: rule for rule in RULES}


def _beginnings(pattern: str) -> set[str]:
    """The characters with which a ``before`` pattern can begin.

    Knowing them, the reader passes over most of a reply without trying any rule, which makes it
    three times as fast. For this a ``before`` pattern begins with plain characters or with a group
    of alternatives that do.
    """
    opened = re.match(r"(\(\?(?P<flag>i?):)?(?:\\b)?", pattern)
    assert opened is not None  # noqa: S101 - everything in it is optional
    if not opened.group(1):
        char = pattern[1] if pattern[0] == "\\" and pattern[1] in "\\[" else pattern[0]
        return {char}
    ignore_case = opened.group("flag") == "i"
    found: set[str] = set()
    rest = pattern[opened.end() :]
    depth, start = 0, True
    for place, char in enumerate(rest):
        if start and char == "(":
            inner = rest[place:]
            found |= {c for c in _beginnings(inner)}
        elif start:
            found.add(char)
        start = char == "|" and depth == 0
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
    return {c for char in found for c in ({char.lower(), char.upper()} if ignore_case else {char})}


_BEFORE_RULES = [rule for rule in RULES if rule.place == "before"]
_FIRST = "".join(sorted(re.escape(c) for rule in _BEFORE_RULES for c in _beginnings(rule.pattern)))
BEFORE = re.compile(
    f"(?=[{_FIRST}])(?:"
    + "|".join(f"(?P<{rule.name}>{rule.pattern})" for rule in _BEFORE_RULES)
    + ")"
)
AFTER = re.compile(
    "|".join(f"(?P<{rule.name}>{rule.pattern})" for rule in RULES if rule.place == "after")
)
