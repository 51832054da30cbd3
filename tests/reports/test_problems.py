"""A bank's problems in its own workbook."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from conftest import WriteXlsx
from zhmcq.errors import OutputError
from zhmcq.questions import QuestionBank, RowProblem
from zhmcq.reading import read_bank
from zhmcq.reports import write_problems

HEADER = ["ID", "文章", "問題", "選項1", "選項2", "選項3", "正確答案"]


def marked(path: Path) -> dict[str, tuple[str, str]]:
    """Colour and comment of each marked cell of the first sheet."""
    sheet = openpyxl.load_workbook(path).worksheets[0]
    return {
        cell.coordinate: (cell.fill.start_color.rgb[2:], cell.comment.text)
        for row in sheet.iter_rows()
        for cell in row
        if cell.comment
    }


def test_a_workbook_is_written_back_with_its_problems_marked(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    path = write_xlsx(
        [
            ["題庫"],
            HEADER,
            [1, "文一。", "問一？", "甲", "乙", "甲", 1],
            [2, None, "問二？", "甲", "乙", "丙", "送分"],
            [3, "文三。", None, "甲", "乙", "丙", 1],
        ],
        merges=["B3:B4"],
    )
    write_problems(read_bank(path), tmp_path / "marked.xlsx")
    comments = marked(tmp_path / "marked.xlsx")
    assert {reference: colour for reference, (colour, _) in comments.items()} == {
        "D3": "FFC7CE",
        "G4": "FFEB9C",
        "C5": "FFC7CE",
    }
    assert comments["D3"][1].startswith("[equal_options] the options 1 and 3 have the same text")
    copy = openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets[0]
    assert copy["A1"].value == "題庫"
    assert [str(merged) for merged in copy.merged_cells.ranges] == ["B3:B4"]


def test_a_csv_is_written_back_as_a_workbook(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,A,B,答案\n一？,=1+1,乙,Z\n", encoding="utf-8")
    write_problems(read_bank(path), tmp_path / "marked.xlsx")
    assert list(marked(tmp_path / "marked.xlsx")) == ["D2"]
    sheet = openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets[0]
    assert (sheet["B2"].value, sheet["B2"].data_type) == ("=1+1", "s")


def test_problems_of_several_files_or_another_suffix_are_refused(tmp_path: Path) -> None:
    problems = [RowProblem(1, "", "x", "x", file="a.xlsx"), RowProblem(1, "", "x", "x", file="b")]
    with pytest.raises(OutputError, match="2 files"):
        write_problems(QuestionBank([], problems), tmp_path / "out.xlsx")
    with pytest.raises(OutputError, match=r"\.xlsx"):
        write_problems(QuestionBank([]), tmp_path / "out.csv")
