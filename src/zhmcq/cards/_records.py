"""What a folder remembers of the evaluations of its model: the source of its model card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from zhmcq.checks import fingerprints
from zhmcq.errors import ManifestError
from zhmcq.evaluation import Comparison, Evaluation
from zhmcq.manifest import EVALUATIONS_NAME, SeenQuestions, reason_of

__all__ = ["BaseFigures", "EvaluationRecord", "read_records", "record_of", "write_records"]

Interval = tuple[float, float]


class BaseFigures(BaseModel):
    """The base model's answers to the same questions.

    Attributes:
        accuracy: Their accuracy, 0 to 1.
        interval: Its 95 % interval.
        difference: The accuracy of the tuned model less that of the base model.
        difference_interval: Its 95 % interval.
        p_value: That of the sign-flip test.
    """

    model_config = ConfigDict(frozen=True)

    accuracy: float = Field(ge=0, le=1)
    interval: Interval
    difference: float = Field(ge=-1, le=1)
    difference_interval: Interval
    p_value: float = Field(ge=0, le=1)


class EvaluationRecord(BaseModel):
    """One evaluation, as a folder remembers it.

    Attributes:
        data: What the questions are, in their owner's words; the record's name.
        measured: What answered: the ``"adapter"`` or the ``"merged"`` model.
        method: How: by the ``"scores"`` of the candidates, or by ``"replies"``.
        questions: The number of questions with a key.
        passages: The number of passages and groups that they are about.
        correct: The number of right answers.
        accuracy: The share of right answers, 0 to 1.
        interval: Its 95 % interval.
        coverage: The share of the questions that have an answer.
        accuracy_answered: The share of right answers among those; ``None`` without any.
        chance: The accuracy of blind guesses.
        trained_on: How many of the questions the adapter was trained on.
        validated_on: How many of them chose its checkpoint and fitted its confidences.
        base: The base model's figures; ``None`` where it was not compared.
    """

    model_config = ConfigDict(frozen=True)

    data: str = Field(min_length=1)
    measured: Literal["adapter", "merged"]
    method: Literal["scores", "replies"]
    questions: int = Field(ge=1)
    passages: int = Field(ge=1)
    correct: int = Field(ge=0)
    accuracy: float = Field(ge=0, le=1)
    interval: Interval
    coverage: float = Field(ge=0, le=1)
    accuracy_answered: float | None = Field(default=None, ge=0, le=1)
    chance: float = Field(ge=0, le=1)
    trained_on: int = Field(default=0, ge=0)
    validated_on: int = Field(default=0, ge=0)
    base: BaseFigures | None = None


_RECORDS = TypeAdapter(tuple[EvaluationRecord, ...])


def record_of(
    result: Evaluation | Comparison,
    data: str,
    measured: Literal["adapter", "merged"],
    seen: SeenQuestions | None,
) -> EvaluationRecord:
    """The record of an evaluation.

    Args:
        result: The evaluation, or a comparison with the base model.
        data: What the questions are.
        measured: What answered.
        seen: The questions that the adapter has seen; ``None`` if that is not known.
    """
    base = None
    evaluation = result if isinstance(result, Evaluation) else result.tuned
    if isinstance(result, Comparison):
        base = BaseFigures(
            accuracy=result.base.accuracy,
            interval=result.base.interval,
            difference=result.difference,
            difference_interval=result.interval,
            p_value=result.p_value,
        )
    seen = seen or SeenQuestions()
    marks = fingerprints(outcome.question for outcome in evaluation.outcomes)
    return EvaluationRecord(
        data=data,
        measured=measured,
        method="replies" if evaluation.brier is None else "scores",
        questions=evaluation.count,
        passages=evaluation.clusters,
        correct=evaluation.correct,
        accuracy=evaluation.accuracy,
        interval=evaluation.interval,
        coverage=evaluation.coverage,
        accuracy_answered=evaluation.accuracy_answered,
        chance=evaluation.chance,
        trained_on=sum(mark in seen.train for mark in marks),
        validated_on=sum(mark in seen.validation for mark in marks),
        base=base,
    )


def read_records(folder: Path) -> tuple[EvaluationRecord, ...]:
    """The evaluations that a folder remembers, in the order in which they were first added.

    Raises:
        ManifestError: If they cannot be read.
    """
    path = folder / EVALUATIONS_NAME
    if not path.is_file():
        return ()
    try:
        return _RECORDS.validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise ManifestError(
            f"{path} cannot be read: {reason_of(error)}; copy the folder again, or remove the file "
            "and add the evaluations again"
        ) from error


def write_records(path: Path, records: Sequence[EvaluationRecord]) -> None:
    """Write the evaluations to a file.

    Args:
        path: The file; the caller sees to it that it is complete before it is seen.
        records: The evaluations.
    """
    values = [record.model_dump() for record in records]
    text = json.dumps(values, ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
