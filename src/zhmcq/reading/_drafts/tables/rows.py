"""Rows of a table whose columns are known → drafts."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from zhmcq.questions import Origin
from zhmcq.reading._drafts.draft import Draft, Heading, is_index, labels_marked_right
from zhmcq.reading._drafts.embedded import options_of_text
from zhmcq.reading._drafts.ids import given_id
from zhmcq.reading._drafts.key_text import plain_key
from zhmcq.reading._drafts.layout import HeaderLayout
from zhmcq.reading._drafts.tables.sections import is_section
from zhmcq.reading._drafts.vocabulary import is_spelled, names_index, option_label
from zhmcq.reading._formats.table import CellRow, SourceRow
from zhmcq.zh._fold import fold_name, normal_text
from zhmcq.zh._labels import alphabet_of
from zhmcq.zh._truth import truth_of

__all__ = ["RowReader"]

_SAME_AS_ABOVE = re.compile(r"(?:同|接|承)(?:上|前)(?:文|题|一题|篇|列|行)?|sameasabove|ditto|″|〃")
_ASKS = re.compile(r"[?？]|下列|何者|[(（]\s*[)）]|_{2,}")
# An id that stands alone says that a question is missing; 「第一部分」 is none.
_NUMBERED = re.compile(r"^\W*\d+\W*$")
_CORRECTION = re.compile(r"更正|修正|correctedanswer")
_UNCORRECTED = frozenset({"", "无", "无更正", "未更正", "不更正", "无修正", "否", "none", "no"})
# How WPS writes a picture inside a cell.
_CELL_PICTURE = "DISPIMG("
# What a header gets that is there already.
_SECOND_NAME = re.compile(r" \(column [A-Z]{1,2}\)$")
_DAYS = range(36_526, 55_153)
_TOTAL = re.compile(
    r"(?:合計|合计|總計|总计|共計|共计|小計|小计|總和|总和|加總|加总|平均數?|平均数|平均值|總分|总分|總數|总数|題數|题数|"
    r"人數|人数|(?:sub|grand )?total|sum|averages?|mean|count)\s*:?",
    re.IGNORECASE,
)
_NAN = ("NaN", "nan")  # an empty cell, as pandas writes it
_FIGURE = re.compile(r"[-+]?[\d.,]{1,20}\s*[%％題题分人個个]?")
_TEXT_FIELDS = ("passage", "kind", "subject", "explanation", "source", "picture")


class RowReader:
    """Reads the rows of one table.

    Args:
        layout: What its header says.
        file: The file's name as it was given.
        sheet: The sheet's name.
        kind: The kind of its questions, where no column says otherwise.
        subject: Their subject, where there is no column of subjects.
    """

    def __init__(
        self, layout: HeaderLayout, file: str, sheet: str, kind: str = "", subject: str = ""
    ) -> None:
        self.layout = layout
        self.file = file
        self.sheet = sheet
        self.kind = kind
        self.subject = subject
        options = layout.options or layout.wrong or layout.fields.get("options", [])
        self.heading = Heading(
            layout.as_columns(),
            layout.headers[options[0]] if options else "",
            layout.headers,
            tuple(Origin(file, sheet, row) for row in layout.rows),
        )
        self._indexes = {header: index for index, header in enumerate(layout.headers)}
        self._header_rows = [
            (cells, [fold_name(cell) for cell in cells]) for cells in layout.rows.values()
        ]
        keys = [layout.headers[column] for column in layout.fields.get("answer", ())]
        self._index_keys = bool(keys) and all(map(names_index, keys))
        self._same_keys = _columns_of_one_name(layout, "answer")
        self._questions = layout.columns_of_questions()
        self._again = [*_columns_again(layout), *_columns_behind_gap(layout)]
        self._stem_names = self._names_from_stem()
        self._above: tuple[int, str] = (0, "")
        self._passage: tuple[str, str] = ("", "")  # the last one, with its group

    def repeats_header(self, row: CellRow) -> bool:
        """Whether a row is the header, or one of its rows, again, as printed banks have it."""
        for raw, folded in self._header_rows:
            pairs = list(zip(row.texts, raw, strict=False))
            # Texts that are much longer need not be folded.
            if any(len(text) > 2 * len(name) + 4 for text, name in pairs):
                continue
            same = [
                fold_name(text) == name
                for text, name in zip(row.texts, folded, strict=False)
                if text
            ]
            if len(same) > 1 and all(same) and not any(row.texts[len(raw) :]):
                return True
        return False

    def _names_from_stem(self) -> list[str]:
        """The header's cells from that of the stems on, as far as no cell is empty."""
        stem = self.layout.first("stem")
        cells = next(reversed(self.layout.rows.values()), ())
        names: list[str] = []
        for cell in cells[stem:] if stem is not None else ():
            if not cell:
                break
            names.append(cell.strip())
        return names

    def _holds_header(self, row: CellRow) -> bool:
        """Whether the header begins again inside a row, which lost its end or has another table.

        In a table without keys it may be glued to the end of a stem, and take all other cells.
        """
        names, stem, texts = self._stem_names, self.layout.first("stem"), row.texts
        if stem is None or len(names) < 3:
            return False
        rest = texts[stem + 1 : stem + len(names)]
        if rest == names[1:] and "answer" not in self.layout.fields:
            return texts[stem].endswith(names[0]) and texts[stem] != names[0]
        return any(
            text == names[0] and column != stem and texts[column + 1 : column + 3] == names[1:3]
            for column, text in enumerate(texts)
        )

    def is_title(self, row: CellRow) -> bool:
        """Whether a row between the questions is a title or note: it has no cell of a question."""
        filled = [(index, text) for index, text in enumerate(row.texts) if text]
        if self._is_total(filled):
            return True
        if len(filled) == 1 and filled[0][0] in self._questions:
            return len(self._questions) > 1 and is_section(filled[0][1])
        others = self.layout.fields
        needed = {*self._questions, *others.get("passage", ())}
        numbered = any(
            index in others.get("id", ()) and _NUMBERED.search(text) for index, text in filled
        )
        return not numbered and not any(index in needed for index, _ in filled)

    def _is_total(self, filled: list[tuple[int, str]]) -> bool:
        """Whether a row sums up the others: 合計 in front of numbers alone, without a key."""
        texts = [text for _, text in filled]
        if not texts or len(texts[0]) > 12 or not _TOTAL.fullmatch(normal_text(texts[0])):
            return False
        keys = self.layout.fields.get("answer", ())
        is_keyed = any(index in keys and not _FIGURE.fullmatch(text) for index, text in filled)
        return not is_keyed and all(map(_FIGURE.fullmatch, texts[1:]))

    def reads_as_question(self, row: CellRow) -> bool:
        """Whether a row above the header may be a question: it holds parts of one, or asks."""
        stems, answers = (self.layout.fields.get(name, ()) for name in ("stem", "answer"))
        options = [*self.layout.options, *self.layout.wrong]
        filled = sum(bool(row.text(column)) for column in options)
        if sum(map(bool, row.texts)) > 2 and any(map(_ASKS.search, row.texts)):
            return True
        if not any(row.text(column) for column in stems):
            return False
        return filled > 1 or (not options and any(0 < len(row.text(c)) < 3 for c in answers))

    def draft(self, row: CellRow) -> Draft:
        """The row's parts."""
        layout = self.layout
        draft = Draft(
            origin=Origin(self.file, self.sheet, row.number),
            stem=self._text(row, "stem"),
            labels=layout.labels,
            heading=self.heading,
            has_key_field=bool(layout.fields.get("answer") or layout.rights),
        )
        self._take_id(row, draft)
        for name in _TEXT_FIELDS:
            if name in layout.fields:
                setattr(draft, name, self._text(row, name))
        draft.group = self._group(row)
        draft.kind = draft.kind or self.kind
        if "subject" not in layout.fields:
            draft.subject = self.subject
        if self._holds_header(row):
            draft.notes.append((layout.header("stem"), "header_in_row"))
        elif not self.sheet and any(row.texts[len(layout.headers) :]):
            draft.notes.append(("", "extra_cells"))
        self._take_passage(row, draft)
        self._take_options(row, draft)
        if not layout.wrong:
            draft.answer = self._answer(row)
            draft.key_is_index = self._index_keys and is_index(draft.answer)
            if self._same_keys and self._keys_differ(row):
                draft.notes.append((layout.headers[self._same_keys[0]], "contradicting_keys"))
        self._note_pictures(row, draft)
        if any(map(row.text, self._again)):
            draft.notes.append((layout.headers[self._again[0]], "damaged_options"))
        return draft

    def cells(self, row: CellRow) -> SourceRow:
        """The row's cells as shown; whole numbers stay numbers."""
        width = len(self.layout.headers)
        pairs = zip(row.texts[:width], row.values[:width], strict=True)
        return SourceRow(self._indexes, tuple(_shown(text, value) for text, value in pairs))

    def _text(self, row: CellRow, name: str) -> str:
        return next((t for c in self.layout.fields.get(name, ()) if (t := row.text(c))), "")

    def _take_id(self, row: CellRow, draft: Draft) -> None:
        column = self.layout.first("id")
        if column is None or not row.text(column):
            return
        shown = row.text(column)
        if shown in _NAN:
            return
        draft.source_id, rounded = given_id(row.value(column), shown)
        if isinstance(draft.source_id, int):
            row.texts[column] = str(draft.source_id)
        if rounded:
            draft.notes.append((self.layout.headers[column], "rounded_id"))

    def _group(self, row: CellRow) -> str:
        """The group; a column 題組 may only say whether there is one, which names none."""
        texts = (row.text(column) for column in self.layout.fields.get("group", ()))
        return next((t for t in texts if t and not _is_yes_or_no(t)), "")

    def _answer(self, row: CellRow) -> Any:
        for column in self.layout.fields.get("answer", ()):
            if row.text(column) and not self._says_uncorrected(column, row.text(column)):
                value = row.value(column)
                plain = isinstance(value, bool | int | float) and column not in row.notes
                if isinstance(value, int | float) and not isinstance(value, bool):
                    # 3 shown as "3." or "03" is 3; 0.5 shown as 50% is the text of an option.
                    plain &= value == int(value) if abs(value) < 1e9 else False
                return value if plain else row.text(column)
        return labels_marked_right(
            {label: row.text(column) for label, column in self.layout.rights.items()}
        )

    def _keys_differ(self, row: CellRow) -> bool:
        """Whether two columns of one name hold different labels."""
        keys = {normal_text(text).upper() for c in self._same_keys if (text := row.text(c))}
        return len(keys) > 1 and all(map(plain_key, keys))

    def _says_uncorrected(self, column: int, text: str) -> bool:
        """Whether a column of corrected keys (更正答案) says that the first key stays."""
        return fold_name(text) in _UNCORRECTED and bool(
            _CORRECTION.search(fold_name(self.layout.headers[column]))
        )

    def _take_passage(self, row: CellRow, draft: Draft) -> None:
        column = self.layout.first("passage")
        if column is None:
            return
        if len(draft.passage) <= 8 and _SAME_AS_ABOVE.fullmatch(fold_name(draft.passage) or "-"):
            number, above = self._above
            near = number == row.number - 1 and above
            code = "same_as_above" if near else "same_as_nothing"
            draft.notes.append((self.layout.headers[column], code))
            draft.passage = above if near else draft.passage
        elif not draft.passage:
            self._carry_passage(draft, column)
        if draft.passage:
            self._passage = (draft.group, draft.passage)
        self._above = (row.number, draft.passage)
        self._note(row, draft, column)

    def _carry_passage(self, draft: Draft, column: int) -> None:
        """Take the passage of the row above, where the group says that it is this one's as well."""
        group, passage = self._passage
        if not passage:
            return
        same = draft.group != "" and draft.group == group
        draft.passage = passage if same else ""
        code = "passage_carried" if same else "empty_passage"
        draft.notes.append((self.layout.headers[column], code))

    def _take_options(self, row: CellRow, draft: Draft) -> None:
        layout = self.layout
        if layout.wrong:
            self._take_right_and_wrong(row, draft)
        elif layout.options:
            draft.options = _without_nan([row.text(column) for column in layout.options])
            for column in layout.options:
                self._note(row, draft, column)
            self._note_dates(row, draft)
        elif "options" in layout.fields and (text := self._text(row, "options")):
            draft.options, draft.labels = options_of_text(text)
            draft.options_in_text = not draft.labels
        stem = layout.first("stem")
        if stem is not None:
            self._note(row, draft, stem)

    def _take_right_and_wrong(self, row: CellRow, draft: Draft) -> None:
        """The right answer and then the wrong ones; all wrong ones may share one cell."""
        columns = self.layout.wrong
        right = self._text(row, "answer")
        wrong = [text for column in columns if (text := row.text(column))]
        if len(columns) == 1 and wrong:
            wrong = options_of_text(wrong[0])[0]
        for column in (*self.layout.fields["answer"], *columns):
            self._note(row, draft, column)
        if wrong and not right:
            draft.notes.append((self.layout.header("answer"), "no_right_option"))
        draft.options = [right, *wrong]
        draft.answer = [True, *[False] * len(wrong)] if right else None

    def _note(self, row: CellRow, draft: Draft, column: int) -> None:
        if row.notes and row.notes.get(column, "picture") not in ("picture", "image_options"):
            draft.notes.append((self.layout.headers[column], row.notes[column]))

    def _note_pictures(self, row: CellRow, draft: Draft) -> None:
        """A picture in place of an option is an error; elsewhere it is said to be there."""
        options = (*self.layout.options, *self.layout.wrong)
        for column, code in sorted(row.notes.items()) if row.notes else ():
            if code in ("picture", "image_options"):
                instead = code == "image_options" and column in options
                headers = self.layout.headers
                header = headers[column] if column < len(headers) else ""
                draft.notes.append((header, code if instead else "picture"))
        for name in ("passage", "stem"):
            if _CELL_PICTURE in getattr(draft, name):
                draft.notes.append((self.layout.header(name), "picture"))

    def _note_dates(self, row: CellRow, draft: Draft) -> None:
        values = [(c, row.value(c)) for c in self.layout.options if row.text(c)]
        dates = [c for c, value in values if isinstance(value, dt.datetime | dt.date)]
        if dates and len(dates) < len(values):
            draft.notes += [(self.layout.headers[c], "date_option") for c in dates]
        if len(values) > 1 and all(_is_day(value) for _, value in values):
            draft.notes.append((self.layout.headers[values[0][0]], "date_serial"))


def _is_yes_or_no(text: str) -> bool:
    """Whether a text is a word for true or false; a letter such as F may name a group."""
    return truth_of(text) is not None and not (len(text) == 1 and text.isascii())


def _without_nan(options: list[str]) -> list[str]:
    """Options without what pandas writes for empty cells; one NaN alone may be an option."""
    several = sum(option in _NAN for option in options) > 1
    return ["" if option in _NAN else option for option in options] if several else options


def _columns_of_one_name(layout: HeaderLayout, name: str) -> list[int]:
    """The columns of a field that have the name of its first column; none if that is alone."""
    columns = sorted(layout.fields.get(name, ()))
    names = [_SECOND_NAME.sub("", layout.headers[column]) for column in columns]
    same = [column for column, header in zip(columns, names, strict=True) if header == names[0]]
    return same if len(same) > 1 else []


def _columns_again(layout: HeaderLayout) -> list[int]:
    """Columns of options whose headers are those of the options before them: A B C A B C D.

    Behind a second column of stems they belong to a table beside this one.
    """
    names = {layout.headers[column] for column in layout.options}
    stems = {layout.headers[column] for column in layout.fields.get("stem", ())}
    again: list[int] = []
    for column, header in enumerate(layout.headers):
        first = _SECOND_NAME.sub("", header)
        if first != header and first in stems:
            break
        if column not in layout.options and first in names:
            again.append(column)
    return again


def _columns_behind_gap(layout: HeaderLayout) -> list[int]:
    """Columns of options behind a label that is missing: D and E of A, B, D, E."""
    alphabet = alphabet_of(layout.labels) if layout.labels else None
    if alphabet is None or alphabet.are_words:
        return []
    behind: list[int] = []
    for column, header in enumerate(layout.headers):
        label = "" if column in layout.options or is_spelled(header) else option_label(header)
        if label and alphabet_of([label]) is alphabet and label not in layout.labels:
            behind.append(column)
    first = min(behind, default=0)
    near = not behind or first - max(layout.options) == 1
    return [column for column in behind if column not in layout.other_tables] if near else []


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
