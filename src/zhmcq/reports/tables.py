"""Plain rows in, files out: workbooks and csv that no spreadsheet program runs anything from."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zhmcq.files import atomic_write

__all__ = ["escape_csv_text", "write_csv", "write_json", "write_xlsx"]

MAX_CELL = 32_767  # characters; Excel's own limit
# Spreadsheet programs run a csv cell that begins with one of these as a formula. The full-width
# forms are typed by Chinese input methods and taken for the same.
RISKY_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def escape_csv_text(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet program would run as a formula.

    Text that begins with apostrophes and then such a character gets one more, so that taking
    one apostrophe off gives every text back (OWASP, "CSV Injection").
    """
    return f"'{text}" if text.lstrip("'").startswith(RISKY_STARTS) else text


def write_csv(path: str | Path, headers: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as UTF-8 csv, without a byte-order mark, as submission systems expect it.

    Args:
        path: The file to write; an older one is replaced when the new one is whole.
        headers: The columns, in order.
        rows: Values by header; missing ones are left empty.

    Raises:
        OutputError: If it cannot be written.
    """
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([escape_csv_text(header) for header in headers])
        for row in rows:
            cells = [row.get(header, "") for header in headers]
            writer.writerow(
                [escape_csv_text(cell) if isinstance(cell, str) else cell for cell in cells]
            )


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as UTF-8 json, characters as they are.

    Raises:
        OutputError: If it cannot be written.
    """
    with atomic_write(path) as temporary:
        text = json.dumps(value, ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


def write_xlsx(
    path: str | Path,
    sheets: Mapping[str, tuple[Sequence[str], Sequence[Mapping[str, Any]]]],
) -> None:
    """Write sheets of rows; every text is written as text, never as a formula or a link.

    Args:
        path: The file to write; an older one is replaced when the new one is whole.
        sheets: For each sheet its headers and rows (values by header).

    Raises:
        OutputError: If it cannot be written.
    """
    import xlsxwriter

    with atomic_write(path) as temporary:
        options = {
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "nan_inf_to_errors": True,
        }
        with xlsxwriter.Workbook(str(temporary), options) as book:
            bold = book.add_format({"bold": True, "bottom": 1})
            wrap = book.add_format({"text_wrap": True, "valign": "top"})
            for name, (headers, rows) in sheets.items():
                sheet = book.add_worksheet(_sheet_name(name))
                sheet.freeze_panes(1, 0)
                for column, header in enumerate(headers):
                    sheet.write_string(0, column, header[:MAX_CELL], bold)
                    sheet.set_column(column, column, _width(header, rows))
                for line, row in enumerate(rows, start=1):
                    for column, header in enumerate(headers):
                        _write_cell(sheet, line, column, row.get(header), wrap)
                if rows:
                    sheet.autofilter(0, 0, len(rows), len(headers) - 1)


def _write_cell(sheet: Any, line: int, column: int, value: Any, wrap: Any) -> None:
    if value is None or value == "":
        return
    if isinstance(value, bool):
        sheet.write_boolean(line, column, value, wrap)
    elif isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e15:
        sheet.write_number(line, column, value, wrap)
    else:  # longer numbers would lose digits: ids are such
        sheet.write_string(line, column, str(value)[:MAX_CELL], wrap)


def _sheet_name(name: str) -> str:
    safe = "".join("_" if character in "[]:*?/\\'" else character for character in name)
    return safe[:31] or "Sheet"


def _width(header: str, rows: Sequence[Mapping[str, Any]]) -> float:
    """A column's width in characters of the default font; Chinese ones count twice."""
    texts = [header, *(str(row.get(header) or "") for row in rows[:100])]
    longest = max(sum(2 if ord(c) > 0x2E7F else 1 for c in text[:60]) for text in texts)
    return min(max(longest + 2, 8), 50)
