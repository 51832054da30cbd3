"""A file of any kind → drafts, one after another; and what is noticed on the way."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import Origin, QuestionBank, RowProblem
from zhmcq.reading.drafts import Draft
from zhmcq.reading.embedded import take_embedded
from zhmcq.reading.headers import Columns, find_layout
from zhmcq.reading.json_items import ItemReader, top_items
from zhmcq.reading.progress import tracked
from zhmcq.reading.records import FORMAT, SPLITS_FORMAT, bank_from_lines, bank_from_record
from zhmcq.reading.rows import RowReader
from zhmcq.reading.tables import Row, Table, TableRow
from zhmcq.reading.text import count_lines, detect_encoding, text_tables
from zhmcq.reading.xlsx import xlsx_tables

__all__ = ["Source"]

_HEADER_ROWS = 40
MAX_JSON = 512 * 2**20
MAX_LINE = 64 * 2**20
_JSON = (".json", ".jsonl", ".ndjson")
_KINDS = (
    ".xlsx, .xlsm, .xltx, .xltm, .xls, .xlsb, .ods, .csv, .tsv, .tab, .txt, .json, .jsonl or "
    ".ndjson"
)


@dataclass
class Source:
    """One file and how to read it; gathers what is noticed while its drafts are taken.

    Attributes:
        path: The file.
        name: Its name as it was given.
        wanted: The caller's mapping of field to header.
        sheets: The sheets to read; None for all.
        keep_cells: Whether to keep the cells of each row.
        headers: The headers met, in order.
        cells: The cells of each row, by its origin.
        columns: Which header was read as which field.
        problems: What is wrong with whole sheets.
        saved: The bank, where the file is one that was saved.
    """

    path: Path
    name: str
    wanted: Columns | None = None
    sheets: Sequence[str] | None = None
    keep_cells: bool = True
    headers: dict[str, None] = field(default_factory=dict)
    cells: dict[Origin, TableRow] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    problems: list[RowProblem] = field(default_factory=list)
    saved: QuestionBank | None = None

    def drafts(self) -> Generator[Draft, None, None]:
        """The drafts of the file; none where it is a saved bank.

        Raises:
            ReadError: If it can't be read; ColumnsError if nothing in it is recognised.
        """
        _check_file(self.path, self.name)
        found = self._of_json() if self.path.suffix.lower() in _JSON else self._of_tables()
        try:
            # Closed here and now, not when a traceback is let go of: a child may hang on it.
            with closing(found):
                for draft in found:
                    take_embedded(draft)
                    yield draft
        except OSError as error:
            raise ReadError(f"{self.name}: it can't be read: {error.strerror or error}") from error

    def _of_tables(self) -> Generator[Draft, None, None]:
        failures: list[ColumnsError] = []
        seen: list[str] = []
        readable = 0
        for table in _tables(self.path, self.name):
            seen.append(table.name)
            if self.sheets is not None and table.name not in self.sheets:
                continue
            where = f"{self.name}, sheet {table.name!r}" if table.name else self.name
            rows = tracked(table.rows, table.expected, f"Reading {self.path.name}")
            first = list(islice(rows, _HEADER_ROWS))
            if not first:
                self._note_sheet(table, "empty_sheet", "holds nothing")
                continue
            try:
                layout = find_layout([(row.number, row.texts) for row in first], self.wanted, where)
            except ColumnsError as error:
                failures.append(error)
                self._note_sheet(table, "sheet_not_read", f"was not read: {error}")
                continue
            readable += 1
            yield from self._of_rows(chain(first, rows), RowReader(layout, self.name, table.name))
        missing = [sheet for sheet in self.sheets or () if sheet not in seen]
        if missing:
            raise ReadError(f"{self.name}: no sheet {missing[0]!r}; its sheets: {', '.join(seen)}")
        if not readable and failures:
            raise failures[0]
        if not readable:
            raise ReadError(
                f"{self.name}: expected a header row and questions, found no text in it"
            )

    def _of_rows(self, rows: Iterable[Row], reader: RowReader) -> Iterator[Draft]:
        self.headers |= dict.fromkeys(reader.layout.headers)
        self.columns = reader.layout.as_columns() | self.columns
        for row in rows:
            if row.number <= reader.layout.row or reader.is_header(row) or not any(row.texts):
                continue
            draft = reader.draft(row)
            if self.keep_cells:
                self.cells[draft.origin] = reader.cells(row)
            yield draft

    def _note_sheet(self, table: Table, code: str, message: str) -> None:
        text = f"sheet {table.name!r} {message}"
        self.problems.append(RowProblem(0, "", code, text, "warning", self.name, table.name))

    def _of_json(self) -> Generator[Draft, None, None]:
        if self.path.suffix.lower() == ".json":
            items = self._document()
            what = f"Reading {self.path.name}"
            pairs: Iterable[tuple[int, Any]] = enumerate(tracked(items, len(items), what), 1)
        else:
            lines = count_lines(self.path)
            pairs = tracked(_lines(self.path, self.name), lines, f"Reading {self.path.name}")
            pairs = self._after_head(iter(pairs))
        reader = ItemReader(self.wanted, self.name)
        failure: ReadError | None = None
        for number, item in pairs:
            try:
                if isinstance(item, ReadError):
                    raise item
                yield from reader.drafts(item, number)
            except ReadError as error:
                failure = failure or error
                code = "no_question" if isinstance(error, ColumnsError) else "bad_json"
                yield Draft(Origin(self.name, "", number), "", notes=[("", code)])
        self.columns = reader.columns
        if failure and not reader.columns:
            raise failure

    def _document(self) -> list[Any]:
        data = _load(self.path, self.name)
        form = data.get("format") if isinstance(data, Mapping) else None
        if form == FORMAT:
            self.saved = bank_from_record(data, self.name)
            return []
        if form == SPLITS_FORMAT:
            parts = [
                bank_from_record(data.get(part) or {}, self.name) for part in ("train", "valid")
            ]
            self.saved = parts[0] + parts[1]
            return []
        items = top_items(data)
        if not items:
            raise ReadError(
                f"{self.name}: expected a list of questions as json, found "
                f"{type(data).__name__} without one"
            )
        return items

    def _after_head(self, pairs: Iterator[tuple[int, Any]]) -> Iterable[tuple[int, Any]]:
        """The lines; none where they are those of a saved bank, which is read whole."""
        first = next(pairs, None)
        if first is None:
            raise ReadError(f"{self.name}: expected a question a line, found none")
        if isinstance(first[1], Mapping) and first[1].get("format") == FORMAT:
            rest = (item for _, item in pairs)
            self.saved = bank_from_lines(chain([first[1]], rest), self.name)
            return []
        return chain([first], pairs)


def _check_file(file: Path, name: str) -> None:
    if file.is_dir():
        raise ReadError(f"{name}: expected a file, found a folder; name the file in it")
    if not file.exists():
        folder = file.parent
        near = [other.name for other in islice(sorted(folder.glob(f"*{file.suffix}")), 5)]
        hint = f"; in {folder} there are {', '.join(near)}" if near else ""
        raise ReadError(f"{name}: no such file; check the path{hint}")
    if file.stat().st_size == 0:
        raise ReadError(f"{name}: expected a question bank, found an empty file")


def _tables(file: Path, name: str) -> Iterator[Table]:
    suffix = file.suffix.lower()
    if suffix in (".xlsx", ".xlsm", ".xltx", ".xltm"):
        return xlsx_tables(file, name)
    if suffix in (".csv", ".tsv", ".tab", ".txt"):
        return text_tables(file, name)
    if suffix in (".xls", ".ods", ".xlsb"):
        from zhmcq.reading.calamine_child import calamine_tables

        return calamine_tables(file, name)
    raise ReadError(f"{name}: expected {_KINDS}, found {suffix or 'a name without a suffix'!r}")


def _load(file: Path, name: str) -> Any:
    size = file.stat().st_size
    if size > MAX_JSON:
        raise ReadError(
            f"{name}: {size:,} bytes of json must be held in memory at once; the limit is "
            f"{MAX_JSON:,}; save it as .jsonl, one question a line"
        )
    encoding = detect_encoding(file, name)
    return _parsed(file.read_text(encoding=encoding), name)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ReadError(f"{where}: expected json, but {detail}") from error


def _lines(file: Path, name: str) -> Iterator[tuple[int, Any]]:
    """Line numbers, and what the lines hold: a value, or the error that it is none."""
    encoding = detect_encoding(file, name)
    with file.open(encoding=encoding) as stream:
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise ReadError(f"{name}, line {number}: longer than {MAX_LINE:,} characters")
            if line.strip():
                try:
                    yield number, _parsed(line, f"{name}, line {number}")
                except ReadError as error:
                    yield number, error
