r"""Words around a label that make it the answer or not: the rules as patterns, and exceptions.

All patterns are written for folded text. Those that look back end in ``\Z``, for a search that is
given the few characters before a position.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from zhmcq.parsers._rules import LINKS, RULE_BY_NAME, RULES, Rule

__all__ = [
    "ABSTAINS",
    "ABSTENTION_ENDS",
    "ALL_OTHERS",
    "ALL_RIGHT",
    "ANSWER_MARK",
    "ASKS_FALSE",
    "ASKS_TRUE",
    "ASKS_TRUTH",
    "BELITTLED",
    "CLAUSE_END",
    "CONCLUDES",
    "EXCEPT",
    "FALSE_BEFORE",
    "FILL",
    "IS_BEFORE",
    "IS_IT",
    "JOINS",
    "NOT_BEFORE",
    "NUMBER_AFTER",
    "PREDICATE",
    "QUESTIONED",
    "QUESTION_ENDS",
    "REMARK",
    "SENTENCE_END",
    "STATEMENT",
    "SUPPOSED",
    "TEXT_JOINS",
    "THAN",
    "TICK",
    "YES_MARK",
    "Judgement",
    "Lead",
    "after_brackets",
    "clause_start",
    "followed",
    "is_ordinal_before",
    "is_reference",
    "judgement_at",
    "leads",
    "states_truth",
]

# Right before words that choose: 不選A, 答案應該不是A, do not choose A.
NOT_BEFORE = re.compile(
    r"(?:不|没有?|非|(?<![分个区特各])别|勿|无|未|never |not |n't )\s?"
    r"(?:应该?|法|能|可以?|会|该|要|是|宜|予|to |be |the )?\Z"
)
# Right before 答案: 錯誤答案是A.
FALSE_BEFORE = re.compile(r"(?:错误|不正确|有误|不对)的?\Z")
# In the clause before words that choose: 如果選A, 很多人會誤選A, 選A還是選B.
SUPPOSED = re.compile(
    r"(?:如果|假如|假设|若|要是|倘若|假使|即使|为什么|为何|有人|有的?同学|误选|误以为|是否|难道)"
    r"[^,。;:!?\s]{0,12}\Z|\b(?:if|why)\b[^,.;:!?\n]{0,16}\Z|[A-Za-z\d]还是\Z|误\Z",
    re.IGNORECASE,
)
# After words that choose, or at the beginning: 無法確定, 題目有誤, I don't know.
ABSTAINS = re.compile(
    r"(?:很抱歉|抱歉)?[,\s]?(?:(?:目前|暂时|仍|还|因此|所以|我)?(?:无法|不能|不可|难以|没法|没办法)(?:从[^\n。]{0,20})?"
    r"(?:确定|判断|回答|选择|得出|得知|作答|给出|判定|知道|提供)"
    r"|(?:我)?不(?:确定|知道|清楚|明确|详|存在|明)|未知|未定"
    r"|题目(?:本身)?(?:可能)?(?:有误|错误|有问题|不完整)"
    r"|(?:没有|无)(?:正确|合适|符合[^\n。]{0,6}|任何)?的?(?:答案|选项|解)"
    r"|没有(?=[。\s]|$)|无(?=[。\s<]|$)|已删除"
    r"|(?:I\s)?(?:don't|do not|cannot|can't|can not|am not able to|unable to)\s"
    r"(?:know|determine|answer|tell|be determined|say)"
    r"|(?:I'm\s|am\s)?not sure|unknown|unclear|undetermined|insufficient|N/A|none\b)",
    re.IGNORECASE,
)
# What may stand before an abstention: 答案：「無法確定」.
FILL = re.compile(r"[\s:,\"'*\[(<$`-]{0,12}+(?:是|为)?\s?")
# Nothing more in the reply.
SENTENCE_END = re.compile(r"吧?[\s.。!?;\"'`*)\]}$<>、,:-]{0,12}+(?:</?[a-z]{1,12}>)?\s{0,8}$")
# A label that stands alone: 因此 A，
CLAUSE_END = re.compile(
    r"\s?(?:[。.,;!?:\n)\]*\"'$}<]|\Z|\((?=[^()\n]{0,12}[%\u4e00-\u9fff])|项|选项|吧|才|而|了?(?=[。.,;!\n]|\Z)|是(?=[。.,;!\n]|\Z))"
)
# In the stem: 下列何者錯誤, 不正確的是, Which is NOT.
ASKS_FALSE = re.compile(
    r"(?:何者|何项|何种|何[时地人物]|[哪那][一些个种项位]?|下列|以下)[^。?!\n]{0,60}?(?:不|非|错|误|无关)"
    r"|(?:错误|不|误)[^。?!\n,]{0,16}(?:是|为|有)\s?[(:?。_\[]|除外|为非"
    r"|\bnot\b|\bincorrect\b|\bfalse\b|\bexcept\b|\bwrong\b|\bleast\b",
    re.IGNORECASE,
)
# In the stem, and then the true option is what it asks for: 關於不定方程，下列何者正確.
ASKS_TRUE = re.compile(r"(?<!不)正确(?:的?(?:是|有|一项)|\s?[?。_(])")
# Before a word for yes or no: 這個說法是錯誤的.
STATEMENT = re.compile(
    r"(?:说法|叙述|陈述|命题|描述|论述|句子|这句话|结论|观点|判断|题目|本题|此题|认为|觉得|statement|claim)"
    r"[^。\n,;]{0,8}?(?:是|为|\bis\b|\s)?\s?(?=[^\s])",
    re.IGNORECASE,
)
# After a word for yes or no that stands alone: 是的，
YES_MARK = re.compile(r"的?(?:[\s,.。!:;、)*]|\Z)")
# After an abstention at the beginning.
ABSTENTION_ENDS = re.compile(r"\s?(?:[。.,;!\n]|\Z)")
# What closes a label before it is judged: (A) 正確, **A** 正確.
_BRACKETS = re.compile(r"[)\]\"'*}$.]{0,4}[^\S\n]?")
# After a label: 答案是A嗎, 選A的人, 選A還是選B.
QUESTIONED = re.compile(r"(?:选?项|选项)?(?:还是|或是|吗|呢\?|的(?:人|同学|考生|话|原因|理由))")
# Between labels that are judged together: A、B都錯, (A)和(B)都錯.
JOINS = re.compile(
    r"[)\]\"'*}$]{0,3}(?:选?项|选项)?\s?(?:[、,/&](?:\s?and\b)?|和|与|及|以及|and)\s?(?:选项)?[(\[\"'*{$]{0,3}"
)
TEXT_JOINS = re.compile(rf"(?:,?\sand\s|{JOINS.pattern}(?:and\s)?)(?:the\s)?")
# B比A更合適: between the two labels.
THAN = re.compile(
    r"[)\]\"'*}$]{0,3}(?:选?项|选项)?\s?(?:明显|显然|确实|应该)?(?P<no>不|没有?|并不)?(?:比起?|较)\s?(?:选项\s?)?[(\[\"'*{$]{0,3}"
)
# 相較於B，… and 和B相比，…: before and after what something else is compared with.
_REFERENCES = tuple(
    (re.compile(before), re.compile(after))
    for before, after in (
        (
            r"(?:相较于?|相对于|比起|相比于?|较之|(?i:compared\s(?:with|to)|unlike))\s?(?:选项|(?i:option\s))?\Z",
            r"(?:选?项)?(?:来说|而言)?\s?,",
        ),
        (r"[和与跟同]\s?(?:选项)?\Z", r"(?:选?项)?\s?(?:相比|相较|比较|比起来)[^,。\n]{0,4},"),
    )
)
# In the link of 正確的…是A: what is right is an answer, not a statement.
_ANSWER_NOUN = re.compile(r"答案|选项|选择|(?i:answer|option|choice|one|response|selection)")
_TRUTH_WORDS = frozenset(("正确", "对的", "correct", "right"))
_SECOND = re.compile(r"第二个?\Z")
# The mark of the answer in a transcript of questions and answers: Q: …, A: ….
ANSWER_MARK = re.compile(r"(?:\A|\n|[?。.]\s{1,3})\s{0,3}[*#>]{0,3}\s?A\s?\*{0,2}:\*{0,2}\s?")
QUESTION_ENDS = re.compile(r"[吗呢]?\?[\"')]{0,2}|吗[\"')]{0,2}[,。!]")
# A question whether something is true, not whether it is the answer.
ASKS_TRUTH = re.compile(r"(?<!答案)(?:正确|对|\btrue\b|\bcorrect\b|\bright\b)", re.IGNORECASE)
# 除了B以外都對, all except B.
EXCEPT = re.compile(
    r"除(?<![排删清去消剔]除)了?|(?P<all>[AaEe](?:ll|verything|very\soption)\b)"
    r"(?i:\s(?:of\sthem|options|statements))?\s(?i:except|but)(?i:\sfor)?\b"
)
ALL_OTHERS = re.compile(
    r"(?:选?项)?\s?(?:以外|之外|外)?[,\s]{0,2}(?:其他|其余|其它)?的?(?:选项|各项|项|三项|叙述)?"
    r"(?:\s?(?:都|皆|均|全部?)\s?|\s(?:are|is)\s)"
    r"(?:(?P<false>错|不对|不正确|不是|不符|wrong|incorrect|false)"
    r"|(?P<true>是|对|正确|符合|成立|可以|correct|true|right))"
)
# 全部正確 at the beginning.
ALL_RIGHT = re.compile(
    r"(?:以上|上述|所有|这些|[三四五六]个?)?(?:选项|叙述|答案|项)?\s?(?:全部|全|都|皆|均)+\s?(?:正确|对|是|成立|符合)"
    r"|全选|all\s(?:(?:of\sthem|options|statements)\s)?(?:are\s)?(?:correct|true|right)\b",
    re.IGNORECASE,
)
# After the option that a reply begins with: (A) 火星太小.
BELITTLED = re.compile(r"[\s,:]{0,3}(?:太|不|并非|并不|没|无法|过于|只有|只是|较[小低少差])")
# 「D（80%）」 and no more.
REMARK = re.compile(r"\s?\([^()\n]{1,30}\)\s{0,3}(?:[。.,\n]|\Z)")
TICK = re.compile(r"[\s*-]{0,4}√\s{0,3}")
# 1：5% is a line of a list of numbers.
NUMBER_AFTER = re.compile(r"\s?[:=]\s?\d")
# What is left to say after a no: C is.
IS_IT = re.compile(r"\s?(?:才是|才对|是|is|does|would be)\s?(?=[.。!,]|\Z)")
# 鯨魚和海豚是哺乳類: what is said of the options named before it.
PREDICATE = re.compile(
    r"\s?(?:都|皆|均)?(?:是|属于|are\s|is\s)\s?([\u4e00-\u9fff]{2,30}|[A-Za-z ]{4,40})"
)
# Before a judgement that decides: 因此，選項A正確.
CONCLUDES = re.compile(
    r"(?:因此|所以|故|综上(?:所述|可知)?|可知|可见|总之|therefore|thus|hence)[^。\n;]{0,12}\Z", re.I
)
# Before an option text of one character: 是水.
IS_BEFORE = re.compile(r"(?:是|为|=|:|选)\s?\Z")


# --- the rules of the table as patterns -----------------------------------------------------


class Lead(NamedTuple):
    """Words of a ``before`` rule in a reply.

    Attributes:
        rule: The rule.
        start: Where its words begin.
        end: Where its words end.
        link_end: Where its link ends, and the label is expected.
    """

    rule: Rule
    start: int
    end: int
    link_end: int


class Judgement(NamedTuple):
    """Words of an ``after`` rule in a reply.

    Attributes:
        rule: The rule.
        end: Where its words end.
    """

    rule: Rule
    end: int


def after_brackets(text: str, position: int) -> int:
    """Where the brackets end that close a label."""
    return _BRACKETS.match(text, position).end()  # type: ignore[union-attr]


def clause_start(text: str, position: int) -> int:
    """Where the clause begins that a position lies in, or some characters before it."""
    first = max(0, position - _LONGEST_CLAUSE)
    return max(first, *(text.rfind(mark, first, position) + 1 for mark in ",。;!?.\n"))


def is_ordinal_before(text: str, position: int) -> bool:
    """Whether 第二個 stands before a position."""
    return bool(_SECOND.search(text, max(0, position - 3), position))


def is_reference(text: str, start: int, end: int) -> bool:
    """Whether the label between two positions is what something else is compared with."""
    return any(
        before.search(text, max(0, start - 16), start) and after.match(text, end)
        for before, after in _REFERENCES
    )


def states_truth(lead: Lead, text: str) -> bool:
    """Whether words call a statement true (正確的敘述是), and not an answer right (正確答案是)."""
    if text[lead.start : lead.end].lower() not in _TRUTH_WORDS:
        return False
    return not _ANSWER_NOUN.search(text, lead.end, lead.link_end)


def followed(rule: Rule, text: str, position: int) -> bool:
    """Whether the words stand at a position that have to follow what the rule names."""
    return bool(_until(rule.until).match(text, position))


@functools.cache
def _until(words: str) -> re.Pattern[str]:
    return re.compile(rf"[)\]\"'*]{{0,3}}\s?(?:选?项)?\s?(?:{_alternatives(words.split('|'))})")


def leads(text: str) -> Iterator[Lead]:
    """Where ``before`` rules apply in a folded text."""
    for match in _LEADING_WORDS.finditer(text):
        start, end = match.span()
        rule = _RULE_OF_WORD[match.group()]
        if rule.unless and text[end : end + 1] in rule.unless and end < len(text):
            continue
        if text[start] == "应" and text[max(0, start - 1) : start] in _BEFORE_YING and start:
            continue  # 第一反應是
        if text[start].isascii() and text[start].isalpha() and _inside_word(text, start, end):
            continue
        link = _LINKS[rule.link].match(text, end)
        if link:
            yield Lead(rule, start, end, link.end())


def judgement_at(text: str, position: int) -> Judgement | None:
    """The ``after`` rule that applies at ``position`` of a folded text, if there is one."""
    match = _JUDGEMENTS.match(text, position)
    return Judgement(RULE_BY_NAME[match.lastgroup or ""], match.end()) if match else None


def _inside_word(text: str, start: int, end: int) -> bool:
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    return any(char.isascii() and char.isalpha() for char in around)


def _words(rule: Rule) -> Iterator[str]:
    """The words of a rule; Latin ones in small letters, with a capital and in capitals."""
    for word in rule.words.split("|"):
        yield word
        if word[0].isascii() and word[0].isalpha():
            yield word.capitalize()
            yield word.upper()


def _alternatives(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(set(words), key=lambda w: (-len(w), w)))


def _by_first_character(words: Iterable[str]) -> str:
    """One branch for each first character, by which the regex engine passes over most text."""
    rests: dict[str, list[str]] = {}
    for word in words:
        rests.setdefault(word[0], []).append(word[1:])
    return "|".join(f"{re.escape(c)}(?:{_alternatives(rest)})" for c, rest in rests.items())


def _judgements() -> re.Pattern[str]:
    by_link: dict[str, list[Rule]] = {}
    for rule in RULES:
        if rule.position == "after":
            by_link.setdefault(rule.link, []).append(rule)
    branches = []
    for link, rules in by_link.items():
        groups = []
        for rule in rules:
            guard = f"(?![{rule.unless}])" if rule.unless else ""
            groups.append(f"(?P<{rule.name}>(?:{_alternatives(_words(rule))}){guard})")
        branches.append(f"{LINKS[link]}(?:{'|'.join(groups)})")
    return re.compile("|".join(branches))


# 反應, 效應 and the like end in 應, which does not belong to 應是 then.
_BEFORE_YING = "反对效供感相适响"
# How far back the beginning of a clause is looked for.
_LONGEST_CLAUSE = 60
_RULE_OF_WORD = {word: rule for rule in RULES if rule.position == "before" for word in _words(rule)}
_LEADING_WORDS = re.compile(_by_first_character(_RULE_OF_WORD))
_LINKS = {name: re.compile(pattern) for name, pattern in LINKS.items()}
_JUDGEMENTS = _judgements()
