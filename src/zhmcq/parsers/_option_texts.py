"""Options named by their texts alone."""

from __future__ import annotations

import re
from typing import NamedTuple

from zhmcq.parsers import _cues as cues
from zhmcq.parsers._reply import Reply
from zhmcq.parsers._vocabulary import begins_word

__all__ = ["find_texts", "is_what_was_asked"]

# Of each option's text the last occurrences are looked at; more of them make nothing plainer.
_MOST_OCCURRENCES = 20
# A是火星 says what option A is, not that it is the answer.
_IDENTIFIES = re.compile(
    r"([A-Za-z\d]|[^\x00-\x7f])[)\]\"'*]{0,3}\s?(?:选?项)?\s?(?:是|为|is)\s?\"?\Z"
)


# How near its end a reply may name an option by a part of its text.
_LONGEST_END = 60
# A longer reply says more than that, and its end may be about anything.
_LONGEST_STATEMENT = 150
_IS = re.compile(r"(?:是|为|\b(?:is|was)\s)(?:\"|《|the\s)?")


class _Occurrence(NamedTuple):
    """Where the text of an option stands in a folded reply."""

    start: int
    end: int
    option: int


def find_texts(reply: Reply) -> None:
    """Add options named by their texts alone, at the end of the reply or nowhere else."""
    occurrences = _occurrences(reply)
    if not occurrences:
        if not reply.names and len(reply.text) <= _LONGEST_STATEMENT:
            _find_shortened(reply)
        return
    text = reply.text
    start, end, option = occurrences[-1]
    chosen = {option}
    for other in reversed(occurrences[:-1]):  # 炎熱、颱風: a list at the end
        if not cues.TEXT_JOINS.fullmatch(text, other.end, start):
            break
        chosen.add(other.option)
        start = other.start
    sentence = max(text.rfind(mark, 0, start) for mark in "。\n!?;")
    alone = all(other.option in chosen for other in occurrences if other.start > sentence)
    substantial = len(reply.words.squeezed[option]) > 1
    stated = substantial or cues.IS_BEFORE.search(text, max(0, start - 4), start)
    indexes = {other.option for other in occurrences}
    if alone and stated and cues.SENTENCE_END.match(text, end):
        reply.add("text_at_end", start, end, chosen)
    elif len(indexes) == 1 and substantial:
        reply.add("text_once", start, end, indexes)
    elif reply.multiple and len(chosen) > 1 and alone and is_what_was_asked(reply, end):
        reply.add("text_at_end", start, end, chosen)


def _find_shortened(reply: Reply) -> None:
    """氣孔的功能是降低蒸散: a part of one option that ends the reply."""
    text = reply.text
    links = list(_IS.finditer(text, max(0, len(text.rstrip()) - _LONGEST_END)))
    if not links:
        return
    start, position = links[-1].span()
    if "不" in text[cues.clause_start(text, start) : start]:  # 不一定是, 並不是
        return
    if reply.words.text_at(text, position):  # a whole text, which was passed over for a reason
        return
    named = reply.words.others.shortened(text, position)
    ends = named is not None and cues.SENTENCE_END.match(text, named.end)
    if named and ends and reply.stands_by(start, named.end):
        reply.add("text_at_end", start, named.end, named.indexes)


def is_what_was_asked(reply: Reply, position: int) -> bool:
    """鯨魚和海豚是哺乳類, where the question asks for 哺乳類; of one option, four characters."""
    predicate = cues.PREDICATE.match(reply.text, position)
    if predicate is None or reply.asks_false:
        return False
    said = predicate.group(1).strip()
    return len(said) >= (2 if reply.multiple else 4) and said in reply.stem


def _occurrences(reply: Reply) -> list[_Occurrence]:
    """Where option texts stand that the reply neither repeats nor rejects, in order."""
    text, words = reply.text, reply.words
    lower = text.lower()
    same_length = len(lower) == len(text)  # İ becomes two characters
    occurrences: list[_Occurrence] = []
    for index, option in words.longest_first:
        start = len(text)
        for _ in range(_MOST_OCCURRENCES):
            if same_length:
                start = lower.rfind(option.lower(), 0, start)
            else:
                start = text.rfind(option, 0, start)
            if start < 0:
                break
            end = start + len(option)
            inside = any(other.start <= start and end <= other.end for other in occurrences)
            if not inside and _affirms(reply, index, start, end):
                occurrences.append(_Occurrence(start, end, index))
    return sorted(occurrences)


def _affirms(reply: Reply, index: int, start: int, end: int) -> bool:
    """Whether the option text at ``start`` is neither repeated, rejected nor another's claim."""
    text = reply.text
    label = _IDENTIFIES.search(text, max(0, start - 10), start)
    return (
        not reply.layout.in_echo(start)
        and reply.verdicts.get(index) != ("yes" if reply.asks_false else "no")
        and begins_word(text, start)
        and reply.words.text_at(text, start) is not None
        and not cues.NOT_BEFORE.search(text, max(0, start - 8), start)
        and not (label and reply.words.forms.get(label.group(1)) == index)
        and reply.stands_by(start, end)
    )
