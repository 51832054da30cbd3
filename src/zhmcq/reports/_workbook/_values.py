"""What is put into a workbook, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "AddedCell",
    "CellColour",
    "CellStyle",
    "EditedWorkbook",
    "NewSheet",
    "NotEditable",
    "SheetEdit",
]

CellStyle = Literal["plain", "header", "percent", "range"]
CellColour = Literal["", "right", "wrong", "unsure", "error", "warning"]


@dataclass(frozen=True, slots=True)
class AddedCell:
    """A cell that is put into a sheet.

    Attributes:
        value: What it holds. Text is always text, never a formula. ``None`` leaves what is there,
            and changes its colour and comment alone.
        style: ``"header"`` and ``"plain"`` look like most cells to their left in the row,
            ``"percent"`` too but shows a fraction as a percentage. With nothing to its left, a
            header is bold. ``"range"`` is a text that stands among numbers, in a new sheet.
        colour: The colour that it is filled with; ``""`` for its neighbour's.
        comment: A comment on it; ``""`` for none.
    """

    value: str | int | float | bool | None
    style: CellStyle = "plain"
    colour: CellColour = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class SheetEdit:
    """What is put into a sheet that is there.

    Attributes:
        cells: By row and column, both from 1.
        widths: Widths of columns (from 1), in characters. A hidden column of these is shown.
    """

    cells: Mapping[tuple[int, int], AddedCell]
    widths: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewSheet:
    """A sheet that is put behind the others.

    Attributes:
        cells: By row and column, both from 1.
        widths: Widths of columns (from 1), in characters.
        frozen_rows: So many rows stay in sight when the sheet is scrolled.
    """

    cells: Mapping[tuple[int, int], AddedCell]
    widths: Mapping[int, float] = field(default_factory=dict)
    frozen_rows: int = 0


@dataclass(frozen=True, slots=True)
class EditedWorkbook:
    """The workbook was written.

    Attributes:
        dropped: What of the source could not be taken over, in whole sentences; mostly nothing.
        new_sheets: The names of the new sheets, by the names that were given: changed where the
            workbook has a sheet of that name.
    """

    dropped: tuple[str, ...] = ()
    new_sheets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotEditable:
    """The workbook cannot be edited, and nothing was written; a plain workbook can be.

    Attributes:
        reason: Why, as a sentence for its owner.
    """

    reason: str
