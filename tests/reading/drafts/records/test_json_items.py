"""Json records of any usual shape become drafts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank


def read_csv(tmp_path: Path, text: str, encoding: str = "utf-8") -> QuestionBank:
    path = tmp_path / "bank.csv"
    path.write_bytes(text.encode(encoding))
    return read_bank(path)


def two(stem: str, **more: Any) -> dict[str, Any]:
    return {"question": stem, "options": ["一", "二"], "answer": "B", **more}


def read_json(tmp_path: Path, data: Any) -> QuestionBank:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return read_bank(path)


PAIR = {"question": "一加一？", "answer": "B"}


RECORD = {**PAIR, "options": ["三", "二"]}


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


def test_a_json_table_by_columns_is_read_by_rows(tmp_path: Path) -> None:
    data = {
        "question": ["甲？", "乙？"],
        "A": ["一", "三"],
        "B": ["二", "四"],
        "answer": ["A", "B"],
    }
    bank = read_json(tmp_path, data)
    assert [(q.stem, q.options, q.answer) for q in bank] == [
        ("甲？", ("一", "二"), (0,)),
        ("乙？", ("三", "四"), (1,)),
    ]


def test_a_paper_with_a_title_is_no_passage_and_no_group(tmp_path: Path) -> None:
    bank = read_json(
        tmp_path, {"title": "期中考", "subject": "國文", "questions": [two("甲？"), two("乙？")]}
    )
    assert [(q.stem, q.passage, q.group, q.subject) for q in bank] == [
        ("甲？", "", "", "國文"),
        ("乙？", "", "", "國文"),
    ]


def test_the_nearest_passage_counts_and_makes_the_group(tmp_path: Path) -> None:
    parts = [
        {"context": "文一", "qas": [two("甲？"), two("乙？", context=None)]},
        {"context": "文二", "qas": [two("丙？"), two("丁？")]},
    ]
    bank = read_json(tmp_path, {"data": [{"title": "題", "paragraphs": parts}]})
    assert [q.passage for q in bank] == ["文一", "文一", "文二", "文二"]
    groups = [q.group for q in bank]
    assert groups[0] == groups[1] != groups[2] == groups[3]


def test_sections_without_a_text_are_no_groups(tmp_path: Path) -> None:
    bank = read_json(
        tmp_path, [{"name": "單選", "questions": [two("甲？", id=1), two("乙？", id=2)]}]
    )
    assert [(q.id, q.group) for q in bank] == [("1", ""), ("2", "")]


@pytest.mark.parametrize(
    "item",
    [
        ["c-1", ["男：好。", "女：不好。"], [two("誰？")]],
        [[two("誰？")], "c-1", ["男：好。", "女：不好。"]],
        ["男：好。\n女：不好。", [two("誰？")], "c-1"],
    ],
)
def test_the_parts_of_a_dialogue_item_may_come_in_any_order(tmp_path: Path, item: Any) -> None:
    bank = read_json(tmp_path, [item])
    assert [(q.id, q.passage) for q in bank] == [("c-1", "男：好。\n女：不好。")]


@pytest.mark.parametrize("right", [("false", "true"), (0, 1), ("錯", "對"), (False, True)])
def test_options_may_bear_the_mark_of_being_right(tmp_path: Path, right: tuple[Any, Any]) -> None:
    options = [{"text": t, "isCorrect": r} for t, r in zip(["一", "二"], right, strict=True)]
    assert read_json(tmp_path, [{"stem": "甲？", "options": options}])[0].answer == (1,)


def test_pairs_with_ones_and_zeros_say_which_option_is_right(tmp_path: Path) -> None:
    pairs = [["春", 1], ["夏", 0]]
    labelled = [["A", 1], ["B", 0]]
    bank = read_json(
        tmp_path,
        [{"question": "何時？", "options": pairs}, {"question": "多少？", "options": labelled}],
    )
    assert [(q.options, q.answer) for q in bank] == [(("春", "夏"), (0,)), (("1", "0"), None)]


def test_what_stands_beside_labelled_options_is_no_option(tmp_path: Path) -> None:
    options = {"A": "春", "B": "夏", "explanation": "天冷"}
    free = {"春": "甲", "夏": "乙", "C": "丙"}
    bank = read_json(tmp_path, [two("何時？", options=options), two("何人？", options=free)])
    assert [(q.options, q.answer) for q in bank] == [
        (("春", "夏"), (1,)),
        (("甲", "乙", "丙"), (1,)),
    ]


@pytest.mark.parametrize("right", [True, 1, "true", "對"])
def test_a_field_for_each_option_may_say_whether_it_is_right(tmp_path: Path, right: Any) -> None:
    record = {"question": "何時？", "A": "春", "B": "夏", "A_correct": 0, "B_correct": right}
    other = {**record, "question": "何地？", "B_correct": None}
    bank = read_json(tmp_path, [record, other])
    assert [q.answer for q in bank] == [(1,), None]
    assert [(p.row, p.code) for p in bank.problems] == [(2, "no_key")]


def test_lists_that_were_written_out_as_text_are_read(tmp_path: Path) -> None:
    by_python = """甲？,"['一', '二', '三']","['一', '三']"\n"""
    by_json = """乙？,"[""一"", ""二""]",B\n"""
    text = f"question,choices,answer\n{by_python}{by_json}"
    question = [(q.options, q.answer) for q in read_csv(tmp_path, text)]
    assert question == [(("一", "二", "三"), (0, 2)), (("一", "二"), (1,))]


def test_a_list_whose_backslashes_were_lost_is_reported(tmp_path: Path) -> None:
    bank = read_json(
        tmp_path,
        [
            two("何者？", options=r"['\alpha', '\beta', '\frac{1}{2}']"),
            two("何字？", options=r"['\\alpha', '\\beta']"),
        ],
    )
    assert [q.options for q in bank] == [(r"\alpha", r"\beta")]
    assert [(p.row, p.code) for p in bank.problems] == [(1, "one_option")]


def of_records(*records: dict[str, Any]) -> QuestionBank:
    return read_bank(list(records))


@pytest.mark.parametrize("name", ["Body", "Name", "text", "q"])
def test_the_text_beside_options_and_a_key_is_the_question(name: str) -> None:
    record = {"Id": 7, name: "何時？", "Options": ["春天", "夏天"], "Answer": "B"}
    assert [(q.stem, q.passage, q.answer) for q in of_records(record)] == [("何時？", "", (1,))]


def test_a_section_that_has_a_name_and_options_is_no_question() -> None:
    questions = [{"question": "何時？", "options": ["春天", "夏天"], "answer": "B"}]
    section = {"id": 3, "name": "測驗", "options": ["shuffle", "timed"], "questions": questions}
    assert [(q.stem, q.passage) for q in of_records(section)] == [("何時？", "")]


def test_the_text_of_a_question_may_have_pictures_beside_it() -> None:
    query = {"text": "何時？", "media": [{"type": "image", "url": "http://x/y.png"}]}
    bank = of_records({"query": query, "options": ["春天", "夏天"], "answer": "B"})
    assert [(q.stem, q.answer) for q in bank] == [("何時？\n![](http://x/y.png)", (1,))]
    assert [(p.column, p.code) for p in bank.problems] == [("media", "picture")]


def test_of_a_title_and_a_content_the_one_that_asks_is_the_stem() -> None:
    record = {"title": "地理", "content": "何地？", "options": ["東", "西"], "answer": "A"}
    bank = of_records(record, record | {"content": "何處？"})
    assert [q.stem for q in bank] == ["何地？", "何處？"]
    assert [(p.row, p.column, p.code) for p in bank.problems] == [(1, "title", "skipped_row")]


def test_a_long_text_beside_the_question_is_said_to_be_skipped() -> None:
    record = {"question": "何時？", "options": ["春天", "夏天"], "answer": "A"}
    bank = of_records(
        record | {"content": "文章" * 20}, record | {"question": "何地？", "title": "一"}
    )
    assert [(p.row, p.column, p.code) for p in bank.problems] == [(1, "content", "skipped_row")]


def test_what_an_object_about_a_user_calls_an_answer_is_no_key() -> None:
    record = {"question": "何時？", "options": ["春天", "夏天"], "user": {"answer": "B"}}
    assert [q.answer for q in of_records(record | {"correct": "A"})] == [(0,)]
    assert [q.answer for q in of_records(record)] == [None]
