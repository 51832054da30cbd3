"""Nothing is silent: every row of a table is a question, a problem or a header."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import WriteXlsx
from zhmcq.errors import ReadError
from zhmcq.questions import Origin, Question, QuestionBank, RowProblem
from zhmcq.reading import read_bank, stream_bank
from zhmcq.reading._formats import Sheets, open_file

CASES = Path(__file__).parent / "cases"
TABLES = (".csv", ".tsv", ".xlsx")
WITHOUT_HEADER = {"headerless.csv"}
CELLS = st.sampled_from(
    ["", "", "題號", "題目", "問題", "答案", "選項", "A", "B", "C", "1", "2", "甲", "乙",
     "何者？", "說明", "一、是非題", "題組", "文章", "O", "---", "備註"]
)  # fmt: skip


def unaccounted(path: Path, bank: QuestionBank) -> list[Origin]:
    """The rows with any text that are neither questions nor headers and have no problem."""
    contents = open_file(path, str(path))
    assert isinstance(contents, Sheets)
    unread = {p.sheet for p in bank.problems if p.code in ("sheet_not_read", "empty_sheet")}
    known = {question.origin for question in bank}
    known |= {problem.origin for problem in bank.problems}
    known |= set(bank.table.header_rows)
    origins = [
        Origin(str(path), sheet.name, row.number)
        for sheet in contents.sheets
        for row in sheet.rows
        if any(row.texts) and sheet.name not in unread
    ]
    return [origin for origin in origins if origin not in known]


def streamed(items: Iterable[Question | RowProblem]) -> tuple[list[Question], list[RowProblem]]:
    listed = list(items)
    questions = [item for item in listed if isinstance(item, Question)]
    return questions, [item for item in listed if isinstance(item, RowProblem)]


def assert_all_is_said(path: Path, **arguments: Any) -> None:
    """Each row is accounted for, and a stream says of the rows what a bank says."""
    bank = read_bank(path, **arguments)
    assert unaccounted(path, bank) == []
    _, problems = streamed(stream_bank(path, **arguments))
    across_rows = ("duplicate", "two_keys")
    left_out = [problem for problem in bank.problems if problem.code not in across_rows]
    assert [(p.origin, p.code) for p in problems] == [(p.origin, p.code) for p in left_out]


@pytest.mark.parametrize("name", sorted(p.name for p in CASES.iterdir() if p.suffix in TABLES))
def test_each_row_of_a_case_is_a_question_a_problem_or_a_header(name: str) -> None:
    assert_all_is_said(CASES / name, header=False if name in WITHOUT_HEADER else None)


def test_each_row_of_the_real_tables_is_a_question_a_problem_or_a_header(real_data: Path) -> None:
    paths = [
        path
        for path in sorted(real_data.rglob("*"))
        if path.suffix in TABLES and "reading_cases" not in path.parts
    ]
    assert len(paths) > 60
    for path in paths:
        assert_all_is_said(path)


def test_each_row_of_a_workbook_with_titles_notes_and_tables_is_accounted_for(
    write_xlsx: WriteXlsx,
) -> None:
    path = write_xlsx(
        [],
        sheets={
            "是非題": [
                ["一一四學年度"], ["一、是非題", None, "每題 2 分"], ["題號", "題目", "答案"],
                [1, "雪是熱的。", "X"], [], ["備註：略"], ["二、選擇題"],
                ["題號", "題目", "選項", None, "答案"], [None, None, "A", "B", None],
                [1, "何者？", "甲", "乙", "A"], [2, None, None, None, None],
                ["題號", "題目", "選項", None, "答案"], [None, None, "A", "B", None],
                [3, "何者不是？", "甲", "乙", "C"],
            ],
            "說明": [["請勿修改"], ["謝謝"]],
            "空": [],
        }
    )  # fmt: skip
    assert_all_is_said(path)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=1, max_size=12))
@pytest.mark.parametrize("header", [None, False, True])
def test_each_row_of_any_table_is_accounted_for(
    tmp_path: Path, rows: list[list[str]], header: bool | None
) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題號,題目,A,B\n" + "\n".join(map(",".join, rows)), encoding="utf-8")
    columns = {"stem": 2, "options": [3, 4]} if header is False else None
    with contextlib.suppress(ReadError):  # some of these tables can't be read, and say so
        assert_all_is_said(path, columns=columns, answer_base=1, header=header)
