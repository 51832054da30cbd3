from __future__ import annotations

import math
import subprocess
import sys
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhmcq.encoding._orders import aligned, cyclic_orders, in_original_terms, option_orders
from zhmcq.questions import Question


def question(count: int = 4, **fields: Any) -> Question:
    return Question("q", "誰？", tuple("梅蘭竹菊松柏楓"[:count]), **fields)


def test_the_given_order_comes_first_then_its_shifts_then_others() -> None:
    orders = option_orders(question(3), 9, seed=1)
    assert orders[:3] == ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    assert sorted(orders) == sorted(permutations(range(3)))


@given(st.integers(2, 7), st.integers(1, 120), st.integers(0, 3))
def test_orders_do_not_repeat_and_are_as_many_as_there_are(
    options: int, count: int, seed: int
) -> None:
    orders = option_orders(question(options), count, seed)
    assert len(set(orders)) == len(orders) == min(count, math.factorial(options))
    assert all(sorted(order) == list(range(options)) for order in orders)
    fewer = option_orders(question(options), max(1, count // 2), seed)
    assert orders[: len(fewer)] == fewer


def test_in_all_shifts_each_option_stands_once_in_each_place() -> None:
    orders = cyclic_orders(question(5))
    assert len(orders) == 5
    assert all(sorted(places) == [0, 1, 2, 3, 4] for places in zip(*orders, strict=True))


def test_the_seed_and_the_id_decide_what_comes_after_the_shifts() -> None:
    orders = option_orders(question(), 8, seed=1)
    assert option_orders(question(), 8, seed=2)[:4] == orders[:4]
    assert option_orders(question(), 8, seed=2)[4:] != orders[4:]
    other = Question("r", "誰？", question().options)
    assert option_orders(other, 8, seed=1)[4:] != orders[4:]


def test_orders_are_the_same_in_every_process() -> None:
    code = (
        "from zhmcq.encoding._orders import option_orders; from zhmcq.questions import Question; "
        "print(option_orders(Question('題', '誰？', tuple('梅蘭竹菊松柏楓')), 10, 3))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    own = option_orders(Question("題", "誰？", tuple("梅蘭竹菊松柏楓")), 10, 3)
    assert done.stdout.strip() == str(own)


@pytest.mark.parametrize(
    "fixed",
    [
        Question("q", "誰？", ("梅", "蘭", "竹", "以上皆是")),
        Question("q", "何者正確？", ("是", "否"), kind="true_false"),
        Question("q", "選項B是什麼？", ("梅", "蘭", "竹", "菊")),
        Question("q", "誰？", ("梅", "蘭", "A和B", "菊")),
    ],
)
def test_options_that_must_keep_their_order_have_one(fixed: Question) -> None:
    given_order = tuple(range(len(fixed.options)))
    assert option_orders(fixed, 4, seed=1) == cyclic_orders(fixed) == (given_order,)


def test_an_answer_in_another_order_means_the_options_that_stood_there() -> None:
    assert in_original_terms((0,), (2, 0, 1)) == (2,)
    assert in_original_terms((0, 1), (2, 0, 1)) == (0, 2)


def test_candidates_for_the_same_options_are_found_in_another_order() -> None:
    singles = [(0,), (1,), (2,)]
    assert aligned(singles, singles, (2, 0, 1)) == [1, 2, 0]
    sets = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    assert aligned(sets, sets, (2, 0, 1)) == [1, 2, 0, 5, 3, 4, 6]


def test_of_two_candidates_for_one_answer_the_first_goes_with_the_first() -> None:
    assert aligned([(0,), (0,), (1,)], [(1,), (0,), (1,)], (1, 0)) == [0, 2, 1]


def test_candidates_for_other_options_are_not_aligned() -> None:
    assert aligned([(0,), (1,)], [(0,), (0,)], (1, 0)) is None
    assert aligned([(0,), (1,)], [(0,)], (1, 0)) is None
