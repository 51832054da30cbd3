"""A bank is answered window by window as it is answered at once, and resumed from its journal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import zhmcq
from zhmcq.errors import (
    EncodingError,
    OutputError,
    OutputExistsError,
    PredictionError,
    ReadError,
)
from zhmcq.prediction import PredictionStats, StreamStats, _stream
from zhmcq.questions import Question, RowProblem
from zhmcq.settings import GenerateSettings
from zhmcq.testing import tiny_llama

PLACES = ("山上", "海邊", "家裡", "學校")


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> zhmcq.MCQPredictor:
    folder = tiny_llama(tmp_path_factory.mktemp("stream") / "base")
    return zhmcq.MCQPredictor(folder, prompt="zh-exam", max_length=200)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four questions a window, or more of one passage."""
    monkeypatch.setattr(_stream.windows, "__defaults__", (4,))


def write_bank(path: Path, count: int = 13, changed: Mapping[str, str] | None = None) -> Path:
    """Questions q0, q1 …, of which q5 has one option and q9 is longer than the maximum length.

    Args:
        path: The jsonl file.
        count: How many.
        changed: Other stems, by id.
    """
    records = [
        {
            "id": f"q{n}",
            "passage": f"第{n // 3}篇。",
            "question": (changed or {}).get(f"q{n}", f"第{n}個人在哪裡？") + "長" * 300 * (n == 9),
            "options": PLACES[: 1 if n == 5 else 4],
            "answer": "ABCD"[n % 4],
        }
        for n in range(count)
    ]
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return path


def records_of(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text(encoding="ascii").splitlines()[1:]]


@pytest.mark.parametrize(
    "arguments", [{}, {"orders": 2}, {"mode": GenerateSettings(max_new_tokens=4)}]
)
def test_the_csv_of_a_stream_is_that_of_a_prediction(
    predictor: zhmcq.MCQPredictor, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    bank = write_bank(tmp_path / "bank.jsonl")
    whole = predictor.predict(bank, **arguments)
    whole.to_csv(tmp_path / "whole.csv")
    stats = predictor.predict_stream(bank, tmp_path / "stream.csv", **arguments)
    assert (tmp_path / "stream.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (stats.questions, stats.rows, stats.keyed) == (12, 13, 12)
    assert stats.correct == whole.evaluate().correct
    assert sum(stats.statuses.values()) == 13
    assert stats.statuses["unusable"] == 2
    assert stats.answering.questions == 11
    assert stats.answering.orders == whole.stats.orders


def test_a_stream_is_resumed_after_an_interruption_at_any_step(
    predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    bank, out, path = write_bank(tmp_path / "bank.jsonl"), tmp_path / "a.csv", tmp_path / "j.jsonl"
    predictor.predict_stream(bank, out, journal=path)
    complete, answers = path.read_bytes(), out.read_bytes()
    assert [record["id"] for record in records_of(path)][-1] == "q12"
    ends = [index + 1 for index, byte in enumerate(complete) if byte == ord("\n")]
    for end in [0, 20, ends[0] - 1, *ends, ends[3] + 5, ends[5] - 1]:
        path.write_bytes(complete[:end])
        had = sum(e <= end for e in ends[1:])
        stats = predictor.predict_stream(bank, out, journal=path)
        assert stats.answering.questions == 11 - had
        assert out.read_bytes() == answers
        names = [record["id"] for record in records_of(path)]
        assert sorted(names) == sorted({f"q{n}" for n in range(13)} - {"q5", "q9"})


def test_an_interrupted_stream_leaves_its_journal_and_the_older_csv(
    predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    bank, out, path = write_bank(tmp_path / "bank.jsonl"), tmp_path / "a.csv", tmp_path / "j.jsonl"
    out.write_text("older", encoding="utf-8")

    def stop(done: int, _total: int, stage: str) -> None:
        if stage == "answering" and done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predictor.predict_stream(bank, out, journal=path, progress=stop)
    assert out.read_text(encoding="utf-8") == "older"
    assert len(records_of(path)) >= 6
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.csv", "bank.jsonl", "j.jsonl"]


@pytest.mark.parametrize("name", ["q0", "q4", "q12"])
def test_another_bank_is_refused_at_the_first_question_that_differs(
    predictor: zhmcq.MCQPredictor, tmp_path: Path, name: str
) -> None:
    bank, out, path = write_bank(tmp_path / "bank.jsonl"), tmp_path / "a.csv", tmp_path / "j.jsonl"
    predictor.predict_stream(bank, out, journal=path)
    complete = path.read_bytes()
    other = write_bank(tmp_path / "other.jsonl", changed={name: "誰在哪裡？"})
    number = [record["id"] for record in records_of(path)].index(name) + 2
    with pytest.raises(PredictionError, match=f"line {number}: expected the answer to a question"):
        predictor.predict_stream(other, tmp_path / "b.csv", journal=path)
    assert path.read_bytes() == complete
    assert not (tmp_path / "b.csv").exists()


def test_a_longer_bank_goes_on_and_a_shorter_one_is_refused(
    predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    bank, out, path = write_bank(tmp_path / "bank.jsonl"), tmp_path / "a.csv", tmp_path / "j.jsonl"
    predictor.predict_stream(bank, out, journal=path)
    longer = write_bank(tmp_path / "longer.jsonl", 16)
    assert predictor.predict_stream(longer, out, journal=path).answering.questions == 3
    with pytest.raises(PredictionError, match="expected no answer after that to the bank's last"):
        predictor.predict_stream(bank, out, journal=path)


def test_a_journal_of_a_prediction_or_a_damaged_line_is_refused(
    predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    bank, out, path = write_bank(tmp_path / "bank.jsonl"), tmp_path / "a.csv", tmp_path / "j.jsonl"
    predictor.predict(bank, journal=path)
    with pytest.raises(PredictionError, match="of another run"):
        predictor.predict_stream(bank, out, journal=path)
    path.unlink()
    predictor.predict_stream(bank, out, journal=path)
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    path.write_text("".join([*lines[:3], "[1]\n", *lines[3:]]), encoding="ascii")
    with pytest.raises(PredictionError, match="line 4: expected an answer as json"):
        predictor.predict_stream(bank, out, journal=path)


def test_what_cannot_be_streamed_is_refused_before_anything_is_read(
    predictor: zhmcq.MCQPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, out = write_bank(tmp_path / "bank.jsonl"), tmp_path / "a.csv"
    with pytest.raises(PredictionError, match="orders='prior' needs the whole bank"):
        predictor.predict_stream(bank, out, orders="prior")  # type: ignore[arg-type]
    with pytest.raises(PredictionError, match="output_csv and journal are both"):
        predictor.predict_stream(bank, out, journal=out)
    with pytest.raises(OutputExistsError, match="this call reads"):
        predictor.predict_stream(bank, bank)
    with pytest.raises(ReadError):
        predictor.predict_stream(tmp_path / "missing.jsonl", out)
    with pytest.raises(PredictionError):
        predictor.predict_stream(3, out)  # type: ignore[arg-type]
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(PredictionError, match="under a launcher"):
        predictor.predict_stream(bank, out)
    assert not out.exists()


def test_a_stream_without_questions_has_a_header_alone(
    predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    empty = zhmcq.QuestionBank([])
    stats = predictor.predict_stream(empty, tmp_path / "a.csv", journal=tmp_path / "j")
    assert stats == StreamStats(answering=PredictionStats())
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "ID,Answer\n"


def test_progress_counts_the_questions_of_all_windows(
    predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    calls: list[tuple[int, int]] = []

    def progress(done: int, total: int, stage: str) -> None:
        if stage == "answering":
            calls.append((done, total))

    predictor.predict_stream(
        write_bank(tmp_path / "bank.jsonl"), tmp_path / "a.csv", progress=progress
    )
    assert calls[0][0] == 0
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert all(done < total for done, total in calls[:-1])
    assert calls[-1] == (12, 12)


@pytest.fixture(scope="module")
def particular(tmp_path_factory: pytest.TempPathFactory) -> zhmcq.MCQPredictor:
    """Its chat template refuses questions that say 禁."""
    folder = tiny_llama(tmp_path_factory.mktemp("chat") / "base", chat=True)
    predictor = zhmcq.MCQPredictor(folder, prompt="zh-chat", max_length=400)
    refuse = "{% for m in messages %}{% if '禁' in m.content %}{{ no() }}{% endif %}{% endfor %}"
    predictor.tokenizer.chat_template = refuse + predictor.tokenizer.chat_template
    return predictor


@pytest.mark.parametrize("refused", [{0, 1, 2, 3}, {12}, {4, 5, 6, 7, 8}])
def test_a_window_that_the_chat_template_refuses_is_unusable_as_in_a_prediction(
    particular: zhmcq.MCQPredictor, tmp_path: Path, refused: set[int]
) -> None:
    changed = {f"q{n}": f"禁{n}" for n in refused}
    bank = write_bank(tmp_path / "bank.jsonl", changed=changed)
    particular.predict(bank).to_csv(tmp_path / "whole.csv")
    journal = tmp_path / "j.jsonl"
    particular.predict_stream(bank, tmp_path / "stream.csv", journal=journal)
    assert (tmp_path / "stream.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    again = particular.predict_stream(bank, tmp_path / "stream.csv", journal=journal)
    assert again.answering.questions == 0


def test_a_chat_template_that_refuses_every_question_of_a_stream_is_refused(
    particular: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    bank = write_bank(tmp_path / "bank.jsonl", changed={f"q{n}": f"禁{n}" for n in range(13)})
    with pytest.raises(EncodingError, match="template_fails: the chat template refuses"):
        particular.predict_stream(bank, tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_the_csv_of_a_stream_has_the_encoding_that_is_given(
    predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    bank = write_bank(tmp_path / "bank.jsonl", 3)
    predictor.predict_stream(bank, tmp_path / "a.csv", encoding="utf-8-sig")
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfID,Answer\n")
    with pytest.raises(OutputError, match="encoding='klingon'"):
        predictor.predict_stream(bank, tmp_path / "b.csv", encoding="klingon")


# --- windows -----------------------------------------------------------------------------


def items(text: str) -> Iterator[Question | RowProblem]:
    """A letter is a question of that passage, ``-`` one without, ``!`` a row that is unusable."""
    made = 0
    for row, letter in enumerate(text, start=1):
        if letter == "!":
            yield RowProblem(row, "", "no_stem", "no stem", position=made)
        else:
            made += 1
            yield Question(f"q{row}", "問？", ("甲", "乙"), "" if letter == "-" else letter)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aabbcc", [2, 2, 2]),
        ("aaabb", [3, 2]),
        ("aaaaaa", [4, 2]),
        ("a!abb", [2, 2]),
        ("-----", [2, 2, 1]),
        ("a---", [2, 2]),
        ("!!!!!!", [0, 0]),
        ("", []),
    ],
)
def test_windows_keep_passages_together_up_to_twice_their_size(
    text: str, expected: list[int]
) -> None:
    assert [len(bank) for bank in _stream.windows(items(text), 2)] == expected


def test_the_problems_of_a_bank_in_memory_come_with_the_questions_around_them() -> None:
    given = list(items("a!abb!b"))
    problems = [item for item in given if isinstance(item, RowProblem)]
    questions = [item for item in given if isinstance(item, Question)]
    parts = list(_stream.windows([*problems, *questions], 2))
    assert [[p.row for p in part.problems] for part in parts] == [[2], [6]]
    assert [[p.position for p in part.problems] for part in parts] == [[1], [2]]


def test_a_window_has_its_problems_where_they_stand() -> None:
    first, second = _stream.windows(items("a!abb!"), 2)
    assert [(p.row, p.position) for p in first.problems] == [(2, 1)]
    assert [(p.row, p.position) for p in second.problems] == [(6, 2)]
    assert replace(second.problems[0], position=0).origin.row == 6
