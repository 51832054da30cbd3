"""Tables without a header: which column is which, worked out from the rows themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from statistics import fmean

from zhmcq.errors import ColumnsError
from zhmcq.reading._drafts.embedded import find_embedded
from zhmcq.reading._drafts.layout import HeaderLayout, distinct_names, recognise
from zhmcq.reading._drafts.tables.header_rows import Line
from zhmcq.reading._drafts.tables.mapping import shown
from zhmcq.zh._fold import normal_text
from zhmcq.zh._labels import LABEL, alphabet_of, label_index, plain_label
from zhmcq.zh._truth import truth_of

__all__ = ["advice", "inferred_layout", "is_sentence", "looks_like_questions", "names_a_label"]

_POSITIONS = 'columns={"stem": 1, "options": [2, 3, 4, 5], "answer": 6}'
_ASKS = re.compile(
    r"[?？]|下列|何者|哪|[(（][\s　]*[)）]|_{2,}|[。：:]$|\b(?:which|what)\b", re.IGNORECASE
)
_KEY = re.compile(rf"[(\[]?(?:{LABEL})(?:\.0)?[)\]]?\.?(?:[,;、/ ]?[(\[]?(?:{LABEL})[)\]]?)*")
_PLAIN_LABEL = re.compile(LABEL)
# A stem asks or is half as long again as an option, in all but a few rows.
_MOST_ROWS = 0.8
_FEW_ROWS = 0.2
_LONGER = 1.5
# A column that is so much longer than the options beside it explains them, or is a passage.
_FAR_LONGER = 3.0


def is_sentence(text: str) -> bool:
    """Whether a cell reads as a question or statement: it asks, leaves a blank or ends."""
    return len(text) > 4 and bool(_ASKS.search(text))


def names_a_label(text: str) -> bool:
    """Whether a cell is one label or several, and nothing else: ``B``, ``(3)``, ``A;C``."""
    return 0 < len(text) < 20 and bool(_KEY.fullmatch(normal_text(text)))


def looks_like_questions(lines: Sequence[Line]) -> bool:
    """Whether a table's first full row reads as a question rather than as names of columns."""
    first = next((line for line in lines if sum(map(bool, line.cells)) > 1), None)
    if first is None:
        return False
    filled = [cell for cell in first.cells if cell]
    is_question = any(map(is_sentence, filled))
    keyed = any(names_a_label(cell) or truth_of(cell) is not None for cell in filled)
    lonely = bool(recognise(first.number, first.cells).lonely) and len(filled) > 2
    return (is_question and (keyed or len(filled) > 3)) or lonely


def advice(lines: Sequence[Line], where: str, sheet: str) -> str:
    """What to do about a table whose first row looks like a question.

    Args:
        lines: Its first rows.
        where: How messages call it.
        sheet: The name of its sheet, which other sheets with a header may stand beside.
    """
    chosen = f"sheets=[{sheet!r}], header=False" if sheet else "header=False"
    row = next((line for line in lines if sum(map(bool, line.cells)) > 1), lines[0])
    said = (
        f"{where}: row {row.number} looks like a question ({shown(row.cells)[:120]}), so the table "
        "seems to have no header row"
    )
    try:
        layout = inferred_layout(lines, where)
    except ColumnsError:
        return (
            f"{said}. Give {chosen} and the positions of its columns, counted from 1, as in "
            f"{_POSITIONS}"
        )
    return f"{said}. {chosen} reads it: {_described(layout)}"


def _described(layout: HeaderLayout) -> str:
    parts = [f"column {layout.fields['id'][0] + 1} as id"] if "id" in layout.fields else []
    parts.append(f"column {layout.fields['stem'][0] + 1} as stem")
    if layout.options:
        parts.append(f"columns {layout.options[0] + 1} to {layout.options[-1] + 1} as options")
    parts.append(f"column {layout.fields['answer'][0] + 1} as key")
    return ", ".join(parts)


def inferred_layout(lines: Sequence[Line], where: str) -> HeaderLayout:
    """Which column is which, if all rows agree that there is one reading.

    There must be a column of stems, after it two or more adjacent columns of options, a column of
    keys that are all labels of those options, and beside them at most a column of ids. Or all
    stems hold their options, or all keys say true or false, and there are no others.

    Args:
        lines: The rows, titles left out.
        where: How messages call the table.

    Raises:
        ColumnsError: If another reading is possible; it asks for positions.
    """
    width = max((len(line.cells) for line in lines), default=0)
    columns = [
        [line.cells[index] if index < len(line.cells) else "" for line in lines]
        for index in range(width)
    ]
    used = [index for index, cells in enumerate(columns) if any(cells)]
    keys = [index for index in used if all(map(_may_be_key, columns[index]))]
    ids = [index for index in used if _counts(columns[index])]
    readings = []
    for key in keys:
        for id_ in (None, *(index for index in ids if index != key)):
            rest = [index for index in used if index not in (key, id_)]
            texts = [columns[index] for index in rest]
            if _are_whole_questions(texts, columns[key]) or _are_stem_and_options(
                rest, columns, columns[key]
            ):
                readings.append((id_, rest, key))
    if len(readings) != 1:
        count = "several readings" if readings else "no reading"
        raise ColumnsError(
            f"{where}: header=False: {count} of its columns as stem, options and a key that is a "
            f"label fits all its rows; the first is {shown(lines[0].cells if lines else ())}. Give "
            f"the positions of its columns, counted from 1, as in {_POSITIONS}"
        )
    id_, rest, key = readings[0]
    layout = HeaderLayout(0, distinct_names([""] * width), options=rest[1:])
    layout.fields = {"stem": [rest[0]], "answer": [key]}
    if id_ is not None:
        layout.fields["id"] = [id_]
    return layout


def _counts(cells: Sequence[str]) -> bool:
    """Whether a column numbers the rows, each the next."""
    numbers = [int(cell) for cell in cells if cell.isascii() and cell.isdigit() and len(cell) < 9]
    if len(numbers) < len(cells) or not numbers:
        return False
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _may_be_key(cell: str) -> bool:
    return names_a_label(cell) or (len(cell) < 6 and truth_of(cell) is not None)


def _are_whole_questions(texts: Sequence[Sequence[str]], keys: Sequence[str]) -> bool:
    """Whether one column holds all of a question but its key."""
    if len(texts) != 1 or not all(texts[0]):
        return False
    held = [find_embedded(text) for text in texts[0]]
    if all(item is not None and not item.damaged for item in held):
        counts = [len(item.options) for item in held if item is not None]
        pairs = zip(keys, counts, strict=True)
        return all(set(_named_indexes(key, n)) <= set(range(n)) for key, n in pairs)
    true_or_false = all(truth_of(key) is not None for key in keys)
    return true_or_false and not any(held) and all(map(is_sentence, texts[0]))


def _are_stem_and_options(
    rest: Sequence[int], columns: Sequence[Sequence[str]], keys: Sequence[str]
) -> bool:
    """Whether columns can only be a stem and the options after it."""
    if len(rest) < 3:
        return False
    if not all(map(names_a_label, keys)):
        return False
    stem, options = columns[rest[0]], [columns[index] for index in rest[1:]]
    adjacent = list(rest[1:]) == list(range(rest[1], rest[1] + len(options)))
    if not adjacent or not all(stem) or not all(options[0]) or not all(options[1]):
        return False
    named = {index for key in keys for index in _named_indexes(key, len(options))}
    if max(named) > len(options) - 1 and not (-1 in named and max(named) < len(options)):
        return False
    if any(_share(option, is_sentence) > _FEW_ROWS for option in options):
        return False
    if _has_key_among(options):
        return False
    lengths = [fmean(len(cell) for cell in option if cell) for option in options]
    if max(lengths) > _FAR_LONGER * min(lengths) + 2:
        return False
    longer = fmean(map(len, stem)) > _LONGER * max(lengths)
    return longer or _share(stem, is_sentence) >= _MOST_ROWS


def _named_indexes(key: str, count: int) -> list[int]:
    """The indexes of the labels in a key; ``134`` is three of four."""
    text = normal_text(key).upper()
    digits = text.strip("()[].")
    joined = digits.isascii() and digits.isdigit() and int(digits) > count
    return [label_index(label) for label in (digits if joined else _PLAIN_LABEL.findall(text))]


def _has_key_among(options: Sequence[Sequence[str]]) -> bool:
    """Whether one of some columns is rather the key: it holds labels, and the others don't.

    Options may all be labels themselves (甲, 乙, 丙, 丁), but then of one alphabet.
    """
    labels = [all(names_a_label(cell) for cell in option if cell) for option in options]
    if not all(labels):
        return any(labels)
    rows = [[plain_label(cell) for cell in row if cell] for row in zip(*options, strict=True)]
    return any(
        not all(cell.isdecimal() for cell in row) and alphabet_of(row) is None for row in rows
    )


def _share(cells: Sequence[str], test: Callable[[str], bool]) -> float:
    filled = [cell for cell in cells if cell]
    return sum(map(test, filled)) / len(filled) if filled else 0.0
