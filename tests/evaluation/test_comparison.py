from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from outcomes import Answers, outcome, paired

from zhmcq.errors import PredictionError
from zhmcq.evaluation import compare


def test_the_test_swaps_the_answers_of_whole_passages() -> None:
    # Three passages of two questions, each gained as a whole: 2 of 8 swaps are as large, which
    # counts half.
    base, tuned = [], []
    for passage in "甲乙丙":
        for number in "12":
            base.append(outcome(passage + number, False, passage=passage))
            tuned.append(outcome(passage + number, True, passage=passage))
    assert compare(Answers(base), Answers(tuned)).p_value == pytest.approx(0.125)
    # Six questions that have nothing in common: 2 of 64.
    assert compare(*paired(0, 6, 0, 0)).p_value == pytest.approx(0.015625)


def test_the_difference_has_an_interval_for_pairs() -> None:
    # Agresti and Min (2005): 20 and 10 changed of 100. With half an answer added to each cell
    # the difference is 10/102, its standard error sqrt(31/102 - (10/102)**2) / sqrt(102).
    result = compare(*paired(50, 20, 10, 20))
    assert result.difference == pytest.approx(0.1)
    assert result.interval == pytest.approx((-0.00726, 0.20334), abs=1e-4)
    assert str(result) == (
        "60.0% → 70.0% on 100 questions (+10.0%; 95 % interval -0.7% to +20.3%; "
        "sign-flip p = 0.071)"
    )
    assert repr(result) == f"<Comparison: {result}>"  # and not the questions that changed


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


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"stem": "水是？"}, "'1' has the stem '誰去了？' on one side and '水是？' on the other"),
        ({"key": "C"}, "'1' has the key 'A' on one side and 'C' on the other"),
        ({"passage": "又一天"}, "'1' has the passage '有一天' on one side and '又一天'"),
        ({"options": ("甲", "乙", "丙", "戊")}, "'1' has the options 甲 / 乙 / 丙 / 丁 on one"),
    ],
)
def test_questions_that_share_an_id_only_are_refused(other: dict[str, Any], message: str) -> None:
    fields = {"stem": "誰去了？", "passage": "有一天"}
    base = Answers([outcome("1", True, **fields)])
    with pytest.raises(PredictionError, match=re.escape(message)):
        compare(base, Answers([outcome("1", True, **{**fields, **other})]))


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
    assert "正確率 50.0% → 100.0%，共 2 題" in text
    assert 'data-word="result.gained">錯變對</span></th><td class="number" colspan="2">1<' in text
    assert "<bdi>國文</bdi>" in text
    assert "</span>—" in text  # the second set has no subject 史
    assert '"id":"1","stem":"1？","options":["甲","乙","丙","丁"]' in text
