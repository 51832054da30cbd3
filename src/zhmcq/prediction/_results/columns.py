"""The columns that are added to a table: answer, confidence, status, probabilities, reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from zhmcq.evaluation import Promise
from zhmcq.prediction._results.key_style import KeyStyle, option_numbers
from zhmcq.prediction._results.rows import ResultRow
from zhmcq.prediction._results.words import Words
from zhmcq.questions import Question
from zhmcq.reports._workbook import AddedCell, CellColour

__all__ = [
    "Column",
    "Look",
    "added_columns",
    "distinct_names",
    "is_unsure",
    "reason_text",
    "share_text",
]

_EMPTY = AddedCell(None)


@dataclass(frozen=True, slots=True)
class Look:
    """What decides how answers are shown, for all sheets of a workbook.

    Attributes:
        words: The words of the language.
        unsure_below: Answers with a lower confidence are coloured.
        calibrated: Whether confidences are probabilities.
        promise: What is promised of the answers, if anything is.
    """

    words: Words
    unsure_below: float
    calibrated: bool
    promise: Promise | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is added to the tables of a sheet.

    Attributes:
        header: Its header.
        width: Its width, in characters.
        cell: What it holds for a row, given how the row's table writes its keys.
    """

    header: str
    width: float
    cell: Callable[[ResultRow, KeyStyle], AddedCell]


def added_columns(rows: Sequence[ResultRow], look: Look) -> list[Column]:
    """The columns for the rows of one sheet; of figures, those that there are.

    Args:
        rows: All rows of the sheet that results have.
        look: How answers are shown.
    """
    words = look.words
    items = [row.prediction for row in rows]
    confidence = words.confidence + ("" if look.calibrated else words.uncalibrated)
    columns = [Column(words.answer, 12, lambda row, style: _answer(row, style, look))]
    if any(item.confidence is not None for item in items):
        columns.append(Column(confidence, 18, lambda row, _: _confidence(row, look)))
    if any(row.question is not None and row.question.answer is not None for row in rows):
        columns.append(Column(words.correctness, 10, lambda row, _: _correctness(row, look)))
    columns.append(Column(words.status, 12, lambda row, _: _status(row, look)))
    if any(item.option_set for item in items):
        columns.append(Column(words.option_set, 14, lambda row, style: _set(row, style, look)))
    if any(item.agreement is not None for item in items):
        columns.append(Column(words.agreement, 14, lambda row, _: _agreement(row)))
    for number, name in _option_names(rows).items():
        columns.append(Column(f"{words.probability} {name}", 10, _probability(number)))
    columns.append(Column(words.reason, 40, lambda row, _: AddedCell(_reason(row, look))))
    return columns


def distinct_names(headers: Iterable[str], names: Sequence[str]) -> list[str]:
    """The names, each with a mark where the input has such a column.

    The input may be a file of predictions itself, whose answers are then kept.

    Args:
        headers: The headers of the input.
        names: The names of added columns.
    """
    headers = set(headers)
    marks = ["", " (zhmcq)", *(f" (zhmcq {number})" for number in range(2, len(headers) + 2))]
    return [next(name + mark for mark in marks if name + mark not in headers) for name in names]


def is_unsure(row: ResultRow, look: Look) -> bool:
    """Whether a row has an answer whose confidence is below the threshold for colours."""
    item = row.prediction
    below = item.confidence is not None and item.confidence < look.unsure_below
    return below and item.answer is not None


def share_text(share: float) -> str:
    """A share of 1 as a percentage: ``"42%"``, ``"66.67%"``, ``"99.9995%"``."""
    return f"{share * 100:.{4 if share < 0.999 else 8}g}%"


def _answer(row: ResultRow, style: KeyStyle, look: Look) -> AddedCell:
    question, answer = row.question, row.prediction.answer
    if question is None or not answer:
        return _EMPTY
    return AddedCell(_written(question, answer, style, row), colour=_unsure(row, look))


def _written(
    question: Question, answer: tuple[int, ...], style: KeyStyle, row: ResultRow
) -> str | int:
    """An answer as the table writes its keys; the prediction's label where that is another one."""
    label = row.prediction.label
    if label != question.label_of(answer) and answer == row.prediction.answer:
        return label  # made by other code, which knows what it calls an option
    return style.written(question, answer)


def _confidence(row: ResultRow, look: Look) -> AddedCell:
    return AddedCell(row.prediction.confidence, "percent", _unsure(row, look))


def _unsure(row: ResultRow, look: Look) -> CellColour:
    return "unsure" if is_unsure(row, look) else ""


def _correctness(row: ResultRow, look: Look) -> AddedCell:
    """Right or wrong; nothing without a key or an answer."""
    question, answer = row.question, row.prediction.answer
    if question is None or question.answer is None or answer is None:
        return _EMPTY
    if answer == question.answer:
        return AddedCell(look.words.right, colour="right")
    return AddedCell(look.words.wrong, colour="wrong")


def _status(row: ResultRow, look: Look) -> AddedCell:
    status = row.prediction.status
    colour: CellColour = "" if status == "answered" else "warning"
    if status == "unusable":
        colour = "error"
    return AddedCell(look.words.statuses[status], colour=colour)


def _set(row: ResultRow, style: KeyStyle, look: Look) -> AddedCell:
    question, indexes = row.question, row.prediction.option_set
    if question is None or not indexes:
        return _EMPTY
    names = (str(style.written(question, (index,))) for index in indexes)
    return AddedCell(look.words.comma.join(names))


def _agreement(row: ResultRow) -> AddedCell:
    return AddedCell(row.prediction.agreement, "percent")


def _probability(number: int) -> Callable[[ResultRow, KeyStyle], AddedCell]:
    def cell(row: ResultRow, _: KeyStyle) -> AddedCell:
        return AddedCell(dict(_shares(row)).get(number), "percent")

    return cell


def _shares(row: ResultRow) -> Iterable[tuple[int, float]]:
    """The probabilities of a row, each with the number of its option, from 0."""
    if row.question is None or not row.prediction.probabilities:
        return ()
    return zip(option_numbers(row.question), row.prediction.probabilities, strict=False)


def _option_names(rows: Iterable[ResultRow]) -> dict[int, str]:
    """A name for each option that has a probability: its label if all questions share it.

    Returns:
        The names by the number of the option, from 0, in that order.
    """
    labels: dict[int, set[str]] = {}
    for row in rows:
        for index, (number, _) in enumerate(_shares(row)):
            assert row.question is not None  # noqa: S101
            labels.setdefault(number, set()).add(row.question.labels[index])
    alike = all(len(names) == 1 for names in labels.values())
    return {n: min(names) if alike else str(n + 1) for n, names in sorted(labels.items())}


def _reason(row: ResultRow, look: Look) -> str:
    return reason_text(row, look.words, look.promise)


def reason_text(row: ResultRow, words: Words, promise: Promise | None) -> str:
    """Why there is no answer, in the language where we have the words.

    Args:
        row: The row.
        words: The words of the language.
        promise: What is promised of the answers, if anything is.
    """
    item = row.prediction
    if row.problems:
        return words.semicolon.join(
            words.detail.format(words=known, detail=problem.message)
            if (known := words.problems.get(problem.code))
            else problem.message
            for problem in row.problems
        )
    if item.status == "withheld" and promise is not None:
        if promise.threshold is None or item.confidence is None:
            return words.no_threshold
        return words.below_threshold.format(
            confidence=share_text(item.confidence), threshold=share_text(promise.threshold)
        )
    return item.reason
