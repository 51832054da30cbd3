"""Confidences of any answers become probabilities, by answers whose keys are known."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import pytest

from zhmcq import Prediction, Predictions, Question, QuestionBank
from zhmcq.checks import fingerprints
from zhmcq.errors import PredictionError
from zhmcq.manifest import SeenQuestions
from zhmcq.prediction._predictions import AnsweredBy

ONE_OF_TWO = ((0,), (1,))


def answered(
    name: str,
    count: int,
    keys: Any = lambda _number: 0,
    scores: tuple[float, ...] = (-1.0, -3.0),
    candidates: tuple[tuple[int, ...], ...] = ONE_OF_TWO,
    **fields: Any,
) -> Predictions:
    """Questions whose first candidate has the largest score; ``keys`` says which one is right."""
    bank, items = [], []
    shares = np.exp(scores) / np.exp(scores).sum()
    for number in range(count):
        key = keys(number)
        question = Question(
            f"{name}{number}",
            f"{name}{number}？",
            ("甲", "乙"),
            answer=candidates[key] if isinstance(key, int) else key,
            kind="single" if candidates == ONE_OF_TWO and isinstance(key, int) else "multiple",
        )
        bank.append(question)
        of_options = [
            float(sum(s for c, s in zip(candidates, shares, strict=True) if index in c))
            for index in range(2)
        ]
        items.append(
            Prediction(
                question.id,
                candidates[0],
                question.label_of(candidates[0]),
                float(shares[0]),
                scores=scores,
                candidates=candidates,
                probabilities=tuple(of_options),
            )
        )
    return Predictions(QuestionBank(bank), tuple(items), **fields)


def three_of_four(number: int) -> int:
    return int(number % 4 == 0)


def test_confidences_are_how_often_such_answers_were_right() -> None:
    known = answered("k", 200, three_of_four)
    given = answered("a", 2).calibrate(calibrated_on=known)
    assert not answered("a", 2).calibrated
    assert given.calibrated
    # exp(2 w) = 3, but for Platt's targets.
    assert given.calibration is not None
    assert given.calibration.weight_of_sum == pytest.approx(math.log(3) / 2, rel=0.02)
    assert given.calibration.questions == 200
    for item in given:
        assert item.confidence == pytest.approx(0.75, abs=0.005)
        assert item.probabilities == pytest.approx([0.75, 0.25], abs=0.005)
    assert [item.answer for item in given] == [(0,), (0,)]
    assert "uncalibrated" not in repr(given)


def test_what_was_calibrated_before_is_calibrated_by_its_scores_anew() -> None:
    first = answered("a", 1).calibrate(calibrated_on=answered("k", 200, three_of_four))
    second = first.calibrate(calibrated_on=answered("h", 200, lambda number: number % 2))
    assert second[0].confidence == pytest.approx(0.5, abs=0.01)


def test_scores_that_say_nothing_give_every_candidate_the_same_share() -> None:
    given = answered("a", 1).calibrate(calibrated_on=answered("k", 60, lambda _number: 1))
    assert given.calibration is not None
    assert given.calibration.weight_of_sum == 0.0
    assert given[0].probabilities == (0.5, 0.5)


def test_an_option_is_as_probable_as_the_sets_that_hold_it() -> None:
    sets = ((0,), (0, 1), (1,))
    scores = (0.0, -1.0, -1.0)
    known = answered("k", 400, lambda number: (0, 0, 1, 2)[number % 4], scores, sets)
    (item,) = answered("a", 1, scores=scores, candidates=sets).calibrate(calibrated_on=known)
    assert item.confidence == pytest.approx(0.5, abs=0.005)
    assert item.probabilities == pytest.approx([0.75, 0.5], abs=0.005)


def test_questions_whose_key_is_no_candidate_do_not_count() -> None:
    known = answered("k", 60, lambda number: (0, 1) if number < 11 else 0)
    with pytest.raises(PredictionError, match=r"calibrated_on has 49 scored answers .*expected 50"):
        answered("a", 1).calibrate(calibrated_on=known)


def test_rows_without_an_answer_stay_as_they_are() -> None:
    bank = QuestionBank([*answered("a", 1).bank, Question("x", "？", ("甲", "乙"))])
    none = Prediction("x", None, "", status="unusable", reason="too long")
    mixed = Predictions(bank, (answered("a", 1)[0], none))
    given = mixed.calibrate(calibrated_on=answered("k", 60))
    assert (given[1].status, given[1].reason, given[1].confidence) == ("unusable", "too long", None)
    assert given.calibrated


def test_what_a_promise_was_made_by_is_not_changed_afterwards() -> None:
    withheld = answered("a", 1).withhold(calibrated_on=answered("k", 60))
    sets = answered("a", 1).withhold(calibrated_on=answered("k", 60), sets=True)
    for given in (withheld, sets):
        with pytest.raises(PredictionError, match="calibrate first, then withhold"):
            given.calibrate(calibrated_on=answered("h", 60))


def test_a_promise_needs_confidences_of_one_calibration() -> None:
    known, others = answered("k", 60), answered("h", 60)
    given = answered("a", 1).calibrate(calibrated_on=others)
    with pytest.raises(PredictionError, match="were calibrated otherwise than these"):
        given.withhold(calibrated_on=known)
    promised = given.withhold(calibrated_on=known.calibrate(calibrated_on=others))
    assert promised[0].status == "answered"


def test_answers_that_may_not_calibrate_are_refused() -> None:
    asked, known = answered("a", 1), answered("k", 60)
    with pytest.raises(PredictionError, match="60 calibration questions are among those"):
        known.calibrate(calibrated_on=known)
    with pytest.raises(PredictionError, match="expected the Predictions of the same model"):
        asked.calibrate(calibrated_on=known.bank)  # type: ignore[arg-type]
    by = [AnsweredBy(name, SeenQuestions()) for name in ("one order", "two orders")]
    with pytest.raises(PredictionError, match="answered by another model, adapter, prompt or mode"):
        answered("a", 1, answered_by=by[0]).calibrate(
            calibrated_on=answered("k", 60, answered_by=by[1])
        )
    seen = SeenQuestions(train=frozenset(fingerprints(known.bank[:2])))
    with pytest.raises(PredictionError, match="trained on 2 of 60 calibration questions"):
        asked.calibrate(calibrated_on=answered("k", 60, answered_by=AnsweredBy("model", seen)))
    bare = [Question(q.id, q.stem, q.options) for q in known.bank]
    with pytest.raises(PredictionError, match="has no question with a key"):
        asked.calibrate(calibrated_on=Predictions(QuestionBank(bare), tuple(known)))
    replies = Prediction("k0", (0,), "A", reply="A")
    with pytest.raises(PredictionError, match="generated replies have none"):
        asked.calibrate(calibrated_on=Predictions(known.bank[:1], (replies,)))


def test_questions_that_chose_the_checkpoint_are_named(caplog: pytest.LogCaptureFixture) -> None:
    known = answered("k", 60)
    seen = SeenQuestions(validation=frozenset(fingerprints(known.bank)))
    with caplog.at_level(logging.WARNING):
        answered("a", 1).calibrate(
            calibrated_on=answered("k", 60, answered_by=AnsweredBy("model", seen))
        )
    assert "60 of 60 calibration questions chose the model's checkpoint" in caplog.text
