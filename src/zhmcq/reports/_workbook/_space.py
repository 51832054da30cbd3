"""Where a worksheet is free: right of its cells, merged cells, tables and drawings."""

from __future__ import annotations

import contextlib

from zhmcq.errors import ReadError
from zhmcq.reading._formats.archive import LARGEST_DRAWING
from zhmcq.reading._formats.sheet_xml import column_of
from zhmcq.reading._formats.table import MAX_COLUMNS
from zhmcq.reading._formats.workbook_parts import main_name, relations
from zhmcq.reading._formats.xml_events import XmlEvents, local_name
from zhmcq.reports._workbook._anchors import ColumnEdges, anchored_column
from zhmcq.reports._workbook._cells import cell_range
from zhmcq.reports._workbook._package import Package

__all__ = ["free_column"]

# Parts that lie over ranges of a sheet, and the element that says over which.
_RANGES = {"table": "table", "pivotTable": "location"}
_LONGEST_LIST = 10_000


def free_column(package: Package, part: str) -> int:
    """The first column of a sheet right of everything in it, from 1.

    Cells that hold nothing don't count, whatever their format, nor do ranges and drawings that
    reach beyond the columns that a question bank may have.

    Args:
        package: The workbook.
        part: The sheet's part.

    Raises:
        ReadError: If the sheet is damaged or hostile.
    """
    space = _Space(package.where(part))
    with package.archive.open(part) as stream:
        space.events = XmlEvents(stream, package.where(part), space.start, space.end)
        space.events.read_all()
    for relation in relations(package.archive, part, package.name).values():
        if relation.part not in package.archive.NameToInfo:
            continue
        if relation.kind in _RANGES:
            _count_ranges(package, relation.part, _RANGES[relation.kind], space)
        elif (
            relation.kind == "drawing"
            and package.archive.getinfo(relation.part).file_size <= LARGEST_DRAWING
        ):
            # What is drawn is copied, whatever it is: it need not be understood.
            with contextlib.suppress(ReadError):
                last = anchored_column(package, relation.part, space.edges)
                space.last = max(space.last, last)
    return space.last + 1


class _Space:
    """Reads which columns of a sheet are taken.

    Args:
        where: How messages call the sheet.

    Attributes:
        last: The last of them, from 1.
        edges: The widths of the columns.
    """

    events: XmlEvents

    def __init__(self, where: str) -> None:
        self._where = where
        self._column = 0
        self._holds = False
        self._sparkline = False
        self._pieces: list[str] = []
        self.last = 0
        self.edges = ColumnEdges()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = main_name(tag)
        if name == "c":
            self._column = column_of(attributes.get("r"), self._column, self._where)
            self._holds = False
            if self._column > self.last:
                self.events.listen(self._take)
        elif name == "row":
            self._column = 0
        elif name == "f":
            self._holds = True
        elif name == "mergeCell":
            self.count(attributes.get("ref", ""))
        elif name == "sheetFormatPr":
            self.edges.note_default(attributes)
        elif name == "col":
            self.edges.note(attributes)
        elif not name:
            self._start_other(local_name(tag))

    def end(self, tag: str) -> None:
        name = main_name(tag)
        if name == "c":
            self.events.listen(None)
            if self._holds:
                self.last = max(self.last, self._column)
        elif not name and self._sparkline:
            self._end_other(local_name(tag))

    def count(self, reference: str) -> None:
        """Count a range, unless it reaches beyond where columns can be added."""
        covered = cell_range(reference)
        if covered is not None and covered[3] <= MAX_COLUMNS:
            self.last = max(self.last, covered[3])

    def _take(self, text: str) -> None:
        self._holds = self._holds or bool(text.strip())

    def _start_other(self, name: str) -> None:
        """A small chart within a cell, which may hold nothing else."""
        if name == "sparkline":
            self._sparkline = True
        elif self._sparkline and name == "sqref":
            self._pieces = []
            self.events.listen(self._pieces.append)

    def _end_other(self, name: str) -> None:
        if name == "sqref":
            self.events.listen(None)
            for reference in "".join(self._pieces)[:_LONGEST_LIST].split():
                self.count(reference)
        elif name == "sparkline":
            self._sparkline = False


def _count_ranges(package: Package, part: str, element: str, space: _Space) -> None:
    def start(tag: str, attributes: dict[str, str]) -> None:
        if main_name(tag) == element:
            space.count(attributes.get("ref", ""))

    with package.archive.open(part) as stream:
        XmlEvents(stream, package.where(part), start, lambda _: None).read_all()
