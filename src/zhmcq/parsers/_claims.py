r"""Whether a reply stands by what it says in one place.

A label after words that choose is the reply's answer only if the claim is its own (not a
schoolmate's), is its first choice (not the second-best), is what it thinks in the end (not at
first), and is stated (not asked or supposed). Each notion is one pattern for the clause before
the words, on folded text; patterns that look back end in ``\Z``.
"""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["answered_question", "end_of_no", "is_asked", "stands_by"]

# How far a clause is looked at, before words that choose and after what they name.
_LONGEST_CLAUSE = 48
_LONGEST_REST = 24
_LONGEST_CUE = 8
_HARDLY_A_CLAUSE = ("", "那", "就", "则", "可能", "大概", "我", "我会", "then", "I would", "I'd")
# What begins a clause without a mark before it.
_TURN = re.compile(r"但是?|可是|不过|然而|其实|后来|\b(?:but|yet|however)\b", re.IGNORECASE)
_BOUNDARIES = re.compile(r"[,。;!?\n]|\.(?![A-Za-z\d])")

# Who claims something: the reply itself, or people that it speaks of. 我和同學 is the reply, too.
_OWN = r"我们?(?:[和跟与][^\s,]{1,4})?|咱们?|本人|笔者|\b(?:I|[Ww]e|[Yy]ou)\b"
_OTHERS = (
    r"(?:[有某别各家]|[多数分般其他些半生]的?)人|人们|大家|旁人|常人|[\u4e00-\u9fff]的人"
    r"|同学|同桌|学生|考生|学员|学习者|初学者|读者|老师|教师|专家|网友|朋友|同事|家长|用户|使用者"
    r"|作答者|应试者|受试者|(?<![其吉])他们?(?![人的])|她们?|[哥姐姊弟妹爸妈爷奶叔](?:哥|姐|姊|弟|妹|爸|妈|爷|奶|叔)"
    r"|[小阿][\u4e00-\u9fff](?=[则却就也都曾又]{0,2}(?:认|觉|说|主|选|以|猜|想|写|答|的))|[张李王陈林黄][三四五六七大一小]"
    r"|\b(?:[Pp]eople|[Ss]tudents?|[Tt]akers|[Cc]andidates|[Ff]riends?|[Tt]eachers?|[Cc]lassmates?"
    r"|[Ll]earners|[Uu]sers?|[Ss]omeone|[Ee]veryone|[Hh]e|[Ss]he|[Tt]hey)\b"
    r"|\b(?:[Ss]ome|[Oo]thers|[Mm]any|[Mm]ost)(?=\s(?:would|might|may|will|choose|pick|select|think|say)\b)"
    r"|\b[A-Z][a-z]{1,15}(?=\s(?:thinks|believes|says|claims|chooses|picks|said|thought|chose)\b)"
)
# The clause before: 根據網友的回答，答案是B.
_ACCORDING_TO_OTHERS = re.compile(
    rf"(?:根据|据|按照?|依照?|照)[^,]{{0,6}}(?:{_OTHERS})[^,]{{0,6}}(?:回答|答案|说法|意见|选择|看法)\Z"
)
# Any subject of two or three characters that thinks or says something (志明認為是A), but for those
# that are no person: 因此認為, 本題認為, 一般認為.
_SUBJECT = (
    r"(?<![\u4e00-\u9fff])(?![^认觉主猜声表说]{0,2}[我咱您你本此这那该题因所故可应后会经据综由文并且而但更最才又再先其"
    r"不没无如若虽与和或在从对将被把一通普目科研分判观看考])[\u4e00-\u9fff]{2,3}"
    r"(?=[则却就也都]?(?:认为|觉得|主张|猜测?|声称|表示|说))"
)
_PERSON = re.compile(rf"(?P<own>{_OWN})|(?P<others>{_OTHERS}|{_SUBJECT})")
# 考生應選D: what they ought to choose is the reply's own answer.
_OUGHT = re.compile(
    r"应|该|须|要|宜|可以|可知|看出|得知|\b(?:should|must|ought|need|can)\b", re.IGNORECASE
)
# Words by which people choose or claim, also right where the reply's answer would be named.
_CLAIM = re.compile(
    r"选|填|挑|圈|认|觉|说|主张|以为|猜|想|答|倾向|偏向"
    r"|(?:cho[so]|select|pick|go\b|going|went|opt|prefer|lean|settl|stick|answer|ans|think|thought|believ"
    r"|claim|say|said|guess)",
    re.IGNORECASE,
)
_THINK = re.compile(
    r"认为|觉得|主张|以为|猜|说|声称|\b(?:thinks?|thought|believ|claim|says?\b|said|guess)",
    re.IGNORECASE,
)
# What is not believed: hearsay, mistakes that are easily made, what is conceded (雖然A也對).
_HEARSAY = re.compile(
    r"(?:(?:听说|据说|据传|传闻|谣传|\b(?i:I\sheard|reportedly|supposedly))[^,]{0,8}"
    r"|(?:迷思|易错|干扰|诱答|误导|错误率[^,]{0,4})的?\s?"
    r"|(?:常见|典型)[^,]{0,6}(?:错误|误解|误区)[^,]{0,3}是"
    r"|(?:虽然?|尽管|固然|\b(?i:although|though|while))[^,]{0,14}"
    r"|(?:(?<![错有无])误|错|容易|往往|陷阱[^,]{0,4}是)[会被就]?\s?"
    r"|\b(?i:wrongly|mistakenly|incorrectly|(?:mistake|trap|error)\s(?:is|was)\s(?:to\s)?"
    r"|tempt(?:ed|ing)\sto)\s?)\Z"
)
# The second-best. 其次，… (secondly) has a comma, 再次 and 這次 have another character before.
_SECOND = re.compile(
    r"(?:(?:(?<![\u4e00-\u9fff])|(?<=的))次|其次(?:才|再|则|会|可|是)?|第二(?:个|位|顺位)?(?:的|候|志愿|可能)?"
    r"|(?:备选?|备用|备案|候补|替代|替补|次佳|次优|次好|次要|次选|退而求其次"
    r"|第二(?:个|位)?(?:选择|候选|志愿|可能|顺位)"
    r"|(?i:second[\s-](?:best|choice|guess|pick|option|answer)|next[\s-]best|runner-up"
    r"|\b(?:alternate|alternative|back-?up|fallback)))(?:答案|选项|方案|选择|的|会|应该?|可以?|则|是|:|\s"
    r"|(?i:choice|answer|option|would|is|be)){0,4}|(?i:\bsecond[\s-]))\Z"
)
# The clause before: 如果還有第二個答案，應該是B; 如果A不對，就選B.
_SECOND_CLAUSE = re.compile(
    r"(?:如果|若|要是|万一|假如|\bif\b)[^,]{0,12}(?:不对|不行|错|不是|不能选|\b(?:wrong|incorrect|not)\b)|"
    r"(?:第二个?|另一个?|备用|备选)的?(?:答案|选择|选项|可能)|[选猜挑]第二个?"
    r"|\b(?i:second|another|alternative|back-?up)\s(?i:guess|choice|answer|option|pick)\b"
)
# What was thought first, or is thought wrongly: 一開始以為是A, At first I thought it's A.
_AT_FIRST = re.compile(
    r"(?:(?:一开始|开始时|起初|最初|原本|本来|原先|初看|乍看|乍一看|第一眼|第一印象|第一反|表面上)(?![就便即])"
    r"|(?<![所可足予难])以为|又(?:觉|认|想)"
    r"|(?i:initially|at\sfirst|originally|first\s(?:thought|instinct|impression|guess|glance)"
    r"|was\sgoing\sto|\bthought\b|used\sto\sthink|had\s(?:thought|picked|chosen)|might\s(?:seem|look)"
    r"|may\s(?:seem|look)))[^,]{0,28}\Z"
)
# Right before what something else is compared with: 比選B更合理, rather than B.
_COMPARED_WITH = re.compile(
    r"(?:比起?|相比于?|相较于?|较之|与其|胜过|优于|\b(?i:than|instead of))\s?(?:选项|选择)?\s?\Z"
)
# Right after it: 選C不如選B.
_FALLS_SHORT = re.compile(r"[)\]\"'*]{0,3}\s?(?:选?项)?\s?(?:不如|不及|不比)")

_END_OF_CLAUSE = re.compile(r"[,。;:!\n]|\.(?![A-Za-z\d])")
_INTERROGATIVE = re.compile(r"(?:吗|呢|么)[\s\"')]{0,2}(?:[?,。!\n]|\Z)|\?")
# 答案是B對吧？ asks for agreement only.
# What else is asked in one breath: B 為什麼？
_TAG = re.compile(
    r"吧|对不对|是不是|\bright\b|为什么|为何|怎么|什么|哪|\b(?:why|what|how|which)\b", re.IGNORECASE
)
_MARKS = re.compile(r"[\s,.。;!-]{0,6}")
_YES = re.compile(
    r"[\s\"'*)]{0,4}(?:是的|对的?(?=[,。.!;\s]|\Z)|没错|正是|当然是|的确|确实|答案是肯定的|正确(?=[,。.!]|\Z)"
    r"|(?i:yes|correct|indeed|right|exactly)\b)"
)
_NO = re.compile(
    r"[\s\"'*)]{0,4}(?:也|当然|显然|恐怕|答案)?(?:并?不(?:是|对|会|行|能|可能|正确|成立|符合)?(?=[,。.!;的\s]|\Z)"
    r"|不(?:是|对|会|太|可能|正确)|并非|非也|错(?=[,。.!]|\Z|误)|否(?=[,。.!]|\Z|定)|没有"
    r"|(?i:no\b(?!\sdoubt)|not\b|nope|wrong|incorrect|never))"
)


def clause_before(text: str, position: int) -> str:
    """The clause that ends at a position, its last characters if it is long."""
    window = text[max(0, position - _LONGEST_CLAUSE) : position]
    clause = _BOUNDARIES.split(window)[-1]
    turns = list(_TURN.finditer(clause))
    return clause[turns[-1].end() :] if turns else clause


def _clause_of_comma(text: str, position: int, clause: str) -> str:
    """The clause before the one that ends at a position, if a comma parts them; else nothing."""
    start = position - len(clause)
    return clause_before(text, start - 1) if text[max(0, start - 1) : start] == "," else ""


def stands_by(text: str, start: int, end: int, stem: str, *, second: bool = False) -> bool:
    """Whether what stands between two positions is stated as the reply's own first choice.

    Args:
        text: The folded reply.
        start: Where the words that choose begin.
        end: Where what they name ends.
        stem: The folded stem. People whom it speaks of are no others: 小明最後選了什麼？
        second: Whether the second option is named, which 第二個選項 names, too.
    """
    clause = clause_before(text, start)
    if (
        _HEARSAY.search(clause)
        or _AT_FIRST.search(clause)
        or _COMPARED_WITH.search(clause)
        or (not second and _SECOND.search(clause))
        or (
            clause.strip() in _HARDLY_A_CLAUSE
            and _SECOND_CLAUSE.search(_clause_of_comma(text, start, clause))
        )
        or _ACCORDING_TO_OTHERS.search(_clause_of_comma(text, start, clause))
        or _claimed_by_others(clause, text[start : start + _LONGEST_CUE], stem)
    ):
        return False
    return not _FALLS_SHORT.match(text, end) and is_asked(text, end) is None


def _claimed_by_others(clause: str, cue: str, stem: str) -> bool:
    """Whether others choose or think it; that 老師 is named before B正確 alone says nothing."""
    people = [who for who in _PERSON.finditer(clause + cue) if who.end() <= len(clause)]
    if not people:
        return False
    person = people[-1]  # the nearest
    if person.group("own") or person.group() in stem:
        return False
    if thinks := _THINK.search(clause + cue, person.end()):  # 小明認為應選B
        return not _OUGHT.search(clause, person.end(), thinks.start())
    claimed = _CLAIM.match(cue) or _CLAIM.search(clause, person.end())
    return bool(claimed) and not _OUGHT.search(clause, person.end())


def is_asked(text: str, position: int) -> int | None:
    """Where the question ends that a position lies in; ``None`` if it lies in none."""
    stop = position + _LONGEST_REST
    boundary = _END_OF_CLAUSE.search(text, position, stop)
    limit = boundary.end() if boundary else min(stop, len(text))
    ending = _INTERROGATIVE.search(text, position, limit)
    if ending is None or _TAG.search(text, position, ending.start() + 1):
        return None
    return ending.end()


def answered_question(text: str, position: int) -> Literal["yes", "no"] | None:
    """How the reply itself answers the question that ends at a position."""
    if _NO.match(text, position):
        return "no"
    return "yes" if _YES.match(text, position) else None


def end_of_no(text: str, position: int) -> int:
    """Where the no ends that answers a question, with the marks behind it."""
    match = _NO.match(text, position)
    return _MARKS.match(text, match.end() if match else position).end()  # type: ignore[union-attr]
