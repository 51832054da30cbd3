"""Repeated questions, contradicting keys, and overlap of two banks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import WriteXlsx
from zhmcq.checks import (
    find_overlap,
    settle_repeats,
)
from zhmcq.questions import Origin, Question, QuestionBank, RowProblem
from zhmcq.reading import read_bank, stream_bank

HEADER = ["ID", "文章", "問題", "選項1", "選項2", "選項3", "正確答案"]


LONG = "從前有一個老人住在山腳下，他每天早上都要走很遠的路到河邊去打水，村裡的人都很尊敬他。"


def bank_of(write_xlsx: WriteXlsx, *rows: list[Any]) -> QuestionBank:
    return read_bank(write_xlsx([HEADER, *rows]))


def test_a_repeated_question_is_a_warning_whatever_its_writing(write_xlsx: WriteXlsx) -> None:
    bank = bank_of(
        write_xlsx,
        [1, "體育課。", "誰贏了？", "體操隊", "籃球隊", "無", 1],
        [2, "体育课", "誰贏了 ?", "籃球隊", "體操隊", "無", 2],
        [3, "另一篇。", "誰贏了？", "體操隊", "籃球隊", "無", 3],
    )
    assert [question.id for question in bank] == ["1", "2", "3"]
    assert [(p.row, p.code, p.severity, p.position) for p in bank.problems] == [
        (3, "duplicate", "warning", 1)
    ]
    assert "row 2 of sheet" in bank.problems[0].message


def test_one_question_with_two_keys_is_left_out(write_xlsx: WriteXlsx) -> None:
    bank = bank_of(
        write_xlsx,
        [1, "甲文。", "第一題？", "一", "二", "三", 1],
        [2, "乙文。", "第二題？", "一", "二", "三", 2],
        [3, "甲文。", "第一題？", "一", "二", "三", 3],
        [4, "丙文。", "第三題？", "一", "二", None, 4],
    )
    assert [question.id for question in bank] == ["2"]
    assert [(p.row, p.code, p.position) for p in bank.problems] == [
        (2, "two_keys", 0),
        (4, "two_keys", 1),
        (5, "answer_out_of_range", 1),
    ]


def test_numbers_and_signs_make_a_difference_between_questions() -> None:
    texts = ["x>1", "x<1", "1.5", "15", "-2", "2", "3:8", "38"]
    questions = [
        Question(str(n), f"何者正確：{text}", ("甲", "乙")) for n, text in enumerate(texts)
    ]
    assert settle_repeats(QuestionBank(questions)).problems == []


def test_overlap_with_the_training_bank_is_found(write_xlsx: WriteXlsx) -> None:
    train = bank_of(write_xlsx, [1, LONG, "誰住在山腳？", "老人", "少年", "貓", 1])
    other = read_bank(
        write_xlsx(
            [
                HEADER[:-1],
                [7, LONG, "誰住在山腳?", "少年", "老人", "貓"],
                [8, LONG + "他很老了。", "他多老？", "七十", "八十", "九十"],
                [9, "無關的文章。", "誰住在山腳？", "老人", "少年", "貓"],
            ],
            name="other.xlsx",
        )
    )
    assert [(p.row, p.code, p.position) for p in find_overlap(train, other)] == [
        (2, "overlap_question", 0),
        (3, "overlap_passage", 1),
    ]


def test_banks_that_were_put_together_are_settled_by_hand() -> None:
    first = QuestionBank([Question("1", "誰？", ("甲", "乙"), answer=(0,))])
    second = QuestionBank([Question("2", "誰？", ("乙", "甲"), answer=(0,))])
    both = settle_repeats(first + second)
    assert len(both) == 0
    assert [problem.code for problem in both.problems] == ["two_keys", "two_keys"]
    assert settle_repeats(QuestionBank([])) == QuestionBank([])


def test_a_stream_cannot_look_across_rows(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,A,B,答案\n誰？,甲,乙,A\n誰？,甲,乙,B\n", encoding="utf-8")
    assert [type(item) for item in stream_bank(path)] == [Question, Question]
    assert len(read_bank(path)) == 0


def test_options_are_put_in_order_after_folding() -> None:
    # 臺 comes after 桃 among the characters, and 台, to which it folds, before it.
    first = Question("1", "哪裡？", ("桃園", "臺北"), answer=(0,))
    second = Question("2", "哪里？", ("台北", "桃園"), answer=(1,))
    (problem,) = settle_repeats(QuestionBank([first, second])).problems
    assert problem.code == "duplicate"


def test_a_quoted_passage_and_a_near_copy_of_a_stem_are_overlap() -> None:
    def of(stem: str, passage: str = "") -> Question:
        return Question("q", stem, ("甲", "乙"), passage, answer=(0,))

    quoting = of(f"「{LONG}」說的是誰？")
    pairs = [
        (of("誰？", LONG), quoting),
        (quoting, of("誰？", LONG)),
        (quoting, of(f"「{LONG}」說的是什麼人？")),
        (quoting, of("誰？", "無關的文章。")),
    ]
    codes = [[problem.code for problem in find_overlap([a], [b])] for a, b in pairs]
    assert codes == [["overlap_passage"]] * 3 + [[]]


def question(name: str, stem: str, options: tuple[str, ...], key: int, **more: Any) -> Question:
    return Question(name, stem, options, answer=(key,), **more)


def settled(*questions: Question, problems: list[RowProblem] | None = None) -> list[str]:
    bank = settle_repeats(QuestionBank(questions, problems or []))
    codes = [f"{p.code} {p.severity}" for p in bank.problems if p.code != "picture"]
    return [*(q.id for q in bank), *codes]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("詞頭 m 代表多少？", "詞頭 M 代表多少？"),
        ("化學式 Co 代表什麼？", "化學式 CO 代表什麼？"),
        ("「他來了。」的語氣？", "「他來了？」的語氣？"),
        ("「后」在古文常指？", "「後」在古文常指？"),
        ("說明：如圖 ![](a.png)", "說明：如圖 ![](a/.png)"),
    ],
)
def test_questions_that_differ_in_case_punctuation_or_script_may_have_two_keys(
    first: str, second: str
) -> None:
    options = ("一", "二", "三")
    assert settled(question("1", first, options, 0), question("2", second, options, 1)) == [
        "1",
        "2",
    ]


def test_options_that_differ_in_case_are_different_keys_of_different_questions() -> None:
    one = question("1", "何者？", ("m", "M", "k"), 0)
    other = question("2", "何者？", ("m", "M", "k"), 1)
    assert settled(one, other) == ["two_keys error", "two_keys error"]
    assert settled(one, replace(one, id="2", options=("M", "m", "k"), answer=(1,))) == [
        "1",
        "2",
        "duplicate warning",
    ]


def test_two_keys_of_texts_that_differ_in_width_and_blanks_are_a_warning() -> None:
    options = ("一", "二")
    one, other = question("1", "A 隊？", options, 0), question("2", "Ａ  隊?", options, 1)
    assert settled(one, other) == ["1", "2", "two_keys warning", "two_keys warning"]
    third = question("3", " A 隊？\n", options, 1)
    assert settled(one, other, third) == ["2", "two_keys error", "two_keys error"]


def test_a_repeated_question_among_lookalikes_is_a_duplicate_of_its_own_text() -> None:
    options = ("鈷", "一氧化碳")
    co, gas = question("1", "Co？", options, 0), question("2", "CO？", options, 1)
    assert settled(co, gas, replace(co, id="3")) == ["1", "2", "3", "duplicate warning"]


def test_two_keys_beside_a_picture_are_a_warning() -> None:
    options = ("一", "二")
    one = question("1", "如圖？", options, 0, origin=Origin("f", row=2))
    other = question("2", "如圖？", options, 1, origin=Origin("f", row=3))
    picture = [RowProblem(3, "題目", "picture", "holds a picture", "warning", "f")]
    found = settled(one, other, problems=picture)
    assert found == ["1", "2", "two_keys warning", "two_keys warning"]
    assert settled(one, other) == ["two_keys error", "two_keys error"]


def test_a_question_without_a_key_contradicts_none() -> None:
    options = ("一", "二")
    one = question("1", "誰？", options, 0)
    assert settled(one, replace(one, id="2", answer=None)) == ["1", "2", "duplicate warning"]
