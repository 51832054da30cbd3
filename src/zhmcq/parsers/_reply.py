"""One reply being read: its folded text, its question's names, and the mentions found so far."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from zhmcq.parsers import _claims as claims
from zhmcq.parsers import _cues as cues
from zhmcq.parsers._layout import ReplyLayout, next_question, this_turn, without_reasoning
from zhmcq.parsers._names import NamedOptions
from zhmcq.parsers._protocol import Mention, ParseStatus
from zhmcq.parsers._rules import RULE_BY_NAME
from zhmcq.parsers._vocabulary import Vocabulary, vocabulary
from zhmcq.questions import Question
from zhmcq.zh._fold import FoldedText, fold_characters

__all__ = ["LEAST", "SUPPOSITION", "TRUE_THOUGH_FALSE_ASKED", "Reply"]

# A longer reply is read at its two ends only: answers stand there, and time stays bounded.
_LONGEST, _HEAD = 24_000, 4_000
# A word that chooses at every character: so many phrases are compared with parts of options.
_MOST_PHRASES = 200
#: 如果選A: seen, but never relied on.
SUPPOSITION = 15
#: 因此選項A正確, where the question asks for the false one: most likely a slip of the reply.
TRUE_THOUGH_FALSE_ASKED = 35
#: A mention of less weight decides nothing.
LEAST = 30

_PAIRS = dict(zip(")]）］】」}", "([（［【「{", strict=True))
_OPENERS = frozenset("([（［【「")


class Reply:
    """One reply being read: collects the mentions.

    Args:
        text: The reply.
        question: The question it answers.
        reasoning: Whether to leave out ``<think>…</think>``.
        whole: Whether to read on after what looks like the next question.

    Attributes:
        text: The folded part that is read.
        was_cut: Whether something that looks like the next question was left out.
        words: How the options are named.
        layout: Its lists, and the lists that it only repeats.
        opening: What it begins with, if that names an option.
        mentions: What was found so far.
        verdicts: ``"yes"`` or ``"no"`` for each option that it judges.
        names: Where labels stand, each with its option's own text.
    """

    def __init__(
        self, text: str, question: Question, *, reasoning: bool, whole: bool = False
    ) -> None:
        self.original = text
        self.offset, last = without_reasoning(text) if reasoning else (0, len(text))
        self.gap = max(0, last - self.offset - _LONGEST)
        part = text[self.offset : last]
        if self.gap:
            part = part[:_HEAD] + part[_HEAD + self.gap :]
        self.folded: FoldedText = fold_characters(part)
        turn = this_turn(self.folded.text)
        next_turn = None if whole else next_question(turn)
        self.text = turn[:next_turn]
        self.was_cut = next_turn is not None
        self.words: Vocabulary = vocabulary(question)
        self.multiple = question.kind == "multiple"
        self.question = question
        self.mentions: list[Mention] = []
        self.verdicts: dict[int, str] = {}
        self.layout = ReplyLayout(self.text, self.words)
        self.opening = self.words.read(self.text, 0)
        self.names: list[NamedOptions] = []
        self._phrases = 0

    @functools.cached_property
    def stem(self) -> str:
        """The folded stem of the question."""
        return fold_characters(self.question.stem).text

    @functools.cached_property
    def asks_false(self) -> bool:
        """Whether the question asks for the option that does not hold."""
        return bool(cues.ASKS_FALSE.search(self.stem)) and not cues.ASKS_TRUE.search(self.stem)

    @functools.cached_property
    def answer_mark(self) -> int | None:
        """Where the ``A:`` of a transcript ends, which stands for "answer:" and not for option A.

        It does where no option B follows as in a list, and the text of option A does not either.
        """
        marks = list(cues.ANSWER_MARK.finditer(self.text))
        match = marks[-1] if marks else None
        if not match or not (self.words.texts or self.words.read(self.text, match.end())):
            return None
        for position, item in enumerate(self.layout.items):
            if match.start() <= item.start < match.end():
                following = self.layout.items[position + 1 : position + 2]
                content = self.text[item.end : following[0].start] if following else ""
                in_list = bool(following) and following[0].indexes == (1,) and content.strip()
                return None if item.with_text or in_list else match.end()
        return match.end()

    def add(
        self,
        rule: str,
        start: int,
        end: int,
        indexes: Iterable[int],
        *,
        status: ParseStatus = "answered",
        weight: int | None = None,
    ) -> None:
        """Add a mention of options, found by a rule between two positions of the folded text."""
        answer = tuple(sorted(set(indexes)))
        if status == "answered" and len(answer) > 1 and not self.multiple:
            status = "ambiguous"
        begin, stop = self._span(start, end)
        if begin and self.original[begin - 1] in _OPENERS:
            begin -= 1
        evidence = self.original[begin:stop]
        closer = self.original[stop : stop + 1]
        if closer in _PAIRS and evidence.count(_PAIRS[closer]) > evidence.count(closer):
            stop += 1
            evidence += closer
        points = RULE_BY_NAME[rule].weight if weight is None else weight
        self.mentions.append(Mention(answer, status, points, rule, evidence, (begin, stop)))

    def add_named(
        self, rule: str, start: int, named: NamedOptions, weight: int | None = None
    ) -> None:
        """Add a mention of what is named after ``start``."""
        status: ParseStatus = "answered"
        if named.unknown:
            status = "out_of_range"
        elif named.open_choice:
            status = "ambiguous"
        self.add(rule, start, named.end, named.indexes, status=status, weight=weight)

    def reject(self, rule: str, start: int, named: NamedOptions) -> None:
        """Add a mention that is ruled out, and remember the verdict."""
        for index in named.indexes:
            self.verdicts[index] = "no"
        self.add(rule, start, named.end, named.indexes, weight=0)

    def stands_by(self, start: int, end: int, *, second: bool = False) -> bool:
        """Whether what stands between two positions is the reply's own first choice, stated."""
        if cues.SUPPOSED.search(self.text, max(0, start - 20), start):
            return False
        return claims.stands_by(self.text, start, end, self.stem, second=second)

    def read_loosely(self, position: int) -> NamedOptions | None:
        """What is named after words that nothing but an answer follows."""
        self._phrases += 1
        if self._phrases > _MOST_PHRASES:
            return None
        return self.words.read_loosely(self.text, position)

    def _span(self, start: int, end: int) -> tuple[int, int]:
        """Start and end in the original reply of a span of the folded part."""
        begin, stop = self.folded.span(start, end)
        begin += self.gap if begin >= _HEAD else 0
        stop += self.gap if stop > _HEAD else 0
        return begin + self.offset, stop + self.offset
