"""xlsx and xlsm → sheets, a row at a time, through openpyxl's read-only mode."""

from __future__ import annotations

import contextlib
import itertools
import zipfile
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from zhmcq._warnings import ignored_warnings
from zhmcq.errors import ReadError
from zhmcq.reading._formats.archive import SheetScan, check_archive, pictured_cells, scan_sheet
from zhmcq.reading._formats.cells import cell_text
from zhmcq.reading._formats.table import MAX_COLUMNS, CellRow, MergedColumns, Sheet

__all__ = ["xlsx_sheets"]


@contextlib.contextmanager
def library_errors(name: str, wanted: str) -> Iterator[None]:
    """Whatever a parser raises over a damaged file, the caller gets a ReadError."""
    try:
        yield
    except (ReadError, MemoryError, ImportError):
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"[:300]
        raise ReadError(
            f"{name}: expected {wanted}, but it is damaged or of another kind ({detail}); "
            "open it in a spreadsheet program and save it again"
        ) from error


def xlsx_sheets(path: Path, name: str) -> Generator[Sheet, None, None]:
    """The sheets of a workbook, in order.

    Merged cells that span rows give their value to each row that holds anything else. Formulas
    give the value that was stored with them.

    Args:
        path: The file.
        name: How messages call it.

    Raises:
        ReadError: If it is damaged, hostile or not a workbook.
    """
    with path.open("rb") as file:
        with library_errors(name, "an xlsx workbook"):
            _refuse_other_kinds(file.read(8), name)
            archive = zipfile.ZipFile(file)
            check_archive(archive, name)
            workbook = _open(file)
            sheets = [sheet for sheet in workbook.worksheets if hasattr(sheet, "_worksheet_path")]
        if not sheets:
            raise ReadError(
                f"{name}: no worksheet was found in it; open it in a spreadsheet program and save "
                "it as an ordinary .xlsx workbook"
            )
        for sheet in sheets:
            where = f"{name}, sheet {sheet.title!r}"
            with library_errors(where, "a worksheet"):
                part = sheet._worksheet_path
                with archive.open(part) as stream:
                    scan = scan_sheet(stream, where)
                pictures = pictured_cells(archive, part)
            yield Sheet(sheet.title, _rows(sheet, scan, pictures, where), scan.rows)


def _refuse_other_kinds(magic: bytes, name: str) -> None:
    if magic.startswith(b"\xd0\xcf\x11\xe0"):
        raise ReadError(
            f"{name}: this is an old .xls workbook or one with a password, whatever its name says; "
            "save it as .xlsx without a password (or name it .xls and install the extra: "
            "pip install 'zhmcq[sheets]')"
        )
    if not magic.startswith(b"PK"):
        raise ReadError(
            f"{name}: expected an xlsx workbook, found {magic!r} at its start; if it is a text "
            "table, name it .csv"
        )


def _open(file: Any) -> Any:
    # openpyxl parses XML through defusedxml, which refuses entities, wherever that is installed;
    # this is what the dependency on defusedxml is for: nothing else here imports it.
    import openpyxl

    with _without_warnings():
        return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)


def _without_warnings() -> contextlib.AbstractContextManager[None]:
    """Without openpyxl's, of styles and validations that it drops: cells are not concerned."""
    return ignored_warnings(category=UserWarning, module="openpyxl")


def _rows(
    sheet: Any, scan: SheetScan, pictures: Mapping[int, set[int]], where: str
) -> Iterator[CellRow]:
    from openpyxl.utils import get_column_letter

    # The stored dimension is wrong in files of some writers, and rows would be cut by it.
    sheet.reset_dimensions()
    merged = MergedColumns(scan.merges)
    source = sheet.iter_rows(max_col=MAX_COLUMNS if scan.wide else None)
    number = 0
    blank: tuple[Any, ...] = ()
    with library_errors(where, "rows of cells"):
        while batch := _next_rows(source):
            for cells in batch:
                number += 1
                # The rows of a gap are one and the same tuple, a million of them at times.
                row = None if cells is blank else _row(number, cells)
                if row is None:
                    blank = cells
                    merged.pass_by(number)
                    continue
                for column, text in enumerate(row.texts if scan.without_value else ()):
                    reference = f"{get_column_letter(column + 1)}{number}"
                    if not text and reference in scan.without_value:
                        row.notes[column] = "formula_without_value"
                merged.fill(row)
                for column in pictures.get(number, ()):
                    if not row.text(column):
                        row.notes[column] = "image_options"
                yield row


def _next_rows(source: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    with _without_warnings():
        return list(itertools.islice(source, 256))


def _row(number: int, cells: tuple[Any, ...]) -> CellRow | None:
    texts: list[str] = []
    values: list[Any] = []
    notes: dict[int, str] = {}
    filled = 0
    for column, cell in enumerate(cells):
        value = cell.value
        if value is None:
            text = ""
        else:
            style = None if isinstance(value, str) else cell.number_format
            text, note = cell_text(value, style)
            if note:
                notes[column] = note
            if text:
                filled = column + 1
        texts.append(text)
        values.append(value)
    if not filled:
        return None
    return CellRow(number, texts[:filled], values[:filled], notes)
