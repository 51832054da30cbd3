"""The XML of a worksheet, with cells put in.

What is not touched is copied as it is written. Written anew are: tags of rows that get cells, for
their ``spans``; the tag ``dimension``; columns that get a width and are part of a wider ``col``;
the tags of cells that get a colour; and cells that are filled, which held nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from typing import IO

from zhmcq.errors import ReadError
from zhmcq.reading._formats.sheet_xml import column_of, row_number
from zhmcq.reading._formats.workbook_parts import main_name
from zhmcq.reports._workbook._cells import (
    MAX_SHEET_COLUMN,
    cell_range,
    cell_xml,
    reference,
)
from zhmcq.reports._workbook._merges import MergedOver
from zhmcq.reports._workbook._stream import EditedStream
from zhmcq.reports._workbook._styles import Styles
from zhmcq.reports._workbook._values import SheetEdit
from zhmcq.reports._workbook._widths import Widths
from zhmcq.reports._workbook._xml import prefix_of, with_attributes

__all__ = ["SheetEditor"]

_CONTENT = re.compile(rb">\s*[^<\s]|<(?:[\w.-]{1,40}:)?f[\s/>]")
_SPANS = re.compile("([0-9]{1,5}):([0-9]{1,5})")
_NUMBER = re.compile("[0-9]{1,6}")
# What follows the drawing of comments in a sheet (ECMA-376 part 1, section 18.3.1.99).
_AFTER_DRAWING = {
    "legacyDrawingHF",
    "drawingHF",
    "picture",
    "oleObjects",
    "controls",
    "webPublishItems",
    "tableParts",
    "extLst",
}
_TRUE = ("1", "true", "on")


class SheetEditor:
    """Puts cells into a worksheet.

    Args:
        edit: What is put in.
        styles: The workbook's styles.
        where: How messages call the sheet.
        drawing: The tag that refers to the drawing of comments, with ``{}`` for the prefix of
            the sheet's elements; put in where the sheet refers to none. ``""`` for none.

    Attributes:
        cut: How many texts were cut to what Excel takes.
        drawing_id: What the sheet itself says of its drawing of comments; ``""`` if nothing.
    """

    def __init__(self, edit: SheetEdit, styles: Styles, where: str, drawing: str = "") -> None:
        self._cells = edit.cells
        self._styles = styles
        self._where = where
        self._drawing = drawing
        self._merged = MergedOver(edit.cells, where)
        self._columns: dict[int, list[int]] = {}
        for row, column in sorted(edit.cells):
            self._columns.setdefault(row, []).append(column)
        self._rows = list(self._columns)
        self._next_row = 0  # an index in them: those before it are written
        self._widths = Widths(edit.widths)
        self._depth = 0
        self._section = ""  # of the sheet, such as "cols"
        self._prefix = ""
        self._rows_begin = self._rows_end = False
        self._unclosed = ""  # the name of a tag such as <row/> that was opened to be filled
        self._row = self._column = 0
        self._left: list[int] = []  # columns of the open row whose cells are not written yet
        self._neighbour: int | None = None  # the format that added cells of the row look like
        self._formats: dict[int | None, int] = {}  # how many cells of the open row have which
        self._row_prefix = ""
        # Where a cell begins that may be replaced, and whether it has but one tag.
        self._filled: tuple[int, bool] | None = None
        self.cut = 0
        self.drawing_id = ""

    def run(self, source: IO[bytes], write: Callable[[bytes], object]) -> None:
        """Read a sheet and write it with the cells in it.

        Args:
            source: The sheet's XML.
            write: Takes what is written.

        Raises:
            ReadError: If the sheet is damaged or hostile, its rows are out of order, or it holds
                something already where a cell is put in.
        """
        self._stream = EditedStream(source, write, self._where)
        self._stream.run(self._start, self._end)
        if not self._rows_end:
            raise ReadError(f"{self._where}: it has no rows of cells, as a worksheet has")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 4:
            if self._left and self._section == "sheetData" and main_name(tag) == "c":
                self._start_cell(attributes)
        elif self._depth == 3:
            name = main_name(tag)
            if self._section == "sheetData" and name == "row":
                self._start_row(attributes)
            elif self._section == "cols" and name == "col":
                self._col(attributes)
            elif self._section == "mergeCells" and name == "mergeCell":
                self._check_merge(attributes.get("ref", ""))
        elif self._depth == 2:
            self._section = main_name(tag)
            self._start_section(attributes)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if self._depth == 3:
            if self._filled is not None:
                self._end_cell()
        elif self._depth == 2:
            if self._section == "sheetData" and main_name(tag) == "row":
                self._end_row()
        elif self._depth == 1:
            self._end_section()
            self._section = ""
        elif self._depth == 0 and self._drawing and not self.drawing_id:
            self._put_drawing()

    def _start_section(self, attributes: dict[str, str]) -> None:
        """A child of the worksheet's element begins."""
        name = self._section
        stream = self._stream
        if name == "dimension":
            tag, end = stream.tag()
            stream.copy(stream.index)
            stream.put(with_attributes(tag, {"ref": self._extended(attributes.get("ref", ""))}))
            stream.skip(end)
        elif name == "cols" and self._widths.left:
            tag, end = stream.tag()
            self._prefix = prefix_of(tag)
            self._open((tag, end))
        elif name == "sheetData":
            if self._rows_begin:
                raise ReadError(f"{self._where}: its rows are in two lists")
            self._rows_begin = True
            tag, end = stream.tag()
            self._prefix = prefix_of(tag)
            if cols := self._widths.before(MAX_SHEET_COLUMN + 1, self._prefix):
                stream.copy(stream.index)
                stream.put(f"<{self._prefix}cols>{cols}</{self._prefix}cols>")
            self._open((tag, end))
        elif name == "legacyDrawing":
            ids = [value for key, value in attributes.items() if key.endswith(" id")]
            self.drawing_id = ids[0] if ids else ""
        elif name in _AFTER_DRAWING and self._rows_end and self._drawing and not self.drawing_id:
            self._put_drawing()

    def _open(self, tag_and_end: tuple[bytes, int]) -> None:
        """Turn a tag such as ``<sheetData/>`` into one that something can be put behind."""
        tag, end = tag_and_end
        self._unclosed = ""
        if tag.endswith(b"/>"):
            self._stream.copy(self._stream.index)
            self._stream.put(tag[:-2] + b">")
            self._stream.skip(end)
            self._unclosed = tag[1:-2].split(None, 1)[0].decode()

    def _close(self, xml: str) -> None:
        """Put something in before the tag that ends an element, which was opened with _open."""
        self._stream.copy(self._stream.index)
        if self._unclosed:
            xml += f"</{self._unclosed}>"
            self._unclosed = ""
        if xml:
            self._stream.put(xml)

    def _end_section(self) -> None:
        if self._section == "cols":
            if (cols := self._widths.before(MAX_SHEET_COLUMN + 1, self._prefix)) or self._unclosed:
                self._close(cols)
        elif self._section == "sheetData":
            self._rows_end = True
            self._close(self._missing_rows(None))

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = row_number(attributes.get("r"), self._row, self._where)
        if number <= self._row:
            raise ReadError(
                f"{self._where}: row {number} comes after row {self._row}: its rows are out of "
                "order or two have one number"
            )
        stream = self._stream
        if missing := self._missing_rows(number):
            stream.copy(stream.index)
            stream.put(missing)
        self._row, self._column = number, 0
        self._left = self._columns.get(number, [])
        if not self._left:
            return
        self._next_row += 1
        tag, end = stream.tag()
        self._row_prefix = prefix_of(tag)
        styled = attributes.get("customFormat", "").strip() in _TRUE
        self._neighbour = _style(attributes) if styled else None
        self._formats = {}
        changed = tag
        if spans := _SPANS.fullmatch(attributes.get("spans", "").strip()):
            first, last = min(int(spans[1]), self._left[0]), max(int(spans[2]), self._left[-1])
            changed = with_attributes(tag, {"spans": f"{first}:{last}"})
        elif "spans" in attributes:  # of several parts: it is but a hint, for speed
            changed = with_attributes(tag, {"spans": None})
        stream.copy(stream.index)
        if tag.endswith(b"/>"):
            name = tag[1:-2].split(None, 1)[0].decode()
            stream.put(changed[:-2] + b">")
            stream.put(self._cells_before(None) + f"</{name}>")
        else:
            stream.put(changed)
        stream.skip(end)

    def _end_row(self) -> None:
        if self._left:
            self._stream.copy(self._stream.index)
            self._stream.put(self._cells_before(None))

    def _start_cell(self, attributes: dict[str, str]) -> None:
        self._column = column = column_of(attributes.get("r"), self._column, self._where)
        stream = self._stream
        if self._left[0] < column:
            stream.copy(stream.index)
            stream.put(self._cells_before(column))
        style = _style(attributes)
        if not self._left or self._left[0] != column:
            self._note_format(style)
            return
        cell = self._cells[self._row, column]
        if cell.value is not None:
            stream.held = stream.index
            self._filled = stream.index, stream.tag()[0].endswith(b"/>")
            return
        self._left = self._left[1:]
        tag, end = stream.tag()
        stream.copy(stream.index)
        stream.put(with_attributes(tag, {"s": str(self._styles.number(cell, style or 0))}))
        stream.skip(end)
        self._note_format(style)

    def _note_format(self, style: int | None) -> None:
        """A cell of the open row has a format: added cells look like most of those before them.

        Not like the last one, since that is often the key, which its owner made stand out.
        """
        formats = self._formats
        formats[style] = formats.get(style, 0) + 1
        if len(formats) == 1 or formats[style] >= formats.get(self._neighbour, 0):
            self._neighbour = style

    def _end_cell(self) -> None:
        """A cell ends that is filled: it has to hold nothing."""
        stream = self._stream
        assert self._filled is not None  # noqa: S101
        start, closed = self._filled
        if _CONTENT.search(stream.raw(start)):
            raise ReadError(
                f"{self._where}: the cell {reference(self._row, self._column)} holds something"
            )
        stream.copy(start)
        stream.skip(stream.index if closed else stream.tag()[1])
        self._filled = stream.held = None
        stream.put(self._cells_before(self._column + 1))

    def _cells_before(self, column: int | None) -> str:
        """The cells of the open row that are not written yet, up to a column, as XML."""
        count = len(self._left) if column is None else bisect_left(self._left, column)
        columns, self._left = self._left[:count], self._left[count:]
        return self._xml_of(self._row, columns, self._neighbour, self._row_prefix)

    def _missing_rows(self, number: int | None) -> str:
        """The rows that the sheet lacks before a row, as XML."""
        rows = self._rows
        first = self._next_row
        self._next_row = len(rows) if number is None else bisect_left(rows, number)
        prefix = self._prefix
        return "".join(
            f'<{prefix}row r="{row}">{self._xml_of(row, self._columns[row], None, prefix)}'
            f"</{prefix}row>"
            for row in rows[first : self._next_row]
        )

    def _xml_of(self, row: int, columns: list[int], neighbour: int | None, prefix: str) -> str:
        pieces = []
        for column in columns:
            cell = self._cells[row, column]
            style = self._styles.number(cell, neighbour)
            xml, cut = cell_xml(cell, reference(row, column), style, prefix)
            pieces.append(xml)
            self.cut += cut
        return "".join(pieces)

    def _extended(self, dimension: str) -> str:
        """The range of the sheet's cells with those that are put in."""
        known = cell_range(dimension)
        if known is None or not self._rows:
            return dimension
        top, left, bottom, right = known
        top, bottom = min(top, self._rows[0]), max(bottom, self._rows[-1])
        left = min(left, *(columns[0] for columns in self._columns.values()))
        right = max(right, *(columns[-1] for columns in self._columns.values()))
        return f"{reference(top, left)}:{reference(bottom, right)}"

    def _check_merge(self, ref: str) -> None:
        """Refuse a cell that a merged range would hide."""
        merged = cell_range(ref)
        for row, column in self._merged.within(merged) if merged else ():
            if self._cells[row, column].value is not None:
                raise ReadError(
                    f"{self._where}: the cell {reference(row, column)} lies within the merged "
                    f"cells {ref}"
                )

    def _col(self, attributes: dict[str, str]) -> None:
        stream = self._stream
        tag, end = stream.tag()
        written = self._widths.around(tag, attributes, self._where)
        if written is not None:
            stream.copy(stream.index)
            stream.put(written)
            stream.skip(end)

    def _put_drawing(self) -> None:
        self._stream.copy(self._stream.index)
        self._stream.put(self._drawing.format(self._prefix))
        self._drawing = ""


def _style(attributes: dict[str, str]) -> int | None:
    style = attributes.get("s", "0").strip()
    return int(style) if _NUMBER.fullmatch(style) else None
