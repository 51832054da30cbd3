"""How far right the drawings of a sheet reach: pictures, charts, text boxes and shapes."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from dataclasses import dataclass, field

from zhmcq.reading._formats.table import MAX_COLUMNS
from zhmcq.reading._formats.xml_events import XmlEvents, local_name
from zhmcq.reports._workbook._package import Package

__all__ = ["ColumnEdges", "anchored_column"]

_NUMBER = re.compile("-?[0-9]{1,12}")
_WIDTH = re.compile(r"[0-9]{1,4}(?:\.[0-9]{0,20})?")
# A character of the default font has 7 pixels and a cell 5 more (ECMA-376 part 1, 18.3.1.13); a
# pixel has 9,525 of the units that drawings count in.
_PIXELS, _PADDING, _UNITS = 7, 5, 9525
_DEFAULT_WIDTH = 8.43
_ANCHORS = ("twoCellAnchor", "oneCellAnchor", "absoluteAnchor")
_MOST_RANGES = 16_384


@dataclass(slots=True)
class ColumnEdges:
    """How wide the columns of a sheet are.

    Attributes:
        default: The width of a column of which nothing is said, in characters.
        ranges: First column, last column and width of the others.
    """

    default: float = _DEFAULT_WIDTH
    ranges: list[tuple[int, int, float]] = field(default_factory=list)
    _edges: list[int] = field(default_factory=list)

    def note_default(self, attributes: dict[str, str]) -> None:
        """Note what ``sheetFormatPr`` says."""
        width = attributes.get("defaultColWidth", "").strip()
        if _WIDTH.fullmatch(width):
            self.default = float(width)

    def note(self, attributes: dict[str, str]) -> None:
        """Note what a ``col`` says."""
        bounds = [attributes.get(key, "").strip() for key in ("min", "max")]
        width = attributes.get("width", "").strip()
        hidden = attributes.get("hidden", "").strip() in ("1", "true")
        if len(self.ranges) < _MOST_RANGES and all(map(_NUMBER.fullmatch, bounds)):
            shown = float(width) if _WIDTH.fullmatch(width) else self.default
            self.ranges.append((int(bounds[0]), int(bounds[1]), 0.0 if hidden else shown))

    def right_of(self, column: int, distance: int) -> int:
        """The column in which something ends, from 1.

        Args:
            column: The column from whose left edge the distance is measured, from 1.
            distance: How far it reaches, in the units of drawings.
        """
        edges = self._all()
        if column > len(edges):
            return column
        start = edges[column - 2] if column > 1 else 0
        return bisect_left(edges, start + distance) + 1

    def _all(self) -> list[int]:
        """Where each column ends, from the first one to one beyond those that count."""
        if not self._edges:
            widths = [self.default] * (MAX_COLUMNS + 1)
            for first, last, width in self.ranges:
                low, high = max(first, 1), min(last, MAX_COLUMNS + 1)
                widths[low - 1 : high] = [width] * max(high - low + 1, 0)
            pixels = (int(width * _PIXELS + _PADDING) if width else 0 for width in widths)
            self._edges = list(itertools.accumulate(count * _UNITS for count in pixels))
        return self._edges


def anchored_column(package: Package, part: str, edges: ColumnEdges) -> int:
    """The last column that a drawing lies over, from 1; 0 if there is none.

    A drawing that reaches beyond the columns that a question bank may have doesn't count.

    Args:
        package: The workbook.
        part: The part with the sheet's drawings.
        edges: The widths of the sheet's columns.

    Raises:
        ReadError: If the part is damaged or hostile.
    """
    reader = _Anchors(edges)
    with package.archive.open(part) as stream:
        events = XmlEvents(stream, package.where(part), reader.start, reader.end)
        reader.events = events
        events.read_all()
    return reader.last


class _Anchors:
    """Reads where drawings are anchored."""

    events: XmlEvents

    def __init__(self, edges: ColumnEdges) -> None:
        self._edges = edges
        self._path: list[str] = []
        self._numbers: dict[str, int] = {}
        self._pieces: list[str] = []
        self.last = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(local_name(tag))
        depth, name = len(self._path), self._path[-1]
        if depth == 2:
            self._numbers = {}
        elif depth == 3 and name in ("ext", "pos"):
            for key in ("cx", "x"):
                self._note(key, attributes.get(key, ""))
        elif depth == 4 and name in ("col", "colOff"):
            self._pieces = []
            self.events.listen(self._pieces.append)

    def end(self, _: str) -> None:
        depth, name = len(self._path), self._path.pop()
        if depth == 4 and name in ("col", "colOff"):
            self.events.listen(None)
            self._note(f"{self._path[-1]} {name}", "".join(self._pieces))
        elif depth == 2 and name in _ANCHORS:
            column = self._last_column()
            if column <= MAX_COLUMNS:
                self.last = max(self.last, column)

    def _note(self, key: str, text: str) -> None:
        if _NUMBER.fullmatch(text.strip()):
            self._numbers[key] = int(text)

    def _last_column(self) -> int:
        numbers = self._numbers
        if "to col" in numbers:
            # What ends at a column's left edge leaves that column free.
            return numbers["to col"] + (numbers.get("to colOff", 0) > 0)
        if "cx" not in numbers:
            return 0
        first = max(numbers.get("from col", 0), 0) + 1
        offset = numbers.get("from colOff", numbers.get("x", 0))
        return self._edges.right_of(first, offset + numbers["cx"])
