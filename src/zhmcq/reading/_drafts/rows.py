"""Rows of a table under a recognised header → drafts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Generator, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import Origin, RowProblem, SourceId
from zhmcq.reading._drafts.draft import (
    Draft,
    DraftItem,
    Heading,
    ReadRequest,
    is_index,
    labels_marked_right,
)
from zhmcq.reading._drafts.embedded import options_of_text
from zhmcq.reading._drafts.headers import HeaderLayout, find_layout
from zhmcq.reading._drafts.vocabulary import names_index
from zhmcq.reading._formats.table import CellRow, Sheet, SourceRow, tracked
from zhmcq.zh._fold import fold_name

__all__ = ["RowReader", "sheet_drafts"]

_HEADER_ROWS = 40

_SAME_AS_ABOVE = re.compile(r"(?:同|接|承)(?:上|前)(?:文|题|一题|篇|列|行)?|sameasabove|ditto|″|〃")
_RULE = re.compile(r":?[-=]{2,}:?")
_DAYS = range(36_526, 55_153)
_TEXT_FIELDS = ("passage", "kind", "subject", "explanation", "source", "group", "picture")


def sheet_drafts(sheets: Iterable[Sheet], request: ReadRequest) -> Generator[DraftItem, None, None]:
    """The drafts of a workbook's or text file's rows, sheet after sheet.

    Sheets that are empty or have no recognisable header give a problem instead.

    Raises:
        ColumnsError: If no sheet has a recognisable header.
        ReadError: If a sheet named in the request is missing, or nothing holds any text.
    """
    failures: list[ColumnsError] = []
    names: list[str] = []
    readable = 0
    for sheet in sheets:
        names.append(sheet.name)
        if request.sheets is not None and sheet.name not in request.sheets:
            continue
        where = f"{request.name}, sheet {sheet.name!r}" if sheet.name else request.name
        rows = tracked(sheet.rows, sheet.expected, f"Reading {request.path.name}")
        first = list(islice(rows, _HEADER_ROWS))
        if not first:
            yield _sheet_problem(sheet, request, "empty_sheet", "holds nothing")
            continue
        try:
            layout = find_layout([(row.number, row.texts) for row in first], request.columns, where)
        except ColumnsError as error:
            failures.append(error)
            yield _sheet_problem(sheet, request, "sheet_not_read", f"was not read: {error}")
            continue
        readable += 1
        reader = RowReader(layout, request.name, sheet.name)
        yield reader.heading
        yield from reader.drafts(chain(first, rows), keep_cells=request.keep_cells)
    missing = [name for name in request.sheets or () if name not in names]
    if missing:
        raise ReadError(f"{request.name}: no sheet {missing[0]!r}; its sheets: {', '.join(names)}")
    if not readable and failures:
        raise failures[0]
    if not readable:
        raise ReadError(f"{request.name}: expected a header row and questions, found no text in it")


def _sheet_problem(sheet: Sheet, request: ReadRequest, code: str, message: str) -> RowProblem:
    text = f"sheet {sheet.name!r} {message}"
    return RowProblem(0, "", code, text, "warning", request.name, sheet.name)


class RowReader:
    """Reads the rows of one sheet.

    Args:
        layout: What its header row says.
        file: The file's name as it was given.
        sheet: The sheet's name.
    """

    def __init__(self, layout: HeaderLayout, file: str, sheet: str) -> None:
        self.layout = layout
        self.file = file
        self.sheet = sheet
        options = layout.headers[layout.options[0]] if layout.options else ""
        self.heading = Heading(layout.as_columns(), options, layout.headers)
        self._indexes = {header: index for index, header in enumerate(layout.headers)}
        self._header_texts = [fold_name(header) for header in layout.headers]
        keys = [layout.headers[column] for column in layout.fields.get("answer", ())]
        self._index_keys = bool(keys) and all(map(names_index, keys))
        self._above: tuple[int, str] = (0, "")

    def is_header(self, row: CellRow) -> bool:
        """Whether a row repeats the header, as printed banks do, or is a line under it."""
        if all(_RULE.fullmatch(text) for text in row.texts if text):
            return True
        stem = self.layout.first("stem")
        column = stem if stem is not None else 0
        return (
            fold_name(row.text(column)) == self._header_texts[column]
            and sum(map(bool, row.texts)) > 1
            and all(
                fold_name(text) == self._header_texts[index]
                for index, text in enumerate(row.texts[: len(self._header_texts)])
                if text
            )
        )

    def drafts(self, rows: Iterable[CellRow], *, keep_cells: bool) -> Iterator[Draft]:
        """The drafts of the rows below the header; headers and empty rows are left out.

        Args:
            rows: The rows of the sheet.
            keep_cells: Whether each draft carries its row's cells.
        """
        for row in rows:
            if row.number <= self.layout.row or self.is_header(row) or not any(row.texts):
                continue
            draft = self.draft(row)
            if keep_cells:
                draft.cells = self.cells(row)
            yield draft

    def draft(self, row: CellRow) -> Draft:
        """The row's parts."""
        layout = self.layout
        draft = Draft(
            origin=Origin(self.file, self.sheet, row.number),
            stem=self._text(row, "stem"),
            labels=layout.labels,
            heading=self.heading,
            has_key_field=bool(layout.fields.get("answer") or layout.rights),
            source_id=self._source_id(row),
        )
        for name in _TEXT_FIELDS:
            if name in layout.fields:
                setattr(draft, name, self._text(row, name))
        if not self.sheet and any(row.texts[len(layout.headers) :]):
            draft.notes.append(("", "extra_cells"))
        self._take_passage(row, draft)
        self._take_options(row, draft)
        draft.answer = self._answer(row)
        draft.key_is_index = self._index_keys and is_index(draft.answer)
        return draft

    def cells(self, row: CellRow) -> SourceRow:
        """The row's cells as shown; whole numbers stay numbers."""
        width = len(self.layout.headers)
        pairs = zip(row.texts[:width], row.values[:width], strict=True)
        return SourceRow(self._indexes, tuple(_shown(text, value) for text, value in pairs))

    def _text(self, row: CellRow, name: str) -> str:
        return next((t for c in self.layout.fields.get(name, ()) if (t := row.text(c))), "")

    def _source_id(self, row: CellRow) -> SourceId:
        column = self.layout.first("id")
        if column is None:
            return None
        shown = _shown(row.text(column), row.value(column))
        return shown if shown != "" else None

    def _answer(self, row: CellRow) -> Any:
        for column in self.layout.fields.get("answer", ()):
            if row.text(column):
                value = row.value(column)
                plain = isinstance(value, bool | int | float) and column not in row.notes
                if isinstance(value, int | float) and not isinstance(value, bool):
                    # 3 shown as "3." or "03" is 3; 0.5 shown as 50% is the text of an option.
                    plain &= value == int(value) if abs(value) < 1e9 else False
                return value if plain else row.text(column)
        return labels_marked_right(
            {label: row.text(column) for label, column in self.layout.rights.items()}
        )

    def _take_passage(self, row: CellRow, draft: Draft) -> None:
        column = self.layout.first("passage")
        if column is None:
            return
        if len(draft.passage) <= 8 and _SAME_AS_ABOVE.fullmatch(fold_name(draft.passage) or "-"):
            number, above = self._above
            near = number == row.number - 1 and above
            code = "same_as_above" if near else "same_as_nothing"
            draft.notes.append((self.layout.headers[column], code))
            draft.passage = above if near else draft.passage
        self._above = (row.number, draft.passage)
        self._note(row, draft, column)

    def _take_options(self, row: CellRow, draft: Draft) -> None:
        layout = self.layout
        if layout.options:
            draft.options = [row.text(column) for column in layout.options]
            for column in layout.options:
                self._note(row, draft, column)
            self._note_dates(row, draft)
        elif "options" in layout.fields and (text := self._text(row, "options")):
            draft.options, draft.labels = options_of_text(text)
        stem = layout.first("stem")
        if stem is not None:
            self._note(row, draft, stem)

    def _note(self, row: CellRow, draft: Draft, column: int) -> None:
        if row.notes and column in row.notes:
            draft.notes.append((self.layout.headers[column], row.notes[column]))

    def _note_dates(self, row: CellRow, draft: Draft) -> None:
        values = [(c, row.value(c)) for c in self.layout.options if row.text(c)]
        dates = [c for c, value in values if isinstance(value, dt.datetime | dt.date)]
        if dates and len(dates) < len(values):
            draft.notes += [(self.layout.headers[c], "date_option") for c in dates]
        if len(values) > 1 and all(_is_day(value) for _, value in values):
            draft.notes.append((self.layout.headers[values[0][0]], "date_serial"))


def _is_day(value: Any) -> bool:
    """Whether a number may be a day from 2000 to 2050, as Excel counts them."""
    return isinstance(value, int | float) and value in _DAYS


def _shown(text: str, value: Any) -> Any:
    """A whole number as a number where it was shown as such, else the text that was shown."""
    if isinstance(value, int | float) and not isinstance(value, bool) and text.isascii():
        digits = text.removeprefix("-")
        if digits.isdigit() and (digits == "0" or digits[0] != "0"):
            return int(text)
    return text
