"""A workbook as openpyxl holds it to change it, where that takes bounded time and memory."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import Any

from zhmcq._warnings import ignored_warnings
from zhmcq.errors import ReadError
from zhmcq.reading._formats.archive import check_archive
from zhmcq.reading._formats.workbook_parts import WorkbookParts, main_name, open_workbook
from zhmcq.reading._formats.xml_events import XmlEvents

__all__ = ["copied_workbook", "save_workbook"]

logger = logging.getLogger(__name__)

# openpyxl holds a workbook it changes in memory, at about 50 times its size, and takes about 10
# microseconds for each tag.
LARGEST = 40 * 2**20
MAX_TAGS = 4_000_000
# It makes an object for each cell of a merged range or a link, however empty.
MAX_COVERED = 200_000
CHUNK = 2**20


def copied_workbook(path: Path) -> Any:
    """The workbook at a path; ``None`` if there is none, or none that openpyxl takes.

    Args:
        path: The file.
    """
    import openpyxl

    if path.suffix.lower() != ".xlsx" or not path.is_file() or path.stat().st_size > LARGEST:
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, str(path))
            if _tags(archive) > MAX_TAGS:
                return None
            _refuse_entities(archive, str(path))
            parts = open_workbook(archive, str(path))
            if _covered(archive, parts, str(path)) > MAX_COVERED:
                return None
        # It warns of extensions that it drops.
        with ignored_warnings(category=UserWarning, module="openpyxl"):
            book = openpyxl.load_workbook(path)
        _restore_escapes(book, parts)
        return book
    except Exception as error:
        logger.info(
            "%s can't be copied with its formats (%s: %s): the rows read are written",
            path, type(error).__name__, error,
        )  # fmt: skip
        return None


def save_workbook(book: Any, path: Path) -> None:
    """Save a workbook as openpyxl does, but for where its temporary files lie.

    openpyxl puts them into the system's folder, where they stay if the process is killed.

    Args:
        book: The workbook.
        path: The file to write; temporary files lie beside it.
    """
    from openpyxl.drawing.spreadsheet_drawing import SpreadsheetDrawing
    from openpyxl.worksheet._writer import WorksheetWriter
    from openpyxl.writer.excel import ExcelWriter

    archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
    part = path.with_name("sheet.xml")

    class Writer(ExcelWriter):
        def write_worksheet(self, ws: Any) -> None:
            ws._drawing = SpreadsheetDrawing()
            ws._drawing.charts, ws._drawing.images = ws._charts, ws._images
            writer: Any = WorksheetWriter(ws, str(part))
            writer.write()
            ws._rels = writer._rels
            archive.write(part, ws.path[1:])
            self.manifest.append(ws)
            part.unlink()

    Writer(book, archive).save()


def _tags(archive: zipfile.ZipFile) -> int:
    """About how many tags all parts have together."""
    count = 0
    for member in archive.infolist():
        with archive.open(member) as stream:
            while count <= MAX_TAGS and (chunk := stream.read(CHUNK)):
                count += chunk.count(b"<")
    return count


def _refuse_entities(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse parts that declare document types or entities, or nest too deeply.

    openpyxl parses with lxml where that is installed, which takes both, instead of defusedxml.
    """
    for member in archive.infolist():
        if member.filename.lower().endswith((".xml", ".rels")):
            with archive.open(member) as stream:
                where = f"{name}, part {member.filename}"
                XmlEvents(stream, where, lambda _name, _attributes: None, lambda _: None).read_all()


def _covered(archive: zipfile.ZipFile, parts: WorkbookParts, name: str) -> int:
    """How many cells openpyxl makes for ranges."""
    from openpyxl.utils.cell import range_boundaries

    covered = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal covered
        if main_name(tag) not in ("mergeCell", "hyperlink"):
            return
        left, top, right, bottom = range_boundaries(attributes.get("ref", ""))
        if left is None or top is None or right is None or bottom is None:
            raise ReadError(f"{name}: a range of whole rows or columns")
        covered += (right - left + 1) * (bottom - top + 1)

    for sheet in parts.sheets:
        with archive.open(sheet.part) as stream:
            XmlEvents(stream, name, start, lambda _: None).read_all()
    return covered


def _restore_escapes(book: Any, parts: WorkbookParts) -> None:
    """Texts such as ``_x000D_``: openpyxl undoes how they are stored, and doesn't do it again."""
    stored = {text.replace("x005F_", ""): text for text in parts.texts.stored if "x005F_" in text}
    for sheet in book.worksheets if stored else ():
        # Its cells as they are: to go through rows would make those that are not there.
        for cell in sheet._cells.values():
            if isinstance(cell.value, str) and cell.value in stored:
                cell.value = stored[cell.value]
