"""New columns stand right of everything that a sheet holds."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xlsxwriter import Workbook

from zhmcq.reports._workbook import NotEditable, first_free_columns

PIXEL = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc```\0\0"
    b"\0\4\0\1\xf6\x178U\0\0\0\0IEND\xaeB`\x82"
)


def free(path: Path, fill: Callable[[Any, Any], object]) -> int:
    with Workbook(str(path)) as book:
        sheet = book.add_worksheet("S")
        sheet.set_column("E:E", 40)
        sheet.write_row(0, 0, ["題目", "A", "B", "答案"])
        fill(book, sheet)
    result = first_free_columns(path, ["S"])
    assert not isinstance(result, NotEditable)
    return result["S"]


def picture(sheet: Any, cell: str, width: float, position: int, offset: int = 0) -> None:
    options = {
        "image_data": io.BytesIO(PIXEL),
        "x_scale": width,
        "x_offset": offset,
        "object_position": position,
    }
    sheet.insert_image(cell, "p.png", options)


@pytest.mark.parametrize(
    ("fill", "column"),
    [
        (lambda *_: None, 5),
        (lambda _, sheet: sheet.write_blank("K9", None, None), 5),
        (lambda book, sheet: sheet.write_blank("K9", None, book.add_format({"bold": True})), 5),
        (lambda _, sheet: sheet.write_number("K9", 0), 12),
        (lambda _, sheet: sheet.write_formula("K9", "=A1", None, ""), 12),
        (lambda _, sheet: sheet.merge_range("D3:G4", ""), 8),
        (lambda _, sheet: sheet.merge_range("A3:XFD4", ""), 5),
        (lambda _, sheet: sheet.add_table("F3:H5"), 9),
        (lambda _, sheet: sheet.write_comment("K2", "註"), 5),
        (lambda _, sheet: sheet.conditional_format("A1:Z9", {"type": "data_bar"}), 5),
        (lambda _, sheet: sheet.data_validation("K1:K9", {"validate": "any"}), 5),
        (lambda _, sheet: sheet.add_sparkline("J2", {"range": "S!A1:D1"}), 11),
        (lambda _, sheet: sheet.insert_textbox("F2", "文字", {"width": 128, "height": 20}), 8),
        (lambda _, sheet: sheet.insert_textbox("F2", "文字", {"width": 129, "height": 20}), 9),
        # Of the three ways to anchor a picture: with its cells, at a cell, on the page.
        (lambda _, sheet: picture(sheet, "F2", 129, 1), 9),
        (lambda _, sheet: picture(sheet, "F2", 129, 2), 9),
        (lambda _, sheet: picture(sheet, "F2", 129, 3), 9),
        (lambda _, sheet: picture(sheet, "F2", 64, 2, 60), 8),
        (lambda _, sheet: picture(sheet, "E2", 129, 2), 6),
        (lambda _, sheet: picture(sheet, "ABC2", 10, 1), 5),
    ],
)
def test_new_columns_stand_right_of_everything(
    tmp_path: Path, fill: Callable[[Any, Any], object], column: int
) -> None:
    assert free(tmp_path / "bank.xlsx", fill) == column


def test_a_drawing_that_is_damaged_takes_no_columns(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.insert_textbox("F2", "文字")

    assert free(tmp_path / "bank.xlsx", fill) > 5
    path = tmp_path / "damaged.xlsx"
    with zipfile.ZipFile(tmp_path / "bank.xlsx") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) if "drawing1.xml" not in name else b"<!DOCTYPE a>")
    assert first_free_columns(path, ["S"]) == {"S": 5}


def test_a_sheet_that_is_not_there_is_named(tmp_path: Path) -> None:
    free(tmp_path / "bank.xlsx", lambda *_: None)
    result = first_free_columns(tmp_path / "bank.xlsx", ["T"])
    assert isinstance(result, NotEditable)
    assert "it has no sheet 'T', but ['S']" in result.reason
