"""A file of any kind → a bank: choose the reader, recognise, draft, build."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import Origin, QuestionBank, RowProblem, SourceTable
from zhmcq.reading.build import Builder
from zhmcq.reading.convention import convention_of
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

__all__ = ["read_bank"]

_HEADER_ROWS = 40
MAX_JSON = 512 * 2**20
MAX_LINE = 64 * 2**20
_KINDS = ".xlsx, .xlsm, .xls, .ods, .csv, .tsv, .txt, .json or .jsonl"


@dataclass
class _Reading:
    """What is gathered while a file is read."""

    drafts: deque[Draft] = field(default_factory=deque)
    headers: dict[str, None] = field(default_factory=dict)
    cells: dict[Origin, TableRow] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    problems: list[RowProblem] = field(default_factory=list)


def read_bank(
    path: str | os.PathLike[str],
    *,
    columns: Columns | None = None,
    answer_base: int | None = None,
    sheets: Sequence[str] | None = None,
) -> QuestionBank:
    """Read a question bank from a workbook, a text table or json.

    Args:
        path: An xlsx, xlsm, xls, ods, csv, tsv, json or jsonl file.
        columns: Field → header (``{"stem": "題目", "option1": "甲"}``); it wins over what would
            be recognised. Fields: stem, passage, options, option1 …, answer, id, kind, subject,
            explanation, source, group.
        answer_base: The number of the first option in numeric keys, 0 or 1; by default told from
            the data.
        sheets: The sheets of a workbook to read; by default all.

    Returns:
        The usable questions, with ``problems`` for everything else.

    Raises:
        ColumnsError: If no column of questions is recognised.
        ReadError: If the file is missing, damaged, hostile, empty, or of an unknown kind, or if
            its numeric keys can be read in two ways.
    """
    name, file = str(path), Path(path)
    if answer_base not in (None, 0, 1):
        raise ReadError(f"answer_base={answer_base!r}: expected 0, 1 or None")
    _check_file(file, name)
    suffix = file.suffix.lower()
    try:
        if suffix in (".json", ".jsonl", ".ndjson"):
            saved, reading = _read_json(file, name, columns)
            if saved is not None:
                return saved
        else:
            reading = _read_tables(file, name, suffix, columns, sheets)
    except OSError as error:
        raise ReadError(f"{name}: it can't be read: {error.strerror or error}") from error
    return _bank(reading, answer_base, name)


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


def _bank(reading: _Reading, answer_base: int | None, name: str) -> QuestionBank:
    for draft in reading.drafts:
        take_embedded(draft)
    builder = Builder(convention_of(reading.drafts, answer_base, name))
    while reading.drafts:
        builder.add(reading.drafts.popleft())
    kept = {question.origin for question in builder.questions}
    kept |= {problem.origin for problem in builder.problems}
    table = SourceTable(
        tuple(reading.headers), {o: cells for o, cells in reading.cells.items() if o in kept}
    )
    problems = [*reading.problems, *builder.problems]
    return QuestionBank(builder.questions, problems, reading.columns, table)


def _read_tables(
    file: Path, name: str, suffix: str, columns: Columns | None, sheets: Sequence[str] | None
) -> _Reading:
    reading = _Reading()
    failures: list[ColumnsError] = []
    seen: list[str] = []
    readable = 0
    for table in _tables(file, name, suffix):
        seen.append(table.name)
        if sheets is not None and table.name not in sheets:
            continue
        where = f"{name}, sheet {table.name!r}" if table.name else name
        rows = tracked(table.rows, table.expected, f"Reading {file.name}")
        first = list(islice(rows, _HEADER_ROWS))
        if not first:
            reading.problems.append(_sheet_problem(name, table, "empty_sheet", "holds nothing"))
            continue
        try:
            layout = find_layout([(row.number, row.texts) for row in first], columns, where)
        except ColumnsError as error:
            failures.append(error)
            message = f"was not read: {error}"
            reading.problems.append(_sheet_problem(name, table, "sheet_not_read", message))
            continue
        readable += 1
        reader = RowReader(layout, name, table.name)
        _take_rows(chain(first, rows), reader, reading)
    missing = [sheet for sheet in sheets or () if sheet not in seen]
    if missing:
        raise ReadError(f"{name}: no sheet {missing[0]!r}; its sheets: {', '.join(seen)}")
    if not readable:
        raise (
            failures[0]
            if failures
            else ReadError(f"{name}: expected a header row and questions, found no text in it")
        )
    return reading


def _sheet_problem(name: str, table: Table, code: str, message: str) -> RowProblem:
    return RowProblem(0, "", code, f"sheet {table.name!r} {message}", "warning", name, table.name)


def _tables(file: Path, name: str, suffix: str) -> Iterator[Table]:
    if suffix in (".xlsx", ".xlsm", ".xltx", ".xltm"):
        return xlsx_tables(file, name)
    if suffix in (".csv", ".tsv", ".tab", ".txt"):
        return text_tables(file, name)
    if suffix in (".xls", ".ods", ".xlsb"):
        from zhmcq.reading.calamine_child import calamine_tables

        return calamine_tables(file, name)
    raise ReadError(f"{name}: expected {_KINDS}, found {suffix or 'a name without a suffix'!r}")


def _take_rows(rows: Iterable[Row], reader: RowReader, reading: _Reading) -> None:
    reading.headers |= dict.fromkeys(reader.layout.headers)
    reading.columns = reader.layout.as_columns() | reading.columns
    for row in rows:
        if row.number <= reader.layout.row or reader.is_header(row) or not any(row.texts):
            continue
        draft = reader.draft(row)
        reading.cells[draft.origin] = reader.cells(row)
        reading.drafts.append(draft)


def _read_json(
    file: Path, name: str, columns: Columns | None
) -> tuple[QuestionBank | None, _Reading]:
    reading = _Reading()
    items: Iterable[Any]
    if file.suffix.lower() == ".json":
        data = _load(file, name)
        if isinstance(data, Mapping) and data.get("format") == FORMAT:
            return bank_from_record(data, name), reading
        if isinstance(data, Mapping) and data.get("format") == SPLITS_FORMAT:
            parts = (bank_from_record(data.get(part) or {}, name) for part in ("train", "valid"))
            return next(parts) + next(parts), reading
        items = top_items(data)
        if not items:
            raise ReadError(
                f"{name}: expected a list of questions as json, found {type(data).__name__} "
                "without one"
            )
        items = tracked(items, len(items), f"Reading {file.name}")
        pairs: Iterable[tuple[int, Any]] = enumerate(items, 1)
    else:
        pairs = tracked(_lines(file, name), count_lines(file), f"Reading {file.name}")
        pairs = iter(pairs)
        first = next(pairs, None)
        if first is None:
            raise ReadError(f"{name}: expected a question a line, found none")
        if isinstance(first[1], Mapping) and first[1].get("format") == FORMAT:
            return bank_from_lines(chain([first[1]], (item for _, item in pairs)), name), reading
        pairs = chain([first], pairs)
    _take_items(pairs, ItemReader(columns, name), reading)
    return None, reading


def _take_items(pairs: Iterable[tuple[int, Any]], reader: ItemReader, reading: _Reading) -> None:
    failure: ColumnsError | None = None
    for number, item in pairs:
        try:
            reading.drafts.extend(reader.drafts(item, number))
        except ColumnsError as error:
            failure = failure or error
            draft = Draft(Origin(reader.file, "", number), "")
            draft.notes.append(("", "no_question"))
            reading.drafts.append(draft)
    reading.columns = reader.columns
    if failure and not reader.columns:
        raise failure


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
    encoding = detect_encoding(file, name)
    with file.open(encoding=encoding) as stream:
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise ReadError(f"{name}, line {number}: longer than {MAX_LINE:,} characters")
            if line.strip():
                yield number, _parsed(line, f"{name}, line {number}")
