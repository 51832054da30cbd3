"""What an evaluation during training says: accuracy, loss, mass on the candidates, recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zhmcq.encoding.encode import EncodedQuestion
from zhmcq.evaluation import wilson
from zhmcq.modeling.scoring import ScoringEngine

__all__ = ["Scored", "score", "summarise"]


@dataclass(frozen=True, slots=True)
class Scored:
    """One validation question, answered.

    Attributes:
        index: Its place among the validation questions.
        key: The 0-based indexes of its right options.
        answer: Those of the candidate that scored highest.
        loss: Minus the logarithm of the key's share of probability among the candidates.
        mass: The probability that the model goes on with one of the candidates and ends.
    """

    index: int
    key: tuple[int, ...]
    answer: tuple[int, ...]
    loss: float
    mass: float


def score(
    engine: ScoringEngine, questions: Sequence[EncodedQuestion], indexes: Sequence[int]
) -> list[Scored]:
    """Answer some questions as the predictor would.

    Args:
        engine: Scores the candidates.
        questions: All validation questions, with keys.
        indexes: Which of them to answer.
    """
    chosen = [questions[index] for index in indexes]
    return [
        _scored(index, question, scores.astype(np.float64))
        for index, question, scores in zip(indexes, chosen, engine.scores(chosen), strict=True)
    ]


def _scored(index: int, question: EncodedQuestion, scores: np.ndarray) -> Scored:
    target = question.target or 0
    shifted = scores - scores.max()
    sums = scores
    if question.normalization == "mean":
        sums = scores * [len(ids) for ids in question.candidates]
    # Options alike are one continuation: its probability counts once.
    distinct = dict(zip(question.candidates, np.exp(sums), strict=True))
    return Scored(
        index=index,
        key=question.answers[target],
        answer=question.answers[int(np.argmax(scores))],
        loss=float(np.log(np.exp(shifted).sum()) - shifted[target]),
        mass=min(1.0, float(sum(distinct.values()))),  # float32 rounds
    )


def summarise(scored: Sequence[Scored]) -> dict[str, float]:
    """Figures of one evaluation.

    Returns:
        ``accuracy``: the share of questions whose right candidate scores highest, with its 95 %
        Wilson interval ``accuracy_low`` to ``accuracy_high``. ``loss``: the mean over questions
        of minus the logarithm of the right candidate's share of probability among the candidates.
        ``candidate_mass``: the mean over questions of the probability of all candidates together,
        each with its end, among everything that the model could write. ``recall_1`` and so on:
        of the questions whose key has the option in this place, the share that was answered with
        it; a place that no key has is left out.
    """
    right = sum(one.answer == one.key for one in scored)
    low, high = wilson(right, len(scored))
    figures = {
        "accuracy": right / len(scored),
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": float(np.mean([one.loss for one in scored])),
        "candidate_mass": float(np.mean([one.mass for one in scored])),
    }
    for place in sorted({place for one in scored for place in one.key}):
        found = [place in one.answer for one in scored if place in one.key]
        figures[f"recall_{place + 1}"] = sum(found) / len(found)
    return figures
