"""Figures of the validation questions: accuracy, loss, mass on the candidates, recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zhmcq.encoding import EncodedQuestion
from zhmcq.evaluation import ScoredQuestion, accuracy_interval, fit_calibration
from zhmcq.manifest import Calibration
from zhmcq.modeling._scoring import ScoringEngine

__all__ = ["ValidationAnswer", "calibration_of", "score_questions", "summarise"]


# The figures that are fields of a calibration.
CALIBRATION = ("weight_of_sum", "weight_of_mean", "weight_beyond_second")


@dataclass(frozen=True, slots=True)
class ValidationAnswer:
    """The model's answer to one validation question.

    Attributes:
        index: The question's 0-based index among the validation questions.
        key: The 0-based indexes of its right options.
        answer: The 0-based indexes of the options of the candidate that scored highest.
        loss: Minus the logarithm of the key's share of probability among the candidates.
        mass: The probability that the model writes one of the candidates and then ends.
        scored: The log-likelihoods that these come from.
    """

    index: int
    key: tuple[int, ...]
    answer: tuple[int, ...]
    loss: float
    mass: float
    scored: ScoredQuestion


def score_questions(
    engine: ScoringEngine, questions: Sequence[EncodedQuestion], indexes: Sequence[int]
) -> list[ValidationAnswer]:
    """Answer some questions as the predictor would.

    Args:
        engine: Scores the candidates.
        questions: All validation questions, with keys.
        indexes: The 0-based indexes of those to answer.
    """
    chosen = [questions[index] for index in indexes]
    scored = engine.scores(chosen, "validation")
    return [
        _answer(index, question, scores.astype(np.float64))
        for index, question, scores in zip(indexes, chosen, scored, strict=True)
    ]


def _answer(index: int, question: EncodedQuestion, scores: np.ndarray) -> ValidationAnswer:
    key = question.key_index
    shifted = scores - scores.max()
    sums = scores
    if question.normalization == "mean":
        sums = scores * [len(ids) for ids in question.candidates]
    # Options alike are one continuation: its probability counts once.
    likelihoods = np.exp(-sums if question.least_likely else sums)
    distinct = dict(zip(question.candidates, likelihoods, strict=True))
    return ValidationAnswer(
        index=index,
        key=question.answers[key],
        answer=question.answers[int(np.argmax(scores))],
        loss=float(np.log(np.exp(shifted).sum()) - shifted[key]),
        mass=min(1.0, float(sum(distinct.values()))),  # float32 rounds
        scored=ScoredQuestion(sums.tolist(), [len(ids) for ids in question.candidates], key),
    )


def summarise(answers: Sequence[ValidationAnswer], clusters: Sequence[int]) -> dict[str, float]:
    """Figures of one evaluation.

    Args:
        answers: The model's answers to all validation questions; at least one.
        clusters: For each validation question the number of its cluster: those of one group or
            passage share it.

    Returns:
        ``accuracy``: the share of questions whose key scores highest, with its 95 % interval
        ``accuracy_low`` to ``accuracy_high`` (:func:`zhmcq.evaluation.accuracy_interval`).
        ``loss``: the mean over questions of minus the logarithm of the key's share of probability
        among the candidates.
        ``candidate_mass``: the mean over questions of the probability of all candidates together,
        each with its end, among everything that the model could write. ``recall_1`` and so on:
        of the questions whose key has the option at this position, counted from 1, the share that
        was answered with it; a position that no key has is left out. ``weight_of_sum``,
        ``weight_of_mean`` and ``weight_beyond_second``: the :class:`zhmcq.manifest.Calibration` of
        these questions, where there are enough.
    """
    right = [answer.answer == answer.key for answer in answers]
    low, high = accuracy_interval(right, [clusters[answer.index] for answer in answers])
    figures = {
        "accuracy": sum(right) / len(answers),
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": float(np.mean([answer.loss for answer in answers])),
        "candidate_mass": float(np.mean([answer.mass for answer in answers])),
    }
    for option in sorted({option for answer in answers for option in answer.key}):
        recalled = [option in answer.answer for answer in answers if option in answer.key]
        figures[f"recall_{option + 1}"] = sum(recalled) / len(recalled)
    if calibration := fit_calibration([answer.scored for answer in answers]):
        figures.update({name: getattr(calibration, name) for name in CALIBRATION})
    return figures


def calibration_of(figures: Mapping[str, float], questions: int) -> Calibration | None:
    """The calibration that figures of :func:`summarise` have; ``None`` if they have none.

    Figures of an earlier version may lack a weight that came later: without it a calibration is
    the one that it was then.

    Args:
        figures: The figures of an evaluation.
        questions: How many questions it was fitted on.

    Raises:
        ValidationError: If a weight is out of its range.
    """
    if CALIBRATION[0] not in figures:
        return None
    weights = {name: figures[name] for name in CALIBRATION if name in figures}
    return Calibration(**weights, questions=questions)
