from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test, t

from zhmcq.evaluation import accuracy_interval, paired_interval, sign_flip_test, wilson


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"),
    [
        # Newcombe (1998), table I: the score method without continuity correction.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0000),
    ],
)
def test_the_interval_of_independent_questions_is_wilsons(
    correct: int, count: int, low: float, high: float
) -> None:
    assert wilson(correct, count) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 400), st.data())
def test_wilsons_interval_is_that_of_scipy(count: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, count))
    theirs = binomtest(correct, count).proportion_ci(0.95, method="wilson")
    assert wilson(correct, count) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_without_shared_passages_the_interval_is_that_of_independent_questions() -> None:
    right = [True] * 15 + [False] * 5
    assert accuracy_interval(right, list(range(20))) == wilson(15, 20)


def test_passages_that_are_answered_as_a_whole_count_as_one_question_each() -> None:
    # 20 passages of 4 questions, 15 all right: the variance between passages is 20/19 times that
    # of 20 independent questions, and t(19) is 1.0679 times as wide as the normal distribution.
    right = [passage < 15 for passage in range(20) for _ in range(4)]
    clusters = [passage for passage in range(20) for _ in range(4)]
    effective = 20 * 19 / 20 / (t.ppf(0.975, 19) / 1.959964) ** 2
    assert effective == pytest.approx(16.66, abs=0.01)
    expected = wilson(0.75 * effective, effective)
    assert accuracy_interval(right, clusters) == pytest.approx(expected, abs=1e-6)
    assert accuracy_interval(right, clusters) == pytest.approx((0.5100, 0.8964), abs=1e-4)


def test_questions_of_a_passage_that_differ_are_never_worth_more_than_independent_ones() -> None:
    # Each passage has one right and one wrong answer: no variance between passages at all.
    right = [True, False] * 20
    clusters = [passage for passage in range(20) for _ in range(2)]
    low, high = accuracy_interval(right, clusters)
    plain_low, plain_high = wilson(20, 40)
    assert low < plain_low
    assert high > plain_high


@pytest.mark.parametrize("answer", [True, False])
def test_where_all_answers_are_alike_each_passage_counts_as_one_question(answer: bool) -> None:
    clusters = [passage for passage in range(20) for _ in range(3)]
    low, high = accuracy_interval([answer] * 60, clusters)
    effective = 20 / (t.ppf(0.975, 19) / 1.959964) ** 2
    assert (low, high) == pytest.approx(wilson(effective * answer, effective), abs=1e-6)
    assert (high if answer else low) == float(answer)


def test_questions_about_one_passage_alone_are_worth_one() -> None:
    assert accuracy_interval([True, True, False, True], [0, 0, 0, 0]) == pytest.approx(
        wilson(0.75, 1), abs=1e-6
    )


def test_the_paired_interval_of_independent_questions_is_agresti_and_mins() -> None:
    # 20 and 10 changed of 100. With half an answer added to each cell the difference is 10/102,
    # its standard error sqrt(31/102 - (10/102)**2) / sqrt(102).
    gained, lost = [True] * 20 + [False] * 80, [False] * 20 + [True] * 10 + [False] * 70
    low, high = paired_interval(gained, lost, list(range(100)))
    assert (low, high) == pytest.approx((-0.00726, 0.20334), abs=1e-4)


def test_the_paired_interval_is_wider_where_passages_change_as_a_whole() -> None:
    gained, lost = [True] * 20 + [False] * 80, [False] * 20 + [True] * 10 + [False] * 70
    clusters = [question // 5 for question in range(100)]
    low, high = paired_interval(gained, lost, clusters)
    assert low < -0.1
    assert high > 0.3


def test_the_paired_interval_stays_within_what_is_possible() -> None:
    assert paired_interval([True], [False], [0])[1] == 1.0
    low, high = paired_interval([False] * 4, [True] * 4, [0, 0, 1, 1])
    assert -1.0 <= low <= high <= 1.0


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [
        (0, 0, 1.0),
        (1, 0, 0.5),  # a swap turns it round: as large always, so half
        (6, 0, 0.015625),  # 2 / 2**6, half of it
        (8, 1, 0.021484375),  # 2 (1 + 9/2) / 2**9
        (1, 8, 0.021484375),
        (5, 5, 0.876953125),  # 1 - C(10, 5) / 2**11
        # Fagerland, Lydersen and Laake (2013): airway hyper-responsiveness of 21 children before
        # and after a stem cell transplant; they give 0.039.
        (7, 1, 0.0390625),
    ],
)
def test_the_test_of_independent_questions_is_mcnemars_with_mid_p(
    gained: int, lost: int, p_value: float
) -> None:
    changes = [1] * gained + [-1] * lost + [0] * 12
    assert sign_flip_test(changes, list(range(len(changes)))) == pytest.approx(p_value, abs=1e-12)


def test_swapping_whole_passages_is_what_scipys_permutation_test_does() -> None:
    sums = [2, -1, 3, 0, 1, 1, -2, 2, 1]
    changes = [np.sign(size) for size in sums for _ in range(max(1, abs(size)))]
    clusters = [passage for passage, size in enumerate(sums) for _ in range(max(1, abs(size)))]
    exact = permutation_test(
        [np.array(sums)], np.sum, permutation_type="samples", n_resamples=10_000
    )
    equal = np.mean(np.abs(exact.null_distribution) == abs(sum(sums)))
    assert sign_flip_test(changes, clusters) == pytest.approx(exact.pvalue - equal / 2, abs=1e-12)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_every_swap_of_passages_counts_once(sums: list[int]) -> None:
    changes = [change for size in sums for change in ([int(np.sign(size))] * abs(size) or [0])]
    clusters = [passage for passage, size in enumerate(sums) for _ in range(max(1, abs(size)))]
    swaps = [
        sum(sign * size for sign, size in zip(signs, sums, strict=True))
        for signs in itertools.product((1, -1), repeat=len(sums))
    ]
    seen = abs(sum(sums))
    more = sum(abs(swap) > seen for swap in swaps)
    equal = sum(abs(swap) == seen for swap in swaps)
    expected = (more + equal / 2) / len(swaps) if any(sums) else 1.0
    assert sign_flip_test(changes, clusters) == pytest.approx(expected, abs=1e-12)


def test_the_tests_for_pairs_in_clusters_agree_about_many_passages() -> None:
    """Obuchowski's (1998) and Durkalski's (2003) tests are normal approximations of the same."""
    from scipy.stats import chi2

    draw = np.random.default_rng(5)
    sizes = np.full(300, 3)
    sums = draw.binomial(3, 0.35, 300) - draw.binomial(3, 0.30, 300)
    changes, clusters = [], []
    for passage, size in enumerate(sums):
        changes += [int(np.sign(size))] * abs(int(size)) + [0] * (3 - abs(int(size)))
        clusters += [passage] * 3
    total, count = int(sums.sum()), int(sizes.sum())
    residuals = sums - total / count * sizes
    obuchowski = total**2 / (300 / 299 * (residuals**2).sum())
    durkalski = ((sums / sizes).sum()) ** 2 / ((sums / sizes) ** 2).sum()
    p_value = sign_flip_test(changes, clusters)
    assert 0.001 < p_value < 0.2
    assert p_value == pytest.approx(float(chi2.sf(obuchowski, 1)), rel=0.1)
    assert p_value == pytest.approx(float(chi2.sf(durkalski, 1)), rel=0.1)


def test_thousands_of_passages_are_tested_exactly() -> None:
    changes = [1] * 700 + [-1] * 500 + [0] * 3000
    clusters = list(range(len(changes)))
    half = binomtest(500, 1200).pvalue
    from scipy.stats import binom

    expected = half - float(binom.pmf(500, 1200, 0.5))
    assert sign_flip_test(changes, clusters) == pytest.approx(expected, rel=1e-9)
