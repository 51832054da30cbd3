"""xlsx and xlsm → sheets, a row at a time, in memory that does not grow with the sheet."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from zhmcq.errors import ReadError
from zhmcq.reading._formats.archive import Drawings, PicturedRows, check_archive
from zhmcq.reading._formats.sheet_xml import SheetRows, merged_ranges
from zhmcq.reading._formats.table import MAX_ROWS, CellRow, MergedColumns, Sheet, TextBudget
from zhmcq.reading._formats.workbook_parts import WorkbookParts, open_workbook, relations

__all__ = ["refuse_other_kinds", "xlsx_sheets"]


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

    A picture is noted with the row in which its upper left corner lies, with each row of a merged
    cell that it lies over, and with the row above where its own row holds nothing else.

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
            refuse_other_kinds(file.read(8), name)
            archive = zipfile.ZipFile(file)
            check_archive(archive, name)
            book = open_workbook(archive, name)
        if not book.sheets:
            raise ReadError(
                f"{name}: no worksheet was found in it; open it in a spreadsheet program and save "
                "it as an ordinary .xlsx workbook"
            )
        budget = TextBudget(path.stat().st_size, name)
        drawings = Drawings(archive)
        for title, part in book.sheets:
            where = f"{name}, sheet {title!r}"
            with library_errors(where, "a worksheet"):
                with archive.open(part) as stream:
                    merges, expected = merged_ranges(stream, where)
                cells = drawings.pictured_cells(relations(archive, part, where).values())
            pictures = PicturedRows(cells, merges)
            rows = _sheet_rows(archive, part, book, where)
            yield Sheet(title, _rows(rows, MergedColumns(merges), pictures, budget), expected)


def refuse_other_kinds(magic: bytes, name: str) -> None:
    """Refuse a file that does not begin as a zipped workbook does, and say what it is."""
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


def _sheet_rows(
    archive: zipfile.ZipFile, part: str, book: WorkbookParts, where: str
) -> Iterator[CellRow]:
    with library_errors(where, "rows of cells"), archive.open(part) as stream:
        yield from SheetRows(stream, book.formats, book.texts, where)


def _rows(
    rows: Iterable[CellRow], merged: MergedColumns, pictures: PicturedRows, budget: TextBudget
) -> Iterator[CellRow]:
    above: CellRow | None = None
    for row in rows:
        merged.fill(row)
        if above is not None:
            pictures.note(above, row.number)
            yield budget.spend(above)
        above = row
    if above is not None:
        pictures.note(above, MAX_ROWS + 1)
        yield budget.spend(above)
