"""Which column is which: the row of a table that holds its headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zhmcq.errors import ColumnsError
from zhmcq.reading._drafts.draft import Columns
from zhmcq.reading._drafts.vocabulary import (
    FIELDS,
    field_of,
    is_spelled,
    option_label,
    right_label,
    wrong_label,
)
from zhmcq.reading._formats.table import MAX_COLUMNS
from zhmcq.zh._fold import fold_name, normal_text
from zhmcq.zh._labels import alphabet_of, label_index

__all__ = ["HeaderLayout", "find_layout", "recognise"]

_SEARCHED_ROWS = 40


@dataclass(slots=True)
class HeaderLayout:
    """What was recognised in a header row.

    Attributes:
        row: The header's row number; rows of data come after it.
        headers: The header cells, in order; a nameless column is called ``"column C"``.
        fields: Column indexes by field, the preferred one first (answers may be in either).
        options: Column indexes of the options, in order.
        labels: The options' names as their headers say them (``("1", "2", …)``).
        rights: Columns that say whether an option is right, by its label.
        wrong: Columns that hold a wrong answer each, beside one that holds the right answer; none
            where the options have columns of their own.
    """

    row: int
    headers: tuple[str, ...]
    fields: dict[str, list[int]] = field(default_factory=dict)
    options: list[int] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    rights: dict[str, int] = field(default_factory=dict)
    wrong: list[int] = field(default_factory=list)

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
    def score(self) -> int:
        """How many fields were recognised; 0 where no column holds questions."""
        if "stem" not in self.fields:
            return 0
        options = 2 * min(len(self.options), 4) if len(self.options) > 1 else 0
        return len(self.fields) + options


def _column_name(index: int) -> str:
    from openpyxl.utils import get_column_letter  # here: a csv with named columns needs none of it

    # A json object can have more names than a sheet has columns.
    return f"column {get_column_letter(index + 1) if index < MAX_COLUMNS else index + 1}"


def _distinct_names(cells: Sequence[str]) -> tuple[str, ...]:
    headers: dict[str, None] = {}  # in order; a json object can have a million names
    for index, cell in enumerate(cells):
        name = " ".join(cell.split()) or _column_name(index)
        while name in headers:
            name = f"{name} ({_column_name(index)})"
        headers[name] = None
    return tuple(headers)


def recognise(row: int, cells: Sequence[str], *, stem_is_named: bool = False) -> HeaderLayout:
    """Read one row of cells as headers; ``stem_is_named``: the stem's column is known already."""
    layout = HeaderLayout(row, _distinct_names(cells))
    ranked: dict[str, list[tuple[int, int]]] = {}
    labelled: list[tuple[int, str]] = []
    wrong: list[tuple[int, str]] = []
    for column, cell in ((column, cell) for column, cell in enumerate(cells) if cell):
        if (label := wrong_label(cell)) is not None:
            wrong.append((column, label))
        # "options" would be the option S, were the vocabulary not looked up first.
        elif not is_spelled(cell) and (label := option_label(cell)):
            labelled.append((column, label))
        elif label := right_label(cell):
            layout.rights.setdefault(label, column)
        elif match := field_of(cell):
            ranked.setdefault(match[0], []).append((match[1], column))
    layout.options, layout.labels = _option_run(labelled)
    layout.fields = {name: [c for _, c in sorted(indexes)] for name, indexes in ranked.items()}
    if not layout.options and "answer" in layout.fields:
        layout.wrong = [column for column, _ in sorted(wrong, key=lambda w: label_index(w[1]))]
    if "id" not in layout.fields and cells and not cells[0]:
        layout.fields["id"] = [0]
    lacks_stem = "stem" not in layout.fields and not stem_is_named
    if lacks_stem and "passage" in layout.fields and layout.options:
        # A column called only 「材料」 or "text" next to options holds the stems.
        layout.fields["stem"] = [layout.fields["passage"].pop()]
        if not layout.fields["passage"]:
            del layout.fields["passage"]
    return layout


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


def find_layout(
    rows: Iterable[tuple[int, Sequence[str]]], columns: Columns | None, where: str
) -> HeaderLayout:
    """The header row among a sheet's first rows, even below title rows.

    Args:
        rows: Row numbers and cells of the first rows.
        columns: The caller's own mapping of field to header; it wins over the vocabulary.
        where: How messages call the sheet.

    Raises:
        ColumnsError: If no row has a stem column; it shows what was found.
    """
    searched = list(rows)[:_SEARCHED_ROWS]
    if columns:
        return _mapped_layout(searched, columns, where)
    best: HeaderLayout | None = None
    for number, cells in searched:
        layout = recognise(number, cells)
        if layout.score > (best.score if best else 0) and _is_header(layout, cells):
            best = layout
    if best is None:
        shown = max((cells for _, cells in searched), key=lambda c: sum(map(bool, c)), default=[])
        raise ColumnsError(
            f"{where}: no column of questions was recognised. Expected a header such as 題目, "
            f"問題, 題幹 or question; found {_shown(shown)}. Name it: "
            f'columns={{"stem": "{next((c[:20] for c in shown if c), "…")}"}} '
            f"(fields: {', '.join(FIELDS)}, option1, option2, …)"
        )
    return best


def _is_header(layout: HeaderLayout, cells: Sequence[str]) -> bool:
    """Not a title, not a row of data: at least half of its cells are short names."""
    filled = [cell for cell in cells if cell]
    known = sum(map(len, layout.fields.values())) + len(layout.options)
    alone = layout.fields.keys() <= {"stem"} and not layout.options
    return known * 4 >= len(filled) and (not alone or len(filled) == 1)


def _shown(cells: Sequence[str]) -> str:
    names = [repr(cell[:30]) for cell in cells if cell][:30]
    return ", ".join(names) if names else "no text in its first rows"


def _mapped_layout(
    rows: list[tuple[int, Sequence[str]]], columns: Columns, where: str
) -> HeaderLayout:
    wanted: dict[str, list[str]] = {
        name: [header] if isinstance(header, str) else list(header)
        for name, header in columns.items()
    }
    unknown = [n for n in wanted if n not in FIELDS and not re.fullmatch(r"option\d{1,2}", n)]
    if unknown:
        raise ColumnsError(
            f"columns={dict(columns)!r}: unknown field {unknown[0]!r}; known: "
            f"{', '.join(FIELDS)}, option1, option2, …"
        )
    folded = {fold_name(header) for headers in wanted.values() for header in headers}
    best = max(rows, key=lambda row: len(folded & {fold_name(c) for c in row[1]}), default=(0, []))
    number, cells = best
    by_name = {normal_text(cell): index for index, cell in reversed(list(enumerate(cells))) if cell}
    loose = {fold_name(cell): index for cell, index in by_name.items()}

    def index_of(name: str, header: str) -> int:
        named = re.fullmatch(r"column ([A-Z]{1,2})", header)
        if named:
            from openpyxl.utils import column_index_from_string

            return column_index_from_string(named.group(1)) - 1
        index = by_name.get(normal_text(header), loose.get(fold_name(header)))
        if index is None:
            raise ColumnsError(
                f"{where}: no column {header!r} for {name!r}; found {_shown(cells)}. Correct "
                f"columns={dict(columns)!r}"
            )
        return index

    mapped = {name: [index_of(name, h) for h in headers] for name, headers in wanted.items()}
    taken = {index for indexes in mapped.values() for index in indexes}
    rest = ["" if i in taken else cell for i, cell in enumerate(cells)]
    layout = recognise(number, rest, stem_is_named="stem" in mapped)
    if layout.fields.get("id") == [0] and 0 in taken:
        del layout.fields["id"]
    layout.headers = recognise(number, cells).headers
    numbered = sorted((int(n[6:]), p[0]) for n, p in mapped.items() if n[6:].isdigit())
    if numbered or len(mapped.get("options", ())) > 1:
        layout.options = [p for _, p in numbered] or mapped.pop("options")
        names = [option_label(cells[p]) if p < len(cells) else "" for p in layout.options]
        whole = all(names) and len(set(names)) == len(names)
        layout.labels = tuple(names) if whole else ()
    layout.fields |= {name: indexes for name, indexes in mapped.items() if name in FIELDS}
    if "stem" not in layout.fields:
        raise ColumnsError(
            f"{where}: columns={dict(columns)!r} names no stem, and none was recognised among "
            f"{_shown(cells)}; add columns={{'stem': …}}"
        )
    return layout
