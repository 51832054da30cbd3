from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from zhmcq.evaluation import Promise
from zhmcq.prediction import Prediction, Predictions
from zhmcq.prediction._results.columns import Look, added_columns, distinct_names, share_text
from zhmcq.prediction._results.key_style import LABELS
from zhmcq.prediction._results.rows import result_rows
from zhmcq.prediction._results.words import WORDS
from zhmcq.questions import Question, QuestionBank, RowProblem

QUESTION = Question("q", "？", ("天", "地", "人"), labels=("1", "2", "3"), answer=(1,))
PROMISE = Promise(0.05, 0.9, 0.62, 400, 320, 8, 45)


def cells(
    *items: Prediction,
    questions: tuple[Question, ...] = (),
    problems: tuple[RowProblem, ...] = (),
    **look: Any,
) -> list[dict[str, tuple[Any, str]]]:
    """For each row the value and the colour of each added cell, by header."""
    questions = questions or tuple(replace(QUESTION, id=str(n)) for n in range(len(items)))
    predictions = Predictions(QuestionBank(questions, problems), items)
    rows = list(result_rows(predictions))
    seen = Look(WORDS[look.pop("language", "zh-Hant")], look.pop("unsure_below", 0.5), **look)
    columns = added_columns(rows, seen)
    return [
        {c.header: (cell.value, cell.colour) for c in columns for cell in [c.cell(row, LABELS)]}
        for row in rows
    ]


def test_a_right_answer_that_is_sure() -> None:
    item = Prediction("q", (1,), "2", 0.8, probabilities=(0.15, 0.8, 0.05), calibrated=True)
    assert cells(item, calibrated=True) == [
        {
            "預測答案": (2, ""),
            "信心": (0.8, ""),
            "對／錯": ("對", "right"),
            "狀態": ("作答", ""),
            "機率 1": (0.15, ""),
            "機率 2": (0.8, ""),
            "機率 3": (0.05, ""),
            "原因": ("", ""),
        }
    ]


def test_probabilities_stand_under_the_labels_of_their_options() -> None:
    whole = Question("a", "？", ("天", "地", "人"), labels=("1", "2", "3"))
    gap = Question("b", "？", ("天", "人"), labels=("1", "3"))  # its second cell was empty
    sign = Question("c", "？", ("正確", "錯誤"), labels=("O", "X"), kind="true_false")
    shares = {"a": (0.5, 0.3, 0.2), "b": (0.6, 0.4), "c": (0.9, 0.1)}
    questions = (whole, gap, sign)
    items = [Prediction(q.id, (0,), q.labels[0], probabilities=shares[q.id]) for q in questions]
    shown = [
        [row.get(f"機率 {number}", (None,))[0] for number in (1, 2, 3)]
        for row in cells(*items, questions=questions, calibrated=False)
    ]
    assert shown == [[0.5, 0.3, 0.2], [0.6, None, 0.4], [0.9, 0.1, None]]


@pytest.mark.parametrize(("share", "colour"), [(0.59, "unsure"), (0.6, ""), (0.0, "unsure")])
def test_answers_below_the_threshold_are_coloured(share: float, colour: str) -> None:
    (row,) = cells(Prediction("q", (0,), "1", share), calibrated=False, unsure_below=0.6)
    assert (row["預測答案"], row["信心（未校準）"]) == ((1, colour), (share, colour))
    assert row["對／錯"] == ("錯", "wrong")


def test_a_withheld_answer_says_why_in_the_language() -> None:
    item = Prediction("q", None, "", 0.42, status="withheld", reason="2 withheld: confidence 0.42")
    (row,) = cells(item, calibrated=True, promise=PROMISE)
    assert (row["預測答案"], row["信心"], row["對／錯"]) == ((None, ""), (0.42, ""), (None, ""))
    assert row["狀態"] == ("保留不答", "warning")
    assert row["原因"] == ("信心 42% 低於門檻 62%", "")
    (row,) = cells(item, calibrated=True, promise=replace(PROMISE, threshold=None), language="en")
    assert row["Reason"] == ("no threshold could be certified", "")


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("none", "未作答"),
        ("ambiguous", "多個答案不明"),
        ("out_of_range", "超出選項"),
        ("missing", "缺少回覆"),
    ],
)
def test_replies_without_an_answer_have_a_status_and_their_reason(status: Any, shown: str) -> None:
    item = Prediction("q", None, "", status=status, reason="the reply\x1b names no option")
    (row,) = cells(item, calibrated=True)
    assert row == {
        "預測答案": (None, ""),
        "對／錯": (None, ""),
        "狀態": (shown, "warning"),
        "原因": (r"the reply\x1b names no option", ""),
    }


def test_unusable_rows_have_the_problems_words_and_its_message() -> None:
    problems = (
        RowProblem(3, "題目", "no_stem", "the stem is empty"),
        RowProblem(3, "題目", "unheard_of", "something else"),
        RowProblem(4, "題目", "odd", "a question all the same", "warning"),
    )
    (row,) = cells(questions=(), problems=problems, calibrated=True)
    assert row["狀態"] == ("無法作答", "error")
    assert row["原因"] == ("沒有題幹（the stem is empty）；something else", "")
    (row,) = cells(questions=(), problems=problems, calibrated=True, language="en")
    assert row["Reason"] == ("the stem is empty; something else", "")


def test_agreement_and_option_sets_have_columns_where_they_exist() -> None:
    first = Prediction("0", (0,), "1", agreement=0.75, option_set=(0, 2))
    rows = cells(first, Prediction("1", (0,), "1"), calibrated=True)
    assert [row["各順序一致率"] for row in rows] == [(0.75, ""), (None, "")]
    assert [row["可能的選項"] for row in rows] == [("1、3", ""), (None, "")]
    assert list(rows[0]) == [
        *("預測答案", "對／錯", "狀態", "可能的選項", "各順序一致率", "原因"),
    ]


def test_options_with_different_labels_are_numbered() -> None:
    shares = (0.5, 0.25, 0.25)
    items = [Prediction(str(n), (0,), "?", probabilities=shares) for n in range(2)]
    letters = replace(QUESTION, id="1", labels=("A", "B", "C"))
    rows = cells(*items, questions=(replace(QUESTION, id="0"), letters), calibrated=True)
    assert [header for header in rows[0] if "機率" in header] == ["機率 1", "機率 2", "機率 3"]


def test_without_keys_nothing_is_right_or_wrong() -> None:
    unkeyed = replace(QUESTION, id="0", answer=None)
    (row,) = cells(Prediction("0", (0,), "1"), questions=(unkeyed,), calibrated=True)
    assert list(row) == ["預測答案", "狀態", "原因"]


def test_a_label_that_is_not_the_questions_is_written_as_it_is() -> None:
    (row,) = cells(Prediction("0", (0,), "選項一"), calibrated=True)
    assert row["預測答案"] == ("選項一", "")


def test_a_name_that_the_input_has_gets_a_mark() -> None:
    assert distinct_names(["答", "甲 (zhmcq)"], ["甲", "乙"]) == ["甲", "乙"]
    headers = ["甲", "甲 (zhmcq)", "乙"]
    assert distinct_names(headers, ["甲", "乙"]) == ["甲 (zhmcq 2)", "乙 (zhmcq)"]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.5, "50%"), (2 / 3, "66.67%"), (0.999995, "99.9995%"), (0, "0%"), (1, "100%")],
)
def test_a_share_is_shown_as_a_percentage(share: float, text: str) -> None:
    assert share_text(share) == text
