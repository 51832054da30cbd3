"""Rows → xlsx, csv and json files in which a spreadsheet program finds nothing to run.

New workbooks of results are written here, with XlsxWriter, whose options and methods keep every
text a text, whatever it begins with. What is put into a workbook that is there goes through
:mod:`zhmcq.reports._workbook`: no library changes a workbook without losing some of it.
"""

from __future__ import annotations

import csv
import datetime
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from zhmcq._files import atomic_write
from zhmcq.errors import OutputError

__all__ = [
    "MAX_CELL",
    "MAX_ROWS",
    "Sheet",
    "escape_csv_text",
    "sheet_names",
    "write_csv",
    "write_json",
    "write_xlsx",
]

logger = logging.getLogger(__name__)

# Excel's own limits.
MAX_CELL = 32_767  # characters, in UTF-16 code units
MAX_ROWS = 1_048_576  # with the headers
MAX_SHEET_NAME = 31
# Spreadsheet programs run a csv cell that begins with one of these as a formula. The full-width
# forms are typed by Chinese input methods and taken for the same.
RISKY_STARTS = tuple("=+-@\t\r\n＝＋－＠")
LONGEST_NUMBER = 1e15  # Excel keeps 15 digits of a number
# The date of XlsxWriter's files within a workbook. With the present time as the workbook's own, two
# files of the same cells would have different bytes.
CREATED = datetime.datetime(1980, 1, 1)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The content of one sheet.

    Attributes:
        headers: The columns, in order.
        rows: Values by header; missing ones are left empty.
    """

    headers: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


def escape_csv_text(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet program would run as a formula.

    Text that begins with apostrophes and then such a character gets one more, so that taking
    one apostrophe off gives every text back (OWASP, "CSV Injection").
    """
    return f"'{text}" if text.lstrip("'").startswith(RISKY_STARTS) else text


def write_csv(path: str | Path, headers: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as UTF-8 csv, without a byte-order mark, as submission systems expect it.

    Args:
        path: The file to write; an older one is replaced when the new one is complete.
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
        writer = csv.writer(_NewlineEndings(file))
        writer.writerow([escape_csv_text(header) for header in headers])
        for row in rows:
            cells = [row.get(header, "") for header in headers]
            writer.writerow(
                [escape_csv_text(cell) if isinstance(cell, str) else cell for cell in cells]
            )


class _NewlineEndings:
    """Replaces the line endings of ``csv.writer`` by newlines.

    With a newline as its own ``lineterminator``, the writer of Python 3.11 and 3.12 leaves a
    carriage return within a cell unquoted: the cell would end there, and a new row begin.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line.removesuffix("\r\n") + "\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as UTF-8 json, with characters as they are where UTF-8 has them.

    Args:
        path: The file to write; an older one is replaced when the new one is complete.
        value: What json can hold.

    Raises:
        OutputError: If it cannot be written, or holds a number that is not finite: json has none.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)
    except ValueError as error:
        raise OutputError(
            f"{path} is not written: expected finite numbers, found one that is not ({error})"
        ) from error
    with atomic_write(path) as temporary:
        # UTF-8 lacks lone surrogates alone, and Python escapes them the way json does.
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def write_xlsx(path: str | Path, sheets: Mapping[str, Sheet]) -> None:
    """Write a workbook; every text is written as text, never as a formula or a link.

    The same sheets give the same bytes, whenever they are written. Cells longer than Excel takes
    are cut; the log says how many.

    Args:
        path: The file to write; an older one is replaced when the new one is complete.
        sheets: The sheets by name, in order.

    Raises:
        OutputError: If it cannot be written, or a sheet has more rows than Excel takes.
    """
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import XlsxWriterException

    for name, sheet in sheets.items():
        count = len(sheet.rows)
        if count >= MAX_ROWS:
            raise OutputError(
                f"cannot write {path}: sheet {name!r} would have {count:,} rows below its "
                f"headers; a workbook takes {MAX_ROWS - 1:,}: write csv instead"
            )
    options: dict[str, Any] = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    cut = 0
    with atomic_write(path) as temporary:
        # Its own temporary files too are on the target's disk, and are cleared away with it.
        options["tmpdir"] = str(temporary.parent)
        try:
            with Workbook(str(temporary), options) as book:
                book.set_properties({"created": CREATED})
                names = sheet_names(sheets)
                for name, sheet in zip(names, sheets.values(), strict=True):
                    cut += _fill(book, book.add_worksheet(name), sheet)
        except XlsxWriterException as error:
            if isinstance(error.__context__, OSError):  # which the library turns into its own
                raise error.__context__ from None
            raise OutputError(f"cannot write {path}: {error}; write csv instead") from error
    if cut:
        logger.warning("%s: %d cells were cut to %d characters, Excel's limit", path, cut, MAX_CELL)


def _fill(book: Any, worksheet: Any, sheet: Sheet) -> int:
    """Write headers and rows to a worksheet of XlsxWriter.

    Returns:
        How many cells had to be cut.
    """
    bold = book.add_format({"bold": True, "bottom": 1})
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    cut = 0
    worksheet.freeze_panes(1, 0)
    for column, header in enumerate(sheet.headers):
        cut += _write_text(worksheet, 0, column, header, bold)
        worksheet.set_column(column, column, _width(header, sheet.rows))
    for line, row in enumerate(sheet.rows, start=1):
        for column, header in enumerate(sheet.headers):
            cut += _write_cell(worksheet, line, column, row.get(header), wrap)
    if sheet.rows and sheet.headers:
        worksheet.autofilter(0, 0, len(sheet.rows), len(sheet.headers) - 1)
    return cut


def _write_cell(worksheet: Any, line: int, column: int, value: Any, style: Any) -> bool:
    """Write a value by its type; whether it had to be cut."""
    if value is None or value == "":
        return False
    if isinstance(value, bool):
        worksheet.write_boolean(line, column, value, style)
        return False
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < LONGEST_NUMBER:
        worksheet.write_number(line, column, value, style)
        return False
    # Longer numbers, such as ids, would lose digits, and a workbook has no number for NaN.
    return _write_text(worksheet, line, column, str(value), style)


def _write_text(worksheet: Any, line: int, column: int, text: str, style: Any) -> bool:
    """Write text as text; whether it had to be cut."""
    units = text.encode("utf-16-le", "replace")
    fitting = units[: 2 * MAX_CELL].decode("utf-16-le", "ignore")
    worksheet.write_string(line, column, fitting, style)
    return len(units) > 2 * MAX_CELL


def sheet_names(names: Iterable[str]) -> list[str]:
    """Names that Excel allows; a name that would be another one's but for its case is numbered."""
    allowed: list[str] = []
    for name in names:
        plain = "".join("_" if character in "[]:*?/\\'" else character for character in name)
        candidate, number = plain[:MAX_SHEET_NAME] or "Sheet", 1
        while candidate.casefold() in map(str.casefold, allowed):
            number += 1
            ending = f" ({number})"
            candidate = (plain or "Sheet")[: MAX_SHEET_NAME - len(ending)] + ending
        allowed.append(candidate)
    return allowed


def _width(header: str, rows: Sequence[Mapping[str, Any]]) -> float:
    """A column's width in characters of the default font; Chinese characters count twice."""
    texts = [header, *(str(row.get(header) or "") for row in rows[:100])]
    longest = max(sum(2 if ord(c) > 0x2E7F else 1 for c in text[:60]) for text in texts)
    return min(max(longest + 2, 8), 50)
