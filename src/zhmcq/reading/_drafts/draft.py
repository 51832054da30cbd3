"""A source item with its parts separated, before its key is worked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhmcq.questions import Origin, RowProblem, SourceId
from zhmcq.zh._truth import truth_of

__all__ = [
    "NOTES",
    "Columns",
    "Draft",
    "DraftItem",
    "Heading",
    "ReadRequest",
    "labels_marked_right",
]

#: Field → header, or headers in the order of preference, as the caller gives them.
Columns = Mapping[str, str | Sequence[str]]

#: What readers note of a cell or record: how serious each code is, and what it says.
NOTES = {
    "time_serial": (
        "warning",
        (
            "shown as a plain number, but it has the decimals of a time of day: Excel may have "
            "made it of a score or ratio like 0:1; type it as text"
        ),
    ),
    "error_value": ("error", "holds a formula's error value"),
    "formula_without_value": (
        "error",
        (
            "holds a formula whose value was never stored; open the file in a spreadsheet program "
            "and save it"
        ),
    ),
    "display_unknown": (
        "warning",
        (
            "is a number or date whose display this format does not tell; check it, or save the "
            "file as .xlsx"
        ),
    ),
    "date_option": (
        "warning",
        ("is a date among options that are none: Excel may have made it of a fraction like 1/2"),
    ),
    "date_serial": (
        "warning",
        (
            "is a number like those by which Excel stores dates, as all options of this row are; "
            "if they were dates, format the cells as such"
        ),
    ),
    "damaged_options": (
        "error",
        "the options in the text can't be told apart: a label is missing or misprinted",
    ),
    "sub_questions": (
        "error",
        "holds several questions or blanks that can't be matched with the keys one by one",
    ),
    "extra_cells": (
        "error",
        "holds more cells than there are headers; a cell with a comma in it lacks its quotes",
    ),
    "image_options": (
        "error",
        "holds a picture, or a label without a text; a text model can't see pictures",
    ),
    "bad_json": ("error", "this line is not json"),
    "repeated_name": (
        "error",
        "is there twice in one object, with different values; keep the right one",
    ),
    "no_question": ("error", "no field of this record was recognised as a question"),
    "same_as_above": (
        "warning",
        ("says only that it is the same as above; the text of the row above was taken"),
    ),
    "contradicting_keys": (
        "error",
        "two keys are given for this question, and they differ; keep the right one",
    ),
    "picture": ("warning", "holds a picture, which a text model can't see"),
    "unknown_kind": (
        "error",
        "is a kind of question that is not known here; only choice and true/false are read",
    ),
    "same_as_nothing": (
        "error",
        ("says only that it is the same as above, but the row above has no text; repeat the text"),
    ),
}
_MARKS = {"0": False, "1": True}


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What is to be read, and how.

    Attributes:
        path: The file.
        name: Its name as it was given, for messages and origins.
        columns: The caller's own mapping of field to header; it wins over what is recognised.
        sheets: The names of the sheets to read; ``None`` for all.
        keep_cells: Whether each draft carries the cells of its source row.
    """

    path: Path
    name: str
    columns: Columns | None = None
    sheets: Sequence[str] | None = None
    keep_cells: bool = True


@dataclass(frozen=True, slots=True)
class Heading:
    """Which header, or name in a record, was read as which field, for the drafts under it.

    Attributes:
        columns: Field → header; ``option1``, ``option2`` … for columns of options.
        options: The header that messages about the options name, ``""`` without one.
        headers: All headers of the sheet, in order; none for records.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    options: str = ""
    headers: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """The header of a field, ``""`` without one."""
        return self.options if name == "options" else self.columns.get(name, "")


@dataclass(slots=True)
class Draft:
    """The parts of one row or record.

    Attributes:
        origin: File, sheet and row.
        stem: The question's text, options embedded in it included.
        options: Option texts in order; ``""`` where one is empty.
        labels: The options' names as headers or records say them; ``()`` where they don't.
        answer: The key as the source has it: text, number, list, booleans …; None without one.
        has_key_field: Whether the source has a column or field for keys, so that a missing key
            is reported.
        kind: The source's word for the kind of question.
        heading: The headers that it was read under.
        cells: The source row's cells by header, as shown; ``None`` where they are not
            wanted.
        notes: What the cells left in doubt, as (header, code).
        sub: The number of a sub-question within its item, from 1; 0 for an item of its own.
    """

    origin: Origin
    stem: str
    options: list[str] = field(default_factory=list)
    passage: str = ""
    labels: tuple[str, ...] = ()
    answer: Any = None
    has_key_field: bool = True
    kind: str = ""
    group: str = ""
    subject: str = ""
    explanation: str = ""
    source: str = ""
    source_id: SourceId = None
    sub: int = 0
    heading: Heading = field(default_factory=Heading)
    cells: Mapping[str, Any] | None = None
    notes: list[tuple[str, str]] = field(default_factory=list)


#: What comes out of a file, in its order: a heading before the drafts under it, and problems of
#: whole sheets.
DraftItem = Draft | Heading | RowProblem


def labels_marked_right(texts: Mapping[str, str]) -> Any:
    """The key of a row with columns such as 選項A是否正確.

    Args:
        texts: What the column of each label holds.

    Returns:
        The labels of the options marked as right, None without any; a text that is no such mark.
    """
    chosen = []
    for label, text in texts.items():
        truth = _MARKS.get(text, truth_of(text)) if text else False
        if truth is None:
            return text
        chosen += [label] if truth else []
    return chosen or None
