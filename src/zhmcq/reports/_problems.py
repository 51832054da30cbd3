"""Write a workbook back with its problem cells coloured and commented."""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zhmcq._files import atomic_write, path_to_write, refuse_inputs
from zhmcq.errors import OutputError
from zhmcq.questions import QuestionBank, RowProblem, require_bank
from zhmcq.reading._formats.table import MAX_COLUMNS
from zhmcq.reports._copies import copied_workbook, save_workbook
from zhmcq.reports._tables import MAX_CELL, MAX_ROWS, sheet_names
from zhmcq.zh._fold import fold_name, normal_text

__all__ = ["write_problems"]

logger = logging.getLogger(__name__)

COLOURS = {"error": "FFC7CE", "warning": "FFEB9C"}
_HEADER_ROWS = 40
# So many rows, and so much of each cell, say whether a workbook is the one that was read.
_COMPARED = 200
_PART = 50
_LONGEST = 2000
_LIST_HEADERS = ("row", "id", "field", "severity", "code", "message")
_LIST_WIDTHS = (8, 20, 20, 10, 24, 100)
# How a column without a header is called, up to the last one that a reader takes.
_UNNAMED = re.compile("column ([A-Z]{1,2})")
# XML 1.0 forbids these; a workbook spells them so, and a text that looks like such a spelling too.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\r(?!\n)|_(?=x[0-9A-Fa-f]{4}_)")
_SURROGATE = re.compile("[\ud800-\udfff]")


def write_problems(bank: QuestionBank, path: str | os.PathLike[str]) -> None:
    """Write the bank's file back as a workbook, so that its owner can mend it.

    Cells with an error are red, with a warning yellow, and a comment says what is wrong. An xlsx
    workbook is copied with its formats and formulas, unless it is larger than openpyxl can change
    in memory, or holds other rows by now; of another table, and of what was no file, the rows read
    are written. Records of json have no cells: a list of the problems is written, with the line or
    number of each record.

    Args:
        bank: A bank that was read from one file.
        path: The ``.xlsx`` file to write.

    Raises:
        OutputExistsError: If the bank was read from that file.
        OutputError: If there are problems of several files, the file can't be written, or there is
            no bank.
    """
    require_bank(bank, "write_problems", OutputError)
    if path_to_write(path).suffix.lower() != ".xlsx":
        raise OutputError(f"cannot write {path}: expected a name in .xlsx")
    refuse_inputs(path, bank.files)
    files = sorted({problem.file for problem in bank.problems})
    if len(files) > 1:
        raise OutputError(
            f"the problems are of {len(files)} files ({', '.join(files[:3])}); write each file's "
            "bank by itself"
        )
    source = files[0] if files else None
    book = copied_workbook(Path(source)) if source else None
    by_sheet = _by_sheet(bank.problems)
    if (
        book is not None
        and by_sheet.keys() <= {"", *book.sheetnames}
        and _agrees(book, bank, source)
    ):
        for name, problems in by_sheet.items():
            _mark(book[name] if name else book.worksheets[0], problems, None)
    elif bank.table.rows:
        book = _rewritten(bank, source, path)
    else:
        book = _listed(bank.problems)
    with atomic_write(path) as temporary:
        save_workbook(book, temporary)


def _agrees(book: Any, bank: QuestionBank, source: str | None) -> bool:
    """Whether a workbook holds the rows that were read: the first ones, most of them.

    An upload may have the name of another workbook that lies here, and a file may have changed.
    """
    by_sheet: dict[str, dict[int, set[str]]] = {}
    rows_of_file = (item for item in bank.table.rows.items() if item[0].file == source)
    for origin, cells in itertools.islice(rows_of_file, _COMPARED):
        if texts := _beginnings(cells.values()):
            by_sheet.setdefault(origin.sheet, {})[origin.row] = texts
    compared = sum(map(len, by_sheet.values()))
    same = 0
    for name, rows in by_sheet.items():
        sheet = book[name] if name in book.sheetnames else book.worksheets[0]
        cells_of_rows = sheet.iter_rows(
            values_only=True, max_row=max(rows), max_col=min(MAX_COLUMNS, sheet.max_column)
        )
        for number, values in enumerate(cells_of_rows, 1):
            if number in rows:
                shared = rows[number] & _beginnings(values)
                same += 2 * len(shared) > len(rows[number])
    return same * 2 >= compared


def _beginnings(values: Iterable[Any]) -> set[str]:
    texts = (value.strip()[:_PART] for value in values if isinstance(value, str))
    return {text for value in texts if (text := normal_text(value))}


def _rewritten(bank: QuestionBank, source: str | None, path: str | os.PathLike[str]) -> Any:
    """A workbook of the source's cells as they were read, with the problems marked."""
    import openpyxl

    sheets: dict[str, dict[int, Mapping[str, Any]]] = {}
    for origin, cells in bank.table.rows.items():
        if source is None or origin.file == source:
            sheets.setdefault(origin.sheet, {})[origin.row] = cells
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    headers = bank.table.headers
    by_sheet = _by_sheet(bank.problems)
    cut = 0
    titles = sheet_names([name or "Sheet1" for name in sheets])
    for title, (name, rows) in zip(titles, sheets.items(), strict=True):
        if len(rows) >= MAX_ROWS:
            raise OutputError(
                f"cannot write {path}: it would have {len(rows):,} rows below its headers; a "
                f"workbook takes {MAX_ROWS - 1:,}: split the file"
            )
        sheet = book.create_sheet(title)
        numbers: dict[int, int] = {}
        _write_row(sheet, 1, headers)
        for number, (row, cells) in enumerate(rows.items(), 2):
            cut += _write_row(sheet, number, [cells.get(header, "") for header in headers])
            numbers[row] = number
        _mark(sheet, by_sheet.get(name, ()), numbers)
    if not book.worksheets:
        book.create_sheet("Sheet1")
    if cut:
        logger.warning("%s: %d cells were cut to %d characters, Excel's limit", path, cut, MAX_CELL)
    return book


def _listed(problems: Sequence[RowProblem]) -> Any:
    """A workbook that lists problems, a row each."""
    import openpyxl
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Problems"
    _write_row(sheet, 1, _LIST_HEADERS)
    for column, width in enumerate(_LIST_WIDTHS, 1):
        sheet.column_dimensions[get_column_letter(column)].width = width
        sheet.cell(1, column).font = Font(bold=True)
    for number, problem in enumerate(problems[: MAX_ROWS - 1], 2):
        name = "" if problem.source_id is None else problem.source_id
        _write_row(
            sheet,
            number,
            (problem.row, name, problem.column, problem.severity, problem.code, problem.message),
        )
        sheet.cell(number, 4).fill = _fill(problem.severity)
    if len(problems) >= MAX_ROWS:
        logger.warning("of %d problems a sheet takes %d", len(problems), MAX_ROWS - 1)
    sheet.freeze_panes = "A2"
    return book


def _write_row(sheet: Any, number: int, values: Sequence[Any]) -> int:
    """Write a row, texts as texts whatever they begin with.

    Returns:
        How many cells had to be cut.
    """
    cut = 0
    for column, value in enumerate(values, 1):
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            sheet.cell(number, column, value if _is_number(value) else str(value))
            continue
        text = _storable(value)
        cut += len(text) > MAX_CELL
        cell = sheet.cell(number, column, text[:MAX_CELL])
        cell.data_type = "s"  # openpyxl takes "=1+1" for a formula and "#N/A" for an error
    return cut


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float) and abs(value) < 1e15


def _storable(text: str) -> str:
    """A text as a workbook stores it; spreadsheet programs show it as it was."""
    text = _FORBIDDEN.sub(lambda match: f"_x{ord(match.group()):04X}_", text)
    return _SURROGATE.sub("\ufffd", text)


def _by_sheet(problems: Sequence[RowProblem]) -> dict[str, list[RowProblem]]:
    sheets: dict[str, list[RowProblem]] = {}
    for problem in problems:
        sheets.setdefault(problem.sheet, []).append(problem)
    return sheets


def _mark(sheet: Any, problems: Sequence[RowProblem], rows: Mapping[int, int] | None) -> None:
    columns = _columns(sheet)
    by_cell: dict[tuple[int, int], list[RowProblem]] = {}
    for problem in problems:
        row = rows.get(problem.row, 1) if rows is not None else max(1, problem.row)
        by_cell.setdefault((row, _column(problem.column, columns)), []).append(problem)
    corners = {
        (row, column): (merged.min_row, merged.min_col)
        for merged in sheet.merged_cells.ranges
        for row, column in by_cell
        if merged.min_row <= row <= merged.max_row and merged.min_col <= column <= merged.max_col
    }
    joined: dict[tuple[int, int], list[RowProblem]] = {}
    for cell, noted in by_cell.items():
        joined.setdefault(corners.get(cell, cell), []).extend(noted)
    for (row, column), noted in joined.items():
        _mark_cell(sheet.cell(row, column), noted)


def _mark_cell(cell: Any, problems: Sequence[RowProblem]) -> None:
    from openpyxl.comments import Comment

    worst = "error" if any(p.severity == "error" for p in problems) else "warning"
    cell.fill = _fill(worst)
    text = "\n".join(f"[{p.code}] {p.message}" for p in problems)
    cell.comment = Comment(_storable(text)[:_LONGEST], "zhmcq", width=360, height=120)


def _fill(severity: str) -> Any:
    from openpyxl.styles import PatternFill

    return PatternFill("solid", start_color=COLOURS[severity], end_color=COLOURS[severity])


def _columns(sheet: Any) -> dict[str, int]:
    """The column of each header; the first rows are searched, as the reader does."""
    columns: dict[str, int] = {}
    for row in sheet.iter_rows(max_row=_HEADER_ROWS, max_col=MAX_COLUMNS):
        for cell in row:
            if isinstance(cell.value, str):
                columns.setdefault(fold_name(cell.value), cell.column)
    return columns


def _column(header: str, columns: Mapping[str, int]) -> int:
    from openpyxl.utils import column_index_from_string

    if unnamed := _UNNAMED.fullmatch(header):
        return column_index_from_string(unnamed.group(1))
    return columns.get(fold_name(header), 1) if header else 1
