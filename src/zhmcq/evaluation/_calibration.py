"""Confidence that means something: from the candidates' log-likelihoods to probabilities.

A softmax of log-likelihoods is a probability only if the model's own are: trained models are too
sure, and where the prompt divides a text's log-likelihood by its length, the quotient is the
logarithm of no probability at all. Two factors, found on validation questions, mend both; what is
still too modest or too sure about the answers themselves is corrected by two more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zhmcq.manifest import LARGEST_WEIGHT, Calibration

__all__ = ["FEWEST_TO_CALIBRATE", "ScoredQuestion", "fit_calibration", "probabilities"]

Numbers = NDArray[np.float64]

FEWEST_TO_CALIBRATE = 50  # questions: one factor is then known to about a tenth
LARGEST_ODDS = 700.0  # whose exponential is a number
SPREAD = 0.5  # by which slope and intercept of the log-odds are expected to differ from 1 and 0


class ScoredQuestion(NamedTuple):
    """What a model computed for a question with a key.

    Attributes:
        sums: For each candidate the sum of the log-likelihoods of its tokens, in nats.
        lengths: For each candidate the number of its tokens, its end included.
        key: The index of the candidate that is the key.
    """

    sums: Sequence[float]
    lengths: Sequence[int]
    key: int


def probabilities(
    calibration: Calibration, sums: Sequence[float], lengths: Sequence[int]
) -> Numbers:
    """The probability of each candidate, together 1.

    Args:
        calibration: The weights of sums and means, and the correction of the most probable.
        sums: For each candidate the sum of its log-likelihoods, in nats.
        lengths: For each candidate the number of its tokens.
    """
    logits = _logits(calibration, sums, lengths)
    if len(logits) == 1:
        return np.ones(1)
    best, odds, rest = _parted(logits, sums)
    corrected = calibration.confidence_slope * odds + calibration.confidence_intercept
    share = 1 / (1 + np.exp(-np.clip(corrected, -LARGEST_ODDS, LARGEST_ODDS)))
    share = max(share, rest.max() / (1 + rest.max()))  # it stays the most probable
    together: Numbers = np.insert((1 - share) * rest, best, share)
    return together


def _logits(calibration: Calibration, sums: Sequence[float], lengths: Sequence[int]) -> Numbers:
    """Logarithms of the candidates' probabilities before the correction, but for a constant."""
    totals = np.asarray(sums, dtype=np.float64)
    means = totals / np.asarray(lengths, dtype=np.float64)
    logits: Numbers = calibration.weight_of_sum * totals + calibration.weight_of_mean * means
    return logits


def _parted(logits: Numbers, sums: Sequence[float]) -> tuple[int, float, Numbers]:
    """The most probable of two or more candidates, and the others.

    Returns:
        Its index, where weights of 0 make all equal that of the largest sum; the logarithm of its
        odds; and the others' shares of what is left.
    """
    best = max(range(len(logits)), key=lambda index: (logits[index], sums[index]))
    others = np.delete(logits, best)
    rest = np.exp(others - others.max())
    odds = float(logits[best] - others.max() - np.log(rest.sum()))
    return best, odds, rest / rest.sum()


@dataclass(frozen=True, slots=True)
class _Table:
    """Questions as arrays, those with fewer candidates filled up with impossible ones.

    Attributes:
        sums: Shape (questions, candidates); 0 where there is no candidate.
        means: Likewise.
        there: Where there is a candidate.
        targets: What each candidate's probability should be.
    """

    sums: Numbers
    means: Numbers
    there: NDArray[np.bool_]
    targets: Numbers

    @classmethod
    def of(cls, questions: Sequence[ScoredQuestion]) -> _Table:
        most = max(len(question.sums) for question in questions)
        shape = (len(questions), most)
        sums, means, targets = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        there = np.zeros(shape, dtype=bool)
        # Not quite 1, as Platt (1999) has it: else questions that are all answered rightly would
        # make every answer certain.
        sure = (len(questions) + 1) / (len(questions) + 2)
        for row, question in enumerate(questions):
            count = len(question.sums)
            sums[row, :count] = np.asarray(question.sums) - max(question.sums)
            mean = np.asarray(question.sums) / np.asarray(question.lengths)
            means[row, :count] = mean - mean.max()
            there[row, :count] = True
            targets[row, :count] = (1 - sure) / max(1, count - 1)
            targets[row, question.key] = sure
        return cls(sums, means, there, targets)

    def loss(self, weights: Numbers) -> tuple[float, Numbers]:
        """The mean cross-entropy in nats, and its gradient."""
        logits = np.where(self.there, weights[0] * self.sums + weights[1] * self.means, -np.inf)
        top = logits.max(axis=1, keepdims=True)
        shares = np.exp(logits - top)
        total = shares.sum(axis=1, keepdims=True)
        log_shares = np.where(self.there, logits - top - np.log(total), 0.0)
        gaps = np.where(self.there, shares / total - self.targets, 0.0)
        loss = -(self.targets * log_shares).sum(axis=1).mean()
        gradient = np.array([(gaps * part).sum(axis=1).mean() for part in (self.sums, self.means)])
        return float(loss), gradient


def fit_calibration(questions: Sequence[ScoredQuestion]) -> Calibration | None:
    """The weights that make the keys of some questions most probable, and their correction.

    They minimise the mean cross-entropy, which has one minimum. The mean gets a weight only where
    candidates of one question differ in length. Then slope and intercept of the log-odds minimise
    the cross-entropy of whether the most probable candidates are right.

    Args:
        questions: Questions that were not trained on, with what the model computed for them.

    Returns:
        The weights; ``None`` for fewer than 50 questions, whose weights would be chance.
    """
    from scipy.optimize import minimize

    if len(questions) < FEWEST_TO_CALIBRATE:
        return None
    table = _Table.of(questions)
    of_lengths = any(len(set(question.lengths)) > 1 for question in questions)
    bounds = [(0.0, LARGEST_WEIGHT), (0.0, LARGEST_WEIGHT if of_lengths else 0.0)]
    start = np.array([1.0, 1.0 if of_lengths else 0.0])
    result = minimize(table.loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    of_sum, of_mean = (float(weight) for weight in result.x)
    weights = Calibration(weight_of_sum=of_sum, weight_of_mean=of_mean, questions=len(questions))
    slope, intercept = _correction(weights, questions)
    return weights.model_copy(update={"confidence_slope": slope, "confidence_intercept": intercept})


def _correction(weights: Calibration, questions: Sequence[ScoredQuestion]) -> tuple[float, float]:
    """Slope and intercept that make the log-odds of the most probable candidates right.

    As Platt (1999) has it, with his targets. That the plain log-odds are about right is given as
    much weight as few questions have, so that few questions change little.
    """
    from scipy.optimize import minimize

    odds, right = [], []
    for question in questions:
        if len(question.sums) > 1:
            logits = _logits(weights, question.sums, question.lengths)
            best, of_best, _ = _parted(logits, question.sums)
            odds.append(of_best)
            right.append(best == question.key)
    if not odds:
        return 1.0, 0.0
    given, signs = np.asarray(odds), np.asarray(right)
    count = int(signs.sum())
    targets = np.where(signs, (count + 1) / (count + 2), 1 / (len(signs) - count + 2))

    def loss(line: Numbers) -> tuple[float, Numbers]:
        values = line[0] * given + line[1]
        moved = line - np.array([1.0, 0.0])
        entropy = np.logaddexp(0, values) - targets * values
        gaps = 1 / (1 + np.exp(-values)) - targets
        total = entropy.sum() + (moved**2).sum() / (2 * SPREAD**2)
        return float(total), np.array([(gaps * given).sum(), gaps.sum()]) + moved / SPREAD**2

    bounds = [(0.0, LARGEST_WEIGHT), (-LARGEST_WEIGHT, LARGEST_WEIGHT)]
    result = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(result.x[0]), float(result.x[1])
