"""The caller's own columns: field → header or position, which wins over the vocabulary."""

from __future__ import annotations

import re
from collections.abc import Sequence

from zhmcq.errors import ColumnsError
from zhmcq.reading._drafts.draft import Columns
from zhmcq.reading._drafts.layout import HeaderLayout, distinct_names, recognise
from zhmcq.reading._drafts.vocabulary import FIELDS, option_label
from zhmcq.reading._formats.table import MAX_COLUMNS
from zhmcq.zh._fold import fold_name, normal_text

__all__ = ["are_positions", "mapped_layout", "names_of", "positioned_layout", "shown"]

_COLUMN = re.compile(r"column ([A-Z]{1,2})")


def shown(cells: Sequence[str]) -> str:
    """Cells as a message quotes them."""
    names = [repr(cell[:30]) for cell in cells if cell][:30]
    return ", ".join(names) if names else "no text in its first rows"


def names_of(columns: Columns) -> dict[str, list[str | int]]:
    """The headers or positions of each field.

    Raises:
        ColumnsError: If there is no such field.
    """
    wanted: dict[str, list[str | int]] = {
        name: [header] if isinstance(header, str | int) else list(header)
        for name, header in columns.items()
    }
    unknown = [n for n in wanted if n not in FIELDS and not re.fullmatch(r"option\d{1,2}", n)]
    if unknown:
        raise ColumnsError(
            f"columns={dict(columns)!r}: unknown field {unknown[0]!r}; known: "
            f"{', '.join(FIELDS)}, option1, option2, …"
        )
    return wanted


def are_positions(columns: Columns) -> bool:
    """Whether all columns are named by position (2, or "column B"), so that none needs a header."""
    references = [
        reference for references in names_of(columns).values() for reference in references
    ]
    return bool(references) and all(
        isinstance(reference, int) or _COLUMN.fullmatch(reference) for reference in references
    )


def _index(reference: str | int) -> int | None:
    """The index that a position or "column B" stands for; None for a header."""
    if isinstance(reference, int):
        return reference - 1
    match = _COLUMN.fullmatch(reference)
    if match is None:
        return None
    from openpyxl.utils import column_index_from_string  # here: few callers need it

    return column_index_from_string(match.group(1)) - 1


def positioned_layout(columns: Columns, width: int, where: str) -> HeaderLayout:
    """The layout of a table without a header, its columns named by positions.

    Args:
        columns: Field → positions.
        width: How many columns the table has, by its first rows.
        where: How messages call the table.

    Raises:
        ColumnsError: If a reference is no position, or the table has no such column.
    """
    indexes: dict[str, list[int]] = {}
    for name, references in names_of(columns).items():
        for reference in references:
            index = _index(reference)
            if index is None:
                raise ColumnsError(
                    f"{where}: columns={dict(columns)!r}: a table that is read without a header "
                    f"has no column {reference!r}; give the position of {name!r}, counted from 1, "
                    'as in columns={"stem": 1, "options": [2, 3, 4, 5], "answer": 6}'
                )
            indexes.setdefault(name, []).append(_inside(index, name, width, where))
    layout = HeaderLayout(0, distinct_names([""] * max(width, 1)))
    return _with_columns(layout, indexes, [""] * width, columns, where)


def _inside(index: int, name: str, width: int, where: str) -> int:
    if not 0 <= index < min(width, MAX_COLUMNS):
        raise ColumnsError(
            f"{where}: no column {index + 1} for {name!r}; the table has {width} columns, counted "
            "from 1"
        )
    return index


def mapped_layout(
    row: int, cells: Sequence[str], columns: Columns, where: str, width: int = 0
) -> HeaderLayout:
    """What a header row says, with the caller's own columns.

    Args:
        row: Its number; -1 for the names of a record, which have no positions.
        cells: Its cells.
        columns: Field → header or position.
        where: How messages call the table.
        width: How many columns the table has, if it has more than this row.

    Raises:
        ColumnsError: If the row has no such column, or none holds questions.
    """
    by_name = {normal_text(cell): index for index, cell in reversed(list(enumerate(cells))) if cell}
    loose = {fold_name(cell): index for cell, index in by_name.items()}

    def index_of(name: str, reference: str | int) -> int:
        index = _index(reference)
        if index is not None:
            if row < 0:
                raise ColumnsError(
                    f"{where}: records have names, no column {reference!r} for {name!r}"
                )
            return _inside(index, name, max(width, len(cells)), where)
        header = str(reference)
        index = by_name.get(normal_text(header), loose.get(fold_name(header)))
        if index is None:
            raise ColumnsError(
                f"{where}: no column {header!r} for {name!r}; found {shown(cells)}. Correct "
                f"columns={dict(columns)!r}"
            )
        return index

    wanted = names_of(columns)
    mapped = {
        name: [index_of(name, reference) for reference in references]
        for name, references in wanted.items()
    }
    taken = {index for indexes in mapped.values() for index in indexes}
    cells = [*cells, *[""] * (width - len(cells))]
    rest = ["" if i in taken else cell for i, cell in enumerate(cells)]
    layout = recognise(row, rest, stem_is_named="stem" in mapped)
    layout.headers, layout.rows = distinct_names(cells), {row: tuple(cells)}
    if layout.fields.get("id") == [0] and (0 in taken):
        del layout.fields["id"]
    return _with_columns(layout, mapped, cells, columns, where)


def _with_columns(
    layout: HeaderLayout,
    mapped: dict[str, list[int]],
    cells: Sequence[str],
    columns: Columns,
    where: str,
) -> HeaderLayout:
    """A layout with the caller's columns in reference of what was recognised."""
    numbered = sorted((int(n[6:]), p[0]) for n, p in mapped.items() if n[6:].isdigit())
    if numbered or len(mapped.get("options", ())) > 1:
        layout.options = [p for _, p in numbered] or mapped.pop("options")
        names = [option_label(cells[p]) if p < len(cells) else "" for p in layout.options]
        whole = all(names) and len(set(names)) == len(names)
        layout.labels = tuple(names) if whole else ()
        layout.wrong = []
    layout.fields |= {name: indexes for name, indexes in mapped.items() if name in FIELDS}
    if "stem" not in layout.fields:
        raise ColumnsError(
            f"{where}: columns={dict(columns)!r} names no stem, and none was recognised among "
            f"{shown(cells)}; add columns={{'stem': …}}"
        )
    return layout
