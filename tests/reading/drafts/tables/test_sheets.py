"""Several tables in a sheet, titles between them, and what each row is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import WriteXlsx
from zhmcq.errors import ColumnsError
from zhmcq.questions import Origin, QuestionBank
from zhmcq.reading import read_bank


def read_csv(tmp_path: Path, text: str, **arguments: Any) -> QuestionBank:
    path = tmp_path / "bank.csv"
    path.write_text(text, encoding="utf-8")
    return read_bank(path, **arguments)


def said(bank: QuestionBank) -> list[tuple[int, str]]:
    return [(problem.row, problem.code) for problem in bank.problems]


def test_each_table_of_a_sheet_is_read_with_its_own_header(tmp_path: Path) -> None:
    bank = read_csv(
        tmp_path,
        "一、是非題\n題號,題目,答案\n1,雪是熱的。,X\n\n二、選擇題\n,,題號,答案,題目,A,B,C\n"
        ",,1,B,最長的河？,甲河,乙河,丙河\n三、複選題\n題目,選項一,選項二,選項三,正解,備註\n"
        "哪些是山？,甲山,乙河,丙山,13,略\n",
    )
    assert [(q.stem, q.options, q.answer, q.kind) for q in bank] == [
        ("雪是熱的。", ("正確", "錯誤"), (1,), "true_false"),
        ("最長的河？", ("甲河", "乙河", "丙河"), (1,), "single"),
        ("哪些是山？", ("甲山", "乙河", "丙山"), (0, 2), "multiple"),
    ]
    assert said(bank) == [
        (1, "skipped_row"),
        (5, "skipped_row"),
        (6, "new_header"),
        (8, "skipped_row"),
        (9, "new_header"),
    ]
    assert [origin.row for origin in bank.table.header_rows] == [2, 6, 9]
    assert bank.problems[1].message.endswith("'二、選擇題'")
    assert [problem.position for problem in bank.problems] == [0, 1, 1, 2, 2]


def test_a_second_table_is_found_after_thousands_of_rows(write_xlsx: WriteXlsx) -> None:
    rows: list[list[Any]] = [["題目", "A", "B", "答案"]]
    rows += [[f"第 {number} 題是？", "甲", "乙", "A"] for number in range(3000)]
    rows += [["題目", "答案", "A", "B"], ["最後一題是？", "B", "丙", "丁"]]
    bank = read_bank(write_xlsx(rows))
    assert (len(bank), bank[-1].options, bank[-1].answer) == (3001, ("丙", "丁"), (1,))
    assert said(bank) == [(3002, "new_header")]


def test_a_repeated_header_is_said_to_be_one(tmp_path: Path) -> None:
    page = "題號,題目,A,B,答案\n{},哪個是{}？,甲,乙,A\n"
    bank = read_csv(tmp_path, "".join(page.format(n, n) for n in (1, 2, 3)))
    assert [q.source_id for q in bank] == ["1", "2", "3"]
    assert said(bank) == [(3, "repeated_header"), (5, "repeated_header")]


@pytest.mark.parametrize(
    ("header", "usual", "row", "options"),
    [
        ("題號,題目,A,B,C,D,答案", "0,誰？,子,丑,寅,卯,A", "1,問題,A,B,C,D,A", "ABCD"),
        ("題號,題目,A,B,答案", "0,誰？,子,丑,A", "5,題目,問題,答案,A", ["問題", "答案"]),
        (
            "題目,A,B,C,答案",
            "誰？,子,丑,寅,丑",
            "問題,題目,答案,解析,答案",
            ["題目", "答案", "解析"],
        ),
        ("題目,A,B,C,D", "誰？,子,丑,寅,卯", "問題,A,B,C,D", "ABCD"),
        ("題號,題目,A,B,C,D,答案", "A1,誰？,子,丑,寅,卯,2", "A3,question,1,2,3,4,2", "1234"),
        ("題號,題目,選項,,,,答案", "0,誰？,子,丑,寅,卯,A", "1,問題,A,B,C,D,A", "ABCD"),
    ],
)
def test_a_row_of_data_is_never_taken_for_a_header(
    tmp_path: Path, header: str, usual: str, row: str, options: Sequence[str]
) -> None:
    for rows in ([usual, row], [row, usual]):
        bank = read_csv(tmp_path, "\n".join([header, *rows]), answer_base=1)
        assert bank[rows.index(row)].options == tuple(options)
        assert said(bank) == []


def test_titles_and_notes_between_questions_are_skipped_with_a_word(tmp_path: Path) -> None:
    bank = read_csv(
        tmp_path,
        "題號,題目,A,B,答案\n一、單選題（每題 2 分）\n1,何者？,甲,乙,A\n說明：以下略\n"
        ",第二部分,,,\n,二、多選題,,,\n2,哪些？,甲,乙,AB\n3,,,,\n,壞題,,,\n-----,---,---,---,---\n",
    )
    assert [(q.stem, q.kind) for q in bank] == [("何者？", "single"), ("哪些？", "multiple")]
    assert said(bank) == [
        (2, "skipped_row"), (4, "skipped_row"), (5, "skipped_row"), (6, "skipped_row"),
        (8, "no_stem"), (9, "no_options"), (10, "skipped_row"),
    ]  # fmt: skip


def test_a_question_above_the_header_is_an_error(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "1,何者？,甲,乙,B\n題號,題目,A,B,答案\n2,誰？,甲,乙,A\n")
    assert [q.stem for q in bank] == ["誰？"]
    assert [(p.row, p.code, p.severity) for p in bank.problems] == [(1, "above_header", "error")]


@pytest.mark.parametrize(
    "header",
    [
        "題號,題目,選項,,,答案\n,,A,B,C,",
        "題號,題目,選項,,,答案\n,,1,2,3,",
        "題號,題目,三個選擇,,,答案\n,,(A),(B),(C),",
        "題號,題目,選項,,,答案",
        "題號,題目,,,,答案\n題號,題目,甲,乙,丙,答案",
        "題號,題目,選項,,,答案\nNo.,Question,A,B,C,Answer",
        "基本,,試題,,,\n題號,題目,A,B,C,答案",
    ],
)
def test_a_header_over_two_rows_or_columns_is_read_as_one(tmp_path: Path, header: str) -> None:
    bank = read_csv(tmp_path, f"{header}\n1,最長的河？,甲河,乙河,丙河,3\n2,誰？,子,丑,寅,1\n")
    assert [(q.source_id, q.stem, q.options, q.answer) for q in bank] == [
        ("1", "最長的河？", ("甲河", "乙河", "丙河"), (2,)),
        ("2", "誰？", ("子", "丑", "寅"), (0,)),
    ]


def test_a_merged_header_is_read_with_and_without_labels_below(write_xlsx: WriteXlsx) -> None:
    upper = ["題號", "題目", "選項", None, None, "答案"]
    question = [1, "最長的河？", "甲河", "乙河", "丙河", "B"]
    merges = ["A1:A2", "B1:B2", "C1:E1", "F1:F2"]
    lower = [None, None, "A", "B", "C", None]
    both = read_bank(write_xlsx([upper, lower, question], "a.xlsx", merges=merges))
    wide = read_bank(write_xlsx([upper, question], "b.xlsx", merges=["C1:E1"]))
    for bank in (both, wide):
        assert [(q.options, q.answer) for q in bank] == [(("甲河", "乙河", "丙河"), (1,))]
        assert bank.problems == []
    assert [origin.row for origin in both.table.header_rows] == [1, 2]


def test_the_second_row_of_a_later_header_belongs_to_it(tmp_path: Path) -> None:
    bank = read_csv(
        tmp_path,
        "題號,題目,答案\n1,雪是熱的。,X\n題號,題目,選項,,答案\n,,A,B,\n1,何者？,甲,乙,B\n"
        "題號,題目,選項,,答案\n,,A,B,\n2,誰？,甲,乙,A\n",
    )
    assert [q.id for q in bank] == ["1", "1#2", "2"]
    assert said(bank) == [(3, "new_header"), (6, "repeated_header"), (7, "repeated_header")]
    assert [origin.row for origin in bank.table.header_rows] == [1, 3, 4]


def test_options_in_one_column_beside_a_nameless_one_stay_there(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,選項,,答案\n何者？,甲|乙,見課本,A\n誰？,丙|丁,略,B\n")
    assert [q.options for q in bank] == [("甲", "乙"), ("丙", "丁")]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("編碼,題目,選項,答案" + ",備註" * 12, "x,何者？,甲|乙,B" + ",y" * 12),
        ("a1x,難度,題目,出題者,A,B" + ",欄" * 12, "x,易,何者？,y,甲,乙" + ",y" * 12),
        ("編碼,難度,題目,出題者,審題者,日期", "x,易,何者？(A)甲(B)乙,y,z,v"),
        (f"戳記,{'請填全名' * 12},題目,選項A,選項B,正解,您覺得難嗎？", "x,王,何者？,甲,乙,B,3"),
    ],
)
def test_a_table_of_many_other_columns_is_read(tmp_path: Path, header: str, row: str) -> None:
    bank = read_csv(tmp_path, f"{header}\n{row}\n")
    assert [(q.stem, q.options) for q in bank] == [("何者？", ("甲", "乙"))]


def test_a_stem_beside_nothing_else_is_refused_without_contradiction(tmp_path: Path) -> None:
    with pytest.raises(ColumnsError) as caught:
        read_csv(tmp_path, "編碼,難度,題目,出題者,審題者,日期\nx,易,何者？,y,z,v\n")
    message = str(caught.value)
    assert "'題目' names a column of questions, but beside it neither options nor a key" in message
    assert "Expected a header such as" not in message


def test_a_table_beside_the_first_is_reported(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,A,B,答案,,題目,A,B,答案\n誰？,甲,乙,A,,何處？,丙,丁,B\n")
    assert [q.stem for q in bank] == ["誰？"]
    assert said(bank) == [(1, "table_beside")]
    columns: dict[str, int | list[int]] = {"stem": 6, "options": [7, 8], "answer": 9}
    beside = read_bank(tmp_path / "bank.csv", columns=columns)
    assert [q.stem for q in beside] == ["何處？"]


def test_a_table_beside_the_first_lends_it_no_cell(write_xlsx: WriteXlsx) -> None:
    header = ["題目", "A", "B", "答案", "", "題號", "問題", "選項1", "選項2", "正解"]
    row = ["哪裡最冷？", "甲地", "乙地", "", "", 1, "哪裡最熱？", "丙地", "丁地", "2"]
    bank = read_bank(write_xlsx([header, row]))
    assert [(q.stem, q.options, q.answer) for q in bank] == [("哪裡最冷？", ("甲地", "乙地"), None)]
    assert said(bank) == [(1, "table_beside"), (2, "no_key")]


def test_a_question_in_two_languages_is_no_table_beside_another(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目(中文),題目(英文),A,B,答案\n何者？,Which?,甲,乙,B\n")
    assert [(q.stem, q.answer) for q in bank] == [("何者？", (1,))]
    assert said(bank) == [(1, "two_stems")]


@pytest.mark.parametrize(
    ("header", "rows", "stems"),
    [
        ("題目,A,B,C,D", "甲？,一,二,三,四\n小明在,題目,A,B,C,D\n", ["甲？"]),
        ("題目,A,B,C,D", "甲？,一,二,三,四\n小明在題目,A,B,C,D\n", ["甲？"]),
        ("題號,題目,A,B,C,答案", "1,甲？,一,二,三,A\n2,乙？題號,題目,A,B,C,答案\n", ["甲？"]),
        ("題目,A,B,答案,,,,", "甲？,一,二,A,,,,\n乙？,三,四,B,題目,A,B,答案\n", ["甲？"]),
        ("題目,A,B,C,答案", "選項是A,A,B,C,A\n題目,A,B,D,B\n", ["選項是A", "題目"]),
    ],
)
def test_a_header_inside_a_row_is_no_text_of_a_question(
    tmp_path: Path, header: str, rows: str, stems: list[str]
) -> None:
    bank = read_csv(tmp_path, f"{header}\n{rows}")
    assert [question.stem for question in bank] == stems
    expected = [] if len(stems) > 1 else [(3, "header_in_row")]
    assert [(p.row, p.code) for p in bank.problems if p.severity == "error"] == expected


def test_a_first_section_without_keys_is_not_taken_for_titles(tmp_path: Path) -> None:
    bank = read_csv(
        tmp_path,
        "一、是非題\n題號,題目,答案\n1,雪是熱的。,\n2,火是冷的。,\n"
        "二、選擇題\n題號,題目,A,B,答案\n1,誰？,甲,乙,A\n",
    )
    assert [q.stem for q in bank] == ["雪是熱的。", "火是冷的。", "誰？"]


def test_a_sheets_name_is_kind_and_subject_of_its_rows(write_xlsx: WriteXlsx) -> None:
    choice = ["題目", "A", "B", "答案"]
    path = write_xlsx(
        [],
        sheets={
            "判断题": [["题目", "答案"], ["雪是热的。", "错"]],
            "多選題": [
                [*choice, "題型"],
                ["哪些？", "甲", "乙", "A", ""],
                ["誰？", "甲", "乙", "A", "單選"],
            ],
            "自然": [choice, ["何者？", "甲", "乙", "A"]],
            "工作表 3": [[*choice, "科目"], ["何處？", "甲", "乙", "A", "地理"]],
            "是非與選擇": [choice, ["何時？", "甲", "乙", "A"]],
            "Sheet12": [choice, ["幾時？", "甲", "乙", "A"]],
        },
    )  # fmt: skip
    assert [(q.kind, q.subject) for q in read_bank(path)] == [
        ("true_false", "判断题"),
        ("multiple", "多選題"),
        ("single", "多選題"),
        ("single", "自然"),
        ("single", "地理"),
        ("single", "是非與選擇"),
        ("single", ""),
    ]


def test_a_sheet_without_a_header_is_reported_with_the_way_to_read_it(
    write_xlsx: WriteXlsx,
) -> None:
    path = write_xlsx(
        [],
        sheets={
            "甲": [["題目", "A", "B", "答案"], ["何者？", "子", "丑", "A"]],
            "乙": [["哪一條最長？", "子", "丑", "A"], ["哪一條最短？", "寅", "卯", "B"]],
        },
    )
    (problem,) = read_bank(path).problems
    assert (problem.sheet, problem.code, problem.position) == ("乙", "sheet_not_read", 1)
    assert "row 1 looks like a question" in problem.message
    assert "sheets=['乙'], header=False reads it" in problem.message
    bank = read_bank(path, sheets=["乙"], header=False)
    assert [(q.origin, q.answer) for q in bank] == [
        (Origin(str(path), "乙", 1), (0,)),
        (Origin(str(path), "乙", 2), (1,)),
    ]


def test_a_header_below_pages_of_notes_is_found(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "說明,,,\n" * 98 + "題目,A,B,答案\n何者？,甲,乙,B\n")
    assert [(q.stem, q.answer) for q in bank] == [("何者？", (1,))]
    assert said(bank) == [(row, "skipped_row") for row in range(1, 99)]


@pytest.mark.parametrize("header", ["題目,A,B,答案\n", "題目,選項,,答案\n,A,B,\n"])
def test_a_header_with_nothing_below_it_is_said_to_be_alone(tmp_path: Path, header: str) -> None:
    bank = read_csv(tmp_path, header)
    assert [(p.code, p.severity) for p in bank.problems] == [("empty_sheet", "warning")]
    assert not read_csv(tmp_path, f"{header}何者？,甲,乙,B\n").problems


@pytest.mark.parametrize(
    ("row", "is_question"),
    [
        ("合計,2,3,", False), ("總計：,,,5", False), ("平均,50%,30%,", False),
        ("Total,2,3,", False),
        ("平均,2,3,A", True), ("平均數是？,2,3,A", True), ("合計,甲,乙,", True),
    ],
)  # fmt: skip
def test_a_row_of_totals_is_no_question(tmp_path: Path, row: str, is_question: bool) -> None:
    bank = read_csv(tmp_path, f"題目,A,B,答案\n何者？,甲,乙,B\n{row}\n")
    assert len(bank) == 1 + is_question
    assert is_question or said(bank) == [(3, "skipped_row")]


def test_the_corrected_key_of_a_header_over_two_rows_is_taken(tmp_path: Path) -> None:
    bank = read_csv(
        tmp_path,
        "題號,題目,選項,,,答案,\n,,1,2,3,初版,更正\n1,一？,甲,乙,丙,1,2\n2,二？,甲,乙,丙,3,\n",
    )
    assert [(q.options, q.answer) for q in bank] == [
        (("甲", "乙", "丙"), (1,)),
        (("甲", "乙", "丙"), (2,)),
    ]
    assert not bank.problems


def test_a_second_column_of_stems_is_said_to_be_left_aside(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,內容,A,B,答案\n誰？,某人走了。,甲,乙,A\n,何處？,丙,丁,B\n")
    assert [q.stem for q in bank] == ["誰？", "何處？"]
    assert said(bank) == [(1, "two_stems")]
    other = read_bank(tmp_path / "bank.csv", columns={"stem": "內容"})
    assert ([q.stem for q in other], other.problems) == (["某人走了。", "何處？"], [])
