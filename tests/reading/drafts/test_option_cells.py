"""Labels and pictures in option cells."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import WriteXlsx
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading._drafts.option_cells import is_image_only, strip_prefixes


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
        ["(1)(2)", "(2)(3)"][::-1],
    ],
)
def test_options_that_only_look_labelled_survive(options: list[str]) -> None:
    assert strip_prefixes(options) == (options, ())


def test_options_that_are_pictures_are_reported(write_xlsx: WriteXlsx) -> None:
    bank = kinds(write_xlsx, [None, "哪張圖？", "[圖1]", "![](b.png)", "c.jpg", "A"])
    assert [problem.code for problem in bank.problems] == ["image_options"]
    assert not is_image_only("圖書館")
