"""Confidence that means something: from the candidates' log-likelihoods to probabilities.

A softmax of log-likelihoods is a probability only if the model's own are: trained models are too
sure, and where the prompt divides a text's log-likelihood by its length, the quotient is the
logarithm of no probability at all. Three weights, found on validation questions, mend that: of the
sums, of the means, and of what is beyond the runner-up. The last is needed because one temperature
(Guo et al., 2017, "On Calibration of Modern Neural Networks") can't be right for all: how far the
best candidate is ahead of the second says how likely it is right, and how far the others are behind
says much less, since texts differ in log-likelihood by their wording alone. On 1,650 questions that
a model tuned on option texts had not seen, the cross-entropy fell from 0.87 to 0.77 nats by it.
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

FEWEST_TO_CALIBRATE = 50  # questions: one weight is then known to about a tenth
LEAST_BEYOND = 0.01  # not 0, so that the order of the candidates behind the second is kept
STARTS = (1.0, 0.3, 0.05)  # of that weight: the loss may have several minima


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
    """The probability of each candidate, together 1; the order of the candidates is kept.

    With equal scores all have the same, however many there are.

    Args:
        calibration: The weights.
        sums: For each candidate the sum of its log-likelihoods, in nats.
        lengths: For each candidate the number of its tokens.
    """
    table = _Table.of([ScoredQuestion(sums, lengths, 0)])
    weights = (
        calibration.weight_of_sum,
        calibration.weight_of_mean,
        calibration.weight_beyond_second,
    )
    shares: Numbers = table.shares(np.array(weights))[0]
    return shares


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

    def logits(self, weights: Numbers) -> tuple[Numbers, list[Numbers]]:
        """Logarithms of the probabilities but for a constant, and how each weight changes them.

        Of the gap to the best candidate, what is more than the second's gap is multiplied by the
        third weight.
        """
        scores = weights[0] * self.sums + weights[1] * self.means
        scores = np.where(self.there, scores, -np.inf)
        rows = np.arange(len(scores))
        best = scores.argmax(axis=1)
        behind = scores.copy()
        behind[rows, best] = -np.inf
        second = np.where(np.isinf(behind.max(axis=1)), best, behind.argmax(axis=1))

        def behind_best(parts: Numbers) -> tuple[Numbers, Numbers]:
            """The gaps that count in full, and those that count by the third weight."""
            gaps = parts[rows, best][:, None] - parts
            full = np.broadcast_to(parts[rows, best] - parts[rows, second], parts.T.shape).T.copy()
            full[rows, best] = 0.0
            return full, gaps - full

        parts = [behind_best(part) for part in (self.sums, self.means)]
        full = sum(weight * part[0] for weight, part in zip(weights, parts, strict=False))
        beyond = sum(weight * part[1] for weight, part in zip(weights, parts, strict=False))
        changes = [-(of_full + weights[2] * of_beyond) for of_full, of_beyond in parts]
        return -(full + weights[2] * beyond), [*changes, -beyond]

    def shares(self, weights: Numbers) -> Numbers:
        """The probabilities."""
        logits = np.where(self.there, self.logits(weights)[0], -np.inf)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def loss(self, weights: Numbers) -> tuple[float, Numbers]:
        """The mean cross-entropy in nats, and its gradient."""
        logits, changes = self.logits(weights)
        logits = np.where(self.there, logits, -np.inf)
        top = logits.max(axis=1, keepdims=True)
        shares = np.exp(logits - top)
        total = shares.sum(axis=1, keepdims=True)
        log_shares = np.where(self.there, logits - top - np.log(total), 0.0)
        gaps = np.where(self.there, shares / total - self.targets, 0.0)
        loss = -(self.targets * log_shares).sum(axis=1).mean()
        return float(loss), np.array([(gaps * part).sum(axis=1).mean() for part in changes])


def fit_calibration(questions: Sequence[ScoredQuestion]) -> Calibration | None:
    """The weights that make the keys of some questions most probable.

    They minimise the mean cross-entropy. The mean gets a weight only where candidates of one
    question differ in length, and what is beyond the second another one only where there are three.

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
    of_three = any(len(question.sums) > 2 for question in questions)
    bounds = [
        (0.0, LARGEST_WEIGHT),
        (0.0, LARGEST_WEIGHT if of_lengths else 0.0),
        (LEAST_BEYOND if of_three else 1.0, 1.0),
    ]
    results = [
        minimize(
            table.loss,
            np.array([1.0, 1.0 if of_lengths else 0.0, start]),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
        )
        for start in (STARTS if of_three else STARTS[:1])
    ]
    best = min(results, key=lambda result: float(result.fun))
    of_sum, of_mean, beyond = (float(weight) for weight in best.x)
    return Calibration(
        weight_of_sum=of_sum,
        weight_of_mean=of_mean,
        weight_beyond_second=beyond,
        questions=len(questions),
    )
