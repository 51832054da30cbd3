from __future__ import annotations

import datetime
import logging
import math
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from zhmcq.errors import OutputError
from zhmcq.reports import _new_workbook
from zhmcq.reports._new_workbook import Sheet, write_xlsx
from zhmcq.reports._workbook import AddedCell, NewSheet


def sheet_of(path: Path, rows: list[dict[str, Any]], headers: tuple[str, ...] = ("x",)) -> Any:
    write_xlsx(path, {"S": Sheet(headers, rows)})
    return openpyxl.load_workbook(path)["S"]


def written_as(tmp_path: Path, *values: Any) -> list[tuple[Any, str]]:
    """Values and data types of cells, read back: s text, n number, b boolean, f formula."""
    sheet = sheet_of(tmp_path / "a.xlsx", [{"x": value} for value in values])
    return [(cell.value, cell.data_type) for (cell,) in sheet.iter_rows(min_row=2)]


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://evil.example","click")',
        "=1+1",
        "{=SUM(A1)}",
        "＝1+1",
        "+886",
        "-1",
        "@SUM(1)",
        "007",
        "1e5",
        "http://example.com",
        "mailto:a@b.c",
        "internal:Sheet1!A1",
        '<b>粗</b> & "引號"',
        "第一行\n第二行",
        "  前後  ",
        "_x0041_",
        "𠀀",
    ],
)
def test_text_stays_text_in_cells_and_headers(tmp_path: Path, text: str) -> None:
    sheet = sheet_of(tmp_path / "a.xlsx", [{text: text}], (text,))
    for cell in (sheet["A1"], sheet["A2"]):
        assert (cell.value, cell.data_type, cell.hyperlink) == (text, "s", None)


def test_numbers_and_booleans_keep_their_type(tmp_path: Path) -> None:
    assert written_as(tmp_path, 7, -0.25, 0, True) == [
        (7, "n"),
        (-0.25, "n"),
        (0, "n"),
        (True, "b"),
    ]


def test_long_whole_numbers_keep_their_digits_as_text(tmp_path: Path) -> None:
    assert written_as(tmp_path, 999_999_999_999_999, 2021_0101_1234_5678, -(10**15)) == [
        (999_999_999_999_999, "n"),
        ("2021010112345678", "s"),
        ("-1000000000000000", "s"),
    ]


def test_what_is_no_number_is_written_in_words(tmp_path: Path) -> None:
    assert written_as(tmp_path, math.nan, math.inf, -math.inf) == [
        ("nan", "s"),
        ("inf", "s"),
        ("-inf", "s"),
    ]


def test_nothing_leaves_the_cell_empty(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path / "a.xlsx", [{"x": None, "y": ""}, {"z": 1}], ("x", "y", "z"))
    assert [cell.value for cell in sheet[2]] == [None, None, None]
    assert [cell.value for cell in sheet[3]] == [None, None, 1]


def test_a_cell_beyond_excels_limit_is_cut_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "zhmcq"):
        (long, _), (astral, _), (fits, _) = written_as(
            tmp_path, "甲" * 32_768, "𠀀" * 16_384, "乙" * 32_767
        )
    assert (long, astral, fits) == ("甲" * 32_767, "𠀀" * 16_383, "乙" * 32_767)
    assert "2 cells were cut to 32767 characters" in caplog.text


def test_a_workbook_does_not_hold_the_time_it_was_written_at(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "a.xlsx", {"S": Sheet(("題號",), [{"題號": 1}])})
    properties = openpyxl.load_workbook(tmp_path / "a.xlsx").properties
    assert {properties.created, properties.modified} == {datetime.datetime(1980, 1, 1)}


def test_sheet_names_are_made_what_excel_allows(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    names = ["", "a/b:c'", "長" * 40, "長" * 35, "CASE", "case", "CASE (2)"]
    write_xlsx(path, {name: Sheet(("x",), [{"x": 1}]) for name in names})
    assert openpyxl.load_workbook(path).sheetnames == [
        "Sheet",
        "a_b_c_",
        "長" * 31,
        "長" * 27 + " (2)",
        "CASE",
        "case (2)",
        "CASE (2) (2)",
    ]


def test_columns_are_as_wide_as_their_texts_within_limits(tmp_path: Path) -> None:
    row = {"短": "a", "問題": "一二三四五六七八九十", "passage": "長" * 300, "ID": 1234}
    sheet = sheet_of(tmp_path / "a.xlsx", [row], tuple(row))
    widths = [sheet.column_dimensions[letter].width for letter in "ABCD"]
    assert widths == pytest.approx([8, 22, 50, 8], abs=1)


def test_headers_stay_in_sight_and_filter(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path / "a.xlsx", [{"x": 1}, {"x": 2}], ("x", "y"))
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:B3"
    assert sheet["A1"].font.bold


@pytest.mark.parametrize(("headers", "rows"), [(("x",), []), ((), [{}])])
def test_a_sheet_may_have_no_rows_or_no_columns(
    tmp_path: Path, headers: tuple[str, ...], rows: list[dict[str, Any]]
) -> None:
    sheet = sheet_of(tmp_path / "a.xlsx", rows, headers)
    assert sheet.auto_filter.ref is None


def test_more_rows_than_excel_takes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_new_workbook, "MAX_ROWS", 3)
    write_xlsx(tmp_path / "a.xlsx", {"S": Sheet(("x",), [{}] * 2)})
    with pytest.raises(OutputError, match=r"'S' would have 3 rows.* takes 2: write csv instead"):
        write_xlsx(tmp_path / "b.xlsx", {"S": Sheet(("x",), [{}] * 3)})
    assert [path.name for path in tmp_path.iterdir()] == ["a.xlsx"]


def test_a_full_disk_is_an_output_error_for_workbooks_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.xlsx"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr("xlsxwriter.workbook.ZipFile", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_xlsx(path, {"S": Sheet(("x",), [{"x": 1}])})
    assert path.read_text(encoding="utf-8") == "old"


def test_a_lone_surrogate_does_not_stop_a_workbook(tmp_path: Path) -> None:
    assert written_as(tmp_path, "a\ud800b") == [("a?b", "s")]


def test_a_folder_in_the_way_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder; give the name of a file"):
        write_xlsx(tmp_path, {"S": Sheet(("x",), [])})


def test_cells_have_styles_colours_and_comments(tmp_path: Path) -> None:
    sheet = sheet_of(
        tmp_path / "a.xlsx",
        [
            {"x": AddedCell(0.25, "percent", "unsure")},
            {"x": AddedCell("=1+1", colour="wrong", comment="=note")},
            {"x": AddedCell(None, colour="right")},
        ],
    )
    percent, text, empty = (sheet.cell(row, 1) for row in (2, 3, 4))
    assert (percent.value, percent.number_format) == (0.25, "0.0%")
    assert percent.fill.start_color.rgb == "FFFFEB9C"
    assert (text.value, text.data_type, text.comment.text) == ("=1+1", "s", "=note")
    assert (empty.value, empty.fill.start_color.rgb) == (None, "FFC6EFCE")


def test_a_sheet_may_be_given_as_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    cells = {(3, 2): AddedCell(7), (1, 1): AddedCell("題", "header")}
    write_xlsx(path, {"S": NewSheet(cells, {1: 30}, frozen_rows=1)})
    sheet = openpyxl.load_workbook(path)["S"]
    assert (sheet["A1"].value, sheet["A1"].font.bold, sheet["B3"].value) == ("題", True, 7)
    assert (sheet.freeze_panes, round(sheet.column_dimensions["A"].width)) == ("A2", 31)
