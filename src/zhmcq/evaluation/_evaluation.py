"""How well one set of answers agrees with the keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np

from zhmcq.errors import PredictionError
from zhmcq.evaluation._outcomes import Outcome, clusters_of
from zhmcq.evaluation._statistics import Interval, accuracy_interval

__all__ = ["Evaluation", "GroupAccuracy", "evaluate_outcomes"]

Name = TypeVar("Name", str, int)

CALIBRATION_BINS = 10


class GroupAccuracy(NamedTuple):
    """The accuracy on some of the questions.

    Attributes:
        accuracy: The share of right answers, 0 to 1.
        questions: The number of questions.
        interval: Its 95 % interval, as that of :class:`Evaluation`.
    """

    accuracy: float
    questions: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well questions with keys were answered.

    All intervals are 95 % intervals which take the questions of one group or passage as alike as
    their answers are (see :func:`zhmcq.evaluation.accuracy_interval`).

    Attributes:
        count: The number of questions.
        clusters: The number of groups and passages that they are about.
        correct: The number of right answers; a question without an answer is not right.
        accuracy: The share of right answers, 0 to 1.
        interval: The interval of the accuracy.
        chance: The accuracy to be expected of blind guesses.
        coverage: The share of the questions that have an answer.
        accuracy_answered: The share of right answers among those; ``None`` without any.
        interval_answered: Its interval; ``None`` without any.
        invalid_rate: The share of the questions that no answer could be read or computed for;
            answers that were withheld do not count.
        partial_credit: The mean of :attr:`Outcome.credit` over the questions that may have
            several right options; ``None`` without any.
        by_subject: The accuracy for each subject; ``""`` is none.
        by_kind: For each kind of question.
        by_source: For each source that the questions name; ``""`` is none.
        by_sheet: For each sheet of the workbook; ``""`` is none.
        by_position: For each position of the key among the options, counted from 1, of the
            questions with one right option.
        calibration_error: Expected calibration error over ten bins of equal width: the mean gap
            between confidence and accuracy (Naeini et al., 2015). ``None`` without confidences.
        answers: How often each label was answered; ``""`` for no answer.
        keys: How often each label is the key.
    """

    count: int
    clusters: int
    correct: int
    accuracy: float
    interval: Interval
    chance: float
    coverage: float
    accuracy_answered: float | None
    interval_answered: Interval | None
    invalid_rate: float
    partial_credit: float | None
    by_subject: Mapping[str, GroupAccuracy] = field(repr=False)
    by_kind: Mapping[str, GroupAccuracy] = field(repr=False)
    by_source: Mapping[str, GroupAccuracy] = field(repr=False)
    by_sheet: Mapping[str, GroupAccuracy] = field(repr=False)
    by_position: Mapping[int, GroupAccuracy] = field(repr=False)
    calibration_error: float | None
    answers: Mapping[str, int] = field(repr=False)
    keys: Mapping[str, int] = field(repr=False)

    def __str__(self) -> str:
        low, high = self.interval
        text = (
            f"{self.accuracy:.1%} right ({self.correct} of {self.count}; 95 % interval "
            f"{low:.1%} to {high:.1%})"
        )
        if self.accuracy_answered is not None and self.coverage < 1:
            text += f"; {self.accuracy_answered:.1%} of the {self.coverage:.1%} answered"
        return text


def evaluate_outcomes(outcomes: Sequence[Outcome]) -> Evaluation:
    """Accuracy, intervals and calibration of outcomes.

    Args:
        outcomes: One for each question with a key.

    Raises:
        PredictionError: If there are none.
    """
    if not outcomes:
        raise PredictionError(
            "expected answered questions with keys to evaluate, found none: predict a bank whose "
            "questions have answers"
        )
    clusters = clusters_of([outcome.question for outcome in outcomes])
    marked = list(zip(outcomes, clusters, strict=True))
    whole = _accuracy(marked)
    answered = [(outcome, cluster) for outcome, cluster in marked if outcome.answer is not None]
    of_answered = _accuracy(answered) if answered else None
    invalid = sum(o.answer is None and not o.withheld for o in outcomes)
    points = [o.credit for o in outcomes if o.question.kind == "multiple"]
    return Evaluation(
        count=len(outcomes),
        clusters=len(set(clusters)),
        correct=sum(outcome.correct for outcome in outcomes),
        accuracy=whole.accuracy,
        interval=whole.interval,
        chance=sum(outcome.chance for outcome in outcomes) / len(outcomes),
        coverage=len(answered) / len(outcomes),
        accuracy_answered=of_answered.accuracy if of_answered else None,
        interval_answered=of_answered.interval if of_answered else None,
        invalid_rate=invalid / len(outcomes),
        partial_credit=sum(points) / len(points) if points else None,
        by_subject=_grouped(marked, lambda outcome: outcome.question.subject),
        by_kind=_grouped(marked, lambda outcome: str(outcome.question.kind)),
        by_source=_grouped(marked, lambda outcome: outcome.question.source),
        by_sheet=_grouped(marked, _sheet),
        by_position=_grouped(
            [(o, cluster) for o, cluster in marked if o.question.kind != "multiple"],
            lambda outcome: (outcome.question.answer or (-1,))[0] + 1,
        ),
        calibration_error=_calibration_error(outcomes),
        answers=_counts([outcome.label for outcome in outcomes]),
        keys=_counts([outcome.key for outcome in outcomes]),
    )


def _accuracy(marked: Sequence[tuple[Outcome, int]]) -> GroupAccuracy:
    correct = [outcome.correct for outcome, _ in marked]
    interval = accuracy_interval(correct, [cluster for _, cluster in marked])
    return GroupAccuracy(sum(correct) / len(correct), len(correct), interval)


def _grouped(
    marked: Sequence[tuple[Outcome, int]], name_of: Callable[[Outcome], Name]
) -> dict[Name, GroupAccuracy]:
    groups: dict[Name, list[tuple[Outcome, int]]] = {}
    for outcome, cluster in marked:
        groups.setdefault(name_of(outcome), []).append((outcome, cluster))
    return {name: _accuracy(groups[name]) for name in sorted(groups)}


def _sheet(outcome: Outcome) -> str:
    origin = outcome.question.origin
    return origin.sheet if origin else ""


def _calibration_error(outcomes: Sequence[Outcome]) -> float | None:
    """Expected calibration error: the gaps of the bins, weighted by their shares of answers."""
    scored = [outcome for outcome in outcomes if outcome.confidence is not None]
    if not scored:
        return None
    confidence = np.array([outcome.confidence for outcome in scored], dtype=float)
    correct = np.array([outcome.correct for outcome in scored], dtype=float)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = []
    for number in np.unique(bins):
        within = bins == number
        gaps.append(abs(confidence[within].mean() - correct[within].mean()) * within.mean())
    return float(sum(gaps))


def _counts(labels: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(labels).items()))
