"""The XML of one worksheet → its merged ranges, and its rows one after another.

Rows and columns are bounded here, where their numbers are understood, however they are spelled.
Empty rows and cells that are only formatted leave nothing behind, and nothing is made up for gaps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from zhmcq.errors import ReadError
from zhmcq.reading._formats.cells import cell_text
from zhmcq.reading._formats.table import MAX_COLUMNS, MAX_ROWS, CellRow, MergedRange
from zhmcq.reading._formats.workbook_parts import (
    MAIN_NAMESPACES,
    CellFormats,
    SharedTexts,
    main_name,
)
from zhmcq.reading._formats.xml_events import CHUNK, XmlEvents

__all__ = ["SheetRows", "column_of", "merged_ranges", "row_number"]

MAX_MERGES = 1_000_000
LONGEST_CELL = 2**24
# As of a csv: a row is held whole, and 702 cells as long as Excel takes them have 23 million.
LONGEST_ROW = 2**25
_MERGE = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7}):\$?[A-Z]{1,3}\$?([0-9]{1,7})", re.IGNORECASE)
_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?[0-9]{1,7}", re.IGNORECASE)
_ROW_NUMBER = re.compile(r"([0-9]{1,7})(?:\.0*)?")
_LONGEST_INTEGER = 300
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")

_ELEMENTS = {
    f"{namespace} {name}": name
    for namespace in MAIN_NAMESPACES
    for name in ("row", "c", "v", "f", "is", "t", "rPh")
}


def merged_ranges(stream: IO[bytes], where: str) -> tuple[list[MergedRange], int]:
    """The merged ranges of several rows, and about how many rows there are.

    They stand after the rows that they concern, so the sheet is gone through before it is read.
    Its bytes are only counted where the word ``mergeCell``, which XML can't spell in another way,
    is not among them.

    Args:
        stream: The sheet's XML; it can be sought in.
        where: How messages call it.

    Raises:
        ReadError: If there are more than a million.
    """
    rows = 0
    tail = b""
    merged = False
    while chunk := stream.read(CHUNK):
        part = tail + chunk
        merged = merged or b"mergeCell" in part or (not tail and part.startswith(_UTF16))
        rows += part.count(b"<row") + part.count(b":row")
        tail = part[-8:]
    if not merged:
        return [], rows
    ranges: list[MergedRange] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if main_name(tag) != "mergeCell":
            return
        match = _MERGE.fullmatch(attributes.get("ref", "").strip())
        if match is None or int(match[3]) <= int(match[2]):
            return
        if len(ranges) >= MAX_MERGES:
            raise ReadError(
                f"{where}: more than {MAX_MERGES:,} merged cells; the limit is {MAX_MERGES:,}; "
                "split the merged cells and save it again"
            )
        ranges.append(MergedRange(_column_number(match[1]), int(match[2]), int(match[3])))

    stream.seek(0)
    XmlEvents(stream, where, start, lambda _: None).read_all()
    return ranges, rows


class SheetRows:
    """The rows of a sheet that hold anything, in order.

    Args:
        stream: The sheet's XML.
        formats: The workbook's number formats.
        texts: The workbook's shared texts.
        where: How messages call the sheet.
    """

    def __init__(
        self, stream: IO[bytes], formats: CellFormats, texts: SharedTexts, where: str
    ) -> None:
        from openpyxl.utils import datetime as dates

        self._formats = formats
        self._shared = texts
        self._where = where
        self._dates: Any = dates
        self._epoch = dates.MAC_EPOCH if formats.from_1904 else dates.WINDOWS_EPOCH
        self._events = XmlEvents(stream, where, self._start, self._end)
        self._complete: list[CellRow] = []
        self._number = 0
        self._last = 0
        self._row: CellRow | None = None
        self._column = 0
        self._cell: dict[str, str] | None = None
        self._pieces: list[str] = []
        self._length = 0
        self._row_length = 0
        self._value: str | None = None
        self._inline: list[str] | None = None
        self._formula = False
        self._phonetic = False

    def __iter__(self) -> Iterator[CellRow]:
        for _ in self._events.read():
            complete, self._complete = self._complete, []
            yield from complete

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        element = _ELEMENTS.get(tag)
        if element == "c":
            self._cell = attributes
            self._column = column_of(attributes.get("r"), self._column, self._where)
            self._value, self._inline, self._formula = None, None, False
        elif element == "row":
            self._number = row_number(attributes.get("r"), self._number, self._where)
            self._row = None
            self._column, self._row_length = 0, 0
        elif element is None or self._cell is None:
            return
        elif element == "v" or (element == "t" and not self._phonetic):
            self._pieces, self._length = [], 0
            self._events.listen(self._take)
        elif element == "f":
            self._formula = True
        elif element == "rPh":
            self._phonetic = True

    def _take(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST_CELL:
            raise self._error(f"holds more than {LONGEST_CELL:,} characters; Excel takes 32,767")
        self._row_length += len(text)
        if self._row_length > LONGEST_ROW:
            raise self._error(f"ends more than {LONGEST_ROW:,} characters of one row")
        self._pieces.append(text)

    def _end(self, tag: str) -> None:
        element = _ELEMENTS.get(tag)
        if element == "c":
            if self._value is not None or self._inline is not None or self._formula:
                self._end_cell()
            self._cell = None
        elif element == "row":
            self._end_row()
        elif element is None or self._cell is None:
            return
        elif element == "v":
            self._events.listen(None)
            self._value = "".join(self._pieces)
        elif element == "t" and not self._phonetic:
            self._events.listen(None)
            self._inline = [*(self._inline or ()), *self._pieces]
        elif element == "rPh":
            self._phonetic = False

    def _end_row(self) -> None:
        row, self._row = self._row, None
        if row is None or not any(row.texts):
            return
        if row.number <= self._last:
            raise ReadError(
                f"{self._where}: row {row.number} comes after row {self._last}: its rows are out "
                "of order or two have one number; open it in a spreadsheet program and save it "
                "again"
            )
        self._last = row.number
        while not row.texts[-1]:
            row.texts.pop()
            row.values.pop()
        self._complete.append(row)

    def _end_cell(self) -> None:
        """Put a cell that holds something into its row."""
        value, text, note = self._content()
        if not text and self._formula and not self._value:
            note = "formula_without_value"
        if value is None and not note:
            return
        column = self._column - 1
        if column >= MAX_COLUMNS:
            raise self._error(
                "holds something beyond column ZZ, where no question bank reaches; delete the far "
                "columns and save it again"
            )
        row = self._row
        if row is None:
            row = self._row = CellRow(self._number, [], [])
        missing = column + 1 - len(row.texts)
        if missing > 0:
            row.texts += [""] * missing
            row.values += [None] * missing
        elif row.texts[column]:
            raise self._error("occurs twice; open it in a spreadsheet program and save it again")
        row.texts[column], row.values[column] = text, value
        if note:
            row.notes[column] = note

    def _content(self) -> tuple[Any, str, str]:
        """What the cell holds: as stored, as shown, and a problem code where that is in doubt."""
        assert self._cell is not None  # noqa: S101
        kind = self._cell.get("t", "n")
        stored = self._value or None
        if kind == "inlineStr" or (stored is None and self._inline is not None):
            stored = "".join(self._inline or ()) or None
            kind = "str"
        if stored is None:
            return None, "", ""
        try:
            if kind == "s":
                number = int(stored)
                if number < 0:
                    raise IndexError
                value = self._shared.stored[number]
                text = self._shared.shown[number]
                return value, text, "error_value" if cell_text(text[:20])[1] else ""
            converted = self._converted(kind, stored)
        except (ValueError, IndexError) as error:
            raise self._error(
                f"is damaged: expected a value of type {kind!r}, found {stored[:40]!r}; open it in "
                "a spreadsheet program and save it again"
            ) from error
        if isinstance(converted, str):
            return converted, *cell_text(converted)
        style = self._style()
        codes = self._formats.codes
        return converted, *cell_text(converted, codes[style] if style < len(codes) else "General")

    def _converted(self, kind: str, stored: str) -> Any:
        if kind == "n":
            number = _number(stored)
            style = self._style()
            if style not in self._formats.dates:
                return number
            try:
                return self._dates.from_excel(
                    number, self._epoch, timedelta=style in self._formats.durations
                )
            except (OverflowError, ValueError):
                return "#VALUE!"  # as Excel shows a date before 1900 or after 9999
        if kind == "b":
            return bool(int(stored))
        if kind == "d":
            return self._dates.from_ISO8601(stored)
        return stored

    def _style(self) -> int:
        style = (self._cell or {}).get("s", "0").strip()
        return int(style) if style.isascii() and style.isdigit() and len(style) < 9 else 0

    def _error(self, message: str) -> ReadError:
        from openpyxl.utils import get_column_letter

        column = get_column_letter(self._column) if self._column <= 18278 else f"{self._column} of "
        return ReadError(f"{self._where}: the cell {column}{self._number} {message}")


def row_number(given: str | None, previous: int, where: str) -> int:
    """The number of a row, from 1.

    Args:
        given: What its element says; a row that says nothing follows the one before it.
        previous: The number of the row before it; 0 if there is none.
        where: How messages call the sheet.

    Raises:
        ReadError: If no sheet has such a row.
    """
    number = previous + 1
    if given is not None:
        match = _ROW_NUMBER.fullmatch(given.strip())
        number = int(match[1]) if match else 0
    if not 1 <= number <= MAX_ROWS:
        shown = given if given is not None else str(number)
        raise ReadError(
            f"{where}: expected rows from 1 to {MAX_ROWS:,}, as a workbook has, found "
            f"row {shown[:20]!r}; open it in a spreadsheet program and save it again"
        )
    return number


def column_of(reference: str | None, previous: int, where: str) -> int:
    """The column of a cell, from 1.

    Args:
        reference: What its element says; a cell that says nothing follows the one before it.
        previous: The column of the cell before it; 0 if there is none.
        where: How messages call the sheet.

    Raises:
        ReadError: If it is no reference to a cell.
    """
    if reference is None:
        return previous + 1
    match = _REFERENCE.fullmatch(reference.strip())
    if match is None:
        raise ReadError(
            f"{where}: expected a cell such as B7, found {reference[:20]!r}; open it in "
            "a spreadsheet program and save it again"
        )
    return _column_number(match[1])


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def _number(text: str) -> int | float:
    if "_" in text:
        raise ValueError(text)
    if "." in text or "e" in text or "E" in text or len(text) > _LONGEST_INTEGER:
        return float(text)
    try:
        return int(text)
    except ValueError:
        return float(text)  # "NaN" and "INF", which are shown as errors
