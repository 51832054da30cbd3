"""Answers and unusable rows in the order of the input, each with the name that outputs give it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple, Protocol

from zhmcq.prediction._predictions import Prediction, Predictions
from zhmcq.questions import Origin, Question, RowProblem, SourceId
from zhmcq.zh._fold import tidy

__all__ = ["ResultRow", "result_rows", "written_id"]


class ResultRow(NamedTuple):
    """One row of the input.

    Attributes:
        source: The question, or the first problem of a row that is none.
        prediction: Its answer; without one, and with the reason, for a row that is no question.
        problems: What keeps the row from being a question.
    """

    source: Question | RowProblem
    prediction: Prediction
    problems: tuple[RowProblem, ...] = ()

    @property
    def question(self) -> Question | None:
        """The question, if the row is one."""
        return self.source if isinstance(self.source, Question) else None

    @property
    def origin(self) -> Origin | None:
        """Where it was read from."""
        return self.source.origin


class TakenNames(Protocol):
    """The names that rows have: a set, or what takes less memory for a stream."""

    def __contains__(self, name: str, /) -> bool: ...
    def add(self, name: str, /) -> object:
        """Remember a name."""


def result_rows(predictions: Predictions, taken: TakenNames | None = None) -> Iterator[ResultRow]:
    """Answers and unusable rows, in the order of the input; a row with two problems once.

    Args:
        predictions: The answers; of a stream, those of one part.
        taken: The names of rows before these.
    """
    if taken is None:
        taken = set()
    unusable: dict[int, dict[Origin, list[RowProblem]]] = {}
    for problem in predictions.bank.problems:
        if problem.severity == "error" and problem.row:
            by_row = unusable.setdefault(problem.position, {})
            by_row.setdefault(problem.origin, []).append(problem)
    pairs = list(zip(predictions.bank, predictions, strict=True))
    for item in predictions:
        taken.add(str(written_id(item)))
    for position in range(len(pairs) + 1):
        for problems in unusable.get(position, {}).values():
            reason = "; ".join(problem.message for problem in problems)
            name = problems[0].source_id
            written = _row_name(problems[0])
            if _is_blank(name):
                written = _free_name(written, problems[0], taken)
                taken.add(written)
            empty = Prediction(written, None, "", status="unusable", reason=reason, source_id=name)
            yield ResultRow(problems[0], empty, tuple(problems))
        if position < len(pairs):
            yield ResultRow(*pairs[position])


def written_id(item: Prediction) -> SourceId:
    """The source's own id cell, or the question's id where there is none."""
    return item.id if _is_blank(item.source_id) else item.source_id


def _is_blank(value: SourceId) -> bool:
    """Whether an id cell names nothing: it is empty, blank or no number."""
    return value is None or value != value or (isinstance(value, str) and not tidy(value))


def _row_name(problem: RowProblem) -> str:
    """What an unusable row is called: by its own id, else by its row."""
    if _is_blank(problem.source_id):
        return f"row{problem.row}"
    return str(problem.source_id)


def _free_name(name: str, problem: RowProblem, taken: TakenNames) -> str:
    """A row's name that no other row has: rows of other sheets have the same numbers."""
    sheet = problem.sheet or Path(problem.file).stem
    names = [name, f"{sheet}:{name}"] if sheet else [name]
    numbered = (f"{names[-1]}#{number}" for number in count(2))
    return next(free for free in chain(names, numbered) if free not in taken)
