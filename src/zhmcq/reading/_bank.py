"""A file → a bank, or a stream of questions: formats → drafts → questions → checks across rows."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from zhmcq.checks._repeats import settle_repeats
from zhmcq.errors import ReadError
from zhmcq.questions import Question, QuestionBank, RowProblem, SourceTable
from zhmcq.reading._build import QuestionFactory
from zhmcq.reading._convention import Convention, KeyTally, convention_of
from zhmcq.reading._drafts.draft import Columns, Draft, DraftItem, Heading, ReadRequest
from zhmcq.reading._drafts.embedded import take_embedded
from zhmcq.reading._drafts.json_items import record_drafts
from zhmcq.reading._drafts.moodle import moodle_drafts
from zhmcq.reading._drafts.rows import sheet_drafts
from zhmcq.reading._drafts.texts import text_drafts
from zhmcq.reading._formats import Contents, PlainText, Sheets, XmlQuestions, open_file
from zhmcq.reading._formats.table import tracked
from zhmcq.reading._saved import saved_bank

__all__ = ["read_bank", "stream_bank"]


def read_bank(
    path: str | os.PathLike[str],
    *,
    columns: Columns | None = None,
    answer_base: int | None = None,
    sheets: Sequence[str] | None = None,
) -> QuestionBank:
    """Read a question bank from a workbook, a text table or json, and check it across its rows.

    A question that repeats another gets the warning ``duplicate``; questions that are the same
    but have two different keys are left out, each with the error ``two_keys`` (see
    :func:`zhmcq.checks.settle_repeats`). A bank that :func:`save_bank` wrote comes back as it was.

    Args:
        path: A workbook (xlsx, xlsm, xltx, xltm, xls, xlsb, ods), a text table (csv, tsv, tab,
            txt), json (json, jsonl, ndjson), or questions in plain text (txt, md, gift, docx) or
            in Moodle's XML (xml).
        columns: Field → header (``{"stem": "題目", "option1": "甲"}``); it wins over what would
            be recognised. Fields: stem, passage, options, option1 …, answer, id, kind, subject,
            explanation, source, group.
        answer_base: The number of the first option in numeric keys, 0 or 1; by default worked out
            from the data.
        sheets: The sheets of a workbook to read; by default all.

    Returns:
        The usable questions, with ``problems`` for everything else.

    Raises:
        ColumnsError: If no column of questions is recognised.
        ReadError: If the file is missing, damaged, hostile, empty, or of an unknown kind, or if
            its numeric keys can be read in two ways.
    """
    _check_arguments(columns, answer_base, sheets)
    request = ReadRequest(Path(path), str(path), columns, sheets)
    drafts = _read_drafts(request)
    if drafts.saved is not None:
        return drafts.saved
    convention = convention_of(drafts.drafts, answer_base, request.name)
    return settle_repeats(_build(drafts, convention, request))


def stream_bank(
    path: str | os.PathLike[str],
    *,
    columns: Columns | None = None,
    answer_base: int | None = None,
    sheets: Sequence[str] | None = None,
) -> Iterator[Question | RowProblem]:
    """Read a bank that need not fit in memory: questions and problems one after another.

    The file is read twice, first to see how it writes its keys. Memory holds one row, 8 bytes for
    each id seen and the text of each repeated id. So this can't look across rows as
    :func:`read_bank` does: a question that occurs twice is given twice, without a warning, and
    one that has two different keys is given with each of them. Arguments and errors are those of
    :func:`read_bank`.

    Yields:
        The problems of a row, then its question if it is usable.
    """
    _check_arguments(columns, answer_base, sheets)
    request = ReadRequest(Path(path), str(path), columns, sheets, keep_cells=False)
    tally = KeyTally()
    sheet_problems: list[RowProblem] = []
    with _reading(request) as (contents, saved):
        if saved is not None:
            yield from saved.problems
            yield from saved
            return
        with closing(_draft_items(contents, request)) as items:
            for item in items:
                if isinstance(item, Draft):
                    tally.see(item)
                elif isinstance(item, RowProblem):
                    sheet_problems.append(item)
    factory = QuestionFactory(tally.convention(answer_base, request.name))
    yield from sheet_problems
    with _reading(request) as (contents, _), closing(_draft_items(contents, request)) as items:
        for item in items:
            if isinstance(item, Draft):
                question, problems = factory.make(item)
                yield from problems
                if question is not None:
                    yield question


def _check_arguments(
    columns: Columns | None, answer_base: int | None, sheets: Sequence[str] | None
) -> None:
    if answer_base is not None and (type(answer_base) is not int or answer_base not in (0, 1)):
        raise ReadError(f"answer_base={answer_base!r}: expected 0, 1 or None")
    if columns is not None and not (
        isinstance(columns, Mapping)
        and all(isinstance(name, str) for name in columns)
        and all(isinstance(header, str) or _are_texts(header) for header in columns.values())
    ):
        raise ReadError(f"columns={columns!r}: expected a dictionary of field → header, or None")
    if sheets is not None and not _are_texts(sheets):
        raise ReadError(f"sheets={sheets!r}: expected a list of names of sheets, or None")


def _are_texts(value: object) -> bool:
    if isinstance(value, str) or not isinstance(value, Collection):
        return False
    return all(isinstance(item, str) for item in value)


@dataclass
class _Drafts:
    """All that a file gives before keys are worked out.

    Attributes:
        drafts: Taken from the front as questions are made of them.
        problems: What is wrong with whole sheets.
        headers: All headers, in the order in which the sheets have them.
        columns: Field → header.
        saved: The bank, where the file is a saved one; then there is nothing else.
    """

    drafts: deque[Draft] = field(default_factory=deque)
    problems: list[RowProblem] = field(default_factory=list)
    headers: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    saved: QuestionBank | None = None


def _read_drafts(request: ReadRequest) -> _Drafts:
    """The drafts of a whole file."""
    drafts = _Drafts()
    headers: dict[str, None] = {}
    with _reading(request) as (contents, saved):
        if saved is not None:
            return _Drafts(saved=saved)
        with closing(_draft_items(contents, request)) as items:
            for item in items:
                if isinstance(item, Draft):
                    drafts.drafts.append(item)
                elif isinstance(item, Heading):
                    headers |= dict.fromkeys(item.headers)
                    drafts.columns = {**item.columns, **drafts.columns}
                else:
                    drafts.problems.append(item)
    return replace(drafts, headers=tuple(headers))


def _draft_items(contents: Contents, request: ReadRequest) -> Generator[DraftItem, None, None]:
    """What comes out of a file, in its order, with the options that stems hold taken out."""
    if isinstance(contents, Sheets):
        items = sheet_drafts(contents.sheets, request)
    elif isinstance(contents, PlainText):
        items = text_drafts(contents, request)
    elif isinstance(contents, XmlQuestions):
        items = moodle_drafts(contents.questions, request.name)
    else:
        items = record_drafts(contents, request)
    # Closed here and now, not when a traceback is let go of: a child process may hang on it.
    with closing(items):
        for item in items:
            if isinstance(item, Draft):
                take_embedded(item)
            yield item


def _build(drafts: _Drafts, convention: Convention, request: ReadRequest) -> QuestionBank:
    """The bank of the drafts, which are let go of one by one: the peak is lower by a third."""
    factory = QuestionFactory(convention)
    questions: list[Question] = []
    problems = list(drafts.problems)
    rows = {}
    what = f"Checking {request.path.name}"
    for draft in tracked(_emptied(drafts.drafts), len(drafts.drafts), what):
        question, noticed = factory.make(draft)
        problems += noticed
        if question is not None:
            questions.append(question)
        if draft.cells is not None:
            rows[draft.origin] = draft.cells
    return QuestionBank(questions, problems, drafts.columns, SourceTable(drafts.headers, rows))


def _emptied(drafts: deque[Draft]) -> Iterator[Draft]:
    while drafts:
        yield drafts.popleft()


@contextlib.contextmanager
def _reading(request: ReadRequest) -> Iterator[tuple[Contents, QuestionBank | None]]:
    """A file's contents, or the bank that it holds; an OSError meanwhile becomes a ReadError."""
    try:
        as_table = request.columns is not None
        with closing(open_file(request.path, request.name, as_table=as_table)) as contents:
            yield contents, saved_bank(contents, request.name)
    except OSError as error:
        raise ReadError(f"{request.name}: it can't be read: {error.strerror or error}") from error
