from __future__ import annotations

from dataclasses import replace
from typing import Any

from made_predictions import answered

from zhmcq.evaluation import Promise
from zhmcq.manifest import SeenQuestions
from zhmcq.prediction import Predictions
from zhmcq.prediction._predictions import AnsweredBy
from zhmcq.prediction._results.columns import Look
from zhmcq.prediction._results.rows import result_rows
from zhmcq.prediction._results.summary import summary_sheet
from zhmcq.prediction._results.words import WORDS
from zhmcq.questions import Origin, Question, QuestionBank, RowProblem
from zhmcq.zh._language import Language

PROMISE = Promise(0.05, 0.9, 0.62, 400, 320, 8, 45)


def question(name: str, subject: str, sheet: str, key: int | None = 0, **more: Any) -> Question:
    return Question(
        name, "？", ("天", "地"), subject=subject, origin=Origin("b.xlsx", sheet, int(name)),
        answer=None if key is None else (key,), **more,
    )  # fmt: skip


def summary(predictions: Predictions, language: Language = "zh-Hant") -> list[list[Any]]:
    """The lines of the summary; those that are empty are left out."""
    look = Look(WORDS[language], 0.5, predictions.calibrated, predictions.promise)
    cells = summary_sheet(predictions, list(result_rows(predictions)), look).cells
    lines: dict[int, list[Any]] = {}
    for (row, _), cell in sorted(cells.items(), key=lambda item: item[0]):
        value = cell.value
        lines.setdefault(row, []).append(round(value, 3) if isinstance(value, float) else value)
    return list(lines.values())


def test_counts_accuracy_groups_and_colours_are_summed_up() -> None:
    bank = QuestionBank(
        [
            question("1", "史", "上"),
            question("2", "地", "上"),
            question("3", "地", "下", kind="true_false"),
        ],
        [RowProblem(4, "", "no_stem", "empty", file="b.xlsx", sheet="下", position=3)],
    )
    predictions = answered(bank, "A", "B", "", confidence=0.4)
    assert summary(predictions) == [
        ["摘要"],
        ["狀態", "列數", "比例"],
        ["作答", 2, 0.5],
        ["未作答", 1, 0.25],
        ["無法作答", 1, 0.25],
        ["合計", 4, 1.0],
        ["信心低於 50% 的作答", 2, 0.5],
        ["信心的意義", "未校準：只能比較高低，不是答對的機率"],
        ["正確率", 0.333],
        ["95% 信賴區間", "6.1% – 79.2%"],
        ["猜測正確率", 0.5],
        ["答對題數", 1],
        ["有正確答案的題數", 3],
        ["作答題的正確率", 0.5, "9.5% – 90.5%"],
        ["校準誤差", 0.1],
        ["完全準確時，機遇造成的校準誤差", 0.276],
        ["工作表", "題數", "作答", "平均信心", "正確率", "95% 信賴區間"],
        ["上", 2, 2, 0.4, 0.5, "9.5% – 90.5%"],
        ["下", 1, 0, 0.4, 0.0, "0.0% – 79.3%"],
        ["科目", "題數", "作答", "平均信心", "正確率", "95% 信賴區間"],
        ["史", 1, 1, 0.4, 1.0, "20.7% – 100.0%"],
        ["地", 2, 1, 0.4, 0.0, "0.0% – 65.8%"],
        ["題型", "題數", "作答", "平均信心", "正確率", "95% 信賴區間"],
        ["單選", 2, 2, 0.4, 0.5, "9.5% – 90.5%"],
        ["是非", 1, 0, 0.4, 0.0, "0.0% – 79.3%"],
        ["顏色說明"],
        ["對／錯", "答對"],
        ["對／錯", "答錯"],
        ["預測答案", "信心低於 50%，請人工確認"],
        ["狀態", "沒有作答，見「原因」"],
        ["狀態", "無法作答的列，見「原因」"],
    ]


def test_without_keys_and_confidences_only_counts_are_left() -> None:
    bank = QuestionBank([question("1", "", "上", None), question("2", "", "上", None)])
    assert summary(answered(bank, "A", "B"), "en") == [
        ["Summary"],
        ["Status", "Rows", "Share"],
        ["answered", 2, 1.0],
        ["Total", 2, 1.0],
    ]


def test_sheets_that_are_the_subjects_are_listed_once() -> None:
    bank = QuestionBank([question("1", "上", "上", None), question("2", "下", "下", None)])
    lines = summary(answered(bank, "A", "B"), "zh-Hans")
    assert [line[0] for line in lines][4:] == ["科目", "上", "下"]


def test_a_promise_is_written_in_each_language() -> None:
    bank = QuestionBank([question("1", "", "上", None)])
    predictions = replace(answered(bank, "A", confidence=0.9), promise=PROMISE)
    texts = {
        language: dict(line for line in summary(predictions, language) if len(line) == 2)
        for language in WORDS
    }
    assert texts["zh-Hant"]["保證"].startswith(
        "作答中最多 5% 答錯（把握 90%）：只作答信心 62% 以上的題目；"
        "400 題校準題中有 320 題達到，其中 8 題答錯。"
    )
    assert texts["zh-Hans"]["保证"].startswith(
        "作答中最多 5% 答错（把握 90%）：只作答置信度 62% 以上"
    )
    assert texts["en"]["Promise"].startswith(
        "At most 5% of the answers given are wrong, 90% sure: those with a confidence of 62% or "
        "more, which 320 of 400 calibration questions reach, 8 of them wrong."
    )
    nothing = replace(predictions, promise=replace(PROMISE, threshold=None))
    promised = dict(line for line in summary(nothing) if len(line) == 2)["保證"]
    assert promised.endswith("因此全部保留不答；至少需要 45 題全部答對")


def test_what_answered_is_named_where_it_is_known() -> None:
    bank = QuestionBank([question("1", "", "上", None)])
    by = AnsweredBy("0", SeenQuestions(), "models/llama\x1b[31m", "my-adapter")
    lines = summary(replace(answered(bank, "A"), answered_by=by))
    assert lines[-2:] == [["模型", r"models/llama\x1b[31m"], ["微調（adapter）", "my-adapter"]]


def test_subjects_that_hide_something_are_shown_as_escapes() -> None:
    bank = QuestionBank([question("1", "史\u202e", "上", None), question("2", "=1+1", "上", None)])
    lines = summary(answered(bank, "A", "B"))
    assert [line[0] for line in lines][-2:] == [r"史\u202e", "=1+1"]
