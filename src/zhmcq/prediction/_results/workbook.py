"""Results as a workbook: a copy of the questions' own with columns added, or a plain one."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zhmcq._files import path_to_write
from zhmcq._joining import file_prefix
from zhmcq.errors import OutputError, ReadError, SettingsError
from zhmcq.prediction._results.columns import Look, added_columns, distinct_names
from zhmcq.prediction._results.key_style import LABELS
from zhmcq.prediction._results.rows import ResultRow, result_rows, written_id
from zhmcq.prediction._results.summary import summary_sheet
from zhmcq.prediction._results.tables import Tables
from zhmcq.prediction._results.words import Words, result_words
from zhmcq.questions import Origin, Question
from zhmcq.reading._drafts.ids import given_id
from zhmcq.reading._formats import Sheets, open_file
from zhmcq.reading._formats.table import CellRow
from zhmcq.reports._new_workbook import Sheet, text_width, write_xlsx
from zhmcq.reports._tables import sheet_names
from zhmcq.reports._workbook import (
    AddedCell,
    NewSheet,
    NotEditable,
    SheetEdit,
    edit_workbook,
    first_free_columns,
)
from zhmcq.zh._language import Language

if TYPE_CHECKING:
    from zhmcq.prediction._predictions import Predictions

__all__ = ["write_workbook"]

logger = logging.getLogger(__name__)

_EDITABLE = (".xlsx", ".xlsm", ".xltx", ".xltm")


class _CopyError(Exception):
    """Why the questions' workbook is not copied; caught where a plain one is written instead."""


def write_workbook(
    predictions: Predictions, path: str | Path, language: Language | None, unsure_below: float
) -> None:
    """Write answers into a copy of the questions' workbook, or else into a plain one.

    Args:
        predictions: The answers.
        path: The file; none of those that the questions came from.
        language: The language of headers and statuses; ``None`` goes by the questions.
        unsure_below: Answers with a lower confidence are coloured.

    Raises:
        SettingsError: If ``language`` or ``unsure_below`` is something else.
        OutputError: If the file cannot be written, or its name is of another kind of file.
    """
    _refuse_other_share(unsure_below)
    if path_to_write(path).suffix.lower() not in (".xlsx", ".xlsm"):
        raise OutputError(f"cannot write {path}: expected a name in .xlsx")
    words = result_words(predictions.bank, language)
    look = Look(words, unsure_below, predictions.calibrated, predictions.promise)
    rows = list(result_rows(predictions))
    results = _Results(predictions, rows, look)
    try:
        source = results.source()
        results.write_copy(source, Path(path))
    except _CopyError as error:
        # Who answers a list of questions expects no copy; who answers a workbook does.
        level = logging.WARNING if _is_editable(predictions.bank.files) else logging.INFO
        if path_to_write(path).suffix.lower() == ".xlsm":
            raise OutputError(
                f"cannot write {path}: a workbook with macros can only be a copy of one, and "
                f"{error}; write .xlsx"
            ) from error
        logger.log(level, "%s is a new workbook with plain cells: %s", path, error)
        results.write_plain(path)


def _refuse_other_share(value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or math.isnan(value) or not 0 <= value <= 1:  # type: ignore[arg-type, operator]
        raise SettingsError(
            f"unsure_below={value!r:.80}: expected a number from 0 to 1, such as 0.5; answers with "
            "a lower confidence are coloured"
        )


def _is_editable(files: set[str]) -> bool:
    return any(Path(file).suffix.lower() in _EDITABLE for file in files)


class _Results:
    """Answers with their rows, and how they are shown.

    Args:
        predictions: The answers.
        rows: Their rows and the unusable ones.
        look: How they are shown.
    """

    def __init__(self, predictions: Predictions, rows: Sequence[ResultRow], look: Look) -> None:
        self._predictions = predictions
        self._rows = rows
        self._look = look
        self._tables = Tables(predictions.bank)
        self._by_sheet: dict[tuple[str, str], list[ResultRow]] = {}
        for row in rows:
            origin = row.origin or Origin("")
            self._by_sheet.setdefault((origin.file, origin.sheet), []).append(row)

    def source(self) -> Path:
        """The workbook that all rows are of, as it was read.

        Raises:
            _CopyError: If there is none.
        """
        files = {file for file, _ in self._by_sheet}
        if not files or "" in files:
            raise _CopyError("not all of its questions were read from a workbook")
        if len(files) > 1:
            raise _CopyError(
                f"its questions are of {len(files)} files; answer each by itself to have each back"
            )
        file = next(iter(files))
        source = Path(file)
        if not _is_editable(files):
            raise _CopyError(f"{file} is no xlsx workbook")
        if not source.is_file():
            raise _CopyError(f"{file} is not there any more")
        counts = Counter(row.origin for row in self._rows)
        twice = next((origin for origin, count in counts.items() if count > 1), None)
        if twice is not None:
            raise _CopyError(f"there are several answers for {twice}")
        self._refuse_changed(source, file)
        return source

    def _refuse_changed(self, source: Path, name: str) -> None:
        """Refuse a workbook whose rows are not those that were read: answers would be misplaced.

        Args:
            source: The workbook.
            name: How origins call it.
        """
        wanted = {row.origin: row for row in self._rows if row.question is not None}
        wanted |= {row.origin: row for row in self._rows if self._tables.cells_of(row)}
        try:
            with closing(open_file(source, name)) as contents:
                for sheet in contents.sheets if isinstance(contents, Sheets) else ():
                    for cells in sheet.rows:
                        origin = Origin(name, sheet.name, cells.number)
                        row = wanted.pop(origin, None)
                        if row is not None and not _agree(self._tables.cells_of(row), cells):
                            raise _CopyError(f"{origin} was changed after it was read")
        except (ReadError, OSError) as error:
            raise _CopyError(str(error)) from error
        if wanted:
            raise _CopyError(f"{next(iter(wanted))} was changed after it was read")

    def write_copy(self, source: Path, path: Path) -> None:
        """Write a copy of a workbook with columns beside its tables and a summary.

        Raises:
            _CopyError: If it can't be edited.
        """
        by_title = {sheet: rows for (_, sheet), rows in self._by_sheet.items()}
        first = first_free_columns(source, by_title)
        if isinstance(first, NotEditable):
            raise _CopyError(first.reason)
        edits = {title: self._edit(rows, first[title]) for title, rows in by_title.items()}
        edited = edit_workbook(source, path, edits, {self._look.words.summary: self._summary()})
        if isinstance(edited, NotEditable):
            raise _CopyError(edited.reason)
        for sentence in edited.dropped:
            logger.warning("%s: %s", path, sentence)

    def _edit(self, rows: Sequence[ResultRow], first: int) -> SheetEdit:
        """The cells that are added to a sheet.

        Args:
            rows: Its rows.
            first: The first column that is free, from 1.
        """
        columns = added_columns(rows, self._look)
        names = distinct_names(self._tables.headers_of(rows), [column.header for column in columns])
        cells: dict[tuple[int, int], AddedCell] = {}
        headless: set[Origin] = set()
        for row in rows:
            origin = row.origin or Origin("")
            header = self._tables.header_of(origin)
            style = self._tables.style_of(row)
            untitled = header.row == 0 and header not in headless
            headless |= {header} if untitled else set()
            for number, (column, name) in enumerate(zip(columns, names, strict=True), first):
                added = column.cell(row, style)
                if header.row:
                    cells[header.row, number] = AddedCell(name, "header")
                elif untitled:
                    # A table without a header has no row for names.
                    added = AddedCell(added.value, added.style, added.colour, name)
                # Empty ones too: they have the borders of their neighbours.
                cells[origin.row, number] = added
        widths = {
            number: max(column.width, text_width(name) + 2)
            for number, (column, name) in enumerate(zip(columns, names, strict=True), first)
        }
        return SheetEdit(cells, widths)

    def _summary(self) -> NewSheet:
        return summary_sheet(self._predictions, self._rows, self._look)

    def write_plain(self, path: str | Path) -> None:
        """Write a new workbook: a sheet for each sheet of the source, and the summary."""
        words = self._look.words
        groups = self._by_sheet or {("", ""): []}
        several = len({file for file, _ in groups}) > 1
        names = [_title(file, sheet, words, several=several) for file, sheet in groups]
        sheets: list[Sheet | NewSheet] = [self._plain_sheet(rows) for rows in groups.values()]
        titles = sheet_names([*names, words.summary])
        write_xlsx(path, dict(zip(titles, [*sheets, self._summary()], strict=True)))

    def _plain_sheet(self, rows: Sequence[ResultRow]) -> Sheet:
        columns = added_columns(rows, self._look)
        present = self._tables.headers_of(rows)
        plain = [row for row in rows if self._tables.cells_of(row) is None]
        if plain or not rows:
            present |= dict.fromkeys(_plain_headers(plain, self._look.words))
        names = distinct_names(present, [column.header for column in columns])
        lines: list[Mapping[str, Any]] = []
        for row in rows:
            style = self._tables.style_of(row)
            cells = self._tables.cells_of(row)
            line = dict(_plain_cells(row, self._look.words) if cells is None else cells)
            pairs = zip(columns, names, strict=True)
            lines.append(line | {name: column.cell(row, style) for column, name in pairs})
        return Sheet([*present, *names], lines)


def _agree(cells: Mapping[str, Any] | None, row: CellRow) -> bool:
    """Whether a row holds all that was read from it, which is something."""
    if not cells:
        return False
    filled = [(index, cell) for index, cell in enumerate(cells.values()) if cell not in ("", None)]
    return bool(filled) and all(_holds(row, index, cell) for index, cell in filled)


def _holds(row: CellRow, index: int, cell: Any) -> bool:
    """Whether a cell is one that was read; ids such as 1.2E+17 were read with all their digits."""
    text, value = row.text(index), row.value(index)
    return str(cell) in (text, str(given_id(value, text).value)) or value == cell


def _title(file: str, sheet: str, words: Words, *, several: bool) -> str:
    """What the sheet of a plain workbook is called."""
    stem = file_prefix(file) if file else ""
    parts = [stem, sheet] if several or not sheet else [sheet]
    return " ".join(filter(None, parts)) or words.questions_sheet


def _plain_headers(rows: Sequence[ResultRow], words: Words) -> list[str]:
    """The columns of questions that have no cells: those that hold anything."""
    names = words.plain_headers
    questions = [row.question for row in rows if row.question is not None]
    most = max((len(question.options) for question in questions), default=0)
    headers = [names.id]
    if any(question.passage for question in questions):
        headers.append(names.passage)
    headers += [names.stem, *(f"{names.option}{number}" for number in range(1, most + 1))]
    if any(question.answer is not None for question in questions):
        headers.append(names.key)
    if any(question.subject for question in questions):
        headers.append(names.subject)
    return headers


def _plain_cells(row: ResultRow, words: Words) -> dict[str, Any]:
    """Cells for what was not read from a table; of a row that is unusable only the id is known."""
    names, question = words.plain_headers, row.question
    cells: dict[str, Any] = {names.id: written_id(row.prediction)}
    if question is None:
        return cells
    cells |= {names.passage: question.passage, names.stem: question.stem}
    cells |= {f"{names.option}{n}": text for n, text in enumerate(question.options, 1)}
    return cells | {names.key: _plain_key(question), names.subject: question.subject}


def _plain_key(question: Question) -> str | int:
    return LABELS.written(question, question.answer) if question.answer else ""
