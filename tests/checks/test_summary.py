"""A bank on one page."""

from __future__ import annotations

from typing import Any

from conftest import WriteXlsx
from zhmcq.checks import (
    answer_balance,
    describe,
    problem_table,
)
from zhmcq.questions import Question, QuestionBank, RowProblem
from zhmcq.reading import read_bank

HEADER = ["ID", "文章", "問題", "選項1", "選項2", "選項3", "正確答案"]


LONG = "從前有一個老人住在山腳下，他每天早上都要走很遠的路到河邊去打水，村裡的人都很尊敬他。"


def bank_of(write_xlsx: WriteXlsx, *rows: list[Any]) -> QuestionBank:
    return read_bank(write_xlsx([HEADER, *rows]))


def test_balance_counts_keys_by_label() -> None:
    keys: list[tuple[int, ...] | None] = [(0,), (0,), (1,), None]
    bank = QuestionBank(
        Question(str(n), f"{n}？", ("甲", "乙", "丙"), answer=key) for n, key in enumerate(keys)
    )
    assert answer_balance(bank) == {"A": 2, "B": 1, "C": 0}


def test_an_uneven_position_is_reported() -> None:
    def skewed(right: int) -> QuestionBank:
        return QuestionBank(
            Question(str(n), f"{n}？", ("甲", "乙"), answer=(0 if n < right else 1,))
            for n in range(200)
        )

    assert "position is uneven" in describe(skewed(150))
    assert "position is uneven" not in describe(skewed(105))


def test_problems_are_counted_by_code() -> None:
    problems = [
        RowProblem(4, "", "b", "four", "warning"),
        RowProblem(2, "", "a", "two"),
        RowProblem(3, "", "a", "three"),
    ]
    table = problem_table(QuestionBank([], problems))
    assert [tuple(row) for row in table] == [
        ("a", "error", 2, "2, 3", "two"),
        ("b", "warning", 1, "4", "four"),
    ]


def test_a_bank_is_described_on_one_page(write_xlsx: WriteXlsx) -> None:
    bank = bank_of(
        write_xlsx,
        [1, LONG, "問一？", "甲", "乙", "丙", 1],
        [2, LONG, "問第二個？", "甲", "乙", "丙", 3],
        [3, LONG, "問三？", "甲", "乙", "丙", 9],
    )

    def tokenizer(texts: list[str], add_special_tokens: bool) -> dict[str, list[list[int]]]:
        assert not add_special_tokens
        return {"input_ids": [[0] * len(text) for text in texts]}

    lines = describe(bank, tokenizer, max_length=52).splitlines()
    assert lines[:4] == [
        "2 questions, 2 with a key; 1 row left out",
        "kinds: single: 2",
        "options: 3: 2",
        "keys by label: 1: 50.0%, 2: 0.0%, 3: 50.0%",
    ]
    assert "passages: 1 different one for 2 questions" in lines
    assert lines[-3] == "  question 54, 54, 54; 1 of 2 have more than 52"
    assert lines[-1].split()[:3] == ["error", "answer_out_of_range", "1"]
