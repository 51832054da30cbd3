from __future__ import annotations

import numpy as np
import pytest

from zhmcq.errors import SettingsError
from zhmcq.evaluation import certify, option_sets, set_threshold


def test_forty_five_answers_without_an_error_are_the_fewest_for_ninety_percent() -> None:
    def threshold(count: int, certainty: float) -> float | None:
        return certify(
            [0.9] * count, [True] * count, range(count), max_error=0.05, certainty=certainty
        ).threshold

    # 0.95**45 = 0.0994 and 0.95**59 = 0.0485.
    assert threshold(44, 0.9) is None
    assert threshold(45, 0.9) == 0.0
    assert threshold(58, 0.95) is None
    assert threshold(59, 0.95) == 0.0


def test_the_loosest_threshold_before_the_first_that_fails_is_taken() -> None:
    # 60 sure answers are right, of 40 others half are wrong.
    confidences = [0.95] * 60 + [0.5] * 40
    correct = [True] * 60 + [True, False] * 20
    promise = certify(confidences, correct, range(100), max_error=0.05, certainty=0.9)
    assert promise.threshold == 0.51
    assert (promise.questions, promise.answered, promise.errors) == (100, 60, 0)
    assert str(promise) == (
        "at most 5.0% wrong, 90% sure: answers from a confidence of 0.51 on (0 of 60 wrong among "
        "100 calibration questions); for questions drawn like those"
    )


def test_a_threshold_that_fails_ends_the_search_though_a_looser_one_would_pass() -> None:
    # The surest 45 hold one error, which is too many; all 200 together have two.
    confidences = [0.9] * 45 + [0.4] * 155
    correct = [False] + [True] * 198 + [False]
    promise = certify(confidences, correct, range(200), max_error=0.05, certainty=0.9)
    assert promise.threshold is None
    assert certify([0.4] * 200, correct, range(200), max_error=0.05, certainty=0.9).threshold == 0


def test_where_nothing_is_certified_it_says_how_many_answers_it_takes() -> None:
    promise = certify([0.9] * 30, [True] * 30, range(30), max_error=0.05, certainty=0.95)
    assert promise.threshold is None
    assert promise.required == 59
    assert "It takes at least 59 answers without an error" in str(promise)


def test_answers_that_are_wrong_together_count_for_less() -> None:
    # 12 wrong answers of 300: alone, or all questions of three passages of four.
    correct = [number >= 12 for number in range(400)]
    alone = certify([0.9] * 400, correct, range(400), max_error=0.05, certainty=0.9)
    passages = [number // 4 for number in range(400)]
    together = certify([0.9] * 400, correct, passages, max_error=0.05, certainty=0.9)
    assert alone.threshold == 0.0
    assert together.threshold is None


@pytest.mark.parametrize("share", [0, 1, -0.1, 5, True, "0.1", float("nan"), None])
def test_other_shares_are_refused(share: object) -> None:
    for name in ("max_error", "certainty"):
        shares = {"max_error": 0.05, "certainty": 0.9, name: share}
        with pytest.raises(SettingsError, match=f"{name}=.* expected a number between 0 and 1"):
            certify([0.9], [True], [0], **shares)  # type: ignore[arg-type]


def test_no_calibration_answers_certify_nothing() -> None:
    assert certify([], [], [], max_error=0.05, certainty=0.9).threshold is None


def test_sets_hold_the_key_as_often_as_was_asked_for() -> None:
    # (19 * missed / 19 + 1) / 20 <= 0.2 allows three of 19 keys to be missed.
    keys = [number / 20 for number in range(1, 20)]
    threshold = set_threshold(keys, range(19), max_error=0.2)
    assert threshold == 0.2
    assert sum(key < threshold for key in keys) == 3


def test_too_few_passages_put_all_options_into_every_set() -> None:
    assert set_threshold([0.9] * 18, range(18), max_error=0.05) == 0.0
    assert set_threshold([0.9] * 19, range(19), max_error=0.05) == 0.9
    assert set_threshold([0.9] * 60, [n // 4 for n in range(60)], max_error=0.05) == 0.0
    assert set_threshold([], [], max_error=0.05) == 0.0


def test_the_most_probable_option_is_in_every_set() -> None:
    shares = [(0.5, 0.3, 0.2), (0.1, 0.2, 0.1), (0.25, 0.25, 0.5)]
    assert option_sets(shares, 0.25) == [(0, 1), (1,), (0, 1, 2)]


def test_sets_miss_the_key_no_more_often_than_promised() -> None:
    draw = np.random.default_rng(3)
    missed = []
    for _ in range(400):
        keys = draw.beta(4, 1, 200)
        threshold = set_threshold(keys[:100].tolist(), range(100), max_error=0.1)
        missed.append(float((keys[100:] < threshold).mean()))
    assert 0.085 < float(np.mean(missed)) < 0.105


def test_the_promise_is_kept_in_simulated_banks() -> None:
    """A small part of tests/benchmarks/promises.py: passages of 3 to 5 questions, 300 of them."""
    draw = np.random.default_rng(8)
    broken = 0
    for _ in range(150):
        passages = np.repeat(np.arange(80), draw.integers(3, 6, 80))
        confidences = draw.beta(2.2, 0.25, len(passages))
        shared = draw.random(len(passages)) < np.sqrt(0.3)
        luck = np.where(shared, draw.random(80)[passages], draw.random(len(passages)))
        correct = luck < confidences
        promise = certify(
            confidences.tolist(), correct.tolist(), passages.tolist(), max_error=0.05, certainty=0.9
        )
        if promise.threshold is not None:
            above = confidences[confidences >= promise.threshold]
            broken += float((1 - above).mean()) > 0.05
    assert broken <= 18  # 12 %
