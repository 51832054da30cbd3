"""The shapes in which banks are kept: json records, embedded options, prefixes, kinds, headers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import WriteXlsx
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading.drafts.embedded import find_embedded
from zhmcq.reading.drafts.headers import field_of, option_label
from zhmcq.reading.drafts.option_cells import is_image_only, strip_prefixes


def read_json(tmp_path: Path, data: Any) -> QuestionBank:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return read_bank(path)


PAIR = {"question": "一加一？", "answer": "B"}


@pytest.mark.parametrize(
    "record",
    [
        {**PAIR, "options": ["三", "二"]},
        {**PAIR, "options": ["A. 三", "B. 二"]},
        {**PAIR, "options": {"A": "三", "B": "二"}},
        {**PAIR, "options": "A. 三 B. 二"},
        {**PAIR, "options": "三\n二"},
        {**PAIR, "options": "三|二"},
        {**PAIR, "options": [{"label": "A", "text": "三"}, {"label": "B", "text": "二"}]},
        {**PAIR, "options": [{"key": "A", "value": "三"}, {"key": "B", "value": "二"}]},
        {**PAIR, "options": [["A", "三"], ["B", "二"]]},
        {**PAIR, "A": "三", "B": "二"},
        {**PAIR, "option_a": "三", "option_b": "二"},
        {**PAIR, "opa": "三", "opb": "二"},
        {**PAIR, "\xa0選項Ａ": "三", "選項B ": "二"},
        {"question": "一加一？\n(A)三 (B)二", "answer": "B"},
        {"question": "一加一？（Ａ）三（Ｂ）二", "answer": ["B"]},
        {"question": "一加一？", "choices": {"text": ["三", "二"], "label": ["A", "B"]},
         "answerKey": "B"},
        {"question": {"stem": "一加一？", "choices": [{"text": "三", "label": "A"},
                                                {"text": "二", "label": "B"}]}, "answerKey": "B"},
        {"stem": "一加一？", "options": [["三", False], ["二", True]]},
        {"stem": "一加一？", "options": [{"text": "三", "is_correct": False},
                                     {"text": "二", "is_correct": True}]},
        {"題幹": "一加一？", "選項": ["三", "二"], "標準答案": "二"},
        {"question": "一加一？", "choice": ["三", "二"], "label": "B", "answer": None},
    ],
)  # fmt: skip
def test_a_record_of_any_usual_shape_is_read(tmp_path: Path, record: dict[str, Any]) -> None:
    bank = read_json(tmp_path, [record])
    assert bank.problems == []
    assert [(q.stem, q.options, q.answer) for q in bank] == [("一加一？", ("三", "二"), (1,))]


RECORD = {**PAIR, "options": ["三", "二"]}


@pytest.mark.parametrize(
    "data",
    [
        RECORD,
        {"data": [RECORD]},
        {"version": 1, "example": [RECORD], "keywords": "x"},
        {"q1": RECORD, "q2": {**RECORD, "question": "另一題？"}},
        {"train": [RECORD], "test": [{**RECORD, "question": "另一題？"}]},
        {"question": {"0": "一加一？"}, "options": {"0": ["三", "二"]}, "answer": {"0": "B"}},
    ],
)
def test_questions_are_found_wherever_the_document_keeps_them(tmp_path: Path, data: Any) -> None:
    bank = read_json(tmp_path, data)
    assert (bank[0].stem, bank[0].options, bank[0].answer) == ("一加一？", ("三", "二"), (1,))
    assert bank.problems == []


@pytest.mark.parametrize(
    "item",
    [
        [["文一。", "文二。"],
         [{"question": "甲？", "choice": ["一", "二"], "answer": "二"},
          {"question": "乙？", "choice": ["三", "四"], "answer": "三"}], "7"],
        {"id": "7", "article": "文一。\n文二。", "questions": ["甲？", "乙？"],
         "options": [["一", "二"], ["三", "四"]], "answers": ["B", "A"]},
        {"id": "7", "passage": "文一。\n文二。",
         "questions": [{"question": "甲？", "A": "一", "B": "二", "answer": "B"},
                       {"question": "乙？", "A": "三", "B": "四", "answer": "A"}]},
        {"id": "7", "question": "文一。\n文二。\n1. 甲？\nA. 一 B. 二\n2. 乙？\nA. 三 B. 四\n",
         "answer": ["B", "A"]},
    ],
)  # fmt: skip
def test_sub_questions_share_a_group_and_the_passage(tmp_path: Path, item: Any) -> None:
    bank = read_json(tmp_path, [item])
    assert [(q.options, q.answer) for q in bank] == [(("一", "二"), (1,)), (("三", "四"), (0,))]
    assert [q.stem[-2:] for q in bank] == ["甲？", "乙？"]
    assert {q.passage for q in bank} == {"文一。\n文二。"}
    assert {q.group for q in bank} == {"7"}
    assert [(q.id, q.source_id) for q in bank] == [("7-1", "7"), ("7-2", "7")]


def test_keys_that_cannot_be_matched_with_questions_are_reported(tmp_path: Path) -> None:
    text = "1. 甲？\nA. 一 B. 二\n3. 丙？\nA. 三 B. 四\n"
    bank = read_json(tmp_path, [{"question": text, "answer": ["B", "A"]}, RECORD])
    assert len(bank) == 1
    assert [(p.row, p.code) for p in bank.problems] == [(1, "sub_questions")]


def test_a_missing_label_inside_a_text_is_reported(tmp_path: Path) -> None:
    bank = read_json(tmp_path, [{"question": "問？\nA. 一 B. 二 C三 D. 四", "answer": "A"}])
    assert [problem.code for problem in bank.problems] == ["damaged_options"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("已知A、B、C三點，何者對？ A. 甲 B. 乙 C. 丙", ("甲", "乙", "丙")),
        ("問？(A)x(B)y(C)z(D)w", ("x", "y", "z", "w")),
        ("問？\nＡ．1.5\nＢ．2.5", ("1.5", "2.5")),
        ("維他命A、B何者重要？", None),
        ("U.S.A. is a country.", None),
    ],
)
def test_options_inside_a_stem_are_found(text: str, options: tuple[str, ...] | None) -> None:
    found = find_embedded(text)
    assert (found.options if found and len(found.options) > 1 else None) == options or (
        options is None and found is not None and not found.options[-1]
    )


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


def test_options_that_are_pictures_are_reported(write_xlsx: WriteXlsx) -> None:
    bank = kinds(write_xlsx, [None, "哪張圖？", "[圖1]", "![](b.png)", "c.jpg", "A"])
    assert [problem.code for problem in bank.problems] == ["image_options"]
    assert not is_image_only("圖書館")


def test_the_same_as_above_takes_the_passage_above(write_xlsx: WriteXlsx) -> None:
    passages = ["某文章。", "同上", "（同上文）", None, "同上"]
    rows: list[list[Any]] = [[text, f"問{n}？", "甲", "乙", "A"] for n, text in enumerate(passages)]
    bank = read_bank(write_xlsx([["文章", "題目", "A", "B", "答案"], *rows]))
    assert [q.passage for q in bank] == ["某文章。", "某文章。", "某文章。", ""]
    assert [(p.row, p.code) for p in bank.problems] == [
        (3, "same_as_above"),
        (4, "same_as_above"),
        (6, "same_as_nothing"),
    ]


@pytest.mark.parametrize(
    ("header", "field"),
    [
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
    found = field_of(header)
    assert (found[0] if found else None) == field


@pytest.mark.parametrize(
    ("header", "label"),
    [
        ("選項1", "1"), ("选项Ａ", "A"), ("option3", "3"), ("\xa0option3", "3"), ("optionA", "A"),
        ("A", "A"), ("選項一", "一"), ("A项", "A"), ("D项目", "D"), ("选择B", "B"), ("(C)", "C"),
        ("选 项 ４", "4"), ("opt_b", "B"), ("選項甲", "甲"), ("備註", ""), ("選項", ""),
    ],
)  # fmt: skip
def test_option_headers_name_their_label(header: str, label: str) -> None:
    assert option_label(header) == label


def test_labels_follow_the_way_keys_are_written(write_xlsx: WriteXlsx) -> None:
    letters = ["題目", "A", "B", "答案"]
    numbers = ["題目", "選項1", "選項2", "答案"]
    rows: dict[str, list[list[Any]]] = {
        "a": [letters, ["一？", "甲", "乙", 2]],
        "b": [numbers, ["一？", "甲", "乙", "B"]],
        "c": [numbers[:3], ["一？", "甲", "乙"]],
        "d": [letters, ["一？", "甲", "乙", 0], ["二？", "甲", "乙", 0]],
    }
    shown = {
        name: read_bank(write_xlsx(sheet, name=f"{name}.xlsx"))[0] for name, sheet in rows.items()
    }
    assert {name: (q.labels, q.answer_label) for name, q in shown.items()} == {
        "a": (("1", "2"), "2"),
        "b": (("A", "B"), "B"),
        "c": (("1", "2"), ""),
        "d": (("0", "1"), "0"),
    }
