"""Two folds over one set of tables: one to compare texts, one that keeps positions."""

from __future__ import annotations

import pytest

from zhmcq.zh._fold import (
    fold_characters,
    fold_name,
    fold_text,
    fold_texts,
    half_width,
    normal_text,
)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("選項（Ｂ）：正確答案", "选项(B):正确答案"),
        ("①②", "①②"),
        ("⒝Ⓑ𝐁", "BBB"),
        ("→✓✗", ">√×"),
        ("【答案】Ｂ．", "[答案]B."),
        ("「甲」\u3000『乙』\u00a0丙", '"甲" "乙" 丙'),
        ("為爲麼麽着著", "为为么么着着"),
    ],
)
def test_characters_are_folded_one_by_one(text: str, folded: str) -> None:
    assert fold_characters(text).text == folded
    assert len(fold_characters(text).text) == len(text)


def test_a_span_of_the_folded_text_is_a_span_of_the_original() -> None:
    text = "\ufeff答\u200b案是\u200dB"
    folded = fold_characters(text)
    assert folded.text == "答案是B"
    assert text[slice(*folded.span(0, 4))] == "答\u200b案是\u200dB"
    assert text[slice(*folded.span(3, 4))] == "B"
    assert folded.span(2, 2) == (2, 2)


def test_texts_are_compared_without_width_script_case_and_punctuation() -> None:
    assert fold_text("「Ａ 型、國文」") == fold_text("a型国文")
    assert fold_text("1.5") != fold_text("15")
    assert fold_texts(["、", "；"]) == ["、", ";"]
    assert fold_texts([]) == []


def test_a_name_is_folded_as_the_vocabulary_spells_it() -> None:
    assert fold_name(" 正確 答案：") == "正确答案"
    assert fold_name("Question_ID") == "questionid"


def test_half_width_leaves_circled_and_roman_numerals() -> None:
    assert half_width("（Ａ）①Ⅱ\u3000") == "(A)①Ⅱ "
    assert normal_text("（Ａ）①Ⅱ\u3000") == "(A)1II"
