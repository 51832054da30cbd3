"""Ids of many digits stay whole numbers, and what Excel has rounded is said to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import WriteXlsx
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading._drafts.ids import given_id


def ids(bank: QuestionBank) -> list[tuple[str, Any]]:
    return [(question.id, question.source_id) for question in bank]


def codes(bank: QuestionBank) -> list[tuple[int, str, str]]:
    return [(problem.row, problem.column, problem.code) for problem in bank.problems]


@pytest.mark.parametrize("code", ["General", "0", "@", "0.00E+00"])
def test_long_numbers_of_a_workbook_are_whole_and_said_to_be_rounded(
    write_xlsx: WriteXlsx, code: str
) -> None:
    numbers = [123456789012345600, 1.23456789012345e17, 1234567890123456, 123456789012345, 7]
    rows = [[number, f"第{n}題？", "甲", "乙"] for n, number in enumerate(numbers)]
    formats = {f"A{row}": code for row in range(2, 7)}
    bank = read_bank(write_xlsx([["ID", "題目", "A", "B"], *rows], formats=formats))
    assert ids(bank) == [
        ("123456789012345600", 123456789012345600),
        ("123456789012345000", 123456789012345000),
        ("1234567890123456", 1234567890123456),
        ("123456789012345", 123456789012345),
        ("7", 7),
    ]
    assert codes(bank) == [(row, "ID", "rounded_id") for row in (2, 3, 4)]
    shown = [cells["ID"] for cells in bank.table.rows.values()]
    assert shown == [source_id for _, source_id in ids(bank)]


def test_long_ids_that_are_text_stay_as_they_are(write_xlsx: WriteXlsx, tmp_path: Path) -> None:
    rows = [["123456789012345678", "一？", "甲", "乙"], ["0012345678901234567", "二？", "甲", "乙"]]
    bank = read_bank(write_xlsx([["ID", "題目", "A", "B"], *rows]))
    assert [question.id for question in bank] == ["123456789012345678", "0012345678901234567"]
    path = tmp_path / "bank.csv"
    path.write_text(
        "ID,題目,A,B\n123456789012345678,一？,甲,乙\n1E5,二？,甲,乙\n", encoding="utf-8"
    )
    assert [question.id for question in read_bank(path)] == ["123456789012345678", "1E5"]
    assert codes(read_bank(path)) == codes(bank) == []


def test_what_excel_exported_as_an_exponent_is_whole_and_said_to_be_rounded(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    rows = ["1.23457E+17,一？,甲,乙", "1.23457E+17,二？,甲,乙", "2.0e+11,三？,甲,乙"]
    path.write_text("\n".join(["ID,題目,A,B", *rows]), encoding="utf-8")
    bank = read_bank(path)
    assert [question.id for question in bank] == [
        "123457000000000000",
        "123457000000000000#2",
        "200000000000",
    ]
    assert codes(bank) == [(row, "ID", "rounded_id") for row in (2, 3, 4)]


def test_long_numbers_of_json_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "bank.json"
    given = [1234567890123456789, 1.2345678901234568e17, "1.23457E+17", "12345678901234567890", 3.0]
    items = [
        {"id": value, "question": f"第{n}題？", "options": ["甲", "乙"]}
        for n, value in enumerate(given)
    ]
    path.write_text(json.dumps(items), encoding="utf-8")
    bank = read_bank(path)
    assert [question.id for question in bank] == [
        "1234567890123456789",
        "123456789012345680",
        "123457000000000000",
        "12345678901234567890",
        "3",
    ]
    assert [(row, code) for row, _, code in codes(bank)] == [(2, "rounded_id"), (3, "rounded_id")]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.one_of(st.floats(), st.integers(), st.text("0123456789.eE+- A", max_size=12)))
def test_no_number_is_an_id_with_an_exponent_of_twelve_digits_or_more(value: Any) -> None:
    found = given_id(value).value
    if isinstance(found, float) and abs(found) >= 1e15:
        assert abs(found) == float("inf")
    assert found is None or found == found
