"""A file → a bank, or a stream of questions: formats → drafts → questions → checks across rows."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from zhmcq._joining import file_prefix, joined_parts
from zhmcq._progress import Progress, reporting, require_progress
from zhmcq.checks._repeats import settle_repeats
from zhmcq.errors import ReadError
from zhmcq.questions import Origin, Question, QuestionBank, RowProblem, SourceTable
from zhmcq.reading._build import QuestionFactory
from zhmcq.reading._convention import Convention, KeyTally, convention_of
from zhmcq.reading._drafts.draft import Columns, Draft, DraftItem, Heading, ReadRequest
from zhmcq.reading._drafts.embedded import take_embedded
from zhmcq.reading._drafts.markup import take_markup
from zhmcq.reading._drafts.records.items import record_drafts
from zhmcq.reading._drafts.tables.sheets import sheet_drafts
from zhmcq.reading._drafts.texts.formats import text_drafts
from zhmcq.reading._drafts.texts.moodle import moodle_drafts
from zhmcq.reading._formats import Contents, PlainText, Sheets, XmlQuestions, open_file
from zhmcq.reading._formats.table import tracked
from zhmcq.reading._ids import UniqueIds
from zhmcq.reading._saved import saved_bank
from zhmcq.reading._sources import BankSource, Opener, SourceError, UnreadSource, bank_parts

__all__ = ["read_bank", "stream_bank"]


def read_bank(
    source: BankSource,
    *,
    columns: Columns | None = None,
    answer_base: int | None = None,
    sheets: Sequence[str] | None = None,
    header: bool | None = None,
    progress: Progress | None = None,
) -> QuestionBank:
    """Read a question bank and check it across its rows.

    A question that repeats another gets the warning ``duplicate``; questions that are the same
    but have two different keys are left out, each with the error ``two_keys`` (see
    :func:`zhmcq.checks.settle_repeats`). A bank that :func:`save_bank` wrote comes back as it was.

    Args:
        source: The path of a workbook (xlsx, xlsm, xltx, xltm, xls, xlsb, ods), a text table (csv,
            tsv, tab, txt), json (json, jsonl, ndjson), or questions in plain text (txt, md, gift,
            docx) or in Moodle's XML (xml); or what is in memory already: an open binary file, a
            ``pandas.DataFrame``, a ``datasets.Dataset``, records as dictionaries, questions. A
            list of several is read as one bank: an id that another file or sheet has already gets
            its own file's name in front, and the checks look across all of them. A bank, or a list
            of questions alone, comes back as it is.
        columns: Field → header (``{"stem": "題目", "option1": "甲"}``) or position from 1
            (``{"stem": 1, "options": [2, 3, 4], "answer": 5}``); it wins over what would be
            recognised. Fields: stem, passage, options, option1 …, answer, id, kind, subject,
            explanation, source, group.
        answer_base: The number of the first option in numeric keys, 0 or 1; by default worked out
            from the data.
        sheets: The sheets of a workbook to read; by default all.
        header: Whether a table has a header row. By default one is looked for. ``False``: it has
            none, and its columns are those of ``columns``, by positions, or worked out from its
            rows. ``True``: its first row that holds anything is the header.
        progress: Called as :class:`zhmcq.Progress` describes, with the rows read and checked; by
            default, files of 20,000 rows or more have a bar.

    Returns:
        The usable questions, with ``problems`` for everything else.

    Raises:
        ColumnsError: If no column of questions is recognised.
        ReadError: If the file is missing, damaged, hostile, empty, or of an unknown kind, if its
            numeric keys can be read in two ways, or if the source is of another type.
        QuestionError: If two questions of a list have one id.
    """
    _check_arguments(columns, answer_base, sheets, header)
    require_progress(progress, ReadError)
    parts = bank_parts(source)
    _refuse_arguments(parts, columns=columns, answer_base=answer_base, sheets=sheets, header=header)
    wanted = ReadRequest(Path(), "", columns, sheets, header=header)
    with reporting(progress):
        if len(parts) == 1:
            return _bank_of(parts[0], wanted, answer_base, settled=True)
        banks = [_bank_of(part, wanted, answer_base, settled=False) for part in parts]
    # Repeats within each are found again, and those of one in another too.
    return settle_repeats(QuestionBank(*joined_parts([*map(_without_repeats, banks)])))


def stream_bank(
    source: BankSource,
    *,
    columns: Columns | None = None,
    answer_base: int | None = None,
    sheets: Sequence[str] | None = None,
    header: bool | None = None,
) -> Iterator[Question | RowProblem]:
    """Read a bank that need not fit in memory: questions and problems one after another.

    The source is read twice, first to see how it writes its keys; an open file is copied to the
    disk once. Memory holds one row, 8 bytes for each id seen and the text of each repeated id. So
    this can't look across rows as :func:`read_bank` does: a question that occurs twice is given
    twice, without a warning, and one that has two different keys is given with each of them.
    Arguments and errors are those of :func:`read_bank`, but that an iterator of records can't be
    read twice. Several sources come one after another, with the ids that they have there.

    Yields:
        The problems of a row, then its question if it is usable.
    """
    _check_arguments(columns, answer_base, sheets, header)
    parts = bank_parts(source, twice=True)
    _refuse_arguments(parts, columns=columns, answer_base=answer_base, sheets=sheets, header=header)
    wanted = ReadRequest(Path(), "", columns, sheets, keep_cells=False, header=header)
    ids, made = UniqueIds(), 0
    for part in parts:
        before = made
        for item in _streamed(part, wanted, answer_base):
            if isinstance(item, RowProblem):
                yield replace(item, position=item.position + before) if before else item
                continue
            made += 1
            file = item.origin.file if item.origin else ""
            unique = ids.take(item.id, file, file_prefix(file))
            yield item if unique == item.id else replace(item, id=unique)


def _streamed(
    source: QuestionBank | UnreadSource, wanted: ReadRequest, answer_base: int | None
) -> Iterator[Question | RowProblem]:
    """The problems and questions of one source."""
    if isinstance(source, QuestionBank):
        yield from source.problems
        yield from source
        return
    request = replace(wanted, path=Path(source.name), name=source.name)
    tally = KeyTally()
    with source.available() as opener:
        with _reading(opener, request) as (contents, saved):
            if saved is not None:
                yield from saved.problems
                yield from saved
                return
            with closing(_draft_items(contents, request, source)) as items:
                for item in items:
                    if isinstance(item, Draft):
                        tally.see(item)
        factory = QuestionFactory(tally.convention(answer_base, request.name))
        with (
            _reading(opener, request) as (contents, _),
            closing(_draft_items(contents, request, source)) as items,
        ):
            for item in items:
                if isinstance(item, Draft):
                    question, problems = factory.make(item)
                    yield from problems
                    if question is not None:
                        yield question
                elif isinstance(item, RowProblem):
                    yield replace(item, position=factory.made)


def _refuse_arguments(parts: Sequence[QuestionBank | UnreadSource], **reading: object) -> None:
    """Refuse the arguments of reading where nothing is left to be read."""
    given = [name for name, value in reading.items() if value is not None]
    if given and all(isinstance(part, QuestionBank) for part in parts):
        raise SourceError(
            f"{', '.join(given)}: only for what is still to be read, but these questions were read "
            f"already: give {given[0]}= where they are read, as in "
            f"DatasetBuilder({given[0]}=…).read(path)"
        )


def _without_repeats(bank: QuestionBank) -> QuestionBank:
    """The bank without the warnings that :func:`settle_repeats` gives again."""
    problems = [
        problem
        for problem in bank.problems
        if problem.severity == "error" or problem.code not in ("duplicate", "two_keys")
    ]
    return QuestionBank(bank, problems, bank.columns, bank.table)


def _check_arguments(
    columns: Columns | None,
    answer_base: int | None,
    sheets: Sequence[str] | None,
    header: bool | None,
) -> None:
    if answer_base is not None and (type(answer_base) is not int or answer_base not in (0, 1)):
        raise ReadError(f"answer_base={answer_base!r}: expected 0, 1 or None")
    if columns is not None and not (
        isinstance(columns, Mapping)
        and all(isinstance(name, str) for name in columns)
        and all(map(_are_references, columns.values()))
    ):
        raise ReadError(
            f"columns={columns!r}: expected a dictionary of field → header or position from 1, or "
            "None"
        )
    if sheets is not None and not _are_texts(sheets):
        raise ReadError(f"sheets={sheets!r}: expected a list of names of sheets, or None")
    if header is not None and not isinstance(header, bool):
        raise ReadError(f"header={header!r}: expected True, False or None")


def _are_references(value: object) -> bool:
    """Whether a value is a header or a position, or a list of them."""
    listed = isinstance(value, Collection) and not isinstance(value, str)
    references = list(value) if isinstance(value, Collection) and listed else [value]
    return bool(references) and all(
        isinstance(reference, str) or (type(reference) is int and reference > 0)
        for reference in references
    )


def _are_texts(value: object) -> bool:
    if isinstance(value, str) or not isinstance(value, Collection):
        return False
    return all(isinstance(item, str) for item in value)


@dataclass
class _Drafts:
    """All that a file gives before keys are worked out.

    Attributes:
        drafts: In the order of the file, with the problems of sheets and of rows that are no
            questions. They are taken from the front as questions are made of them.
        header_rows: The rows that were used as headers.
        headers: All headers, in the order in which the sheets have them.
        columns: Field → header.
        saved: The bank, where the file is a saved one; then there is nothing else.
    """

    drafts: deque[Draft | RowProblem] = field(default_factory=deque)
    header_rows: list[Origin] = field(default_factory=list)
    headers: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    saved: QuestionBank | None = None


def _bank_of(
    source: QuestionBank | UnreadSource,
    wanted: ReadRequest,
    answer_base: int | None,
    *,
    settled: bool,
) -> QuestionBank:
    """The bank of one source.

    Args:
        source: The source; a bank is given back.
        wanted: How it is read.
        answer_base: The number of the first option in numeric keys, as the caller gives it.
        settled: Whether a source that is read is checked across its rows; a saved bank never is.
    """
    if isinstance(source, QuestionBank):
        return source
    request = replace(wanted, path=Path(source.name), name=source.name)
    with source.available() as opener:
        drafts = _read_drafts(opener, request, source)
    if drafts.saved is not None:
        return drafts.saved
    each = (draft for draft in drafts.drafts if isinstance(draft, Draft))
    convention = convention_of(each, answer_base, request.name)
    bank = _build(drafts, convention, request)
    return settle_repeats(bank) if settled else bank


def _read_drafts(opener: Opener, request: ReadRequest, source: UnreadSource) -> _Drafts:
    """The drafts of a whole file."""
    drafts = _Drafts()
    headers: dict[str, None] = {}
    with _reading(opener, request) as (contents, saved):
        if saved is not None:
            return _Drafts(saved=saved)
        with closing(_draft_items(contents, request, source)) as items:
            for item in items:
                if isinstance(item, Heading):
                    headers |= dict.fromkeys(item.headers)
                    drafts.columns = {**item.columns, **drafts.columns}
                    drafts.header_rows += item.rows
                else:
                    drafts.drafts.append(item)
    return replace(drafts, headers=tuple(headers))


def _draft_items(
    contents: Contents, request: ReadRequest, source: UnreadSource
) -> Generator[DraftItem, None, None]:
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
                take_markup(item)
                take_embedded(item)
                _note_pictures(item, source.pictures.get(item.origin.row, ()))
            yield item


def _note_pictures(draft: Draft, pictures: Iterable[tuple[str, str]]) -> None:
    """Note a row's pictures, and name them in its stem: other pictures make another question."""
    texts = (draft.stem, draft.passage, *draft.options)
    for field_name, address in pictures:
        if (field_name, "picture") not in draft.notes:
            draft.notes.append((field_name, "picture"))
        if not any(address in text for text in texts):
            draft.stem = f"{draft.stem}\n![]({address})"


def _build(drafts: _Drafts, convention: Convention, request: ReadRequest) -> QuestionBank:
    """The bank of the drafts, which are let go of one by one: the peak is lower by a third."""
    factory = QuestionFactory(convention)
    questions: list[Question] = []
    problems: list[RowProblem] = []
    rows = {}
    stage = f"checking {request.path.name}"
    for draft in tracked(_emptied(drafts.drafts), len(drafts.drafts), stage):
        if isinstance(draft, RowProblem):
            problems.append(replace(draft, position=factory.made))
            continue
        question, noticed = factory.make(draft)
        problems += noticed
        if question is not None:
            questions.append(question)
        if draft.cells is not None:
            rows[draft.origin] = draft.cells
    table = SourceTable(drafts.headers, rows, tuple(drafts.header_rows))
    return QuestionBank(questions, problems, drafts.columns, table)


def _emptied(drafts: deque[Draft | RowProblem]) -> Iterator[Draft | RowProblem]:
    while drafts:
        yield drafts.popleft()


@contextlib.contextmanager
def _reading(
    opener: Opener, request: ReadRequest
) -> Iterator[tuple[Contents, QuestionBank | None]]:
    """A source's contents, or the bank that it holds; an OSError meanwhile becomes a ReadError."""
    try:
        # Columns or a header can only be meant of a table.
        as_table = request.columns is not None or request.header is not None
        if isinstance(opener, Path):
            contents = open_file(opener, request.name, as_table=as_table)
        else:
            contents = opener()
        with closing(contents):
            yield contents, saved_bank(contents, request.name)
    except OSError as error:
        raise ReadError(f"{request.name}: it can't be read: {error.strerror or error}") from error
