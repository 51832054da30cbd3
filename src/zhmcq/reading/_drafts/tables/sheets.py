"""Sheets → the tables in them, and what each row is: header, title or question."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from itertools import islice

from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import RowProblem, Severity
from zhmcq.reading._drafts.draft import DraftItem, ReadRequest
from zhmcq.reading._drafts.layout import HeaderLayout
from zhmcq.reading._drafts.tables.header_rows import Line, later_header, with_rows_below
from zhmcq.reading._drafts.tables.headerless import (
    advice,
    inferred_layout,
    is_sentence,
    looks_like_questions,
    names_a_label,
)
from zhmcq.reading._drafts.tables.headers import (
    SEARCHED_ROWS,
    first_header,
    header_at,
    unrecognised,
)
from zhmcq.reading._drafts.tables.mapping import are_positions, positioned_layout, shown
from zhmcq.reading._drafts.tables.rows import RowReader
from zhmcq.reading._drafts.tables.sections import is_section, kind_of_title, subject_of_sheet
from zhmcq.reading._formats.table import CellRow, Sheet, tracked
from zhmcq.zh._truth import truth_of

__all__ = ["sheet_drafts"]

# From so many rows the columns of a table without a header are worked out. A later row that does
# not fit has a problem like any other.
_INFERRED_ROWS = 2000
# So many rows are looked through where the first ones hold neither a header nor a question.
_FAR_ROWS = 400
_RULE = re.compile(r":?[-=_*~—─═]{2,}:?")
_QUOTED = 60


def sheet_drafts(sheets: Iterable[Sheet], request: ReadRequest) -> Generator[DraftItem, None, None]:
    """The drafts of a workbook's or text file's rows, sheet after sheet.

    Sheets that are empty or have no recognisable header give a problem instead. Rows that are no
    questions give one each.

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
        rows = _Rows(tracked(sheet.rows, sheet.expected, f"reading {request.path.name}"))
        if not rows.ahead(1):
            yield _sheet_problem(sheet, request, "empty_sheet", "holds nothing")
            continue
        try:
            layout = _first_layout(rows, request, where, sheet)
        except ColumnsError as error:
            failures.append(error)
            yield _sheet_problem(sheet, request, "sheet_not_read", f"was not read: {error}")
            continue
        readable += 1
        yield from _SheetReader(sheet.name, request, where).items(rows, layout)
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


class _Rows:
    """The rows of a sheet that hold any text, with a look ahead."""

    def __init__(self, rows: Iterator[CellRow]) -> None:
        self._rows = (row for row in rows if any(row.texts))
        self._ahead: deque[CellRow] = deque()

    def ahead(self, count: int) -> list[Line]:
        """The next rows, which stay to be taken."""
        self._ahead.extend(islice(self._rows, max(0, count - len(self._ahead))))
        return [Line(row.number, row.texts) for row in islice(self._ahead, count)]

    def above(self, number: int) -> Iterator[CellRow]:
        """Take the rows above a row."""
        while self._ahead and self._ahead[0].number < number:
            yield self._ahead.popleft()

    def __iter__(self) -> Iterator[CellRow]:
        while True:
            if self._ahead:
                yield self._ahead.popleft()
            elif (row := next(self._rows, None)) is not None:
                yield row
            else:
                return


def _first_layout(rows: _Rows, request: ReadRequest, where: str, sheet: Sheet) -> HeaderLayout:
    """The columns of a sheet's first table.

    Raises:
        ColumnsError: If they can't be known.
    """
    columns = request.columns
    lines = rows.ahead(SEARCHED_ROWS)
    if sheet.named and request.header is False:
        raise ColumnsError(
            f"{where}: header=False, but its columns have names ({shown(lines[0].cells)}), which "
            "are its header; leave header out"
        )
    if request.header is True or (sheet.named and columns):
        return header_at(lines, 0, columns, where)
    width = max(len(line.cells) for line in lines)
    if request.header is False:
        if columns:
            return positioned_layout(columns, width, where)
        lines = rows.ahead(_INFERRED_ROWS)
        return inferred_layout([line for line in lines if not _is_lone_title(line)], where)
    layout = first_header(lines, columns, where)
    if layout is None and not sheet.named and not looks_like_questions(lines):
        # Below pages of notes there may be one yet.
        layout = first_header(rows.ahead(_FAR_ROWS)[SEARCHED_ROWS:], columns, where)
    if layout is not None:
        return layout
    if columns:
        layout = positioned_layout(columns, width, where)
        _refuse_unclear(layout, lines, where)
        return layout
    if looks_like_questions(lines):
        lines = [line for line in lines if not _is_lone_title(line)]
        raise ColumnsError(advice(lines, where, sheet.name))
    raise unrecognised(lines, where)


def _is_lone_title(line: Line) -> bool:
    filled = [cell for cell in line.cells if cell]
    return len(filled) == 1 and (is_section(filled[0]) or bool(_RULE.fullmatch(filled[0])))


def _refuse_unclear(layout: HeaderLayout, lines: list[Line], where: str) -> None:
    """Refuse a table of which only the caller knows whether its first row is a header."""
    stem, key = layout.first("stem"), layout.first("answer")
    for line in lines:
        cells = [*line.cells, *[""] * (len(layout.headers) - len(line.cells))]
        if stem is None or not cells[stem] or sum(map(bool, cells)) < 2:
            continue
        options = [cells[column] for column in layout.options]
        answer = cells[key] if key is not None else ""
        keyed = names_a_label(answer) or truth_of(answer) is not None or answer in options
        if not keyed and not is_sentence(cells[stem]):
            raise ColumnsError(
                f"{where}: row {line.number} may be the header or a question "
                f"({shown(line.cells)[:120]}); with columns by positions, say which: header=True "
                "(the first row is the header) or header=False (there is none)"
            )
        return


class _SheetReader:
    """Reads one sheet: its tables one after another, each with its own header.

    Args:
        name: The sheet's name.
        request: What is to be read, and how.
        where: How messages call the sheet.
    """

    def __init__(self, name: str, request: ReadRequest, where: str) -> None:
        self._name = name
        self._request = request
        self._where = where
        self._sheet_kind = kind_of_title(name)
        self._subject = subject_of_sheet(name) if name else ""
        self._section = ""  # the kind that the last section's title says
        self._titled = False  # whether that title stands above the next table

    def items(self, rows: _Rows, layout: HeaderLayout) -> Iterator[DraftItem]:
        """The drafts of the sheet's rows, and a problem for each row that is none."""
        reader = self._reader(layout)
        for row in rows.above(min(layout.rows, default=0)):
            yield self._above_header(row, reader)
        reader = self._reader(layout)
        yield from self._begin(reader)
        last, after_title = layout.row, False
        yield from self._nothing_below(rows, reader)
        for row in rows:
            if row.number in reader.layout.rows:
                continue
            after_gap = after_title or row.number > last + 1
            last, after_title = row.number, False
            later = None
            if self._request.header is not False:
                if reader.repeats_header(row):
                    yield self._repeated(row)
                    continue
                later = self._later_header(row, after_gap=after_gap)
            if later is not None and self._adds_nothing(later, reader.layout):
                yield self._repeated(row)
            elif later is not None:
                below = rows.ahead(SEARCHED_ROWS)
                line = Line(row.number, row.texts)
                layout = with_rows_below(later, [line, *below], self._request.columns, self._where)
                reader = self._reader(layout)
                yield self._noticed(
                    row,
                    "new_header",
                    f"another table begins here, with the header {shown(row.texts)}",
                )
                yield from self._begin(reader)
            elif _is_rule(row) or reader.is_title(row):
                yield self._skipped(row)
                reader.kind = self._kind()
                after_title = True
            else:
                draft = reader.draft(row)
                if self._request.keep_cells:
                    draft.cells = reader.cells(row)
                yield draft

    def _nothing_below(self, rows: _Rows, reader: RowReader) -> Iterator[RowProblem]:
        layout = reader.layout
        ahead = rows.ahead(len(layout.rows) + 1)
        if layout.row and not any(line.number > layout.row for line in ahead):
            yield self._of_table(reader, "", "empty_sheet", "there is nothing below this header")

    def _later_header(self, row: CellRow, *, after_gap: bool) -> HeaderLayout | None:
        line = Line(row.number, row.texts)
        return later_header(line, self._request.columns, self._where, after_gap=after_gap)

    def _adds_nothing(self, later: HeaderLayout, layout: HeaderLayout) -> bool:
        """Whether the caller's positions hold under a later header, since it names the same."""
        columns = self._request.columns
        if not columns or not are_positions(columns):
            return False
        return later.first("stem") == layout.first("stem") and later.options == layout.options

    def _reader(self, layout: HeaderLayout) -> RowReader:
        name, file = self._name, self._request.name
        return RowReader(layout, file, name, self._kind(), self._subject)

    def _kind(self) -> str:
        return self._section or self._sheet_kind

    def _begin(self, reader: RowReader) -> Iterator[DraftItem]:
        """The heading of a table, with what is to be said of all its rows."""
        if not self._titled:
            self._section = ""
            reader.kind = self._kind()
        self._titled = False
        layout = reader.layout
        yield reader.heading
        if layout.wrong:
            yield self._of_table(
                reader,
                layout.header("answer"),
                "key_always_first",
                "the right answer has a column of its own, so that the first option is the key of "
                "every question; a model can learn that position instead of the answer: put the "
                "options into another order before training",
            )
        if layout.given and "answer" not in layout.fields and not layout.rights:
            header = layout.headers[layout.given[0]]
            yield self._of_table(
                reader,
                header,
                "given_answers",
                f"{header!r} is what somebody answered, which is not taken for the key; if it is "
                f'the key, name it: columns={{"answer": "{header[:20]}"}}',
            )

        if len(stems := layout.fields.get("stem", [])) > 1 and not self._request.columns:
            names = [layout.headers[column] for column in stems]
            yield self._of_table(
                reader,
                names[1],
                "two_stems",
                f"{names[0]!r} was taken for the stem, and {names[1]!r} only where that is empty; "
                f'if it should be the other, say columns={{"stem": "{names[1][:20]}"}}',
            )
        if columns := layout.other_tables:
            names = [layout.headers[column] for column in columns]
            yield self._of_table(
                reader,
                names[0],
                "table_beside",
                f"another table stands beside this one and was not read ({shown(names)}); move it "
                "below or to a sheet of its own, or read it with columns= by positions",
            )

    def _above_header(self, row: CellRow, reader: RowReader) -> RowProblem:
        if reader.reads_as_question(row):
            message = (
                f"stands above the header in row {reader.layout.row}, so that its columns have no "
                f"names: {shown(row.texts)}"
            )
            return self._noticed(row, "above_header", message[:300], "error")
        return self._skipped(row)

    def _skipped(self, row: CellRow) -> RowProblem:
        """A title, a note or a rule; a section's title says what is below it."""
        filled = [text for text in row.texts if text]
        text = " ".join(filled)
        title = next((cell for cell in (text, *filled) if is_section(cell)), None)
        if title is not None:
            self._section = kind_of_title(title)
            self._titled = True
        more = "…" if len(text) > _QUOTED else ""
        message = f"not read as a question, but as a title or note: {text[:_QUOTED]!r}{more}"
        return self._noticed(row, "skipped_row", message)

    def _repeated(self, row: CellRow) -> RowProblem:
        return self._noticed(row, "repeated_header", "the header of this table again")

    def _of_table(self, reader: RowReader, column: str, code: str, message: str) -> RowProblem:
        file, row = self._request.name, reader.layout.row
        return RowProblem(row, column, code, message, "warning", file, self._name)

    def _noticed(
        self, row: CellRow, code: str, message: str, severity: Severity = "warning"
    ) -> RowProblem:
        file = self._request.name
        return RowProblem(row.number, "", code, message, severity, file, self._name)


def _is_rule(row: CellRow) -> bool:
    return all(_RULE.fullmatch(text) for text in row.texts if text)
