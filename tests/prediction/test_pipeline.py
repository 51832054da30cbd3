"""The pipeline with an engine that needs no model: journal, resuming, order, statistics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from zhmcq.encoding import Encoder
from zhmcq.errors import PluginError
from zhmcq.manifest import BaseIdentity
from zhmcq.prediction._engines import Engine, EngineStep, PreparedQuestion, Record
from zhmcq.prediction._journal import Journal, JournalRun
from zhmcq.prediction._pipeline import PreparedBank, answer, journal_fields, prepare
from zhmcq.prediction._predictions import Prediction, Predictions, PredictionStats
from zhmcq.prompts import get_prompt
from zhmcq.questions import Question, QuestionBank

NAMES = ["a", "b", "c", "d", "e"]
BANK = QuestionBank([Question(name, f"問{name}？", ("甲", "乙")) for name in NAMES])


@dataclass
class FirstOption:
    """Chooses the first option, two questions a step and the last ones first."""

    computed: list[str] = field(default_factory=list)
    fails_at: str = ""

    def journal_fields(self) -> dict[str, Any]:
        return {"mode": "first"}

    def phases(self, questions: Sequence[PreparedQuestion]) -> list[list[PreparedQuestion]]:
        return [list(questions)]

    def stream(self, questions: Sequence[PreparedQuestion]) -> Iterator[EngineStep]:
        names = [question.id for question in reversed(questions)]
        for start in range(0, len(names), 2):
            step = names[start : start + 2]
            if self.fails_at in step:
                raise RuntimeError("out of memory")
            self.computed += step
            yield EngineStep(
                [{"id": name, "option": 0} for name in step],
                PredictionStats(len(self.computed), 0.5 * len(self.computed)),
            )

    def fault(self, question: PreparedQuestion, record: Record) -> str | None:
        return None if "option" in record else "an option"

    def prediction(self, question: PreparedQuestion, record: Record) -> Prediction:
        option = record["option"]
        return Prediction(question.id, (option,), question.question.labels[option])


@pytest.fixture
def encoder(tokenizer: Any) -> Encoder:
    return Encoder(tokenizer, get_prompt("zh-exam"))


def run(
    encoder: Encoder, engine: FirstOption, journal: Path | None = None
) -> tuple[Predictions, list[tuple[int, int, str]]]:
    prepared = prepare(BANK, encoder)
    calls: list[tuple[int, int, str]] = []

    def progress(done: int, total: int, stage: str) -> None:
        calls.append((done, total, stage))

    if journal is None:
        return answer(prepared, engine, progress), calls
    with Journal(journal, journal_run(prepared, engine)) as book:
        book.begin("float32")
        return answer(prepared, engine, progress, book), calls


def journal_run(prepared: PreparedBank, engine: Engine) -> JournalRun:
    base = BaseIdentity(
        name="m", config={}, weights_sha256="w", tokenizer_sha256="t", chat_template_sha256=""
    )
    return JournalRun(base, chat=False, fields=journal_fields(prepared, engine, {}))


def test_answers_come_in_the_order_of_the_bank_with_the_statistics_of_the_last_step(
    encoder: Encoder,
) -> None:
    predictions, calls = run(encoder, FirstOption())
    assert [(item.id, item.label) for item in predictions] == [(name, "A") for name in NAMES]
    assert predictions.stats == PredictionStats(5, 2.5)
    assert calls == [(n, 5, "answering") for n in (0, 2, 4, 5)]


def test_a_step_is_in_the_journal_before_it_is_reported(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    lines: list[int] = []
    prepared = prepare(BANK, encoder)
    engine = FirstOption()
    with Journal(path, journal_run(prepared, engine)) as book:
        book.begin("float32")
        answer(
            prepared,
            engine,
            lambda _done, _total, _stage: lines.append(path.read_bytes().count(b"\n")),
            book,
        )
    assert lines == [1, 3, 5, 6]
    records = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()[1:]]
    assert records[0] == {"id": "e", "option": 0}


def test_a_step_that_answers_nothing_more_is_neither_written_nor_reported(
    encoder: Encoder,
) -> None:
    class WithEmptySteps(FirstOption):
        def stream(self, questions: Sequence[PreparedQuestion]) -> Iterator[EngineStep]:
            for step in super().stream(questions):
                yield step
                yield EngineStep([], step.stats)

    class Written:
        def __init__(self) -> None:
            self.finished: dict[str, Record] = {}
            self.sizes: list[int] = []

        def add(self, records: list[Record]) -> None:
            self.sizes.append(len(records))

    calls: list[int] = []
    written = Written()
    answer(
        prepare(BANK, encoder),
        WithEmptySteps(),
        lambda done, _total, _stage: calls.append(done),
        written,
    )
    assert calls == [0, 2, 4, 5]
    assert written.sizes == [2, 2, 1]


def test_a_run_that_failed_is_resumed_without_asking_the_engine_again(
    encoder: Encoder, tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    with pytest.raises(RuntimeError, match="out of memory"):
        run(encoder, FirstOption(fails_at="c"), path)
    engine = FirstOption()
    predictions, calls = run(encoder, engine, path)
    assert engine.computed == ["c", "b", "a"]
    assert [item.id for item in predictions] == NAMES
    assert predictions.stats.questions == 3
    assert [done for done, _, _ in calls] == [2, 4, 5]


def test_a_finished_journal_is_read_as_it_stands(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    run(encoder, FirstOption(), path)
    path.write_text(
        path.read_text(encoding="ascii").replace('"option": 0', '"option": 1'), encoding="ascii"
    )
    engine = FirstOption()
    predictions, calls = run(encoder, engine, path)
    assert engine.computed == []
    assert {item.label for item in predictions} == {"B"}
    assert predictions.stats == PredictionStats()
    assert calls == [(5, 5, "answering")]


def test_a_question_that_cannot_be_encoded_keeps_its_place_and_says_why(tokenizer: Any) -> None:
    class RefusesC:
        def render(self, question: Question) -> Any:
            if question.id == "c":
                raise PluginError("c is refused")
            return get_prompt("zh-exam").render(question)

    prepared = prepare(BANK, Encoder(tokenizer, RefusesC()))
    assert [question.id for question in prepared.questions] == ["a", "b", "d", "e"]
    predictions = answer(prepared, FirstOption(), lambda _done, _total, _stage: None)
    assert [item.status for item in predictions] == [
        *("answered", "answered", "unusable", "answered", "answered"),
    ]
    assert predictions[2].reason == "c is refused"


def test_a_bank_without_questions_has_no_answers(encoder: Encoder) -> None:
    prepared = prepare(QuestionBank([]), encoder)
    assert prepared.longest == 1
    assert len(answer(prepared, FirstOption(), lambda _done, _total, _stage: None)) == 0


def test_a_journals_run_holds_a_hash_of_the_ids_of_prompts_and_candidates(
    encoder: Encoder,
) -> None:
    prepared = prepare(BANK[:2], encoder)
    lines = [
        json.dumps([question.id, question.encoded.prompt, question.encoded.candidates]) + "\n"
        for question in prepared.questions
    ]
    assert journal_fields(prepared, FirstOption(), {"prompt": {"name": "p"}}) == {
        "prompt": {"name": "p"},
        "mode": "first",
        "questions": hashlib.sha256("".join(lines).encode()).hexdigest(),
    }
