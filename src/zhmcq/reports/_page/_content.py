"""What the report page shows, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from zhmcq.questions import Question, RowProblem
from zhmcq.reports._charts import Share
from zhmcq.zh._language import Language

__all__ = [
    "AnswerList",
    "Chart",
    "FigureRow",
    "GroupRow",
    "GroupTable",
    "ListedAnswer",
    "ListedQuestion",
    "Page",
    "PromiseFigures",
]


@dataclass(frozen=True, slots=True)
class ListedAnswer:
    """The answer to one question, as one side has it.

    Attributes:
        answer: 0-based indexes of the chosen options; ``None`` without an answer.
        confidence: Its confidence, 0 to 1; ``None`` where there is none.
        calibrated: Whether confidence and probabilities were fitted to be probabilities.
        probabilities: For each option the probability that it is right; empty without any.
        status: ``"answered"``, or why there is no answer, as ``Prediction`` has it.
        reason: Why there is no answer, or which rule read it: by language, or the same in each.
        reply: What the model wrote.
        agreement: The share of the orders of options that agree; ``None`` where there was one.
        option_set: 0-based indexes of the options that hold the key often enough; empty without.
    """

    answer: tuple[int, ...] | None
    confidence: float | None = None
    calibrated: bool = False
    probabilities: tuple[float, ...] = ()
    status: str = "answered"
    reason: str | Mapping[Language, str] = ""
    reply: str = ""
    agreement: float | None = None
    option_set: tuple[int, ...] = ()


class PromiseFigures(NamedTuple):
    """What is promised of answers that are not withheld.

    Attributes:
        max_error: The share of wrong answers that is not to be exceeded.
        certainty: How sure that is.
        threshold: The confidence from which answers are given; ``None`` where none are.
    """

    max_error: float
    certainty: float
    threshold: float | None


class ListedQuestion(NamedTuple):
    """A row of the source with its answer.

    Attributes:
        id: What it is called in results.
        source: The question, or the problem of a row that is none.
        answer: The answer.
    """

    id: str
    source: Question | RowProblem
    answer: ListedAnswer


@dataclass(frozen=True, slots=True)
class AnswerList:
    """One set of answers, with every row of its source.

    Attributes:
        rows: The rows, in the order of the source.
        headers: The headers of the source, which tell its language.
        promise: What is promised of the answers, if anything is.
    """

    rows: Sequence[ListedQuestion]
    headers: Sequence[str] = ()
    promise: PromiseFigures | None = None


class FigureRow(NamedTuple):
    """One row of the table of figures.

    Attributes:
        word: What the figure is, as a name of ``WORDS``.
        values: The figure of each side, as text.
        note: What is said of each side's value in addition, as a name of ``WORDS``, or ``""``.
    """

    word: str
    values: Sequence[str]
    note: Sequence[str] = ()


class GroupRow(NamedTuple):
    """The accuracies on some of the questions.

    Attributes:
        name: What they have in common; ``""`` where the source does not say.
        questions: How many there are.
        shares: The accuracy of each side; ``None`` where it has none of them.
    """

    name: str
    questions: int
    shares: Sequence[Share | None]


class GroupTable(NamedTuple):
    """Accuracies for parts of the questions.

    Attributes:
        word: What parts them, as a name of ``WORDS``: ``"by_subject"`` …
        rows: The parts.
    """

    word: str
    rows: Sequence[GroupRow]


class Chart(NamedTuple):
    """A drawing.

    Attributes:
        word: What it shows, as a name of ``WORDS``.
        drawings: For each language an SVG element, escaped and without style attributes.
    """

    word: str
    drawings: Mapping[Language, str]


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page shows.

    Attributes:
        sides: The names of the sides, as names of ``WORDS``: one or two.
        questions: The rows of the source, each with the answer of every side; ``None`` where a
            side has none of it.
        summary: The result in one line, by language.
        figures: The table of figures.
        groups: The tables of accuracies by parts.
        charts: The drawings.
        promises: What each side promises, by its name.
        files: The names of the source's files.
        headers: The headers of the source.
        language: The language that the page starts in; ``None`` for that of the source.
    """

    sides: Sequence[str]
    questions: Sequence[tuple[ListedQuestion, Sequence[ListedAnswer | None]]]
    summary: Mapping[Language, str]
    figures: Sequence[FigureRow] = ()
    groups: Sequence[GroupTable] = ()
    charts: Sequence[Chart] = ()
    promises: Mapping[str, PromiseFigures] = field(default_factory=dict)
    files: Sequence[str] = ()
    headers: Sequence[str] = ()
    language: Language | None = None
