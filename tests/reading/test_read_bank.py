from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import WriteXlsx
from zhmcq.dataset import DatasetBuilder
from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import Origin, QuestionBank
from zhmcq.reading import read_bank

HEADER = ["ID", "文章", "問題", "選項1", "選項2", "選項3", "選項4", "正確答案", "資料來源"]


def codes(bank: QuestionBank) -> list[tuple[int, str, str]]:
    return [(problem.row, problem.code, problem.severity) for problem in bank.problems]


def test_a_workbook_is_read_with_numeric_keys_and_numeric_labels(write_xlsx: WriteXlsx) -> None:
    path = write_xlsx(
        [
            HEADER,
            [7, "小明有三顆蘋果。", "小明有幾顆蘋果？", "一顆", "兩顆", "三顆", "四顆", 3, "自編"],
            [8, "天氣很好。", "天氣如何？", "好", "壞", "冷", "熱", "選項1", None],
            [9, "天氣很好。", "今天如何？", "好", "壞", "冷", "熱", "4", None],
        ]
    )
    bank = read_bank(path)
    assert [question.answer for question in bank] == [(2,), (0,), (3,)]
    first = bank[0]
    assert first.id == "7"
    assert first.source_id == 7
    assert first.labels == ("1", "2", "3", "4")
    assert first.answer_label == "3"
    assert first.passage == "小明有三顆蘋果。"
    assert first.source == "自編"
    assert first.origin == Origin(str(path), "Sheet1", 2)
    assert bank.columns["stem"] == "問題"
    assert bank.columns["option2"] == "選項2"
    assert bank.problems == []


def test_the_cells_of_each_row_are_kept_by_header(write_xlsx: WriteXlsx) -> None:
    path = write_xlsx(
        [
            ["題號", "題目", "A", "B", "備註"],
            [7, "一加一？", "二", "三", 0.5],
            [8, "", "甲", "乙", "空題"],
        ],
        formats={"E2": "0%"},
    )
    bank = read_bank(path)
    assert bank.table.headers == ("題號", "題目", "A", "B", "備註")
    assert dict(bank.table.rows[Origin(str(path), "Sheet1", 2)]) == {
        "題號": 7,
        "題目": "一加一？",
        "A": "二",
        "B": "三",
        "備註": "50%",
    }
    rejected = bank.table.rows[Origin(str(path), "Sheet1", 3)]
    assert rejected["備註"] == "空題"


def test_a_workbook_without_an_answer_column_gives_questions_without_keys(
    write_xlsx: WriteXlsx,
) -> None:
    bank = read_bank(write_xlsx([["題號", "問題", "選項1", "選項2"], [1, "哪個？", "甲", "乙"]]))
    assert bank[0].answer is None
    assert bank[0].labels == ("1", "2")
    assert bank.problems == []


def test_repeated_ids_get_a_suffix_and_keep_their_cell(write_xlsx: WriteXlsx) -> None:
    rows = [[i, f"問題{n}？", "甲", "乙", "A"] for n, i in enumerate([5, 5, "5#2", 5, None])]
    bank = read_bank(write_xlsx([["id", "題目", "A", "B", "答案"], *rows]))
    assert [question.id for question in bank] == ["5", "5#2", "5#2#2", "5#3", "row6"]
    assert [question.source_id for question in bank] == [5, 5, "5#2", 5, None]


def test_a_rejected_row_is_a_problem_with_its_place_among_the_questions(
    write_xlsx: WriteXlsx,
) -> None:
    bank = read_bank(
        write_xlsx(
            [
                ["id", "題目", "A", "B", "答案"],
                [1, "第一題？", "甲", "乙", "A"],
                [2, "第二題？", "甲", "乙", "C"],
                [3, "第三題？", "甲", "乙", "送分"],
                [4, None, "甲", "乙", "A"],
            ]
        )
    )
    assert [question.id for question in bank] == ["1", "3"]
    assert codes(bank) == [
        (3, "answer_out_of_range", "error"),
        (4, "no_key", "warning"),
        (5, "no_stem", "error"),
    ]
    assert [problem.position for problem in bank.problems] == [1, 1, 2]
    assert [problem.source_id for problem in bank.problems] == [2, 3, 4]
    assert bank.problems[0].column == "答案"


def test_a_header_is_found_below_title_rows(write_xlsx: WriteXlsx) -> None:
    path = write_xlsx(
        [
            ["一一三學年度 題庫"],
            [],
            ["題號", "題 目", "(A)", "（Ｂ）", "正解"],
            [1, "哪個？", "甲", "乙", "B"],
        ]
    )
    bank = read_bank(path)
    assert bank[0].answer == (1,)
    assert bank[0].origin == Origin(str(path), "Sheet1", 4)


def test_a_merged_passage_belongs_to_all_its_questions(write_xlsx: WriteXlsx) -> None:
    path = write_xlsx(
        [
            ["文章", "題目", "A", "B", "答案"],
            ["春天來了。", "第一題？", "甲", "乙", "A"],
            [None, "第二題？", "甲", "乙", "B"],
            ["夏天來了。", "第三題？", "甲", "乙", "A"],
        ],
        merges=["A2:A3"],
    )
    assert [q.passage for q in read_bank(path)] == ["春天來了。", "春天來了。", "夏天來了。"]


def test_sheets_are_each_read_or_reported(write_xlsx: WriteXlsx) -> None:
    header = ["題目", "A", "B", "答案"]
    path = write_xlsx(
        [],
        sheets={
            "甲": [header, ["一？", "x", "y", "A"]],
            "說明": [["請勿修改"], ["聯絡人", "電話"]],
            "空": [],
            "乙": [header, ["二？", "x", "y", "B"]],
        },
    )
    bank = read_bank(path)
    assert [(q.stem, q.origin.sheet) for q in bank if q.origin] == [("一？", "甲"), ("二？", "乙")]
    assert [(p.sheet, p.code) for p in bank.problems] == [
        ("說明", "sheet_not_read"),
        ("空", "empty_sheet"),
    ]
    assert [q.stem for q in read_bank(path, sheets=["乙"])] == ["二？"]
    with pytest.raises(ReadError, match="no sheet '丙'"):
        read_bank(path, sheets=["丙"])


def test_values_are_read_as_excel_shows_them(write_xlsx: WriteXlsx) -> None:
    import datetime as dt

    path = write_xlsx(
        [
            ["題目", "A", "B", "C", "答案"],
            ["幾成？", 0.15, 0.1259, 0.2, "A"],
            ["哪天？", dt.date(2022, 5, 10), dt.date(2022, 8, 8), dt.date(2023, 1, 2), "B"],
            ["幾個？", 1.0, 2, 2.5, "C"],
        ],
        formats={
            "B2": "0%",
            "C2": "0.00%",
            "D2": "0%",
            "B3": 'yyyy"年"m"月"d"日"',
            "C3": "yyyy/m/d",
            "D3": "[$-404]e/m/d",
        },
    )
    assert [question.options for question in read_bank(path)] == [
        ("15%", "12.59%", "20%"),
        ("2022年5月10日", "2022/8/8", "112/1/2"),
        ("1", "2", "2.5"),
    ]


def test_a_number_that_may_be_a_time_is_kept_with_a_warning(write_xlsx: WriteXlsx) -> None:
    bank = read_bank(
        write_xlsx([["題目", "A", "B", "答案"], ["比數？", 0.000694444444444, "1:2", "A"]])
    )
    assert bank[0].options == ("0.000694444", "1:2")
    assert codes(bank) == [(2, "time_serial", "warning")]


def test_an_explicit_mapping_wins_over_recognition(write_xlsx: WriteXlsx) -> None:
    path = write_xlsx([["題目", "內文", "第一", "第二", "鍵"], ["標題", "問什麼？", "甲", "乙", 2]])
    bank = read_bank(
        path,
        columns={"stem": "內文", "option1": "第一", "option2": "第二", "answer": "鍵"},
    )
    assert bank[0].stem == "問什麼？"
    assert bank[0].options == ("甲", "乙")
    assert bank[0].answer == (1,)
    with pytest.raises(ColumnsError, match="no column '沒有' for 'stem'"):
        read_bank(path, columns={"stem": "沒有"})
    with pytest.raises(ColumnsError, match="unknown field 'stam'"):
        read_bank(path, columns={"stam": "內文"})


def test_long_numeric_ids_keep_every_digit(write_xlsx: WriteXlsx) -> None:
    rows = [["題號", "問題", "A", "B", "答案"]]
    numbers = [2021010112345678, 2021010112345679]
    rows += [[number, f"第{number}題？", "甲", "乙", "A"] for number in numbers]  # type: ignore[list-item]
    bank = read_bank(write_xlsx(rows))
    assert [question.source_id for question in bank] == numbers
    assert [question.id for question in bank] == ["2021010112345678", "2021010112345679"]


def test_naming_the_stem_leaves_the_passage_where_it_was_recognised(
    write_xlsx: WriteXlsx,
) -> None:
    path = write_xlsx([["文章", "問題", "A", "B", "答案"], ["短文。", "誰？", "甲", "乙", "B"]])
    bank = read_bank(path, columns={"stem": "問題"})
    assert (bank[0].passage, bank[0].stem) == ("短文。", "誰？")


def test_naming_some_columns_leaves_the_others_as_they_are_recognised(
    write_xlsx: WriteXlsx,
) -> None:
    path = write_xlsx(
        [["題號", "文章", "問題", "選項1", "選項2", "答案"], [7, "短文。", "誰？", "甲", "乙", 2]]
    )
    assert read_bank(path, columns={"stem": "問題", "answer": "答案"}) == read_bank(path)


def test_an_unknown_layout_shows_the_headers_and_the_remedy(write_xlsx: WriteXlsx) -> None:
    path = write_xlsx([["姓名", "電話"], ["王", "123"]])
    with pytest.raises(ColumnsError) as caught:
        read_bank(path)
    message = str(caught.value)
    assert "'姓名', '電話'" in message
    assert 'columns={"stem": "' in message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("gone.xlsx", None, "no such file"),
        ("empty.xlsx", b"", "found an empty file"),
        ("text.xlsx", b"a,b\n1,2\n", "expected an xlsx workbook"),
        ("old.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as .xlsx"),
        ("cut.xlsx", b"PK\x03\x04broken", "damaged"),
        ("bank.pdf", b"%PDF", "expected .xlsx"),
        ("bank.json", b"{", "expected json"),
        ("list.json", b"[1, 2]", "no column of questions"),
        ("one.json", b'"text"', "expected a list of questions"),
    ],
)
def test_a_file_that_is_no_bank_is_refused_with_a_remedy(
    tmp_path: Path, name: str, content: bytes | None, expected: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReadError, match=expected) as caught:
        read_bank(path)
    assert name in str(caught.value)


def test_an_empty_sheet_is_refused(write_xlsx: WriteXlsx) -> None:
    with pytest.raises(ReadError, match="found no text"):
        read_bank(write_xlsx([]))


def test_jsonl_records_are_read(tmp_path: Path) -> None:
    path = tmp_path / "bank.jsonl"
    records = [
        {"question": "一加一？", "options": ["(A)二", "(B)三"], "label": "A", "answer": None},
        {"question": "一加二？", "options": ["(A)二", "(B)三"], "label": ["B"], "answer": None},
    ]
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    bank = read_bank(path)
    assert [(q.options, q.answer) for q in bank] == [(("二", "三"), (0,)), (("二", "三"), (1,))]
    assert [q.origin.row for q in bank if q.origin] == [1, 2]


@pytest.mark.parametrize(
    "arguments",
    [
        {"columns": ["題目"]},
        {"columns": "題目"},
        {"columns": {1: "題目"}},
        {"columns": {"stem": 0}},
        {"columns": {"stem": [1.5]}},
        {"header": 1},
        {"sheets": "工作表1"},
        {"sheets": [1]},
        {"answer_base": True},
        {"answer_base": 1.0},
        {"progress": "yes"},
    ],
)
def test_an_argument_of_a_wrong_type_is_refused_by_its_name(
    arguments: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,選項1,選項2,答案\n誰,甲,乙,1\n", encoding="utf-8")
    with pytest.raises(ReadError, match=f"^{next(iter(arguments))}=.*: expected "):
        read_bank(path, **arguments)


def test_rows_are_counted_as_they_are_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    rows = [f"第{number}題？,甲,乙,1" for number in range(1200)]
    path.write_text("\n".join(["題目,選項1,選項2,答案", *rows]), encoding="utf-8")
    calls: list[tuple[int, int, str]] = []
    bank = DatasetBuilder().read(path, progress=lambda *call: calls.append(call))
    assert calls == [
        *((done, 1200, "reading bank.csv") for done in (0, 500, 1000)),  # 1200 is an estimate
        (1201, 1201, "reading bank.csv"),
        *((done, 1200, "checking bank.csv") for done in (0, 500, 1000, 1200)),
    ]
    assert list(bank) == list(read_bank(path))


def test_each_sheet_and_file_is_counted_by_itself(write_xlsx: WriteXlsx) -> None:
    rows = [["題目", "選項1", "選項2", "答案"], ["誰？", "甲", "乙", 1]]
    book = write_xlsx([], sheets={"一": rows, "二": [*rows, ["何？", "丙", "丁", 2]]})
    calls: list[tuple[int, int, str]] = []
    record = {"題目": "哪？", "options": ["戊", "己"]}
    read_bank([book, record], progress=lambda *call: calls.append(call))
    assert [call for call in calls if call[0] and call[2] == "reading bank.xlsx"] == [
        (2, 2, "reading bank.xlsx"),
        (3, 3, "reading bank.xlsx"),
    ]
    assert {stage for _, _, stage in calls if "xlsx" not in stage} == {
        "reading <list>",
        "checking <list>",
    }


def test_an_error_of_the_progress_function_is_no_error_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,選項1,選項2,答案\n誰,甲,乙,1\n", encoding="utf-8")

    def progress(done: int, total: int, stage: str) -> None:
        raise BrokenPipeError("nobody listens")

    with pytest.raises(BrokenPipeError, match="nobody listens"):
        read_bank(path, progress=progress)
