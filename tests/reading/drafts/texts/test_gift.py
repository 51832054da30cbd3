from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank, stream_bank

TEXTS = st.text("山水火 ab1~=#{}:\\", max_size=12).map(lambda text: f"甲{text}".strip())


def read(folder: Path, text: str) -> QuestionBank:
    path = folder / "bank.gift"
    path.write_text(text, encoding="utf-8")
    return read_bank(path)


def test_title_category_feedback_and_escapes_are_told_from_the_question(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "$CATEGORY: $course$/國文/成語\n\n"
        "::Q1:: [html]下列何者？ {\n=畫蛇添足 # 對\n~a\\=b \\{x\\}#錯\n#### 出自戰國策\n}\n",
    )
    question = bank[0]
    assert (question.id, question.stem, question.subject) == ("Q1", "下列何者？", "成語")
    assert question.options == ("畫蛇添足", "a=b {x}")
    assert (question.answer, question.explanation) == ((0,), "出自戰國策")
    assert question.origin is not None
    assert question.origin.row == 3
    assert bank.problems == []


@pytest.mark.parametrize(
    ("word", "label"), [("T", "TRUE"), ("FALSE", "FALSE"), ("TRUE#對", "TRUE")]
)
def test_true_and_false_are_read(tmp_path: Path, word: str, label: str) -> None:
    bank = read(tmp_path, f"太陽從東邊升起。{{{word}}}\n")
    assert (bank[0].kind, bank[0].answer_label) == ("true_false", label)
    assert bank[0].options == ("正確", "錯誤")


@pytest.mark.parametrize(
    ("answers", "answer", "kind"),
    [
        ("~%50%甲 ~%50%乙 ~%-100%丙", (0, 1), "multiple"),
        ("~甲 =乙 ~%25%丙", (1,), "single"),
        ("~%100%甲 ~乙 ~丙", (0,), "single"),
        ("~%33.33333%甲 ~%33.33333%乙 ~%33.33333%丙 ~丁", (0, 1, 2), "multiple"),
        ("=甲 =乙 ~丙", (0, 1), "multiple"),
    ],
)
def test_weights_say_which_options_are_right(
    tmp_path: Path, answers: str, answer: tuple[int, ...], kind: str
) -> None:
    bank = read(tmp_path, f"哪些？{{{answers}}}\n")
    assert (bank[0].answer, bank[0].kind) == (answer, kind)


def test_weights_that_add_up_to_something_else_are_an_error(tmp_path: Path) -> None:
    bank = read(tmp_path, "哪些？{~%50%甲 ~乙}\n")
    assert [(p.row, p.code) for p in bank.problems] == [(1, "unreadable_answer")]


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ("=甲 -> 1 =乙 -> 2 =丙 -> 3", "matching"),
        ("=甲 =乙", "fill_in"),
        ("#3.14:0.01", "fill_in"),
        ("", "essay"),
    ],
)
def test_a_kind_that_is_no_choice_is_an_error_of_its_row(
    tmp_path: Path, answers: str, code: str
) -> None:
    bank = read(tmp_path, f"甲？{{T}}\n\n乙：{{{answers}}}\n")
    assert [(p.row, p.code, p.severity) for p in bank.problems] == [(3, code, "error")]
    assert len(bank) == 1


def test_text_after_the_braces_makes_a_blank(tmp_path: Path) -> None:
    assert read(tmp_path, "太陽{~月 =日}很亮。\n")[0].stem == "太陽 ____ 很亮。"


def test_a_titled_question_may_hold_blank_lines(tmp_path: Path) -> None:
    bank = read(tmp_path, "::Q1:: 甲說。\n\n何者？{=a ~b}\n\n乙？{=c ~d}\n")
    assert [q.stem for q in bank] == ["甲說。\n何者？", "乙？"]


def test_comments_and_descriptions_are_said_to_be_skipped(tmp_path: Path) -> None:
    bank = read(tmp_path, "// 註解\n甲？{T}\n\n請看下文。\n")
    assert [(p.row, p.code) for p in bank.problems] == [(1, "skipped_row"), (4, "skipped_row")]
    assert "請看下文" in bank.problems[1].message


@pytest.mark.parametrize(
    "text", ["甲？{=a ~b\n\n", "甲？{=a {~b}}\n\n", "甲？{=a ~b} 乙{=c ~d}\n\n"]
)
def test_braces_that_do_not_match_are_an_error_and_the_next_question_is_read(
    tmp_path: Path, text: str
) -> None:
    bank = read(tmp_path, text + "::後:: 丙？{=c ~d}\n")
    assert [q.stem for q in bank] == ["丙？"]
    assert [p.row for p in bank.problems if p.severity == "error"] == [1]


def test_gift_in_a_txt_is_recognised_and_mathematics_is_not(tmp_path: Path) -> None:
    path = tmp_path / "bank.txt"
    path.write_text("哪個？{\n=甲\n~乙\n}\n", encoding="utf-8")
    assert read_bank(path)[0].options == ("甲", "乙")
    path.write_text("1. $x^{T}$ 與 ${=}$？\n(A) $\\{1\\}$\n(B) 乙\n答案：B\n", encoding="utf-8")
    assert read_bank(path)[0].options == ("$\\{1\\}$", "乙")


def escaped(text: str) -> str:
    return re.sub(r"([~=#{}:\\])", r"\\\1", text)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    questions=st.lists(
        st.tuples(TEXTS, st.lists(TEXTS, min_size=2, max_size=5), st.integers(0, 4)),
        min_size=1,
        max_size=5,
    )
)
def test_a_bank_that_is_written_in_gift_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, questions: list[tuple[str, list[str], int]]
) -> None:
    blocks, expected = [], []
    for number, (stem, texts, chosen) in enumerate(questions):
        options = [f"{text}{index}" for index, text in enumerate(texts)]
        key = chosen % len(options)
        answers = " ".join(
            f"{'=' if index == key else '~'}{escaped(option)}"
            for index, option in enumerate(options)
        )
        blocks.append(f"::{number}::{escaped(stem)}{{{answers}}}")
        expected.append((stem, tuple(options), (key,)))
    path = tmp_path_factory.mktemp("gift") / "bank.gift"
    path.write_text("\n\n".join(blocks), encoding="utf-8")
    found = [item for item in stream_bank(path) if isinstance(item, Question)]
    assert [(q.stem, q.options, q.answer) for q in found] == expected


def test_braces_and_signs_in_full_width_are_those_of_gift(tmp_path: Path) -> None:
    path = tmp_path / "bank.txt"
    path.write_text('::一:: 首都？｛＝臺北 ～高雄｝\n\n::二:: 對嗎？{T}";\n', encoding="utf-8")
    assert [(q.stem, q.answer) for q in read_bank(path)] == [("首都？", (0,)), ("對嗎？", (0,))]
