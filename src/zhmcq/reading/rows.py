"""Rows of a table under a recognised header → drafts."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from zhmcq.questions import Origin, SourceId
from zhmcq.reading.drafts import Draft
from zhmcq.reading.embedded import options_of_text
from zhmcq.reading.headers import Layout
from zhmcq.reading.marks import marked
from zhmcq.reading.tables import Row, TableRow
from zhmcq.zh.fold import fold_name

__all__ = ["RowReader"]

_SAME_AS_ABOVE = re.compile(r"(?:同|接|承)(?:上|前)(?:文|题|一题|篇|列|行)?|sameasabove|ditto|″|〃")
_RULE = re.compile(r":?[-=]{2,}:?")
_DAYS = range(36_526, 55_153)
_TEXT_FIELDS = ("passage", "kind", "subject", "explanation", "source", "group")


class RowReader:
    """Reads the rows of one sheet.

    Args:
        layout: What its header row says.
        file: The file's name as it was given.
        sheet: The sheet's name.
    """

    def __init__(self, layout: Layout, file: str, sheet: str) -> None:
        self.layout = layout
        self.file = file
        self.sheet = sheet
        self.places = {header: place for place, header in enumerate(layout.headers)}
        self.names = layout.as_columns() | {
            "options": layout.headers[layout.options[0]] if layout.options else ""
        }
        self._header_texts = [fold_name(header) for header in layout.headers]
        self._above: tuple[int, str] = (0, "")

    def is_header(self, row: Row) -> bool:
        """Whether a row repeats the header, as printed banks do, or is a line under it."""
        if all(_RULE.fullmatch(text) for text in row.texts if text):
            return True
        stem = self.layout.first("stem")
        column = stem if stem is not None else 0
        return (
            fold_name(row.text(column)) == self._header_texts[column]
            and sum(map(bool, row.texts)) > 1
            and all(
                fold_name(text) == self._header_texts[place]
                for place, text in enumerate(row.texts[: len(self._header_texts)])
                if text
            )
        )

    def draft(self, row: Row) -> Draft:
        """The row's parts."""
        layout = self.layout
        draft = Draft(
            origin=Origin(self.file, self.sheet, row.number),
            stem=self._text(row, "stem"),
            labels=layout.labels,
            names=self.names,
            asks_key=bool(layout.fields.get("answer") or layout.rights),
            source_id=self._source_id(row),
        )
        for name in _TEXT_FIELDS:
            if name in layout.fields:
                setattr(draft, name, self._text(row, name))
        if not self.sheet and any(row.texts[len(layout.headers) :]):
            draft.notes.append(("", "extra_cells"))
        self._take_passage(row, draft)
        self._take_options(row, draft)
        draft.answer = self._answer(row)
        return draft

    def cells(self, row: Row) -> TableRow:
        """The row's cells as shown; whole numbers stay numbers."""
        width = len(self.layout.headers)
        pairs = zip(row.texts[:width], row.values[:width], strict=True)
        return TableRow(self.places, tuple(_shown(text, value) for text, value in pairs))

    def _text(self, row: Row, name: str) -> str:
        return next((t for c in self.layout.fields.get(name, ()) if (t := row.text(c))), "")

    def _source_id(self, row: Row) -> SourceId:
        column = self.layout.first("id")
        if column is None:
            return None
        shown = _shown(row.text(column), row.value(column))
        return shown if shown != "" else None

    def _answer(self, row: Row) -> Any:
        for column in self.layout.fields.get("answer", ()):
            if row.text(column):
                value = row.value(column)
                plain = isinstance(value, bool | int | float) and column not in row.notes
                if isinstance(value, int | float) and not isinstance(value, bool):
                    # 3 shown as "3." or "03" is 3; 0.5 shown as 50% is the text of an option.
                    plain &= value == int(value) if abs(value) < 1e9 else False
                return value if plain else row.text(column)
        return marked({label: row.text(column) for label, column in self.layout.rights.items()})

    def _take_passage(self, row: Row, draft: Draft) -> None:
        column = self.layout.first("passage")
        if column is None:
            return
        if len(draft.passage) <= 8 and _SAME_AS_ABOVE.fullmatch(fold_name(draft.passage) or "-"):
            number, above = self._above
            near = number == row.number - 1 and above
            code = "same_as_above" if near else "same_as_nothing"
            draft.notes.append((self.layout.headers[column], code))
            draft.passage = above if near else draft.passage
        self._above = (row.number, draft.passage)
        self._note(row, draft, column)

    def _take_options(self, row: Row, draft: Draft) -> None:
        layout = self.layout
        if layout.options:
            draft.options = [row.text(column) for column in layout.options]
            for column in layout.options:
                self._note(row, draft, column)
            self._note_dates(row, draft)
        elif "options" in layout.fields and (text := self._text(row, "options")):
            draft.options, draft.labels = options_of_text(text)
        stem = layout.first("stem")
        if stem is not None:
            self._note(row, draft, stem)

    def _note(self, row: Row, draft: Draft, column: int) -> None:
        if row.notes and column in row.notes:
            draft.notes.append((self.layout.headers[column], row.notes[column]))

    def _note_dates(self, row: Row, draft: Draft) -> None:
        values = [(c, row.value(c)) for c in self.layout.options if row.text(c)]
        dates = [c for c, value in values if isinstance(value, dt.datetime | dt.date)]
        if dates and len(dates) < len(values):
            draft.notes += [(self.layout.headers[c], "date_option") for c in dates]
        if len(values) > 1 and all(_is_day(value) for _, value in values):
            draft.notes.append((self.layout.headers[values[0][0]], "date_serial"))


def _is_day(value: Any) -> bool:
    """Whether a number may be a day from 2000 to 2050, as Excel counts them."""
    return isinstance(value, int | float) and value in _DAYS


def _shown(text: str, value: Any) -> Any:
    """A whole number as a number where it was shown as such, else the text that was shown."""
    if isinstance(value, int | float) and not isinstance(value, bool) and text.isascii():
        digits = text.removeprefix("-")
        if digits.isdigit() and (digits == "0" or digits[0] != "0"):
            return int(text)
    return text
