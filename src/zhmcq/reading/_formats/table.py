"""What a file is before anything in it has a meaning: sheets of rows of cells, or records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from zhmcq._progress import current_progress
from zhmcq.errors import ReadError

__all__ = [
    "MAX_COLUMNS",
    "MAX_ROWS",
    "CellRow",
    "MergedColumns",
    "MergedRange",
    "Sheet",
    "SourceRow",
    "TextBudget",
    "tracked",
]

T = TypeVar("T")

# Column ZZ. A workbook whose cells lie further right is damaged or hostile, and padding its rows
# would take gigabytes.
MAX_COLUMNS = 702
# The last row of a workbook.
MAX_ROWS = 1_048_576
# A text that is stored once and shown in many cells, or a row that is repeated, makes a small file
# a large bank. Honest files give up to about 40 characters a byte, and more than a byte a row.
_FREE_CHARACTERS = 2**26
_CHARACTERS_PER_BYTE = 100
_CHARACTERS_OF_ROW = 200  # what any row costs


@dataclass(slots=True)
class CellRow:
    """One row of a sheet.

    Attributes:
        number: The 1-based row as the spreadsheet shows it; a line or item number elsewhere.
        texts: Each cell as the person saw it, without outer whitespace; ``""`` for an empty cell.
        values: Each cell as stored (text, number, date …), for ids and answers.
        notes: What is doubtful about a cell, by column index: a problem code.
    """

    number: int
    texts: list[str]
    values: list[Any]
    notes: dict[int, str] = field(default_factory=dict)

    def text(self, column: int) -> str:
        """The cell as seen; ``""`` where the row is shorter than that."""
        return self.texts[column] if column < len(self.texts) else ""

    def value(self, column: int) -> Any:
        """The cell as stored; ``None`` where the row is shorter than that."""
        return self.values[column] if column < len(self.values) else None


@dataclass(slots=True)
class Sheet:
    """One sheet, or the one table of a text file.

    Attributes:
        name: The sheet's name; ``""`` in a text file.
        rows: The rows that hold anything, in order; each is read when it is taken.
        expected: About how many rows there are, for a progress bar; 0 where that is unknown.
        named: Whether the first row is known to hold the names of the columns.
    """

    name: str
    rows: Iterator[CellRow]
    expected: int = 0
    named: bool = False


class MergedRange(NamedTuple):
    """A merged range of several rows, all numbers from 1; of its columns only the first counts."""

    column: int
    first_row: int
    last_row: int


class MergedColumns:
    """Carries the value of a merged range down to its later rows.

    Args:
        merges: The ranges.
    """

    def __init__(self, merges: Iterable[MergedRange]) -> None:
        self._starts: dict[int, list[tuple[int, int]]] = {}
        for column, top, bottom in merges:
            self._starts.setdefault(top, []).append((column - 1, bottom))
        self._open: dict[int, tuple[int, str, Any]] = {}

    def fill(self, row: CellRow) -> None:
        """Note the ranges that start in this row and fill the ones that cover it."""
        for column, (bottom, text, value) in list(self._open.items()):
            if row.number > bottom:
                del self._open[column]
                continue
            short = column + 1 - len(row.texts)
            if short > 0:
                row.texts += [""] * short
                row.values += [None] * short
            if not row.texts[column]:
                row.texts[column], row.values[column] = text, value
        for column, bottom in self._starts.pop(row.number, ()):
            if row.text(column):
                self._open[column] = (bottom, row.text(column), row.value(column))


class TextBudget:
    """Refuses a small file whose rows and cells, repeated or merged, are out of proportion many.

    Args:
        size: The file's bytes.
        name: How messages call it.
    """

    def __init__(self, size: int, name: str) -> None:
        self._limit = max(_FREE_CHARACTERS, _CHARACTERS_PER_BYTE * size)
        self._used = 0
        self._name = name

    def spend(self, row: CellRow) -> CellRow:
        """Count a row, and give it back.

        Raises:
            ReadError: If the file has shown too much by now.
        """
        self._used += _CHARACTERS_OF_ROW + len(row.texts) + sum(map(len, row.texts))
        self._check(self._used)
        return row

    def expect_rows(self, count: int) -> None:
        """Refuse rows that are announced and would be too many, before the first is looked at.

        Raises:
            ReadError: If these rows, empty as they may be, would show too much.
        """
        self._check(self._used + _CHARACTERS_OF_ROW * count)

    def _check(self, characters: int) -> None:
        if characters > self._limit:
            raise ReadError(
                f"{self._name}: refused: its rows show more than {self._limit:,} characters (a row "
                f"counts {_CHARACTERS_OF_ROW} more), out of proportion to the file's size; if it "
                "is honest, save it as csv"
            )


class SourceRow(Mapping[str, Any]):
    """The cells of one source row by header; many rows share one tuple of headers."""

    __slots__ = ("_cells", "_indexes")

    def __init__(self, indexes: Mapping[str, int], cells: tuple[Any, ...]) -> None:
        self._indexes = indexes
        self._cells = cells

    def __getitem__(self, header: str) -> Any:
        index = self._indexes[header]
        return self._cells[index] if index < len(self._cells) else ""

    def __iter__(self) -> Iterator[str]:
        return iter(self._indexes)

    def __len__(self) -> int:
        return len(self._indexes)

    def __repr__(self) -> str:
        return repr(dict(self))


# Files of fewer rows are read before a bar would be noticed.
LONG = 20_000
_STEP = 500


def tracked(items: Iterable[T], expected: int, stage: str) -> Iterator[T]:
    """Pass items on, and report how many there have been.

    Where no caller wants reports, that is left out for fewer than about 20,000.

    Args:
        items: The items.
        expected: About how many there are; 0 where that is unknown.
        stage: What is done with them.
    """
    with current_progress() as report:
        if expected < LONG and not report.is_given:
            yield from items
            return
        number = 0
        if expected:
            report(0, expected, stage)
        for number, item in enumerate(items, 1):
            if expected and number % _STEP == 0:
                report(number, max(expected, number), stage)
            yield item
        if expected or number:
            report(number, number, stage)
