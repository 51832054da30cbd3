from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import outcome

from zhmcq.evaluation import (
    ReliabilityBin,
    ScoredQuestion,
    evaluate_outcomes,
    fit_calibration,
    probabilities,
)
from zhmcq.manifest import Calibration


def drawn(count: int, of_sum: float, of_mean: float, seed: int = 0) -> list[ScoredQuestion]:
    """Questions whose keys are as probable as these weights say."""
    draw = np.random.default_rng(seed)
    questions = []
    for _ in range(count):
        lengths = draw.integers(2, 12, 4)
        sums = -draw.gamma(3, 1, 4) * lengths / 2
        logits = of_sum * sums + of_mean * sums / lengths
        shares = np.exp(logits - logits.max())
        key = int(draw.choice(4, p=shares / shares.sum()))
        questions.append(ScoredQuestion(sums.tolist(), lengths.tolist(), key))
    return questions


def test_probabilities_are_a_softmax_of_weighted_sums_and_means() -> None:
    calibration = Calibration(weight_of_sum=0.5, weight_of_mean=2.0)
    # Logits 0.5 * -2 + 2 * -1 = -3 and 0.5 * -4 + 2 * -1 = -4.
    shares = probabilities(calibration, [-2.0, -4.0], [2, 4])
    assert shares == pytest.approx([0.7310586, 0.2689414])


def test_a_weight_of_one_leaves_the_models_own_probabilities() -> None:
    own = probabilities(Calibration(weight_of_sum=1.0), [np.log(0.2), np.log(0.6)], [1, 1])
    assert own == pytest.approx([0.25, 0.75])


def test_what_is_beyond_the_second_candidate_counts_by_its_own_weight() -> None:
    calibration = Calibration(weight_of_sum=1.0, weight_beyond_second=0.5)
    # Gaps 0, 1, 3 and 5: the logits are 0, -1, -(1 + 0.5 * 2) and -(1 + 0.5 * 4).
    shares = probabilities(calibration, [-3.0, -1.0, 0.0, -5.0], [1, 1, 1, 1])
    logits = np.array([-2.0, -1.0, 0.0, -3.0])
    assert shares == pytest.approx(np.exp(logits) / np.exp(logits).sum())


@pytest.mark.parametrize("count", [1, 2, 3, 15])
@pytest.mark.parametrize("beyond", [0.0, 0.3, 1.0])
def test_equal_scores_are_equally_probable_however_many_there_are(
    count: int, beyond: float
) -> None:
    calibration = Calibration(weight_of_sum=2.0, weight_beyond_second=beyond)
    shares = probabilities(calibration, [-1.5] * count, [3] * count)
    assert shares == pytest.approx([1 / count] * count)


def test_two_candidates_ahead_of_the_others_by_the_same_gap_are_equally_probable() -> None:
    calibration = Calibration(weight_of_sum=3.0, weight_beyond_second=0.1)
    first, second, third = probabilities(calibration, [-1.0, -1.0, -9.0], [1, 1, 1])
    assert first == pytest.approx(second)
    assert first > third


@given(
    st.lists(st.floats(-50, 0), min_size=2, max_size=6, unique=True),
    st.floats(0.01, 3),
    st.floats(0.01, 1),
)
def test_a_larger_score_is_never_less_probable(
    sums: list[float], of_sum: float, beyond: float
) -> None:
    calibration = Calibration(weight_of_sum=of_sum, weight_beyond_second=beyond)
    shares = probabilities(calibration, sums, [1] * len(sums))
    assert shares.sum() == pytest.approx(1)
    ranked = [share for _, share in sorted(zip(sums, shares, strict=True))]
    assert ranked == sorted(ranked)


def test_where_the_lead_over_the_second_decides_the_others_get_little_weight() -> None:
    draw = np.random.default_rng(0)
    questions = []
    for _ in range(2000):
        gaps = np.sort(draw.gamma(2, 2, 3))
        # The answer is right by its lead alone; else any of the others is the key.
        right = draw.random() < 1 / (1 + 3 * np.exp(-gaps[0]))
        key = 0 if right else int(draw.integers(1, 4))
        questions.append(ScoredQuestion([0.0, *(-gaps)], [1, 1, 1, 1], key))
    fitted = fit_calibration(questions)
    assert fitted is not None
    assert fitted.weight_of_sum == pytest.approx(1.0, abs=0.1)
    assert fitted.weight_beyond_second == pytest.approx(0.01, abs=0.04)


def test_two_candidates_have_nothing_beyond_the_second() -> None:
    questions = [ScoredQuestion((-1.0, -2.0), (3, 3), int(n % 4 == 0)) for n in range(200)]
    fitted = fit_calibration(questions)
    assert fitted is not None
    assert fitted.weight_beyond_second == 1.0


@pytest.mark.parametrize(("of_sum", "of_mean"), [(1.0, 0.0), (0.3, 0.0), (0.0, 2.0), (0.2, 1.5)])
def test_the_weights_that_questions_were_drawn_with_are_found(
    of_sum: float, of_mean: float
) -> None:
    found = fit_calibration(drawn(4000, of_sum, of_mean))
    assert found is not None
    assert found.weight_of_sum == pytest.approx(of_sum, abs=0.07)
    assert found.weight_of_mean == pytest.approx(of_mean, abs=0.25)
    assert found.weight_beyond_second == pytest.approx(1.0, abs=0.12)
    assert found.questions == 4000


def test_candidates_of_one_length_get_a_temperature_alone() -> None:
    questions = [ScoredQuestion((-1.0, -2.0), (3, 3), int(n % 4 == 0)) for n in range(200)]
    found = fit_calibration(questions)
    assert found is not None
    assert found.weight_of_mean == 0.0
    # Three of four keys have the larger likelihood: log 3 for a difference of 1.
    assert found.weight_of_sum == pytest.approx(np.log(3), abs=0.05)


def test_right_answers_alone_do_not_make_a_model_certain() -> None:
    found = fit_calibration([ScoredQuestion((0.0, -1.0), (1, 1), 0)] * 60)
    assert found is not None
    # Platt's targets: 61 of 62 and 1 of 62.
    assert found.weight_of_sum == pytest.approx(np.log(61), abs=0.01)


def test_answers_that_are_always_wrong_have_no_weight() -> None:
    found = fit_calibration([ScoredQuestion((0.0, -1.0), (1, 1), 1)] * 60)
    assert found is not None
    assert found.weight_of_sum == 0.0


def test_fewer_than_fifty_questions_say_nothing() -> None:
    assert fit_calibration(drawn(49, 1.0, 0.0)) is None
    assert fit_calibration(drawn(50, 1.0, 0.0)) is not None


def test_calibrated_confidences_of_texts_are_right_as_often_as_they_say() -> None:
    fitted = fit_calibration(drawn(1000, 1.0, 0.0, seed=1))
    assert fitted is not None

    def error(calibration: Calibration) -> float:
        rows = []
        for number, question in enumerate(drawn(2000, 1.0, 0.0, seed=2)):
            shares = probabilities(calibration, question.sums, question.lengths)
            best = int(shares.argmax())
            rows.append(outcome(str(number), best == question.key, confidence=float(shares[best])))
        found = evaluate_outcomes(rows).calibration_error
        assert found is not None
        return found

    assert error(fitted) < 0.03
    assert error(Calibration(weight_of_sum=0.0, weight_of_mean=1.0)) > 0.1


def test_bins_say_how_many_answers_of_a_confidence_are_right() -> None:
    rows = [outcome(str(n), n < 3, confidence=0.72, calibrated=True) for n in range(4)]
    result = evaluate_outcomes([*rows, outcome("5", False, confidence=1.0)])
    low, high = result.reliability
    assert low[:2] == (0.7, 0.8)
    assert low[2:5] == pytest.approx((4, 0.72, 0.75))
    assert low.interval == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert isinstance(high, ReliabilityBin)
    assert high[:5] == (0.9, 1.0, 1, 1.0, 0.0)
    assert result.calibrated
    # (3 * 0.28**2 + 0.72**2 + 1) / 5
    assert result.brier == pytest.approx(0.35072)


def test_the_noise_is_the_error_that_perfect_confidences_show_by_chance() -> None:
    # Ten answers of 0.5: the mean of |normal| with the variance of 10 draws, over 10.
    rows = [outcome(str(n), n % 2 == 0, confidence=0.5) for n in range(10)]
    result = evaluate_outcomes(rows)
    assert result.calibration_error == 0.0
    assert result.calibration_noise == pytest.approx(0.1261566)
    assert not result.calibrated
    assert evaluate_outcomes([outcome("1", True)]).calibration_noise is None
