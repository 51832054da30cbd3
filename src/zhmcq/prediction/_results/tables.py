"""The tables of a bank: which rows have which header, and how each table writes its keys."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from zhmcq.prediction._results.key_style import LABELS, KeyStyle, key_headers, key_style
from zhmcq.prediction._results.rows import ResultRow
from zhmcq.questions import Origin, Question, QuestionBank

__all__ = ["Tables"]


class Tables:
    """The tables that a bank was read from.

    Args:
        bank: The bank.
    """

    def __init__(self, bank: QuestionBank) -> None:
        self._cells = bank.table.rows
        self._columns = bank.columns
        self._key_headers: dict[tuple[str, ...], list[str]] = {}
        self._header_rows: dict[tuple[str, str], list[int]] = {}
        for origin in bank.table.header_rows:
            self._header_rows.setdefault((origin.file, origin.sheet), []).append(origin.row)
        for numbers in self._header_rows.values():
            numbers.sort()
        self._keyed: dict[Origin, list[tuple[Question, Any]]] = {}
        for question in bank:
            cell = self._key_cell(question)
            if cell is not None and question.origin is not None:
                self._keyed.setdefault(self.header_of(question.origin), []).append((question, cell))
        self._styles = {table: key_style(keyed) for table, keyed in self._keyed.items()}

    def header_of(self, origin: Origin) -> Origin:
        """The last row of the header above a row; row 0 where its table has none."""
        numbers = self._header_rows.get((origin.file, origin.sheet), [])
        index = bisect_left(numbers, origin.row)
        if index == 0 and numbers:  # a row above the first header was meant for its table
            return self._header(origin, numbers, 0)
        return Origin(origin.file, origin.sheet, numbers[index - 1] if index else 0)

    def _header(self, origin: Origin, numbers: Sequence[int], first: int) -> Origin:
        """The last one of the rows that are one header, from the first of them on."""
        last = first
        while last + 1 < len(numbers) and numbers[last + 1] == numbers[last] + 1:
            last += 1
        return Origin(origin.file, origin.sheet, numbers[last])

    @cached_property
    def _usual(self) -> KeyStyle:
        """How most tables write their keys."""
        return key_style(pair for keyed in self._keyed.values() for pair in keyed) or LABELS

    def style_of(self, row: ResultRow) -> KeyStyle:
        """How the table of a row writes its keys; without any there, how the others do."""
        if row.origin is None or row.origin not in self._cells:
            return LABELS
        return self._styles.get(self.header_of(row.origin)) or self._usual

    def cells_of(self, row: ResultRow) -> Mapping[str, Any] | None:
        """The cells of a row by header; ``None`` where it was not read from a table."""
        return self._cells.get(row.origin) if row.origin is not None else None

    def headers_of(self, rows: Iterable[ResultRow]) -> dict[str, None]:
        """The headers of the tables of these rows, in their order."""
        return dict.fromkeys(name for row in rows for name in self.cells_of(row) or ())

    def _key_cell(self, question: Question) -> Any:
        """The cell that a key was read from; ``None`` where there is none, or no key."""
        cells = self._cells.get(question.origin) if question.origin is not None else None
        if question.answer is None or cells is None:
            return None
        names = tuple(cells)
        if names not in self._key_headers:
            self._key_headers[names] = key_headers(self._columns, names)
        filled = (cells[name] for name in self._key_headers[names] if cells[name] not in ("", None))
        return next(filled, None)
