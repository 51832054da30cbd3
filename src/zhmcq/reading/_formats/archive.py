"""Look through a zipped workbook with patterns alone: bombs, far cells, merged cells, pictures.

It comes before any parser is let at the XML, and shows what openpyxl's read-only mode drops.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from dataclasses import dataclass, field
from typing import IO

from zhmcq.errors import ReadError
from zhmcq.reading._formats.table import MAX_COLUMNS, MergedRange

__all__ = ["SheetScan", "check_archive", "pictured_cells", "scan_sheet"]

# Real sheets of plain rows compress 5 to 40 times, sheets of blank formatted cells up to about
# 150 times; deflate's limit is 1,032. Small members are let through whatever their ratio.
MAX_RATIO = 250
SMALL = 32 * 2**20
MAX_INFLATED = 8 * 2**30
MAX_MEMBERS = 20_000
MAX_MERGES = 200_000
CHUNK = 2**20

_MERGE = re.compile(
    rb'<(?:\w{1,20}:)?mergeCell\s[^<>]{0,200}?ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"'
)
_FAR = re.compile(rb'<(?:\w{1,20}:)?c\s[^<>]{0,200}?\br="([A-Z]{3})(\d{1,9})"[^<>]{0,300}>')
_NO_VALUE = re.compile(
    rb'<(?:\w{1,20}:)?c\s(?:[^<>]{0,200}?\s)?r="([A-Z]{1,3}\d{1,7})"[^<>]{0,300}>\s{0,9}'
    rb"<(?:\w{1,20}:)?f\b[^<]{0,9000}(?:(?<=/>)|</(?:\w{1,20}:)?f>)\s{0,9}"
    rb"(?:<(?:\w{1,20}:)?v\s{0,9}/>|<v></v>)?\s{0,9}</(?:\w{1,20}:)?c>"
)
_ROW = re.compile(rb"<(?:\w{1,20}:)?row[\s>]")
_UNSAFE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)

# Where a drawing is placed: the cell of its upper left corner.
LARGEST_DRAWING = 32 * 2**20
_RELATION = re.compile(rb"<(?:\w{1,20}:)?Relationship\s[^<>]{0,2000}?>")
_TARGET = re.compile(rb'\bTarget="([^"<>]{1,500})"')
_FROM = re.compile(
    rb"<(?:\w{1,20}:)?from>\s{0,99}<(?:\w{1,20}:)?col>(\d{1,5})</[^<>]{1,30}>"
    rb"[^<]{0,99}(?:<(?:\w{1,20}:)?colOff>-?\d{1,15}</[^<>]{1,30}>)?"
    rb"[^<]{0,99}<(?:\w{1,20}:)?row>(\d{1,7})</"
)
_ANCHOR_END = re.compile(rb"</(?:\w{1,20}:)?(?:twoCell|oneCell)Anchor>")
_PICTURE = re.compile(rb"<(?:\w{1,20}:)?pic[\s>]")


@dataclass
class SheetScan:
    """What a sheet's XML says beyond its cells.

    Attributes:
        merges: The merged ranges of several rows.
        without_value: References (``"B7"``) of formulas whose value was never stored.
        rows: How many row elements there are.
        wide: Whether there are empty but formatted cells beyond the column limit.
    """

    merges: list[MergedRange] = field(default_factory=list)
    without_value: set[str] = field(default_factory=set)
    rows: int = 0
    wide: bool = False


def check_archive(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse an archive that would inflate out of proportion.

    Raises:
        ReadError: If it would; the message names the sizes.
    """
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise ReadError(f"{name}: expected a workbook, found an archive of {len(members)} files")
    inflated = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
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


def scan_sheet(stream: IO[bytes], where: str) -> SheetScan:
    """Read a sheet's XML once, in constant memory, with patterns only.

    Raises:
        ReadError: If it declares entities, or a cell with content lies beyond column ZZ.
    """
    scan = SheetScan()
    buffer = b""
    while chunk := stream.read(CHUNK):
        buffer += chunk
        # A cell that is cut by the chunk's end waits for the next chunk.
        cut = max(buffer.rfind(b"<c "), buffer.rfind(b":c "), buffer.rfind(b"<row"))
        cut = max(cut, buffer.rfind(b"<mergeCell "))
        if cut <= 0 or len(buffer) - cut > CHUNK:
            cut = len(buffer)
        elif buffer[cut : cut + 1] == b":":
            cut = max(buffer.rfind(b"<", 0, cut), 0)
        _scan_part(buffer[:cut], scan, where)
        buffer = buffer[cut:]
    _scan_part(buffer, scan, where)
    return scan


def _scan_part(part: bytes, scan: SheetScan, where: str) -> None:
    from openpyxl.utils import column_index_from_string as column_number

    if _UNSAFE.search(part):
        raise ReadError(f"{where}: refused: its XML declares a document type or entities")
    scan.rows += len(_ROW.findall(part))
    for far in _FAR.finditer(part):
        if column_number(far.group(1).decode()) <= MAX_COLUMNS:
            continue
        if not far.group().endswith(b"/>"):
            raise ReadError(
                f"{where}: the cell {far.group(1).decode()}{far.group(2).decode()} holds "
                "something beyond column ZZ, where no question bank reaches; delete the far "
                "columns and save it again"
            )
        scan.wide = True
    if b"mergeCell" in part:
        for column, top, bottom in _MERGE.findall(part):
            if int(bottom) > int(top) and len(scan.merges) < MAX_MERGES:
                first = column_number(column.decode())
                scan.merges.append(MergedRange(first, int(top), int(bottom)))
    if b"<f" in part or b":f" in part:
        scan.without_value.update(match.decode() for match in _NO_VALUE.findall(part))


def pictured_cells(archive: zipfile.ZipFile, sheet_part: str) -> dict[int, set[int]]:
    """Row (from 1) → columns (from 0) in which the upper left corner of a picture lies.

    Read with patterns, like the sheets: no parser is let at the XML. What is missing, or larger
    than 32 MB, counts as having no pictures.

    Args:
        archive: The workbook.
        sheet_part: The name of the sheet's part in it.
    """
    folder, name = posixpath.split(sheet_part.lstrip("/"))
    cells: dict[int, set[int]] = {}
    for relation in _RELATION.findall(_part(archive, f"{folder}/_rels/{name}.rels")):
        target = _TARGET.search(relation)
        if b'/drawing"' not in relation or target is None:
            continue
        name_there = target.group(1).decode("utf-8", "replace")
        drawing = posixpath.normpath(posixpath.join("/", folder, name_there)).lstrip("/")
        for anchor in _ANCHOR_END.split(_part(archive, drawing)):
            start = _FROM.search(anchor)
            if start and _PICTURE.search(anchor):
                cells.setdefault(int(start.group(2)) + 1, set()).add(int(start.group(1)))
    return cells


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        if archive.getinfo(name).file_size > LARGEST_DRAWING:
            return b""
        with archive.open(name) as stream:
            return stream.read(LARGEST_DRAWING)
    except KeyError:
        return b""
