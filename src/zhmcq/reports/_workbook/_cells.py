"""Cells and columns as XML, and a new sheet of them."""

from __future__ import annotations

import math
import re

from zhmcq.reading._formats.sheet_xml import column_of
from zhmcq.reports._tables import LONGEST_NUMBER
from zhmcq.reports._workbook._styles import Styles
from zhmcq.reports._workbook._values import AddedCell, NewSheet
from zhmcq.reports._workbook._xml import DECLARATION, cell_content

__all__ = ["MAX_SHEET_COLUMN", "cell_range", "cell_xml", "col_xml", "new_sheet_xml", "reference"]

MAX_SHEET_COLUMN = 16_384
_RANGE = re.compile(
    r"\$?([A-Z]{1,3}\$?[0-9]{1,7})(?::\$?([A-Z]{1,3}\$?[0-9]{1,7}))?", re.IGNORECASE
)
_DIGITS = re.compile("[0-9]+")


def reference(row: int, column: int) -> str:
    """The cell as a workbook writes it: ``"B7"`` for ``(7, 2)``."""
    from openpyxl.utils import get_column_letter

    return f"{get_column_letter(column)}{row}"


def cell_range(text: str) -> tuple[int, int, int, int] | None:
    """First row and column, last row and column of ``"B2:C7"``; ``None`` of anything else."""
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        return None
    corners = [
        (int(_DIGITS.findall(corner)[0]), column_of(corner, 0, ""))
        for corner in match.groups(match[1])
    ]
    rows, columns = zip(*corners, strict=True)
    return min(rows), min(columns), max(rows), max(columns)


def cell_xml(cell: AddedCell, at: str, style: int, prefix: str = "") -> tuple[str, bool]:
    """A cell as XML, and whether its text had to be cut to what Excel takes.

    Args:
        cell: The cell.
        at: Where it is: ``"B7"``.
        style: The number of its format.
        prefix: The prefix of the sheet's elements, with its colon.
    """
    value = cell.value
    tag = f'<{prefix}c r="{at}"' + (f' s="{style}"' if style else "")
    if value is None or value == "":
        return f"{tag}/>", False
    if isinstance(value, bool):
        return f'{tag} t="b"><{prefix}v>{int(value)}</{prefix}v></{prefix}c>', False
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < LONGEST_NUMBER:
        return f"{tag}><{prefix}v>{value!r}</{prefix}v></{prefix}c>", False
    # Longer numbers, such as ids, would lose digits, and a workbook has no number for NaN.
    text, cut = cell_content(str(value))
    return (
        f'{tag} t="inlineStr"><{prefix}is><{prefix}t xml:space="preserve">{text}</{prefix}t>'
        f"</{prefix}is></{prefix}c>"
    ), cut


def col_xml(column: int, width: float, prefix: str = "") -> str:
    """The width of a column as XML."""
    return f'<{prefix}col min="{column}" max="{column}" width="{width:g}" customWidth="1"/>'


def new_sheet_xml(sheet: NewSheet, styles: Styles, namespace: str) -> tuple[bytes, int]:
    """A new sheet as XML, and how many of its cells had to be cut.

    Args:
        sheet: The sheet.
        styles: The workbook's styles.
        namespace: The namespace of its elements.
    """
    pieces = [DECLARATION, f'<worksheet xmlns="{namespace}">']
    if sheet.cells:
        last = max(row for row, _ in sheet.cells), max(column for _, column in sheet.cells)
        pieces.append(f'<dimension ref="A1:{reference(*last)}"/>')
    pane = ""
    if rows := sheet.frozen_rows:
        pane = (
            f'<pane ySplit="{rows}" topLeftCell="A{rows + 1}" activePane="bottomLeft" '
            'state="frozen"/><selection pane="bottomLeft"/>'
        )
    pieces.append(
        f'<sheetViews><sheetView workbookViewId="0">{pane}</sheetView></sheetViews>'
        '<sheetFormatPr defaultRowHeight="15"/>'
    )
    if sheet.widths:
        cols = "".join(col_xml(column, width) for column, width in sorted(sheet.widths.items()))
        pieces.append(f"<cols>{cols}</cols>")
    pieces.append("<sheetData>")
    cut = row = 0
    for (number, column), cell in sorted(sheet.cells.items(), key=lambda item: item[0]):
        if number != row:
            pieces.append(f'{"</row>" if row else ""}<row r="{number}">')
            row = number
        xml, shortened = cell_xml(cell, reference(number, column), styles.number(cell, None))
        pieces.append(xml)
        cut += shortened
    pieces.append("</row></sheetData></worksheet>" if row else "</sheetData></worksheet>")
    return "".join(pieces).encode(), cut
