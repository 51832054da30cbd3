"""Answers by what a reply says of each option: marks, shares, verdicts."""

from __future__ import annotations

from zhmcq.parsers._layout import VERDICT
from zhmcq.parsers._marks import likeliest_by_share, read_marks
from zhmcq.parsers._names import NamedOptions
from zhmcq.parsers._reply import Reply

__all__ = ["find_verdicts"]

# Several options judged right, where several may be: stronger than one found by elimination.
_VERDICTS_OF_MULTIPLE = 72
# How much of what a reply says of one option is searched for a verdict.
_LONGEST_VERDICT = 400
# More labels than that are no list of marks.
_MOST_MARKED = 200


def find_verdicts(reply: Reply) -> None:
    """Add the options with a mark, the likeliest by far, or the one judged unlike all others."""
    names = reply.names or _names_by_text(reply)
    if len(names) <= _MOST_MARKED:
        if likeliest := likeliest_by_share(reply.text, reply.words, names):
            reply.add_named("shares", likeliest.start, likeliest)
        if _find_marks(reply, names):
            return
    if reply.words.count > 2 and (reply.layout.items or reply.verdicts):
        _judge_all(reply, _verdicts(reply))


def _verdicts(reply: Reply) -> dict[int, str]:
    """What the reply says of each option, where it goes through them, and elsewhere."""
    verdicts = {}
    next_starts = [*(item.start for item in reply.layout.items[1:]), len(reply.text)]
    for item, next_start in zip(reply.layout.items, next_starts, strict=False):
        if reply.layout.in_echo(item.start):
            continue
        stop = min(next_start, item.end + _LONGEST_VERDICT)
        words = [match.lastgroup for match in VERDICT.finditer(reply.text, item.end, stop)]
        if words:
            verdicts[item.indexes[0]] = str(words[-1])
    return verdicts | reply.verdicts


def _judge_all(reply: Reply, verdicts: dict[int, str]) -> None:
    """Add the options judged right where several may be, else the one judged unlike the others."""
    count = reply.words.count
    yes = [index for index, word in verdicts.items() if word == "yes"]
    no = [index for index, word in verdicts.items() if word == "no"]
    end = len(reply.text.rstrip())
    start = reply.layout.items[0].start if reply.layout.items else 0
    stem = reply.stem.strip()
    if reply.multiple:
        chosen = no if reply.asks_false else yes
        if chosen:
            reply.add("verdicts", start, end, chosen, weight=_VERDICTS_OF_MULTIPLE)
    elif len(no) == count - 1 and not (reply.asks_false and stem):
        reply.add("verdicts", start, end, set(range(count)) - set(no))
    elif len(yes) == count - 1 and (reply.asks_false or (not stem and no)):
        reply.add("verdicts", start, end, set(range(count)) - set(yes))


def _names_by_text(reply: Reply) -> list[NamedOptions]:
    """Where the texts of options stand for the first time, if the reply has no labels."""
    lower = reply.text.lower()
    if len(lower) != len(reply.text):
        return []
    first_positions = [
        (lower.find(text.lower()), index) for index, text in reply.words.texts.items()
    ]
    return [
        NamedOptions((index,), start, start + len(reply.words.texts[index]), by_text=True)
        for start, index in sorted(first_positions)
        if start >= 0
    ]


def _find_marks(reply: Reply, names: list[NamedOptions]) -> bool:
    """Add the options with a ✓ or a yes; whether the reply marks its options at all."""
    if reply.words.says_true_or_false:
        return False  # there, a mark is the name of an option
    marked = read_marks(reply.text, reply.words, names)
    if marked is None:
        return False
    wanted = [index for index, yes in marked.marks.items() if yes != reply.asks_false]
    others = len(marked.marks) - len(wanted)
    if wanted and (reply.multiple or (len(wanted) == 1 and others)):
        reply.add("marks", marked.start, marked.end, wanted)
        return True
    return False
