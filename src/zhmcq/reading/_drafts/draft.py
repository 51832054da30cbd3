"""A source item with its parts separated, before its key is worked out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhmcq.questions import Origin, RowProblem, SourceId
from zhmcq.reading._drafts.stem_keys import StemKey
from zhmcq.zh._truth import truth_of

__all__ = [
    "NOTES",
    "Columns",
    "Draft",
    "DraftItem",
    "Heading",
    "ReadRequest",
    "is_index",
    "labels_marked_right",
    "named_headers",
]

#: Field → header or position from 1, or several of them, the preferred one first.
Columns = Mapping[str, str | int | Sequence[str | int]]

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
        "the options can't be told apart: a label is missing, misprinted or there twice",
    ),
    "sub_questions": (
        "error",
        "holds several questions or blanks that can't be matched with the keys one by one",
    ),
    "ambiguous_answer": (
        "error",
        (
            "may name one option or another, since their numbers, ids or order disagree; give the "
            "option's text or label"
        ),
    ),
    "nested_questions": ("error", "holds questions inside questions, more than fifty deep"),
    "extra_cells": (
        "error",
        "holds more cells than there are headers; a cell with a comma in it lacks its quotes",
    ),
    "header_in_row": (
        "error",
        (
            "is there again among this row's cells: a line break is missing before that header, or "
            "it begins a table beside this one, which is not read; move it to a row of its own"
        ),
    ),
    "image_options": (
        "error",
        "holds a picture, or a label without a text; a text model can't see pictures",
    ),
    "key_with_text": ("warning", "holds other text after the key, which was left out"),
    "picture": ("warning", "holds a picture, which a text model can't see"),
    "rounded_id": (
        "warning",
        (
            "is a number of which Excel keeps or shows only the first digits: the last ones may "
            "be zeros that it put there; type such ids as text"
        ),
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
    "unknown_kind": (
        "error",
        "is a kind of question that is not known here; only choice and true/false are read",
    ),
    "same_as_nothing": (
        "error",
        ("says only that it is the same as above, but the row above has no text; repeat the text"),
    ),
    "passage_carried": (
        "warning",
        "is empty; the text of the row above was taken, which is of the same group",
    ),
    "empty_passage": (
        "warning",
        (
            "is empty below a row that has one; if the question is about the same text, repeat it, "
            "or name the group of each row in a column 題組"
        ),
    ),
    "no_right_option": (
        "error",
        "is empty, so that the right one is not among the options; fill it in",
    ),
}
_MARKS = {"0": False, "1": True}
_INDEX = re.compile(r"\s*-?\d{1,3}(?:\.0+)?\s*")


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What is to be read, and how.

    Attributes:
        path: The file.
        name: Its name as it was given, for messages and origins.
        columns: The caller's own mapping of field to header; it wins over what is recognised.
        sheets: The names of the sheets to read; ``None`` for all.
        keep_cells: Whether each draft carries the cells of its source row.
        header: Whether the tables have a header: ``None`` looks for one, ``True`` takes the first
            row that holds anything, ``False`` none.
    """

    path: Path
    name: str
    columns: Columns | None = None
    sheets: Sequence[str] | None = None
    keep_cells: bool = True
    header: bool | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """Which header, or name in a record, was read as which field, for the drafts under it.

    Attributes:
        columns: Field → header; ``option1``, ``option2`` … for columns of options.
        options: The header that messages about the options name, ``""`` without one.
        headers: All headers of the table, in order; none for records.
        rows: The rows that are the header; none for records and tables without one.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    options: str = ""
    headers: tuple[str, ...] = ()
    rows: tuple[Origin, ...] = ()

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
        key_is_index: Whether the field's name says that a number in it is an index (answerIndex).
        right: Whether each option bears a mark of being right; ``None`` where the options say
            nothing. It must not contradict ``answer``.
        kind: The source's word for the kind of question.
        picture: What a field for pictures holds: addresses, one a line.
        is_plain: Whether html has been taken out of its texts, which must happen once only.
        heading: The headers that it was read under.
        cells: The source row's cells by header, as shown; ``None`` where they are not
            wanted.
        notes: What the cells left in doubt, as (header, code).
        sub: The number of a sub-question within its item, from 1; 0 for an item of its own.
        stem_key: What may be a key inside the stem; all rows together show whether it is one.
        options_in_text: Whether the options were found inside one text, where what looks like
            options may be something else.
    """

    origin: Origin
    stem: str
    options: list[str] = field(default_factory=list)
    passage: str = ""
    labels: tuple[str, ...] = ()
    answer: Any = None
    has_key_field: bool = True
    key_is_index: bool = False
    right: list[bool] | None = None
    kind: str = ""
    picture: str = ""
    is_plain: bool = False
    group: str = ""
    subject: str = ""
    explanation: str = ""
    source: str = ""
    source_id: SourceId = None
    sub: int = 0
    heading: Heading = field(default_factory=Heading)
    cells: Mapping[str, Any] | None = None
    notes: list[tuple[str, str]] = field(default_factory=list)
    stem_key: StemKey | None = None
    options_in_text: bool = False


#: What comes out of a file, in its order: a heading before the drafts under it, and problems of
#: whole sheets and of rows that are no questions.
DraftItem = Draft | Heading | RowProblem


def named_headers(columns: Columns | None, name: str) -> list[str]:
    """The headers that the caller gives for a field; none without a mapping of it."""
    given = (columns or {}).get(name, ())
    return [str(given)] if isinstance(given, str | int) else list(map(str, given))


def is_index(answer: Any) -> bool:
    """Whether a key is a number or several, so that it can be an index."""
    parts = answer if isinstance(answer, list) else [answer]
    return bool(parts) and all(
        (isinstance(part, int) and not isinstance(part, bool))
        or (isinstance(part, float) and part.is_integer())
        or (isinstance(part, str) and bool(_INDEX.fullmatch(part)))
        for part in parts
    )


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
