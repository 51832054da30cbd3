"""A workbook of openpyxl, saved without leaving files in the system's folder."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

__all__ = ["save_workbook"]


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
