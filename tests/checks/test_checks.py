from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from conftest import WriteXlsx
from zhmcq.checks import (
    answer_balance,
    describe,
    find_overlap,
    near_copy_clusters,
    problem_table,
    settle_repeats,
)
from zhmcq.errors import OutputError
from zhmcq.questions import Question, QuestionBank, RowProblem
from zhmcq.reading import read_bank
from zhmcq.reports import write_problems

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


def test_near_copies_are_found() -> None:
    texts = [
        LONG,
        "別的故事：城裡有兩隻貓，一隻黑一隻白，牠們整天在屋頂上追來追去，從不下來吃飯。",
        LONG.replace("老人", "老婦"),
        "",
        LONG[:30],
        LONG.replace("，", ""),
        "",
    ]
    assert near_copy_clusters(texts) == [0, 1, 0, 3, 0, 0, 6]


def test_an_excerpt_far_shorter_than_its_source_is_found() -> None:
    other = "城裡有兩隻貓，一隻黑一隻白，整天在屋頂上追來追去；對面住著一位畫家，總在窗邊畫牠們。"
    story = LONG + other + "後來河水乾了，村民們商量著要挖一口井，誰也不知道該挖在哪裡才好。"
    assert near_copy_clusters([story, other, "完全無關的一段話，說的是數學與物理的關係。"]) == [
        0,
        0,
        2,
    ]


def test_short_texts_are_copies_only_when_equal() -> None:
    assert near_copy_clusters(["3+5等於多少？", "3+6等於多少？", "3+5等於多少"]) == [0, 1, 0]


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


def test_balance_counts_keys_by_label() -> None:
    keys: list[tuple[int, ...] | None] = [(0,), (0,), (1,), None]
    bank = QuestionBank(
        Question(str(n), f"{n}？", ("甲", "乙", "丙"), answer=key) for n, key in enumerate(keys)
    )
    assert answer_balance(bank) == {"A": 2, "B": 1, "C": 0}


def test_an_uneven_position_is_told() -> None:
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
        "2 questions, 2 with a key; 1 rows left out",
        "kinds: single: 2",
        "options: 3: 2",
        "keys by label: 1: 50.0%, 2: 0.0%, 3: 50.0%",
    ]
    assert "passages: 1 different ones for 2 questions" in lines
    assert lines[-3] == "  question 54, 54, 54; 1 of 2 have more than 52"
    assert lines[-1].split()[:3] == ["error", "answer_out_of_range", "1"]


def marked(path: Path) -> dict[str, tuple[str, str]]:
    """Colour and comment of each marked cell of the first sheet."""
    sheet = openpyxl.load_workbook(path).worksheets[0]
    return {
        cell.coordinate: (cell.fill.start_color.rgb[2:], cell.comment.text)
        for row in sheet.iter_rows()
        for cell in row
        if cell.comment
    }


def test_a_workbook_is_written_back_with_its_problems_marked(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    path = write_xlsx(
        [
            ["題庫"],
            HEADER,
            [1, "文一。", "問一？", "甲", "乙", "甲", 1],
            [2, None, "問二？", "甲", "乙", "丙", "送分"],
            [3, "文三。", None, "甲", "乙", "丙", 1],
        ],
        merges=["B3:B4"],
    )
    write_problems(read_bank(path), tmp_path / "marked.xlsx")
    found = marked(tmp_path / "marked.xlsx")
    assert {place: colour for place, (colour, _) in found.items()} == {
        "D3": "FFC7CE",
        "G4": "FFEB9C",
        "C5": "FFC7CE",
    }
    assert found["D3"][1].startswith("[equal_options] the options 1 and 3 have the same text")
    copy = openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets[0]
    assert copy["A1"].value == "題庫"
    assert [str(merged) for merged in copy.merged_cells.ranges] == ["B3:B4"]


def test_a_csv_is_written_back_as_a_workbook(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,A,B,答案\n一？,=1+1,乙,Z\n", encoding="utf-8")
    write_problems(read_bank(path), tmp_path / "marked.xlsx")
    assert list(marked(tmp_path / "marked.xlsx")) == ["D2"]
    sheet = openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets[0]
    assert (sheet["B2"].value, sheet["B2"].data_type) == ("=1+1", "s")


def test_problems_of_several_files_or_another_suffix_are_refused(tmp_path: Path) -> None:
    problems = [RowProblem(1, "", "x", "x", file="a.xlsx"), RowProblem(1, "", "x", "x", file="b")]
    with pytest.raises(OutputError, match="2 files"):
        write_problems(QuestionBank([], problems), tmp_path / "out.xlsx")
    with pytest.raises(OutputError, match=r"\.xlsx"):
        write_problems(QuestionBank([]), tmp_path / "out.csv")
