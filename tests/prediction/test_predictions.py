from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_predictions import answered, made_in_code

from conftest import WriteXlsx
from zhmcq.errors import PredictionError
from zhmcq.prediction import Prediction, Predictions, PredictionStats
from zhmcq.questions import Question, QuestionBank, RowProblem
from zhmcq.reading import read_bank

HEADER = ["題號", "文章", "問題", "選項1", "選項2", "選項3", "正確答案", "備註"]
ROWS = [
    HEADER,
    [101, "小明去了圖書館。", "誰去了圖書館？", "小明", "小華", "小美", 1, "@好"],
    [102, "小明去了圖書館。", "", "小明", "小華", "小美", 1, None],
    ["A-3", None, "一加一？", "二", "三", "四", 2, None],
    ["2021010112345678", None, "水是？", None, None, None, 1, None],
]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_no_answer(wrong: float) -> None:
    message = (
        r"question 'a': expected finite scores and a finite confidence, found .*dtype='float32'"
    )
    for fields in ({"confidence": wrong}, {"scores": (-1.0, wrong)}):
        with pytest.raises(PredictionError, match=message):
            Prediction("a", (0,), "A", **fields)


def test_an_id_that_is_no_number_is_text_in_json(tmp_path: Path) -> None:
    bank = QuestionBank([Question("nan", "誰？", ("甲", "乙"), source_id=float("nan"))])
    answered(bank, "A").to_json(tmp_path / "a.json")
    (record,) = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert (record["id"], record["source_id"]) == ("nan", "nan")


def csv_rows(predictions: Predictions, tmp_path: Path) -> list[list[str]]:
    path = tmp_path / "submission.csv"
    predictions.to_csv(path)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


# --- banks read from a workbook ----------------------------------------------------------


@pytest.fixture
def bank(write_xlsx: WriteXlsx) -> QuestionBank:
    bank = read_bank(write_xlsx(ROWS))
    assert [question.id for question in bank] == ["101", "A-3"]
    return bank


def test_csv_has_a_line_for_each_row_in_order_with_the_sources_ids(
    bank: QuestionBank, tmp_path: Path
) -> None:
    assert csv_rows(answered(bank, "2", "1"), tmp_path) == [
        ["ID", "Answer"],
        ["101", "2"],
        ["102", ""],
        ["A-3", "1"],
        ["2021010112345678", ""],
    ]


def test_a_bank_of_unusable_rows_alone_keeps_them(write_xlsx: WriteXlsx, tmp_path: Path) -> None:
    bank = read_bank(write_xlsx([HEADER, [1, "", "", "甲", "乙", "丙", 1, None]]))
    assert csv_rows(answered(bank), tmp_path) == [["ID", "Answer"], ["1", ""]]


def test_a_row_without_an_id_is_called_by_its_row_in_every_output(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    cases = Path(__file__).parents[1] / "reading/cases"
    expected = json.loads((cases / "no_id_bad_row.expected.json").read_text(encoding="utf-8"))
    predictions = answered(read_bank(cases / "no_id_bad_row.csv"), "A", "B")
    assert [row[0] for row in csv_rows(predictions, tmp_path)[1:]] == expected["submission_ids"]
    assert list(predictions.to_pandas()["id"]) == expected["submission_ids"]
    predictions.to_json(tmp_path / "a.json")
    records = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [record["id"] for record in records] == expected["submission_ids"]


def test_json_records_without_an_id_are_named_by_their_number(tmp_path: Path) -> None:
    source = tmp_path / "bank.json"
    options = ["甲", "乙"]
    items = [
        {"question": "一？", "options": options},
        {"question": "壞題", "id": " "},
        {"question": "三？", "options": options, "id": "\u3000"},
        {"question": "壞題二", "id": float("nan")},
        {"question": "五？", "options": options, "id": ""},
    ]
    source.write_text(json.dumps(items), encoding="utf-8")
    predictions = answered(read_bank(source), "A", "B", "A")
    names = ["row1", "row2", "row3", "row4", "row5"]
    assert [row[0] for row in csv_rows(predictions, tmp_path)[1:]] == names


def test_unusable_rows_of_two_sheets_without_ids_have_two_names(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    head, good, bad = ["題目", "A", "B"], ["甲？", "對", "錯"], ["壞題", "", ""]
    path = write_xlsx([], sheets={"一": [head, good, bad], "二": [head, bad, bad]})
    names = [row[0] for row in csv_rows(answered(read_bank(path), "A"), tmp_path)[1:]]
    assert names == ["row2", "row3", "二:row2", "二:row3"]


@pytest.mark.parametrize("blank", [None, "", " ", "\u3000\u200b", float("nan")])
def test_a_blank_id_cell_is_not_written(tmp_path: Path, blank: Any) -> None:
    bank = QuestionBank(
        [Question("q7", "誰？", ("甲", "乙"), source_id=blank)],
        [RowProblem(3, "", "no_stem", "no stem", source_id=blank, position=1)],
    )
    predictions = answered(bank, "A")
    assert [row[0] for row in csv_rows(predictions, tmp_path)[1:]] == ["q7", "row3"]
    assert list(predictions.to_pandas()["id"]) == ["q7", "row3"]


# --- banks made in code ------------------------------------------------------------------


def test_csv_of_a_bank_made_in_code_has_its_ids(tmp_path: Path) -> None:
    assert csv_rows(answered(made_in_code(), "B", "2"), tmp_path)[1:] == [["a", "B"], ["b", "2"]]


def test_an_unusable_row_without_a_table_is_written_once_with_its_id(tmp_path: Path) -> None:
    problems = [
        RowProblem(2, "問題", "no_stem", "no stem", file="a.json", source_id="x-2", position=1),
        RowProblem(2, "選項", "options", "one option", file="a.json", source_id="x-2", position=1),
        RowProblem(1, "", "odd", "kept with a warning", "warning", "a.json", position=0),
    ]
    bank = QuestionBank(made_in_code(), problems)
    predictions = answered(bank, "A", "1")
    assert csv_rows(predictions, tmp_path)[1:] == [["a", "A"], ["x-2", ""], ["b", "1"]]
    assert list(predictions.to_pandas()["reason"]) == ["", "no stem; one option", ""]


def test_risky_ids_and_answers_are_escaped_in_csv(tmp_path: Path) -> None:
    bank = QuestionBank([Question("=cmd", "？", ("是", "否"), labels=("+", "-"))])
    assert csv_rows(answered(bank, "+"), tmp_path)[1] == ["'=cmd", "'+"]


# --- json, slices and figures ------------------------------------------------------------


def test_a_frame_has_the_agreement_where_questions_were_asked_in_several_orders() -> None:
    bank = QuestionBank(made_in_code())
    items = (Prediction("a", (0,), "A", agreement=0.75), Prediction("b", (0,), "A"))
    assert Predictions(bank, items).to_pandas()["agreement"][0] == 0.75
    plain = Predictions(bank, (Prediction("a", (0,), "A"), items[1]))
    assert "agreement" not in plain.to_pandas()


def test_json_has_every_field_of_every_row(tmp_path: Path) -> None:
    problem = RowProblem(3, "", "no_stem", "no stem", source_id=9, position=2)
    bank = QuestionBank(made_in_code(), [problem])
    path = tmp_path / "a.json"
    answered(bank, "A", "", reply="好").to_json(path)
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert rows[0] == {
        "id": "a",
        "answer": [0],
        "label": "A",
        "confidence": None,
        "scores": [],
        "candidates": [],
        "probabilities": [],
        "calibrated": False,
        "option_set": [],
        "status": "answered",
        "reply": "好",
        "reason": "",
        "source_id": None,
        "agreement": None,
        "by_order": [],
        "label_prior": [],
    }
    assert [(row["id"], row["source_id"], row["status"]) for row in rows[1:]] == [
        ("b", None, "none"),
        ("9", 9, "unusable"),
    ]


def test_a_frame_has_a_line_for_each_row_with_key_and_confidence(bank: QuestionBank) -> None:
    frame = answered(bank, "2", "", confidence=0.75).to_pandas()
    assert frame["id"].tolist() == [101, 102, "A-3", "2021010112345678"]
    assert frame["answer"].tolist() == ["2", "", "", ""]
    assert frame["key"].tolist() == ["1", "", "2", ""]
    assert frame["confidence"].isna().tolist() == [False, True, False, True]
    assert frame["confidence"].sum() == 1.5
    assert frame["status"].tolist() == ["answered", "unusable", "none", "unusable"]
    assert frame["reason"].tolist()[1] == bank.problems[0].message


def test_texts_and_frames_say_whether_confidences_are_calibrated() -> None:
    plain = answered(made_in_code(), "B", "2", confidence=0.75)
    fitted = Predictions(plain.bank, tuple(replace(item, calibrated=True) for item in plain))
    assert repr(plain) == "<Predictions: 2 of 2 questions answered, uncalibrated>"
    assert repr(fitted) == "<Predictions: 2 of 2 questions answered>"
    assert plain.to_pandas()["calibrated"].tolist() == [False, False]
    assert fitted.to_pandas()["calibrated"].tolist() == [True, True]


def test_predictions_are_a_sequence_whose_slices_keep_their_rows(
    bank: QuestionBank, tmp_path: Path
) -> None:
    predictions = answered(bank, "2", "1")
    assert len(predictions) == 2
    assert predictions[-1].label == "1"
    assert predictions[0].source_id == 101
    assert repr(predictions) == "<Predictions: 2 of 2 questions answered>"
    assert isinstance(predictions[:1], Predictions)
    assert csv_rows(predictions[:1], tmp_path) == [["ID", "Answer"], ["101", "2"]]
    assert csv_rows(predictions[1:], tmp_path)[1:] == [
        ["102", ""],
        ["A-3", "1"],
        ["2021010112345678", ""],
    ]


def test_predictions_of_another_number_than_the_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        Predictions(made_in_code(), ())


def test_outcomes_are_those_of_questions_with_keys() -> None:
    bank = made_in_code() + QuestionBank([Question("c", "？", ("甲", "乙"))])
    predictions = answered(bank, "A", "", "B")
    assert [(o.id, o.key, o.label, o.correct) for o in predictions.outcomes()] == [
        ("a", "A", "A", True),
        ("b", "2", "", False),
    ]
    evaluation = predictions.evaluate()
    assert (evaluation.count, evaluation.correct, evaluation.invalid_rate) == (2, 1, 0.5)


def test_without_keys_there_is_nothing_to_evaluate() -> None:
    bank = QuestionBank([Question("c", "？", ("甲", "乙"))])
    with pytest.raises(PredictionError, match="predict a bank whose questions have answers"):
        answered(bank, "A").evaluate()


def test_answers_are_counted_over_all_rows(bank: QuestionBank) -> None:
    assert answered(bank, "2", "2").answer_counts() == {"": 2, "2": 2}


def test_a_rate_of_nothing_is_nothing() -> None:
    assert PredictionStats().questions_per_second == 0.0
    assert PredictionStats(questions=6, seconds=1.5).questions_per_second == 4.0
