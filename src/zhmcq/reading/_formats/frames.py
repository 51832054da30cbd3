"""A frame of pandas → the one table of a file, or records where its cells hold lists."""

from __future__ import annotations

import datetime as dt
import numbers
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from zhmcq.reading._formats.cells import cell_text
from zhmcq.reading._formats.memory import (
    MISSING,
    Pictures,
    is_picture,
    plain_record,
    plain_value,
    python_date,
)
from zhmcq.reading._formats.table import CellRow, Sheet

__all__ = ["frame_columns", "frame_records", "frame_sheet", "holds_lists"]

_UNNAMED = re.compile(r"Unnamed: \d+(?:_level_\d+)?")  # what pandas calls a column without a header


def frame_columns(frame: Any) -> list[str] | None:
    """The headers of a frame, ``""`` for a column without one; ``None`` if they are only numbers.

    Args:
        frame: A ``pandas.DataFrame``. The names of several levels are joined.
    """
    names = list(frame.columns)
    if all(isinstance(name, numbers.Integral) for name in names):
        return None
    return [_column_name(name) for name in names]


def _column_name(name: object) -> str:
    levels = name if isinstance(name, tuple) else (name,)
    texts = [str(plain_value(level, "its columns") or "") for level in levels]
    named = [text.strip() for text in texts if not _UNNAMED.fullmatch(text)]
    return " ".join(dict.fromkeys(text for text in named if text))


def holds_lists(frame: Any) -> bool:
    """Whether some cell of a frame holds a list, an object or a picture, as no table's does."""
    scalars = (bool, int, float, str)
    return any(
        _is_nested(value)
        for position in range(frame.shape[1])
        if getattr((column := frame.iloc[:, position]).dtype, "kind", "O") not in "biufmM"
        for value in column
        if not isinstance(value, scalars)
    )


def _is_nested(value: object) -> bool:
    listed = isinstance(value, list | tuple | Mapping | Set) or getattr(value, "ndim", 0) > 0
    return listed or is_picture(value)


def frame_sheet(
    frame: Any, headers: Sequence[str] | None, index: Sequence[str], name: str
) -> Sheet:
    """A frame as the one table of a file; its headers are the row with the number 0.

    Args:
        frame: A ``pandas.DataFrame`` of numbers, texts, dates …
        headers: Its headers; ``None`` where its columns only count, then its rows are all there is.
        index: Headers for the levels of its index; empty where that is no column.
        name: How messages call it.
    """
    return Sheet("", _frame_rows(frame, headers, index, name), len(frame), headers is not None)


def _frame_rows(
    frame: Any, headers: Sequence[str] | None, index: Sequence[str], name: str
) -> Iterator[CellRow]:
    if headers is not None:
        names = [*index, *headers]
        yield CellRow(0, names, list(names))
    for number, cells in enumerate(_frame_cells(frame, index), 1):
        row = CellRow(number, [], [])
        for column, cell in enumerate(cells):
            value, text, note = _cell(cell, f"{name}, row {number}")
            row.values.append(value)
            row.texts.append(text)
            if note:
                row.notes[column] = note
        if any(row.texts):
            yield row


def _frame_cells(frame: Any, index: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    rows = frame.itertuples(index=False, name=None)
    if not index:
        return iter(rows)
    levels = zip(*(frame.index.get_level_values(i) for i in range(len(index))), strict=True)
    return (level + row for level, row in zip(levels, rows, strict=True))


def _cell(value: Any, where: str) -> tuple[Any, str, str]:
    """A cell of a frame: its value, the text that a workbook would show, and a doubt or ``""``."""
    if isinstance(value, dt.date | dt.time | dt.timedelta) and type(value).__name__ not in MISSING:
        value = python_date(value)
        return value, cell_text(value)[0], ""  # nobody saw it in another form
    value = plain_value(value, where)
    return (value, *cell_text(value))


def frame_records(
    frame: Any, headers: Sequence[str], index: Sequence[str], name: str, pictures: Pictures
) -> list[dict[str, Any]]:
    """A frame whose cells hold lists or objects, as records.

    Args:
        frame: A ``pandas.DataFrame``.
        headers: Its headers.
        index: Headers for the levels of its index; empty where that is no column.
        name: How messages call it.
        pictures: Where the pictures of each row are noted.
    """
    names: dict[str, None] = {}
    for header in (*index, *headers):
        unique, number = header, 2
        while unique in names:
            unique, number = f"{header} ({number})", number + 1
        names[unique] = None
    return [
        plain_record(dict(zip(names, cells, strict=True)), number, name, pictures)
        for number, cells in enumerate(_frame_cells(frame, index), 1)
    ]
