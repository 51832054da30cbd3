from __future__ import annotations

from dataclasses import replace

import pytest
from outcomes import outcome

from zhmcq.errors import PredictionError
from zhmcq.evaluation import Evaluation, Outcome, clusters_of, evaluate_outcomes
from zhmcq.questions import Origin, Question


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
    assert {name: (share, count) for name, (share, count, _) in result.by_subject.items()} == {
        "": (0.0, 1),
        "史": (1.0, 1),
        "國文": (0.5, 2),
    }
    assert result.by_subject["史"].interval == pytest.approx((0.2065, 1.0), abs=1e-4)
    assert result.answers == {"": 1, "A": 2, "B": 1}
    assert result.keys == {"A": 4}
    assert result.calibration_error is None
    assert str(result) == (
        "50.0% right (2 of 4; 95 % interval 15.0% to 85.0%); 66.7% of the 75.0% answered"
    )
    assert repr(result) == f"<Evaluation: {result}>"


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


def test_an_evaluation_is_not_changed_in_place() -> None:
    result: Evaluation = evaluate_outcomes([outcome("1", True)])
    with pytest.raises(AttributeError):
        result.count = 2  # type: ignore[misc]


def test_answers_that_were_withheld_are_not_right_and_not_invalid() -> None:
    rows = [outcome("1", True), outcome("2", False), outcome("3", False, label="", withheld=True)]
    result = evaluate_outcomes([*rows, outcome("4", False, label="")])
    assert (result.accuracy, result.coverage, result.invalid_rate) == (0.25, 0.5, 0.25)
    assert result.accuracy_answered == 0.5
    assert result.interval_answered == pytest.approx((0.0945, 0.9055), abs=1e-4)


def test_without_any_answer_there_is_no_accuracy_of_answers() -> None:
    result = evaluate_outcomes([outcome("1", False, label="")])
    assert (result.coverage, result.accuracy_answered, result.interval_answered) == (
        0.0,
        None,
        None,
    )


def test_questions_with_several_right_options_have_partial_credit() -> None:
    def multiple(name: str, answer: tuple[int, ...] | None) -> Outcome:
        options = ("甲", "乙", "丙", "丁", "戊")
        return Outcome(Question(name, "？", options, answer=(0, 2), kind="multiple"), answer)

    # Of five options 0, 1, 2, 3 and 5 are judged wrongly: 5/5, 3/5, 1/5, none, none.
    answers = [(0, 2), (0,), (0, 1), (1, 2, 3), (1, 3, 4), None]
    rows = [multiple(str(number), answer) for number, answer in enumerate(answers)]
    assert [row.credit for row in rows] == pytest.approx([1.0, 0.6, 0.2, 0.0, 0.0, 0.0])
    result = evaluate_outcomes(rows)
    assert result.partial_credit == pytest.approx(0.3)
    assert result.chance == pytest.approx(1 / 31)
    assert result.by_position == {}
    assert evaluate_outcomes([outcome("1", True)]).partial_credit is None


def test_chance_is_what_blind_guesses_would_give() -> None:
    two = Question("2", "對嗎？", ("對", "錯"), answer=(0,), kind="true_false")
    assert evaluate_outcomes([outcome("1", True), Outcome(two, (0,))]).chance == 0.375


def test_accuracy_is_given_by_kind_source_sheet_and_position_of_the_key() -> None:
    first = outcome("1", True, source="甲書", key="B", origin=Origin("a.xlsx", "一", 2))
    second = outcome("2", False, source="乙書", key="B", origin=Origin("a.xlsx", "二", 2))
    third = outcome("3", True, key="D")
    result = evaluate_outcomes([first, second, third])
    assert [(name, one[:2]) for name, one in result.by_source.items()] == [
        ("", (1.0, 1)),
        ("乙書", (0.0, 1)),
        ("甲書", (1.0, 1)),
    ]
    assert {name: one[:2] for name, one in result.by_sheet.items()} == {
        "": (1.0, 1),
        "一": (1.0, 1),
        "二": (0.0, 1),
    }
    assert {name: one[:2] for name, one in result.by_position.items()} == {2: (0.5, 2), 4: (1.0, 1)}
    assert {name: one[:2] for name, one in result.by_kind.items()} == {"single": (2 / 3, 3)}


def test_questions_of_one_passage_widen_the_interval() -> None:
    alone = [outcome(str(number), number < 30) for number in range(40)]
    together = [
        replace(one, question=replace(one.question, passage=f"第{number // 4}篇"))
        for number, one in enumerate(alone)
    ]
    narrow, wide = evaluate_outcomes(alone), evaluate_outcomes(together)
    assert (narrow.clusters, wide.clusters) == (40, 10)
    assert narrow.interval == pytest.approx((0.5981, 0.8581), abs=1e-4)
    assert wide.interval[0] < 0.48
    assert wide.interval[1] > 0.91


def test_questions_of_one_group_or_one_passage_are_one_cluster() -> None:
    def question(name: str, passage: str = "", group: str = "", file: str = "a.csv") -> Question:
        origin = Origin(file, "", 1)
        return Question(name, "？", ("甲", "乙"), passage=passage, group=group, origin=origin)

    questions = [
        question("1", passage="甲文"),
        question("2", group="g"),
        question("3"),
        question("4", passage="甲文", group="g"),  # joins the first and the second
        question("5", group="g", file="b.csv"),  # another file's group
        question("6"),
    ]
    assert clusters_of(questions) == [0, 0, 1, 0, 2, 3]
