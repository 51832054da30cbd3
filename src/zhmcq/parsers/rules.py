"""The rules: which words lead to an answer, how much each counts, and an example of each.

A rule is one entry of :data:`RULES`: plain words, a weight, and an example. Words are written as
folded text has them (Simplified, half-width, ``【】`` as ``[]``), with ``|`` between them; those
of Latin letters match in any case. The example is a whole reply to a question with the options
A 春天, B 夏天, C 秋天, D 冬天, and is run as a test. To teach the parser a new way of answering,
add a word to a rule or an entry to the table; nothing else has to change.

Where a rule applies depends on its ``place``:

- ``before``: the words stand before a label or an option text, with at most a ``link`` between
  (``答案`` + ``应该是`` + ``B``);
- ``after``: the words stand after one (``B`` + ``选项是`` + ``正确``);
- ``form``: no words, but the shape of the reply decides; :mod:`zhmcq.parsers.candidates` knows how.

Links are bounded patterns, so that reading takes time proportional to the length of the reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["BY_NAME", "DECISION", "RULES", "STRICT", "Rule", "judgement", "leads"]

#: From this weight on a rule is a decision: among several, the last one in the reply counts.
#: Below it, the candidates of the highest weight have to agree.
DECISION = 80
#: From this weight on a rule states a final answer: what the ``strict`` parser reads.
STRICT = 82


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to give an answer.

    Attributes:
        name: What ``explain`` and ``reason`` call it.
        place: Where the words stand (see the module).
        words: Words with ``|`` between them; ``""`` for ``form`` rules.
        weight: 1 to 100.
        example: A reply in which the rule decides.
        reads: The labels it is read as; ``""`` where it rules an option out.
        link: What comes between the words and the label: a key of :data:`LINKS`.
        effect: ``"choose"``; ``"reject"``; or ``"false"``, which chooses if the question asks for
            the false option and rejects otherwise.
        unless: Characters that the words must not be followed by (``选`` in ``选项``).
        weak: Whether the words introduce other things than answers as often, so that a label
            after them has to stand alone (``因此 A，``), in brackets, or with its option text.
    """

    name: str
    place: Literal["before", "after", "form"]
    words: str
    weight: int
    example: str
    reads: str = ""
    link: str = "none"
    effect: Literal["choose", "reject", "false"] = "choose"
    unless: str = ""
    weak: bool = False


_NOUN = (
    r"(?:题意|题目|要求|条件|描述|题干)?的?(?:一?个?选?项|选项|选择|答案|叙述|说法|描述|组合|诊断|部分|顺序"
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
    r"(?:[^\S\n]?(?:选?项|选项))?(?:\"[^\"\n]{1,60}\")?中?(?:所述|所说|所示)?"
    r"(?:的?(?:说法|叙述|描述|内容|表述|观点|陈述|答案))?[^\S\n]?[,:(]?[^\S\n]?"
)
_ADVERB = (
    r"(?:则|也|都|均|皆|全|显然|明显|其实|完全|一定|应该?|应当|可以?|属于|被|并|就|才|更|较|最"
    r"|是|为){0,3}"
)

LINKS = {
    "none": "",
    "may": rf"{_LEAD}{_IS}?",
    "must": rf"{_LEAD}{_IS}",
    "then": r"(?:[,:\s]|我们?|可以|可|认为|得出?|应该?|应当|最?可能|就|是|为){0,6}",
    "judged": _THING + _ADVERB,
    "is": (
        rf"{_THING}(?:才|就|即|应该?)?(?:是|为)(?:本题|该题|此题)?的?"
        r"(?:最佳|最终|唯一|最好|最合适)?的?"
    ),
    "judged_en": (
        r"(?i:\s?(?:is|are|was|seems|appears|must be)\s"
        r"(?:(?:to be|also|clearly|likely|the|most)\s){0,3})"
    ),
}

RULES: tuple[Rule, ...] = (
    Rule(
        *(
            "answer_tag",
            "before",
            "[答案]|[正确答案]|[参考答案]|[标准答案]|[最终答案]|[最后答案]",
            90,
        ),
        *("【解析】夏天最热。\n【答案】B", "B", "may"),
    ),
    Rule("boxed", "before", r"\boxed|\fbox", 90, r"气温最高，故 \boxed{\text{B}}", "B"),
    Rule("answer", "before", "答案|正解|解答|答:", 90, "所以正確答案是 (B)。", "B", "may"),
    Rule(
        *("choose", "before", "选择|选定|选取|挑选|圈选|选|填", 90),
        *("一年中最热，故選B。", "B", "may"),
        unless="项题出取用举修手中民",
    ),
    Rule(
        *(
            "right_one",
            "before",
            "正确|对的|合适|恰当|适当|符合|适合|合理|最可能|最有可能|最佳|最好",
            88,
        ),
        *("最熱的季節，正確的是B", "B", "must"),
    ),
    Rule(
        *(
            "false_one",
            "before",
            "错误|不正确|不对|有误|不符合|不符|不当|不恰当|不合适|不属于|不包括",
            88,
        ),
        *("错误的是 A，那时还冷。", "", "must", "false"),
    ),
    Rule(
        *("should_be", "before", "应该是|应是|应该为|应为|应当是|应当为|而是|乃是|也就是|,是", 84),
        *("不是A，而是B", "B"),
        weak=True,
    ),
    Rule(
        *(
            "result",
            "before",
            "得出|得到|推出|判断|判定|认为|得",
            82,
            "經過計算得出：B",
            "B",
            "must",
        ),
        weak=True,
    ),
    Rule(
        *(
            "result_is",
            "before",
            "选项是|选项为|结论是|结论:|结论为|结果是|结果为|解法是|解法为|对应选项|对应的选项",
            85,
        ),
        *("经过比较，选项为B", "B"),
        weak=True,
    ),
    Rule("only", "before", "只有|唯有|仅有|即", 80, "四季之中只有选项B最热。", "B", weak=True),
    Rule(
        *(
            "therefore",
            "before",
            "因此|所以|故而|故|综上所述|综上可知|综上|由此可知|可知|可见|总之|于是",
            80,
        ),
        *("因此，(B)夏天。", "B", "then"),
        weak=True,
    ),
    Rule(
        *("correction", "before", "更正|修正|订正|纠正|改为|改选|改成|correction", 95),
        *("答案是A。更正：B", "B", "may"),
    ),
    Rule(
        *("rules_out", "before", "排除|剔除|删去|淘汰|不选|不能选|不应选|不应该选|不可选|别选", 70),
        *("可以排除A。", "", "may", "reject"),
    ),
    Rule("answer_en", "before", "answer|answers|ans", 90, "My answer: option B.", "B", "may"),
    Rule(
        *("right_one_en", "before", "correct|right|best|final", 90),
        *("After all, the best choice is (B).", "B", "must"),
    ),
    Rule(
        *("choose_en", "before", "choose|select|pick|go with|went with|opt for", 88),
        *("Summer is hot, so I choose B.", "B", "may"),
    ),
    Rule(
        *("it_is_en", "before", "it's|it is|it should be|it must be|it would be|but", 84),
        *("Hot weather means it is B.", "B"),
        weak=True,
    ),
    Rule(
        *("therefore_en", "before", "therefore|thus|hence|so", 80, "Therefore, (B).", "B", "then"),
        weak=True,
    ),
    Rule(
        *("rules_out_en", "before", "rule out|eliminate|exclude", 70),
        *("We can rule out A.", "", "may", "reject"),
    ),
    Rule(
        *(
            "is_the_answer",
            "after",
            "正确答案|标准答案|答案|正解|正确选择|选择|正确选项|最佳选项",
            90,
        ),
        *("(B)才是正確答案。", "B", "is"),
    ),
    Rule(
        *(
            "is_wrong",
            "after",
            "错|×|有误|不正确|不太正确|不对|不成立|不符|不合|不当|不恰当|不准确",
            70,
        ),
        *("A项错误。", "", "judged", "false"),
    ),
    Rule(
        *("is_out", "after", "不是|并非|排除|不可能|不太可能", 70),
        *("A不是答案。", "", "judged", "false"),
    ),
    Rule(
        *(
            "is_right",
            "after",
            "正确|√|对的|对,|对;|对。|才对|成立|无误|符合|满足|佳|好|合适|恰当|适当|合理|准确",
            70,
        ),
        *("经分析，选项B正确。", "B", "judged"),
        unless="于",
    ),
    Rule(
        *("is_right_en", "after", "correct|right|best|appropriate|accurate", 84),
        *("Option B is the correct one.", "B", "judged_en"),
    ),
    Rule(
        *("is_wrong_en", "after", "not|incorrect|wrong|false", 70),
        *("Option A is incorrect.", "", "judged_en", "false"),
    ),
    Rule("only_label", "form", "", 95, "(B)", "B"),
    Rule("only_text", "form", "", 92, "夏天。", "B"),
    Rule("closing", "form", "", 85, "气温最高的季节。\n\n**B**", "B"),
    Rule("statement_is", "form", "", 80, "这个说法是错误的。"),
    Rule("opening", "form", "", 75, "(B) 夏天，因为气温最高。", "B"),
    Rule("label_and_text", "form", "", 60, "气温最高，大概在 (B) 夏天吧", "B"),
    Rule(
        "verdicts",
        "form",
        "",
        55,
        "A. 太冷，错误\nB. 最热，正确\nC. 不热，错误\nD. 最冷，错误",
        "B",
    ),
    Rule("text_at_end", "form", "", 50, "一年中气温最高的季节是夏天", "B"),
    Rule("text_once", "form", "", 40, "夏天的时候气温最高，人人都想去海边。", "B"),
)

BY_NAME = {rule.name: rule for rule in RULES}


def _spellings(word: str) -> set[str]:
    if word[0].isascii() and word[0].isalpha():
        return {word, word.capitalize(), word.upper()}
    return {word}


def _alternatives(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda w: (-len(w), w)))


_RULE_OF = {
    spelling: rule
    for rule in RULES
    if rule.place == "before"
    for word in rule.words.split("|")
    for spelling in _spellings(word)
}


def _by_first_character(words: Iterable[str]) -> str:
    """One branch for each first character, which the regex engine passes over most text with."""
    rests: dict[str, list[str]] = {}
    for word in words:
        rests.setdefault(word[0], []).append(word[1:])
    return "|".join(f"{re.escape(c)}(?:{_alternatives(rest)})" for c, rest in rests.items())


_WORDS = re.compile(_by_first_character(_RULE_OF))
_LINKS = {name: re.compile(pattern) for name, pattern in LINKS.items()}


def leads(text: str) -> Iterator[tuple[Rule, int, int, int]]:
    """Where ``before`` rules apply: the rule, start and end of its words, end of its link."""
    for found in _WORDS.finditer(text):
        start, end = found.span()
        rule = _RULE_OF[found.group()]
        if rule.unless and text[end : end + 1] in rule.unless and end < len(text):
            continue
        if text[start].isascii() and text[start].isalpha() and _inside_word(text, start, end):
            continue
        linked = _LINKS[rule.link].match(text, end)
        if linked:
            yield rule, start, end, linked.end()


def _inside_word(text: str, start: int, end: int) -> bool:
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    return any(char.isascii() and char.isalpha() for char in around)


def _judgements() -> re.Pattern[str]:
    by_link: dict[str, list[Rule]] = {}
    for rule in RULES:
        if rule.place == "after":
            by_link.setdefault(rule.link, []).append(rule)
    branches = []
    for link, rules in by_link.items():
        each = []
        for rule in rules:
            words = _alternatives({s for word in rule.words.split("|") for s in _spellings(word)})
            guard = f"(?![{rule.unless}])" if rule.unless else ""
            each.append(f"(?P<{rule.name}>(?:{words}){guard})")
        branches.append(f"{LINKS[link]}(?:{'|'.join(each)})")
    return re.compile("|".join(branches))


_JUDGEMENTS = _judgements()


def judgement(text: str, place: int) -> tuple[Rule, int] | None:
    """The ``after`` rule that applies at ``place`` of a folded text, and where its words end."""
    found = _JUDGEMENTS.match(text, place)
    return (BY_NAME[found.lastgroup or ""], found.end()) if found else None
