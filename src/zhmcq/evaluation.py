"""How far to trust answers: accuracy with intervals, paired tests, calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from zhmcq.errors import PredictionError

__all__ = ["Comparison", "Evaluation", "Outcome", "compare", "evaluate_outcomes"]

Interval = tuple[float, float]

CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one question with a key.

    Attributes:
        id: The question's id.
        stem: What was asked.
        subject: Its subject, ``""`` without one.
        key: The key, in the question's labels.
        label: The answer, in the question's labels; ``""`` without one.
        confidence: The answer's probability among the candidates; ``None`` where it has none.
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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of answers to questions with keys.

    Attributes:
        count: Questions.
        correct: Right answers; a question without an answer is not right.
        accuracy: Their share.
        interval: 95 % Wilson interval of the accuracy. It takes questions as independent; those
            of one passage are less so, which makes it somewhat narrow.
        by_subject: For each subject its accuracy and number of questions.
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
    by_subject: dict[str, tuple[float, int]]
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
    """Figures of outcomes.

    Raises:
        PredictionError: If there are none.
    """
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
            subject: (sum(marks) / len(marks), len(marks))
            for subject, marks in sorted(subjects.items())
        },
        invalid_rate=sum(not outcome.label for outcome in outcomes) / count,
        calibration_error=_calibration_error(outcomes),
        answers=_counts([outcome.label for outcome in outcomes]),
        keys=_counts([outcome.key for outcome in outcomes]),
    )


def wilson(correct: int, count: int) -> Interval:
    """95 % Wilson score interval of a proportion (Wilson, 1927)."""
    from scipy.stats import binomtest

    found = binomtest(correct, count).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def _calibration_error(outcomes: Sequence[Outcome]) -> float | None:
    pairs = [(o.confidence, o.correct) for o in outcomes if o.confidence is not None]
    if not pairs:
        return None
    confidence = np.array([pair[0] for pair in pairs])
    correct = np.array([pair[1] for pair in pairs], dtype=float)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [
        abs(confidence[bins == b].mean() - correct[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def _counts(labels: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(labels).items()))


class HasOutcomes(Protocol):
    """Answers whose outcomes can be compared, such as ``Predictions``."""

    def outcomes(self) -> list[Outcome]:
        """One outcome for each question with a key."""
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sets of answers to the same questions.

    Attributes:
        base: Figures of the first.
        tuned: Figures of the second.
        difference: Accuracy of the second less that of the first.
        interval: 95 % interval of the difference for paired answers, with half an answer added
            to each cell of the table of agreement (Agresti and Min, 2005).
        p_value: Of McNemar's exact test: how often chance alone would make a difference at least
            this large.
        gained: Outcomes that only the second has right.
        lost: Outcomes, of the second, that only the first has right.
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
        from zhmcq.reports.html import Bar, write_comparison

        sides = {"base": self.base, "tuned": self.tuned}
        write_comparison(
            path,
            summary=str(self),
            bars=[Bar(name, side.accuracy, side.interval) for name, side in sides.items()],
            figures=[(name, (first, second)) for name, first, second in self._figures()],
            changes={
                "Right only after tuning": [_change(outcome) for outcome in self.gained],
                "Right only before tuning": [_change(outcome) for outcome in self.lost],
            },
        )

    def _figures(self) -> list[tuple[str, str, str]]:
        sides = (self.base, self.tuned)
        rows = [
            ("Questions", *(f"{side.count:,}" for side in sides)),
            ("Right", *(f"{side.correct:,}" for side in sides)),
            ("Accuracy", *(f"{side.accuracy:.1%}" for side in sides)),
            ("95 % interval", *("{:.1%} – {:.1%}".format(*side.interval) for side in sides)),
            ("Without an answer", *(f"{side.invalid_rate:.1%}" for side in sides)),
            ("Calibration error", *(_three_digits(side.calibration_error) for side in sides)),
        ]
        if len(self.base.by_subject) > 1:
            for subject, (_, count) in self.base.by_subject.items():
                # The second bank may name its subjects otherwise.
                shares = (
                    f"{side.by_subject[subject][0]:.1%}" if subject in side.by_subject else "—"
                    for side in sides
                )
                rows.append((f"{subject or 'No subject'} ({count:,})", *shares))
        return [(name, first, second) for name, first, second in rows]


def _three_digits(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"


def _change(outcome: Outcome) -> tuple[str, str, str, str]:
    return (outcome.id, outcome.stem, outcome.key, outcome.label or "—")


def compare(base: HasOutcomes, tuned: HasOutcomes) -> Comparison:
    """Compare two predictors' answers to the same questions, question by question.

    Args:
        base: Answers of the first, say of the base model.
        tuned: Answers of the second to the same questions.

    Raises:
        PredictionError: If the questions or their keys are not the same, or none has a key.
    """
    from scipy.stats import binomtest

    first = {outcome.id: outcome for outcome in base.outcomes()}
    second = {outcome.id: outcome for outcome in tuned.outcomes()}
    if first.keys() != second.keys():
        odd = sorted(first.keys() ^ second.keys())
        raise PredictionError(
            f"expected answers to the same questions, found {len(odd)} answered by one side only "
            f"({', '.join(odd[:5])}): predict the same bank with both"
        )
    for name, one in first.items():
        other = second[name]
        if (one.stem, one.key) != (other.stem, other.key):
            raise PredictionError(
                f"expected answers to the same questions, but {name!r} is {one.stem[:30]!r} (key "
                f"{one.key}) on one side and {other.stem[:30]!r} (key {other.key}) on the other: "
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
    total = count + 2
    up, down = (gained + 0.5) / total, (lost + 0.5) / total
    spread = 1.959964 * math.sqrt((up + down - (up - down) ** 2) / total)
    return max(-1.0, up - down - spread), min(1.0, up - down + spread)
