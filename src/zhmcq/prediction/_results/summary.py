"""The summary of results: counts, accuracy, groups, what is promised, and what the colours mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from zhmcq._visible import visible
from zhmcq.evaluation import Evaluation, GroupAccuracy, Promise
from zhmcq.prediction._predictions import PredictionStatus
from zhmcq.prediction._results.columns import Look, is_unsure, share_text
from zhmcq.prediction._results.rows import ResultRow
from zhmcq.prediction._results.words import Words
from zhmcq.questions import Question
from zhmcq.reports._workbook import AddedCell, CellColour, NewSheet

if TYPE_CHECKING:
    from zhmcq.prediction._predictions import Predictions

__all__ = ["summary_sheet"]

Line = Sequence[AddedCell]

_WIDTHS = {1: 34, 2: 18, 3: 18, 4: 14, 5: 12, 6: 18}


def summary_sheet(predictions: Predictions, rows: Sequence[ResultRow], look: Look) -> NewSheet:
    """The summary as cells.

    Args:
        predictions: The answers.
        rows: The rows that results have, with those that could not be used.
        look: How answers are shown.
    """
    evaluation = predictions.evaluate() if predictions.outcomes() else None
    words = look.words
    by_sheet, by_subject, by_kind = (
        (evaluation.by_sheet, evaluation.by_subject, evaluation.by_kind)
        if evaluation is not None
        else (None, None, None)
    )
    questions = [row.question for row in rows if row.question is not None]
    # A sheet's name is the subject of its questions where they have no other.
    same = all(_sheet(question) == question.subject for question in questions)
    blocks = [
        _counts(rows, look),
        _accuracy(evaluation, look) if evaluation is not None else [],
        [] if same else _groups(rows, _Grouping(words.by_sheet, _sheet), by_sheet, words),
        _groups(rows, _Grouping(words.by_subject, _subject), by_subject, words),
        _groups(rows, _Grouping(words.by_kind, _kind, words.kinds), by_kind, words),
        _answered_by(predictions, look),
        _legend(rows, look),
    ]
    lines: list[Line] = [[AddedCell(look.words.summary, "header")]]
    for block in blocks:
        lines += [[], *block] if block else []
    cells = {
        (number, column): cell
        for number, line in enumerate(lines, 1)
        for column, cell in enumerate(line, 1)
        if cell.value is not None or cell.colour
    }
    return NewSheet(cells, _WIDTHS, frozen_rows=1)


def _counts(rows: Sequence[ResultRow], look: Look) -> list[Line]:
    words = look.words
    counts = Counter(row.prediction.status for row in rows)
    lines: list[Line] = [_headers(words.status, words.rows, words.share)]
    for status in get_args(PredictionStatus):
        if counts[status]:
            lines.append(_counted(words.statuses[status], counts[status], len(rows)))
    lines.append(_counted(words.total, len(rows), len(rows)))
    unsure = sum(is_unsure(row, look) for row in rows)
    if any(row.prediction.confidence is not None for row in rows):
        text = words.unsure.format(threshold=share_text(look.unsure_below))
        lines.append(_counted(text, unsure, len(rows)))
        meaning = words.calibrated if look.calibrated else words.not_calibrated
        lines.append([AddedCell(words.calibration), AddedCell(meaning)])
    if look.promise is not None:
        lines.append([AddedCell(words.promise), AddedCell(_promise(look.promise, words))])
    return lines


def _accuracy(evaluation: Evaluation, look: Look) -> list[Line]:
    words = look.words
    lines: list[Line] = [
        [AddedCell(words.accuracy, "header"), _percent(evaluation.accuracy)],
        [AddedCell(words.interval), _interval(evaluation.interval)],
        [AddedCell(words.chance), _percent(evaluation.chance)],
        [AddedCell(words.right_answers), AddedCell(evaluation.correct)],
        [AddedCell(words.evaluated), AddedCell(evaluation.count)],
    ]
    if evaluation.interval_answered is not None and evaluation.coverage < 1:
        share = _percent(evaluation.accuracy_answered)
        interval = _interval(evaluation.interval_answered)
        lines.append([AddedCell(words.accuracy_answered), share, interval])
    if evaluation.calibration_error is not None:
        lines += [
            [AddedCell(words.calibration_error), _percent(evaluation.calibration_error)],
            [AddedCell(words.calibration_noise), _percent(evaluation.calibration_noise)],
        ]
    return lines


@dataclass(frozen=True, slots=True)
class _Grouping:
    """How questions are divided into groups.

    Attributes:
        title: What the groups are.
        name_of: The group of a question.
        shown: What groups are called, where that is not their name.
    """

    title: str
    name_of: Callable[[Question], str]
    shown: Mapping[str, str] = field(default_factory=dict)


def _groups(
    rows: Iterable[ResultRow],
    grouping: _Grouping,
    accuracies: Mapping[str, GroupAccuracy] | None,
    words: Words,
) -> list[Line]:
    """A table of groups of questions; none where all are of one group."""
    groups: dict[str, list[ResultRow]] = {}
    for row in rows:
        if row.question is not None:
            groups.setdefault(grouping.name_of(row.question), []).append(row)
    if len(groups) < 2:
        return []
    headers = [grouping.title, words.questions, words.statuses["answered"], words.mean_confidence]
    if accuracies is not None:
        headers += [words.accuracy, words.interval]
    lines: list[Line] = [_headers(*headers)]
    for name, members in groups.items():
        items = [row.prediction for row in members]
        sure = [item.confidence for item in items if item.confidence is not None]
        line = [
            AddedCell(visible(grouping.shown.get(name, name)) or words.unnamed),
            AddedCell(len(members)),
            AddedCell(sum(item.status == "answered" for item in items)),
            _percent(sum(sure) / len(sure) if sure else None),
        ]
        if accuracies is not None and name in accuracies:
            group = accuracies[name]
            line += [_percent(group.accuracy), _interval(group.interval)]
        lines.append(line)
    return lines


def _sheet(question: Question) -> str:
    return question.origin.sheet if question.origin is not None else ""


def _subject(question: Question) -> str:
    return question.subject


def _kind(question: Question) -> str:
    return question.kind


def _promise(promise: Promise, words: Words) -> str:
    """What is promised, in the language of the results."""
    fields = {
        "max_error": share_text(promise.max_error),
        "certainty": share_text(promise.certainty),
        "questions": promise.questions,
        "answered": promise.answered,
        "errors": promise.errors,
        "required": promise.required,
    }
    if promise.threshold is None:
        return words.promised_nothing.format(**fields)
    return words.promised.format(threshold=share_text(promise.threshold), **fields)


def _answered_by(predictions: Predictions, look: Look) -> list[Line]:
    by = predictions.answered_by
    if by is None or not by.model:
        return []
    lines: list[Line] = [[AddedCell(look.words.model, "header"), AddedCell(visible(by.model))]]
    if by.adapter:
        lines.append([AddedCell(look.words.adapter), AddedCell(visible(by.adapter))])
    return lines


def _legend(rows: Sequence[ResultRow], look: Look) -> list[Line]:
    """What the colours mean that these rows have."""
    words = look.words
    items = [row.prediction for row in rows]
    keyed = any(row.question is not None and row.question.answer is not None for row in rows)
    scored = any(item.confidence is not None for item in items)
    without = any(item.status not in ("answered", "unusable") for item in items)
    unusable = any(item.status == "unusable" for item in items)
    unsure = words.legend_unsure.format(threshold=share_text(look.unsure_below))
    meanings: list[tuple[CellColour, str, str, bool]] = [
        ("right", words.correctness, words.legend_right, keyed),
        ("wrong", words.correctness, words.legend_wrong, keyed),
        ("unsure", words.answer, unsure, scored),
        ("warning", words.status, words.legend_warning, without),
        ("error", words.status, words.legend_error, unusable),
    ]
    lines: list[Line] = [
        [AddedCell(column, colour=colour), AddedCell(text)]
        for colour, column, text, used in meanings
        if used
    ]
    return [_headers(words.legend), *lines] if lines else []


def _headers(*names: str) -> list[AddedCell]:
    return [AddedCell(name, "header") for name in names]


def _counted(name: str, count: int, total: int) -> list[AddedCell]:
    return [AddedCell(name), AddedCell(count), _percent(count / total if total else None)]


def _percent(share: float | None) -> AddedCell:
    return AddedCell(share, "percent")


def _interval(interval: tuple[float, float]) -> AddedCell:
    low, high = interval
    return AddedCell(f"{low:.1%} – {high:.1%}", "range")
