"""Plain rows in, files out: workbooks and csv that no spreadsheet program runs anything from."""

from __future__ import annotations

import csv
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from zhmcq.errors import OutputError
from zhmcq.files import atomic_write

__all__ = ["escape_csv_text", "write_csv", "write_json", "write_xlsx"]

logger = logging.getLogger(__name__)

# Excel's own limits.
MAX_CELL = 32_767  # characters, in UTF-16 code units
MAX_ROWS = 1_048_576  # with the headers
MAX_SHEET_NAME = 31
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
        # A lone surrogate, which UTF-8 cannot hold, becomes a question mark.
        temporary.open("w", encoding="utf-8", errors="replace", newline="") as file,
    ):
        writer = csv.writer(_Lines(file))
        writer.writerow([escape_csv_text(header) for header in headers])
        for row in rows:
            cells = [row.get(header, "") for header in headers]
            writer.writerow(
                [escape_csv_text(cell) if isinstance(cell, str) else cell for cell in cells]
            )


class _Lines:
    """Ends lines with a newline for ``csv.writer``.

    Told to do so itself, the writer of Python 3.11 and 3.12 leaves a carriage return within a
    cell unquoted: the cell would end there, and what follows would begin a row of its own.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line.removesuffix("\r\n") + "\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as UTF-8 json, characters as they are (escaped where UTF-8 has none).

    Raises:
        OutputError: If it cannot be written.
    """
    with atomic_write(path) as temporary:
        text = json.dumps(value, ensure_ascii=False, indent=1)
        # Only lone surrogates are without bytes, and their escape is the one that json has.
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def write_xlsx(
    path: str | Path,
    sheets: Mapping[str, tuple[Sequence[str], Sequence[Mapping[str, Any]]]],
) -> None:
    """Write sheets of rows; every text is written as text, never as a formula or a link.

    Args:
        path: The file to write; an older one is replaced when the new one is whole.
        sheets: For each sheet its headers and rows (values by header).

    Cells longer than Excel takes are cut; the log tells how many.

    Raises:
        OutputError: If it cannot be written, or a sheet has more rows than Excel takes.
    """
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import XlsxWriterException

    for name, (_, rows) in sheets.items():
        if len(rows) >= MAX_ROWS:
            raise OutputError(
                f"cannot write {path}: sheet {name!r} would have {len(rows):,} rows below its "
                f"headers; a workbook takes {MAX_ROWS - 1:,}: write csv instead"
            )
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    cut = 0
    with atomic_write(path) as temporary:
        try:
            with Workbook(str(temporary), options) as book:
                names = _sheet_names(sheets)
                for name, (headers, rows) in zip(names, sheets.values(), strict=True):
                    cut += _fill_sheet(book, book.add_worksheet(name), headers, rows)
        except XlsxWriterException as error:  # what the library makes of an OSError
            raise OutputError(f"cannot write {path}: {error}; check the disk") from error
    if cut:
        logger.warning("%s: %d cells cut to %d characters, Excel's limit", path, cut, MAX_CELL)


def _fill_sheet(
    book: Any, sheet: Any, headers: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> int:
    """Write headers and rows; how many cells had to be cut."""
    bold = book.add_format({"bold": True, "bottom": 1})
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    cut = 0
    sheet.freeze_panes(1, 0)
    for column, header in enumerate(headers):
        cut += _write_text(sheet, 0, column, header, bold)
        sheet.set_column(column, column, _width(header, rows))
    for line, row in enumerate(rows, start=1):
        for column, header in enumerate(headers):
            cut += _write_cell(sheet, line, column, row.get(header), wrap)
    if rows and headers:
        sheet.autofilter(0, 0, len(rows), len(headers) - 1)
    return cut


def _write_cell(sheet: Any, line: int, column: int, value: Any, style: Any) -> bool:
    if value is None or value == "":
        return False
    if isinstance(value, bool):
        sheet.write_boolean(line, column, value, style)
        return False
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e15:
        sheet.write_number(line, column, value, style)
        return False
    # Longer numbers would lose digits: ids are such. NaN has no number in a workbook.
    return _write_text(sheet, line, column, str(value), style)


def _write_text(sheet: Any, line: int, column: int, text: str, style: Any) -> bool:
    """Write text as text; whether it had to be cut."""
    units = text.encode("utf-16-le", "replace")
    sheet.write_string(line, column, units[: 2 * MAX_CELL].decode("utf-16-le", "ignore"), style)
    return len(units) > 2 * MAX_CELL


def _sheet_names(names: Iterable[str]) -> list[str]:
    """Names that Excel allows; those that would become alike are numbered."""
    found: list[str] = []
    for name in names:
        plain = "".join("_" if character in "[]:*?/\\'" else character for character in name)
        safe, number = plain[:MAX_SHEET_NAME] or "Sheet", 1
        while safe.casefold() in map(str.casefold, found):
            number += 1
            ending = f" ({number})"
            safe = (plain or "Sheet")[: MAX_SHEET_NAME - len(ending)] + ending
        found.append(safe)
    return found


def _width(header: str, rows: Sequence[Mapping[str, Any]]) -> float:
    """A column's width in characters of the default font; Chinese ones count twice."""
    texts = [header, *(str(row.get(header) or "") for row in rows[:100])]
    longest = max(sum(2 if ord(c) > 0x2E7F else 1 for c in text[:60]) for text in texts)
    return min(max(longest + 2, 8), 50)
