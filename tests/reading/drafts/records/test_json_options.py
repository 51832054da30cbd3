"""Options in json: objects with flags, ids and labels; right and wrong answers; indexes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zhmcq.errors import ReadError
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank, stream_bank


def read_json(tmp_path: Path, *records: dict[str, Any], base: int | None = None) -> QuestionBank:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return read_bank(path, answer_base=base)


def question(tmp_path: Path, **fields: Any) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    bank = read_json(tmp_path, {"question": "何時？", **fields})
    assert [p for p in bank.problems if p.severity == "error"] == []
    return bank[0].options, bank[0].answer


FLAGS = ["is_answer", "isCorrect", "correct", "right", "is_right", "IsTrue", "是否正確", "正確"]


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize(
    "marks", [(False, True), (0, 1), ("0", "1"), ("false", "true"), ("N", "Y"), (None, True)]
)
def test_options_with_a_flag_give_the_key(
    tmp_path: Path, flag: str, marks: tuple[Any, Any]
) -> None:
    pairs = zip(("春天", "夏天"), marks, (7, 8), strict=True)
    options = [{"id": i, "content": f"<p>{t}</p>", flag: m, "sort": i} for t, m, i in pairs]
    assert question(tmp_path, options=options) == (("春天", "夏天"), (1,))


def test_options_may_be_under_any_name_and_have_any_texts(tmp_path: Path) -> None:
    responses = [{"wording": "春天", "isRight": False}, {"wording": "夏天", "isRight": True}]
    assert question(tmp_path, responses=responses) == (("春天", "夏天"), (1,))
    labelled = {"A": {"text": "春天", "correct": False}, "B": {"text": "夏天", "correct": True}}
    assert question(tmp_path, options=labelled) == (("春天", "夏天"), (1,))
    values = [{"label": "春天", "value": "a"}, {"label": "夏天", "value": "b"}]
    assert question(tmp_path, options=values, answer="b") == (("春天", "夏天"), (1,))
    single = [{"A": "春天"}, {"B": "夏天"}]
    assert question(tmp_path, options=single, answer="B") == (("春天", "夏天"), (1,))


def test_a_verdict_on_each_option_gives_the_key(tmp_path: Path) -> None:
    options = [{"text": "春天", "status": "incorrect"}, {"text": "夏天", "status": "correct"}]
    assert question(tmp_path, options=options) == (("春天", "夏天"), (1,))


def test_marks_in_percent_give_the_key(tmp_path: Path) -> None:
    answers = [{"text": "春天", "fraction": "0"}, {"text": "夏天", "fraction": "100.00000"}]
    assert question(tmp_path, answers=answers) == (("春天", "夏天"), (1,))


def test_a_question_of_which_no_option_is_right_has_no_key(tmp_path: Path) -> None:
    options = [{"text": "春天", "correct": False}, {"text": "夏天", "correct": False}]
    bank = read_json(tmp_path, {"question": "何時？", "options": options})
    assert [q.answer for q in bank] == [None]
    assert [(p.code, p.severity) for p in bank.problems] == [("no_key", "warning")]


def test_marks_may_be_listed_beside_the_options(tmp_path: Path) -> None:
    choices = ["春天", "夏天", "秋天"]
    assert question(tmp_path, targets={"choices": choices, "labels": [0, 1, 0]})[1] == (1,)
    assert question(tmp_path, choices=choices, answer=[0, 1, 0])[1] == (1,)
    assert question(tmp_path, choices=choices, answer=[True, False, True])[1] == (0, 2)


def test_what_a_student_chose_is_no_key(tmp_path: Path) -> None:
    options = [{"text": "春天", "checked": False}, {"text": "夏天", "checked": True}]
    assert question(tmp_path, options=options) == (("春天", "夏天"), None)


def test_a_key_that_contradicts_the_marks_is_an_error(tmp_path: Path) -> None:
    options = [{"text": "春天", "correct": False}, {"text": "夏天", "correct": True}]
    record = {"question": "何時？", "options": options}
    bank = read_json(tmp_path, {**record, "answer": "B"}, {**record, "answer": "A"})
    assert [q.answer for q in bank] == [(1,)]
    assert [(p.row, p.code) for p in bank.problems] == [(2, "ambiguous_answer")]


@pytest.mark.parametrize("answer", [18, "18", [18], {"id": 18}, [{"id": 18, "text": "夏天"}]])
def test_a_key_may_be_the_id_of_an_option(tmp_path: Path, answer: Any) -> None:
    options = [{"id": 17, "text": "春天"}, {"id": 18, "text": "夏天"}]
    assert question(tmp_path, options=options, answer=answer) == (("春天", "夏天"), (1,))
    assert question(tmp_path, options=options, correctOptionId=18)[1] == (1,)


def test_several_ids_are_several_keys(tmp_path: Path) -> None:
    options = [{"id": f"x{n}", "text": text} for n, text in enumerate(["春天", "夏天", "秋天"])]
    assert question(tmp_path, options=options, answer=["x0", "x2"])[1] == (0, 2)
    assert question(tmp_path, options=options, answer="x0,x2")[1] == (0, 2)


def test_a_number_that_is_the_id_of_one_option_and_the_number_of_another(tmp_path: Path) -> None:
    options = [{"id": n, "text": f"第{n}天"} for n in (3, 4, 5, 6)]
    bank = read_json(tmp_path, {"question": "何時？", "options": options, "answer": 3})
    assert [(p.code, p.severity) for p in bank.problems] == [("ambiguous_answer", "error")]


def test_ids_are_no_labels(tmp_path: Path) -> None:
    options = [{"id": n, "content": f"第{n}天", "is_answer": n == 2} for n in (1, 2, 3)]
    bank = read_json(tmp_path, {"question": "何時？", "options": options})
    assert bank[0].labels == ("A", "B", "C")


def test_options_that_are_shown_in_another_order(tmp_path: Path) -> None:
    options = [{"text": "春天", "order": 2}, {"text": "夏天", "order": 1}]
    record = {"question": "何時？", "options": options}
    bank = read_json(tmp_path, {**record, "answer": "B"}, {**record, "answer": "夏天"})
    assert [q.answer for q in bank] == [(1,)]
    assert [(p.row, p.code) for p in bank.problems] == [(1, "ambiguous_answer")]


def test_flags_beside_answers_with_names(tmp_path: Path) -> None:
    answers = {"answer_a": "春天", "answer_b": "夏天", "answer_c": None}
    flags = {"answer_a_correct": "false", "answer_b_correct": "true", "answer_c_correct": "false"}
    wanted = (("春天", "夏天"), (1,))
    assert question(tmp_path, answers=answers, correct_answers=flags) == wanted
    assert question(tmp_path, answers=answers, correct_answer="answer_b") == wanted


def test_answers_beside_a_correct_one_are_the_options(tmp_path: Path) -> None:
    answers = ["春天", "夏天", "秋天"]
    assert question(tmp_path, answers=answers, correctAnswer="夏天") == (tuple(answers), (1,))
    assert question(tmp_path, answers=answers, correct_index=1) == (tuple(answers), (1,))


@pytest.mark.parametrize(
    "fields",
    [
        {"correct_answer": "春天", "incorrect_answers": ["夏天", "秋天"]},
        {"correct": "春天", "distractors": ["夏天", "秋天"]},
        {"distractor2": "秋天", "distractor1": "夏天", "correct_answer": "春天", "support": "x"},
        {"answer": "春天", "wrong_answer_1": "夏天", "wrong_answer_2": "秋天"},
        {"正確答案": "春天", "錯誤答案": ["夏天", "秋天"]},
    ],
)
def test_a_right_answer_and_wrong_ones_are_the_options(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    bank = read_json(tmp_path, {"question": "甲？", **fields}, {"question": "乙？", **fields})
    assert [(q.options, q.answer) for q in bank] == [(("春天", "夏天", "秋天"), (0,))] * 2
    assert [(p.row, p.code, p.severity) for p in bank.problems] == [
        (0, "key_always_first", "warning")
    ]


def test_a_choice_among_several_has_one_key(tmp_path: Path) -> None:
    fields = {"type": "multiple", "correct_answer": "a &amp; b", "incorrect_answers": ["c", "d"]}
    bank = read_json(tmp_path, {"question": "What?", **fields})
    assert [(q.kind, q.options) for q in bank] == [("single", ("a & b", "c", "d"))]


def test_a_missing_right_answer_is_an_error(tmp_path: Path) -> None:
    bank = read_json(
        tmp_path,
        {"question": "甲？", "correct_answer": None, "incorrect_answers": ["夏天", "秋天"]},
        {"question": "乙？", "correct_answer": "春天", "incorrect_answers": ["夏天", "秋天"]},
    )
    assert [q.stem for q in bank] == ["乙？"]
    assert [(p.row, p.code) for p in bank.problems if p.severity == "error"] == [(1, "no_options")]


def indexed(name: str, *keys: Any) -> list[dict[str, Any]]:
    options = ["4", "3", "2", "1"]
    return [{"question": f"第{n}題？", "choices": options, name: k} for n, k in enumerate(keys)]


@pytest.mark.parametrize(
    "name", ["answerIndex", "answer_idx", "correct_index", "correctAnswerIndex"]
)
@pytest.mark.parametrize(
    ("keys", "indexes"),
    [
        ([0, 2], [0, 2]),
        ([3, 1, 2], [3, 1, 2]),  # neither a 0 nor a 4: the name says it
        (["3", "1"], [3, 1]),
        ([1, 2, 4], [0, 1, 3]),  # 4 of 4 and no 0: it can't count from 0
    ],
)
def test_an_index_counts_from_0_unless_the_file_proves_otherwise(
    tmp_path: Path, name: str, keys: list[Any], indexes: list[int]
) -> None:
    bank = read_json(tmp_path, *indexed(name, *keys))
    assert [q.answer for q in bank] == [(index,) for index in indexes]


def test_an_index_beyond_the_options_is_an_error(tmp_path: Path) -> None:
    bank = read_json(tmp_path, *indexed("answerIndex", 0, 4, -1))
    assert [q.answer for q in bank] == [(0,), None]
    assert [(p.row, p.code) for p in bank.problems] == [(2, "answer_out_of_range"), (3, "no_key")]


def test_indexes_may_be_several_or_letters(tmp_path: Path) -> None:
    bank = read_json(tmp_path, *indexed("answerIndex", [0, 3], "C"))
    assert [q.answer for q in bank] == [(0, 3), (2,)]


def test_an_index_into_numbered_options_is_asked_about(tmp_path: Path) -> None:
    options = [{"label": str(n), "text": f"第{n}天"} for n in (1, 2, 3)]
    record = {"question": "何時？", "options": options, "answerIndex": 2}
    with pytest.raises(ReadError, match="answer_base=1"):
        read_json(tmp_path, record)
    assert read_json(tmp_path, record, base=0)[0].answer == (2,)
    assert read_json(tmp_path, record, base=1)[0].answer == (1,)


def test_an_index_in_a_table_counts_from_0_too(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,A,B,C,answer_index\n甲？,一,二,三,1\n乙？,四,五,六,2\n", encoding="utf-8")
    assert [q.answer for q in read_bank(path)] == [(1,), (2,)]
    assert [q.answer for q in stream_bank(path)] == [(1,), (2,)]  # type: ignore[union-attr]


def test_labels_that_begin_again_are_the_options_of_two_questions(tmp_path: Path) -> None:
    labels, texts = "ABCABCD", ["甲河", "乙河", "丙河", "力氣", "脾氣", "天氣", "空氣"]
    pairs = list(zip(labels, texts, strict=True))
    bank = read_json(
        tmp_path,
        {"question": "一？", "options": [{"label": a, "text": b} for a, b in pairs], "answer": "A"},
        {"question": "二？", "options": [[a, b] for a, b in pairs], "answer": "A"},
        {"question": "三？", "options": [f"{a}. {b}" for a, b in pairs], "answer": "A"},
        {"question": "四？", "options": [{a: b} for a, b in pairs], "answer": "A"},
        {"question": "五？", "options": ["A、B", "B、D", "A、C", "B、C"], "answer": "D"},
        {"question": "六？", "options": ["①②", "②③", "①④", "②④"], "answer": "A"},
    )
    assert [q.stem for q in bank] == ["五？", "六？"]
    assert [(p.row, p.code) for p in bank.problems] == [(n, "damaged_options") for n in range(1, 5)]


def shown(tmp_path: Path, *records: dict[str, Any]) -> list[tuple[Any, Any]]:
    bank = read_json(tmp_path, *records)
    return [(question.options, question.answer) for question in bank]


@pytest.mark.parametrize("first", [0, 1])
def test_which_field_is_the_text_is_told_by_all_options(tmp_path: Path, first: int) -> None:
    plain: dict[str, Any] = {"question": "何者為檔案？", "answer": ["B"]}
    plain["options"] = [{"label": "/boot", "value": "A"}, {"label": "/etc", "value": "B"}]
    digits: dict[str, Any] = {"question": "何者為偶數？", "answer": ["A"]}
    digits["options"] = [{"label": "2", "value": "A"}, {"label": "1", "value": "B"}]
    run: dict[str, Any] = {"question": "何者為奇數？", "answer": ["A"]}
    run["options"] = [{"label": "A", "value": 1}, {"label": "B", "value": 2}]
    records = [digits, run, plain] if first else [plain, digits, run]
    expected = [(("2", "1"), (0,)), (("A", "B"), (0,)), (("/boot", "/etc"), (1,))]
    assert shown(tmp_path, *records) == (expected if first else [expected[2], *expected[:2]])


def test_letters_are_no_texts_beside_a_field_of_another_name(tmp_path: Path) -> None:
    options = [{"value": "A", "desc": "台北"}, {"value": "B", "desc": "高雄"}]
    assert question(tmp_path, options=options, answer="B") == (("台北", "高雄"), (1,))


def test_options_in_an_object_that_says_how_they_are_shown(tmp_path: Path) -> None:
    answers = {
        "11": {"id": 11, "answer": "<p>春天</p>", "fraction": "0.0"},
        "12": {"id": 12, "answer": "<p>夏天</p>", "fraction": "1.0"},
    }
    options = {"single": 1, "answers": answers}
    assert question(tmp_path, options=options) == (("春天", "夏天"), (1,))


def test_options_that_bear_labels_in_another_order(tmp_path: Path) -> None:
    options = ["B. 春天", "A. 夏天"]
    assert question(tmp_path, options=options, answer="B") == (("春天", "夏天"), (0,))


@pytest.mark.parametrize(
    "keys",
    [
        {"answer": "春天", "answer_idx": "B"},
        {"answer": "A", "answerText": "夏天", "correctIndex": 1},
        {"answer": "春天", "answerIndex": 1},
    ],
)
def test_keys_of_one_record_that_disagree_are_an_error(
    tmp_path: Path, keys: dict[str, Any]
) -> None:
    other = {"question": "何地？", "options": ["東", "西"], "answer": "東", "answerIndex": 0}
    bank = read_json(tmp_path, {"question": "何時？", "options": ["春天", "夏天"], **keys}, other)
    assert [q.stem for q in bank] == ["何地？"]
    assert [(p.row, p.code) for p in bank.problems] == [(1, "ambiguous_answer")]


def test_keys_of_one_record_may_agree_in_two_ways(tmp_path: Path) -> None:
    first = {"question": "何時？", "options": ["春天", "夏天"], "answer": "夏天", "answerIndex": 2}
    second = {"question": "何地？", "options": ["東", "西"], "answer": "A", "answerIndex": 1}
    assert shown(tmp_path, first, second) == [(("春天", "夏天"), (1,)), (("東", "西"), (0,))]


def test_nan_is_no_text(tmp_path: Path) -> None:
    options = ["春天", "夏天", float("nan")]
    assert question(tmp_path, options=options, answer="B") == (("春天", "夏天"), (1,))


@pytest.mark.parametrize("name", ["labels", "option_labels", "選項代號"])
@pytest.mark.parametrize(
    ("labels", "key", "answer"),
    [
        (["D", "C", "B", "A"], "D", (0,)),
        (["甲", "乙", "丙", "丁"], "乙", (1,)),
        (["F", "G", "H", "J"], "H", (2,)),
        (["1", "2", "3", "4"], "2", (1,)),
        ([4, 3, 2, 1], 4, (0,)),
    ],
)
def test_a_list_of_labels_beside_the_options_says_what_the_key_means(
    tmp_path: Path, name: str, labels: list[Any], key: Any, answer: tuple[int, ...]
) -> None:
    fields = {"options": ["春", "夏", "秋", "冬"], name: labels, "key": key}
    assert question(tmp_path, **fields) == (("春", "夏", "秋", "冬"), answer)


@pytest.mark.parametrize("labels", [["A", "A"], ["A"], ["A", "B", "C"], ["A", ""], "AB", [0, 1]])
def test_what_can_be_no_labels_of_the_options_leaves_them_as_they_are(
    tmp_path: Path, labels: Any
) -> None:
    fields = {"options": ["春", "夏"], "option_labels": labels, "key": "夏"}
    bank = read_json(tmp_path, {"question": "何時？", **fields})
    assert bank[0].labels == ("A", "B")
    assert bank[0].answer == (1,)


def test_a_list_of_marks_that_is_called_labels_is_the_key(tmp_path: Path) -> None:
    assert question(tmp_path, options=["春", "夏"], labels=[0, 1]) == (("春", "夏"), (1,))
