"""Headers are recognised, and what options they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from opencc import OpenCC

from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading._drafts.vocabulary import FIELDS, field_of, option_label, wrong_label


def read_csv(tmp_path: Path, text: str, encoding: str = "utf-8") -> QuestionBank:
    path = tmp_path / "bank.csv"
    path.write_bytes(text.encode(encoding))
    return read_bank(path)


def wide(text: str) -> str:
    """ASCII characters in full width."""
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("正确答案 Answer", "answer"), ("題目/Question", "stem"), ("Category\n類別", "subject"),
        ("學生答案/Student answer", None), ("類別/備註", None),
        ("TIMU", "stem"), ("daan", "answer"),
        ("ID", "id"), ("題號", "id"), ("题号", "id"), ("序號", "id"),
        ("number", "id"), ("原題號", "id"),
        ("文章", "passage"), ("題組題幹", "passage"), ("passage", "passage"),
        ("問題", "stem"), ("題 目", "stem"), ("題幹", "stem"), ("题干", "stem"),
        ("試題內容", "stem"),
        ("Question", "stem"), ("description", "stem"), ("單選題題目", "stem"),
        ("題目（必填）", "stem"),
        ("choice", "options"), ("options", "options"), ("選項", "options"),
        ("正確答案", "answer"), ("答案", "answer"), ("標準答案", "answer"), ("正解", "answer"),
        ("correctAnswer", "answer"), ("label", "answer"), ("答 案*", "answer"),
        ("本題答案", "answer"),
        ("题型", "kind"), ("类型", "kind"), ("type", "kind"), ("科目", "subject"),
        ("類別", "subject"),
        ("章节", "subject"), ("解析", "explanation"), ("analysis", "explanation"),
        ("資料來源", "source"), ("出處", "source"), ("来源", "source"), ("year", "source"),
        ("電話", None), ("備註", None),
    ],
)  # fmt: skip
def test_headers_met_in_the_wild_are_recognised(header: str, field: str | None) -> None:
    match = field_of(header)
    assert (match[0] if match else None) == field


@pytest.mark.parametrize(
    ("header", "label"),
    [
        ("選項1", "1"), ("选项Ａ", "A"), ("option3", "3"), ("\xa0option3", "3"), ("optionA", "A"),
        ("A", "A"), ("選項一", "一"), ("A项", "A"), ("D项目", "D"), ("选择B", "B"), ("(C)", "C"),
        ("选 项 ４", "4"), ("opt_b", "B"), ("選項甲", "甲"), ("備註", ""), ("選項", ""),
        ("選項A/Option A", "A"), ("選項B Option B", "B"), ("選項1\nChoice 1", "1"), ("A/B", ""),
        ("選項A/Option B", ""),
    ],
)  # fmt: skip
def test_option_headers_name_their_label(header: str, label: str) -> None:
    assert option_label(header) == label


@pytest.mark.parametrize("order", ["DCBA", "ACBD", "BADC"])
def test_options_may_stand_in_any_order(tmp_path: Path, order: str) -> None:
    texts = {"A": "甲", "B": "乙", "C": "丙", "D": "丁"}
    cells = ",".join(texts[label] for label in order)
    bank = read_csv(tmp_path, f"題目,{','.join(order)},答案\n何者？,{cells},D\n")
    assert (bank[0].options, bank[0].answer) == (("甲", "乙", "丙", "丁"), (3,))


@pytest.mark.parametrize(
    ("header", "label"),
    [("選項A（必填）", "A"), ("Answer 1 - max 75 characters", "1"), ("選項B*", "B"), ("(C)", "C")],
)
def test_a_note_in_an_options_header_does_not_matter(header: str, label: str) -> None:
    assert option_label(header) == label


def test_headers_of_a_quiz_template_are_recognised() -> None:
    assert field_of("Question - max 120 characters") == ("stem", field_of("question")[1])  # type: ignore[index]
    assert field_of("Correct answer(s) - choose at least one") == field_of("correct answer")


@pytest.mark.parametrize(
    "header",
    [
        "學生答案", "我的答案", "你的答案", "您的答案", "考生答案", "作答", "學生作答", "填答",
        "作答結果", "your answer", "My Answer", "student's response", "selected answer",
        "Answer (student)", "答案（學生）", "Response", "user_answer", "得分", "分數", "答案得分",
        "score", "Points", "答題正確率", "Correct?", "錯誤答案", "incorrect answer", "不正確答案",
        "這是什麼問題", "下列何者是問題", "預測答案", "預測答案 (zhmcq)", "模型答案（第二次）",
        "學生答案（必填）",
    ],
)  # fmt: skip
def test_what_somebody_answered_or_earned_is_no_field(header: str) -> None:
    assert field_of(header) is None


def test_a_column_of_given_answers_is_said_not_to_be_the_key(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,A,B,學生答案\n何者？,甲,乙,B\n")
    assert bank[0].answer is None
    assert [(p.row, p.column, p.code) for p in bank.problems] == [(1, "學生答案", "given_answers")]
    keyed = read_csv(tmp_path, "題目,A,B,學生答案,答案\n何者？,甲,乙,B,A\n")
    assert (keyed[0].answer, keyed.problems) == ((0,), [])


def test_what_is_called_correct_wins_over_an_answer(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "question,A,B,answer,correct answer\nWhich?,x,y,A,B\n")
    assert bank[0].answer == (1,)


@pytest.mark.parametrize(
    ("header", "label"),
    [
        ("Wrong answer 1", "1"), ("incorrect_answers", ""), ("錯誤選項A", "A"),
        ("distractor3", "3"),
        ("干擾項2", "2"), ("誘答一", "一"), ("錯誤", None), ("正確答案", None), ("錯誤原因", None),
    ],
)  # fmt: skip
def test_headers_of_wrong_answers_are_recognised(header: str, label: str | None) -> None:
    assert wrong_label(header) == label


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Question,Correct answer,Wrong answer 1,Wrong answer 2", "何者？,甲,乙,丙"),
        ("題目,正確答案,錯誤選項2,錯誤選項1", "何者？,甲,丙,乙"),
        ("question,distractor1,distractor2,correct_answer,support", "何者？,乙,丙,甲,略"),
        ("question,correct_answer,incorrect_answers", "何者？,甲,乙;丙"),
    ],
)
def test_the_right_answer_comes_before_the_wrong_ones_with_a_warning(
    tmp_path: Path, header: str, row: str
) -> None:
    bank = read_csv(tmp_path, f"{header}\n{row}\n{row.replace('何者', '誰')}\n")
    assert [(q.options, q.answer) for q in bank] == [(("甲", "乙", "丙"), (0,))] * 2
    assert [(p.row, p.code) for p in bank.problems] == [(1, "key_always_first")]


def test_without_the_right_answer_the_wrong_ones_are_no_question(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,正確答案,錯誤選項1,錯誤選項2\n何者？,,乙,丙\n")
    assert (len(bank), [p.code for p in bank.problems][1:]) == (0, ["no_right_option"])


def test_options_with_columns_of_their_own_leave_wrong_answers_alone(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,A,B,正確答案,錯誤答案\n何者？,甲,乙,A,B\n")
    assert (bank[0].options, bank[0].answer, bank.problems) == (("甲", "乙"), (0,), [])


@pytest.mark.parametrize("name", FIELDS["stem"])
@pytest.mark.parametrize("write", [str, str.upper, OpenCC("s2tw").convert, wide])
def test_a_later_header_is_found_by_any_name_of_its_stems(
    tmp_path: Path, name: str, write: Callable[[str], str]
) -> None:
    text = f"題號,題目,A,B,答案\n1,誰？,甲,乙,A\n題號,答案,{write(name)},甲,乙\n2,B,誰？,丙,丁\n"
    assert [q.options for q in read_csv(tmp_path, text)] == [("甲", "乙"), ("丙", "丁")]
