"""Write a workbook back with its problem cells coloured and commented."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zhmcq._files import atomic_write, refuse_inputs
from zhmcq.errors import OutputError
from zhmcq.questions import QuestionBank, RowProblem
from zhmcq.reading._formats.archive import check_archive
from zhmcq.zh._fold import fold_name

__all__ = ["write_problems"]

COLOURS = {"error": "FFC7CE", "warning": "FFEB9C"}
# openpyxl holds a workbook it changes in memory, at about 50 times its size.
LARGEST = 40 * 2**20
_HEADER_ROWS = 40
_LONGEST = 2000
# How a column without a header is called, up to the last one that a reader takes.
_UNNAMED = re.compile("column ([A-Z]{1,2})")


def write_problems(bank: QuestionBank, path: str | os.PathLike[str]) -> None:
    """Write the bank's file back as a workbook, so that its owner can mend it.

    Cells with an error are red, with a warning yellow, and a comment says what is wrong. An xlsx
    workbook is copied with its formats and formulas; of any other file, the rows read are written.

    Args:
        bank: A bank that was read from one file.
        path: The ``.xlsx`` file to write.

    Raises:
        OutputExistsError: If the bank was read from that file.
        OutputError: If there are problems of several files, or the file can't be written.
    """
    if Path(path).suffix.lower() != ".xlsx":
        raise OutputError(f"cannot write {path}: expected a name in .xlsx")
    refuse_inputs(path, bank.files)
    files = sorted({problem.file for problem in bank.problems})
    if len(files) > 1:
        raise OutputError(
            f"the problems are of {len(files)} files ({', '.join(files[:3])}); write each file's "
            "bank by itself"
        )
    source = Path(files[0]) if files else None
    copied = source is not None and source.suffix.lower() == ".xlsx" and source.is_file()
    rows: dict[str, dict[int, int]] = {}
    if copied and source and source.stat().st_size <= LARGEST:
        book = _copy(source)
    else:
        book, rows = _rewritten(bank)
    for sheet_name, problems in _by_sheet(bank.problems).items():
        if sheet_name in book.sheetnames or not sheet_name:
            sheet = book[sheet_name] if sheet_name else book.worksheets[0]
            _mark(sheet, problems, rows.get(sheet.title))
    with atomic_write(path) as temporary:
        book.save(temporary)


def _copy(source: Path) -> Any:
    import openpyxl

    try:
        with zipfile.ZipFile(source) as archive:
            check_archive(archive, str(source))
        return openpyxl.load_workbook(source)
    except Exception as error:
        raise OutputError(
            f"cannot copy {source}: it can't be read any more ({type(error).__name__}: {error})"
        ) from error


def _rewritten(bank: QuestionBank) -> tuple[Any, dict[str, dict[int, int]]]:
    """A workbook of the source's cells; with the number of each source row in it, by sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    rows: dict[str, dict[int, int]] = {}
    for origin, cells in bank.table.rows.items():
        title = origin.sheet[:31] or "Sheet1"
        if title not in book.sheetnames:
            book.create_sheet(title).append(list(bank.table.headers))
            rows[title] = {}
        sheet = book[title]
        values = [cells.get(header, "") for header in bank.table.headers]
        sheet.append(values)
        rows[title][origin.row] = sheet.max_row
        for cell in sheet[sheet.max_row]:
            if cell.data_type == "f":
                cell.data_type = "s"
    if not book.worksheets:
        book.create_sheet("Sheet1")
    return book, rows


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
    from openpyxl.styles import PatternFill

    worst = "error" if any(p.severity == "error" for p in problems) else "warning"
    cell.fill = PatternFill("solid", start_color=COLOURS[worst], end_color=COLOURS[worst])
    text = "\n".join(f"[{p.code}] {p.message}" for p in problems)
    cell.comment = Comment(text[:_LONGEST], "zhmcq", width=360, height=120)


def _columns(sheet: Any) -> dict[str, int]:
    """The column of each header; the first rows are searched, as the reader does."""
    columns: dict[str, int] = {}
    for row in sheet.iter_rows(max_row=_HEADER_ROWS):
        for cell in row:
            if isinstance(cell.value, str):
                columns.setdefault(fold_name(cell.value), cell.column)
    return columns


def _column(header: str, columns: Mapping[str, int]) -> int:
    from openpyxl.utils import column_index_from_string

    if unnamed := _UNNAMED.fullmatch(header):
        return column_index_from_string(unnamed.group(1))
    return columns.get(fold_name(header), 1) if header else 1
