"""The quickstart on somebody's own files, with the tiny model in place of a real one."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

import quickstart
from make_sample import write_sample
from zhmcq.questions import Question, QuestionBank, RowProblem
from zhmcq.testing import tiny_llama


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["quickstart.py", *map(str, arguments)])
    return quickstart.main()


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, in one line: the console breaks lines at its width."""
    return " ".join(capsys.readouterr().out.split())


def test_it_goes_the_whole_path_and_keeps_every_id_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, predict = write_sample(tmp_path / "bank.xlsx")
    arguments = ["--train", train, "--predict", predict, "--limit", 8, "--valid", 6]
    arguments += ["--base-model", tiny_llama(tmp_path / "base"), "--output-dir", tmp_path / "out"]
    assert run(monkeypatch, *arguments) == 0
    output = printed(capsys)
    assert "8 to train on, 6 for validation" in output
    assert "8 questions answered" in output
    assert "sign-flip p" in output
    names = ("data", "adapter", "merged", "predictions.xlsx", "submission.csv", "report.html")
    assert all((tmp_path / "out" / name).exists() for name in names)
    with (tmp_path / "out" / "submission.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["ID", *(f"U{number:03}" for number in range(1, 9))]
    assert {row[1] for row in rows[1:]} <= {"1", "2", "3", "4"}
    for card in ("adapter", "merged"):
        text = (tmp_path / "out" / card / "README.md").read_text(encoding="utf-8")
        assert "| validation questions of bank.xlsx | " in text
        assert "model-index:" in text
    written = json.loads((tmp_path / "out" / "data" / "train.json").read_text(encoding="utf-8"))
    assert {"id", "input_text", "target_text"} <= set(written[0])
    assert run(monkeypatch, *arguments) == 1
    assert "holds an earlier run" in printed(capsys)


def test_a_limit_draws_whole_passages_by_chance_and_cuts_the_last() -> None:
    def question(number: int, passage: str) -> Question:
        return Question(str(number), "題", ("甲", "乙"), passage=passage)

    passages = [letter for letter in "ABCD" for _ in range(3)]
    bank = QuestionBank([question(number, text) for number, text in enumerate(passages)])
    alone = QuestionBank([question(number, "") for number in range(9)])

    drawn = Counter(question.passage for question in quickstart.of_passages(bank, 8))

    assert sorted(drawn.values()) == [2, 3, 3]
    assert quickstart.of_passages(bank, 20) == bank
    assert len(quickstart.of_passages(alone, 4)) == 4
    assert quickstart.of_passages(alone, 4) != alone[:4]


def test_brackets_in_what_a_problem_quotes_are_no_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bank = QuestionBank([], [RowProblem(2, "答案", "no_such", "the key '[/x]' names no option")])
    quickstart.show_problems(bank)
    assert "'[/x]'" in printed(capsys)


def test_a_missing_file_is_reported_in_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--train", tmp_path / "AI.xlsx", "--predict", tmp_path / "AI1000.xlsx"]
    arguments += ["--base-model", tmp_path, "--output-dir", tmp_path / "out"]
    assert run(monkeypatch, *arguments) == 1
    assert "ReadError" in printed(capsys)
    assert not list((tmp_path / "out").iterdir())


def test_a_run_without_a_base_model_does_not_stand_in_the_way_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, base = tmp_path / "out", tmp_path / "base"
    arguments = ["--base-model", base, "--output-dir", out, "--limit", 8, "--valid", 6]
    assert run(monkeypatch, *arguments) == 1
    assert "ModelError" in printed(capsys)
    tiny_llama(base)
    assert run(monkeypatch, *arguments) == 0
    assert "8 questions answered" in printed(capsys)


def test_a_folder_of_other_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").touch()
    assert run(monkeypatch, "--output-dir", tmp_path) == 1
    assert "holds an earlier run" in printed(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_training_without_a_file_to_answer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--train", tmp_path / "AI.xlsx", "--output-dir", tmp_path / "out"]
    assert run(monkeypatch, *arguments) == 1
    assert "expected --predict" in printed(capsys)
