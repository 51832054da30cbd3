from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.prediction._results.key_style import LABELS, key_headers, key_style
from zhmcq.questions import Question

TEXTS = ("台北", "台中", "台南", "高雄")


def question(*key: int, labels: str = "", texts: tuple[str, ...] = TEXTS, **more: Any) -> Question:
    kind = more.pop("kind", "multiple" if len(key) > 1 else "single")
    return Question("q", "？", texts, labels=tuple(labels), answer=key or None, kind=kind, **more)


def written(*cells: Any, labels: str = "") -> list[str | int]:
    """How the first and the third option are written, where these are the keys B, D, A …"""
    keys = [1, 3, 0, 2]
    style = key_style(
        (question(key, labels=labels), cell) for key, cell in zip(keys, cells, strict=False)
    )
    assert style is not None
    asked = question(labels=labels)
    return [style.written(asked, (0,)), style.written(asked, (2,))]


@pytest.mark.parametrize(
    ("labels", "cells", "expected"),
    [
        ("1234", (2, 4, 1), [1, 3]),
        ("1234", ("2", "4", "1"), ["1", "3"]),
        ("0123", (1, 3, 0), [0, 2]),
        ("", ("B", "D", "A"), ["A", "C"]),
        ("", ("b", "d"), ["a", "c"]),
        ("", ("Ｂ", "Ｄ"), ["Ａ", "Ｃ"]),
        ("", ("(B)", "(D)"), ["(A)", "(C)"]),
        ("", ("B.", "D."), ["A.", "C."]),
        ("1234", ("選項2", "選項4"), ["選項1", "選項3"]),
        ("1234", ("選項二", "選項四"), ["選項一", "選項三"]),
        ("", ("Option B", "Option D"), ["Option A", "Option C"]),
        ("", ("②", "④"), ["①", "③"]),
        ("1234", ("第2個", "第4個"), ["第1個", "第3個"]),
        ("1234", ("02", "04"), ["01", "03"]),
        ("甲乙丙丁", ("乙", "丁"), ["甲", "丙"]),
        ("", ("乙", "丁"), ["甲", "丙"]),
        ("", ("㈡", "㈣"), ["㈠", "㈢"]),
        ("", ("台中", "高雄"), ["台北", "台南"]),
        ("", ("B. 台中", "D. 高雄"), ["A. 台北", "C. 台南"]),
        ("1234", ("(2)台中", "(4)高雄"), ["(1)台北", "(3)台南"]),
        ("", (2, 4), [1, 3]),
    ],
)
def test_an_answer_is_written_as_the_keys_are(
    labels: str, cells: tuple[Any, ...], expected: list[str | int]
) -> None:
    assert written(*cells, labels=labels) == expected


def test_the_form_of_most_keys_is_taken() -> None:
    assert written("B", "D", "答案是 A") == ["A", "C"]
    assert written("台中", "看課本", "A", "台南") == ["台北", "台南"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("ABD", "BC"), "ACD"),
        (("A,B,D", "B,C"), "A,C,D"),
        (("A、B、D", "B、C"), "A、C、D"),
        (("(A)(B)(D)", "(B)(C)"), "(A)(C)(D)"),
        (("台北;台中;高雄", "台中;台南"), "台北;台南;高雄"),
        (("甲,乙,丁", "乙,丙"), "甲,丙,丁"),
        ((124, 23), 134),
        (("124", "23"), "134"),
        (("(ABD)", "(BC)"), "(ACD)"),
        (("答：A、B、D", "答：B、C"), "答：A、C、D"),
        (("選項1,2,4", "選項2,3"), "選項1,3,4"),
        (("A和B和D", "B和C"), "A和C和D"),
        (("1,2,4", "2,3"), "1,3,4"),
    ],
)
def test_several_right_options_are_joined_as_in_the_keys(
    cells: tuple[Any, Any], expected: str | int
) -> None:
    style = key_style([(question(0, 1, 3), cells[0]), (question(1, 2), cells[1])])
    assert style is not None
    assert style.written(question(), (0, 2, 3)) == expected


def test_without_a_key_of_several_options_labels_are_joined_as_everywhere() -> None:
    letters = key_style([(question(1), "B")])
    named = key_style([(question(1, labels="1234"), "選項2")])
    texts = key_style([(question(1), "台中")])
    assert letters is not None
    assert named is not None
    assert texts is not None
    assert letters.written(question(), (0, 2)) == "AC"
    assert named.written(question(labels="1234"), (0, 2)) == "選項1,選項3"
    assert texts.written(question(), (0, 2)) == "台北；台南"


def test_where_all_keys_are_true_false_is_the_sign_that_goes_with_theirs() -> None:
    pairs = [
        (question(1), "(B)"),
        (question(2), "(C)"),
        (question(0, texts=("○", "×"), kind="true_false"), "○"),
    ]
    style = key_style(pairs)
    assert style is not None
    assert style.written(pairs[2][0], (1,)) == "×"
    assert style.written(pairs[0][0], (0,)) == "(A)"


def test_true_and_false_are_the_words_of_the_table() -> None:
    yes_no = ("正確", "錯誤")
    pairs = [
        (Question("a", "？", TEXTS, answer=(1,)), "B"),
        (Question("b", "？", yes_no, kind="true_false", answer=(0,)), "○"),
        (Question("c", "？", yes_no, kind="true_false", answer=(1,)), "╳"),
    ]
    style = key_style(pairs)
    assert style is not None
    unkeyed = Question("d", "？", yes_no, kind="true_false")
    assert [style.written(unkeyed, (0,)), style.written(unkeyed, (1,))] == ["○", "╳"]
    assert style.written(question(), (3,)) == "D"


def test_a_question_without_some_options_is_answered_by_its_own_labels() -> None:
    style = key_style([(question(1), "(B)"), (question(2), "(C)")])
    assert style is not None
    gapped = Question("q", "？", ("台北", "台南", "高雄"), labels=("A", "C", "D"))
    assert style.written(gapped, (1,)) == "(C)"


def test_options_that_are_numbers_do_not_make_texts_of_labels() -> None:
    pairs = [
        (question(0, labels="1234", texts=("2", "4", "6", "8")), 1),
        (question(1, labels="1234", texts=("2", "4", "6", "8")), 2),
        (question(2, labels="1234", texts=("1", "2", "3", "4")), 3),
    ]
    style = key_style(pairs)
    assert style is not None
    assert style.written(question(labels="1234", texts=("2", "4", "6", "8")), (3,)) == 4


@pytest.mark.parametrize("cells", [[], ["？？？"], ["長" * 5000], [""], [" "]])
def test_cells_that_explain_nothing_give_no_style(cells: list[str]) -> None:
    assert key_style([(question(1), cell) for cell in cells]) is None


def test_without_keys_labels_are_written_and_numbers_as_numbers() -> None:
    assert LABELS.written(question(labels="1234"), (1,)) == 2
    assert LABELS.written(question(labels="1234"), (1, 2)) == "23"
    assert LABELS.written(question(), (1,)) == "B"
    padded = Question("q", "？", ("甲", "乙"), labels=("01", "02"))
    assert LABELS.written(padded, (0,)) == "01"


def test_more_options_than_an_alphabet_has_are_written_by_their_labels() -> None:
    many = Question("q", "？", tuple(f"文{n}" for n in range(12)), answer=(1,))
    style = key_style([(many, "乙")])
    assert style is not None
    assert [style.written(many, (9,)), style.written(many, (11,))] == ["癸", "L"]


def test_the_column_of_keys_is_the_callers_or_known_by_its_name() -> None:
    headers = ["題號", "答案", "正確答案", "甲欄"]
    assert key_headers({}, headers) == ["正確答案", "答案"]
    assert key_headers({"answer": "甲欄"}, headers) == ["甲欄", "正確答案", "答案"]
    assert key_headers({"answer": "別的"}, ["題號", "學生答案"]) == []


SERIES = ("1234", "ABCD", "abcd", "甲乙丙丁", "①②③④", "一二三四", "ㄅㄆㄇㄈ", "ⒶⒷⒸⒹ", "１２３４")
AROUND = [("", ""), ("(", ")"), ("選項", ""), ("第", "個"), ("", "."), ("【", "】")]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    names=st.sampled_from(SERIES),
    around=st.sampled_from(
        [("", ""), ("(", ")"), ("選項", ""), ("第", "個"), ("", "."), ("【", "】")]
    ),
    joint=st.sampled_from(["", ",", "、", "；", " ", "/", "和"]),
    around_all=st.booleans(),
    keys=st.lists(
        st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True).map(sorted),
        min_size=1,
        max_size=6,
    ),
)
def test_keys_themselves_are_written_as_they_are(
    names: str, around: tuple[str, str], joint: str, around_all: bool, keys: list[list[int]]
) -> None:
    before, after = around
    keyed = []
    for key in keys:
        labels = [names[index] for index in key]
        each = joint.join(f"{before}{label}{after}" for label in labels)
        keyed.append(
            (question(*key), f"{before}{joint.join(labels)}{after}" if around_all else each)
        )
    style = key_style(keyed)
    assert style is not None
    for keyed_question, cell in keyed:
        assert style.written(keyed_question, keyed_question.answer or ()) == cell
