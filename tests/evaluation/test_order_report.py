from __future__ import annotations

from typing import Any

import pytest

from zhmcq.errors import PredictionError
from zhmcq.evaluation import OrderedAnswer
from zhmcq.evaluation._order_report import AnswerInOrders, report_orders
from zhmcq.questions import Question

SHIFTS = [(0, 1, 2), (1, 2, 0), (2, 0, 1)]


def asked(key: int | None, answer: int, own: list[int] | None = None, **fields: Any) -> Any:
    """A question of three options, the answer to it, and that of each shift by itself."""
    question = Question(
        "q", "？", ("甲", "乙", "丙"), answer=None if key is None else (key,), **fields
    )
    by_order = [OrderedAnswer(o, (a,)) for o, a in zip(SHIFTS, own or [], strict=False)]
    return AnswerInOrders(question, (answer,), tuple(by_order))


def test_changes_are_counted_against_the_given_order_alone() -> None:
    report = report_orders(
        [
            asked(0, 0, [0, 0, 0]),
            asked(0, 0, [1, 0, 0]),  # right instead of wrong
            asked(1, 2, [1, 2, 2]),  # wrong instead of right
            asked(None, 2, [0, 2, 2]),
            asked(1, 1),
        ]
    )
    assert (report.questions, report.reordered, report.with_prior) == (5, 4, 0)
    assert (report.changed, report.moved, report.gained, report.lost) == (3, 3, 1, 1)
    assert report.agreement == pytest.approx((1 + 2 / 3 * 3) / 4)


def test_recalls_are_those_of_the_places_where_the_key_is_shown() -> None:
    # A model that always takes the first place: in each shift the option that is shown there.
    report = report_orders([asked(key, 0, [0, 1, 2]) for key in (0, 1, 2)])
    assert report.shown is not None
    assert report.shown.by_position == {1: (1.0, 3), 2: (0.0, 3), 3: (0.0, 3)}
    assert report.shown.spread == 1.0
    assert report.shown.deviation == pytest.approx(2**0.5 / 3)
    assert report.shown.accuracy == pytest.approx(1 / 3)
    assert report.chosen == {1: 1.0, 2: 0.0, 3: 0.0}
    assert report.shown.chance_spread < 1.0
    # A model that knows the answers.
    report = report_orders([asked(key, key, [key] * 3) for key in (0, 1, 2)])
    assert report.shown is not None
    assert report.final is not None
    assert (report.shown.spread, report.shown.chance_spread, report.final.spread) == (0, 0, 0)
    assert report.chosen == {1: 1 / 3, 2: 1 / 3, 3: 1 / 3}


def test_positions_are_compared_on_questions_with_as_many_options_as_most() -> None:
    two = Question("q", "？", ("甲", "乙"), answer=(0,))
    several = Question("q", "？", ("甲", "乙", "丙"), answer=(0, 1), kind="multiple")
    report = report_orders(
        [
            asked(0, 0),
            asked(1, 0),
            AnswerInOrders(two, (1,)),
            AnswerInOrders(several, (0,)),
            AnswerInOrders(several, (0, 1)),
        ]
    )
    assert report.options == 3
    assert report.final is not None
    assert report.final.by_position == {1: (1.0, 1), 2: (0.0, 1)}


def test_a_spread_of_few_answers_is_shown_beside_what_chance_gives() -> None:
    report = report_orders([asked(n % 3, (n * n) % 3) for n in range(12)])
    assert report.final is not None
    # 8 of 12 are right, 4 in each place: three binomial shares of four spread by about a half.
    assert 0.3 < report.final.chance_spread < 0.6


def test_without_keys_it_says_what_needs_none() -> None:
    report = report_orders([asked(None, 0, [0, 0, 1])])
    assert (report.alone, report.final, report.shown) == (None, None, None)
    assert report.changed == 1
    assert report.chosen == {1: 1 / 3, 2: 0.0, 3: 2 / 3}
    assert "position of the key" not in str(report)


def test_the_report_says_it_in_words() -> None:
    report = report_orders([asked(0, 0, [1, 0, 0]), asked(1, 1, [1, 1, 1]), asked(2, 2, [0])])
    assert str(report) == (
        "2 of 3 questions answered in several orders\n"
        "the orders give different answers to 1 of them; "
        "83.3% of the orders agree with the answer\n"
        "a label prior divided out of the answers to 1\n"
        "2 answers differ from those by the given order alone: "
        "2 are right instead of wrong, 0 wrong instead of right\n"
        "positions chosen in single orders: 1: 16.7%, 2: 50.0%, 3: 33.3%\n"
        "accuracy by the position of the key among 3 options:\n"
        "                      all       1       2       3  spread  by chance  deviation\n"
        "given order alone   33.3%    0.0%  100.0%    0.0%  100.0%     100.0%      47.1%\n"
        "answers            100.0%  100.0%  100.0%  100.0%    0.0%       0.0%       0.0%\n"
        "single orders       83.3%   50.0%  100.0%  100.0%   50.0%      50.0%      23.6%\n"
        "keys                    3       1       1       1"
    )


def test_nothing_that_was_scored_is_an_error() -> None:
    with pytest.raises(PredictionError, match="expected questions that were answered by the score"):
        report_orders([])
