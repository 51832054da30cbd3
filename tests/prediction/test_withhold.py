from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest

from zhmcq import Prediction, Predictions, Question, QuestionBank
from zhmcq.checks import fingerprints
from zhmcq.errors import PredictionError
from zhmcq.manifest import SeenQuestions
from zhmcq.prediction._predictions import AnsweredBy


def answers(
    name: str, count: int, wrong: int = 0, confidence: float | None = 0.9, **fields: Any
) -> Predictions:
    """Answers to questions of this name with the key A, the last few of them wrong."""
    questions = [
        Question(f"{name}{number}", f"{name}{number}？", ("甲", "乙"), answer=(0,))
        for number in range(count)
    ]
    items = []
    for number, question in enumerate(questions):
        index = int(number >= count - wrong)
        label = question.labels[index]
        shares = () if confidence is None else (confidence, 1 - confidence)[:: 1 - 2 * index]
        items.append(Prediction(question.id, (index,), label, confidence, probabilities=shares))
    return Predictions(QuestionBank(questions), tuple(items), **fields)


def joined(first: Predictions, second: Predictions) -> Predictions:
    return Predictions(first.bank + second.bank, (*first, *second))


def test_answers_below_the_certified_confidence_are_withheld_with_their_reason() -> None:
    known = joined(answers("k", 60), answers("u", 20, wrong=10, confidence=0.6))
    asked = joined(answers("a", 2), answers("b", 2, confidence=0.6))
    given = asked.withhold(max_error=0.05, certainty=0.9, calibrated_on=known)
    assert [item.status for item in given] == ["answered", "answered", "withheld", "withheld"]
    assert [item.label for item in given] == ["A", "A", "", ""]
    assert given[2].reason == "A withheld: confidence 0.6, below 0.61"
    assert given[2].confidence == 0.6
    assert given.promise is not None
    assert (given.promise.threshold, given.promise.errors) == (0.61, 0)
    evaluation = given.evaluate()
    assert (evaluation.accuracy, evaluation.coverage, evaluation.accuracy_answered) == (
        0.5,
        0.5,
        1.0,
    )
    assert evaluation.invalid_rate == 0.0


def test_where_nothing_can_be_certified_everything_is_withheld(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        given = answers("a", 3).withhold(calibrated_on=answers("k", 44))
    assert [item.status for item in given] == ["withheld"] * 3
    assert "It takes at least 45 answers without an error" in caplog.text
    assert given[0].reason == "A withheld: confidence 0.9, no threshold could be certified"


def test_rows_without_an_answer_keep_their_status() -> None:
    question = Question("x", "？", ("甲", "乙"))
    none = Predictions(QuestionBank([question]), (Prediction("x", None, "", status="none"),))
    given = joined(answers("a", 1), none).withhold(calibrated_on=answers("k", 60))
    assert [item.status for item in given] == ["answered", "none"]


def test_a_slice_keeps_the_promise() -> None:
    given = answers("a", 3).withhold(calibrated_on=answers("k", 60))
    assert given[:2].promise == given.promise


def test_sets_hold_all_options_that_are_probable_enough() -> None:
    known = joined(answers("k", 80), answers("u", 20, wrong=20, confidence=0.7))
    asked = joined(answers("a", 1), answers("b", 1, confidence=0.7))
    given = asked.withhold(max_error=0.1, calibrated_on=known, sets=True)
    # A tenth of the keys may be missed: the twenty of probability 0.3 are too many.
    assert [item.option_set for item in given] == [(0,), (0, 1)]
    assert [item.status for item in given] == ["answered", "answered"]


def test_a_set_holds_the_answer_though_another_option_is_more_probable() -> None:
    asked = answers("a", 1)
    first = dataclasses.replace(asked[0], probabilities=(0.05, 0.95))
    asked = Predictions(asked.bank, (first,))
    given = asked.withhold(max_error=0.1, calibrated_on=answers("k", 80), sets=True)
    assert given[0].option_set == (0, 1)


def test_answers_that_were_withheld_certify_nothing() -> None:
    known = joined(answers("k", 60), answers("u", 40, wrong=20, confidence=0.6))
    withheld = known.withhold(calibrated_on=answers("o", 60))
    with pytest.raises(PredictionError, match="has answers that were withheld"):
        answers("a", 2, confidence=0.6).withhold(calibrated_on=withheld)


def test_answers_are_withheld_once() -> None:
    given = answers("a", 2).withhold(calibrated_on=answers("k", 60))
    with pytest.raises(PredictionError, match="were withheld already"):
        given.withhold(max_error=0.5, calibrated_on=answers("l", 60))


def test_probabilities_and_uncalibrated_confidences_have_no_threshold_in_common() -> None:
    known = answers("k", 60)
    items = tuple(dataclasses.replace(item, calibrated=True) for item in known)
    with pytest.raises(PredictionError, match="were calibrated otherwise than these"):
        answers("a", 2).withhold(calibrated_on=Predictions(known.bank, items))


def test_rows_without_any_answer_stay_as_they_are() -> None:
    none = Prediction("x", None, "", status="unusable")
    rows = Predictions(QuestionBank([Question("x", "？", ("甲", "乙"))]), (none,))
    assert list(rows.withhold(calibrated_on=answers("k", 60))) == [none]
    assert list(rows[:0].withhold(calibrated_on=answers("k", 60))) == []


def test_calibration_questions_that_are_to_be_answered_are_refused() -> None:
    known = answers("k", 60)
    with pytest.raises(PredictionError, match=r"60 calibration questions are among those .*\(k0,"):
        known.withhold(calibrated_on=known)


def test_calibration_questions_that_were_trained_on_are_refused() -> None:
    known = answers("k", 60)
    seen = SeenQuestions(train=frozenset(fingerprints(known.bank[:2])))
    known = answers("k", 60, answered_by=AnsweredBy("model", seen))
    with pytest.raises(PredictionError, match=r"trained on 2 of 60 calibration questions \(k0, k1"):
        answers("a", 1).withhold(calibrated_on=known)


def test_calibration_questions_that_chose_the_checkpoint_are_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = SeenQuestions(validation=frozenset(fingerprints(answers("k", 60).bank)))
    known = answers("k", 60, answered_by=AnsweredBy("model", seen))
    with caplog.at_level(logging.WARNING):
        answers("a", 1).withhold(calibrated_on=known)
    assert "60 of 60 calibration questions chose the model's checkpoint" in caplog.text


def test_answers_of_another_model_calibrate_nothing() -> None:
    known = answers("k", 60, answered_by=AnsweredBy("one", SeenQuestions()))
    asked = answers("a", 1, answered_by=AnsweredBy("another", SeenQuestions()))
    with pytest.raises(PredictionError, match="answered by another model, adapter, prompt or mode"):
        asked.withhold(calibrated_on=known)


def test_answers_without_keys_or_confidences_calibrate_nothing() -> None:
    bare = answers("k", 60)
    without = [Question(q.id, q.stem, q.options) for q in bare.bank]
    with pytest.raises(PredictionError, match="has no question with a key"):
        answers("a", 1).withhold(calibrated_on=Predictions(QuestionBank(without), tuple(bare)))
    with pytest.raises(PredictionError, match="generated replies have none"):
        answers("a", 1).withhold(calibrated_on=answers("k", 60, confidence=None))
    with pytest.raises(PredictionError, match="generated replies have none"):
        answers("a", 1, confidence=None).withhold(calibrated_on=bare)
    with pytest.raises(PredictionError, match="expected the Predictions of the same model"):
        answers("a", 1).withhold(calibrated_on=bare.bank)  # type: ignore[arg-type]
