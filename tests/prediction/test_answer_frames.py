"""Answers as a pandas frame, to filter and to plot."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from zhmcq.prediction import Prediction, Predictions
from zhmcq.questions import Origin, Question, QuestionBank, RowProblem
from zhmcq.reading import read_bank

OPTIONS = ("甲", "乙", "丙")
BANK = QuestionBank(
    [
        Question("a", "一？", OPTIONS, "文。", answer=(0,), subject="國文", source_id=7),
        Question("b", "二？", OPTIONS, answer=(1,), origin=Origin("x.xlsx", "乙班", 3)),
        Question("c", "三？", OPTIONS, answer=(2,)),
        Question("d", "四？", OPTIONS),
    ],
    [RowProblem(9, "", "no_stem", "no stem", file="x.xlsx", sheet="乙班", position=4)],
)
ITEMS = (
    Prediction("a", (0,), "A", 0.6, (-1.0, -2.0, -3.0), (0.6, 0.3, 0.1), calibrated=True),
    Prediction("b", (0,), "A", 0.5, (-1.0, -2.0, -3.0), (0.5, 0.4, 0.1), calibrated=True),
    Prediction("c", None, "", status="none", reason="no claim", reply="嗯"),
    Prediction("d", (2,), "C", reply="C"),
)


@pytest.fixture
def frame() -> pd.DataFrame:
    return Predictions(BANK, ITEMS).to_pandas()


def test_each_row_of_the_input_is_a_line_with_question_and_answer(frame: pd.DataFrame) -> None:
    assert list(frame.columns) == [
        "id", "passage", "stem", "labels", "options", "answer", "key", "correct", "confidence",
        "calibrated", "probabilities", "status", "reason", "kind", "subject", "sheet",
    ]  # fmt: skip
    assert frame.iloc[0].to_dict() == {
        "id": 7,
        "passage": "文。",
        "stem": "一？",
        "labels": ["A", "B", "C"],
        "options": ["甲", "乙", "丙"],
        "answer": "A",
        "key": "A",
        "correct": True,
        "confidence": 0.6,
        "calibrated": True,
        "probabilities": [0.6, 0.3, 0.1],
        "status": "answered",
        "reason": "",
        "kind": "single",
        "subject": "國文",
        "sheet": "",
    }
    assert list(frame["sheet"]) == ["", "乙班", "", "", "乙班"]


def test_correct_is_missing_where_there_is_no_key_and_false_without_an_answer(
    frame: pd.DataFrame,
) -> None:
    assert frame["correct"].dtype == "boolean"
    assert frame["correct"].isna().tolist() == [False, False, False, True, True]
    assert frame["correct"][:3].tolist() == [True, False, False]
    assert frame["correct"].mean() == pytest.approx(1 / 3)
    assert frame[frame["correct"] == False]["id"].tolist() == ["b", "c"]  # noqa: E712


def test_an_unusable_row_is_there_without_a_question(frame: pd.DataFrame) -> None:
    row = frame.iloc[4]
    assert (row["id"], row["status"], row["reason"]) == ("row9", "unusable", "no stem")
    assert (row["stem"], row["key"], row["answer"]) == ("", "", "")
    assert row["options"] == row["probabilities"] == []


def test_options_and_probabilities_are_taken_apart_together(frame: pd.DataFrame) -> None:
    long = frame.explode(["labels", "options", "probabilities"])
    assert len(long) == 4 * 3 + 1
    assert long["probabilities"][:4].tolist() == [0.6, 0.3, 0.1, 0.5]
    assert all(math.isnan(share) for share in long[long["id"] == "c"]["probabilities"])


def test_no_answers_have_the_same_columns(frame: pd.DataFrame) -> None:
    empty = Predictions(QuestionBank([]), ()).to_pandas()
    assert list(empty.columns) == list(frame.columns)
    assert empty.dtypes.drop("id").equals(frame.dtypes.drop("id"))


def test_a_frame_read_as_questions_has_their_keys_and_not_the_answers(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame.to_csv(tmp_path / "answers.csv", index=False)
    for bank in (read_bank(frame), read_bank(tmp_path / "answers.csv")):
        assert bank.columns["answer"] == "key"
        assert [question.answer for question in bank] == [question.answer for question in BANK]
