"""Two processes answer a bank together: each question once, in order, as one process answers it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import zhmcq
from zhmcq.questions import QuestionBank
from zhmcq.settings import GenerateSettings
from zhmcq.testing import tiny_llama

# Run by each of two processes, and imported by the tests for what it calls `bank`.
SCRIPT = """
import json, os, sys
from pathlib import Path
import zhmcq
from zhmcq.errors import ZhmcqError
from zhmcq.settings import GenerateSettings

folder = Path(sys.argv[1])
rank = int(os.environ["RANK"])
bank = zhmcq.DatasetBuilder().read(folder / "bank.jsonl")
predictor = zhmcq.MCQPredictor(folder / "base", prompt="zh-exam", batch_size=1, max_length=220)
result = {"calls": []}


def answers(questions=bank, **arguments):
    given = predictor.predict(questions, progress=progress, **arguments)
    return [[[a.id, a.label, a.reply, a.scores] for a in given], given.stats.questions]


def progress(done, total, stage):
    if stage == "answering":
        result["calls"].append([done, total])


def error(**arguments):
    try:
        predictor.predict(bank, **arguments)
    except (ZhmcqError, KeyError) as error:
        return f"{type(error).__name__}: {error}"


def stop(done, total, stage):
    if stage == "answering" and done >= 6:
        raise KeyError("stopped")


result["none"] = answers(bank[:0])
result["proven"] = [predictor._answering.dtype_is_proven]
result["one"] = answers(bank[:1])
result["proven"].append(predictor._answering.dtype_is_proven)
result["calls"].clear()
result["score"] = answers(journal=folder / "score.jsonl")
result["calls_of_score"] = list(result["calls"])
predictor.predict(bank).to_csv(folder / "answers.csv")
result["prior"] = answers(orders="prior")
result["generate"] = answers(mode=GenerateSettings(max_new_tokens=4))
result["stopped"] = error(progress=stop, journal=folder / "stopped.jsonl")
if rank == 0:
    result["lines"] = len((folder / "stopped.jsonl").read_text(encoding="ascii").splitlines())
result["resumed"] = answers(journal=folder / "stopped.jsonl")
result["different"] = error(mode="generate" if rank else "score")
if rank == 1:
    predictor._answering.model.forward = lambda *_, **__: 1 / 0
result["failed"] = error(journal=folder / "failed.jsonl")
(folder / f"result{rank}.json").write_text(json.dumps(result), encoding="utf-8")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of one launched run of the script."""
    folder = tmp_path_factory.mktemp("processes")
    tiny_llama(folder / "base")
    places = ["山上", "海邊", "家裡", "學校"]
    records = [
        {
            "id": f"q{n}",
            "passage": f"第{n // 3}篇。" * (n // 3 % 4 + 1) if n < 24 else "",
            "question": f"第{n}個人在哪裡？",
            "options": places,
            "answer": "ABCD"[n % 4],
        }
        for n in range(30)
    ]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    (folder / "bank.jsonl").write_text("\n".join(lines), encoding="utf-8")
    script = folder / "predict.py"
    script.write_text(SCRIPT, encoding="utf-8")
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launcher += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    launcher += ["--main_process_port=0", "--num_processes=2", "--num_cpu_threads_per_process=1"]
    done = subprocess.run(
        [*launcher, str(script), str(folder)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> list[dict[str, Any]]:
    """What each of the processes has seen."""
    names = ("result0.json", "result1.json")
    return [json.loads((folder / name).read_text(encoding="utf-8")) for name in names]


@pytest.fixture(scope="module")
def alone(folder: Path) -> zhmcq.MCQPredictor:
    return zhmcq.MCQPredictor(folder / "base", prompt="zh-exam", batch_size=1, max_length=220)


@pytest.fixture(scope="module")
def bank(folder: Path) -> QuestionBank:
    return zhmcq.DatasetBuilder().read(folder / "bank.jsonl")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("score", {}),
        ("prior", {"orders": "prior"}),
        ("generate", {"mode": GenerateSettings(max_new_tokens=4)}),
    ],
)
def test_both_processes_have_the_answers_of_a_single_one_in_order(
    results: list[dict[str, Any]],
    alone: zhmcq.MCQPredictor,
    bank: QuestionBank,
    name: str,
    arguments: dict[str, Any],
) -> None:
    expected = alone.predict(bank, **arguments)
    assert results[0][name] == results[1][name]
    answers, count = results[0][name]
    assert [answer[0] for answer in answers] == [f"q{n}" for n in range(30)]
    assert [answer[1:3] for answer in answers] == [[item.label, item.reply] for item in expected]
    for answer, item in zip(answers, expected, strict=True):
        assert answer[3] == pytest.approx(item.scores, abs=1e-4)
    assert count == 30


def test_there_may_be_fewer_questions_than_processes(
    results: list[dict[str, Any]], alone: zhmcq.MCQPredictor, bank: QuestionBank
) -> None:
    (expected,) = alone.predict(bank[:1])
    for result in results:
        assert result["none"] == [[], 0]
        (answer,), count = result["one"]
        assert (answer[:2], count) == (["q0", expected.label], 1)


def test_a_dtype_is_proven_on_questions_and_not_on_an_empty_bank(
    results: list[dict[str, Any]],
) -> None:
    assert [result["proven"] for result in results] == [[False, True]] * 2


def test_the_first_process_writes_each_answer_once_and_reports_those_of_all(
    folder: Path, results: list[dict[str, Any]]
) -> None:
    lines = (folder / "score.jsonl").read_text(encoding="ascii").splitlines()
    names = [json.loads(line)["id"] for line in lines[1:]]
    assert sorted(names) == sorted(f"q{n}" for n in range(30))
    calls = results[0]["calls_of_score"]
    assert (calls[0], calls[-1]) == ([0, 30], [30, 30])
    assert calls == sorted(calls)
    assert len({done for done, _ in calls}) == len(calls)  # none is reported twice
    assert results[1]["calls"] == []


def test_a_file_that_every_process_writes_is_that_of_a_single_one(
    folder: Path, alone: zhmcq.MCQPredictor, bank: QuestionBank, tmp_path: Path
) -> None:
    alone.predict(bank).to_csv(tmp_path / "alone.csv")
    assert (folder / "answers.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()


def test_an_error_in_one_process_ends_all_with_its_message(
    results: list[dict[str, Any]],
) -> None:
    first, second = results
    assert first["stopped"] == "KeyError: 'stopped'"
    assert second["stopped"] == (
        "PredictionError: process 0 of 2 failed, which ends the prediction of all: "
        "KeyError: 'stopped'"
    )
    assert second["failed"].startswith("ModelError: LlamaForCausalLM fails to compute a row")
    assert first["failed"] == (
        "PredictionError: process 1 of 2 failed, which ends the prediction of all: "
        + second["failed"]
    )
    assert first["different"] == second["different"]
    assert "were given different things (ends, fields, limit, mode)" in first["different"]


def test_what_two_processes_have_begun_two_or_one_resume(
    folder: Path,
    results: list[dict[str, Any]],
    alone: zhmcq.MCQPredictor,
    bank: QuestionBank,
    tmp_path: Path,
) -> None:
    answers, count = results[1]["resumed"]
    assert [answer[:3] for answer in answers] == [answer[:3] for answer in results[0]["score"][0]]
    assert count == 30 - (results[0]["lines"] - 1)
    assert 0 < count <= 24
    begun = (folder / "score.jsonl").read_text(encoding="ascii").splitlines(keepends=True)
    (tmp_path / "begun.jsonl").write_text("".join(begun[:15]), encoding="ascii")
    resumed = alone.predict(bank, journal=tmp_path / "begun.jsonl")
    assert resumed.stats.questions == 30 - 14
    assert [item.label for item in resumed] == [answer[1] for answer in answers]
