"""What a notebook shows of answers."""

from __future__ import annotations

import re
from dataclasses import replace

from zhmcq.prediction import Prediction, Predictions
from zhmcq.questions import Question, QuestionBank, RowProblem

OPTIONS = ("甲", "乙", "丙")
BANK = QuestionBank(
    [
        Question("a", "一？", OPTIONS, answer=(0,)),
        Question("b", "二？", OPTIONS, answer=(1,)),
        Question("c", "三？", OPTIONS),
    ],
    [
        RowProblem(9, "A", "no_stem", "no stem"),
        RowProblem(9, "B", "one_option", "one option"),
        RowProblem(3, "", "no_key", "no key", severity="warning"),
    ],
)
PREDICTIONS = Predictions(
    BANK,
    (
        Prediction("a", (0,), "A", 0.612345),
        Prediction("b", None, "", status="none", reason="no <claim>"),
        Prediction("c", (2,), "C", 0.5),
    ),
)


def test_it_has_counts_and_a_line_for_each_of_the_first_questions() -> None:
    view = PREDICTIONS._repr_html_()
    assert "<strong>Predictions: 2 of 3 questions answered, uncalibrated</strong>" in view
    assert "<p>1 of the 2 with a key are right; 1 row could not be used</p>" in view
    rows = re.findall(r"<tr>(.*?)</tr>", view)
    assert [re.findall(r">([^<]*)</t[hd]>", row) for row in rows] == [
        ["id", "stem", "answer", "key", "correct", "confidence", "status", "reason"],
        ["a", "一？", "A", "A", "yes", "0.612", "", ""],
        ["b", "二？", "", "B", "no", "", "none", "no &lt;claim&gt;"],
        ["c", "三？", "C", "", "", "0.5", "", ""],
    ]


def test_without_keys_nothing_is_said_of_right_ones() -> None:
    bank = QuestionBank([replace(question, answer=None) for question in BANK])
    view = Predictions(bank, tuple(PREDICTIONS))._repr_html_()
    assert "right" not in re.sub("text-align:right", "", view)
    assert ">correct<" not in view
