"""How many answers are wrong if only the surest are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zhmcq.errors import PredictionError
from zhmcq.evaluation._outcomes import Outcome

__all__ = ["RiskCoveragePoint", "refuse_other_outcomes", "risk_coverage_curve"]


class RiskCoveragePoint(NamedTuple):
    """What is answered, and what is wrong of it, from one confidence on.

    Attributes:
        threshold: The confidence from which answers are given.
        coverage: The share of all questions that is then answered, above 0 and up to 1.
        error: The share of wrong answers among those, 0 to 1.
    """

    threshold: float
    coverage: float
    error: float


def risk_coverage_curve(outcomes: Sequence[Outcome]) -> tuple[RiskCoveragePoint, ...]:
    """The risk-coverage curve: the error among the answered questions against their share.

    Answers are given from the most confident to the least, equally confident ones together
    (El-Yaniv and Wiener, 2010; with the confidences of a network: Geifman and El-Yaniv, 2017). A
    question without an answer, or whose answer has no confidence, is never covered.

    Args:
        outcomes: One for each question with a key.

    Returns:
        A point for each confidence that occurs, the highest first; none without confidences.

    Raises:
        PredictionError: If these are other things.
    """
    refuse_other_outcomes(outcomes, "risk_coverage_curve")
    given = [
        (outcome.confidence, outcome.correct)
        for outcome in outcomes
        if outcome.answer is not None and outcome.confidence is not None
    ]
    if not given:
        return ()
    confidences = np.array([confidence for confidence, _ in given], dtype=np.float64)
    correct = np.array([right for _, right in given], dtype=bool)
    order = np.argsort(-confidences, kind="stable")
    thresholds, errors = confidences[order], np.cumsum(~correct[order])
    last = np.flatnonzero(np.append(np.diff(thresholds) != 0, [True]))  # of equal ones
    return tuple(
        RiskCoveragePoint(float(thresholds[i]), (i + 1) / len(outcomes), int(errors[i]) / (i + 1))
        for i in last.tolist()
    )


def refuse_other_outcomes(outcomes: object, call: str) -> None:
    """Refuse what is no list of outcomes.

    Args:
        outcomes: What a function was given.
        call: The function, for the message.

    Raises:
        PredictionError: If it is something else.
    """
    if not isinstance(outcomes, Sequence) or not all(isinstance(o, Outcome) for o in outcomes):
        raise PredictionError(
            f"{call}({outcomes!r:.60}): expected a list of Outcome, such as predictions.outcomes() "
            "gives"
        )
