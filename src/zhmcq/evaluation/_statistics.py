"""Intervals and a paired test that hold where questions come in clusters, as those of a passage do.

Questions about one passage are answered alike: a passage that was understood gives several right
answers at once. Formulas for independent questions then promise too much. Here the passage is what
is drawn by chance; ``tests/benchmarks/coverage.py`` measures how often each promise holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "accuracy_interval", "paired_interval", "sign_flip_test", "wilson"]

Interval = tuple[float, float]  # its lower and its upper end

Counts = NDArray[np.int64]

NORMAL_QUANTILE = 1.959964  # of 0.975: a standard normal value is within ± this in 95 % of cases


def wilson(correct: float, count: float) -> Interval:
    """95 % Wilson score interval of a proportion (Wilson, 1927), of independent questions.

    Args:
        correct: How many of the questions were answered rightly; of an effective number of
            questions, that share of it, which need not be whole.
        count: The number of questions, above 0.
    """
    share, square = correct / count, NORMAL_QUANTILE**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    spread = math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    half = NORMAL_QUANTILE * spread / (1 + square / count)
    # At the ends the interval reaches 0 or 1 exactly, which rounding would miss.
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    return low, 1.0 if correct == count else min(1.0, centre + half)


def accuracy_interval(correct: Sequence[bool], clusters: Sequence[int]) -> Interval:
    """95 % interval of an accuracy, with questions of one cluster taken as alike as they are.

    Wilson's interval for the effective number of questions (Korn and Graubard, 1998): the number
    divided by the design effect, the ratio of the variance between clusters to that of
    independent questions, and by the square of how much wider Student's distribution is that the
    clusters allow. The design effect is never taken to be below 1; where all answers are right, or
    all wrong, it can't be seen, and is what it would be if each passage were answered as a whole.
    Where every question is its own cluster this is :func:`wilson`.

    Args:
        correct: Whether each question was answered rightly; at least one.
        clusters: The number of the cluster that each belongs to.
    """
    right = np.asarray(correct, dtype=float)
    sizes, of_question = _sizes(clusters)
    count, share = len(right), float(right.mean())
    if len(sizes) == count:
        return wilson(float(right.sum()), count)
    sums = np.bincount(of_question, weights=right)
    independent = share * (1 - share) * count
    effect = float((sizes**2).sum()) / count
    if independent and len(sizes) > 1:
        effect = max(1.0, _between(sums - share * sizes) / independent)
    effective = count / (effect * _widening(len(sizes)) ** 2)
    return wilson(share * effective, effective)


def paired_interval(
    gained: Sequence[bool], lost: Sequence[bool], clusters: Sequence[int]
) -> Interval:
    """95 % interval of the difference of two accuracies on the same questions.

    The Wald interval with half a question added to each cell of the table of agreement (Agresti
    and Min, 2005), for the effective number of questions as in :func:`accuracy_interval`.

    Args:
        gained: Whether the second set of answers alone is right, for each question; at least one.
        lost: Whether the first alone is.
        clusters: The number of the cluster that each question belongs to.
    """
    changes = np.asarray(gained, dtype=float) - np.asarray(lost, dtype=float)
    sizes, of_question = _sizes(clusters)
    count, difference = len(changes), float(changes.mean())
    up, down = float(np.mean(gained)), float(np.mean(lost))
    effective = float(count)
    if len(sizes) < count:
        independent = (up + down - difference**2) * count
        effect = float((sizes**2).sum()) / count
        if independent and len(sizes) > 1:
            between = _between(np.bincount(of_question, weights=changes) - difference * sizes)
            effect = max(1.0, between / independent)
        effective = count / (effect * _widening(len(sizes)) ** 2)
    total = effective + 2
    up, down = (up * effective + 0.5) / total, (down * effective + 0.5) / total
    half = NORMAL_QUANTILE * math.sqrt((up + down - (up - down) ** 2) / total)
    return max(-1.0, up - down - half), min(1.0, up - down + half)


def sign_flip_test(changes: Sequence[int], clusters: Sequence[int]) -> float:
    """How often chance alone would make two sets of answers differ as much as they do.

    If neither set is better, both sets' answers to all questions of a passage might as well be
    swapped. The p-value is the share of all such swaps, passage by passage, that make a difference
    of right answers at least as large, in either direction; a difference exactly as large counts
    half (the mid-p value, since whole numbers would make the test too cautious). It is computed
    exactly. Where every question is its own cluster, this is McNemar's test with the mid-p value
    (Fagerland, Lydersen and Laake, 2013).

    Args:
        changes: For each question 1 if the second set alone is right, -1 if the first alone is,
            else 0.
        clusters: The number of the cluster that each belongs to.
    """
    _, of_question = _sizes(clusters)
    sums = np.abs(np.bincount(of_question, weights=np.asarray(changes, dtype=float))).astype(int)
    seen = abs(int(np.sum(changes)))
    shares = np.ones(1)  # of the swaps that make each difference, from the lowest to the highest
    for size in sorted(sums[sums > 0].tolist()):
        wider = np.zeros(len(shares) + 2 * size)
        wider[: len(shares)] += shares / 2
        wider[2 * size :] += shares / 2
        shares = wider
    differences = np.abs(np.arange(len(shares)) - len(shares) // 2)
    more, equal = shares[differences > seen].sum(), shares[differences == seen].sum()
    return float(more + equal / 2) if len(shares) > 1 else 1.0


def _sizes(clusters: Sequence[int]) -> tuple[Counts, Counts]:
    """The number of questions of each cluster, and each question's cluster, counted from 0."""
    _, of_question, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    return sizes, of_question


def _between(residuals: NDArray[np.float64]) -> float:
    """The variance of a sum over clusters, from each cluster's deviation (Cochran, 1977, 11.5)."""
    number = len(residuals)
    return float(number / (number - 1) * (residuals**2).sum())


def _widening(clusters: int) -> float:
    """By how much Student's 95 % range is wider than the normal one."""
    if clusters < 2:
        return 1.0
    from scipy.special import stdtrit  # here: loading it takes longer than everything else

    return float(stdtrit(clusters - 1, 0.975)) / NORMAL_QUANTILE
