"""Answers with a promise: those that are not sure enough are withheld."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from zhmcq.errors import PredictionError
from zhmcq.evaluation import (
    Promise,
    certify,
    clusters_of,
    option_sets,
    set_threshold,
)
from zhmcq.prediction._calibration_answers import refuse_unfit

if TYPE_CHECKING:
    from zhmcq.prediction._predictions import Prediction, Predictions

__all__ = ["give_option_sets", "withhold"]

logger = logging.getLogger(__name__)


def withhold(
    predictions: Predictions, calibration: Predictions, *, max_error: float, certainty: float
) -> Predictions:
    """The predictions with only those answers whose confidence was certified on others.

    Args:
        predictions: The answers.
        calibration: Answers of the same model, with keys, to questions drawn alike.
        max_error: The share of wrong answers that is not to be exceeded.
        certainty: How sure that is to be.

    Raises:
        PredictionError: If the calibration answers can't be used for a promise; if answers were
            withheld already.
        SettingsError: If ``max_error`` or ``certainty`` is no number between 0 and 1.
    """
    if predictions.promise is not None:
        raise PredictionError(
            "answers were withheld already: withhold from the predictions as they were answered"
        )
    _refuse_unfit(predictions, calibration)
    known = [
        (question, item, item.confidence)
        for question, item in zip(calibration.bank, calibration, strict=True)
        if question.answer is not None and item.answer is not None
    ]
    sure = [(question, item, share) for question, item, share in known if share is not None]
    promise = certify(
        [share for _, _, share in sure],
        [item.answer == question.answer for question, item, _ in sure],
        clusters_of([question for question, _, _ in sure]),
        max_error=max_error,
        certainty=certainty,
    )
    if promise.threshold is None:
        logger.warning("%s", promise)
    items = [_given(item, promise) for item in predictions]
    return replace(predictions, _items=tuple(items), promise=promise)


def _given(item: Prediction, promise: Promise) -> Prediction:
    """The answer, or without it if it does not reach the promise's threshold."""
    threshold = promise.threshold
    if item.answer is None:
        return item
    if threshold is not None and item.confidence is not None and item.confidence >= threshold:
        return item
    why = "no threshold could be certified" if threshold is None else f"below {threshold:.4g}"
    confidence = "none" if item.confidence is None else f"{item.confidence:.3g}"
    reason = f"{item.label} withheld: confidence {confidence}, {why}"
    return replace(item, answer=None, label="", status="withheld", reason=reason)


def give_option_sets(
    predictions: Predictions, calibration: Predictions, *, max_error: float
) -> Predictions:
    """The predictions with a set of options each, which misses the key rarely enough.

    Args:
        predictions: The answers.
        calibration: Answers of the same model, with keys, to questions drawn alike.
        max_error: The expected share of sets without the key that is not to be exceeded.

    Raises:
        PredictionError: If the calibration answers can't be used for a promise.
        SettingsError: If ``max_error`` is no number between 0 and 1.
    """
    _refuse_unfit(predictions, calibration)
    known = [
        (question, item.probabilities)
        for question, item in zip(calibration.bank, calibration, strict=True)
        if question.answer is not None and item.probabilities
    ]
    threshold = set_threshold(
        [min(shares[index] for index in question.answer or ()) for question, shares in known],
        clusters_of([question for question, _ in known]),
        max_error=max_error,
    )
    scored = [index for index, item in enumerate(predictions) if item.probabilities]
    sets = option_sets([predictions[index].probabilities for index in scored], threshold)
    # With the answer, which need not be the most probable: texts are compared by their means, and
    # probabilities come of their sums too. A larger set misses the key no more often.
    of_index = {
        index: tuple(sorted({*chosen, *(predictions[index].answer or ())}))
        for index, chosen in zip(scored, sets, strict=True)
    }
    items = [replace(item, option_set=of_index.get(i, ())) for i, item in enumerate(predictions)]
    return replace(predictions, _items=tuple(items))


def _refuse_unfit(predictions: Predictions, calibration: Predictions) -> None:
    """Refuse calibration answers that would make a promise of nothing."""
    refuse_unfit(predictions, calibration)
    if calibration.promise is not None:
        # Those that are left are the sure ones: below their threshold no error could be seen.
        raise PredictionError(
            "calibrated_on has answers that were withheld, so that its errors are not all there: "
            "give it as it was answered"
        )
    flags = {
        item.calibrated
        for side in (predictions, calibration)
        for item in side
        if item.confidence is not None
    }
    if predictions.calibration != calibration.calibration or len(flags) > 1:
        # A threshold of theirs would be one of another scale.
        raise PredictionError(
            "the confidences of calibrated_on were calibrated otherwise than these: calibrate both "
            "on the same other answers, or neither"
        )
