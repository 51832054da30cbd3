"""Options named before words that judge them: B正確, A和C都錯, C比B更好."""

from __future__ import annotations

from typing import NamedTuple

from zhmcq.parsers import _cues as cues
from zhmcq.parsers._cues import Judgement
from zhmcq.parsers._names import NamedOptions
from zhmcq.parsers._option_texts import is_what_was_asked
from zhmcq.parsers._reply import SUPPOSITION, TRUE_THOUGH_FALSE_ASKED, Reply
from zhmcq.parsers._rules import DECISION, STRICT

__all__ = ["find_judgements"]


# B是最大的行星, where the question asks for 最大的行星: less than a judgement.
_DESCRIBED = 62


class _Label(NamedTuple):
    """A label in running text.

    Attributes:
        option: The 0-based index of its option.
        start: Where it begins.
        end: Where it ends.
        after: Where what follows it begins, after brackets and the option's own text.
    """

    option: int
    start: int
    end: int
    after: int


class _Comparison(NamedTuple):
    """Options called better than another between two positions."""

    start: int
    end: int
    better: tuple[int, ...]
    worse: int


def find_judgements(reply: Reply) -> None:
    """Add what is judged, alone or with others, and what is called better than another."""
    text = reply.text
    pending: list[_Label] = []
    comparisons: list[_Comparison] = []
    compared: tuple[list[_Label], _Label] | None = None
    for label in _labels(reply):
        before, pending = pending, []
        if reply.layout.in_echo(label.start) or cues.is_reference(text, label.start, label.after):
            continue
        compared = _compared(reply, before, label, compared)
        if compared:
            better = cues.judgement_at(text, label.after)
            if better and better.rule.effect == "choose":
                indexes = tuple(other.option for other in compared[0])
                start = compared[0][0].start
                comparisons.append(_Comparison(start, better.end, indexes, label.option))
            continue
        joined = before and cues.JOINS.fullmatch(text, before[-1].end, label.start)
        if joined and label.option in {other.option for other in before}:
            joined = None  # between A and D, D is better
        pending = [*before[: reply.words.count], label] if joined else [label]
        if judged := _judgement_of(reply, label):
            _judge(reply, judged, pending[0].start, [other.option for other in pending])
            pending = []
        elif is_what_was_asked(reply, label.after):
            indexes = tuple(other.option for other in pending)
            weight = _DESCRIBED if reply.stands_by(pending[0].start, label.after) else 0
            reply.add("is_right", pending[0].start, label.after, indexes, weight=weight)
    _compare(reply, comparisons)
    for named in reply.words.others.ordinals(text):
        if judged := cues.judgement_at(text, named.end):
            _judge(reply, judged, named.start, list(named.indexes))


def _compared(
    reply: Reply, before: list[_Label], label: _Label, earlier: tuple[list[_Label], _Label] | None
) -> tuple[list[_Label], _Label] | None:
    """B比A、C更合適: what is compared with a label, and that label; ``None`` if nothing is."""
    if earlier and cues.JOINS.fullmatch(reply.text, earlier[1].end, label.start):
        return earlier[0], label
    than = cues.THAN.fullmatch(reply.text, before[-1].end, label.start) if before else None
    return (before, label) if than and not than.group("no") else None


def _labels(reply: Reply) -> list[_Label]:
    """Every label of the question in running text; they become the names of the reply."""
    words, text = reply.words, reply.text
    if words.alphabet is None:
        return []
    labels = []
    for match in words.patterns.mention.finditer(text):
        index = words.forms.get(match.group())
        if index is None:
            continue
        after = cues.after_brackets(text, match.end())
        option = words.text_at(text, after)
        is_text = option is not None and option.indexes == (index,)
        if option and is_text:
            after = option.end
        labels.append(_Label(index, match.start(), match.end(), after))
        end = after if is_text else match.end()
        reply.names.append(NamedOptions((index,), match.start(), end, with_text=is_text))
    return labels


def _judgement_of(reply: Reply, label: _Label) -> Judgement | None:
    quoted = reply.text[label.end : label.end + 1] == '"'  # 选项C"…"符合题意
    judged = cues.judgement_at(reply.text, label.end) if quoted else None
    return judged or cues.judgement_at(reply.text, label.after)


def _compare(reply: Reply, comparisons: list[_Comparison]) -> None:
    """Add what is called better than another option, and is not beaten itself."""
    stated = [
        comparison
        for comparison in comparisons
        if reply.stands_by(comparison.start, comparison.end)
    ]
    beaten = {comparison.worse for comparison in stated}
    for comparison in stated:
        if not reply.asks_false and beaten.isdisjoint(comparison.better):
            reply.add("is_better", comparison.start, comparison.end, comparison.better)


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
        weight = TRUE_THOUGH_FALSE_ASKED if concludes else SUPPOSITION
    elif rule.weight < DECISION and concludes:
        weight = STRICT
    reply.add(rule.name, start, judged.end, indexes, weight=weight)
