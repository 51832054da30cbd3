"""Confidences that are probabilities, fitted on answers whose keys are known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zhmcq.errors import PredictionError
from zhmcq.evaluation import ScoredQuestion, fit_calibration, probabilities
from zhmcq.evaluation._calibration import FEWEST_TO_CALIBRATE
from zhmcq.manifest import Calibration
from zhmcq.prediction._calibration_answers import refuse_unfit

if TYPE_CHECKING:
    from zhmcq.prediction._predictions import Prediction, Predictions
    from zhmcq.questions import Question

__all__ = ["calibrate"]


def calibrate(predictions: Predictions, calibration: Predictions) -> Predictions:
    """The predictions with probabilities for confidences.

    Scores get the weights of a :class:`zhmcq.manifest.Calibration`. No answer changes, and it stays
    the most probable one.

    Args:
        predictions: The answers.
        calibration: Answers of the same model in the same mode to questions drawn alike, with keys.

    Raises:
        PredictionError: If the calibration answers can't be used, or are fewer than 50; if answers
            were withheld already.
    """
    refuse_unfit(predictions, calibration)
    if predictions.promise is not None or any(item.option_set for item in predictions):
        raise PredictionError(
            "a promise was made by the confidences as they are: calibrate first, then withhold"
        )
    pairs = zip(calibration.bank, calibration, strict=True)
    known = [scored for question, item in pairs if (scored := _scored(question, item))]
    fitted = fit_calibration(known)
    if fitted is None:
        raise PredictionError(
            f"calibrated_on has {len(known)} scored answers to questions whose key is among the "
            f"candidates: expected {FEWEST_TO_CALIBRATE} or more, since what fewer give would be "
            "chance"
        )
    items = tuple(_with_probabilities(item, fitted) for item in predictions)
    return replace(predictions, _items=items, calibration=fitted)


def _scored(question: Question, item: Prediction) -> ScoredQuestion | None:
    """The scores of a question whose key is known, if it is among the candidates."""
    if question.answer is None or question.answer not in item.candidates:
        return None
    # One weight for all scores: they are no longer what a sum and its length would tell apart.
    return ScoredQuestion(
        item.scores, [1] * len(item.scores), item.candidates.index(question.answer)
    )


def _with_probabilities(item: Prediction, fitted: Calibration) -> Prediction:
    if not item.scores:
        return item
    shares = probabilities(fitted, item.scores, [1] * len(item.scores)).tolist()
    of_options = [0.0] * len(item.probabilities)
    for indexes, share in zip(item.candidates, shares, strict=True):
        for index in indexes:
            of_options[index] += share
    return replace(
        item,
        confidence=shares[int(np.argmax(item.scores))],
        probabilities=tuple(min(1.0, share) for share in of_options),
        calibrated=True,
    )
