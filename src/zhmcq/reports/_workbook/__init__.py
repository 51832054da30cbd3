"""Cells and sheets put into an existing xlsx workbook, of which everything else stays as it is.

The workbook is edited as a package and not saved anew: its other parts are copied byte for byte, so
that charts, pictures, text boxes, comments, conditional formats, stored values and formulas stay.
"""

from zhmcq.reports._workbook._edit import covered_cells, edit_workbook, first_free_columns
from zhmcq.reports._workbook._values import (
    AddedCell,
    CellColour,
    CellStyle,
    EditedWorkbook,
    NewSheet,
    NotEditable,
    SheetEdit,
)

__all__ = [
    "AddedCell",
    "CellColour",
    "CellStyle",
    "EditedWorkbook",
    "NewSheet",
    "NotEditable",
    "SheetEdit",
    "covered_cells",
    "edit_workbook",
    "first_free_columns",
]
