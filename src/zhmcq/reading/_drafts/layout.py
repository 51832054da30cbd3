"""Which column is which: what the cells of a header row, or the names of a record, say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from zhmcq.reading._drafts.vocabulary import (
    field_of,
    is_given_answer,
    is_spelled,
    option_label,
    right_label,
    wrong_label,
)
from zhmcq.reading._formats.table import MAX_COLUMNS
from zhmcq.zh._fold import fold_name
from zhmcq.zh._labels import alphabet_of, label_index

__all__ = ["HeaderLayout", "column_name", "distinct_names", "recognise"]


@dataclass(slots=True)
class HeaderLayout:
    """What was recognised in a header row.

    Attributes:
        row: The header's row number, that of its last row if it has two; rows of data come after
            it. 0 where the table has no header.
        headers: The header cells, in order; a nameless column is called ``"column C"``.
        fields: Column indexes by field, the preferred one first (answers may be in either).
        options: Column indexes of the options, in order.
        labels: The options' names as their headers say them (``("1", "2", …)``).
        rights: Columns that say whether an option is right, by its label.
        wrong: Columns that hold a wrong answer each, beside one that holds the right answer; none
            where the options have columns of their own.
        given: Columns of what somebody answered, which is no key.
        lonely: Columns whose cell is a label or number that belongs to no run of options: a row of
            data has such cells, a header has none.
        rows: The cells of the rows that are the header, by row number.
        other_tables: Columns of tables that stand beside this one.
    """

    row: int
    headers: tuple[str, ...]
    fields: dict[str, list[int]] = field(default_factory=dict)
    options: list[int] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    rights: dict[str, int] = field(default_factory=dict)
    wrong: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    lonely: list[int] = field(default_factory=list)
    rows: dict[int, tuple[str, ...]] = field(default_factory=dict)
    other_tables: list[int] = field(default_factory=list)

    def first(self, name: str) -> int | None:
        """The preferred column of a field."""
        columns = self.fields.get(name)
        return columns[0] if columns else None

    def header(self, name: str) -> str:
        """The header of a field's preferred column, ``""`` without one."""
        column = self.first(name)
        return self.headers[column] if column is not None else ""

    def as_columns(self) -> dict[str, str]:
        """Field → header, as :attr:`zhmcq.questions.QuestionBank.columns` has it."""
        named = {name: self.headers[columns[0]] for name, columns in self.fields.items() if columns}
        named |= {f"option{i}": self.headers[c] for i, c in enumerate(self.options, 1)}
        return named

    @property
    def has_options(self) -> bool:
        """Whether some columns hold options, one each or all in one."""
        return len(self.options) > 1 or bool(self.wrong) or "options" in self.fields

    @property
    def score(self) -> int:
        """How many fields were recognised; 0 where no column holds questions."""
        if "stem" not in self.fields:
            return 0
        options = 2 * min(len(self.options), 4) if len(self.options) > 1 else 0
        return len(self.fields) + options + len(self.wrong)

    def columns_of_questions(self) -> list[int]:
        """The columns that make a row a question: stem, options and key."""
        names = ("stem", "options", "answer")
        columns = [column for name in names for column in self.fields.get(name, ())]
        return [*columns, *self.options, *self.wrong, *self.rights.values()]


def column_name(index: int) -> str:
    """What a column without a header is called: ``"column C"`` for index 2."""
    from openpyxl.utils import get_column_letter  # here: a csv with named columns needs none of it

    # A json object can have more names than a sheet has columns.
    return f"column {get_column_letter(index + 1) if index < MAX_COLUMNS else index + 1}"


def distinct_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Header cells as names that differ, in their order."""
    headers: dict[str, None] = {}  # in order; a json object can have a million names
    for index, cell in enumerate(cells):
        name = " ".join(cell.split()) or column_name(index)
        while name in headers:
            name = f"{name} ({column_name(index)})"
        headers[name] = None
    return tuple(headers)


def recognise(row: int, cells: Sequence[str], *, stem_is_named: bool = False) -> HeaderLayout:
    """Read one row of cells as headers; ``stem_is_named``: the stem's column is known already.

    Where a second whole table stands beside the first, only the first is taken.
    """
    layout = _recognised(row, cells, stem_is_named=stem_is_named)
    start = _second_table(layout) if row > 0 else None  # the names of a record are one item's
    if start is None:
        return layout
    alone = _recognised(row, cells[:start], stem_is_named=stem_is_named)
    alone.headers, alone.rows = layout.headers, layout.rows
    alone.other_tables = [column for column in range(start, len(cells)) if cells[column]]
    return alone


def _second_table(layout: HeaderLayout) -> int | None:
    """The column where a second table begins beside the first; ``None`` without one.

    Both have a column of stems and, after it, columns of options or a key. A second column of stems
    alone may be the question in another language, and two names of it a title and a question.
    """
    cells = next(reversed(layout.rows.values()))
    stems = sorted(layout.fields.get("stem", ()))
    ids = layout.fields.get("id", ())
    for stem in stems[1:]:
        left = [_part_of_question(name) for name in cells[stems[0] : stem]]
        right = [_part_of_question(name) for name in cells[stem:]]
        same = fold_name(cells[stem]) == fold_name(cells[stems[0]])
        has_options = left.count("option") > 1 or "options" in left
        again = "answer" in right or right.count("option") > 1
        if (has_options and again) or (same and (has_options or "answer" in left)):
            return stem - 1 if stem - 1 in ids and stem - 1 > stems[0] else stem
    return None


def _part_of_question(name: str) -> str:
    """``"option"`` for the name of one option, else the field that a name means."""
    if not name or is_spelled(name) or not option_label(name):
        match = field_of(name) if name else None
        return match[0] if match else ""
    return "option"


def _recognised(row: int, cells: Sequence[str], *, stem_is_named: bool) -> HeaderLayout:
    layout = HeaderLayout(row, distinct_names(cells), rows={row: tuple(cells)})
    ranked: dict[str, list[tuple[int, int]]] = {}
    labelled: list[tuple[int, str]] = []
    for column, cell in enumerate(cells):
        # "options" would be the option S, were the vocabulary not looked up first.
        if cell and not is_spelled(cell) and (label := option_label(cell)):
            labelled.append((column, label))
        elif cell and (label := right_label(cell)):
            layout.rights.setdefault(label, column)
        elif match := field_of(cell) if cell else None:
            ranked.setdefault(match[0], []).append((match[1], column))
    layout.given = [column for column, cell in enumerate(cells) if cell and is_given_answer(cell)]
    layout.options, layout.labels = _option_run(labelled)
    layout.lonely = _lonely(labelled, layout.options)
    layout.fields = {name: [c for _, c in sorted(indexes)] for name, indexes in ranked.items()}
    _take_marked_answers(layout)
    if not layout.options and "answer" in layout.fields:
        layout.wrong = _wrong_columns(cells)
    if "id" not in layout.fields and cells and not cells[0]:
        layout.fields["id"] = [0]
    lacks_stem = "stem" not in layout.fields and not stem_is_named
    if lacks_stem and "passage" in layout.fields and layout.options:
        # A column called only 「材料」 or "text" next to options holds the stems.
        layout.fields["stem"] = [layout.fields["passage"].pop()]
        if not layout.fields["passage"]:
            del layout.fields["passage"]
    return layout


def _take_marked_answers(layout: HeaderLayout) -> None:
    """Take "answer" for what was answered where "key" and "correct", which compares both, are.

    So are frames of predictions, and other tables of answers that were marked.
    """
    columns = {fold_name(name): column for column, name in enumerate(layout.headers)}
    if not columns.keys() >= {"answer", "key", "correct"}:
        return
    marked = {columns["answer"], columns["correct"]}
    layout.fields["answer"] = [c for c in layout.fields["answer"] if c not in marked]
    layout.given.append(columns["answer"])


def _option_run(labelled: list[tuple[int, str]]) -> tuple[list[int], tuple[str, ...]]:
    """The longest run of columns labelled A, B, C … or 1, 2, 3 … (or 0, 1, 2 …).

    Columns in another order (D, C, B, A) are taken if that makes a longer run.
    """
    best: tuple[list[int], tuple[str, ...]] = ([], ())
    labelled = labelled[:MAX_COLUMNS]
    by_label = sorted(labelled, key=lambda pair: label_index(pair[1]))
    for ordered in (labelled, by_label):
        for start, (_, label) in enumerate(ordered):
            if label_index(label) not in (0, -1):
                continue
            columns, labels, wanted = [], [], label_index(label)
            for column, name in ordered[start:]:
                if label_index(name) == wanted and alphabet_of([name]) is alphabet_of([label]):
                    columns.append(column)
                    labels.append(name)
                    wanted += 1
            if len(columns) > max(1, len(best[0])):
                best = (columns, tuple(labels))
    return best


def _wrong_columns(cells: Sequence[str]) -> list[int]:
    """The columns of wrong answers, in the order of their numbers."""
    labels = [(column, wrong_label(cell)) for column, cell in enumerate(cells) if cell]
    wrong = [(label_index(label), column) for column, label in labels if label is not None]
    return [column for _, column in sorted(wrong)]


def _lonely(labelled: list[tuple[int, str]], options: list[int]) -> list[int]:
    """Columns of labels that stand alone: of another alphabet than the run, or a second time.

    Of A, B, D the D is not alone. Nor is a second run, as in a table that counts who chose what.
    """
    run = [label for column, label in labelled if column in options]
    rest = [(column, label) for column, label in labelled if column not in options]
    alphabet = alphabet_of(run) if run else None
    others = _option_run(rest)[0]
    return [
        column
        for column, label in rest
        if column not in others and (label in run or alphabet_of([label]) is not alphabet)
    ]
