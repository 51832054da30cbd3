from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.errors import QuestionError
from zhmcq.questions import (
    Origin,
    Question,
    QuestionBank,
    RowProblem,
    SourceTable,
    default_labels,
)


def question(name: str, **fields: Any) -> Question:
    return Question(**{"id": name, "stem": f"{name}？", "options": ("甲", "乙", "丙"), **fields})


def problem(row: int, position: int, severity: Any = "error") -> RowProblem:
    return RowProblem(row, "", "no_answer", "沒有答案", severity, position=position)


def where(bank: QuestionBank) -> list[tuple[int, int]]:
    return [(question_of.row, question_of.position) for question_of in bank.problems]


def test_options_without_labels_get_letters() -> None:
    assert question("q").labels == ("A", "B", "C")
    assert default_labels(26)[-1] == "Z"


def test_lists_are_kept_as_tuples_so_that_questions_compare_and_hash() -> None:
    given_lists = Question("q", "q？", ["甲", "乙"], labels=["1", "2"], answer=[1])  # type: ignore[arg-type]
    given_tuples = Question("q", "q？", ("甲", "乙"), labels=("1", "2"), answer=(1,))
    assert given_lists == given_tuples
    assert hash(given_lists) == hash(given_tuples)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"options": ("甲",)}, "expected 2 to 26 options, found 1"),
        ({"options": tuple("一二三四五六七八九十" * 3)}, "expected 2 to 26 options, found 30"),
        ({"options": "ABC"}, "expected a tuple of strings as options, found 'ABC'"),
        ({"options": ("甲", None)}, r"strings as options, found \('甲', None\)"),
        ({"labels": ("A", "B")}, "expected 3 different labels"),
        ({"labels": ("A", "B", "B")}, "expected 3 different labels"),
        ({"labels": ("A", "B", "")}, "expected 3 different labels"),
        ({"labels": "ABC"}, "expected a tuple of strings as labels, found 'ABC'"),
        ({"kind": "essay"}, "expected kind 'single', 'multiple' or 'true_false', found 'essay'"),
        ({"kind": "true_false"}, "a true_false question has 2 options, found 3"),
        ({"answer": ()}, "expected sorted, different indexes as answer"),
        ({"answer": (1, 0), "kind": "multiple"}, "expected sorted, different indexes"),
        ({"answer": (1, 1), "kind": "multiple"}, "expected sorted, different indexes"),
        ({"answer": (3,)}, r"points outside the 3 options \(indexes are 0-based: 0 to 2\)"),
        ({"answer": (-1,)}, "points outside the 3 options"),
        ({"answer": (0, 1)}, "a single question has one right option"),
        ({"answer": 1}, "expected a tuple of 0-based indexes as answer, found 1"),
        ({"answer": "B"}, "expected a tuple of 0-based indexes as answer, found 'B'"),
        ({"answer": (True,)}, "expected a tuple of 0-based indexes as answer"),
        ({"id": 7}, "expected a string as id, found 7"),
        ({"stem": None}, "expected a string as stem, found None"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(QuestionError, match=message):
        question("q7", **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"group": 3}, "expected a string as group, found 3"),
        ({"subject": None}, "expected a string as subject, found None"),
        ({"explanation": ["甲"]}, "expected a string as explanation"),
        ({"source": 2024}, "expected a string as source, found 2024"),
        ({"source_id": ["1"]}, "expected a string, a number or None as source_id"),
        ({"origin": "a.csv"}, "expected an Origin or None as origin, found 'a.csv'"),
    ],
)
def test_a_field_of_another_type_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        question("q7", **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"row": "3"}, r"RowProblem\(row='3'\): expected a whole number"),
        ({"column": None}, r"RowProblem\(column=None\): expected a string"),
        ({"message": 3}, r"RowProblem\(message=3\): expected a string"),
        ({"severity": "fatal"}, "expected 'error' or 'warning'"),
        ({"position": 1.5}, r"RowProblem\(position=1\.5\): expected a whole number"),
    ],
)
def test_a_problem_of_another_type_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        RowProblem(**{"row": 1, "column": "", "code": "no_key", "message": "none", **fields})


# --- joined banks ------------------------------------------------------------------------------


def read_from(file: str, sheet: str, *ids: str) -> QuestionBank:
    origins = {name: Origin(file, sheet, row) for row, name in enumerate(ids, 2)}
    rows = {origin: {"題號": name} for name, origin in origins.items()}
    return QuestionBank(
        (question(name, origin=origin, source_id=name) for name, origin in origins.items()),
        [RowProblem(9, "", "no_stem", "none", "error", file, sheet, position=len(ids))],
        {"stem": f"題目 of {sheet}"},
        SourceTable(("題號",), rows),
    )


def test_an_id_that_another_file_or_sheet_has_gets_its_own_in_front() -> None:
    first = read_from("甲.csv", "", "1", "2")
    other = read_from("folder/乙.csv", "", "1", "2", "3")
    assert [q.id for q in first + other] == ["1", "2", "乙:1", "乙:2", "3"]
    assert [q.source_id for q in first + other] == ["1", "2", "1", "2", "3"]
    sheets = read_from("a.xlsx", "甲", "1") + read_from("a.xlsx", "乙", "1", "乙:1")
    assert [q.id for q in sheets] == ["1", "乙:1", "乙:1#2"]


def test_an_id_that_is_taken_with_its_file_in_front_too_gets_a_number() -> None:
    banks = [read_from(f"{name}/bank.csv", "", "1") for name in "abcd"]
    joined = banks[0] + banks[1] + banks[2] + banks[3]
    assert [q.id for q in joined] == ["1", "bank:1", "bank:1#2", "bank:1#3"]
    made = [question("1")]
    assert [q.id for q in QuestionBank(made) + made] == ["1", "1#2"]
    assert [q.id for q in banks[0] + banks[0]] == ["1", "1#2"]


def test_joined_banks_have_the_problems_columns_and_cells_of_both() -> None:
    first, other = read_from("甲.csv", "", "1", "2"), read_from("乙.csv", "", "1")
    joined = first + other
    assert where(joined) == [(9, 2), (9, 3)]
    assert joined.columns == first.columns
    assert {q.id: dict(joined.table.rows[q.origin]) for q in joined if q.origin} == {
        "1": {"題號": "1"},
        "2": {"題號": "2"},
        "乙:1": {"題號": "1"},
    }
    assert joined[:2] + joined[2:] == joined


def test_a_file_of_the_same_name_with_other_rows_is_another_file() -> None:
    first, other = read_from("a.csv", "", "1"), read_from("a.csv", "", "2")
    joined = first + other
    assert [q.origin.file for q in joined if q.origin] == ["a.csv", "a (2).csv"]
    assert [p.file for p in joined.problems] == ["a.csv", "a (2).csv"]
    assert [dict(cells) for cells in joined.table.rows.values()] == [{"題號": "1"}, {"題號": "2"}]
    assert (first + first).files == {"a.csv"}


def test_questions_are_added_from_either_side_and_banks_summed() -> None:
    bank, made = QuestionBank([question("b")]), [question("a")]
    assert [q.id for q in bank + question("a")] == ["b", "a"]
    assert [q.id for q in made + bank] == ["a", "b"]
    assert [q.id for q in bank + iter(made)] == ["b", "a"]
    banks: list[Any] = [bank, QuestionBank([question("c")]), QuestionBank([question("a")])]
    assert [q.id for q in sum(banks)] == ["b", "c", "a"]


def test_numpy_indexes_are_indexes() -> None:
    bank = QuestionBank([question("a"), question("b"), question("c")])
    assert [q.id for q in bank.select(np.array([2, 0]))] == ["c", "a"]
    index: Any = np.int64(1)
    assert bank[index].id == "b"
    assert len(bank.sample(np.int64(2))) == 2  # type: ignore[arg-type]


def test_the_refusal_names_question_file_sheet_and_row() -> None:
    origin = Origin("AI.xlsx", "第一回", 12)
    with pytest.raises(
        QuestionError, match=r"^question 'q7' \(AI\.xlsx, sheet '第一回', row 12\): expected 2"
    ):
        question("q7", options=("甲",), origin=origin)


def test_an_origin_reads_as_far_as_it_is_known() -> None:
    assert str(Origin("a.csv", row=3)) == "a.csv, row 3"
    assert str(Origin("a.xlsx", "乙", 3)) == "a.xlsx, sheet '乙', row 3"
    assert str(Origin("a.json")) == "a.json"


def test_answers_are_written_in_the_style_of_the_labels() -> None:
    letters = question("q", answer=(0, 2), kind="multiple")
    assert letters.answer_label == "AC"
    assert letters.label_of((1,)) == "B"
    assert letters.label_of(None) == ""
    long = question("q", labels=("9", "10", "11"), answer=(0, 1), kind="multiple")
    assert long.answer_label == "9,10"
    assert question("q").answer_label == ""


def test_a_question_is_not_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        question("q").stem = "x"  # type: ignore[misc]


def test_two_questions_of_one_id_are_refused_with_both_stems() -> None:
    with pytest.raises(QuestionError, match=r"the id 'q': '一？' and '二？'; ids must be unique"):
        QuestionBank([question("q", stem="一？"), question("q", stem="二？")])


def test_a_bank_is_a_sequence_whose_slices_are_banks() -> None:
    bank = QuestionBank([question(name) for name in "abcd"], columns={"stem": "問題"})
    assert bank[-1].id == "d"
    assert [question_of.id for question_of in bank[1:3]] == ["b", "c"]
    assert isinstance(bank[1:3], QuestionBank)
    assert bank[1:3].columns == {"stem": "問題"}
    assert [question_of.id for question_of in bank[::-1]] == ["d", "c", "b", "a"]
    assert question("c") in bank
    assert bank != list(bank)
    with pytest.raises(IndexError):
        bank[4]


def test_numpy_integers_index_a_bank() -> None:
    import numpy as np

    bank = QuestionBank([question("a"), question("b")])
    assert bank[np.int64(1)].id == "b"  # type: ignore[call-overload]


def test_a_problem_goes_with_the_question_that_follows_it() -> None:
    bank = QuestionBank(
        [question(name) for name in "abc"],
        [problem(1, 0), problem(3, 1), problem(5, 2), problem(8, 3)],
    )
    assert where(bank[:1]) == [(1, 0)]
    assert where(bank[1:2]) == [(3, 0)]
    assert where(bank[2:]) == [(5, 0), (8, 1)]
    assert where(bank.filter(lambda question_of: question_of.id != "b")) == [(1, 0), (5, 1), (8, 2)]


def test_rows_after_the_last_question_go_with_it_wherever_it_is_put() -> None:
    bank = QuestionBank([question(name) for name in "ab"], [problem(9, 2)])
    assert where(bank[::-1]) == [(9, 1)]
    assert where(bank.select([-1])) == [(9, 1)]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    positions=st.lists(st.integers(0, 4), max_size=6).map(sorted),
    cut=st.integers(0, 5),
)
def test_the_parts_of_a_bank_add_up_to_the_bank(positions: list[int], cut: int) -> None:
    bank = QuestionBank(
        [question(name) for name in "abcd"],
        [problem(row, position) for row, position in enumerate(positions)],
    )
    assert bank[:cut] + bank[cut:] == bank


def test_adding_banks_keeps_columns_cells_and_the_places_of_problems() -> None:
    here, there = Origin("a.xlsx", "", 2), Origin("b.xlsx", "", 2)
    first = QuestionBank(
        [question("a", origin=here)],
        [problem(9, 1)],
        {"stem": "問題"},
        SourceTable(("題號", "問題"), {here: {"題號": 1}}),
    )
    second = QuestionBank(
        [question("b", origin=there)],
        [problem(4, 0)],
        {"stem": "題目", "id": "ID"},
        SourceTable(("ID", "問題"), {there: {"ID": 2}}),
    )
    both = first + second
    assert [question_of.id for question_of in both] == ["a", "b"]
    assert where(both) == [(9, 1), (4, 1)]
    assert both.columns == {"stem": "問題", "id": "ID"}
    assert both.table.headers == ("題號", "問題", "ID")
    assert both.table.rows == {here: {"題號": 1}, there: {"ID": 2}}


def test_a_bank_without_questions_keeps_what_was_wrong_with_its_rows() -> None:
    bank = QuestionBank([], [problem(2, 0)])
    assert where(bank.answered) == [(2, 0)]
    assert repr(bank) == "<QuestionBank: 0 questions, 1 row left out>"


def test_answered_leaves_out_questions_without_a_key() -> None:
    bank = QuestionBank([question("a"), question("b", answer=(1,))], [problem(1, 0, "warning")])
    assert [question_of.id for question_of in bank.answered] == ["b"]
    assert repr(bank) == "<QuestionBank: 2 questions, 0 rows left out>"


def test_a_sample_is_drawn_by_seed_in_source_order() -> None:
    bank = QuestionBank([question(str(n)) for n in range(50)])
    drawn = [int(question_of.id) for question_of in bank.sample(10, seed=1)]
    assert drawn == sorted(drawn)
    assert len(set(drawn)) == 10
    assert [int(question_of.id) for question_of in bank.sample(10, seed=1)] == drawn
    assert [int(question_of.id) for question_of in bank.sample(10, seed=2)] != drawn
    assert bank.sample(99) == bank


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "\ud800"},
        {"stem": "哪\udfff個？"},
        {"passage": "\ud83d"},
        {"options": ("甲\ud800", "乙")},
        {"labels": ("\ud800", "B")},
        {"explanation": "\ud800"},
        {"source_id": "\ud800"},
    ],
)
def test_half_of_a_surrogate_pair_is_refused_where_the_question_is_made(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(QuestionError, match=r"half of a surrogate pair, U\+D[8-F]") as caught:
        Question(**{"id": "1", "stem": "哪個？", "options": ("甲", "乙"), **fields})
    str(caught.value).encode("utf-8")


def test_characters_beyond_the_basic_plane_are_text() -> None:
    assert Question("1", "𠮷？", ("😀", "乙")).options == ("😀", "乙")
