"""Options named by words before or after them: 答案是B, B正確, C比B更好."""

from __future__ import annotations

from typing import NamedTuple

from zhmcq.parsers import _cues as cues
from zhmcq.parsers._cues import Judgement, Lead
from zhmcq.parsers._names import NamedOptions
from zhmcq.parsers._reply import SUPPOSITION, Reply
from zhmcq.parsers._rules import DECISION, RULE_BY_NAME, STRICT
from zhmcq.parsers._vocabulary import NONE_OF_THEM

__all__ = ["find_judgements", "find_leads"]

# An option text after a word such as 因此 may be any sentence: it has to be the only one.
_WEAK_TEXT = 58
# 因此選項A正確, where the question asks for the false one: most likely a slip of the reply.
_TRUE_THOUGH_FALSE_ASKED = 35


class _Comparison(NamedTuple):
    """Options called better than another between two positions."""

    start: int
    end: int
    better: tuple[int, ...]
    worse: int


def find_leads(reply: Reply) -> None:
    """Add what stands after words that lead to an answer: 答案是B."""
    text = reply.text
    for lead in cues.leads(text):
        named = reply.words.read(text, lead.link_end)
        if named is None and not lead.rule.weak and not _no_answer(reply, lead):
            named = reply.read_loosely(lead.link_end)
        if named is None or reply.layout.in_echo(named.start):
            continue
        if lead.rule.until:
            if cues.followed(lead.rule, text, named.end):
                _weigh(reply, lead, named)
        elif not lead.rule.weak or _stands_alone(reply, named):
            _weigh(reply, lead, named)
    if reply.answer_mark is not None:
        position = reply.answer_mark
        answer = reply.words.read(text, position)
        if answer and _stands_alone(reply, answer) or (
            answer and cues.judgement_at(text, cues.after_brackets(text, answer.end))
        ):
            _weigh(reply, Lead(RULE_BY_NAME["answer"], position, position, position), answer)


def _no_answer(reply: Reply, lead: Lead) -> bool:
    """【答案】無法確定 and 答案：以上皆非, where that is not an option."""
    if lead.rule.effect != "choose":
        return False
    fill = cues.FILL.match(reply.text, lead.end).end()  # type: ignore[union-attr]
    nothing = cues.ABSTAINS.match(reply.text, fill) or NONE_OF_THEM.match(reply.text, fill)
    if nothing:
        reply.add(lead.rule.name, lead.start, nothing.end(), (), status="none")
    return bool(nothing)


def _weigh(reply: Reply, lead: Lead, named: NamedOptions) -> None:
    """Add what a lead names, with a weight that its surroundings decide."""
    rule, start, text = lead.rule, lead.start, reply.text
    closed = cues.after_brackets(text, named.end)
    judged = cues.judgement_at(text, closed)
    # 不，是B: the comma parts the negation from the choice.
    comma = text[start] == ","
    effect = rule.effect
    if judged and judged.rule.effect == "false" and text[closed] not in ",:":
        effect = "false"  # 【答案】C、D都错误
    if not comma and cues.FALSE_BEFORE.search(text, max(0, start - 6), start):
        effect = "false"  # 错误答案是A
    if effect == "false":
        effect = "choose" if reply.asks_false else "reject"
    negates = not comma and rule.name != "none_but"  # cannot be anything but B
    negated = negates and cues.NOT_BEFORE.search(text, max(0, start - 8), start)
    second = named.by_text and cues.is_ordinal_before(text, start)
    if effect == "reject" or negated:
        reply.reject(rule.name, start, named)
    elif not reply.stands_by(start, named.end, second=second) or cues.QUESTIONED.match(
        text, closed
    ):
        reply.add_named(rule.name, start, named, weight=SUPPOSITION)
    elif reply.asks_false and cues.states_truth(lead, text):
        for index in named.indexes:  # 正確的敘述是A: so A is not what was asked for
            reply.verdicts[index] = "yes"
        reply.add_named(rule.name, start, named, weight=SUPPOSITION)
    elif rule.weak and reply.asks_false and judged and judged.rule.effect == "choose":
        reply.add_named(rule.name, start, named, weight=_TRUE_THOUGH_FALSE_ASKED)
    elif rule.weak and named.by_text:
        reply.add_named(rule.name, start, named, weight=min(rule.weight, _WEAK_TEXT))
    else:
        reply.add_named(rule.name, start, named)


def _stands_alone(reply: Reply, named: NamedOptions) -> bool:
    """Whether a label after a weak cue is an answer and not the beginning of a sentence."""
    text = reply.text
    if reply.layout.starts_list(named):
        return False
    if named.with_text or named.unknown:
        return named.with_text
    if reply.words.says_true_or_false and cues.YES_MARK.match(text, named.end):
        return True
    if named.by_text:
        return bool(cues.CLAUSE_END.match(text, named.end))
    introduced = text[max(0, named.start - 3) : named.start]
    if introduced.endswith(("选项", "(", "[", '"', "**")):
        return True
    return bool(cues.CLAUSE_END.match(text, named.end))


def find_judgements(reply: Reply) -> None:
    """Add the options that words after them judge: B正確, A和C都錯, C比A更好."""
    words, text = reply.words, reply.text
    if words.alphabet is None:
        return
    pending: list[int] = []
    begin = last = 0
    comparisons: list[_Comparison] = []
    for match in words.patterns.mention.finditer(text):
        start, end = match.span()
        index = words.forms.get(match.group())
        if index is None:
            pending = []
            continue
        after = cues.after_brackets(text, end)
        option = words.text_at(text, after)
        if option and option.indexes == (index,):
            after = option.end
        reply.names.append(NamedOptions((index,), start, after if option else end))
        if reply.layout.in_echo(start):
            pending = []
            continue
        than = pending and cues.THAN.fullmatch(text, last, start)
        if than:  # B比A更合適: what is judged is B
            better = cues.judgement_at(text, after)
            if better and better.rule.effect == "choose" and not than.group("no"):
                comparisons.append(_Comparison(begin, better.end, tuple(pending), index))
            pending = []
            continue
        if cues.is_reference(text, start, after):
            pending = []  # 和A相比，B更好
            continue
        joined = pending and cues.JOINS.fullmatch(text, last, start)
        pending = [*pending[-words.count :], index] if joined else [index]
        begin = begin if joined else start
        last = end
        quoted = text[end : end + 1] == '"'  # 选项C"…"符合题意
        judged = cues.judgement_at(text, end) if quoted else None
        judged = judged or cues.judgement_at(text, after)
        if judged:
            _judge(reply, judged, begin, pending)
            pending = []
    _compare(reply, comparisons)
    for named in words.others.ordinals(text):
        if judged := cues.judgement_at(text, named.end):
            _judge(reply, judged, named.start, list(named.indexes))


def _compare(reply: Reply, comparisons: list[_Comparison]) -> None:
    """Add what is called better than another option, and is not beaten itself."""
    stated = [found for found in comparisons if reply.stands_by(found.start, found.end)]
    beaten = {found.worse for found in stated}
    for found in stated:
        if not reply.asks_false and beaten.isdisjoint(found.better):
            reply.add("is_better", found.start, found.end, found.better)


def _judge(reply: Reply, judged: Judgement, start: int, indexes: list[int]) -> None:
    """Add the options at ``start`` with what the judgement after them makes of them."""
    rule = judged.rule
    wrong = rule.effect == "false"
    stands = reply.stands_by(start, judged.end)
    if stands:
        for index in indexes:
            reply.verdicts[index] = "no" if wrong else "yes"
    weight = rule.weight
    concludes = cues.CONCLUDES.search(reply.text[max(0, start - 20) : start])
    if not stands or (wrong and not reply.asks_false):
        weight = 0
    elif rule.weight < DECISION and not wrong and reply.asks_false:
        weight = _TRUE_THOUGH_FALSE_ASKED if concludes else SUPPOSITION
    elif rule.weight < DECISION and concludes:
        weight = STRICT
    reply.add(rule.name, start, judged.end, indexes, weight=weight)
