"""Every place of a reply that may be its answer, found by the rules of the table."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from zhmcq.parsers import contexts
from zhmcq.parsers.folding import Folded, fold, spoken_part
from zhmcq.parsers.labels import NONE_OF_THEM, Reading, Vocabulary, vocabulary
from zhmcq.parsers.layout import VERDICT, Layout, next_question, this_turn
from zhmcq.parsers.option_texts import begins_word
from zhmcq.parsers.protocol import Candidate, Status
from zhmcq.parsers.rules import BY_NAME, DECISION, STRICT, Rule, judgement, leads
from zhmcq.questions import Question

__all__ = ["LEAST", "find_candidates"]

# A longer reply is read at its two ends only: answers stand there, and time stays bounded.
LONGEST, HEAD = 24_000, 4_000
# An option text after a word such as 因此 may be any sentence: it has to be the only one.
_WEAK_TEXT = 58
# The last mentions of an option's text; a reply that has more is no plainer for it.
_MOST_MENTIONS = 20
# 如果選A: seen, but never relied on. A candidate needs this much at least.
_SUPPOSITION, LEAST = 15, 30
# 因此選項A正確, where the question asks for the false one: most likely a slip of the reply.
_TRUE_THOUGH_FALSE_ASKED = 35


_PAIRS = dict(zip(")]）］】」}", "([（［【「{", strict=True))
_OPENERS = frozenset("([（［【「")


class _Reader:
    """One reply being read: collects the candidates."""

    def __init__(
        self, text: str, question: Question, *, reasoning: bool, whole: bool = False
    ) -> None:
        self.original = text
        self.first, last = spoken_part(text) if reasoning else (0, len(text))
        self.gap = max(0, last - self.first - LONGEST)
        part = text[self.first : last]
        if self.gap:
            part = part[:HEAD] + part[HEAD + self.gap :]
        self.folded: Folded = fold(part)
        turn = this_turn(self.folded.text)
        next_turn = None if whole else next_question(turn)
        self.text = turn[:next_turn]
        self.was_cut = next_turn is not None
        self.words: Vocabulary = vocabulary(question)
        self.multiple = question.kind == "multiple"
        self.stem = question.stem
        self.found: list[Candidate] = []
        self.verdicts: dict[int, str] = {}
        self.layout = Layout(self.text, self.words)
        self.opening = self.words.read(self.text, 0)

    @functools.cached_property
    def asks_false(self) -> bool:
        """Whether the question asks for the option that does not hold."""
        stem = fold(self.stem).text
        return bool(contexts.ASKS_FALSE.search(stem)) and not contexts.ASKS_TRUE.search(stem)

    def candidates(self, *, everything: bool) -> list[Candidate]:
        """All candidates in the order of the rules; if not everything, those that can matter."""
        if self.text.strip() and not self._only():
            self._before()
            self._after()
            self._forms()
            decided = any(candidate.weight >= DECISION for candidate in self.found)
            if everything or not decided:
                self._verdicts()
                self._texts()
        return self.found

    def _add(
        self,
        rule: str,
        start: int,
        end: int,
        indexes: Iterable[int],
        *,
        status: Status = "answered",
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
        points = BY_NAME[rule].weight if weight is None else weight
        self.found.append(Candidate(answer, status, points, rule, evidence, (begin, stop)))

    def _span(self, start: int, end: int) -> tuple[int, int]:
        begin, stop = self.folded.span(start, end)
        begin += self.gap if begin >= HEAD else 0
        stop += self.gap if stop > HEAD else 0
        return begin + self.first, stop + self.first

    def _read(self, rule: str, start: int, reading: Reading, weight: int | None = None) -> None:
        status: Status = "answered"
        if reading.unknown:
            status = "out_of_range"
        elif reading.open_choice:
            status = "ambiguous"
        self._add(rule, start, reading.end, reading.indexes, status=status, weight=weight)

    def _before(self) -> None:
        for rule, start, end, linked in leads(self.text):
            reading = self.words.read(self.text, linked)
            if reading is None:
                self._no_answer(rule, start, end)
            elif self.layout.in_echo(reading.start):
                continue
            elif not rule.weak or self._stands(reading):
                self._weigh(rule, start, reading)

    def _no_answer(self, rule: Rule, start: int, end: int) -> None:
        """【答案】無法確定 and 答案：以上皆非, where that is not an option."""
        if rule.effect == "choose" and not rule.weak:
            fill = contexts.FILL.match(self.text, end).end()  # type: ignore[union-attr]
            nothing = contexts.ABSTAINS.match(self.text, fill) or NONE_OF_THEM.match(
                self.text, fill
            )
            if nothing:
                self._add(rule.name, start, nothing.end(), (), status="none")

    def _weigh(self, rule: Rule, start: int, reading: Reading) -> None:
        closed = contexts.BRACKETS.match(self.text, reading.end).end()  # type: ignore[union-attr]
        judged = judgement(self.text, closed)
        effect = rule.effect
        if judged and judged[0].effect == "false" and self.text[closed] not in ",:":
            effect = "false"  # 【答案】C、D都错误
        if contexts.FALSE_BEFORE.search(self.text, max(0, start - 6), start):
            effect = "false"  # 错误答案是A
        if effect == "false":
            effect = "choose" if self.asks_false else "reject"
        # 不，是B: the comma parts the negation from the choice.
        negated = self.text[start] != "," and contexts.NOT_BEFORE.search(
            self.text, max(0, start - 8), start
        )
        if effect == "reject" or negated:
            self._reject(rule.name, start, reading)
        elif self._supposed(start) or contexts.ASKED.match(self.text, closed):
            self._read(rule.name, start, reading, weight=_SUPPOSITION)
        elif rule.weak and self.asks_false and judged and judged[0].effect == "choose":
            self._read(rule.name, start, reading, weight=_TRUE_THOUGH_FALSE_ASKED)
        elif rule.weak and reading.by_text:
            self._read(rule.name, start, reading, weight=_WEAK_TEXT)
        else:
            self._read(rule.name, start, reading)

    def _supposed(self, start: int) -> bool:
        return bool(contexts.SUPPOSED.search(self.text, max(0, start - 20), start))

    def _reject(self, rule: str, start: int, reading: Reading) -> None:
        for index in reading.indexes:
            self.verdicts[index] = "no"
        self._add(rule, start, reading.end, reading.indexes, weight=0)

    def _stands(self, reading: Reading) -> bool:
        """Whether a label after a weak cue is an answer and not the beginning of a sentence."""
        if self.layout.starts_list(reading):
            return False
        if reading.with_text or reading.unknown:
            return reading.with_text
        if self.words.polar and contexts.YES_MARK.match(self.text, reading.end):
            return True
        if reading.by_text:
            return bool(contexts.CLAUSE_END.match(self.text, reading.end))
        introduced = self.text[max(0, reading.start - 3) : reading.start]
        if introduced.endswith(("选项", "(", "[", '"', "**")):
            return True
        return bool(contexts.CLAUSE_END.match(self.text, reading.end))

    def _after(self) -> None:
        if self.words.style == "other":
            return
        pending: list[int] = []
        begin = last = 0
        for match in self.words.shapes.mention.finditer(self.text):
            start, end = match.span()
            index = self.words.forms.get(match.group())
            if index is None or self.layout.in_echo(start):
                pending = []
                continue
            joined = pending and contexts.JOINS.fullmatch(self.text, last, start)
            pending = [*pending[-self.words.count :], index] if joined else [index]
            begin = begin if joined else start
            last = end
            after = contexts.BRACKETS.match(self.text, end).end()  # type: ignore[union-attr]
            own = self.words.text_at(self.text, after)
            if own and own.indexes == (index,):
                after = own.end
            quoted = self.text[end : end + 1] == '"'  # 选项C"…"符合题意
            judged = (judgement(self.text, end) if quoted else None) or judgement(self.text, after)
            if judged:
                self._judge(*judged, begin, pending)
                pending = []

    def _judge(self, rule: Rule, end: int, start: int, indexes: list[int]) -> None:
        wrong = rule.effect == "false"
        for index in indexes:
            self.verdicts[index] = "no" if wrong else "yes"
        lead = self.text[max(0, start - 20) : start]
        weight = rule.weight
        concludes = contexts.CONCLUDES.search(lead)
        if self._supposed(start) or (wrong and not self.asks_false):
            weight = 0
        elif rule.weight < DECISION and not wrong and self.asks_false:
            weight = _TRUE_THOUGH_FALSE_ASKED if concludes else _SUPPOSITION
        elif rule.weight < DECISION and concludes:
            weight = STRICT
        self._add(rule.name, start, end, indexes, weight=weight)

    def _only(self) -> bool:
        """Whether the reply is a label, an option text or both, and nothing else."""
        reading = self.opening
        if not reading or not contexts.SENTENCE_END.match(self.text, reading.end):
            return False
        self._read("only_text" if reading.by_text else "only_label", reading.start, reading)
        return True

    def _forms(self) -> None:
        if self.opening and self._opens(self.opening):
            self._read("opening", self.opening.start, self.opening)
        elif not self.opening:
            self._opens_with_none()
        line = self.text.rfind("\n", 0, len(self.text.rstrip()))
        closing = self.words.read(self.text, line) if line >= 0 else None
        if closing and self._closes(closing, line):
            self._read("closing", closing.start, closing)
        for item in self.layout.items:
            wrong = self.verdicts.get(item.indexes[0]) == "no" and not self.asks_false
            counts = item.with_text and not wrong and not self.layout.listed(item)
            if counts and not self.layout.in_echo(item.start):
                self._read("label_and_text", item.start, item)
        if self.words.polar:
            for match in contexts.STATEMENT.finditer(self.text):
                said = self.words.read(self.text, match.end())
                if said and not said.unknown:
                    self._read("statement_is", match.start(), said)

    def _opens_with_none(self) -> None:
        start = contexts.FILL.match(self.text).end()  # type: ignore[union-attr]
        nothing = NONE_OF_THEM.match(self.text, start) or contexts.ABSTAINS.match(self.text, start)
        if nothing and contexts.ENDS.match(self.text, nothing.end()):
            self._add("opening", start, nothing.end(), (), status="none")

    def _closes(self, reading: Reading, line: int) -> bool:
        if reading.unknown or not contexts.SENTENCE_END.match(self.text, reading.end):
            return False
        # "= 2" at the end of a calculation is a result, not label 2.
        if (
            self.words.style == "digits"
            and not reading.by_text
            and "=" in self.text[line : line + 9]
        ):
            return False
        return not self.layout.in_echo(reading.start) and not self.layout.listed(reading)

    def _opens(self, reading: Reading) -> bool:
        if reading.unknown or reading.open_choice:
            return False
        if self.verdicts.get(reading.indexes[0]) == "no" and not self.asks_false:
            return False
        if self.layout.in_echo(reading.start) or self.layout.listed(reading):
            return False
        if self.words.polar:
            return bool(contexts.YES_MARK.match(self.text, reading.end))
        follows = self.text[reading.end : reading.end + 1]
        if reading.by_text:
            return follows in "。.\n"
        return reading.with_text or follows in ".。,:)]*、\n"

    def _verdicts(self) -> None:
        """One option judged unlike all others: the answer by elimination."""
        count = self.words.count
        if count < 3 or not (self.layout.items or self.verdicts):
            return
        verdicts = {}
        ends = [*(item.start for item in self.layout.items[1:]), len(self.text)]
        for item, stop in zip(self.layout.items, ends, strict=False):
            if self.layout.in_echo(item.start):
                continue
            said = [
                m.lastgroup
                for m in VERDICT.finditer(self.text, item.end, min(stop, item.end + 400))
            ]
            if said:
                verdicts[item.indexes[0]] = str(said[-1])
        verdicts.update(self.verdicts)
        yes = [index for index, word in verdicts.items() if word == "yes"]
        no = [index for index, word in verdicts.items() if word == "no"]
        end = len(self.text.rstrip())
        start = self.layout.items[0].start if self.layout.items else 0
        if self.multiple:
            chosen = no if self.asks_false else yes
            if chosen and verdicts:
                self._add("verdicts", start, end, chosen, weight=72)
        elif len(no) == count - 1 and not (self.asks_false and self.stem.strip()):
            self._add("verdicts", start, end, set(range(count)) - set(no))
        elif len(yes) == count - 1 and len(no) == 1 and (self.asks_false or not self.stem.strip()):
            self._add("verdicts", start, end, no)

    def _named(self) -> list[tuple[int, int, int]]:
        """Option texts that the reply neither repeats nor rejects: start, end, index."""
        lower = self.text.lower()
        same = len(lower) == len(self.text)  # İ becomes two characters
        places: list[tuple[int, int, int]] = []
        for index, option in self.words.longest_first:
            place = len(self.text)
            for _ in range(_MOST_MENTIONS):
                if same:
                    place = lower.rfind(option.lower(), 0, place)
                else:
                    place = self.text.rfind(option, 0, place)
                if place < 0:
                    break
                end = place + len(option)
                inside = any(first <= place and end <= last for first, last, _ in places)
                if not inside and self._affirms(index, place):
                    places.append((place, end, index))
        return sorted(places)

    def _affirms(self, index: int, place: int) -> bool:
        return (
            not self.layout.in_echo(place)
            and self.verdicts.get(index) != "no"
            and begins_word(self.text, place)
            and self.words.text_at(self.text, place) is not None
            and not contexts.NOT_BEFORE.search(self.text, max(0, place - 8), place)
        )

    def _texts(self) -> None:
        """Options named by their texts alone."""
        places = self._named()
        if not places:
            return
        named = {index for _, _, index in places}
        start, end, index = places[-1]
        chosen = {index}
        for first, last, other in reversed(places[:-1]):  # 炎熱、颱風: a list at the end
            if not contexts.JOINS.fullmatch(self.text, last, start):
                break
            chosen.add(other)
            start = first
        sentence = max(self.text.rfind(mark, 0, start) for mark in "。\n!?;")
        alone = all(other in chosen for first, _, other in places if first > sentence)
        substantial = len(self.words.squeezed[index]) > 1
        said = substantial or contexts.IS_BEFORE.search(self.text, max(0, start - 4), start)
        if contexts.SENTENCE_END.match(self.text, end) and alone and said:
            self._add("text_at_end", start, end, chosen)
        elif len(named) == 1 and substantial:
            self._add("text_once", start, end, named)


def find_candidates(
    text: str, question: Question, *, reasoning: bool = False, everything: bool = False
) -> list[Candidate]:
    """The candidates in a reply, in the order of the rules.

    Args:
        text: The reply.
        question: The question it answers.
        reasoning: Whether to leave out ``<think>…</think>``.
        everything: Whether to look for weaker candidates where there is a decision already.
    """
    reader = _Reader(text, question, reasoning=reasoning)
    found = reader.candidates(everything=everything)
    if reader.was_cut and not any(candidate.weight >= LEAST for candidate in found):
        # What looked like the next question was a heading of this reply.
        reader = _Reader(text, question, reasoning=reasoning, whole=True)
        found = reader.candidates(everything=everything)
    return found
