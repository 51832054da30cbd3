"""How well one set of answers agrees with the keys."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from zhmcq._phrases import terminal_language
from zhmcq.errors import PredictionError
from zhmcq.evaluation._outcomes import Outcome, clusters_of
from zhmcq.evaluation._risk_coverage import (
    RiskCoveragePoint,
    refuse_other_outcomes,
    risk_coverage_curve,
)
from zhmcq.evaluation._sentences import evaluation_sentence
from zhmcq.evaluation._statistics import Interval, accuracy_interval
from zhmcq.evaluation._views import evaluation_html, evaluation_text
from zhmcq.reports._page import WORDS

__all__ = ["Evaluation", "GroupAccuracy", "ReliabilityBin", "evaluate_outcomes"]

Name = TypeVar("Name", str, int)

BINS = 10  # of confidence, of equal width


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


class ReliabilityBin(NamedTuple):
    """The answers whose confidence is in one range.

    Attributes:
        low: The lower end of the range, included.
        high: Its upper end, excluded but for 1.
        questions: How many answers are in it.
        confidence: Their mean confidence.
        accuracy: The share of right ones among them.
        interval: Its 95 % interval.
    """

    low: float
    high: float
    questions: int
    confidence: float
    accuracy: float
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
        calibrated: Whether the confidences were fitted to be probabilities
            (:class:`zhmcq.manifest.Calibration`).
        calibration_error: Expected calibration error over ten bins of equal width: the mean gap
            between confidence and accuracy (Naeini et al., 2015). ``None`` without confidences.
        calibration_noise: What that error would be on average, by chance alone, if each
            confidence were the probability that the answer is right: no model can show less.
        brier: Brier score of the confidences (Brier, 1950): the mean squared gap between the
            confidence and 1 for a right answer, 0 for a wrong one. ``None`` without any.
        reliability: For each bin of confidence that holds answers, how many of them are right.
        risk_coverage: The error among the surest answers, for each confidence from which they may
            be given (:func:`zhmcq.evaluation.risk_coverage_curve`).
        answers: How often each label was answered; ``""`` for no answer.
        keys: How often each label is the key.
        outcomes: What became of each question, in their order.
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
    calibrated: bool
    calibration_error: float | None
    calibration_noise: float | None
    brier: float | None
    reliability: tuple[ReliabilityBin, ...] = field(repr=False)
    risk_coverage: tuple[RiskCoveragePoint, ...] = field(repr=False)
    answers: Mapping[str, int] = field(repr=False)
    keys: Mapping[str, int] = field(repr=False)
    outcomes: tuple[Outcome, ...] = field(repr=False)

    def __repr__(self) -> str:
        return f"<Evaluation: {self._in_english()}>"

    def __str__(self) -> str:
        if terminal_language() == "zh-Hant":
            return evaluation_sentence(self, WORDS["zh-Hant"])
        return self._in_english()

    def _in_english(self) -> str:
        low, high = self.interval
        text = (
            f"{self.accuracy:.1%} right ({self.correct} of {self.count}; 95 % interval "
            f"{low:.1%} to {high:.1%})"
        )
        if self.accuracy_answered is not None and self.coverage < 1:
            text += f"; {self.accuracy_answered:.1%} of the {self.coverage:.1%} answered"
        return text

    def text(self) -> str:
        """The figures as a table for people to read, by sheet, subject, kind and position.

        Of these, those that divide the questions into at least two parts.
        """
        return evaluation_text(self)

    def _repr_html_(self) -> str:  # what a notebook shows
        return evaluation_html(self)


def evaluate_outcomes(outcomes: Sequence[Outcome]) -> Evaluation:
    """Accuracy, intervals and calibration of outcomes.

    Args:
        outcomes: One for each question with a key.

    Raises:
        PredictionError: If there are none, or other things.
    """
    refuse_other_outcomes(outcomes, "evaluate_outcomes")
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
    scored = _Scored.of(marked)
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
        calibrated=any(o.calibrated for o in outcomes),
        calibration_error=scored.error(),
        calibration_noise=scored.noise(),
        brier=scored.brier(),
        reliability=scored.table(),
        risk_coverage=risk_coverage_curve(outcomes),
        answers=_counts([outcome.label for outcome in outcomes]),
        keys=_counts([outcome.key for outcome in outcomes]),
        outcomes=tuple(outcomes),
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


@dataclass(frozen=True, slots=True)
class _Scored:
    """The answers that have a confidence, by bins of it.

    Attributes:
        confidence: Their confidences, 0 to 1.
        correct: Whether each is right.
        clusters: The cluster of each.
        bins: The bin of each.
    """

    confidence: NDArray[np.float64]
    correct: NDArray[np.float64]
    clusters: NDArray[np.int64]
    bins: NDArray[np.int64]

    @classmethod
    def of(cls, marked: Sequence[tuple[Outcome, int]]) -> Self:
        scored = [(o, o.confidence, cluster) for o, cluster in marked if o.answer is not None]
        rows = [(share, o.correct, cluster) for o, share, cluster in scored if share is not None]
        confidence = np.array([share for share, _, _ in rows], dtype=np.float64)
        bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
        correct = np.array([right for _, right, _ in rows], dtype=np.float64)
        return cls(confidence, correct, np.array([c for _, _, c in rows], dtype=np.int64), bins)

    def table(self) -> tuple[ReliabilityBin, ...]:
        """The bins that hold answers."""
        rows = []
        for number in np.unique(self.bins).tolist():
            within = self.bins == number
            right, clusters = self.correct[within] > 0, self.clusters[within].tolist()
            rows.append(
                ReliabilityBin(
                    number / BINS,
                    (number + 1) / BINS,
                    int(within.sum()),
                    float(self.confidence[within].mean()),
                    float(right.mean()),
                    accuracy_interval(right.tolist(), clusters),
                )
            )
        return tuple(rows)

    def error(self) -> float | None:
        """The gaps of the bins, weighted by their shares of the answers."""
        gaps = np.bincount(self.bins, weights=self.confidence - self.correct, minlength=BINS)
        return float(np.abs(gaps).sum() / len(self.bins)) if len(self.bins) else None

    def noise(self) -> float | None:
        """What the error of perfectly calibrated answers would be: the mean of |normal| a bin."""
        variance = self.confidence * (1 - self.confidence)
        spreads = np.sqrt(np.bincount(self.bins, weights=variance, minlength=BINS))
        count = len(self.bins)
        return float(math.sqrt(2 / math.pi) * spreads.sum() / count) if count else None

    def brier(self) -> float | None:
        """The mean squared gap between confidence and being right."""
        count = len(self.bins)
        return float(((self.confidence - self.correct) ** 2).mean()) if count else None


def _counts(labels: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(labels).items()))
