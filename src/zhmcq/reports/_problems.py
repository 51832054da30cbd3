"""Write a workbook back with its problem cells coloured and commented."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from zhmcq._files import atomic_write, path_to_write, refuse_inputs
from zhmcq._phrases import counted, records
from zhmcq._phrases.problem_words import PROBLEMS
from zhmcq.errors import OutputError, ReadError
from zhmcq.questions import QuestionBank, RowProblem, require_bank
from zhmcq.reading._formats.xlsx import xlsx_sheets
from zhmcq.reports._openpyxl import save_workbook
from zhmcq.reports._tables import MAX_CELL, MAX_ROWS, sheet_names
from zhmcq.reports._workbook import (
    AddedCell,
    NotEditable,
    SheetEdit,
    covered_cells,
    edit_workbook,
)
from zhmcq.reports._workbook._styles import FILLS
from zhmcq.reports._workbook._xml import storable
from zhmcq.zh._fold import fold_name, normal_text
from zhmcq.zh._language import Language, language_of

__all__ = ["write_problems"]

logger = logging.getLogger(__name__)

_WORKBOOKS = (".xlsx", ".xlsm", ".xltx", ".xltm")
_HEADER_ROWS = 40
# So many rows, and so much of each cell, say whether a workbook is the one that was read.
_COMPARED = 200
_PART = 50
_LONGEST = 2000
_LIST_HEADERS = ("row", "id", "field", "severity", "code", "message")
_LIST_WIDTHS = (8, 20, 20, 10, 24, 100)
# How a column without a header is called, up to the last one that a reader takes.
_UNNAMED = re.compile("column ([A-Z]{1,2})")


def write_problems(bank: QuestionBank, path: str | os.PathLike[str]) -> None:
    """Write the bank's file back as a workbook, so that its owner can mend it.

    Cells with an error are red, with a warning yellow, and a comment says what is wrong: errors in
    Chinese first where the headers, or else the questions, are Chinese. Of an
    xlsx workbook everything else stays as it is: charts, pictures, comments, formulas with their
    values. Byte for byte the same are all its parts but the sheets with problems, their comments
    with the boxes that show these, and the lists of formats, relationships and content types; a
    comment that is there already gets ours below it. Macros and digital signatures are left out,
    and the log says so.

    If the workbook can't be edited (the log says why), or holds other rows by now, the rows that
    were read are written, and so they are of another table and of what was no file. Records of
    json have no cells: a list of the problems is written, with the line or number of each record.

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
    if not files and len(bank.files) == 1:
        files = list(bank.files)
    source = files[0] if files else None
    if source and _marked(source, bank, Path(path)):
        return
    book = _rewritten(bank, source, path) if bank.table.rows else _listed(bank.problems)
    with atomic_write(path) as temporary:
        save_workbook(book, temporary)


def _marked(source: str, bank: QuestionBank, path: Path) -> bool:
    """Write the workbook that was read, with its problems marked; whether that could be done."""
    file = Path(source)
    if file.suffix.lower() not in _WORKBOOKS or not file.is_file():
        return False
    edits = _edits(source, bank)
    result = edits if isinstance(edits, NotEditable) else edit_workbook(file, path, edits, {})
    if isinstance(result, NotEditable):
        logger.info("%s", records.rows_are_copied(result.reason))
        return False
    for sentence in result.dropped:
        logger.warning("%s: %s", source, sentence)
    return True


def _edits(source: str, bank: QuestionBank) -> dict[str, SheetEdit] | NotEditable:
    """What is changed in the workbook that was read."""
    try:
        glimpses = _glimpses(source, bank)
    except ReadError as error:
        return NotEditable(str(error))
    by_sheet = _by_sheet(bank.problems)
    first = next(iter(glimpses), "")
    if not by_sheet.keys() <= {"", *glimpses} or not _agrees(glimpses, bank, source):
        return NotEditable(f"{source}: it holds other rows than those that were read")
    cells: dict[str, dict[tuple[int, int], list[RowProblem]]] = {}
    for name, problems in by_sheet.items():
        title = name or first
        by_cell = _by_cell(problems, glimpses[title].columns, None)
        for at, noted in by_cell.items():
            cells.setdefault(title, {}).setdefault(at, []).extend(noted)
    covered = covered_cells(Path(source), cells)
    if isinstance(covered, NotEditable):
        return covered
    language = _language(bank)
    edits = {}
    for title, by_cell in cells.items():
        joined: dict[tuple[int, int], list[RowProblem]] = {}
        for at, noted in by_cell.items():
            joined.setdefault(covered[title].get(at, at), []).extend(noted)
        edits[title] = SheetEdit({at: _mark_of(noted, language) for at, noted in joined.items()})
    return edits


def _language(bank: QuestionBank) -> Language:
    """The language of the owner, who reads the comments."""
    return language_of(bank.table.headers, (question.stem for question in bank))


def _mark_of(problems: Sequence[RowProblem], language: Language) -> AddedCell:
    return AddedCell(None, colour=_worst(problems), comment=_comment(problems, language))


def _worst(problems: Sequence[RowProblem]) -> Literal["error", "warning"]:
    return "error" if any(p.severity == "error" for p in problems) else "warning"


def _comment(problems: Sequence[RowProblem], language: Language) -> str:
    return "\n".join(f"[{p.code}] {_said(p, language)}" for p in problems)[:_LONGEST]


def _said(problem: RowProblem, language: Language) -> str:
    """What is wrong, in the language where we have the words; the details are in English."""
    known = PROBLEMS.get(problem.code)
    if known is None or language == "en":
        return problem.message
    return f"{known[language == 'zh-Hans']}（{problem.message}）"


class _Glimpse(NamedTuple):
    """What a sheet of a workbook holds by now.

    Attributes:
        columns: The column of each header, from 1; the first rows are searched, as the reader does.
        rows: The beginnings of the texts in some of its rows.
    """

    columns: dict[str, int]
    rows: dict[int, set[str]]


def _glimpses(source: str, bank: QuestionBank) -> dict[str, _Glimpse]:
    """Each sheet of a workbook, no further than is looked at.

    Raises:
        ReadError: If it can't be read.
    """
    compared = _compared_rows(bank, source)
    glimpses: dict[str, _Glimpse] = {}
    with contextlib.closing(xlsx_sheets(Path(source), source)) as sheets:
        for sheet in sheets:
            wanted = compared.get(sheet.name, {}) | ({} if glimpses else compared.get("", {}))
            last = max([_HEADER_ROWS, *wanted])
            columns: dict[str, int] = {}
            rows: dict[int, set[str]] = {}
            for row in itertools.takewhile(lambda row: row.number <= last, sheet.rows):  # noqa: B023
                if row.number in wanted:
                    rows[row.number] = _beginnings(row.values)
                if row.number <= _HEADER_ROWS:
                    for column, value in enumerate(row.values, 1):
                        if isinstance(value, str):
                            columns.setdefault(fold_name(value), column)
            glimpses[sheet.name] = _Glimpse(columns, rows)
    return glimpses


def _compared_rows(bank: QuestionBank, source: str) -> dict[str, dict[int, set[str]]]:
    """The beginnings of the texts in the first rows that were read, by sheet and row."""
    by_sheet: dict[str, dict[int, set[str]]] = {}
    rows_of_file = (item for item in bank.table.rows.items() if item[0].file == source)
    for origin, cells in itertools.islice(rows_of_file, _COMPARED):
        if texts := _beginnings(cells.values()):
            by_sheet.setdefault(origin.sheet, {})[origin.row] = texts
    return by_sheet


def _agrees(glimpses: Mapping[str, _Glimpse], bank: QuestionBank, source: str) -> bool:
    """Whether a workbook holds the rows that were read: the first ones, most of them.

    An upload may have the name of another workbook that lies here, and a file may have changed.
    """
    first = next(iter(glimpses), "")
    same = compared = 0
    for name, rows in _compared_rows(bank, source).items():
        glimpse = glimpses.get(name) or glimpses[first]
        for number, texts in rows.items():
            compared += 1
            same += 2 * len(texts & glimpse.rows.get(number, set())) > len(texts)
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
    language = _language(bank)
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
        columns = {fold_name(header): column for column, header in enumerate(headers, 1)}
        for (row, column), noted in _by_cell(by_sheet.get(name, ()), columns, numbers).items():
            _mark_cell(sheet.cell(row, column), noted, language)
    if not book.worksheets:
        book.create_sheet("Sheet1")
    if cut:
        logger.warning(
            "%s: %s cut to %d characters, Excel's limit",
            path,
            counted(cut, "cell was", "cells were"),
            MAX_CELL,
        )
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
        text = storable(value)
        cut += len(text) > MAX_CELL
        cell = sheet.cell(number, column, text[:MAX_CELL])
        cell.data_type = "s"  # openpyxl takes "=1+1" for a formula and "#N/A" for an error
    return cut


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float) and abs(value) < 1e15


def _by_sheet(problems: Sequence[RowProblem]) -> dict[str, list[RowProblem]]:
    sheets: dict[str, list[RowProblem]] = {}
    for problem in problems:
        sheets.setdefault(problem.sheet, []).append(problem)
    return sheets


def _by_cell(
    problems: Sequence[RowProblem],
    columns: Mapping[str, int],
    rows: Mapping[int, int] | None,
) -> dict[tuple[int, int], list[RowProblem]]:
    """Problems by the row and column of their cells."""
    by_cell: dict[tuple[int, int], list[RowProblem]] = {}
    for problem in problems:
        row = rows.get(problem.row, 1) if rows is not None else max(1, problem.row)
        by_cell.setdefault((row, _column(problem.column, columns)), []).append(problem)
    return by_cell


def _mark_cell(cell: Any, problems: Sequence[RowProblem], language: Language) -> None:
    from openpyxl.comments import Comment

    cell.fill = _fill(_worst(problems))
    cell.comment = Comment(storable(_comment(problems, language)), "zhmcq", width=360, height=120)


def _fill(severity: Literal["error", "warning"]) -> Any:
    from openpyxl.styles import PatternFill

    return PatternFill("solid", start_color=FILLS[severity], end_color=FILLS[severity])


def _column(header: str, columns: Mapping[str, int]) -> int:
    from openpyxl.utils import column_index_from_string

    if unnamed := _UNNAMED.fullmatch(header):
        return column_index_from_string(unnamed.group(1))
    return columns.get(fold_name(header), 1) if header else 1
