"""Options named after words that lead to an answer: 答案是B."""

from __future__ import annotations

from zhmcq.parsers import _cues as cues
from zhmcq.parsers._cues import Lead
from zhmcq.parsers._names import NamedOptions
from zhmcq.parsers._reply import SUPPOSITION, TRUE_THOUGH_FALSE_ASKED, Reply
from zhmcq.parsers._rules import RULE_BY_NAME
from zhmcq.parsers._vocabulary import NONE_OF_THEM

__all__ = ["find_leads"]

# An option text after a word such as 因此 may be any sentence: it has to be the only one.
_WEAK_TEXT = 58


def find_leads(reply: Reply) -> None:
    """Add what stands after words that lead to an answer: 答案是B."""
    for lead in cues.leads(reply.text):
        named = _named_after(reply, lead)
        if named and not reply.layout.in_echo(named.start) and _leads_to(reply, lead, named):
            if reply.multiple and named.by_text:
                named = _listed_texts(reply, named)
            _weigh(reply, lead, named)
    if reply.answer_mark is not None:
        _after_answer_mark(reply, reply.answer_mark)


def _named_after(reply: Reply, lead: Lead) -> NamedOptions | None:
    """What a lead names; after words that only an answer follows, a part of an option, too."""
    named = reply.words.read(reply.text, lead.link_end)
    if named or lead.rule.weak or _no_answer(reply, lead):
        return named
    # What is corrected may be any words of an option.
    exact = lead.rule.effect != "choose" or lead.rule.name == "correction"
    return None if exact else reply.read_loosely(lead.link_end)


def _leads_to(reply: Reply, lead: Lead, named: NamedOptions) -> bool:
    """Whether a lead is about what is named after it, as far as its rule demands that."""
    if _says_it_of_another(reply, lead, named):
        return False
    if lead.rule.until:
        return cues.followed(lead.rule, reply.text, named.end)
    if not lead.rule.weak:
        return True
    # 留下; C. 註冊: the next item of a list
    return ";" not in reply.text[lead.end : named.start] and _stands_alone(reply, named)


def _says_it_of_another(reply: Reply, lead: Lead, named: NamedOptions) -> bool:
    """B是正確答案，A是春天: the label after the comma or semicolon begins another clause."""
    between = reply.text[lead.end : named.start]
    if not ("," in between or ";" in between) or reply.words.alphabet is None:
        return False
    begin = cues.clause_start(reply.text, lead.start)
    return reply.words.patterns.mention.search(reply.text, begin, lead.start) is not None


def _listed_texts(reply: Reply, first: NamedOptions) -> NamedOptions:
    """答案是鯨魚、蝙蝠和海豚: further texts after the first one."""
    indexes, end = list(first.indexes), first.end
    while join := cues.TEXT_JOINS.match(reply.text, end):
        other = reply.words.text_at(reply.text, join.end())
        if other is None or other.indexes[0] in indexes:
            break
        indexes += other.indexes
        end = other.end
    return first._replace(indexes=tuple(indexes), end=end)


def _after_answer_mark(reply: Reply, position: int) -> None:
    """A: Jupiter, in a transcript of questions and answers."""
    named = reply.words.read(reply.text, position)
    if named is None:
        return
    judged = cues.judgement_at(reply.text, cues.after_brackets(reply.text, named.end))
    if judged or _stands_alone(reply, named):
        _weigh(reply, Lead(RULE_BY_NAME["answer"], position, position, position), named)


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
        reply.add_named(rule.name, start, named, weight=TRUE_THOUGH_FALSE_ASKED)
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
