"""Labels and pictures in option cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import WriteXlsx
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading._drafts.option_cells import is_image_only, labels_begin_again, strip_prefixes


def kinds(write_xlsx: WriteXlsx, *rows: list[Any]) -> QuestionBank:
    return read_bank(write_xlsx([["題型", "題目", "A", "B", "C", "答案"], *rows]))


@pytest.mark.parametrize(
    ("options", "stripped"),
    [
        (["(A)甲", "(B)乙"], ["甲", "乙"]),
        (["A．甲", "B．乙", "C．丙"], ["甲", "乙", "丙"]),
        (["A 没有党参", "B 没有首乌"], ["没有党参", "没有首乌"]),
        (["1. 甲", "2. 乙"], ["甲", "乙"]),
        (["①甲", "②乙"], ["甲", "乙"]),
        (["甲、一", "乙、二"], ["一", "二"]),
        (["A.1.5", "B.2.5"], ["1.5", "2.5"]),
        (["(A)-5", "(B)-6"], ["-5", "-6"]),
        (["(A) .5", "(B) .6"], [".5", ".6"]),
        (["A .5", "B .6"], [".5", ".6"]),
        (["A. B", "B. A", "C. O", "D. AB"], ["B", "A", "O", "AB"]),
    ],
)
def test_label_prefixes_of_all_options_are_stripped(
    options: list[str], stripped: list[str]
) -> None:
    assert strip_prefixes(options)[0] == stripped


@pytest.mark.parametrize(
    "options",
    [
        ["1.5公厘", "2.4億"],
        ["1.5", "2.5", "3.5", "4.5"],
        ["1:2", "2:3", "3:8"],
        ["A型", "B型", "O型"],
        ["A cat", "B movie"],
        ["(A)甲", "乙"],
        ["B. 甲", "A. 乙"],
        ["A", "B"],
        ["A.", "B."],
        ["(1)(2)", "(2)(3)"],
        ["（1）（3）", "（2）（4）", "（1）（4）", "（2）（3）"],
        ["A、B", "B、C", "C、D", "D、A"],
        ["甲、乙", "乙、丙", "丙、丁"],
        ["A:B", "B:C"],
        ["(A)→(B)", "(B)→(A)"],
        ["(A)＋(B)", "(B)與(C)"],
    ],
)
def test_options_that_only_look_labelled_survive(options: list[str]) -> None:
    assert strip_prefixes(options) == (options, ())


def test_options_that_are_pictures_are_reported(write_xlsx: WriteXlsx) -> None:
    bank = kinds(write_xlsx, [None, "哪張圖？", "[圖1]", "![](b.png)", "c.jpg", "A"])
    assert [problem.code for problem in bank.problems] == ["image_options"]
    assert not is_image_only("圖書館")


@pytest.mark.parametrize(
    ("options", "again"),
    [
        (["A.甲", "B.乙", "A.丙", "B.丁"], True),
        (["(1)甲", "(2)乙", "(1)丙", "(2)丁", "(3)戊"], True),
        (["A.甲", "B.乙", "C.丙", "C.丁"], False),
        (["A.甲", "A.乙", "B.丙", "C.丁"], False),
        (["①②", "②③", "①③", "②④"], False),
        (["（1）（3）", "（2）（4）", "（1）（4）", "（2）（3）"], False),
        (["A、B", "B、C", "A、C", "B、D"], False),
        (["甲、乙", "乙、丙", "甲、丁", "乙、丁"], False),
    ],
)
def test_labels_of_options_may_begin_again(options: list[str], again: bool) -> None:
    assert labels_begin_again(options) is again


def test_a_key_that_labels_in_another_order_leave_open_is_an_error(write_xlsx: WriteXlsx) -> None:
    texts = ["(B) 甲", "(A) 乙", "(C) 丙"]
    bank = kinds(
        write_xlsx,
        *(["", f"{key}是？", *texts, key] for key in "ABC"),
    )
    assert [(q.stem, q.answer) for q in bank] == [("C是？", (2,))]
    assert [(p.row, p.code) for p in bank.problems if p.severity == "error"] == [
        (2, "label_misprint"),
        (3, "label_misprint"),
    ]


def test_labels_in_another_order_are_what_a_key_means_where_no_header_differs(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bank.json"
    options = ["(A) 甲", "(C) 丙", "B．乙", "(D) 丁"]
    records = [{"question": f"問{key}？", "options": options, "answer": key} for key in "AB"]
    path.write_text(json.dumps(records), encoding="utf-8")
    bank = read_bank(path)
    assert [(q.options, q.labels, q.answer, q.answer_label) for q in bank] == [
        (("甲", "丙", "乙", "丁"), ("A", "C", "B", "D"), (0,), "A"),
        (("甲", "丙", "乙", "丁"), ("A", "C", "B", "D"), (2,), "B"),
    ]
    assert bank.problems == []


def test_a_letter_under_numbered_headers_is_the_label_in_the_cell(write_xlsx: WriteXlsx) -> None:
    texts = ["(A) 甲", "(C) 丙", "(B) 乙"]
    rows = [["一？", *texts, "B"], ["二？", *texts, 2], ["三？", *texts, 3]]
    bank = read_bank(write_xlsx([["題目", "選項1", "選項2", "選項3", "答案"], *rows]))
    assert [q.options[q.answer[0]] for q in bank if q.answer] == ["乙", "(C) 丙", "(B) 乙"]
