"""Rows that are headers below others: the second row of a header, a later table's header."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from zhmcq.errors import ColumnsError
from zhmcq.questions import MAX_OPTIONS
from zhmcq.reading._drafts.draft import Columns
from zhmcq.reading._drafts.embedded import options_of_text
from zhmcq.reading._drafts.layout import HeaderLayout, distinct_names, recognise
from zhmcq.reading._drafts.tables.mapping import are_positions, mapped_layout, names_of
from zhmcq.reading._drafts.vocabulary import FIELDS, field_of, is_spelled, option_label
from zhmcq.zh._fold import fold_name

__all__ = [
    "SENTENCE",
    "Line",
    "joined_cells",
    "joined_layout",
    "later_header",
    "names_stem",
    "second_row",
    "spread_options",
    "with_rows_below",
]

_LONGEST_NAME = 40
_MOST_SPREAD = 8
#: What a sentence has and a name has not.
SENTENCE = re.compile(r"[?？。！，]|[(（]\s*[)）]|_{2,}")
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
    if SENTENCE.search("\n".join(cells)) or any(map(_is_count, cells)):
        return None
    if not any(_names(cell) == "stem" for cell in cells if not _STEM_ENDS.isdisjoint(cell)):
        return None
    layout = recognise(line.number, cells)
    if not layout.score or not _are_names(layout, cells):
        return None
    others = {n for n, cs in layout.fields.items() if any(cells[c] for c in cs)} - {"stem"}
    if not names_stem(cells[layout.fields["stem"][0]]):
        return layout if "answer" in others else None
    return layout if others or (after_gap and layout.has_options) else None


def _are_names(layout: HeaderLayout, cells: Sequence[str]) -> bool:
    """Whether no cell is a number or a lone label, and no name of a field is there twice."""
    options = {cells[column] for column in layout.options}
    if layout.lonely or any(_NUMBER.fullmatch(cell) and cell not in options for cell in cells):
        return False
    known = [fold_name(cells[c]) for cs in layout.fields.values() for c in cs if cells[c]]
    return len(set(known)) == len(known)


def _is_count(cell: str) -> bool:
    """Whether a cell is a number that is too high for the label of an option."""
    return len(cell) > 1 and cell.isascii() and cell.isdigit() and int(cell[:3]) > MAX_OPTIONS


@lru_cache(maxsize=4096)
def _names(cell: str) -> str:
    """The field that a cell names, ``""`` for none."""
    match = field_of(cell) if cell else None
    return match[0] if match else ""


def names_stem(cell: str) -> bool:
    return _names(cell) == "stem" and is_spelled(cell)


def second_row(lines: Sequence[Line], index: int) -> Line | None:
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
            not high
            or fold_name(high) == fold_name(low)
            or _spans_options(high, low)
            or (_names(high) == "answer" and _names(low) == "answer")
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


def joined_layout(layout: HeaderLayout, upper: Line, lower: Line) -> HeaderLayout | None:
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


def joined_cells(rows: dict[int, tuple[str, ...]]) -> list[str]:
    cells: list[str] = []
    for row in rows.values():
        cells = _below_or_above(cells, row)
    return cells


def _below_or_above(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    width = max(len(upper), len(lower))
    high, low = ([*cells, *[""] * (width - len(cells))] for cells in (upper, lower))
    return [below or above for above, below in zip(high, low, strict=True)]


def spread_options(
    layout: HeaderLayout, cells: Sequence[str], below: Sequence[Line]
) -> HeaderLayout:
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
    if lower := second_row(lines, 0):
        mapped = None
        if columns and not are_positions(columns):
            with contextlib.suppress(ColumnsError):
                cells = _below_or_above(first.cells, lower.cells)
                mapped = mapped_layout(lower.number, cells, columns, where)
                mapped.rows = {line.number: tuple(line.cells) for line in (first, lower)}
        joined = mapped or joined_layout(layout, first, lower)
        if joined is not None:
            layout, rest = joined, rest[1:]
    return spread_options(layout, joined_cells(layout.rows), rest)
