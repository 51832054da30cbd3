"""The error among the surest answers, against how many are given."""

from __future__ import annotations

import pytest
from outcomes import outcome

from zhmcq.errors import PredictionError
from zhmcq.evaluation import RiskCoveragePoint, evaluate_outcomes, risk_coverage_curve


def test_answers_are_given_from_the_surest_on() -> None:
    rows = [
        outcome("1", False, confidence=0.3),
        outcome("2", True, confidence=0.9),
        outcome("3", False, confidence=0.8),
        outcome("4", True, confidence=0.5),
    ]
    assert risk_coverage_curve(rows) == (
        RiskCoveragePoint(threshold=0.9, coverage=0.25, error=0.0),
        RiskCoveragePoint(threshold=0.8, coverage=0.5, error=0.5),
        RiskCoveragePoint(threshold=0.5, coverage=0.75, error=1 / 3),
        RiskCoveragePoint(threshold=0.3, coverage=1.0, error=0.5),
    )


def test_equally_sure_answers_are_given_together_in_whatever_order_they_come() -> None:
    rows = [
        outcome("1", True, confidence=0.7),
        outcome("2", False, confidence=0.9),
        outcome("3", False, confidence=0.7),
    ]
    expected = (RiskCoveragePoint(0.9, 1 / 3, 1.0), RiskCoveragePoint(0.7, 1.0, 2 / 3))
    assert risk_coverage_curve(rows) == expected
    assert risk_coverage_curve(rows[::-1]) == expected


def test_a_question_without_an_answer_is_never_covered() -> None:
    rows = [
        outcome("1", True, confidence=0.9),
        outcome("2", False, label="", confidence=0.4, withheld=True),
        outcome("3", False),
        outcome("4", False, label=""),
    ]
    assert risk_coverage_curve(rows) == (RiskCoveragePoint(0.9, 0.25, 0.0),)
    assert evaluate_outcomes(rows).risk_coverage == (RiskCoveragePoint(0.9, 0.25, 0.0),)


def test_replies_have_no_curve() -> None:
    assert risk_coverage_curve([outcome("1", True)]) == ()
    assert risk_coverage_curve([]) == ()


def test_the_whole_curve_ends_at_the_accuracy_of_all_answers() -> None:
    rows = [outcome(str(n), n % 3 > 0, confidence=(n * 7 % 10) / 10) for n in range(30)]
    curve = risk_coverage_curve(rows)
    assert [point.threshold for point in curve] == [n / 10 for n in range(9, -1, -1)]
    assert curve[-1].coverage == 1
    assert curve[-1].error == pytest.approx(1 - evaluate_outcomes(rows).accuracy)


def test_other_things_are_refused() -> None:
    with pytest.raises(PredictionError, match=r"risk_coverage_curve\('x'\): expected a list of Ou"):
        risk_coverage_curve("x")  # type: ignore[arg-type]
