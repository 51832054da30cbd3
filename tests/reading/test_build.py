"""Drafts become questions, or problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import WriteXlsx
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading._ids import UniqueIds


def read_json(tmp_path: Path, data: Any) -> QuestionBank:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return read_bank(path)


def codes(bank: QuestionBank) -> list[str]:
    return [problem.code for problem in bank.problems]


def two(stem: str, **more: Any) -> dict[str, Any]:
    return {"question": stem, "options": ["一", "二"], "answer": "B", **more}


def kinds(write_xlsx: WriteXlsx, *rows: list[Any]) -> QuestionBank:
    return read_bank(write_xlsx([["題型", "題目", "A", "B", "C", "答案"], *rows]))


def test_kinds_are_recognised_or_reported(write_xlsx: WriteXlsx) -> None:
    bank = kinds(
        write_xlsx,
        ["單選題", "一？", "甲", "乙", "丙", "A"],
        ["多選題", "二？", "甲", "乙", "丙", "AC"],
        ["複選", "三？", "甲", "乙", "丙", "B"],
        ["是非題", "四。", None, None, None, "O"],
        ["判断题", "五。", "正确", "错误", None, "错"],
        [None, "六？（複選）", "甲", "乙", "丙", "B"],
        [None, "七。", None, None, None, "否"],
        ["排序題", "八？", "甲", "乙", "丙", "BAC"],
        [None, "請依序排列", "甲", "乙", "丙", "ABC"],
        ["填充題", "九____", None, None, None, "答案"],
        ["問答題", "十？", None, None, None, "很長的答案"],
        ["單選題", "十一？", "甲", "乙", "丙", "AB"],
        [None, "十二？", "甲", None, None, "A"],
    )
    assert [(q.kind, q.answer_label) for q in bank] == [
        ("single", "A"),
        ("multiple", "AC"),
        ("multiple", "B"),
        ("true_false", "O"),
        ("true_false", "B"),
        ("multiple", "B"),
        ("true_false", "否"),
    ]
    assert bank[3].options == ("正確", "錯誤")
    assert [(problem.row, problem.code) for problem in bank.problems] == [
        (9, "ordering"),
        (10, "ordering"),
        (11, "fill_in"),
        (12, "essay"),
        (13, "kind_contradicts_answer"),
        (14, "one_option"),
    ]


def test_a_gap_between_options_keeps_the_labels(write_xlsx: WriteXlsx) -> None:
    bank = kinds(
        write_xlsx,
        [None, "一？", "甲", None, "丙", "C"],
        [None, "二？", "甲", None, "丙", "B"],
    )
    assert (bank[0].options, bank[0].labels, bank[0].answer) == (("甲", "丙"), ("A", "C"), (1,))
    assert [(problem.row, problem.severity, problem.code) for problem in bank.problems] == [
        (2, "warning", "option_gap"),
        (3, "error", "option_gap"),
    ]


def test_equal_options_are_an_error_when_the_key_is_one(write_xlsx: WriteXlsx) -> None:
    bank = kinds(
        write_xlsx,
        [None, "一？", "甲", "甲 ", "丙", "C"],
        [None, "二？", "甲", "乙", "甲", "A"],
        [None, "三？", "Aa", "aa", "AA", "A"],
    )
    assert [question.stem for question in bank] == ["一？", "三？"]
    assert [(problem.row, problem.severity) for problem in bank.problems] == [
        (2, "warning"),
        (3, "error"),
    ]


def test_a_repeated_id_gets_the_first_free_suffix() -> None:
    ids = UniqueIds()
    taken = [ids.take(wanted) for wanted in ("7", "7", "7#2", "7", "8")]
    assert taken == ["7", "7#2", "7#2#2", "7#3", "8"]


def test_an_id_of_another_sheet_gets_its_own_in_front() -> None:
    ids = UniqueIds()
    wanted = [
        ("甲", "7"),
        ("甲", "7"),
        ("乙", "7"),
        ("乙", "7"),
        ("乙", "乙:7"),
        ("乙", "8"),
        ("丙", "8"),
    ]
    taken = [ids.take(name, sheet, sheet) for sheet, name in wanted]
    assert taken == ["7", "7#2", "乙:7", "乙:7#2", "乙:7#3", "8", "丙:8"]


def test_a_repeated_id_keeps_the_cell_of_the_source(tmp_path: Path) -> None:
    bank = read_json(tmp_path, [two("甲？", id="a"), two("乙？", id="a")])
    assert [(q.id, q.source_id) for q in bank] == [("a", "a"), ("a#2", "a")]


@pytest.mark.parametrize("labels", ["A．  B．\nC．  D．\n", "(A) (B) (C) (D)", "A. B. C."])
def test_labels_without_texts_are_reported_as_pictures(tmp_path: Path, labels: str) -> None:
    bank = read_json(tmp_path, [{"question": f"哪個圖？{labels}", "answer": ["B"]}])
    assert codes(bank) == ["image_options"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("論述題", "essay"),
        ("简答题", "essay"),
        ("short_answer", "essay"),
        ("問答題", "essay"),
        ("計算題", "essay"),
        ("配對題", "matching"),
        ("drag_drop", "matching"),
        ("Drag and Drop", "matching"),
        ("連連看", "matching"),
        ("排序题", "ordering"),
        ("填空題", "fill_in"),
        ("fill in the blank", "fill_in"),
        ("克漏字", "fill_in"),
        ("hotspot", "hotspot"),
        ("數值題", "numerical"),
        ("file upload", "upload"),
        ("問卷", "survey"),
    ],
)
def test_a_question_of_another_kind_is_never_a_choice(tmp_path: Path, kind: str, code: str) -> None:
    items = [
        {"type": kind, "question": "建議 A.說明關係。 B.舉例。", "options": [], "answer": "略"},
        {"type": kind, "question": "配對", "options": "甲:一|乙:二"},
        {"type": kind, "question": "寫出來", "options": ["提示一", "提示二"], "answer": "略"},
        two("哪個？", type="單選題"),
    ]
    bank = read_json(tmp_path, items)
    assert [q.stem for q in bank] == ["哪個？"]
    assert [(p.row, p.code) for p in bank.problems] == [(n, code) for n in (1, 2, 3)]


def test_several_keys_make_no_choice_of_an_essay(tmp_path: Path) -> None:
    item = {"type": "簡答", "question": "一？(A)甲(B)乙 二？(A)丙(B)丁", "answer": ["A", "B"]}
    assert codes(read_json(tmp_path, [item])) == ["essay"]


@pytest.mark.parametrize("kind", ["填空題", "克漏字", "計算題", "翻譯", "numerical", "地理", "mcq"])
def test_a_loose_word_for_a_kind_loses_no_question_with_options_and_key(
    tmp_path: Path, kind: str
) -> None:
    bank = read_json(tmp_path, [two("哪個？", type=kind)])
    assert [(q.answer_label, q.kind) for q in bank] == [("B", "single")]


def test_a_stated_choice_may_have_its_options_in_the_stem(tmp_path: Path) -> None:
    item = {"type": "選擇題", "question": "哪個？ A.一 B.二", "answer": "B"}
    assert [q.options for q in read_json(tmp_path, [item])] == [("一", "二")]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("D", "no_options"),
        ("AB", "no_options"),
        ("A、C", "no_options"),
        ("(A)(B)", "no_options"),
        ("①③", "no_options"),
        ("(134)", "no_options"),
        ("略", "no_options"),
        ("BAD", "fill_in"),
        ("光合作用", "fill_in"),
        ("27", "fill_in"),
    ],
)
def test_labels_of_options_that_are_not_there_are_no_text(
    tmp_path: Path, key: str, code: str
) -> None:
    assert codes(read_json(tmp_path, [{"question": "最高的是（ ）。", "answer": key}])) == [code]


def test_a_statement_with_page_text_after_its_key(tmp_path: Path) -> None:
    item = {"type": "判断题", "question": "太陽繞地球。", "options": [], "answer": "错\n已完成"}
    (question,) = bank = read_json(tmp_path, [item])
    assert (question.options, question.answer) == (("对", "错"), (1,))
    assert codes(bank) == ["key_with_text"]
