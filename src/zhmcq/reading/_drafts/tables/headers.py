"""Which row of a table is its header."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zhmcq.errors import ColumnsError
from zhmcq.reading._drafts.draft import Columns
from zhmcq.reading._drafts.embedded import find_embedded
from zhmcq.reading._drafts.layout import HeaderLayout, recognise
from zhmcq.reading._drafts.tables.header_rows import (
    SENTENCE,
    Line,
    joined_cells,
    joined_layout,
    names_stem,
    second_row,
    spread_options,
)
from zhmcq.reading._drafts.tables.mapping import are_positions, mapped_layout, names_of, shown
from zhmcq.reading._drafts.vocabulary import FIELDS, is_spelled, option_label
from zhmcq.zh._fold import fold_name
from zhmcq.zh._labels import alphabet_of

__all__ = [
    "SEARCHED_ROWS",
    "HeaderLayout",
    "find_layout",
    "first_header",
    "header_at",
    "recognise",
    "unrecognised",
]

#: How many rows are looked through for the header, and behind it for what its columns hold.
SEARCHED_ROWS = 40


def find_layout(
    rows: Iterable[tuple[int, Sequence[str]]], columns: Columns | None, where: str
) -> HeaderLayout:
    """The header among a table's first rows, even below titles; or what a record's names say.

    Args:
        rows: Row numbers and cells of the first rows, or 0 and the names of a record.
        columns: The caller's own mapping of field to header; it wins over the vocabulary.
        where: How messages call the table.

    Raises:
        ColumnsError: If no row has a stem column; it shows what was found.
    """
    lines = [Line(*row) for row in rows][:SEARCHED_ROWS]
    layout = first_header(lines, columns, where)
    if layout is None:
        raise unrecognised(lines, where)
    return layout


def first_header(lines: Sequence[Line], columns: Columns | None, where: str) -> HeaderLayout | None:
    """The first header of a table; ``None`` if no row is one.

    Args:
        lines: The table's first rows.
        columns: The caller's own columns. By their names, the row that has most of them is the
            header; positions name no row.
        where: How messages call the table.

    Raises:
        ColumnsError: If no row has a column that the caller names.
    """
    if columns and not are_positions(columns):
        named = header_at(lines, _row_of_names(lines, columns), columns, where)
        _refuse_question(named, where)
        return named
    best: HeaderLayout | None = None
    after = 0  # the index behind the best header's rows
    for index, line in enumerate(lines):
        if index < after:
            continue
        layout = _header_of(lines, index)
        if layout is None:
            if best is not None and _reads_as_question(best, line.cells):
                break  # the rows below the best header are its questions
            continue
        if best is None or layout.score > best.score:
            best, after = layout, index + len(layout.rows)
    if best is not None and columns:
        return _with_positions(best, columns, lines, where)
    return best


def _with_positions(
    layout: HeaderLayout, columns: Columns, lines: Sequence[Line], where: str
) -> HeaderLayout:
    """A header whose columns are named by positions."""
    width = max((len(line.cells) for line in lines), default=0)
    rows = layout.rows
    mapped = mapped_layout(layout.row, joined_cells(rows), columns, where, width)
    mapped.rows = rows
    return mapped


def header_at(
    lines: Sequence[Line], index: int, columns: Columns | None, where: str
) -> HeaderLayout:
    """The header that begins with a row, whatever it looks like.

    Raises:
        ColumnsError: If none of its columns holds questions.
    """
    rows = [lines[index]] if index < len(lines) else [Line(0, ())]
    lower = second_row(lines, index)
    if lower is not None:
        rows.append(lower)
    cells = joined_cells({line.number: tuple(line.cells) for line in rows})
    last = rows[-1].number
    if columns:
        width = max((len(line.cells) for line in lines), default=0) if last else 0
        layout = mapped_layout(last, cells, columns, where, width)
    else:
        layout = recognise(last, cells)
        if not layout.score:
            raise unrecognised([Line(last, cells)], where)
    layout.rows = {line.number: tuple(line.cells) for line in rows}
    below = lines[index + len(rows) :]
    return spread_options(layout, cells, below)


def _refuse_question(layout: HeaderLayout, where: str) -> None:
    """Refuse names that are the texts of a question, which would be lost as a header."""
    cells = joined_cells(layout.rows)
    column, key = layout.first("stem"), layout.first("answer")
    stem = cells[column] if column is not None and column < len(cells) else ""
    answer = cells[key] if key is not None and key < len(cells) else ""
    texts = [cells[c] for c in layout.options if c < len(cells)]
    keyed = layout.lonely or _is_label(answer) or answer in texts
    if layout.row and SENTENCE.search(stem) and keyed:
        raise ColumnsError(
            f"{where}: row {layout.row}, which columns= names as a header, looks like a question "
            f"({shown(cells)}). If the table has no header, give header=False and positions, as in "
            'columns={"stem": 1, "options": [2, 3, 4, 5], "answer": 6}'
        )


def _is_label(text: str) -> bool:
    return len(text) < 5 and bool(option_label(text))


def _row_of_names(lines: Sequence[Line], columns: Columns) -> int:
    """The index of the row that has most of the caller's names, in it or in the row below."""
    references = [
        reference for references in names_of(columns).values() for reference in references
    ]
    folded = {fold_name(reference) for reference in references if isinstance(reference, str)}

    def count(index: int) -> int:
        lower = second_row(lines, index)
        cells = [*lines[index].cells, *(lower.cells if lower else ())]
        return len(folded & {fold_name(cell) for cell in cells})

    return max(range(len(lines)), key=count, default=0)


def _header_of(lines: Sequence[Line], index: int) -> HeaderLayout | None:
    """The header that begins with a row, if it does."""
    line = lines[index]
    layout = recognise(line.number, line.cells)
    if not layout.score or (layout.lonely and line.number):
        return None
    below = lines[index + 1 :]
    if lower := second_row(lines, index):
        joined = joined_layout(layout, line, lower)
        if joined is not None:
            layout, below = joined, below[1:]
    cells = joined_cells(layout.rows)
    if not _is_clear(layout, cells, below):
        return None
    return spread_options(layout, cells, below)


def _is_clear(layout: HeaderLayout, cells: Sequence[str], below: Sequence[Line]) -> bool:
    """Whether a row with a stem's column is a header: neither a title nor a row of data."""
    filled = sum(map(bool, cells))
    named = {name for name, columns in layout.fields.items() if cells[columns[0]]}
    alphabet = alphabet_of(layout.labels)
    if named == {"stem"} and alphabet is not None and alphabet.are_words:
        # 「常見問題」 with the options 甲, 乙, 丙 is a question as well.
        return names_stem(cells[layout.fields["stem"][0]])
    if layout.has_options or "answer" in layout.fields or layout.rights:
        return True
    if named == {"stem"} and filled == 1:
        return True
    known = sum(map(len, layout.fields.values()))
    if named != {"stem"} and known * 4 >= filled:
        return True
    # Among many unknown columns, a stem's name is believed if its column holds the options too.
    stem = layout.fields["stem"][0]
    texts = [line.cells[stem] for line in below if stem < len(line.cells) and line.cells[stem]]
    held = sum(find_embedded(text) is not None for text in texts)
    return is_spelled(cells[stem]) and held * 2 > len(texts)


def _reads_as_question(layout: HeaderLayout, cells: Sequence[str]) -> bool:
    """Whether a row holds a stem, and a number, options or a key beside it or in it."""

    def texts(columns: Iterable[int]) -> list[str]:
        return [cells[column] for column in columns if column < len(cells) and cells[column]]

    stems = layout.fields["stem"]
    others = [c for c in layout.columns_of_questions() if c not in stems]
    if texts(stems) and any(text.isdecimal() for text in texts(layout.fields.get("id", ()))):
        return True
    if others:
        return bool(texts(stems) and texts(others))
    return any(find_embedded(text) is not None for text in texts(stems))


def unrecognised(lines: Sequence[Line], where: str) -> ColumnsError:
    """The error that no row is a header, with advice that makes no question one."""
    fields = f"(fields: {', '.join(FIELDS)}, option1, option2, …)"
    for line in lines:
        layout = recognise(line.number, line.cells)
        if layout.score and not layout.lonely:
            stem = layout.header("stem")
            return ColumnsError(
                f"{where}: {stem!r} names a column of questions, but beside it neither options nor "
                f"a key were recognised; found {shown(line.cells)}. Name them: "
                f'columns={{"stem": "{stem[:20]}", "option1": …, "answer": …}} {fields}'
            )
    cells = max((line.cells for line in lines), key=lambda c: sum(map(bool, c)), default=())
    names = (cell for cell in cells if cell and not SENTENCE.search(cell) and not _is_label(cell))
    name = next(names, "…")[:20]
    return ColumnsError(
        f"{where}: no column of questions was recognised. Expected a header such as 題目, "
        f"問題, 題幹 or question; found {shown(cells)}. Name it: "
        f'columns={{"stem": "{name}"}} {fields}'
    )
