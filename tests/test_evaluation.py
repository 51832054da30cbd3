from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from zhmcq.errors import PredictionError
from zhmcq.evaluation import (
    Evaluation,
    HasOutcomes,
    Outcome,
    compare,
    evaluate_outcomes,
    wilson,
)


@dataclass
class Answers:
    """The least that compare() asks for."""

    rows: list[Outcome]

    def outcomes(self) -> list[Outcome]:
        return self.rows


def outcome(name: str, correct: bool, **fields: Any) -> Outcome:
    label = fields.pop("label", "A" if correct else "B")
    subject, confidence = fields.pop("subject", ""), fields.pop("confidence", None)
    stem, key = fields.pop("stem", f"{name}？"), fields.pop("key", "A")
    assert not fields
    return Outcome(name, stem, subject, key, label, confidence)


def paired(both: int, gained: int, lost: int, neither: int) -> tuple[HasOutcomes, HasOutcomes]:
    """Answers of a base and a tuned model with this table of agreement."""
    cells = [(True, True)] * both + [(False, True)] * gained + [(True, False)] * lost
    cells += [(False, False)] * neither
    base = [outcome(str(number), first) for number, (first, _) in enumerate(cells)]
    tuned = [outcome(str(number), second) for number, (_, second) in enumerate(cells)]
    return Answers(base), Answers(tuned)


# --- one set of answers ------------------------------------------------------------------


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
def test_the_interval_is_wilsons(correct: int, count: int, low: float, high: float) -> None:
    assert wilson(correct, count) == pytest.approx((low, high), abs=5e-5)


def test_accuracy_counts_questions_without_an_answer_as_wrong() -> None:
    result = evaluate_outcomes(
        [
            outcome("1", True, subject="國文"),
            outcome("2", False, subject="國文"),
            outcome("3", True, subject="史"),
            outcome("4", False, label=""),
        ]
    )
    assert (result.count, result.correct, result.accuracy) == (4, 2, 0.5)
    assert result.invalid_rate == 0.25
    assert result.by_subject == {"": (0.0, 1), "史": (1.0, 1), "國文": (0.5, 2)}
    assert result.answers == {"": 1, "A": 2, "B": 1}
    assert result.keys == {"A": 4}
    assert result.calibration_error is None
    assert str(result) == "50.0% right (2 of 4; 95 % interval 15.0% to 85.0%)"


def test_evaluating_no_outcomes_is_an_error() -> None:
    with pytest.raises(PredictionError, match="expected answered questions with keys"):
        evaluate_outcomes([])


def calibration(*pairs: tuple[float, bool]) -> float | None:
    rows = [outcome(str(n), right, confidence=share) for n, (share, right) in enumerate(pairs)]
    return evaluate_outcomes(rows).calibration_error


def test_calibration_is_the_mean_gap_of_ten_bins() -> None:
    # Bin 0.2-0.3: mean 0.25, none right, gap 0.25; bin 0.8-0.9: mean 0.85, 2 of 3 right, gap
    # 0.18333; weighted by 2/5 and 3/5.
    error = calibration((0.22, False), (0.28, False), (0.82, True), (0.85, True), (0.88, False))
    assert error == pytest.approx(0.4 * 0.25 + 0.6 * (0.85 - 2 / 3))


def test_calibration_at_the_edges() -> None:
    assert calibration((1.0, True), (1.0, True)) == 0.0
    assert calibration((0.0, False)) == 0.0
    # 0.9 and 1.0 share the last bin: their gaps cancel.
    assert calibration((0.9, True), (1.0, True), (1.0, False)) == pytest.approx(0.3)


def test_answers_without_confidence_do_not_count_for_calibration() -> None:
    rows = [outcome("1", True, confidence=0.75), outcome("2", False)]
    assert evaluate_outcomes(rows).calibration_error == pytest.approx(0.25)


# --- two sets of answers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (6, 0, 0.03125),  # 2 / 2**6
        (8, 1, 0.0390625),  # 2 (1 + 9) / 2**9
        (1, 8, 0.0390625),
        (121, 59, 4.434449263755e-06),  # statsmodels' mcnemar of [[101, 121], [59, 33]], exact
    ],
)
def test_the_test_is_mcnemars_exact_one(gained: int, lost: int, p_value: float) -> None:
    assert compare(*paired(10, gained, lost, 10)).p_value == pytest.approx(p_value, rel=1e-6)


def test_the_difference_has_an_interval_for_pairs() -> None:
    # Agresti and Min (2005): 20 and 10 changed of 100. With half an answer added to each cell
    # the difference is 10/102, its standard error sqrt(31/102 - (10/102)**2) / sqrt(102).
    result = compare(*paired(50, 20, 10, 20))
    assert result.difference == pytest.approx(0.1)
    assert result.interval == pytest.approx((-0.00726, 0.20334), abs=1e-4)
    assert str(result) == (
        "60.0% → 70.0% on 100 questions (+10.0%; 95 % interval -0.7% to +20.3%; "
        "exact McNemar p = 0.099)"
    )


def test_equal_answers_leave_room_for_a_difference() -> None:
    # 1 of 12 with the added halves: 1.96 sqrt(1/12) / sqrt(12).
    assert compare(*paired(5, 0, 0, 5)).interval == pytest.approx((-0.16333, 0.16333), abs=1e-5)


def test_the_interval_stays_within_what_is_possible() -> None:
    low, high = compare(*paired(0, 1, 0, 0)).interval
    assert -1 <= low <= high <= 1
    assert high == 1.0


def test_questions_that_changed_are_named_with_the_tuned_answer() -> None:
    base = Answers([outcome("1", False), outcome("2", True), outcome("3", True)])
    tuned = Answers([outcome("1", True), outcome("2", False, label=""), outcome("3", True)])
    result = compare(base, tuned)
    assert [item.id for item in result.gained] == ["1"]
    assert [(item.id, item.label) for item in result.lost] == [("2", "")]


def test_the_order_of_the_answers_does_not_matter() -> None:
    base, tuned = paired(3, 4, 1, 2)
    turned = Answers(list(reversed(tuned.outcomes())))
    assert compare(base, turned).p_value == compare(base, tuned).p_value
    assert compare(base, turned).difference == pytest.approx(0.3)


def test_answers_to_other_questions_are_refused_with_the_first_unmatched_ids() -> None:
    base = Answers([outcome(str(number), True) for number in range(9)])
    tuned = Answers([outcome(str(number), True) for number in range(2)])
    message = r"found 7 answered by one side only \(2, 3, 4, 5, 6\): predict the same bank"
    with pytest.raises(PredictionError, match=message):
        compare(base, tuned)


def test_questions_that_share_an_id_only_are_refused() -> None:
    base = Answers([outcome("1", True, stem="誰去了圖書館？")])
    other = Answers([outcome("1", True, stem="水是？")])
    message = r"'1' is '誰去了圖書館？' \(key A\) on one side and '水是？' \(key A\) on the other"
    with pytest.raises(PredictionError, match=message):
        compare(base, other)
    corrected = Answers([outcome("1", True, stem="誰去了圖書館？", key="C")])
    with pytest.raises(PredictionError, match=r"\(key A\) on one side and .* \(key C\)"):
        compare(base, corrected)


def test_answers_to_questions_without_keys_cannot_be_compared() -> None:
    with pytest.raises(PredictionError, match="expected answered questions with keys"):
        compare(Answers([]), Answers([]))


def test_the_page_shows_the_figures_and_the_changes(tmp_path: Path) -> None:
    base = Answers(
        [
            outcome("1", False, subject="國文", confidence=0.5),
            outcome("2", True, subject="史", confidence=0.5),
        ]
    )
    tuned = Answers([outcome("1", True, subject="國文"), outcome("2", True, subject="歷史")])
    path = tmp_path / "report.html"
    compare(base, tuned).to_html(path)
    text = path.read_text(encoding="utf-8")
    assert "50.0% → 100.0% on 2 questions" in text
    assert "Right only after tuning (1)" in text
    assert "<td>1？</td><td>A</td><td>A</td>" in text
    assert "國文 (1)" in text
    assert "—" in text


def test_an_evaluation_is_not_changed_in_place() -> None:
    result: Evaluation = evaluate_outcomes([outcome("1", True)])
    with pytest.raises(AttributeError):
        result.count = 2  # type: ignore[misc]
