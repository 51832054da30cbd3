"""Answers that the shape of a reply gives: its beginning, its end, questions it answers."""

from __future__ import annotations

from zhmcq.parsers import _cues as cues
from zhmcq.parsers._claims import answered_question, end_of_no, is_asked
from zhmcq.parsers._names import NamedOptions
from zhmcq.parsers._reply import SUPPOSITION, Reply
from zhmcq.parsers._vocabulary import ALL_OF_THEM, NONE_OF_THEM
from zhmcq.zh._labels import DIGITS

__all__ = ["answer_alone", "find_forms"]


def answer_alone(reply: Reply) -> bool:
    """Add the answer, if the reply is a label, an option text or both, and nothing else."""
    tick = None if reply.words.says_true_or_false else cues.TICK.match(reply.text)
    named = reply.opening or reply.words.read_loosely(reply.text, tick.end() if tick else 0)
    if not named or not cues.SENTENCE_END.match(reply.text, named.end):
        return False
    if not reply.stands_by(named.start, named.end):
        return False
    reply.add_named("only_text" if named.by_text else "only_label", named.start, named)
    return True


def find_forms(reply: Reply) -> None:
    """Add answers at the beginning or the end, labels with their texts, statements judged."""
    _find_confirmed(reply)
    _find_all_but(reply)
    if reply.opening and _opens(reply, reply.opening):
        reply.add_named("opening", reply.opening.start, reply.opening)
    elif not reply.opening:
        _opens_with_all_or_none(reply)
    line = reply.text.rfind("\n", 0, len(reply.text.rstrip()))
    closing = reply.words.read(reply.text, line) if line >= 0 else None
    if closing and _closes(reply, closing, line):
        reply.add_named("closing", closing.start, closing)
    for item in reply.layout.items:
        wrong = reply.verdicts.get(item.indexes[0]) == "no" and not reply.asks_false
        counts = item.with_text and not wrong and not reply.layout.listed(item)
        if counts and not reply.layout.in_echo(item.start):
            stands = reply.stands_by(item.start, item.end) and not cues.BELITTLED.match(
                reply.text, item.end
            )
            weight = None if stands else SUPPOSITION
            reply.add_named("label_and_text", item.start, item, weight=weight)
    if reply.words.says_true_or_false:
        for match in cues.STATEMENT.finditer(reply.text):
            named = reply.words.read(reply.text, match.end())
            if named and not named.unknown:
                _state(reply, match.start(), named)


def _state(reply: Reply, start: int, named: NamedOptions) -> None:
    """這個敘述是正確的, or a question whether it is and the reply's own answer to that."""
    end = is_asked(reply.text, named.end)
    answer = answered_question(reply.text, end) if end is not None else None
    if answer == "no":
        named = named._replace(indexes=tuple(1 - index for index in named.indexes))
    stated = answer is not None or reply.stands_by(start, named.end)
    reply.add_named("statement_is", start, named, weight=None if stated else SUPPOSITION)


def _find_confirmed(reply: Reply) -> None:
    """是B嗎？是的 and 是B嗎？不: questions about one option that the reply answers itself."""
    names, position = reply.names, 0
    for match in cues.QUESTION_ENDS.finditer(reply.text):
        answer = answered_question(reply.text, match.end())
        begin = cues.clause_start(reply.text, match.start())
        while position < len(names) and names[position].start < begin:
            position += 1
        inside = []
        while position < len(names) and names[position].start < match.start():
            inside.append(names[position])
            position += 1
        if answer is None or len({name.indexes for name in inside}) != 1:
            continue
        if reply.asks_false and cues.ASKS_TRUTH.search(reply.text, inside[0].end, match.end()):
            continue
        if answer == "no":
            reply.reject("confirmed", inside[0].start, inside[0])
            _find_named_instead(reply, match.end())
        else:
            reply.add("confirmed", inside[0].start, match.end(), inside[0].indexes)


def _find_named_instead(reply: Reply, position: int) -> None:
    """Is it B? No, C is."""
    named = reply.words.read(reply.text, end_of_no(reply.text, position))
    if named and not named.unknown and cues.IS_IT.match(reply.text, named.end):
        reply.add_named("confirmed", named.start, named)


def _find_all_but(reply: Reply) -> None:
    """除了B以外都對 and all except B: all others, or B where they are judged unlike it."""
    for match in cues.EXCEPT.finditer(reply.text):
        named = reply.words.read(reply.text, match.end())
        if named is None or named.unknown or reply.layout.in_echo(named.start):
            continue
        others = cues.ALL_OTHERS.match(reply.text, named.end)
        if others is None and not match.group("all"):
            continue
        false = others is not None and others.lastgroup == "false"
        end = others.end() if others else named.end
        if not reply.stands_by(match.start(), end):
            continue
        rest = sorted(set(range(reply.words.count)) - set(named.indexes))
        chosen = list(named.indexes) if false != reply.asks_false else rest
        if reply.multiple or len(chosen) == 1:
            reply.add("all_but", match.start(), end, chosen)


def _opens_with_all_or_none(reply: Reply) -> None:
    """以上皆非, 無法確定 or 以上皆是 at the beginning, where that is not an option."""
    text = reply.text
    start = cues.FILL.match(text).end()  # type: ignore[union-attr]
    everything = (ALL_OF_THEM.match(text, start) or cues.ALL_RIGHT.match(text, start)) and (
        reply.multiple and not reply.asks_false
    )
    if everything:
        match = cues.ALL_RIGHT.match(text, start) or ALL_OF_THEM.match(text, start)
        if match and cues.ABSTENTION_ENDS.match(text, match.end()):
            reply.add("all_but", start, match.end(), range(reply.words.count))
        return
    nothing = NONE_OF_THEM.match(text, start) or cues.ABSTAINS.match(text, start)
    if nothing and cues.ABSTENTION_ENDS.match(text, nothing.end()):
        reply.add("opening", start, nothing.end(), (), status="none")


def _closes(reply: Reply, named: NamedOptions, line: int) -> bool:
    """Whether the last line, which begins at ``line``, is an answer and nothing else."""
    if named.unknown or not cues.SENTENCE_END.match(reply.text, named.end):
        return False
    if cues.ANSWER_MARK.fullmatch(reply.text, line):
        return False  # A: and nothing behind it
    # "= 2" at the end of a calculation is a result, not label 2.
    sum_ends = reply.words.alphabet is DIGITS and "=" in reply.text[line : line + 9]
    if sum_ends and not named.by_text:
        return False
    return not reply.layout.in_echo(named.start) and not reply.layout.listed(named)


def _opens(reply: Reply, named: NamedOptions) -> bool:
    """Whether what the reply begins with is its answer."""
    text = reply.text
    if named.unknown or named.open_choice or not reply.stands_by(named.start, named.end):
        return False
    if reply.verdicts.get(named.indexes[0]) == "no" and not reply.asks_false:
        return False
    if reply.layout.in_echo(named.start) or reply.layout.listed(named):
        return False
    if reply.answer_mark is not None and named.start < reply.answer_mark:
        return False
    if reply.words.says_true_or_false:
        return bool(cues.YES_MARK.match(text, named.end))
    follows = text[named.end : named.end + 1]
    if named.by_text:
        return follows in "。.\n"
    if not named.by_text and (remark := cues.REMARK.match(text, named.end)):
        return reply.words.read(text, remark.end()) is None  # A (5%), B (10%): a list
    if named.with_text:
        return not cues.BELITTLED.match(text, named.end)
    return follows in ".。,:)]*、\n" and not cues.NUMBER_AFTER.match(text, named.end)
