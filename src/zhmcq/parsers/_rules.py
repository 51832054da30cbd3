"""The rules: which words lead to an answer, how much each counts, and an example of each.

A rule is one entry of :data:`RULES`. To teach the parser a new way of answering, add a word to a
rule or an entry to the table; nothing else has to change. Words are written as folded text has
them (Simplified, half-width, ``【】`` as ``[]``), with ``|`` between them; those of Latin letters
match in any case. The example is a whole reply to a question with the options A 春天, B 夏天,
C 秋天, D 冬天, and is run as a test.

Where a rule applies depends on its ``position``:

- ``before``: the words stand before a label or an option text, with at most a ``link`` between
  (``答案`` + ``应该是`` + ``B``);
- ``after``: the words stand after one (``B`` + ``选项是`` + ``正确``);
- ``form``: there are no words, the shape of the reply decides; :mod:`zhmcq.parsers._mentions` looks
  for it by the name of the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DECISION", "LINKS", "RULES", "RULE_BY_NAME", "STRICT", "Rule"]

#: From this weight on a rule is a decision: among several, the last one in the reply counts.
#: Below it, the mentions of the highest weight have to agree.
DECISION = 80
#: From this weight on a rule states a final answer: what the ``strict`` parser reads.
STRICT = 82


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A way to give an answer.

    Attributes:
        name: What ``explain`` and ``reason`` call it.
        position: Where the words stand: before what they lead to, after it, or nowhere.
        words: Words with ``|`` between them; ``""`` for ``form`` rules.
        unless: Characters that the words must not be followed by (``选`` in ``选项``).
        link: What comes between the words and the label: a key of :data:`LINKS`.
        until: Words with ``|`` between them, one of which has to follow the label; ``""`` for none.
        effect: ``"choose"``; ``"reject"``; or ``"false"``, which chooses if the question asks for
            the false option and rejects otherwise.
        weak: Whether the words introduce other things than answers as often, so that a label
            after them has to stand alone (``因此 A，``), in brackets, or with its option text.
        weight: How much the rule counts, 1 to 100.
        example: A reply in which the rule decides.
        answer: The label that the example is read as; ``""`` where it rules an option out.
    """

    name: str
    position: Literal["before", "after", "form"]
    words: str = ""
    unless: str = ""
    link: str = "none"
    until: str = ""
    effect: Literal["choose", "reject", "false"] = "choose"
    weak: bool = False
    weight: int
    example: str
    answer: str = ""


_NOUN = (
    r"(?:题意|题目|要求|条件|描述|题干)?的?(?:一?个?选?项|选项|选择|答案|叙述|说法|描述|组合|诊断|部分|顺序"
    r"|排序|结论|结果|原因|做法)?"
)
_NOUN_EN = (
    r"(?i:\s(?:option|choice|answer|statement|one|selection|response))?"
    r"(?i:\s(?:to|for|from|among)\s(?:\"[^\"\n]{0,80}\"|[^.:\"\n]){1,60}?"
    r"(?=\s(?:is|are|was|would|should|must)\b))?"
)
# A negation of a word that negates: 並非不正確, 沒有錯誤.
_NEGATIONS = (
    *("不是", "并非", "并不是", "绝非", "没有", "没", "无", "并无", "并没有", "不会"),
    *("不能说", "不能算", "不算", "非"),
)
_WRONG = (
    "错",
    "错误",
    "有误",
    "不正确",
    "不对",
    "不合题意",
    "不符合",
    "不成立",
    "不恰当",
    "不合适",
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
        rf"{_THING}(?:才|就|即|应该?)?(?:是|为)(?:本题|该题|此题)?的?"
        r"(?:最佳|最终|唯一|最好|最合适)?的?"
    ),
    "judged_en": (
        r"(?i:\s?(?:is|are|was|seems|appears|must be|would be)\s"
        r"(?:(?:to be|also|clearly|likely|the|most|my)\s){0,3})"
    ),
    "judged_not_en": (
        r"(?i:\s?(?:isn't|aren't|(?:is|was|are)\s"
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

RULES: tuple[Rule, ...] = (
    Rule(
        name="answer_tag",
        position="before",
        words="[答案]|[正确答案]|[参考答案]|[标准答案]|[最终答案]|[最后答案]",
        link="may",
        weight=90,
        example="【解析】夏天最热。\n【答案】B",
        answer="B",
    ),
    Rule(
        name="boxed",
        position="before",
        words=r"\boxed|\fbox",
        weight=90,
        example=r"气温最高，故 \boxed{\text{B}}",
        answer="B",
    ),
    Rule(
        name="answer",
        position="before",
        words="答案|正解|解答|答:",
        link="may",
        weight=90,
        example="所以正確答案是 (B)。",
        answer="B",
    ),
    Rule(
        name="choose",
        position="before",
        words="选择|选定|选取|挑选|圈选|选|填|第一志愿|倾向于|倾向|偏向|不能不选|不得不选",
        unless="项题出取用举修手中民",
        link="may",
        weight=90,
        example="一年中最热，故選B。",
        answer="B",
    ),
    Rule(
        name="right_one",
        position="before",
        words="正确|对的|合适|恰当|适当|符合|适合|合理|最可能|最有可能|最佳|最好",
        link="must",
        weight=88,
        example="最熱的季節，正確的是B",
        answer="B",
    ),
    Rule(
        name="false_one",
        position="before",
        words="错误|不正确|不对|有误|不符合|不符|不当|不恰当|不合适|不属于|不包括",
        link="must",
        effect="false",
        weight=88,
        example="错误的是 A，那时还冷。",
    ),
    Rule(
        name="should_be",
        position="before",
        words="应该是|应是|应该为|应为|应当是|应当为|而是|乃是|也就是|正是|其实是|实际上是|确定是|确认是|发现是|事实上是|无非是|,是",
        weak=True,
        weight=84,
        example="不是A，而是B",
        answer="B",
    ),
    Rule(
        name="result",
        position="before",
        words="得出|得到|推出|判断|判定|认为|得",
        link="must",
        weak=True,
        weight=82,
        example="經過計算得出：B",
        answer="B",
    ),
    Rule(
        name="result_is",
        position="before",
        words="选项是|选项为|结论是|结论:|结论为|结果是|结果为|解法是|解法为|对应选项|对应的选项",
        weak=True,
        weight=85,
        example="经过比较，选项为B",
        answer="B",
    ),
    Rule(
        name="only",
        position="before",
        words="只有|唯有|仅有|即",
        weak=True,
        weight=80,
        example="四季之中只有选项B最热。",
        answer="B",
    ),
    Rule(
        name="therefore",
        position="before",
        words="因此|所以|故而|故|综上所述|综上可知|综上|由此可知|可知|可见|总之|于是",
        link="then",
        weak=True,
        weight=80,
        example="因此，(B)夏天。",
        answer="B",
    ),
    Rule(
        name="correction",
        position="before",
        words="更正|修正|订正|纠正|改为|改选|改成|correction",
        link="may",
        weight=95,
        example="答案是A。更正：B",
        answer="B",
    ),
    Rule(
        name="rules_out",
        position="before",
        words="不是|也不是|不可能是|不会是|排除|剔除|删去|删掉|去掉|划掉|淘汰|不选|不能选|不应选|不应该选|不可选|别选",
        link="may",
        effect="reject",
        weight=70,
        example="可以排除A。",
    ),
    Rule(
        name="answer_en",
        position="before",
        words="answer|answers|ans",
        link="may",
        weight=90,
        example="My answer: option B.",
        answer="B",
    ),
    Rule(
        name="right_one_en",
        position="before",
        words="correct|right|best|final",
        link="must",
        weight=90,
        example="After all, the best choice is (B).",
        answer="B",
    ),
    Rule(
        name="false_one_en",
        position="before",
        words="incorrect|false|wrong|untrue|not true|not correct",
        link="must",
        effect="false",
        weight=88,
        example="The wrong choice is A.",
    ),
    Rule(
        name="choose_en",
        position="before",
        words="choose|select|pick|go with|go for|going with|went with|opt for|prefer|lean toward"
        "|lean towards|leaning toward|first choice|top choice|best guess",
        link="may",
        weight=88,
        example="Summer is hot, so I choose B.",
        answer="B",
    ),
    Rule(
        name="it_is_en",
        position="before",
        words="it's|it is|it should be|it must be|it would be|it was|I'd say|I think|I believe"
        "|I guess"
        "|but",
        weak=True,
        weight=84,
        example="Hot weather means it is B.",
        answer="B",
    ),
    Rule(
        name="therefore_en",
        position="before",
        words="therefore|thus|hence|so|on reflection|on second thought|in the end",
        link="then",
        weak=True,
        weight=80,
        example="Therefore, (B).",
        answer="B",
    ),
    Rule(
        name="rules_out_en",
        position="before",
        words="rule out|eliminate|exclude",
        link="may",
        effect="reject",
        weight=70,
        example="We can rule out A.",
    ),
    Rule(
        name="left_over",
        position="before",
        words="剩下|剩余|只剩|仅剩|就剩|只剩下|仅剩下|就剩下|留下|剩|排除法|删去法|刪除法|消去法|淘汰法"
        "|leaves|leaving|left with|elimination|remaining|option left is|choice left is",
        link="left",
        weak=True,
        weight=78,
        example="春、秋、冬都不热，用删去法，剩下B。",
        answer="B",
    ),
    Rule(
        name="none_but",
        position="before",
        words="anything but|nothing but|none other than|不可能不是|不会不是"
        "|can't not be|cannot not be",
        weight=86,
        example="The hottest can be none other than B.",
        answer="B",
    ),
    Rule(
        name="it_must_be",
        position="before",
        words="非",
        until="莫属|不可",
        weight=86,
        example="要说最热，非B莫属。",
        answer="B",
    ),
    Rule(
        name="worse_than",
        position="before",
        words="不如|不及|not as good as|isn't as good as"
        "|worse than|less suitable than|less appropriate than"
        "|less accurate than|inferior to",
        weak=True,
        weight=66,
        example="若论炎热，A不如B。",
        answer="B",
    ),
    Rule(
        name="is_the_answer",
        position="after",
        words="正确答案|标准答案|答案|正解|正确选择|选择|正确选项|最佳选项",
        link="is",
        weight=90,
        example="(B)才是正確答案。",
        answer="B",
    ),
    Rule(
        name="is_not_wrong",
        position="after",
        words="|".join(f"{no}{wrong}" for no in _NEGATIONS for wrong in _WRONG),
        link="judged",
        weight=70,
        example="B 並非不正確。",
        answer="B",
    ),
    Rule(
        name="is_better",
        position="after",
        words="优于|胜过|好过|强过|更胜一筹",
        link="judged",
        weight=66,
        example="B比A更合適。",
        answer="B",
    ),
    Rule(
        name="is_wrong",
        position="after",
        words="错|×|有误|不正确|不太正确|不对|不成立|不符|不合|不当|不恰当|不准确",
        link="judged",
        effect="false",
        weight=70,
        example="A项错误。",
    ),
    Rule(
        name="is_out",
        position="after",
        words="不是|并非|排除|不可能|不太可能",
        link="judged",
        effect="false",
        weight=70,
        example="A不是答案。",
    ),
    Rule(
        name="is_right",
        position="after",
        words="正确|√|对的|对,|对;|对。|才对|才是|都是,|都是。|皆是,|皆是。|成立|无误|符合|满足"
        "|佳|好|合适|恰当|适当|合理|准确|贴切|贴近|妥当",
        unless="于",
        link="judged",
        weight=70,
        example="经分析，选项B正确。",
        answer="B",
    ),
    Rule(
        name="is_not_wrong_en",
        position="after",
        words="incorrect|wrong|false|untrue",
        link="judged_not_en",
        weight=70,
        example="B is not incorrect.",
        answer="B",
    ),
    Rule(
        name="is_better_en",
        position="after",
        words="better|more appropriate|more suitable|more accurate|more reasonable|more sense",
        link="compared_en",
        weight=66,
        example="B fits better than A.",
        answer="B",
    ),
    Rule(
        name="is_left_en",
        position="after",
        words="remains|is left",
        unless=" ",
        weight=78,
        example="Only B remains.",
        answer="B",
    ),
    Rule(
        name="is_right_en",
        position="after",
        words="correct|right|best|appropriate|accurate|answer|first choice",
        link="judged_en",
        weight=84,
        example="Option B is the correct one.",
        answer="B",
    ),
    Rule(
        name="is_wrong_en",
        position="after",
        words="not|incorrect|wrong|false",
        link="judged_en",
        effect="false",
        weight=70,
        example="Option A is incorrect.",
    ),
    Rule(
        name="only_label",
        position="form",
        weight=95,
        example="(B)",
        answer="B",
    ),
    Rule(
        name="only_text",
        position="form",
        weight=92,
        example="夏天。",
        answer="B",
    ),
    Rule(
        name="closing",
        position="form",
        weight=85,
        example="气温最高的季节。\n\n**B**",
        answer="B",
    ),
    Rule(
        name="confirmed",
        position="form",
        weight=84,
        example="最热的是B吗？是的。",
        answer="B",
    ),
    Rule(
        name="all_but",
        position="form",
        weight=80,
        example="除了B以外都错。",
        answer="B",
    ),
    Rule(
        name="statement_is",
        position="form",
        weight=80,
        example="这个说法是错误的。",
    ),
    Rule(
        name="opening",
        position="form",
        weight=75,
        example="(B) 夏天，因为气温最高。",
        answer="B",
    ),
    Rule(
        name="marks",
        position="form",
        weight=72,
        example="| A | × |\n| B | √ |\n| C | × |\n| D | × |",
        answer="B",
    ),
    Rule(
        name="label_and_text",
        position="form",
        weight=60,
        example="气温最高，大概在 (B) 夏天吧",
        answer="B",
    ),
    Rule(
        name="shares",
        position="form",
        weight=60,
        example="A：5%\nB：80%\nC：10%\nD：5%",
        answer="B",
    ),
    Rule(
        name="verdicts",
        position="form",
        weight=55,
        example="A. 太冷，错误\nB. 最热，正确\nC. 不热，错误\nD. 最冷，错误",
        answer="B",
    ),
    Rule(
        name="text_at_end",
        position="form",
        weight=50,
        example="一年中气温最高的季节是夏天",
        answer="B",
    ),
    Rule(
        name="text_once",
        position="form",
        weight=40,
        example="夏天的时候气温最高，人人都想去海边。",
        answer="B",
    ),
)

RULE_BY_NAME = {rule.name: rule for rule in RULES}
