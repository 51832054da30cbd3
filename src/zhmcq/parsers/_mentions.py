"""Everything in a reply that may be its answer, found by the rules of the table."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

from zhmcq.parsers import _cues as cues
from zhmcq.parsers._cues import Judgement, Lead
from zhmcq.parsers._layout import (
    VERDICT,
    ReplyLayout,
    next_question,
    this_turn,
    without_reasoning,
)
from zhmcq.parsers._protocol import Mention, ParseStatus
from zhmcq.parsers._rules import DECISION, RULE_BY_NAME, STRICT
from zhmcq.parsers._vocabulary import (
    NONE_OF_THEM,
    NamedOptions,
    Vocabulary,
    begins_word,
    vocabulary,
)
from zhmcq.questions import Question
from zhmcq.zh._fold import FoldedText, fold_characters
from zhmcq.zh._labels import DIGITS

__all__ = ["LEAST", "find_mentions"]

# A longer reply is read at its two ends only: answers stand there, and time stays bounded.
_LONGEST, _HEAD = 24_000, 4_000
# An option text after a word such as 因此 may be any sentence: it has to be the only one.
_WEAK_TEXT = 58
# Of each option's text the last occurrences are looked at; more of them make nothing plainer.
_MOST_OCCURRENCES = 20
# 如果選A: seen, but never relied on.
_SUPPOSITION = 15
#: A mention of less weight decides nothing.
LEAST = 30
# 因此選項A正確, where the question asks for the false one: most likely a slip of the reply.
_TRUE_THOUGH_FALSE_ASKED = 35
# Several options judged right, where several may be: stronger than one found by elimination.
_VERDICTS_OF_MULTIPLE = 72
# How much of what a reply says of one option is searched for a verdict.
_LONGEST_VERDICT = 400

_PAIRS = dict(zip(")]）］】」}", "([（［【「{", strict=True))
_OPENERS = frozenset("([（［【「")


class _Occurrence(NamedTuple):
    """Where the text of an option stands in a folded reply."""

    start: int
    end: int
    option: int


class _Reader:
    """One reply being read: collects the mentions.

    Args:
        text: The reply.
        question: The question it answers.
        reasoning: Whether to leave out ``<think>…</think>``.
        whole: Whether to read on after what looks like the next question.
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
        self.stem = question.stem
        self.mentions: list[Mention] = []
        self.verdicts: dict[int, str] = {}
        self.layout = ReplyLayout(self.text, self.words)
        self.opening = self.words.read(self.text, 0)

    @functools.cached_property
    def asks_false(self) -> bool:
        """Whether the question asks for the option that does not hold."""
        stem = fold_characters(self.stem).text
        return bool(cues.ASKS_FALSE.search(stem)) and not cues.ASKS_TRUE.search(stem)

    def read(self, *, everything: bool) -> list[Mention]:
        """All mentions, in the order of the rules.

        Args:
            everything: Whether to look for weaker mentions where there is a decision already.
        """
        if self.text.strip() and not self._answer_alone():
            self._leads()
            self._judgements()
            self._forms()
            decided = any(mention.weight >= DECISION for mention in self.mentions)
            if everything or not decided:
                self._verdicts()
                self._texts()
        return self.mentions

    def _add(
        self,
        rule: str,
        start: int,
        end: int,
        indexes: Iterable[int],
        *,
        status: ParseStatus = "answered",
        weight: int | None = None,
    ) -> None:
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

    def _span(self, start: int, end: int) -> tuple[int, int]:
        """Start and end in the original reply of a span of the folded part."""
        begin, stop = self.folded.span(start, end)
        begin += self.gap if begin >= _HEAD else 0
        stop += self.gap if stop > _HEAD else 0
        return begin + self.offset, stop + self.offset

    def _add_named(
        self, rule: str, start: int, named: NamedOptions, weight: int | None = None
    ) -> None:
        status: ParseStatus = "answered"
        if named.unknown:
            status = "out_of_range"
        elif named.open_choice:
            status = "ambiguous"
        self._add(rule, start, named.end, named.indexes, status=status, weight=weight)

    def _leads(self) -> None:
        """Words that lead to an answer: 答案是B."""
        for lead in cues.leads(self.text):
            named = self.words.read(self.text, lead.link_end)
            if named is None:
                self._no_answer(lead)
            elif self.layout.in_echo(named.start):
                continue
            elif not lead.rule.weak or self._stands_alone(named):
                self._weigh(lead, named)

    def _no_answer(self, lead: Lead) -> None:
        """【答案】無法確定 and 答案：以上皆非, where that is not an option."""
        if lead.rule.effect == "choose" and not lead.rule.weak:
            fill = cues.FILL.match(self.text, lead.end).end()  # type: ignore[union-attr]
            nothing = cues.ABSTAINS.match(self.text, fill) or NONE_OF_THEM.match(self.text, fill)
            if nothing:
                self._add(lead.rule.name, lead.start, nothing.end(), (), status="none")

    def _weigh(self, lead: Lead, named: NamedOptions) -> None:
        """Add what a lead names, with a weight that its surroundings decide."""
        rule, start = lead.rule, lead.start
        closed = cues.BRACKETS.match(self.text, named.end).end()  # type: ignore[union-attr]
        judged = cues.judgement_at(self.text, closed)
        effect = rule.effect
        if judged and judged.rule.effect == "false" and self.text[closed] not in ",:":
            effect = "false"  # 【答案】C、D都错误
        if cues.FALSE_BEFORE.search(self.text, max(0, start - 6), start):
            effect = "false"  # 错误答案是A
        if effect == "false":
            effect = "choose" if self.asks_false else "reject"
        # 不，是B: the comma parts the negation from the choice.
        negated = self.text[start] != "," and cues.NOT_BEFORE.search(
            self.text, max(0, start - 8), start
        )
        if effect == "reject" or negated:
            self._reject(rule.name, start, named)
        elif self._supposed(start) or cues.QUESTIONED.match(self.text, closed):
            self._add_named(rule.name, start, named, weight=_SUPPOSITION)
        elif rule.weak and self.asks_false and judged and judged.rule.effect == "choose":
            self._add_named(rule.name, start, named, weight=_TRUE_THOUGH_FALSE_ASKED)
        elif rule.weak and named.by_text:
            self._add_named(rule.name, start, named, weight=_WEAK_TEXT)
        else:
            self._add_named(rule.name, start, named)

    def _supposed(self, start: int) -> bool:
        """Whether the clause before ``start`` only supposes something, or asks."""
        return bool(cues.SUPPOSED.search(self.text, max(0, start - 20), start))

    def _reject(self, rule: str, start: int, named: NamedOptions) -> None:
        for index in named.indexes:
            self.verdicts[index] = "no"
        self._add(rule, start, named.end, named.indexes, weight=0)

    def _stands_alone(self, named: NamedOptions) -> bool:
        """Whether a label after a weak cue is an answer and not the beginning of a sentence."""
        if self.layout.starts_list(named):
            return False
        if named.with_text or named.unknown:
            return named.with_text
        if self.words.says_true_or_false and cues.YES_MARK.match(self.text, named.end):
            return True
        if named.by_text:
            return bool(cues.CLAUSE_END.match(self.text, named.end))
        introduced = self.text[max(0, named.start - 3) : named.start]
        if introduced.endswith(("选项", "(", "[", '"', "**")):
            return True
        return bool(cues.CLAUSE_END.match(self.text, named.end))

    def _judgements(self) -> None:
        """Words that judge the options before them: B正確, A和C都錯."""
        if self.words.alphabet is None:
            return
        pending: list[int] = []
        begin = last = 0
        for match in self.words.patterns.mention.finditer(self.text):
            start, end = match.span()
            index = self.words.forms.get(match.group())
            if index is None or self.layout.in_echo(start):
                pending = []
                continue
            joined = pending and cues.JOINS.fullmatch(self.text, last, start)
            pending = [*pending[-self.words.count :], index] if joined else [index]
            begin = begin if joined else start
            last = end
            after = cues.BRACKETS.match(self.text, end).end()  # type: ignore[union-attr]
            option = self.words.text_at(self.text, after)
            if option and option.indexes == (index,):
                after = option.end
            quoted = self.text[end : end + 1] == '"'  # 选项C"…"符合题意
            judged = cues.judgement_at(self.text, end) if quoted else None
            judged = judged or cues.judgement_at(self.text, after)
            if judged:
                self._judge(judged, begin, pending)
                pending = []

    def _judge(self, judged: Judgement, start: int, indexes: list[int]) -> None:
        """Add the options at ``start`` with what the judgement after them makes of them."""
        rule = judged.rule
        wrong = rule.effect == "false"
        for index in indexes:
            self.verdicts[index] = "no" if wrong else "yes"
        lead = self.text[max(0, start - 20) : start]
        weight = rule.weight
        concludes = cues.CONCLUDES.search(lead)
        if self._supposed(start) or (wrong and not self.asks_false):
            weight = 0
        elif rule.weight < DECISION and not wrong and self.asks_false:
            weight = _TRUE_THOUGH_FALSE_ASKED if concludes else _SUPPOSITION
        elif rule.weight < DECISION and concludes:
            weight = STRICT
        self._add(rule.name, start, judged.end, indexes, weight=weight)

    def _answer_alone(self) -> bool:
        """Whether the reply is a label, an option text or both, and nothing else."""
        named = self.opening
        if not named or not cues.SENTENCE_END.match(self.text, named.end):
            return False
        self._add_named("only_text" if named.by_text else "only_label", named.start, named)
        return True

    def _forms(self) -> None:
        """Answers at the beginning or the end, labels with their texts, statements judged."""
        if self.opening and self._opens(self.opening):
            self._add_named("opening", self.opening.start, self.opening)
        elif not self.opening:
            self._opens_with_none()
        line = self.text.rfind("\n", 0, len(self.text.rstrip()))
        closing = self.words.read(self.text, line) if line >= 0 else None
        if closing and self._closes(closing, line):
            self._add_named("closing", closing.start, closing)
        for item in self.layout.items:
            wrong = self.verdicts.get(item.indexes[0]) == "no" and not self.asks_false
            counts = item.with_text and not wrong and not self.layout.listed(item)
            if counts and not self.layout.in_echo(item.start):
                self._add_named("label_and_text", item.start, item)
        if self.words.says_true_or_false:
            for match in cues.STATEMENT.finditer(self.text):
                named = self.words.read(self.text, match.end())
                if named and not named.unknown:
                    self._add_named("statement_is", match.start(), named)

    def _opens_with_none(self) -> None:
        """以上皆非 or 無法確定 at the beginning, where that is not an option."""
        start = cues.FILL.match(self.text).end()  # type: ignore[union-attr]
        nothing = NONE_OF_THEM.match(self.text, start) or cues.ABSTAINS.match(self.text, start)
        if nothing and cues.ABSTENTION_ENDS.match(self.text, nothing.end()):
            self._add("opening", start, nothing.end(), (), status="none")

    def _closes(self, named: NamedOptions, line: int) -> bool:
        """Whether the last line, which begins at ``line``, is an answer and nothing else."""
        if named.unknown or not cues.SENTENCE_END.match(self.text, named.end):
            return False
        # "= 2" at the end of a calculation is a result, not label 2.
        if (
            self.words.alphabet is DIGITS
            and not named.by_text
            and "=" in self.text[line : line + 9]
        ):
            return False
        return not self.layout.in_echo(named.start) and not self.layout.listed(named)

    def _opens(self, named: NamedOptions) -> bool:
        """Whether what the reply begins with is its answer."""
        if named.unknown or named.open_choice:
            return False
        if self.verdicts.get(named.indexes[0]) == "no" and not self.asks_false:
            return False
        if self.layout.in_echo(named.start) or self.layout.listed(named):
            return False
        if self.words.says_true_or_false:
            return bool(cues.YES_MARK.match(self.text, named.end))
        follows = self.text[named.end : named.end + 1]
        if named.by_text:
            return follows in "。.\n"
        return named.with_text or follows in ".。,:)]*、\n"

    def _verdicts(self) -> None:
        """One option judged unlike all others: the answer by elimination."""
        count = self.words.count
        if count < 3 or not (self.layout.items or self.verdicts):
            return
        verdicts = {}
        next_starts = [*(item.start for item in self.layout.items[1:]), len(self.text)]
        for item, next_start in zip(self.layout.items, next_starts, strict=False):
            if self.layout.in_echo(item.start):
                continue
            stop = min(next_start, item.end + _LONGEST_VERDICT)
            words = [match.lastgroup for match in VERDICT.finditer(self.text, item.end, stop)]
            if words:
                verdicts[item.indexes[0]] = str(words[-1])
        verdicts.update(self.verdicts)
        yes = [index for index, word in verdicts.items() if word == "yes"]
        no = [index for index, word in verdicts.items() if word == "no"]
        end = len(self.text.rstrip())
        start = self.layout.items[0].start if self.layout.items else 0
        if self.multiple:
            chosen = no if self.asks_false else yes
            if chosen and verdicts:
                self._add("verdicts", start, end, chosen, weight=_VERDICTS_OF_MULTIPLE)
        elif len(no) == count - 1 and not (self.asks_false and self.stem.strip()):
            self._add("verdicts", start, end, set(range(count)) - set(no))
        elif len(yes) == count - 1 and len(no) == 1 and (self.asks_false or not self.stem.strip()):
            self._add("verdicts", start, end, no)

    def _occurrences(self) -> list[_Occurrence]:
        """Where option texts stand that the reply neither repeats nor rejects, in order."""
        lower = self.text.lower()
        same_length = len(lower) == len(self.text)  # İ becomes two characters
        occurrences: list[_Occurrence] = []
        for index, option in self.words.longest_first:
            start = len(self.text)
            for _ in range(_MOST_OCCURRENCES):
                if same_length:
                    start = lower.rfind(option.lower(), 0, start)
                else:
                    start = self.text.rfind(option, 0, start)
                if start < 0:
                    break
                end = start + len(option)
                inside = any(other.start <= start and end <= other.end for other in occurrences)
                if not inside and self._affirms(index, start):
                    occurrences.append(_Occurrence(start, end, index))
        return sorted(occurrences)

    def _affirms(self, index: int, start: int) -> bool:
        """Whether the option text at ``start`` is neither repeated nor rejected."""
        return (
            not self.layout.in_echo(start)
            and self.verdicts.get(index) != "no"
            and begins_word(self.text, start)
            and self.words.text_at(self.text, start) is not None
            and not cues.NOT_BEFORE.search(self.text, max(0, start - 8), start)
        )

    def _texts(self) -> None:
        """Options named by their texts alone."""
        occurrences = self._occurrences()
        if not occurrences:
            return
        start, end, option = occurrences[-1]
        chosen = {option}
        for other in reversed(occurrences[:-1]):  # 炎熱、颱風: a list at the end
            if not cues.JOINS.fullmatch(self.text, other.end, start):
                break
            chosen.add(other.option)
            start = other.start
        sentence = max(self.text.rfind(mark, 0, start) for mark in "。\n!?;")
        alone = all(other.option in chosen for other in occurrences if other.start > sentence)
        substantial = len(self.words.squeezed[option]) > 1
        stated = substantial or cues.IS_BEFORE.search(self.text, max(0, start - 4), start)
        indexes = {other.option for other in occurrences}
        if cues.SENTENCE_END.match(self.text, end) and alone and stated:
            self._add("text_at_end", start, end, chosen)
        elif len(indexes) == 1 and substantial:
            self._add("text_once", start, end, indexes)


def find_mentions(
    text: str, question: Question, *, reasoning: bool = False, everything: bool = False
) -> list[Mention]:
    """The mentions in a reply, in the order of the rules.

    Args:
        text: The reply.
        question: The question it answers.
        reasoning: Whether to leave out ``<think>…</think>``.
        everything: Whether to look for weaker mentions where there is a decision already.
    """
    reader = _Reader(text, question, reasoning=reasoning)
    mentions = reader.read(everything=everything)
    if reader.was_cut and not any(mention.weight >= LEAST for mention in mentions):
        # What looked like the next question was a heading of this reply.
        reader = _Reader(text, question, reasoning=reasoning, whole=True)
        mentions = reader.read(everything=everything)
    return mentions
