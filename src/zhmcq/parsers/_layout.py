"""How a reply is laid out: where it begins and ends, and where it goes through the options."""

from __future__ import annotations

import bisect
import re

from zhmcq.parsers._names import NamedOptions
from zhmcq.parsers._vocabulary import Vocabulary

__all__ = ["VERDICT", "ReplyLayout", "next_question", "this_turn", "without_reasoning"]

_CLOSING = re.compile("</think(?:ing)?>", re.IGNORECASE)
_OPENING = re.compile("<think(?:ing)?>", re.IGNORECASE)
_FINAL_LINE = re.compile(
    r"\s{0,9}[*#【\[]{0,4}(?:因此|所以|[Tt]he )?(?:最[终終])?(?:答案|[Aa]nswer\b|ANSWER\b|\\boxed)"
)
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
_REST_OF_LINE = re.compile(r"[^\S\n]*+[.。]?[^\S\n]*+(?:\n|\Z)")
_SPACES = re.compile(r"\s{0,4}")


class ReplyLayout:
    """The labels that head something in a reply, and the lists of options that it only repeats.

    Args:
        text: The folded reply.
        words: How the options of its question are named.

    Attributes:
        items: Labels such as ``(A)``, or ``A.`` and ``A:`` after a space, in the order of the
            text.
    """

    def __init__(self, text: str, words: Vocabulary) -> None:
        self.text = text
        self.words = words
        self.items = self._items()
        self._echoes = self._find_echoes()

    def in_echo(self, position: int) -> bool:
        """Whether a position lies in a list of options that is only repeated."""
        if not self._echoes:
            return False
        nearest = bisect.bisect_right(self._echoes, (position, len(self.text))) - 1
        return nearest >= 0 and self._echoes[nearest][0] <= position < self._echoes[nearest][1]

    def listed(self, named: NamedOptions) -> bool:
        """Whether a label is one step of going through the options one by one."""
        index = named.indexes[0]
        last = bisect.bisect_right(self.items, named.start, key=lambda item: item.end) - 1
        following = bisect.bisect_left(self.items, named.end, key=lambda item: item.start)
        if last >= 0 and self.items[last].indexes[0] == index - 1:
            return True
        goes_on = following < len(self.items) and self.items[following].indexes[0] == index + 1
        return goes_on and (index == 0 or last >= 0)

    def starts_list(self, named: NamedOptions) -> bool:
        """Whether a label is the first of the options that the reply goes through."""
        return named.indexes == (0,) and self.listed(named)

    def _items(self) -> list[NamedOptions]:
        """Labels that head something: ``(A)``, and ``A.`` or ``A:`` after a space or line break."""
        words = self.words
        if words.alphabet is None:
            return []
        items = []
        for match in words.patterns.item.finditer(self.text):
            label = words.patterns.token.match(match.group()).group()  # type: ignore[union-attr]
            index = words.forms.get(label, -1)
            if index >= 0:
                after = _SPACES.match(self.text, match.end()).end()  # type: ignore[union-attr]
                option = words.text_at(self.text, after)
                with_text = option is not None and option.indexes == (index,)
                end = option.end if option and with_text else match.end()
                items.append(NamedOptions((index,), match.start(), end, with_text=with_text))
        return items

    def _find_echoes(self) -> list[tuple[int, int]]:
        """Start and end of each list of options, A, B, …, that says nothing of them."""
        echoes = []
        run: list[NamedOptions] = []
        for item in [*self.items, None]:
            if item and run and self._continues(run[-1], item):
                run.append(item)
                continue
            while self.words.texts and run and self._is_bare(run[-1]):
                run.pop()  # A: it's B. — nothing is listed under B
            if len(run) > 1 and (self.words.texts or len(run) == self.words.count):
                echoes.append((run[0].start, run[-1].end))
            run = [item] if item and item.indexes == (0,) else []
        return echoes

    def _is_bare(self, item: NamedOptions) -> bool:
        """Whether nothing stands between a label that heads something and the end of its line."""
        return not item.with_text and bool(_REST_OF_LINE.match(self.text, item.end))

    def _continues(self, last: NamedOptions, item: NamedOptions) -> bool:
        if item.indexes[0] != last.indexes[0] + 1:
            return False
        between = self.text[last.end : item.start]
        if self.words.texts:
            if not last.with_text and not between.strip():
                return False  # A: (B) …: the A: of a transcript
            if last.with_text:
                return bool(_SAYS_NOTHING.fullmatch(between))
            option = self.words.texts.get(last.indexes[0], "")  # repeated with a slip
            return len(between) <= len(option) + _SLIP and not VERDICT.search(between)
        return len(between) < _LONGEST_REPEATED and not VERDICT.search(between)


def without_reasoning(text: str) -> tuple[int, int]:
    """Start and end of the reply proper in a text with ``<think>…</think>``.

    It is what follows the last ``</think>``, since some chat templates write the opening tag
    themselves and some models nest the tags. A block that is never closed is left out, since a
    model that was cut off while thinking has committed to nothing; only a last line that is itself
    a final answer (``答案：B``) is read.
    """
    start = 0
    for closing in _CLOSING.finditer(text):
        start = closing.end()
    opening = _OPENING.search(text, start)
    if not opening:
        return start, len(text)
    if not text[start : opening.start()].strip():
        end = len(text.rstrip())
        line = text.rfind("\n", opening.end(), end)
        if line >= 0 and _FINAL_LINE.match(text, line):
            return line, end
    return start, opening.start()


def this_turn(text: str) -> str:
    """The text up to where the model begins a turn of the user or a new one."""
    start = _BLANKS.match(text).end()  # type: ignore[union-attr]
    while (match := _END_OF_TURN.search(text, start)) and match.start() <= start:
        start = _BLANKS.match(text, match.end()).end()  # type: ignore[union-attr]
    return text[: match.start()] if match else text


def next_question(text: str) -> int | None:
    """Where the next question or turn seems to begin; ``None`` if there seems to be none."""
    match = _NEXT_QUESTION.search(text)
    return match.start() if match else None
