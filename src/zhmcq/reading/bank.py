"""Drafts → a bank, or a stream of questions."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from zhmcq.errors import ReadError
from zhmcq.questions import Question, QuestionBank, RowProblem, SourceTable
from zhmcq.reading.build import Builder
from zhmcq.reading.convention import convention_of
from zhmcq.reading.drafts import Draft
from zhmcq.reading.headers import Columns
from zhmcq.reading.progress import tracked
from zhmcq.reading.sources import Source

__all__ = ["read_bank", "stream_bank"]


def read_bank(
    path: str | os.PathLike[str],
    *,
    columns: Columns | None = None,
    answer_base: int | None = None,
    sheets: Sequence[str] | None = None,
) -> QuestionBank:
    """Read a question bank from a workbook, a text table or json.

    Args:
        path: A workbook (xlsx, xlsm, xltx, xltm, xls, xlsb, ods), a text table (csv, tsv, tab,
            txt) or json (json, jsonl, ndjson).
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
    _check_base(answer_base)
    source = Source(Path(path), str(path), columns, sheets)
    drafts = deque(source.drafts())
    if source.saved is not None:
        return source.saved
    builder = Builder(convention_of(drafts, answer_base, source.name))
    for draft in tracked(_emptied(drafts), len(drafts), f"Checking {source.path.name}"):
        builder.add(draft)
    table = SourceTable(tuple(source.headers), source.cells)
    problems = [*source.problems, *builder.problems]
    return QuestionBank(builder.questions, problems, source.columns, table)


def _emptied(drafts: deque[Draft]) -> Iterator[Draft]:
    """Let go of each draft as soon as its question is made: the peak is lower by a third."""
    while drafts:
        yield drafts.popleft()


def stream_bank(
    path: str | os.PathLike[str],
    *,
    columns: Columns | None = None,
    answer_base: int | None = None,
    sheets: Sequence[str] | None = None,
) -> Iterator[Question | RowProblem]:
    """Read a bank that need not fit in memory: questions and problems one after another.

    The file is read twice, first to see how it writes its keys. Memory holds one row, 8 bytes for
    each id seen and the text of each repeated id. Arguments and errors are those of
    :func:`read_bank`.

    Yields:
        The problems of a row, then its question if it is usable.
    """
    _check_base(answer_base)

    def source() -> Source:
        return Source(Path(path), str(path), columns, sheets, keep_cells=False)

    first = source()
    with closing(first.drafts()) as drafts:
        convention = convention_of(drafts, answer_base, first.name)
    if first.saved is not None:
        yield from first.saved.problems
        yield from first.saved
        return
    yield from first.problems
    builder = Builder(convention)
    with closing(source().drafts()) as drafts:
        for draft in drafts:
            builder.add(draft)
            yield from builder.take()


def _check_base(answer_base: int | None) -> None:
    if answer_base not in (None, 0, 1):
        raise ReadError(f"answer_base={answer_base!r}: expected 0, 1 or None")
