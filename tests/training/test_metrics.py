"""What an evaluation says, on scores that can be worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zhmcq.encoding import EncodedQuestion
from zhmcq.evaluation import ScoredQuestion
from zhmcq.manifest import Calibration
from zhmcq.training._metrics import (
    ValidationAnswer,
    calibration_of,
    score_questions,
    summarise,
)


class FixedScores:
    """An engine whose scores are given."""

    def __init__(self, *scores: list[float]) -> None:
        self._scores = scores

    def scores(self, questions: Any, stage: str) -> list[Any]:
        assert stage == "validation"
        assert len(questions) == len(self._scores)
        return [np.array(values, dtype=np.float32) for values in self._scores]


NO_SCORES = ScoredQuestion((), (), 0)


def question_of(
    candidates: tuple[tuple[int, ...], ...], target: int, normalization: Any = "sum"
) -> EncodedQuestion:
    answers = tuple((index,) for index in range(len(candidates)))
    return EncodedQuestion("q", "", (1,), candidates, answers, target, normalization)


def engine(*scores: list[float]) -> Any:
    return FixedScores(*scores)


def test_loss_and_mass_are_of_the_candidates_probabilities() -> None:
    question = question_of(((5, 2), (6, 2)), target=1)
    (answer,) = score_questions(engine([math.log(0.1), math.log(0.3)]), [question], [0])
    assert (answer.index, answer.key, answer.answer) == (0, (1,), (1,))
    assert answer.loss == pytest.approx(-math.log(0.75), abs=1e-6)
    assert answer.mass == pytest.approx(0.4, abs=1e-6)


def test_mass_is_of_sums_where_answers_go_by_means() -> None:
    question = question_of(((5, 2), (6, 7, 8, 2)), target=0, normalization="mean")
    (answer,) = score_questions(engine([math.log(0.2), math.log(0.5)]), [question], [0])
    assert answer.answer == (1,)
    assert answer.mass == pytest.approx(0.2**2 + 0.5**4, abs=1e-6)


def test_mass_is_of_likelihoods_where_the_least_likely_candidate_is_the_answer() -> None:
    question = replace(question_of(((5, 2), (6, 7, 2)), 1, "mean"), least_likely=True)
    scores = [-math.log(0.5), -math.log(0.2)]  # minus the means of log-likelihoods
    (answer,) = score_questions(engine(scores), [question], [0])
    assert (answer.answer, answer.key) == ((1,), (1,))
    assert answer.loss == pytest.approx(-math.log(5 / 7), abs=1e-6)
    assert answer.mass == pytest.approx(0.5**2 + 0.2**3, abs=1e-6)


def test_candidates_that_are_the_same_tokens_have_their_mass_once() -> None:
    question = question_of(((5, 2), (6, 2), (6, 2)), target=0)
    (answer,) = score_questions(
        engine([math.log(0.1), math.log(0.2), math.log(0.2)]), [question], [0]
    )
    assert answer.mass == pytest.approx(0.3, abs=1e-6)


def test_only_the_questions_named_are_scored_and_keep_their_index() -> None:
    questions = [question_of(((5, 2), (6, 2)), target) for target in (0, 1, 0)]
    answers = score_questions(engine([-1.0, -2.0], [-1.0, -2.0]), questions, [1, 2])
    assert [(answer.index, answer.key) for answer in answers] == [(1, (1,)), (2, (0,))]


def test_figures_have_an_interval_and_recall_by_position() -> None:
    scored = [
        ValidationAnswer(0, (0,), (0,), 0.5, 0.2, NO_SCORES),
        ValidationAnswer(1, (0,), (2,), 1.5, 0.4, NO_SCORES),
        ValidationAnswer(2, (2,), (2,), 0.5, 0.6, NO_SCORES),
        ValidationAnswer(3, (1, 2), (1,), 1.5, 0.8, NO_SCORES),
    ]
    figures = summarise(scored, [0, 1, 2, 3])
    assert figures.pop("accuracy_low") == pytest.approx(0.1500, abs=1e-4)
    assert figures.pop("accuracy_high") == pytest.approx(0.8500, abs=1e-4)
    assert figures == {
        "accuracy": 0.5,
        "loss": 1.0,
        "candidate_mass": pytest.approx(0.5),
        "recall_1": 0.5,
        "recall_2": 1.0,
        "recall_3": 0.5,
    }
    assert list(figures)[-3:] == ["recall_1", "recall_2", "recall_3"]


def test_the_interval_is_wider_where_questions_share_passages() -> None:
    scored = [ValidationAnswer(n, (0,), (int(n < 4),), 0.5, 0.2, NO_SCORES) for n in range(8)]
    narrow, wide = (
        summarise(scored, clusters) for clusters in (range(8), [0, 0, 1, 1, 2, 2, 3, 3])
    )
    assert narrow["accuracy"] == wide["accuracy"] == 0.5
    assert wide["accuracy_low"] < narrow["accuracy_low"]
    assert wide["accuracy_high"] > narrow["accuracy_high"]


def test_enough_questions_give_the_weights_of_a_calibration() -> None:
    # Half of the answers are right although the model is sure: weights of 0 say so.
    scored = ScoredQuestion((0.0, -3.0), (1, 1), 0)
    wrong = ScoredQuestion((0.0, -3.0), (1, 1), 1)
    answers = [
        ValidationAnswer(n, (0,), (0,), 0.5, 0.2, scored if n % 2 else wrong) for n in range(60)
    ]
    figures = summarise(answers, range(60))
    assert figures["weight_of_sum"] == pytest.approx(0.0, abs=1e-6)
    assert figures["weight_of_mean"] == 0.0
    assert "weight_of_sum" not in summarise(answers[:49], range(49))


def test_figures_from_before_a_weight_was_known_have_the_calibration_of_then() -> None:
    figures = {"accuracy": 0.5, "weight_of_sum": 0.8, "weight_of_mean": 0.1}
    calibration = calibration_of(figures, 40)
    assert calibration == Calibration(
        weight_of_sum=0.8, weight_of_mean=0.1, weight_beyond_second=1.0, questions=40
    )
    assert calibration_of({"accuracy": 0.5, "loss": 1.0}, 40) is None
