"""Titles of sections and names of sheets: what they say of the questions below them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhmcq.reading._drafts.tables.sections import is_section, kind_of_title, subject_of_sheet


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("一、是非題", "true_false"), ("【是非題】", "true_false"), ("True/False", "true_false"),
        ("判断题（共10题）", "true_false"), ("（二）多選題", "multiple"),
        ("不定项选择题", "multiple"),
        ("壹、選擇題 (每題 2 分，共 40 分)", "choice"),
        ("第 2 部分：複選題", "multiple"),
        ("二、選擇題（單選，每題 2 分）", "single"), ("單選", "single"), ("單選題：", "single"),
        ("貳、非選擇題", "essay"), ("四、問答題", "open"), ("Part I. Multiple choice", "choice"),
        ("第一部分", ""), ("Section A", ""), ("是非題與選擇題", ""), ("單選及多選題", ""),
    ],
)  # fmt: skip
def test_a_sections_title_says_the_kind_of_its_questions(title: str, kind: str) -> None:
    assert is_section(title)
    assert kind_of_title(title) == kind


@pytest.mark.parametrize(
    "text",
    [
        "題目", "一、下列何者是是非題", "一、地球是圓的。", "是非題是一種題型。", "說明：共 20 題",
        "國文科期中考",
        "單選題有幾個答案？", "", "1", "一二三四五六",
    ],
)  # fmt: skip
def test_other_texts_are_no_sections(text: str) -> None:
    assert not is_section(text)


@pytest.mark.parametrize("name", ["Sheet1", "工作表 12", "工作表1 (2)", "Feuil1", "題庫", "7", ""])
def test_what_programs_call_sheets_is_no_subject(name: str) -> None:
    assert subject_of_sheet(name) == ""


@pytest.mark.parametrize("name", ["國文", "第一章", "歷史 101", "判断题"])
def test_another_name_of_a_sheet_is_a_subject(name: str) -> None:
    assert subject_of_sheet(name) == name


@given(st.text(max_size=80))
def test_any_title_is_read(title: str) -> None:
    assert is_section(title) in (True, False)
    assert kind_of_title(title) in {
        "", "choice", "single", "multiple", "true_false", "essay", "open", "fill_in", "cloze",
        "numerical", "matching", "ordering", "hotspot", "upload", "survey",
    }  # fmt: skip
