"""Questions are found at any depth of a document, and what is skipped is said to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading._drafts.records.reader import ItemReader
from zhmcq.reading._drafts.records.tree import find_items


def two(stem: str, **more: Any) -> dict[str, Any]:
    return {"question": stem, "options": ["一", "二"], "answer": "B", **more}


def read_json(tmp_path: Path, data: Any) -> QuestionBank:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return read_bank(path)


def read_lines(tmp_path: Path, *records: Any) -> QuestionBank:
    path = tmp_path / "bank.jsonl"
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_bank(path)


def nested(value: Any, names: list[str]) -> Any:
    for name in names:
        value = {name: value} if name else [value]
    return value


@given(st.lists(st.sampled_from(["", "data", "payload", "頁", "x"]), max_size=30))
def test_questions_are_found_under_any_names(names: list[str]) -> None:
    found = find_items(nested([two("甲？"), two("乙？")], names))
    assert [item["question"] for item in found.items] == ["甲？", "乙？"]
    assert found.skipped == []


TREES = st.recursive(
    st.just("question") | st.just({"甲欄": 1}) | st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["data", "頁", "x", "name", "items"]), inner, max_size=4)
    ),
    max_leaves=20,
)


def planted(tree: Any, stems: list[str]) -> Any:
    """The tree with a question of its own in each place that is marked."""
    if tree == "question":
        stems.append(f"第{len(stems)}題？")
        return two(stems[-1])
    if isinstance(tree, dict):
        return {name: planted(value, stems) for name, value in tree.items()}
    return [planted(value, stems) for value in tree] if isinstance(tree, list) else tree


@given(TREES)
def test_no_question_is_lost_or_found_twice(tree: Any) -> None:
    stems: list[str] = []
    found = find_items(planted(tree, stems))
    if stems:
        reader = ItemReader(None, "bank.json")
        drafts = [draft for item in found.items for draft in reader.drafts(item, 1)]
        assert sorted(draft.stem for draft in drafts if draft.stem) == sorted(stems)


def test_a_line_may_be_a_list_of_questions(tmp_path: Path) -> None:
    bank = read_lines(tmp_path, [two("甲？"), two("乙？")], ["某島有河。", [two("丙？")], "7"])
    assert [(q.stem, q.passage) for q in bank] == [
        ("甲？", ""),
        ("乙？", ""),
        ("丙？", "某島有河。"),
    ]


def test_questions_three_hundred_levels_deep_are_found() -> None:
    found = find_items(nested([two("甲？")], ["x"] * 300))
    assert [item["question"] for item in found.items] == ["甲？"]


def test_pages_of_questions_number_their_questions(tmp_path: Path) -> None:
    pages = [
        {"page": 1, "results": [two("甲？"), two("乙？", answer="Z")]},
        {"page": 2, "results": []},
        {"page": 3, "results": [two("丙？")]},
    ]
    bank = read_json(tmp_path, pages)
    assert [(q.id, q.stem, q.group) for q in bank] == [("row1", "甲？", ""), ("row3", "丙？", "")]
    assert [(p.row, p.code) for p in bank.problems] == [(2, "answer_out_of_range")]


def test_a_line_may_be_a_page_of_questions(tmp_path: Path) -> None:
    bank = read_lines(
        tmp_path,
        {"page": 1, "results": [two("甲？", id=7), two("乙？", id=8)]},
        two("丙？", id=9),
    )
    assert [(q.id, q.origin.row if q.origin else 0) for q in bank] == [("7", 1), ("8", 1), ("9", 2)]


def test_a_chapters_name_is_the_subject_of_its_questions(tmp_path: Path) -> None:
    data = {
        "title": "題庫",
        "chapters": [
            {"id": 1, "name": "力學", "questions": [two("甲？")]},
            {"id": 2, "name": "光學", "sections": [{"questions": [two("乙？"), two("丙？",
                                                     subject="電學")]}]},
        ],
    }  # fmt: skip
    assert [(q.subject, q.id) for q in read_json(tmp_path, data)] == [
        ("力學", "row1"),
        ("光學", "row2"),
        ("電學", "row3"),
    ]


def test_the_name_of_a_list_is_a_kind_or_a_subject(tmp_path: Path) -> None:
    data = {
        "國文": [two("甲？")],
        "是非題": [{"content": "雪是熱的。", "answer": False}],
        "data": [two("乙？")],
    }
    bank = read_json(tmp_path, data)
    assert [(q.subject, q.kind) for q in bank] == [
        ("國文", "single"),
        ("", "true_false"),
        ("", "single"),
    ]


def test_the_description_of_a_whole_paper_is_no_passage(tmp_path: Path) -> None:
    paper = {"title": "小考", "description": "第一次", "questions": [two("甲？")]}
    assert read_json(tmp_path, paper)[0].passage == ""
    item = {"description": "某島有河。", "questions": [two("甲？")]}
    assert read_json(tmp_path, [item])[0].passage == "某島有河。"


def test_other_lists_are_said_to_be_skipped(tmp_path: Path) -> None:
    data = {
        "questions": [two("甲？")],
        "users": [{"id": 1, "name": "某"}, {"id": 2, "name": "某"}],
        "tags": ["x"],
    }
    bank = read_json(tmp_path, data)
    assert len(bank) == 1
    assert [(p.row, p.column, p.code, p.severity) for p in bank.problems] == [
        (0, "users", "skipped_row", "warning")
    ]
    assert "2 records" in bank.problems[0].message
    lines = read_lines(tmp_path, data, data)
    assert [(p.row, p.code) for p in lines.problems if p.code != "duplicate"] == [
        (1, "skipped_row")
    ]


def test_what_stands_among_questions_is_a_problem_each(tmp_path: Path) -> None:
    bank = read_json(tmp_path, {"questions": [two("甲？"), None, {}, "乙？", [], {"foo": 1}]})
    assert len(bank) == 1
    assert [(p.row, p.code) for p in bank.problems] == [(n, "no_question") for n in range(2, 7)]


def test_a_sub_question_that_is_none_leaves_the_others(tmp_path: Path) -> None:
    item = {"passage": "文", "questions": [two("甲？"), {"foo": 1}, None, two("乙？")]}
    bank = read_json(tmp_path, [item])
    assert [(q.stem, q.passage, q.group) for q in bank] == [
        ("甲？", "文", "item1"),
        ("乙？", "文", "item1"),
    ]
    assert [(p.row, p.code) for p in bank.problems] == [(1, "no_question"), (1, "no_question")]


@pytest.mark.parametrize("name", ["shared_stem", "共用題干", "passage", "content", "stimulus"])
def test_sub_questions_share_a_text(tmp_path: Path, name: str) -> None:
    bank = read_json(tmp_path, [{name: "文", "sub_questions": [two("甲？"), two("乙？")]}])
    assert [(q.stem, q.passage, q.group) for q in bank] == [
        ("甲？", "文", "item1"),
        ("乙？", "文", "item1"),
    ]


def test_sub_questions_may_share_their_options(tmp_path: Path) -> None:
    parts = [{"stem": "甲？", "answer": "C"}, {"stem": "乙？", "answer": "A"}]
    data = [{"options": {"A": "春", "B": "夏", "C": "秋"}, "questions": parts}]
    assert [(q.stem, q.options, q.answer) for q in read_json(tmp_path, data)] == [
        ("甲？", ("春", "夏", "秋"), (2,)),
        ("乙？", ("春", "夏", "秋"), (0,)),
    ]


def test_a_question_with_others_beside_it_is_no_passage(tmp_path: Path) -> None:
    bank = read_json(tmp_path, [two("甲？", similar=[two("乙？", answer="A")])])
    assert [(q.stem, q.passage, q.answer) for q in bank] == [("甲？", "", (1,)), ("乙？", "", (0,))]


def test_a_whole_document_may_be_one_item_with_parts(tmp_path: Path) -> None:
    bank = read_json(tmp_path, [["文一。"], [two("甲？"), two("乙？")], "7"])
    assert [(q.id, q.passage) for q in bank] == [("7-1", "文一。"), ("7-2", "文一。")]


@pytest.mark.parametrize("data", [{"title": "題"}, [], {"x": {"y": [1, 2]}}])
def test_a_document_without_a_question_is_refused(tmp_path: Path, data: Any) -> None:
    with pytest.raises(ReadError, match="expected a list of questions"):
        read_json(tmp_path, data)


def test_a_document_of_other_records_is_refused_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(ColumnsError, match="found '甲欄'"):
        read_json(tmp_path, {"x": {"rows": [{"甲欄": 1}]}})


def test_the_callers_own_name_finds_the_questions(tmp_path: Path) -> None:
    path = tmp_path / "bank.json"
    record = {"甲欄": "何時？", "乙欄": ["春天", "夏天"], "丙欄": "B"}
    path.write_text(json.dumps({"x": {"rows": [record, record]}}), encoding="utf-8")
    bank = read_bank(path, columns={"stem": "甲欄", "options": "乙欄", "answer": "丙欄"})
    assert [(q.stem, q.options, q.answer) for q in bank] == [("何時？", ("春天", "夏天"), (1,))] * 2


def test_records_by_their_names_are_a_question_each(tmp_path: Path) -> None:
    data = {"questions": {"12": two("甲？"), "15": two("乙？", answer="A")}}
    assert [(q.id, q.stem, q.answer) for q in read_json(tmp_path, data)] == [
        ("12", "甲？", (1,)),
        ("15", "乙？", (0,)),
    ]
    languages = {"en": two("When?"), "zh": two("何時？")}
    assert [q.stem for q in read_lines(tmp_path, languages)] == ["When?", "何時？"]


def test_a_text_beside_questions_that_may_be_theirs_is_reported(tmp_path: Path) -> None:
    item = {"dialogue": "某島有兩條河。" * 5, "parts": [two("甲？"), two("乙？")]}
    bank = read_json(tmp_path, [item])
    assert [q.passage for q in bank] == ["", ""]
    assert [(p.column, p.code, p.severity) for p in bank.problems] == [
        ("dialogue", "skipped_row", "warning")
    ]
    path = tmp_path / "bank.json"
    named = read_bank(path, columns={"passage": "dialogue"})
    assert [q.passage for q in named] == ["某島有兩條河。" * 5] * 2
    assert named.problems == []


def test_the_names_of_fields_may_begin_with_question(tmp_path: Path) -> None:
    options = [
        {"optionId": 1001, "optionTag": "A", "optionContent": "春天"},
        {"optionId": 1002, "optionTag": "B", "optionContent": "夏天"},
    ]
    record = {"questionContent": "何時？", "questionOptions": options, "rightAnswer": "B"}
    bank = read_json(tmp_path, {"examPaper": {"paperName": "卷", "types": [{"list": [record]}]}})
    assert [(q.stem, q.options, q.labels, q.answer) for q in bank] == [
        ("何時？", ("春天", "夏天"), ("A", "B"), (1,))
    ]


def test_texts_may_be_objects(tmp_path: Path) -> None:
    item = {
        "structure": {
            "query": {"text": "<p>何時？</p>", "type": "html"},
            "options": [{"text": "<p>春天</p>"}, {"text": "<p>夏天</p>"}],
            "correct_answer": "夏天",
        }
    }
    bank = read_json(tmp_path, {"data": [{"_id": "x1", "type": "quiz", **item}]})
    assert [(q.stem, q.options, q.answer) for q in bank] == [("何時？", ("春天", "夏天"), (1,))]


@pytest.mark.parametrize("depth", [60, 300])
def test_questions_inside_questions_have_a_limit(tmp_path: Path, depth: int) -> None:
    item: Any = two("甲？")
    for _ in range(depth):
        item = {"passage": "文", "questions": [item]}
    bank = read_json(tmp_path, [two("乙？"), item])
    assert [q.stem for q in bank] == ["乙？"]
    assert [(p.row, p.code) for p in bank.problems] == [(2, "nested_questions")]


@pytest.mark.parametrize("name", ["options", "answers", "question", "x", "image", "passage"])
@pytest.mark.parametrize("kind", [dict, list])
def test_values_of_any_depth_are_read_or_reported(tmp_path: Path, name: str, kind: type) -> None:
    value: Any = "深"
    for _ in range(300):
        value = {"a": value} if kind is dict else [value]
    bank = read_json(tmp_path, [two("甲？"), two("乙？", **{name: value})])
    assert len(bank) + len({p.row for p in bank.problems if p.severity == "error"}) == 2


def test_statements_with_true_and_false_are_questions(tmp_path: Path) -> None:
    data = [{"content": "雪是熱的。", "answer": False}, {"content": "雪是冷的。", "answer": True}]
    assert [(q.kind, q.options, q.answer) for q in read_json(tmp_path, data)] == [
        ("true_false", ("正確", "錯誤"), (1,)),
        ("true_false", ("正確", "錯誤"), (0,)),
    ]
