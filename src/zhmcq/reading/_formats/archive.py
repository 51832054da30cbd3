"""A zipped workbook: its sizes before its parts are parsed, and where its pictures lie."""

from __future__ import annotations

import re
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping

from zhmcq.errors import ReadError
from zhmcq.reading._formats.table import CellRow, MergedRange
from zhmcq.reading._formats.workbook_parts import Relation

__all__ = ["Drawings", "PicturedRows", "check_archive"]

# Real sheets of plain rows compress 5 to 40 times, sheets of blank formatted cells up to about
# 150 times; deflate's limit is 1,032. Small members are let through whatever their ratio.
MAX_RATIO = 250
SMALL = 32 * 2**20
MAX_INFLATED = 8 * 2**30
MAX_MEMBERS = 20_000

# Where a drawing is placed: the cell of its upper left corner.
LARGEST_DRAWING = 32 * 2**20
_FROM = re.compile(
    rb"<(?:\w{1,20}:)?from>\s{0,99}<(?:\w{1,20}:)?col>(\d{1,5})</[^<>]{1,30}>"
    rb"[^<]{0,99}(?:<(?:\w{1,20}:)?colOff>-?\d{1,15}</[^<>]{1,30}>)?"
    rb"[^<]{0,99}<(?:\w{1,20}:)?row>(\d{1,7})</"
)
_ANCHOR_END = re.compile(rb"</(?:\w{1,20}:)?(?:twoCell|oneCell)Anchor>")
_PICTURE = re.compile(rb"<(?:\w{1,20}:)?pic[\s>]")


def check_archive(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse an archive that would inflate out of proportion.

    Raises:
        ReadError: If it would; the message names the sizes.
    """
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise ReadError(f"{name}: expected a workbook, found an archive of {len(members)} files")
    inflated = sum(member.file_size for member in members)
    # Members can lie over each other and share their bytes, so their sizes may add up to more.
    packed = min(sum(member.compress_size for member in members), archive.start_dir)
    for what, size, stored in [
        *((f"its part {m.filename}", m.file_size, m.compress_size) for m in members),
        ("it", inflated, packed),
    ]:
        if size > SMALL and size > MAX_RATIO * max(stored, 1):
            raise ReadError(
                f"{name}: refused as a zip bomb: {what} would inflate from {stored:,} to "
                f"{size:,} bytes, more than {MAX_RATIO} times; if the file is honest, delete the "
                "empty formatted rows and columns in it, or save it as csv"
            )
    if inflated > MAX_INFLATED:
        raise ReadError(
            f"{name}: it would inflate to {inflated:,} bytes; the limit is {MAX_INFLATED:,}; "
            "split it into several files"
        )


class Drawings:
    """The pictures of a workbook.

    Args:
        archive: The workbook.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        # Many sheets can refer to one drawing.
        self._anchors: dict[str, list[tuple[int, int]]] = {}

    def pictured_cells(self, related: Iterable[Relation]) -> dict[int, set[int]]:
        """Row (from 1) → columns (from 0) in which the upper left corner of a picture lies.

        Read with patterns: no parser is let at the XML. What is missing, or larger than 32 MB,
        counts as having no pictures.

        Args:
            related: What the sheet refers to.
        """
        cells: dict[int, set[int]] = {}
        for drawing in {relation.part for relation in related if relation.kind == "drawing"}:
            if drawing not in self._anchors:
                self._anchors[drawing] = self._corners(drawing)
            for row, column in self._anchors[drawing]:
                cells.setdefault(row, set()).add(column)
        return cells

    def _corners(self, drawing: str) -> list[tuple[int, int]]:
        corners = []
        for anchor in _ANCHOR_END.split(self._part(drawing)):
            start = _FROM.search(anchor)
            if start and _PICTURE.search(anchor):
                corners.append((int(start.group(2)) + 1, int(start.group(1))))
        return corners

    def _part(self, name: str) -> bytes:
        try:
            if self._archive.getinfo(name).file_size > LARGEST_DRAWING:
                return b""
            with self._archive.open(name) as stream:
                return stream.read(LARGEST_DRAWING)
        except KeyError:
            return b""


class PicturedRows:
    """Notes the pictures of a sheet with its rows, which are given in their order.

    Args:
        cells: Row (from 1) → columns (from 0) in which a picture lies.
        merges: The sheet's merged ranges of several rows.
    """

    def __init__(self, cells: Mapping[int, set[int]], merges: Iterable[MergedRange]) -> None:
        self._cells = cells
        self._rows = sorted(cells)
        self._starts: dict[int, set[tuple[int, int]]] = {}
        self._open: dict[int, int] = {}
        if not cells:
            return
        ranges: dict[int, list[MergedRange]] = {}
        for merge in sorted(merges):
            ranges.setdefault(merge.column - 1, []).append(merge)
        for row, columns in cells.items():
            for column in columns & ranges.keys():
                of_column = ranges[column]
                nearest = bisect_right(of_column, row, key=lambda merge: merge.first_row) - 1
                if nearest >= 0 and row <= of_column[nearest].last_row:
                    _, first, last = of_column[nearest]
                    self._starts.setdefault(first, set()).add((column, last))

    def note(self, row: CellRow, following: int) -> None:
        """Note the pictures that belong to a row.

        Args:
            row: The row; a picture is ``image_options`` in an empty cell and ``picture`` elsewhere.
            following: The number of the next row that holds anything.
        """
        if not self._rows:
            return
        columns = set(self._cells.get(row.number, ()))
        self._open = {column: last for column, last in self._open.items() if last >= row.number}
        self._open |= dict(self._starts.pop(row.number, ()))
        for column in columns | self._open.keys():
            row.notes.setdefault(column, "picture" if row.text(column) else "image_options")
        below = self._rows[
            bisect_right(self._rows, row.number) : bisect_left(self._rows, following)
        ]
        for number in below:
            for column in self._cells[number]:
                row.notes.setdefault(column, "picture")
