"""Answers with a promise: from which confidence on at most so many are wrong, and with what right.

Learn then Test (Angelopoulos et al., 2021): thresholds of confidence are tested from the strictest
to the loosest on answers whose keys are known, each by the exact binomial bound, until one fails.
The thresholds and their order are fixed before an answer is seen, so that the chance to accept any
of them wrongly is at most 1 - certainty. The promise holds for questions drawn like those it was
tested on. ``tests/benchmarks/promises.py`` measures how often it is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhmcq._phrases.summaries import promise_summary
from zhmcq.errors import SettingsError

__all__ = ["Promise", "certify", "option_sets", "set_threshold"]

# Trained models are often surer than 0.99, so that the strict end is looked at closely.
THRESHOLDS = (
    *(1 - share for share in np.geomspace(1e-6, 0.02, 40).tolist()),
    *np.linspace(0.97, 0.0, 98).round(2).tolist(),
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised of the answers that are given.

    Attributes:
        max_error: The share of wrong answers that is not to be exceeded, 0 to 1.
        certainty: How sure that is, 0 to 1: of so many sets of calibration questions, that share
            would give a threshold that holds.
        threshold: The confidence from which answers are given; ``None`` where no threshold could
            be certified, so that none is.
        questions: How many calibration questions had an answer with a confidence.
        answered: How many of them reach the threshold.
        errors: How many of those are wrong.
        required: The fewest calibration questions that could certify anything: that many answers
            without an error.
    """

    max_error: float
    certainty: float
    threshold: float | None
    questions: int
    answered: int
    errors: int
    required: int

    def __str__(self) -> str:
        return promise_summary(
            self.threshold,
            max_error=self.max_error,
            certainty=self.certainty,
            questions=self.questions,
            answered=self.answered,
            errors=self.errors,
            required=self.required,
        )


def certify(
    confidences: Sequence[float],
    correct: Sequence[bool],
    clusters: Sequence[int],
    *,
    max_error: float,
    certainty: float,
) -> Promise:
    """The loosest threshold of confidence that keeps a promise.

    Questions of one passage are wrong together, so that their number counts for less: it is
    divided by the design effect, the larger of what all wrong answers show and of what those above
    the threshold do, and never less than 1.

    Args:
        confidences: The confidence of each calibration answer, 0 to 1.
        correct: Whether each is right.
        clusters: The number of the cluster of each: those of one group or passage share it.
        max_error: The share of wrong answers that is not to be exceeded, above 0 and below 1.
        certainty: How sure that is to be, above 0 and below 1.

    Raises:
        SettingsError: If ``max_error`` or ``certainty`` is no such number.
    """
    _refuse_other_shares(max_error=max_error, certainty=certainty)
    required = math.ceil(math.log(1 - certainty) / math.log(1 - max_error))
    sure = np.asarray(confidences, dtype=np.float64)
    wrong = ~np.asarray(correct, dtype=bool)
    _, of_question = np.unique(np.asarray(clusters), return_inverse=True)
    alike = _likeness(wrong, of_question)
    chosen: tuple[float | None, int, int] = (None, 0, 0)
    for threshold in THRESHOLDS:
        given = sure >= threshold
        count, errors = int(given.sum()), int(wrong[given].sum())
        effect = _effect(wrong[given], of_question[given], alike) if count else 1.0
        if count / effect < required:
            continue
        if _tail(count / effect, errors / effect, max_error) > 1 - certainty:
            break
        chosen = (threshold, count, errors)
    threshold_found, answered, errors_found = chosen
    return Promise(
        max_error, certainty, threshold_found, len(sure), answered, errors_found, required
    )


def set_threshold(
    key_probabilities: Sequence[float], clusters: Sequence[int], *, max_error: float
) -> float:
    """The probability from which options belong to a set that misses the key rarely enough.

    Conformal risk control (Angelopoulos et al., 2022): the largest threshold for which the share of
    calibration keys below it, with one more missed, is at most ``max_error``. Each passage counts
    as one draw. With too few of them it is 0: every set holds all options.

    Args:
        key_probabilities: For each calibration question the probability of its key; of several
            right options, the smallest.
        clusters: The number of the cluster of each.
        max_error: The expected share of sets without the key that is not to be exceeded.

    Raises:
        SettingsError: If ``max_error`` is not above 0 and below 1.
    """
    _refuse_other_shares(max_error=max_error)
    draws = len(set(clusters))
    ordered = np.sort(np.asarray(key_probabilities, dtype=np.float64))
    # (draws * missed / count + 1) / (draws + 1) <= max_error
    allowed = (max_error * (draws + 1) - 1) / draws * len(ordered) if draws else -1.0
    if allowed < 0:
        return 0.0
    return float(ordered[min(int(allowed + 1e-9), len(ordered) - 1)])


def option_sets(
    probabilities: Sequence[Sequence[float]], threshold: float
) -> list[tuple[int, ...]]:
    """For each question the indexes of the options whose probability reaches a threshold.

    The most probable option is always one of them, so that no set is empty.
    """
    sets = []
    for shares in probabilities:
        best = max(range(len(shares)), key=lambda index: shares[index])
        sets.append(tuple(i for i, share in enumerate(shares) if share >= threshold or i == best))
    return sets


def _refuse_other_shares(**shares: float) -> None:
    for name, value in shares.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < 1:
            raise SettingsError(
                f"{name}={value!r:.80}: expected a number between 0 and 1, both excluded, such as "
                "0.05"
            )


def _tail(count: float, errors: float, share: float) -> float:
    """The chance of at most so many errors if each answer is wrong with this chance.

    The binomial distribution's, which the beta function continues to numbers that are not whole.
    """
    from scipy.special import betainc

    return 1.0 if errors >= count else float(betainc(count - errors, errors + 1, 1 - share))


def _likeness(wrong: NDArray[np.bool_], of_question: NDArray[np.int64]) -> float:
    """How alike the answers about one passage are: 0 as chance has it, 1 all or none wrong."""
    if not len(wrong):
        return 0.0
    sizes = np.bincount(of_question)
    largest = float((sizes**2).sum()) / len(wrong)
    if largest <= 1:
        return 0.0
    return min(1.0, (_between(wrong, of_question) - 1) / (largest - 1))


def _effect(wrong: NDArray[np.bool_], of_question: NDArray[np.int64], alike: float) -> float:
    """The design effect among some answers."""
    sizes = np.bincount(of_question)
    largest = float((sizes**2).sum()) / len(wrong)
    seen = _between(wrong, of_question) if wrong.any() else 1.0
    return max(1.0, 1 + alike * (largest - 1), seen)


def _between(wrong: NDArray[np.bool_], of_question: NDArray[np.int64]) -> float:
    """The variance between passages over that of independent answers; at least 1."""
    share = float(wrong.mean())
    sizes = np.bincount(of_question)
    passages = int(np.count_nonzero(sizes))
    independent = share * (1 - share) * len(wrong)
    if not independent or passages < 2 or passages == len(wrong):
        return 1.0
    sums = np.bincount(of_question, weights=wrong.astype(np.float64))
    residuals = sums - share * sizes
    between = passages / (passages - 1) * float((residuals**2).sum())
    return max(1.0, between / independent)
