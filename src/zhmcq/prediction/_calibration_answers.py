"""Which answers with keys may calibrate others: of the same model, to questions that are new."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from zhmcq._phrases import counted
from zhmcq.checks import fingerprints
from zhmcq.errors import PredictionError
from zhmcq.questions import Question

if TYPE_CHECKING:
    from zhmcq.prediction._predictions import Predictions

__all__ = ["refuse_unfit"]

logger = logging.getLogger(__name__)


def refuse_unfit(predictions: Predictions, calibration: Predictions) -> None:
    """Refuse calibration answers that say nothing of the predictions; name doubtful ones.

    Args:
        predictions: The answers that are to be calibrated, or withheld.
        calibration: What the caller gave as ``calibrated_on``.

    Raises:
        PredictionError: If it is no predictions, has no keys or confidences, was answered by
            another model or in another mode, was trained on, or shares questions with the
            predictions.
    """
    from zhmcq.prediction._predictions import Predictions

    if not isinstance(calibration, Predictions):
        raise PredictionError(
            f"calibrated_on={calibration!r:.80}: expected the Predictions of the same model for "
            "questions whose keys are known, as in calibrated_on=predictor.predict(validation)"
        )
    by, other = predictions.answered_by, calibration.answered_by
    if by is not None and other is not None and by.sha256 != other.sha256:
        raise PredictionError(
            "calibrated_on was answered by another model, adapter, prompt or mode than these "
            "questions, so that its confidences say nothing about theirs: answer both with one "
            "predictor"
        )
    if not any(question.answer is not None for question in calibration.bank):
        raise PredictionError(
            "calibrated_on has no question with a key: expected answers to questions whose keys "
            "are known"
        )
    scored = [item for item in calibration if item.confidence is not None]
    answers = [item for item in predictions if item.answer is not None]
    if not scored or (answers and all(item.confidence is None for item in answers)):
        raise PredictionError(
            "calibration needs confidences, and generated replies have none: answer both banks "
            "with mode='score'"
        )
    marks = fingerprints(calibration.bank)
    _refuse_shared(calibration.bank, marks, fingerprints(predictions.bank))
    if other is not None:
        _refuse_trained_on(calibration.bank, marks, other.seen.train)
        chose = sum(mark in other.seen.validation for mark in marks)
        if chose:
            logger.warning(
                "%d of %d calibration questions chose the model's checkpoint and fitted its "
                "confidences, so that what they promise is a little too good: calibrate on others "
                "where there are some",
                chose, len(marks),
            )  # fmt: skip


def _refuse_shared(
    questions: Sequence[Question], marks: Sequence[str], others: Iterable[str]
) -> None:
    answered = set(others)
    shared = [q.id for q, mark in zip(questions, marks, strict=True) if mark in answered]
    if shared:
        are = counted(len(shared), "calibration question is", "calibration questions are")
        raise PredictionError(
            f"{are} among those to be answered "
            f"({', '.join(shared[:5])}): what their keys were used for holds of them without "
            "saying anything of others; calibrate on others"
        )


def _refuse_trained_on(
    questions: Sequence[Question], marks: Sequence[str], trained: frozenset[str]
) -> None:
    seen = [q.id for q, mark in zip(questions, marks, strict=True) if mark in trained]
    if seen:
        all_of_them = counted(len(marks), "calibration question")
        raise PredictionError(
            f"the model was trained on {len(seen)} of {all_of_them} "
            f"({', '.join(seen[:5])}), which it answers better than others: calibrate on questions "
            "that it has not seen, such as those of validation"
        )
