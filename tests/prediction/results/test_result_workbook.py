from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from made_predictions import answered, columns_of, made_in_code, sheets_of

from conftest import WriteXlsx
from zhmcq.errors import OutputError, OutputExistsError, SettingsError
from zhmcq.prediction import Prediction, Predictions
from zhmcq.questions import Origin, QuestionBank, RowProblem
from zhmcq.reading import read_bank, save_bank

HEADER = ["題號", "文章", "問題", "選項1", "選項2", "選項3", "正確答案", "備註"]
ROWS: list[list[Any]] = [
    [*HEADER],
    [101, "小明去了圖書館。", "誰去了圖書館？", "小明", "小華", "小美", 1, "@好"],
    [102, "小明去了圖書館。", None, "小明", "小華", "小美", 1, None],
    ["A-3", None, "一加一？", "二", "三", "四", 2, None],
    ["2021010112345678", None, "水是？", None, None, None, 1, None],
]
ADDED = ["預測答案", "信心（未校準）", "對／錯", "狀態", "原因"]


@pytest.fixture
def bank(write_xlsx: WriteXlsx) -> QuestionBank:
    return read_bank(write_xlsx(ROWS))


def written(predictions: Predictions, folder: Path, **options: Any) -> Path:
    path = folder / "results.xlsx"
    predictions.to_xlsx(path, **options)
    return path


# --- a copy of the workbook --------------------------------------------------------------


def test_answers_are_added_to_the_right_of_the_workbooks_own_columns(
    bank: QuestionBank, tmp_path: Path
) -> None:
    predictions = answered(bank, "2", "2", confidence=0.75)
    rows = sheets_of(written(predictions, tmp_path))["Sheet1"]
    assert [row[:8] for row in rows] == [list(row) for row in ROWS]
    no_stem, no_options = (p.message for p in bank.problems if p.severity == "error")
    assert [row[8:] for row in rows] == [
        ADDED,
        [2, 0.75, "錯", "作答", None],
        [None, None, None, "無法作答", f"沒有題幹（{no_stem}）"],
        [2, 0.75, "對", "作答", None],
        [None, None, None, "無法作答", f"沒有選項（{no_options}）"],
    ]


def test_a_summary_is_the_last_sheet(bank: QuestionBank, tmp_path: Path) -> None:
    path = written(answered(bank, "2", "2", confidence=0.75), tmp_path)
    assert openpyxl.load_workbook(path).sheetnames == ["Sheet1", "摘要"]


def test_colours_say_what_to_look_at(bank: QuestionBank, tmp_path: Path) -> None:
    items = [
        Prediction("101", (1,), "2", confidence=0.7),
        Prediction("A-3", (1,), "2", confidence=0.6),
    ]
    path = written(Predictions(bank, tuple(items)), tmp_path, unsure_below=0.65)
    sheet = openpyxl.load_workbook(path)["Sheet1"]
    colours = [
        [cell.fill.start_color.rgb[2:] if cell.fill.fill_type else "" for cell in row[8:12]]
        for row in sheet.iter_rows(min_row=2)
    ]
    yellow, red, green = "FFEB9C", "FFC7CE", "C6EFCE"
    assert colours == [
        ["", "", red, ""],
        ["", "", "", red],
        [yellow, yellow, green, ""],
        ["", "", "", red],
    ]
    assert sheet["J2"].number_format in ("0.0%", "0%", "0.00%")


def test_rows_that_are_not_among_the_predictions_stay_as_they_are(
    bank: QuestionBank, tmp_path: Path
) -> None:
    predictions = answered(bank, "2", "2")[1:]
    rows = sheets_of(written(predictions, tmp_path))["Sheet1"]
    assert [row[:8] for row in rows] == [list(row) for row in ROWS]
    assert [row[8] for row in rows] == ["預測答案", None, None, 2, None]
    assert [row[10] for row in rows] == ["狀態", None, "無法作答", "作答", "無法作答"]


def test_each_table_of_each_sheet_gets_its_own_headers_and_keys(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    path = write_xlsx(
        [],
        sheets={
            "國文": [
                ["國文期末考"],
                ["題號", "題目", "A", "B", "答案"],
                [1, "甲？", "對的", "錯的", "(A)"],
                [2, "乙？", "對的", "錯的", "(B)"],
                [],
                ["題號", "問題", "選項1", "選項2", "選項3", "正確答案"],
                [3, "丙？", "天", "地", "人", "選項2"],
                [4, "丁？", "天", "地", "人", "選項3"],
            ],
            "說明": [["請勿外流"], ["共 4 題"]],
            "數學": [["題目", "A", "B", "答案"], ["一加一？", "兩個", "三個", "兩個"]],
        },
    )
    bank = read_bank(path)
    scored = [
        Prediction(
            q.id, (0,), q.labels[0], 0.5, probabilities=(0.5, *[0.25] * (len(q.options) - 1))
        )
        for q in bank
    ]
    book = sheets_of(written(Predictions(bank, tuple(scored)), tmp_path))
    assert list(book) == ["國文", "說明", "數學", "摘要"]
    header = [*ADDED[:4], "機率 A", "機率 B", "機率 C", "原因"]
    assert [row[6:] for row in book["國文"]] == [
        [None] * 8,
        header,
        ["(A)", 0.5, "對", "作答", 0.5, 0.25, None, None],
        ["(A)", 0.5, "錯", "作答", 0.5, 0.25, None, None],
        [None] * 8,
        header,
        ["選項1", 0.5, "錯", "作答", 0.5, 0.25, 0.25, None],
        ["選項1", 0.5, "錯", "作答", 0.5, 0.25, 0.25, None],
    ]
    assert book["說明"] == [["請勿外流"], ["共 4 題"]]
    assert [row[4:] for row in book["數學"]] == [
        [*ADDED[:4], "機率 A", "機率 B", "原因"],
        ["兩個", 0.5, "對", "作答", 0.5, 0.25, None],
    ]


@pytest.mark.parametrize(
    "keys",
    [
        [1, 3, 2, 1],
        ["1", "3", "2", "1"],
        ["A", "C", "B", "A"],
        ["(A)", "(C)", "(B)", "(A)"],
        ["選項1", "選項3", "選項2", "選項1"],
        ["甲", "丙", "乙", "甲"],
        ["①", "③", "②", "①"],
        ["AC", "B", "ABC", "C"],
        ["1,3", "2", "1,2,3", "3"],
        ["春天", "秋天", "夏天", "春天"],
        ["A. 春天", "C. 秋天", "B. 夏天", "A. 春天"],
    ],
)
def test_a_workbook_that_is_answered_right_has_the_same_column_twice(
    write_xlsx: WriteXlsx, tmp_path: Path, keys: list[Any]
) -> None:
    rows = [[n, f"第{n}題？", "春天", "夏天", "秋天", key] for n, key in enumerate(keys, 1)]
    header = ["題號", "題目", "選項1", "選項2", "選項3", "答案"]
    bank = read_bank(write_xlsx([header, *rows]))
    items = [Prediction(q.id, q.answer, q.answer_label) for q in bank]
    path = written(Predictions(bank, tuple(items)), tmp_path)
    assert columns_of(path, "預測答案", "對／錯") == [(key, "對") for key in keys]


def test_a_table_without_a_header_has_its_names_in_comments(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    path = write_xlsx([["誰去了圖書館？", "小明", "小華", 1], ["一加一？", "三", "二", 2]])
    bank = read_bank(path, header=False, columns={"stem": 1, "options": [2, 3], "answer": 4})
    result = written(answered(bank, "1", "2"), tmp_path)
    sheet = openpyxl.load_workbook(result).worksheets[0]
    assert [sheet.cell(row, 5).value for row in (1, 2)] == [1, 2]
    assert "預測答案" in str(sheet.cell(1, 5).comment)
    assert sheet.cell(2, 5).comment is None


def test_results_are_read_again_as_the_same_questions(bank: QuestionBank, tmp_path: Path) -> None:
    path = written(answered(bank, "2", "2", confidence=0.75), tmp_path)
    again = read_bank(path)
    assert [replace(q, origin=None) for q in again] == [replace(q, origin=None) for q in bank]
    assert [p.code for p in again.problems if p.severity == "error"] == ["no_stem", "no_options"]


def test_results_that_are_answered_again_keep_their_answers(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    first = write_xlsx(
        [["題號", "題目", "A", "B"], [1, "甲？", "天", "地"], [2, "乙？", "天", "地"]]
    )
    for number, labels in enumerate(("AB", "BB", "BA")):
        path = tmp_path / f"{number}.xlsx"
        answered(read_bank(first), *labels).to_xlsx(path)
        first = path
    names = ("預測答案", "預測答案 (zhmcq)", "預測答案 (zhmcq 2)")
    assert columns_of(first, *names) == [("A", "B", "B"), ("B", "B", "A")]
    assert list(sheets_of(first)) == ["Sheet1", "摘要", "摘要 (2)", "摘要 (3)"]
    assert openpyxl.load_workbook(first)["Sheet1"].column_dimensions["H"].width == 18


def test_the_same_answers_give_the_same_bytes(bank: QuestionBank, tmp_path: Path) -> None:
    predictions = answered(bank, "2", "2")
    contents = []
    for name in ("a.xlsx", "b.xlsx"):
        predictions.to_xlsx(tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_the_workbook_that_the_questions_came_from_is_not_written_over(
    bank: QuestionBank, tmp_path: Path
) -> None:
    with pytest.raises(OutputExistsError):
        answered(bank, "2", "2").to_xlsx(tmp_path / "bank.xlsx")


@pytest.mark.parametrize("long_id", [123456789012345678, 1.2e17, "1.23E+15"])
def test_ids_that_a_sheet_shows_with_an_exponent_are_those_that_were_read(
    write_xlsx: WriteXlsx, tmp_path: Path, caplog: pytest.LogCaptureFixture, long_id: object
) -> None:
    bank = read_bank(write_xlsx([["題號", "題目", "A", "B"], [long_id, "甲？", "天", "地"]]))
    with caplog.at_level(logging.INFO, "zhmcq"):
        path = written(answered(bank, "B"), tmp_path)
    assert "plain cells" not in caplog.text
    assert columns_of(path, "預測答案") == [("B",)]


def test_a_saved_bank_finds_its_workbook_again(bank: QuestionBank, tmp_path: Path) -> None:
    save_bank(bank, tmp_path / "bank.json")
    again = read_bank(tmp_path / "bank.json")
    rows = sheets_of(written(answered(again, "2", "2"), tmp_path))["Sheet1"]
    assert rows[1] == [*ROWS[1], 2, "錯", "作答", None]


# --- a new workbook instead --------------------------------------------------------------


def replaced(path: Path, write_xlsx: WriteXlsx, rows: list[list[Any]]) -> None:
    path.unlink()
    write_xlsx(rows, name=path.name)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path, _: path.unlink(), "is not there any more"),
        (lambda path, write: replaced(path, write, [ROWS[0], *ROWS[2:], ROWS[1]]), "row 2 was ch"),
        (lambda path, write: replaced(path, write, ROWS[:3]), "row 4 was changed after it was"),
        (
            lambda path, write: replaced(path, write, [*ROWS[:3], [*ROWS[3][:4], "十"], ROWS[4]]),
            "row 4 was changed after it was read",
        ),
        (lambda path, _: path.write_bytes(b"PK"), "bank.xlsx"),
    ],
)
def test_a_workbook_that_has_changed_is_not_copied_and_the_log_says_so(
    bank: QuestionBank,
    tmp_path: Path,
    write_xlsx: WriteXlsx,
    caplog: pytest.LogCaptureFixture,
    change: Any,
    why: str,
) -> None:
    change(tmp_path / "bank.xlsx", write_xlsx)
    with caplog.at_level(logging.WARNING, "zhmcq"):
        path = written(answered(bank, "2", "2", confidence=0.75), tmp_path)
    assert "results.xlsx is a new workbook with plain cells: " in caplog.text
    assert why in caplog.text
    rows = sheets_of(path)["Sheet1"]
    assert rows[0] == [*HEADER, *ADDED]
    assert [row[0] for row in rows[1:]] == [101, 102, "A-3", "2021010112345678"]
    assert [row[8] for row in rows[1:]] == [2, None, 2, None]


def test_cells_that_were_filled_in_since_do_not_matter(
    bank: QuestionBank, tmp_path: Path, write_xlsx: WriteXlsx
) -> None:
    replaced(tmp_path / "bank.xlsx", write_xlsx, [*ROWS[:3], [*ROWS[3][:7], "查過"], ROWS[4]])
    rows = sheets_of(written(answered(bank, "2", "2"), tmp_path))["Sheet1"]
    assert (rows[3][7], rows[3][8]) == ("查過", 2)


def test_a_csv_gets_a_workbook_with_the_same_columns(tmp_path: Path) -> None:
    source = tmp_path / "期末考.csv"
    source.write_text("题号,题目,A,B,答案\n1,=1+1,二,三,A\n2,,二,三,B\n", encoding="utf-8")
    bank = read_bank(source)
    path = written(answered(bank, "B", confidence=0.5), tmp_path)
    rows = sheets_of(path)["期末考"]
    assert rows == [
        [
            "题号",
            "题目",
            "A",
            "B",
            "答案",
            "预测答案",
            "置信度（未校准）",
            "对／错",
            "状态",
            "原因",
        ],
        ["1", "=1+1", "二", "三", "A", "B", 0.5, "错", "已作答", None],
        ["2", None, "二", "三", "B", None, None, None, "无法作答", rows[2][-1]],
    ]
    assert rows[2][-1] == f"没有题干（{bank.problems[0].message}）"
    assert openpyxl.load_workbook(path)["期末考"]["B2"].data_type == "s"


def test_several_files_get_a_sheet_for_each_sheet(
    write_xlsx: WriteXlsx, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head = ["題目", "A", "B"]
    first = write_xlsx(
        [],
        name="上.xlsx",
        sheets={"一": [head, ["甲？", "天", "地"]], "二": [head, ["乙？", "天", "地"]]},
    )
    second = write_xlsx(
        [], name="下.xlsx", sheets={"一": [[*head, "年"], ["丙？", "天", "地", 99]]}
    )
    bank = read_bank([first, second])
    with caplog.at_level(logging.WARNING, "zhmcq"):
        book = sheets_of(written(answered(bank, "A", "B", "A"), tmp_path))
    assert list(book) == ["上 一", "上 二", "下 一", "摘要"]
    assert book["下 一"][0] == [*head, "年", "預測答案", "狀態", "原因"]
    assert [row[3] for row in (book["上 一"][1], book["上 二"][1])] == ["A", "B"]
    assert "its questions are of 2 files; answer each by itself" in caplog.text


def test_questions_made_in_code_get_columns_of_their_parts(tmp_path: Path) -> None:
    book = sheets_of(written(answered(made_in_code(), "B", "2"), tmp_path))
    added = ["預測答案", "對／錯", "狀態", "原因"]
    assert book["題目"] == [
        ["題號", "文章", "題幹", "選項1", "選項2", "選項3", "正確答案", *added],
        ["a", "文。", "誰？", "甲", "乙", None, "A", "B", "錯", "作答", None],
        ["b", None, "=1+1", "二", "三", "四", 2, 2, "對", "作答", None],
    ]


def test_questions_made_in_code_stand_apart_from_those_of_a_table(
    bank: QuestionBank, tmp_path: Path
) -> None:
    book = sheets_of(written(answered(bank + made_in_code(), "1", "1", "A", "1"), tmp_path))
    assert [row[2] for row in book["bank Sheet1"][1:]] == [
        "誰去了圖書館？", None, "一加一？", "水是？"
    ]  # fmt: skip
    assert [row[0] for row in book["題目"][1:]] == ["a", "b"]


def test_a_workbook_that_is_there_twice_is_written_twice(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    once = read_bank(write_xlsx([["題目", "A", "B"], ["甲？", "對", "錯"]]))
    twice = answered(once + QuestionBank([replace(once[0], id="again")]), "A", "B")
    assert columns_of(written(twice, tmp_path), "題目", "預測答案") == [
        ("甲？", "A"),
        ("甲？", "B"),
    ]


def test_an_unusable_row_without_a_table_is_written_once_with_its_id(tmp_path: Path) -> None:
    problems = [
        RowProblem(2, "問題", "no_stem", "no stem", file="a.json", source_id="x-2", position=1),
        RowProblem(2, "選項", "odd", "one option", file="a.json", source_id="x-2", position=1),
        RowProblem(1, "", "odd", "not left out", "warning", "a.json", position=0),
    ]
    origins = [Origin("a.json", "", row) for row in (1, 3)]
    questions = [replace(q, origin=o) for q, o in zip(made_in_code(), origins, strict=True)]
    path = written(answered(QuestionBank(questions, problems), "A", "1"), tmp_path)
    assert columns_of(path, "題號", "狀態", "原因", sheet="a") == [
        ("a", "作答", None),
        ("x-2", "無法作答", "沒有題幹（no stem）；one option"),
        ("b", "作答", None),
    ]


def test_an_empty_bank_gets_headers_and_a_summary(tmp_path: Path) -> None:
    book = sheets_of(written(Predictions(QuestionBank([]), ()), tmp_path))
    assert book["Questions"] == [["ID", "Question", "Predicted", "Status", "Reason"]]
    assert book["Summary"][0][0] == "Summary"


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), float("inf"), True, "0.5", None])
def test_what_is_no_share_is_refused_before_anything_is_written(tmp_path: Path, wrong: Any) -> None:
    message = r"unsure_below=.*: expected a number from 0 to 1, such as 0\.5"
    with pytest.raises(SettingsError, match=message):
        written(answered(made_in_code(), "A", "1"), tmp_path, unsure_below=wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0, 1, 0.5])
def test_both_ends_are_shares(tmp_path: Path, share: float) -> None:
    written(answered(made_in_code(), "A", "1"), tmp_path, unsure_below=share)


def test_a_languages_words_are_used_where_it_is_named(bank: QuestionBank, tmp_path: Path) -> None:
    book = sheets_of(written(answered(bank, "2", "2"), tmp_path, language="en"))
    assert book["Sheet1"][0][8:] == [
        "Predicted",
        "Right or wrong",
        "Status",
        "Reason",
    ]
    assert book["Sheet1"][2][10:] == ["unusable", bank.problems[0].message]
    assert list(book) == ["Sheet1", "Summary"]


@pytest.mark.parametrize("name", ["answers.csv", "answers", "answers.xls"])
def test_a_name_of_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"expected a name in \.xlsx"):
        answered(made_in_code(), "A", "1").to_xlsx(tmp_path / name)


def test_a_workbook_with_macros_is_never_made_of_nothing(tmp_path: Path) -> None:
    message = r"can only be a copy of one, and not all of its questions.*; write \.xlsx"
    with pytest.raises(OutputError, match=message):
        answered(made_in_code(), "A", "1").to_xlsx(tmp_path / "answers.xlsm")
    assert list(tmp_path.iterdir()) == []
