from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zhmcq.encoding import EncodedQuestion
from zhmcq.evaluation import OrderedAnswer
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.prediction._engines import OtherOrder, PreparedQuestion, ScoreEngine
from zhmcq.prediction._order_engine import OrderEngine, label_priors
from zhmcq.prompts import answer_sets
from zhmcq.questions import Question
from zhmcq.settings import ScoreSettings

QUESTION = Question("q", "誰？", ("甲", "乙", "丙"))
ENCODED = EncodedQuestion(
    id="q",
    passage="",
    prompt=(1, 5),
    candidates=((6, 2), (7, 2), (8, 2)),
    answers=((0,), (1,), (2,)),
    target=None,
    normalization="sum",
)
ALONE = PreparedQuestion(QUESTION, ENCODED)
TWICE = replace(ALONE, others=(OtherOrder((1, 2, 0), replace(ENCODED, prompt=(1, 9, 9))),))
ENGINE = OrderEngine(ScoringEngine(None), ScoreSettings(orders=2))


def logs(*shares: float) -> list[float]:
    return [math.log(share) for share in shares]


def test_the_answer_has_the_highest_mean_of_log_probabilities() -> None:
    # The first place has a share of .6 whatever stands there; 乙 is preferred by both orders.
    record = {"id": "q", "orders": [logs(0.6, 0.3, 0.1), logs(0.6, 0.2, 0.2)]}
    prediction = ENGINE.prediction(TWICE, record)
    means = [math.sqrt(0.6 * 0.2), math.sqrt(0.3 * 0.6), math.sqrt(0.1 * 0.2)]
    assert (prediction.answer, prediction.label) == ((1,), "B")
    assert prediction.scores == pytest.approx(logs(*means))
    assert prediction.confidence == pytest.approx(means[1] / sum(means))
    assert prediction.agreement == 0.5
    assert prediction.by_order == (
        OrderedAnswer((0, 1, 2), (0,)),
        OrderedAnswer((1, 2, 0), (1,)),
    )


def test_scores_of_an_order_count_as_shares_whatever_they_sum_to() -> None:
    rows = [logs(0.6, 0.3, 0.1), logs(0.6, 0.2, 0.2)]
    shifted = [rows[0], [score - 40 for score in rows[1]]]
    one, other = (ENGINE.prediction(TWICE, {"id": "q", "orders": r}) for r in (rows, shifted))
    assert other.scores == pytest.approx(one.scores)


def test_sets_of_options_are_averaged_with_the_same_sets() -> None:
    question = Question("q", "哪些？", ("甲", "乙", "丙"), kind="multiple")
    sets = answer_sets(question)
    encoded = replace(ENCODED, answers=sets, candidates=tuple((n, 2) for n in range(7)))
    twice = PreparedQuestion(question, encoded, (OtherOrder((1, 2, 0), encoded),))
    rows = [[0.01] * 7, [0.01] * 7]
    rows[0][sets.index((0, 2))] = 0.94  # 甲丙, shown as AC, and then as BC
    rows[1][sets.index((1, 2))] = 0.94
    prediction = ENGINE.prediction(twice, {"id": "q", "orders": [logs(*row) for row in rows]})
    assert (prediction.answer, prediction.label, prediction.agreement) == ((0, 2), "AC", 1.0)
    assert prediction.confidence == pytest.approx(0.94)


def test_a_question_in_one_order_is_answered_as_without_orders() -> None:
    record = {"id": "q", "scores": [-8.0, -7.5, -9.0]}
    expected = ScoreEngine(ScoringEngine(None)).prediction(ALONE, record)
    assert ENGINE.prediction(ALONE, record) == expected
    assert (expected.agreement, expected.by_order) == (None, ())


def test_a_prior_is_divided_out_of_the_shares() -> None:
    record = {"id": "q", "scores": logs(0.06, 0.03, 0.01), "prior": logs(3.0, 1.0, 1 / 3)}
    prediction = ENGINE.prediction(ALONE, record)
    assert prediction.scores == pytest.approx(logs(0.25, 0.375, 0.375))
    assert prediction.answer in ((1,), (2,))
    assert prediction.label_prior == pytest.approx((9 / 13, 3 / 13, 1 / 13))
    assert prediction.by_order == (OrderedAnswer((0, 1, 2), (0,)),)
    assert prediction.agreement is None


@pytest.mark.parametrize(
    ("question", "record"),
    [
        (TWICE, {"id": "q", "scores": [0.0, 0.0, 0.0]}),
        (TWICE, {"id": "q", "orders": [[0.0, 0.0, 0.0]]}),
        (TWICE, {"id": "q", "orders": [[0.0, 0.0, 0.0], [0.0, 0.0]]}),
        (TWICE, {"id": "q", "orders": [[0.0, 0.0, 0.0], [0.0, 0.0, math.nan]]}),
        (TWICE, {"id": "q", "orders": [[0.0] * 3, [0.0] * 3], "prior": [0.0] * 3}),
        (TWICE, {"id": "q", "orders": [3, 4]}),
        (ALONE, {"id": "q", "orders": [[0.0, 0.0, 0.0]]}),
        (ALONE, {"id": "q", "scores": [0.0, 0.0]}),
        (ALONE, {"id": "q", "scores": [0.0] * 3, "prior": [0.0]}),
        (ALONE, {"id": "q", "scores": [0.0] * 3, "x": 1}),
    ],
)
def test_records_of_another_form_are_faulty(
    question: PreparedQuestion, record: dict[str, Any]
) -> None:
    assert "expected finite scores of 3 candidates" in (ENGINE.fault(question, record) or "")


def test_records_that_the_engine_writes_are_right() -> None:
    assert ENGINE.fault(TWICE, {"id": "q", "orders": [[0.0] * 3, [-1.0] * 3]}) is None
    assert ENGINE.fault(ALONE, {"id": "q", "scores": [0.0] * 3}) is None
    assert ENGINE.fault(ALONE, {"id": "q", "scores": [0.0] * 3, "prior": [0.0] * 3}) is None
    prior = replace(ENGINE, settings=ScoreSettings(orders="prior"))
    record = {"id": "q", "orders": [[0.0] * 3, [-1.0] * 3], "prior": [0.0] * 3}
    assert prior.fault(TWICE, record) is None
    assert prior.fault(TWICE, {**record, "prior": [0.0]}) is not None


def test_a_journal_depends_on_the_orders() -> None:
    assert ENGINE.journal_fields() == {"mode": "score", "orders": 2, "seed": 42}
    prior = replace(ENGINE, settings=ScoreSettings(orders="prior", seed=7))
    assert prior.journal_fields() == {
        "mode": "score",
        "orders": "prior",
        "prior_share": 0.05,
        "seed": 7,
    }


def test_a_preference_for_labels_falls_out_of_the_mean_over_all_shifts() -> None:
    orders = ((1, 2, 0), (2, 0, 1))
    thrice = replace(ALONE, others=tuple(OtherOrder(order, ENCODED) for order in orders))
    belief = logs(0.2, 0.3, 0.5)
    (rows,) = observed(logs(0.9, 0.09, 0.01), [belief], 3)
    prediction = ENGINE.prediction(thrice, {"id": "q", "orders": rows})
    assert (prediction.answer, prediction.agreement) == ((2,), 1 / 3)
    assert prediction.confidence == pytest.approx(0.5)


# --- the label prior ---------------------------------------------------------------------


def test_a_prior_is_divided_out_of_each_order_that_it_was_estimated_on() -> None:
    prior = logs(0.9, 0.09, 0.01)
    ((given, shifted, _),) = observed(prior, [logs(0.2, 0.3, 0.5)], 3)
    moved = replace(ALONE, others=(OtherOrder((1, 2, 0), ENCODED),))
    prediction = ENGINE.prediction(moved, {"id": "q", "orders": [given, shifted], "prior": prior})
    assert np.exp(prediction.scores) == pytest.approx([0.2, 0.3, 0.5])
    assert prediction.label_prior == pytest.approx((0.9, 0.09, 0.01))
    # By themselves both orders have the first label.
    assert [item.answer for item in prediction.by_order] == [(0,), (1,)]
    assert (prediction.answer, prediction.agreement) == ((2,), 0.0)


def observed(prior: list[float], beliefs: list[list[float]], turns: int) -> list[list[list[float]]]:
    """What a model shows in all shifts that has this prior of labels and believes this."""
    return [
        [
            [prior[place] + belief[(place + turn) % turns] - 3.0 * turn for place in range(turns)]
            for turn in range(turns)
        ]
        for belief in beliefs
    ]


def test_the_prior_that_was_put_in_is_found_whatever_the_model_believes() -> None:
    prior = logs(0.5, 0.3, 0.2)
    beliefs = np.random.default_rng(1).normal(size=(20, 3)).tolist()
    found = label_priors([(ENCODED, rows[:2]) for rows in observed(prior, beliefs, 3)])
    expected = np.array(prior) - np.mean(prior)
    assert found.keys() == {ENCODED.candidates}
    assert found[ENCODED.candidates] == pytest.approx(expected.tolist())


def test_fewer_than_20_questions_give_no_prior() -> None:
    rows = observed(logs(0.5, 0.3, 0.2), [[0.0, 0.0, 0.0]] * 19, 3)
    assert label_priors([(ENCODED, of_one[:2]) for of_one in rows]) == {}


def test_questions_whose_other_order_did_not_fit_do_not_count() -> None:
    rows = observed(logs(0.5, 0.3, 0.2), [[0.0, 0.0, 0.0]] * 20, 3)
    assert label_priors([(ENCODED, of_one[:1]) for of_one in rows]) == {}


def test_the_prior_of_sets_is_found_among_those_that_shifts_turn_into_each_other() -> None:
    sets = ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    encoded = replace(ENCODED, answers=sets, candidates=tuple((n, 2) for n in range(7)))
    ones, twos, three = logs(0.5, 0.3, 0.2), logs(0.6, 0.1, 0.3), [5.0]
    rows = [ones + twos + three] * 2  # a model that sees labels alone
    found = label_priors([(encoded, rows)] * 20)[encoded.candidates]
    assert found[:3] == pytest.approx((np.array(ones) - np.mean(ones)).tolist())
    assert found[3:6] == pytest.approx((np.array(twos) - np.mean(twos)).tolist())
    assert found[6] == 0.0
