"""How a reply is laid out: where it ends, which labels head something, what it only repeats."""

from __future__ import annotations

import bisect
import re

from zhmcq.parsers.labels import Reading, Vocabulary

__all__ = ["VERDICT", "Layout", "next_question", "this_turn"]

_END_OF_TURN = re.compile(
    r"<\|(?:im_end|eot_id|endoftext|end_of_text|im_start|start_header_id|user)\|?>|</s>"
    r"|<end_of_turn>|\[/?INST\]|<</?SYS>>|<eoa>"
)
_NEXT_QUESTION = re.compile(
    r"\n\s{0,4}(?:(?:问题|题目|问)\s?\d{0,3}\s?:|(?:Question|Q)\s?\d{0,3}\s?:"
    r"|(?:User|Human|用户)\s?:|###\s?(?:Instruction|Question|问题|题目))"
)
#: What a reply says of one option when it goes through all of them.
VERDICT = re.compile(
    r"(?P<no>错误?|×|有误|不(?:太|够|完全)?(?:正确|对|成立|符合|恰当|合适|准确|可能)|排除"
    r"|\bincorrect\b|\bwrong\b|\bfalse\b)"
    r"|(?P<yes>正确|√|符合|成立|\bcorrect\b|\btrue\b|\bright\b)"
    r"|(?P<open>无法|不能|不确定|未知)",
    re.IGNORECASE,
)
_SAYS_NOTHING = re.compile(r"[^\w√×]*+(?:选项|option)?[^\w√×]*+", re.IGNORECASE)
_BLANKS = re.compile(r"\s*+")
# How much longer than the option its repetition may be, and how long if its text is not known.
_SLIP, _LONGEST_REPEATED = 8, 120
_SPACES = re.compile(r"\s{0,4}")


class Layout:
    """The labels that head something in a reply, and the lists of options that it only repeats.

    Attributes:
        items: Labels such as ``(A)``, or ``A.`` and ``A:`` after a space, in the order of the text.
    """

    def __init__(self, text: str, words: Vocabulary) -> None:
        self.text = text
        self.words = words
        self.items = self._items()
        self._echoes = self._echo()

    def _items(self) -> list[Reading]:
        """Labels that head something: ``(A)``, and ``A.`` or ``A:`` after a space or line break."""
        if self.words.style == "other":
            return []
        items = []
        for match in self.words.shapes.item.finditer(self.text):
            index = self.words.forms.get(self.words.shapes.token.match(match.group()).group(), -1)  # type: ignore[union-attr]
            if index >= 0:
                own = self.words.text_at(self.text, _SPACES.match(self.text, match.end()).end())  # type: ignore[union-attr]
                with_text = own is not None and own.indexes == (index,)
                end = own.end if own and with_text else match.end()
                items.append(Reading((index,), match.start(), end, with_text=with_text))
        return items

    def _echo(self) -> list[tuple[int, int]]:
        """Where the reply only repeats the list of options: A, B, … with nothing said of them."""
        echo = []
        run: list[Reading] = []
        for item in [*self.items, None]:
            if item and run and self._continues(run[-1], item):
                run.append(item)
                continue
            if len(run) > 1 and (self.words.texts or len(run) == self.words.count):
                echo.append((run[0].start, run[-1].end))
            run = [item] if item and item.indexes == (0,) else []
        return echo

    def _continues(self, last: Reading, item: Reading) -> bool:
        if item.indexes[0] != last.indexes[0] + 1:
            return False
        between = self.text[last.end : item.start]
        if self.words.texts:
            if last.with_text:
                return bool(_SAYS_NOTHING.fullmatch(between))
            own = self.words.texts.get(last.indexes[0], "")  # repeated with a slip
            return len(between) <= len(own) + _SLIP and not VERDICT.search(between)
        return len(between) < _LONGEST_REPEATED and not VERDICT.search(between)

    def in_echo(self, place: int) -> bool:
        """Whether a place lies in a list of options that is only repeated."""
        if not self._echoes:
            return False
        nearest = bisect.bisect_right(self._echoes, (place, len(self.text))) - 1
        return nearest >= 0 and self._echoes[nearest][0] <= place < self._echoes[nearest][1]

    def listed(self, reading: Reading) -> bool:
        """Whether a label is one step of going through the options one by one."""
        index = reading.indexes[0]
        last = bisect.bisect_right(self.items, reading.start, key=lambda item: item.end) - 1
        following = bisect.bisect_left(self.items, reading.end, key=lambda item: item.start)
        if last >= 0 and self.items[last].indexes[0] == index - 1:
            return True
        goes_on = following < len(self.items) and self.items[following].indexes[0] == index + 1
        return goes_on and (index == 0 or last >= 0)

    def starts_list(self, reading: Reading) -> bool:
        """Whether a label is the first of the options that the reply goes through."""
        return reading.indexes == (0,) and self.listed(reading)


def this_turn(text: str) -> str:
    """The text up to where the model goes on with a turn that is not its own."""
    start = _BLANKS.match(text).end()  # type: ignore[union-attr]
    while (found := _END_OF_TURN.search(text, start)) and found.start() <= start:
        start = _BLANKS.match(text, found.end()).end()  # type: ignore[union-attr]
    return text[: found.start()] if found else text


def next_question(text: str) -> int | None:
    """Where what looks like the next question or turn begins, if there is one."""
    found = _NEXT_QUESTION.search(text)
    return found.start() if found else None
