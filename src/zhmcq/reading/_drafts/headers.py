"""Which row of a table is its header: the first one's, one of two rows, a later table's."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from zhmcq.errors import ColumnsError
from zhmcq.questions import MAX_OPTIONS
from zhmcq.reading._drafts.draft import Columns
from zhmcq.reading._drafts.embedded import find_embedded, options_of_text
from zhmcq.reading._drafts.layout import HeaderLayout, distinct_names, recognise
from zhmcq.reading._drafts.mapping import are_positions, mapped_layout, names_of, shown
from zhmcq.reading._drafts.vocabulary import FIELDS, field_of, is_spelled, option_label
from zhmcq.zh._fold import fold_name
from zhmcq.zh._labels import alphabet_of

__all__ = [
    "SEARCHED_ROWS",
    "HeaderLayout",
    "Line",
    "find_layout",
    "first_header",
    "header_at",
    "later_header",
    "recognise",
    "unrecognised",
    "with_rows_below",
]

#: How many rows are looked through for the header, and behind it for what its columns hold.
SEARCHED_ROWS = 40
_LONGEST_NAME = 40
_MOST_SPREAD = 8
_SENTENCE = re.compile(r"[?？。！，]|[(（]\s*[)）]|_{2,}")
_NUMBER = re.compile(r"[\d.,%:/-]+")

# A name of stems has one of the characters with which these names end, in any width and case.
_ENDS = {name[-1] for name in FIELDS["stem"]}
_STEM_ENDS = _ENDS | {end.upper() for end in _ENDS} | set("題幹問")
_STEM_ENDS |= {chr(ord(end) + 0xFEE0) for end in _STEM_ENDS if end.isascii()}


class Line(NamedTuple):
    """One row, as far as headers are concerned.

    Attributes:
        number: Its number; 0 for the names of a record.
        cells: Its cells as shown.
    """

    number: int
    cells: Sequence[str]


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
    mapped = mapped_layout(layout.row, _joined_cells(rows), columns, where, width)
    mapped.rows = rows
    return mapped


def _joined_cells(rows: dict[int, tuple[str, ...]]) -> list[str]:
    cells: list[str] = []
    for row in rows.values():
        cells = _below_or_above(cells, row)
    return cells


def header_at(
    lines: Sequence[Line], index: int, columns: Columns | None, where: str
) -> HeaderLayout:
    """The header that begins with a row, whatever it looks like.

    Raises:
        ColumnsError: If none of its columns holds questions.
    """
    rows = [lines[index]] if index < len(lines) else [Line(0, ())]
    lower = _second_row(lines, index)
    if lower is not None:
        rows.append(lower)
    cells = _joined_cells({line.number: tuple(line.cells) for line in rows})
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
    return _spread(layout, cells, below)


def _refuse_question(layout: HeaderLayout, where: str) -> None:
    """Refuse names that are the texts of a question, which would be lost as a header."""
    cells = _joined_cells(layout.rows)
    column, key = layout.first("stem"), layout.first("answer")
    stem = cells[column] if column is not None and column < len(cells) else ""
    answer = cells[key] if key is not None and key < len(cells) else ""
    texts = [cells[c] for c in layout.options if c < len(cells)]
    keyed = layout.lonely or _is_label(answer) or answer in texts
    if layout.row and _SENTENCE.search(stem) and keyed:
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
        lower = _second_row(lines, index)
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
    if lower := _second_row(lines, index):
        joined = _joined(layout, line, lower)
        if joined is not None:
            layout, below = joined, below[1:]
    cells = _joined_cells(layout.rows)
    if not _is_clear(layout, cells, below):
        return None
    return _spread(layout, cells, below)


def _is_clear(layout: HeaderLayout, cells: Sequence[str], below: Sequence[Line]) -> bool:
    """Whether a row with a stem's column is a header: neither a title nor a row of data."""
    filled = sum(map(bool, cells))
    named = {name for name, columns in layout.fields.items() if cells[columns[0]]}
    alphabet = alphabet_of(layout.labels)
    if named == {"stem"} and alphabet is not None and alphabet.are_words:
        # 「常見問題」 with the options 甲, 乙, 丙 is a question as well.
        return _names_stem(cells[layout.fields["stem"][0]])
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


def _second_row(lines: Sequence[Line], index: int) -> Line | None:
    """The row below a header's first row, where it only adds names to it.

    All its cells are names, and they stand where the row above has none, has the same name or has
    the one of all options; or it is a header by itself.
    """
    if index + 1 >= len(lines) or lines[index + 1].number != lines[index].number + 1:
        return None
    upper, lower = lines[index], lines[index + 1]
    # A row that is one long text or two cells of data costs nothing more.
    if sum(map(bool, lower.cells)) < 2 or any(len(c) > _LONGEST_NAME for c in lower.cells):
        return None
    above = [*upper.cells, *[""] * (len(lower.cells) - len(upper.cells))]
    pairs = [(high, low) for high, low in zip(above, lower.cells, strict=False) if low]
    layout = recognise(lower.number, lower.cells)
    if layout.lonely:
        return None
    known = {*layout.columns_of_questions(), *(c for cs in layout.fields.values() for c in cs)}
    if all(column in known for column, cell in enumerate(lower.cells) if cell):
        fits = all(
            not high or fold_name(high) == fold_name(low) or _spans_options(high, low)
            for high, low in pairs
        )
        added = sum(not high or _spans_options(high, low) for high, low in pairs)
        if fits and added and len(layout.options) > 1:
            return lower
    return lower if later_header(lower, None, "") and _has_names(upper) else None


def _spans_options(high: str, low: str) -> bool:
    """Whether a name is that of all options, or an unknown one, and stands over an option's."""
    return _names(high) == "options" or (not _names(high) and bool(option_label(low)))


def _has_names(line: Line) -> bool:
    """Whether a row is more than a title: two names at least."""
    return sum(_names(cell) != "" for cell in line.cells) > 1


@lru_cache(maxsize=4096)
def _names(cell: str) -> str:
    """The field that a cell names, ``""`` for none."""
    match = field_of(cell) if cell else None
    return match[0] if match else ""


def _joined(layout: HeaderLayout, upper: Line, lower: Line) -> HeaderLayout | None:
    """What two rows say together; ``None`` if it is no more than the upper says."""
    best: HeaderLayout | None = None
    carried, name = [], ""
    for column, cell in enumerate(upper.cells):
        name = cell or name
        low = lower.cells[column] if column < len(lower.cells) else ""
        carried.append(name + low if low and fold_name(name) != fold_name(low) else cell or low)
    for cells in (_below_or_above(upper.cells, lower.cells), carried):
        joined = recognise(lower.number, cells)
        if not joined.lonely and (best is None or joined.score > best.score):
            best = joined
    if best is None or best.score < layout.score:
        return None
    best.rows = {upper.number: tuple(upper.cells), lower.number: tuple(lower.cells)}
    return best


def _below_or_above(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    width = max(len(upper), len(lower))
    high, low = ([*cells, *[""] * (width - len(cells))] for cells in (upper, lower))
    return [below or above for above, below in zip(high, low, strict=True)]


def _spread(layout: HeaderLayout, cells: Sequence[str], below: Sequence[Line]) -> HeaderLayout:
    """Options that share one header 選項, which stands over several columns without names."""
    column = layout.first("options")
    if column is None or layout.options or layout.wrong or not layout.row:
        return layout
    width = max([len(cells), *(len(line.cells) for line in below)])
    end = column + 1
    while end < min(width, column + _MOST_SPREAD) and not (end < len(cells) and cells[end]):
        end += 1
    stem = layout.fields["stem"][0]
    texts = [
        line.cells[column : column + 2]
        for line in below
        if stem < len(line.cells) and line.cells[stem] and line.cells[column : column + 1]
    ]
    pairs = [pair for pair in texts if len(pair) == 2 and all(pair)]
    whole = [pair for pair in pairs if len(options_of_text(pair[0])[0]) == 1]
    if end == column + 1 or len(whole) * 2 <= len(texts):
        return layout
    layout.options = list(range(column, end))
    del layout.fields["options"]
    layout.headers = distinct_names([*cells, *[""] * (end - len(cells))])
    return layout


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


def _is_count(cell: str) -> bool:
    """Whether a cell is a number that is too high for the label of an option."""
    return len(cell) > 1 and cell.isascii() and cell.isdigit() and int(cell[:3]) > MAX_OPTIONS


def _names_stem(cell: str) -> bool:
    return _names(cell) == "stem" and is_spelled(cell)


def later_header(
    line: Line, columns: Columns | None, where: str, *, after_gap: bool = False
) -> HeaderLayout | None:
    """The header of another table, below the first; ``None`` for any other row.

    A row of data must never be one, though its stem be 「問題」 and its options A, B, C. So all
    cells must be names, none of them a number or a label that stands alone, and another field than
    the options must be named.

    Args:
        line: The row.
        columns: The caller's own columns; by their names, they win.
        where: How messages call the table.
        after_gap: Whether an empty row or a title comes before it; then options are enough.
    """
    cells = line.cells
    if any(len(cell) > _LONGEST_NAME for cell in cells):
        return None
    if columns and not are_positions(columns):
        folded = {fold_name(cell) for cell in cells if cell}
        references = [
            reference for references in names_of(columns).values() for reference in references
        ]
        if all(
            isinstance(reference, str) and fold_name(reference) in folded
            for reference in references
        ):
            return mapped_layout(line.number, cells, columns, where)
    # Most rows of data end here, before any cell is folded.
    if _SENTENCE.search("\n".join(cells)) or any(map(_is_count, cells)):
        return None
    if not any(_names(cell) == "stem" for cell in cells if not _STEM_ENDS.isdisjoint(cell)):
        return None
    layout = recognise(line.number, cells)
    if not layout.score or not _are_names(layout, cells):
        return None
    others = {n for n, cs in layout.fields.items() if any(cells[c] for c in cs)} - {"stem"}
    if not _names_stem(cells[layout.fields["stem"][0]]):
        return layout if "answer" in others else None
    return layout if others or (after_gap and layout.has_options) else None


def _are_names(layout: HeaderLayout, cells: Sequence[str]) -> bool:
    """Whether no cell is a number or a lone label, and no name of a field is there twice."""
    options = {cells[column] for column in layout.options}
    if layout.lonely or any(_NUMBER.fullmatch(cell) and cell not in options for cell in cells):
        return False
    known = [fold_name(cells[c]) for cs in layout.fields.values() for c in cs if cells[c]]
    return len(set(known)) == len(known)


def with_rows_below(
    layout: HeaderLayout, lines: Sequence[Line], columns: Columns | None, where: str
) -> HeaderLayout:
    """A later table's header with its second row, and the columns below it that have no names.

    Args:
        layout: What the header's first row says.
        lines: That row and the rows below it.
        columns: The caller's own columns.
        where: How messages call the table.
    """
    first, rest = lines[0], lines[1:]
    if lower := _second_row(lines, 0):
        mapped = None
        if columns and not are_positions(columns):
            with contextlib.suppress(ColumnsError):
                cells = _below_or_above(first.cells, lower.cells)
                mapped = mapped_layout(lower.number, cells, columns, where)
                mapped.rows = {line.number: tuple(line.cells) for line in (first, lower)}
        joined = mapped or _joined(layout, first, lower)
        if joined is not None:
            layout, rest = joined, rest[1:]
    return _spread(layout, _joined_cells(layout.rows), rest)


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
    names = (cell for cell in cells if cell and not _SENTENCE.search(cell) and not _is_label(cell))
    name = next(names, "…")[:20]
    return ColumnsError(
        f"{where}: no column of questions was recognised. Expected a header such as 題目, "
        f"問題, 題幹 or question; found {shown(cells)}. Name it: "
        f'columns={{"stem": "{name}"}} {fields}'
    )
