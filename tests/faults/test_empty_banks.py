"""Files in which no row is a question, and banks without any: right, or one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

import zhmcq
from zhmcq import checks
from zhmcq.dataset import Splits
from zhmcq.errors import PredictionError, PreflightError, SplitError
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank, save_bank, stream_bank
from zhmcq.reports import write_problems
from zhmcq.testing import tiny_llama

UNUSABLE = {
    "bank.csv": "題目,A,B,答案\n一？,,,A\n",
    "bank.json": '[{"question": "一？", "answer": "A"}]',
    "bank.jsonl": '{"question": "一？", "answer": "A"}\n',
}


def without_questions(folder: Path, name: str) -> QuestionBank:
    path = folder / name
    if name == "bank.xlsx":
        book = openpyxl.Workbook()
        book.worksheets[0].append(["題目", "A", "B", "答案"])
        book.worksheets[0].append(["一？", None, None, "A"])
        book.save(path)
    elif name:
        path.write_text(UNUSABLE[name], encoding="utf-8")
    else:
        return QuestionBank([])
    return zhmcq.DatasetBuilder().read(path)


@pytest.fixture(params=["", "bank.xlsx", *UNUSABLE])
def bank(request: pytest.FixtureRequest, tmp_path: Path) -> QuestionBank:
    return without_questions(tmp_path, request.param)


def test_a_file_without_a_usable_row_is_read_with_its_problem(bank: QuestionBank) -> None:
    assert len(bank) == 0
    assert [problem.code for problem in bank.problems] in ([], ["no_options"])


def test_a_stream_of_it_gives_the_problem_alone(tmp_path: Path) -> None:
    without_questions(tmp_path, "bank.csv")
    assert [item.code for item in stream_bank(tmp_path / "bank.csv")] == ["no_options"]  # type: ignore[union-attr]


def test_checks_find_nothing_in_it(bank: QuestionBank) -> None:
    assert checks.settle_repeats(bank) == bank
    assert checks.find_overlap(bank, bank) == []
    assert checks.answer_balance(bank) == {}
    assert checks.describe(bank).startswith("0 questions, 0 with a key")
    assert checks.near_copy_clusters([]) == []


def test_it_is_cut_joined_and_saved_like_any_other(bank: QuestionBank, tmp_path: Path) -> None:
    assert bank[:5] == bank.sample(3) == bank.answered == bank.select([]) == bank
    assert len((bank + bank).problems) == 2 * len(bank.problems)
    for name in ("saved.json", "saved.jsonl"):
        save_bank(bank, tmp_path / name)
        assert read_bank(tmp_path / name) == bank
    write_problems(bank, tmp_path / "marked.xlsx")
    assert openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets


def test_it_cannot_be_split(bank: QuestionBank) -> None:
    with pytest.raises(SplitError, match="expected at least 2 questions with keys to split"):
        zhmcq.DatasetBuilder().split(bank)


def test_splits_of_it_are_saved_and_converted(bank: QuestionBank, tmp_path: Path) -> None:
    splits = Splits(bank, bank)
    assert Splits.load(splits.save(tmp_path / "data")) == splits
    assert splits.to_datasets().num_rows == {"train": 0, "valid": 0}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("tiny") / "model")


@pytest.mark.parametrize("mode", ["score", "generate"])
def test_it_is_answered_without_an_answer(model: Path, tmp_path: Path, mode: Any) -> None:
    bank = without_questions(tmp_path, "bank.csv")
    predictor = zhmcq.MCQPredictor(model)
    inputs: list[Any] = [bank, [], tmp_path / "bank.csv"]
    for number, questions in enumerate(inputs):
        answers = predictor.predict(questions, mode, journal=tmp_path / f"{number}")
        assert len(answers) == 0
        with pytest.raises(PredictionError, match="expected answered questions with keys"):
            answers.evaluate()
        with pytest.raises(PredictionError, match="expected answered questions with keys"):
            zhmcq.compare(answers, answers)
        answers.to_csv(tmp_path / "answers.csv")
        answers.to_xlsx(tmp_path / "answers.xlsx")
        answers.to_json(tmp_path / "answers.json")
    assert list(answers.to_pandas()["status"]) == ["unusable"]


def test_training_on_it_is_refused(model: Path, tmp_path: Path) -> None:
    trainer = zhmcq.LoraTrainer(model)
    assert trainer.preflight(QuestionBank([])).text().startswith("0 questions to train on")
    with pytest.raises(PreflightError, match="expected training questions, found none"):
        trainer.train(QuestionBank([]), output_dir=tmp_path / "adapter")
