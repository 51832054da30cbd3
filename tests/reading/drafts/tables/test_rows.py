"""Rows under a header become drafts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import WriteXlsx
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank


def read_csv(tmp_path: Path, text: str, encoding: str = "utf-8") -> QuestionBank:
    path = tmp_path / "bank.csv"
    path.write_bytes(text.encode(encoding))
    return read_bank(path)


def codes(bank: QuestionBank) -> list[str]:
    return [problem.code for problem in bank.problems]


def test_the_same_as_above_takes_the_passage_above(write_xlsx: WriteXlsx) -> None:
    passages = ["某文章。", "同上", "（同上文）", None, "同上"]
    rows: list[list[Any]] = [[text, f"問{n}？", "甲", "乙", "A"] for n, text in enumerate(passages)]
    bank = read_bank(write_xlsx([["文章", "題目", "A", "B", "答案"], *rows]))
    assert [q.passage for q in bank] == ["某文章。", "某文章。", "某文章。", ""]
    assert [(p.row, p.code) for p in bank.problems] == [
        (3, "same_as_above"),
        (4, "same_as_above"),
        (5, "empty_passage"),
        (6, "same_as_nothing"),
    ]


def test_columns_may_say_of_each_option_whether_it_is_right(write_xlsx: WriteXlsx) -> None:
    path = write_xlsx(
        [
            ["題目", "選項A", "選項A是否正確", "選項B", "選項B是否正確"],
            ["甲？", "一", False, "二", True],
            ["乙？", "一", "是", "二", "否"],
            ["丙？", "一", None, "二", "也許"],
        ]
    )
    bank = read_bank(path)
    assert [q.answer for q in bank] == [(1,), (0,)]
    assert codes(bank) == ["unreadable_answer"]


def test_a_line_with_more_cells_than_headers_is_reported(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,A,B,答案\n甲？,一,二,B\n乙,問？,一,二,B\n")
    assert [q.stem for q in bank] == ["甲？"]
    assert codes(bank) == ["extra_cells"]


def test_the_rule_under_a_header_is_said_to_be_skipped(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目|A|B|答案\n---|:--|---|---\n甲？|一|二|B\n")
    assert (len(bank), [(p.row, p.code) for p in bank.problems]) == (1, [(2, "skipped_row")])


def test_a_passage_is_carried_where_the_group_says_so_and_else_missed(tmp_path: Path) -> None:
    bank = read_csv(
        tmp_path,
        "題組,shared_stem,題目,A,B,答案\ng1,春天來了。,一？,甲,乙,A\ng1,,二？,甲,乙,B\n"
        "g2,,三？,甲,乙,A\ng3,夏天來了。,四？,甲,乙,A\n,,五？,甲,乙,A\n",
    )
    assert [q.passage for q in bank] == ["春天來了。", "春天來了。", "", "夏天來了。", ""]
    assert [(p.row, p.column, p.code, p.severity) for p in bank.problems] == [
        (3, "shared_stem", "passage_carried", "warning"),
        (4, "shared_stem", "empty_passage", "warning"),
        (6, "shared_stem", "empty_passage", "warning"),
    ]


def test_a_missing_passage_is_no_matter_where_no_row_above_has_one(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "文章,題目,A,B,答案\n,一？,甲,乙,A\n短文。,二？,甲,乙,B\n")
    assert ([q.passage for q in bank], bank.problems) == (["", "短文。"], [])


def test_a_corrected_key_replaces_the_first_one(tmp_path: Path) -> None:
    bank = read_csv(
        tmp_path,
        "題目,A,B,答案,更正答案\n一？,甲,乙,A,\n二？,甲,乙,A,B\n三？,甲,乙,A,無\n四？,甲,乙,A,一律給分\n",
    )
    assert [q.answer_label for q in bank] == ["A", "B", "A", ""]
    final = read_csv(tmp_path, "題目,A,B,正確答案,更正答案,最終答案\n一？,甲,乙,A,,B\n")
    assert final[0].answer_label == "B"


def test_whether_there_is_a_group_names_none(tmp_path: Path) -> None:
    bank = read_csv(
        tmp_path,
        "題組,題組編號,文章,題目,A,B,答案\nTrue,g1,春天。,一？,甲,乙,A\nTrue,g1,,二？,甲,乙,A\n"
        "否,,,三？,甲,乙,A\nF,,,四？,甲,乙,A\n",
    )
    assert [(q.group, q.passage) for q in bank] == [
        ("g1", "春天。"), ("g1", "春天。"), ("", ""), ("F", ""),
    ]  # fmt: skip


def test_columns_of_options_that_begin_again_are_two_questions(tmp_path: Path) -> None:
    head = "題目,A,B,C,A,B,C,D,答案\n"
    bank = read_csv(tmp_path, f"{head}一？,甲,乙,丙,丁,戊,己,庚,A\n二？,甲,乙,丙,,,,,A\n")
    assert [(q.stem, q.options) for q in bank] == [("二？", ("甲", "乙", "丙"))]
    assert codes(bank) == ["damaged_options"]
    shares = read_csv(tmp_path, "題目,選項A,選項B,答案,A,B\n一？,甲,乙,A,80%,20%\n")
    assert [q.options for q in shares] == [("甲", "乙")]


def test_a_picture_inside_a_cell_of_wps_is_reported(tmp_path: Path) -> None:
    stem = '"=DISPIMG(""ID_7F"",1)"'
    bank = read_csv(tmp_path, f"文章,題目,A,B,答案\n某文。,{stem},甲,乙,A\n無,二？,甲,乙,B\n")
    assert [(p.row, p.column, p.code) for p in bank.problems] == [(2, "題目", "picture")]


def test_what_pandas_writes_for_empty_cells_is_no_text(tmp_path: Path) -> None:
    bank = read_csv(
        tmp_path,
        "題號,題目,A,B,C,D,答案\nNaN,何者？,甲,乙,NaN,nan,B\n2,typeof 什麼？,1,NaN,0,{},B\n",
    )
    assert [(q.id, q.options) for q in bank] == [
        ("row2", ("甲", "乙")),
        ("2", ("1", "NaN", "0", "{}")),
    ]
    assert not bank.problems


def test_two_columns_of_keys_with_one_name_must_not_differ(tmp_path: Path) -> None:
    bank = read_csv(
        tmp_path,
        "題目,A,B,答案,答案\n一？,甲,乙,A,B\n二？,甲,乙,B,b\n三？,甲,乙,,A\n四？,甲,乙,A,甲\n",
    )
    assert [(q.stem, q.answer) for q in bank] == [("二？", (1,)), ("三？", (0,)), ("四？", (0,))]
    assert [(p.row, p.code) for p in bank.problems] == [(2, "contradicting_keys")]


def test_options_behind_a_missing_label_are_not_lost(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,A,B,D,E,答案\n一？,甲,乙,丁,戊,A\n二？,甲,乙,,,A\n")
    assert [(q.stem, q.options) for q in bank] == [("二？", ("甲", "乙"))]
    assert [(p.row, p.code, p.column) for p in bank.problems] == [(2, "damaged_options", "D")]
