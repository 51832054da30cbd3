"""Rows and cells → a new xlsx workbook in which a spreadsheet program finds nothing to run.

Two rooms write workbooks, because neither does what the other is needed for. New ones are written
here, with XlsxWriter, whose options and methods keep every text a text, whatever it begins with. A
workbook that is there already is edited as the package that it is (:mod:`zhmcq.reports._workbook`):
XlsxWriter cannot read one, and what other libraries read they lose in part.
"""

from __future__ import annotations

import datetime
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhmcq._files import atomic_write
from zhmcq._phrases import counted
from zhmcq.errors import OutputError
from zhmcq.reports._tables import LONGEST_NUMBER, MAX_CELL, MAX_ROWS, sheet_names
from zhmcq.reports._workbook import AddedCell, NewSheet
from zhmcq.reports._workbook._styles import FILLS

__all__ = ["Sheet", "text_width", "write_xlsx"]

logger = logging.getLogger(__name__)

# The date of XlsxWriter's files within a workbook. With the present time as the workbook's own, two
# files of the same cells would have different bytes.
CREATED = datetime.datetime(1980, 1, 1)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The content of a sheet that is one table.

    Attributes:
        headers: The columns, in order.
        rows: Values by header, plain or as :class:`AddedCell`; missing ones are left empty.
    """

    headers: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


def write_xlsx(path: str | Path, sheets: Mapping[str, Sheet | NewSheet]) -> None:
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
        count = len(sheet.rows) if isinstance(sheet, Sheet) else 0
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
                formats = _Formats(book)
                for name, sheet in zip(names, sheets.values(), strict=True):
                    worksheet = book.add_worksheet(name)
                    if isinstance(sheet, Sheet):
                        cut += _fill_table(worksheet, sheet, formats)
                    else:
                        cut += _fill_cells(worksheet, sheet, formats)
        except XlsxWriterException as error:
            if isinstance(error.__context__, OSError):  # which the library turns into its own
                raise error.__context__ from None
            raise OutputError(f"cannot write {path}: {error}; write csv instead") from error
    if cut:
        logger.warning(
            "%s: %s cut to %d characters, Excel's limit",
            path,
            counted(cut, "cell was", "cells were"),
            MAX_CELL,
        )


class _Formats:
    """The formats of a workbook, each made when it is first used."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._made: dict[tuple[str, str, bool], Any] = {}

    def of(self, cell: AddedCell, *, wrap: bool) -> Any:
        """The format of a cell; ``wrap``: whether long texts go on in the next line."""
        key = (cell.style, cell.colour, wrap)
        if key not in self._made:
            fields: dict[str, Any] = {"text_wrap": True, "valign": "top"} if wrap else {}
            if cell.style == "header":
                fields = {"bold": True, "bottom": 1}
            if cell.style == "percent":
                fields["num_format"] = "0.0%"
            if cell.style == "range":
                fields["align"] = "right"
            if cell.colour:
                fields["bg_color"] = FILLS[cell.colour]
            self._made[key] = self._book.add_format(fields)
        return self._made[key]


def _fill_table(worksheet: Any, sheet: Sheet, formats: _Formats) -> int:
    """Write headers and rows to a worksheet of XlsxWriter.

    Returns:
        How many cells had to be cut.
    """
    cut = 0
    worksheet.freeze_panes(1, 0)
    for column, header in enumerate(sheet.headers):
        cut += _write(worksheet, (0, column), AddedCell(header, "header"), formats)
        worksheet.set_column(column, column, _width(header, sheet.rows))
    for line, row in enumerate(sheet.rows, start=1):
        for column, header in enumerate(sheet.headers):
            value = row.get(header)
            cell = value if isinstance(value, AddedCell) else AddedCell(value)
            cut += _write(worksheet, (line, column), cell, formats)
    if sheet.rows and sheet.headers:
        worksheet.autofilter(0, 0, len(sheet.rows), len(sheet.headers) - 1)
    return cut


def _fill_cells(worksheet: Any, sheet: NewSheet, formats: _Formats) -> int:
    """Write cells to a worksheet; how many had to be cut."""
    if sheet.frozen_rows:
        worksheet.freeze_panes(sheet.frozen_rows, 0)
    for column, width in sheet.widths.items():
        worksheet.set_column(column - 1, column - 1, width)
    return sum(
        _write(worksheet, (row - 1, column - 1), cell, formats, wrap=False)
        for (row, column), cell in sorted(sheet.cells.items(), key=lambda item: item[0])
    )


def _write(
    worksheet: Any, at: tuple[int, int], cell: AddedCell, formats: _Formats, *, wrap: bool = True
) -> bool:
    """Write a value by its type at a row and a column from 0; whether it had to be cut."""
    value, style = cell.value, formats.of(cell, wrap=wrap)
    if cell.comment:
        worksheet.write_comment(*at, cell.comment[:MAX_CELL])
    if value is None or value == "":
        if cell.colour:
            worksheet.write_blank(*at, None, style)
        return False
    if isinstance(value, bool):
        worksheet.write_boolean(*at, value, style)
        return False
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < LONGEST_NUMBER:
        worksheet.write_number(*at, value, style)
        return False
    # Longer numbers, such as ids, would lose digits, and a workbook has no number for NaN.
    units = str(value).encode("utf-16-le", "replace")
    fitting = units[: 2 * MAX_CELL].decode("utf-16-le", "ignore")
    worksheet.write_string(*at, fitting, style)
    return len(units) > 2 * MAX_CELL


def _width(header: str, rows: Sequence[Mapping[str, Any]]) -> float:
    """A column's width in characters of the default font."""
    texts = [header, *(_shown(row.get(header)) for row in rows[:100])]
    longest = max(map(text_width, texts))
    return min(max(longest + 2, 8), 50)


def text_width(text: str) -> int:
    """How many characters of the default font a text's beginning takes: a Chinese one takes two."""
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text[:60])


def _shown(value: Any) -> str:
    """A value as it will be seen, for the width of its column."""
    cell = value if isinstance(value, AddedCell) else AddedCell(value)
    if cell.style == "percent":
        return "100.0%"
    return str(cell.value or "")
