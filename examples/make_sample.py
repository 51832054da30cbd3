"""Write the synthetic sample workbook: ``python examples/make_sample.py sample.xlsx``.

Two files are written: ``sample.xlsx`` (questions with keys, to train and evaluate on) and
``sample_unanswered.xlsx`` (questions on other passages, without keys, to be answered).

A passage gives four subjects (people, days, towns …) one value each; some of the values replace an
earlier one, which is mentioned too. All four options of a question stand in the passage, and
each of them could be right as far as the question goes, so that only reading the passage tells
which one is. The questions are random, not collected: they teach and test whether a model finds
the right fact in a short text, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path

import xlsxwriter
from rapidfuzz import fuzz, process

from sample_vocabulary import SCENARIOS, Scenario
from zhmcq.questions import Question

__all__ = ["SOURCE", "Sample", "sample_questions", "write_sample"]

SOURCE = "合成樣本（synthetic, made by zhmcq）"
SHEET_WITH_KEYS = "訓練題"
SHEET_WITHOUT_KEYS = "作答題"
PASSAGES = 180
UNANSWERED_PASSAGES = 16
# By chance, some seeds favour texts that are often the key; with this one they are not favoured.
SEED = 9
FACTS = 4
# How many of the plain facts are also asked about in other words than the passage's. The wording
# of the passage, up to the word asked for, is easier; a sample of reworded questions only leaves
# an untrained small model close to guessing.
REWORDED = 0.5
# Passages that share more than this would be taken for near-copies, which a split keeps in one
# part; rapidfuzz's ratio, in percent.
MOST_ALIKE = 65.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The questions of the sample; those of ``unanswered`` have keys that are not written.

    Attributes:
        answered: Questions for training and evaluation.
        unanswered: Questions on other passages, to be answered.
    """

    answered: tuple[Question, ...]
    unanswered: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class _Fact:
    """A clause of a passage: the value that holds for a subject, and the earlier one, if any."""

    key: str
    value: str
    given_up: str
    template: str

    @property
    def clause(self) -> str:
        return self.template.format(k=self.key, v=self.value, x=self.given_up)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A question before its options are put in order.

    ``mention`` counts the options that the passage mentions before the right one.
    """

    stem: str
    right: str
    wrong: tuple[str, ...]
    mention: int
    fact: _Fact


def sample_questions(seed: int = SEED) -> Sample:
    """Make the questions of the sample.

    Args:
        seed: Fixes every random choice; the same seed gives the same questions.

    Returns:
        About 450 questions on 180 passages with keys, about 40 on 16 other passages without. A
        question's ``explanation`` is the clause of the passage that its key follows from.
    """
    rng = random.Random(seed)
    writer = _Writer(rng)
    passages = [writer.passage(number) for number in range(PASSAGES + UNANSWERED_PASSAGES)]
    answered, unanswered = passages[:PASSAGES], passages[PASSAGES:]
    # The topics come in turn up to here; a part of the workbook should have all of them.
    rng.shuffle(answered)
    return Sample(_number("S", chain(*answered)), _number("U", chain(*unanswered)))


def write_sample(path: str | Path, seed: int = SEED) -> tuple[Path, Path]:
    """Write the sample's two workbooks; files of an earlier run are replaced.

    Args:
        path: Where the workbook with keys goes (``sample.xlsx``). The one without keys is written
            into the same folder (``sample_unanswered.xlsx``).
        seed: As for :func:`sample_questions`; the same seed gives the same bytes.

    Returns:
        The paths of the workbook with keys and of the one without.
    """
    with_keys = Path(path)
    without_keys = with_keys.with_name(f"{with_keys.stem}_unanswered{with_keys.suffix}")
    sample = sample_questions(seed)
    _write_workbook(with_keys, SHEET_WITH_KEYS, sample.answered, keys=True)
    _write_workbook(without_keys, SHEET_WITHOUT_KEYS, sample.unanswered, keys=False)
    return with_keys, without_keys


class _Writer:
    """Writes passages and their questions, and keeps the positions of the key in balance."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.texts: list[str] = []
        self.mentions: Counter[int] = Counter()
        self.positions: Counter[int] = Counter()

    def passage(self, number: int) -> list[Question]:
        """Write one passage, unlike those before it, and two or three questions about it."""
        scenario = SCENARIOS[number % len(SCENARIOS)]
        changes = (0, 1, 1, 2)[self.rng.randrange(4)]
        while True:
            facts = self._facts(scenario, changes)
            text = self._text(scenario, facts)
            if process.extractOne(text, self.texts, scorer=fuzz.ratio, score_cutoff=MOST_ALIKE):
                continue
            self.texts.append(text)
            return self._questions(scenario, text, facts, count=2 + (number // 2) % 2)

    def _facts(self, scenario: Scenario, changes: int) -> list[_Fact]:
        keys = self.rng.sample(scenario.keys, FACTS)
        values = self.rng.sample(scenario.values, FACTS + changes)
        given_up = [*values[FACTS:], *[""] * (FACTS - changes)]
        templates = [
            *self.rng.sample(scenario.changes, changes),
            *self.rng.sample(scenario.facts, FACTS - changes),
        ]
        facts = [_Fact(*parts) for parts in zip(keys, values, given_up, templates, strict=False)]
        self.rng.shuffle(facts)
        return facts

    def _text(self, scenario: Scenario, facts: Sequence[_Fact]) -> str:
        text = self.rng.choice(scenario.openings)
        for fact in facts[:-1]:
            text += fact.clause + self.rng.choice("，；。" if not fact.given_up else "；。")
        return text + facts[-1].clause + "。"

    def _questions(
        self, scenario: Scenario, text: str, facts: Sequence[_Fact], count: int
    ) -> list[Question]:
        drafts = self._drafts(scenario, text, facts)
        questions: list[Question] = []
        while len(questions) < count:
            self.rng.shuffle(drafts)
            # The option mentioned first (or last) must be right as often as any other one.
            draft = min(drafts, key=lambda draft: self.mentions[draft.mention])
            self.mentions[draft.mention] += 1
            questions.append(self._question(scenario, text, draft))
            drafts = [other for other in drafts if other.fact is not draft.fact]
        return questions

    def _drafts(self, scenario: Scenario, text: str, facts: Sequence[_Fact]) -> list[_Draft]:
        """Every question that can be asked about the passage, with one wording each."""
        drafts: list[_Draft] = []
        for fact in facts:
            rivals = [other for other in facts if other is not fact]
            values = [other.value for other in rivals]
            values += [other.given_up for other in rivals if other.given_up]
            keys = [other.key for other in rivals]
            wordings = [
                (scenario.ask_value, fact.value, self._wrong_values(fact.given_up, values)),
                (scenario.ask_key, fact.key, keys),
            ]
            if fact.given_up:
                wrong = self._wrong_values(fact.value, values)
                wordings.append((scenario.ask_old, fact.given_up, wrong))
            else:
                who, what = scenario.ask_words
                template = fact.template + "？"
                if template.index("{k}") < template.index("{v}"):
                    echo = ((template.replace("{v}", what),), *wordings[0][1:])
                else:
                    echo = ((template.replace("{k}", who),), *wordings[1][1:])
                wordings = [echo, *(wordings if self.rng.random() < REWORDED else [])]
            for stems, right, wrong in wordings:
                if stems:
                    stem = self.rng.choice(stems).format(k=fact.key, v=fact.value)
                    mention = sum(text.index(other) < text.index(right) for other in wrong)
                    drafts.append(_Draft(stem, right, tuple(wrong), mention, fact))
        return drafts

    def _wrong_values(self, trap: str, values: Sequence[str]) -> list[str]:
        """Three wrong values; one that held for the same subject before is always among them."""
        return [trap, *self.rng.sample(values, 2)] if trap else self.rng.sample(values, 3)

    def _question(self, scenario: Scenario, text: str, draft: _Draft) -> Question:
        fewest = min(self.positions[position] for position in range(FACTS))
        answer = self.rng.choice([p for p in range(FACTS) if self.positions[p] == fewest])
        self.positions[answer] += 1
        options = self.rng.sample(draft.wrong, len(draft.wrong))
        options.insert(answer, draft.right)
        return Question(
            id=f"{scenario.topic}/{draft.stem}/{len(self.texts)}",
            stem=draft.stem,
            options=tuple(options),
            passage=text,
            labels=("1", "2", "3", "4"),
            answer=(answer,),
            subject=scenario.topic,
            explanation=draft.fact.clause,
            source=SOURCE,
        )


def _number(prefix: str, questions: Iterable[Question]) -> tuple[Question, ...]:
    return tuple(
        replace(question, id=f"{prefix}{number:03d}")
        for number, question in enumerate(questions, start=1)
    )


def _write_workbook(path: Path, sheet: str, questions: Sequence[Question], *, keys: bool) -> None:
    headers = ["題號", "文章", "問題", "選項1", "選項2", "選項3", "選項4"]
    headers += ["正確答案"] if keys else []
    headers += ["資料來源"]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written to a temporary file and renamed, so that no reader sees half a workbook.
    handle, name = tempfile.mkstemp(suffix=".xlsx", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        # In memory: it has no temporary files elsewhere, which a kill would leave there.
        options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
        with xlsxwriter.Workbook(str(temporary), options) as book:
            # A fixed date keeps the bytes the same from run to run.
            book.set_properties(
                {"title": "zhmcq sample", "comments": SOURCE, "created": datetime(2026, 1, 1)}
            )
            table = book.add_worksheet(sheet)
            table.write_row(0, 0, headers)
            for row, question in enumerate(questions, start=1):
                cells: list[str | int] = [question.id, question.passage, question.stem]
                cells += question.options
                cells += [int(question.answer_label)] if keys else []
                table.write_row(row, 0, [*cells, question.source])
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def main() -> None:
    """Write the sample where the command line says."""
    parser = argparse.ArgumentParser(description="Write the synthetic sample workbooks.")
    parser.add_argument("path", nargs="?", default="sample.xlsx", help="the workbook with keys")
    parser.add_argument("--seed", type=int, default=SEED, help="fixes every choice")
    arguments = parser.parse_args()
    for path in write_sample(arguments.path, arguments.seed):
        print(f"written: {path}")


if __name__ == "__main__":
    main()
