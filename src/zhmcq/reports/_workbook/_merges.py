"""Merged cells of a worksheet: which cell shows what is written to one that they cover."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from zhmcq.errors import ReadError
from zhmcq.reading._formats.workbook_parts import main_name
from zhmcq.reading._formats.xml_events import XmlEvents
from zhmcq.reports._workbook._cells import cell_range
from zhmcq.reports._workbook._package import Package

__all__ = ["MergedOver", "shown_cells"]

Cell = tuple[int, int]
# Ranges of an honest sheet don't lie over each other: no cell is in two of them.
MAX_COMPARED = 2_000_000


class MergedOver:
    """Tells which cells lie in merged ranges.

    Args:
        cells: Rows and columns, both from 1.
        where: How messages call the sheet.
    """

    def __init__(self, cells: Iterable[Cell], where: str) -> None:
        self._where = where
        self._compared = 0
        self._rows: dict[int, list[int]] = {}  # of each column
        for row, column in sorted(cells):
            self._rows.setdefault(column, []).append(row)
        self._columns = sorted(self._rows)

    def within(self, merged: tuple[int, int, int, int]) -> list[Cell]:
        """The cells that a merged range covers, but for the first, which shows what is in it.

        Args:
            merged: First row and column, last row and column.

        Raises:
            ReadError: If too many ranges lie over each other.
        """
        top, left, bottom, right = merged
        columns = self._columns
        covered: list[Cell] = []
        for column in columns[bisect_left(columns, left) : bisect_right(columns, right)]:
            rows = self._rows[column]
            inner = rows[bisect_left(rows, top) : bisect_right(rows, bottom)]
            covered += [(row, column) for row in inner if (row, column) != (top, left)]
            self._compared += 1 + len(inner)
        if self._compared > MAX_COMPARED:
            raise ReadError(f"{self._where}: refused: its merged cells lie over each other")
        return covered


def shown_cells(package: Package, part: str, cells: Iterable[Cell]) -> dict[Cell, Cell]:
    """Where cells that are covered by merged cells are shown: the first cell of the range.

    Args:
        package: The workbook.
        part: The sheet's part.
        cells: Rows and columns, both from 1.

    Returns:
        The cell that shows it, for each covered one.

    Raises:
        ReadError: If the sheet is damaged or hostile.
    """
    over = MergedOver(cells, package.where(part))
    shown: dict[Cell, Cell] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        if main_name(tag) == "mergeCell" and (merged := cell_range(attributes.get("ref", ""))):
            shown.update(dict.fromkeys(over.within(merged), merged[:2]))

    with package.archive.open(part) as stream:
        XmlEvents(stream, package.where(part), start, lambda _: None).read_all()
    return shown
