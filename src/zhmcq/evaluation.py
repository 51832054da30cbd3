"""How far to trust answers: accuracy with intervals, paired tests, calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from zhmcq.errors import PredictionError

__all__ = [
    "Comparison",
    "Evaluation",
    "HasOutcomes",
    "Outcome",
    "SubjectAccuracy",
    "compare",
    "evaluate_outcomes",
    "wilson",
]

Interval = tuple[float, float]  # its lower and its upper end

CALIBRATION_BINS = 10
NORMAL_QUANTILE = 1.959964  # of 0.975: a standard normal value is within ± this in 95 % of cases


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one question that has a key.

    Attributes:
        id: The question's id.
        stem: The question's stem.
        subject: Its subject; ``""`` without one.
        key: The key, in the question's labels.
        label: The answer, in the question's labels; ``""`` without one.
        confidence: The answer's share of the candidates' likelihoods, 0 to 1; ``None`` where
            there is none.
    """

    id: str
    stem: str
    subject: str
    key: str
    label: str
    confidence: float | None

    @property
    def correct(self) -> bool:
        """Whether the answer is the key."""
        return self.label == self.key


class SubjectAccuracy(NamedTuple):
    """The accuracy on the questions of one subject.

    Attributes:
        accuracy: The share of right answers, 0 to 1.
        questions: The number of questions.
    """

    accuracy: float
    questions: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well questions with keys were answered.

    Attributes:
        count: The number of questions.
        correct: The number of right answers; a question without an answer is not right.
        accuracy: The share of right answers, 0 to 1.
        interval: 95 % Wilson interval of the accuracy. It takes questions as independent; those
            of one passage are less so, which makes it somewhat too narrow.
        by_subject: For each subject its accuracy and its number of questions.
        invalid_rate: The share of questions without an answer.
        calibration_error: Expected calibration error over ten bins of equal width: the mean gap
            between confidence and accuracy (Naeini et al., 2015). ``None`` without confidences.
        answers: How often each label was answered; ``""`` for no answer.
        keys: How often each label is the key.
    """

    count: int
    correct: int
    accuracy: float
    interval: Interval
    by_subject: dict[str, SubjectAccuracy]
    invalid_rate: float
    calibration_error: float | None
    answers: dict[str, int]
    keys: dict[str, int]

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.accuracy:.1%} right ({self.correct} of {self.count}; 95 % interval "
            f"{low:.1%} to {high:.1%})"
        )


def evaluate_outcomes(outcomes: Sequence[Outcome]) -> Evaluation:
    """Accuracy, interval and calibration of outcomes.

    Args:
        outcomes: One for each question with a key.

    Raises:
        PredictionError: If there are none, or other things.
    """
    if not isinstance(outcomes, Sequence) or not all(isinstance(o, Outcome) for o in outcomes):
        raise PredictionError(
            f"evaluate_outcomes({outcomes!r:.60}): expected a list of Outcome, such as "
            "predictions.outcomes() gives"
        )
    if not outcomes:
        raise PredictionError(
            "expected answered questions with keys to evaluate, found none: predict a bank whose "
            "questions have answers"
        )
    count = len(outcomes)
    correct = sum(outcome.correct for outcome in outcomes)
    subjects: dict[str, list[bool]] = {}
    for outcome in outcomes:
        subjects.setdefault(outcome.subject, []).append(outcome.correct)
    return Evaluation(
        count=count,
        correct=correct,
        accuracy=correct / count,
        interval=wilson(correct, count),
        by_subject={
            subject: SubjectAccuracy(sum(marks) / len(marks), len(marks))
            for subject, marks in sorted(subjects.items())
        },
        invalid_rate=sum(not outcome.label for outcome in outcomes) / count,
        calibration_error=_calibration_error(outcomes),
        answers=_counts([outcome.label for outcome in outcomes]),
        keys=_counts([outcome.key for outcome in outcomes]),
    )


def wilson(correct: int, count: int) -> Interval:
    """95 % Wilson score interval of a proportion (Wilson, 1927).

    Args:
        correct: How many of the questions were answered rightly.
        count: The number of questions.
    """
    from scipy.stats import binomtest

    interval = binomtest(correct, count).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


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


class HasOutcomes(Protocol):
    """Answers whose outcomes can be compared, such as ``Predictions``."""

    def outcomes(self) -> list[Outcome]:
        """One outcome for each question that has a key."""
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sets of answers to the same questions, compared question by question.

    Attributes:
        base: The evaluation of the first set, say of the base model.
        tuned: The evaluation of the second set, say of the tuned model.
        difference: The accuracy of the second less that of the first.
        interval: 95 % interval of the difference for paired answers, with half an answer added
            to each cell of the table of agreement (Agresti and Min, 2005).
        p_value: The p-value of McNemar's exact test: how often chance alone would make a
            difference at least this large.
        gained: Outcomes of the second set where it alone is right.
        lost: Outcomes of the second set where the first alone is right.
    """

    base: Evaluation
    tuned: Evaluation
    difference: float
    interval: Interval
    p_value: float
    gained: tuple[Outcome, ...]
    lost: tuple[Outcome, ...]

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.base.accuracy:.1%} → {self.tuned.accuracy:.1%} on {self.base.count} questions "
            f"({self.difference:+.1%}; 95 % interval {low:+.1%} to {high:+.1%}; "
            f"exact McNemar p = {self.p_value:.2g})"
        )

    def to_html(self, path: str | Path) -> None:
        """Write the comparison as one html page, with every question that changed.

        Args:
            path: The file; an older one is replaced.

        Raises:
            OutputError: If it cannot be written.
        """
        from zhmcq.reports._html import Bar, ChangedAnswer, FigureRow, write_comparison

        sides = {"base": self.base, "tuned": self.tuned}

        def changed(outcomes: Sequence[Outcome]) -> list[ChangedAnswer]:
            return [ChangedAnswer(o.id, o.stem, o.key, o.label or "—") for o in outcomes]

        base, tuned = self._figures(self.base), self._figures(self.tuned)
        write_comparison(
            path,
            summary=str(self),
            bars=[Bar(name, side.accuracy, side.interval) for name, side in sides.items()],
            figures=[FigureRow(name, figure, tuned[name]) for name, figure in base.items()],
            changes={
                "Right only after tuning": changed(self.gained),
                "Right only before tuning": changed(self.lost),
            },
        )

    def _figures(self, side: Evaluation) -> dict[str, str]:
        """The figures of one side as they are shown, by their names."""
        error = side.calibration_error
        figures = {
            "Questions": f"{side.count:,}",
            "Right": f"{side.correct:,}",
            "Accuracy": f"{side.accuracy:.1%}",
            "95 % interval": "{:.1%} – {:.1%}".format(*side.interval),
            "Without an answer": f"{side.invalid_rate:.1%}",
            "Calibration error": "—" if error is None else f"{error:.3f}",
        }
        subjects = self.base.by_subject
        if len(subjects) > 1:
            for subject, (_, count) in subjects.items():
                # The second bank may have other subjects.
                on_this_side = side.by_subject.get(subject)
                share = "—" if on_this_side is None else f"{on_this_side.accuracy:.1%}"
                figures[f"{subject or 'No subject'} ({count:,})"] = share
        return figures


def compare(base: HasOutcomes, tuned: HasOutcomes) -> Comparison:
    """Compare two sets of answers to the same questions, question by question.

    Args:
        base: The first set, say the base model's predictions.
        tuned: The second set, say the tuned model's predictions for the same questions.

    Raises:
        PredictionError: If the questions or their keys are not the same, or none has a key; if one
            set is no predictions.
    """
    from scipy.stats import binomtest

    for side in (base, tuned):
        if not callable(getattr(side, "outcomes", None)):
            raise PredictionError(
                f"compare(…): expected Predictions, such as predict(…) returns, found "
                f"{side!r:.60} ({type(side).__name__})"
            )
    first = {outcome.id: outcome for outcome in base.outcomes()}
    second = {outcome.id: outcome for outcome in tuned.outcomes()}
    if first.keys() != second.keys():
        unmatched = sorted(first.keys() ^ second.keys())
        raise PredictionError(
            f"expected answers to the same questions, found {len(unmatched)} answered by one side "
            f"only ({', '.join(unmatched[:5])}): predict the same bank with both"
        )
    for name, left in first.items():
        right = second[name]
        if (left.stem, left.key) != (right.stem, right.key):
            raise PredictionError(
                f"expected answers to the same questions, but {name!r} is {left.stem[:30]!r} (key "
                f"{left.key}) on one side and {right.stem[:30]!r} (key {right.key}) on the other: "
                "predict the same bank with both"
            )
    gained = tuple(o for i, o in second.items() if o.correct and not first[i].correct)
    lost = tuple(o for i, o in second.items() if first[i].correct and not o.correct)
    changed = len(gained) + len(lost)
    p_value = float(binomtest(len(gained), changed).pvalue) if changed else 1.0
    return Comparison(
        base=evaluate_outcomes(list(first.values())),
        tuned=evaluate_outcomes(list(second.values())),
        difference=(len(gained) - len(lost)) / len(first),
        interval=_paired_interval(len(gained), len(lost), len(first)),
        p_value=p_value,
        gained=gained,
        lost=lost,
    )


def _paired_interval(gained: int, lost: int, count: int) -> Interval:
    """Wald interval of a paired difference, with 0.5 added to each of the four cells."""
    total = count + 2
    up, down = (gained + 0.5) / total, (lost + 0.5) / total
    spread = NORMAL_QUANTILE * math.sqrt((up + down - (up - down) ** 2) / total)
    return max(-1.0, up - down - spread), min(1.0, up - down + spread)
