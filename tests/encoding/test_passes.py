"""One plan puts candidates into rows and rows into forward passes."""

from __future__ import annotations

import pytest

from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import Layout
from zhmcq.encoding._passes import PassPlan, pass_tokens
from zhmcq.encoding._tree import PackedRow


def question(name: str, *candidates: tuple[int, ...]) -> EncodedQuestion:
    answers = tuple((index,) for index in range(len(candidates)))
    return EncodedQuestion(name, "p", (1, 10, len(name)), candidates, answers, 0, "sum")


QUESTIONS = [question("a", (30, 2), (31, 32, 2)), question("bb", (30, 2))]


def ids(groups: list[list[PackedRow]]) -> list[list[list[int]]]:
    return [[row.ids.tolist() for row in group] for group in groups]


def test_a_tree_stores_what_the_questions_of_a_passage_share_once() -> None:
    groups = list(PassPlan("tree", 100).groups(QUESTIONS))
    assert ids(groups) == [[[1, 10, 1, 30, 31, 32, 2, 30]]]


def test_flat_rows_of_a_question_stay_in_one_forward_pass() -> None:
    groups = list(PassPlan("flat", 10).groups(QUESTIONS))
    assert ids(groups) == [[[1, 10, 1, 30], [1, 10, 1, 31, 32]], [[1, 10, 2, 30]]]


def test_only_the_candidates_that_are_named_are_computed() -> None:
    groups = list(PassPlan("tree", 100).groups(QUESTIONS, [[1], [0]]))
    assert ids(groups) == [[[1, 10, 1, 31, 32, 2, 30]]]


LAYOUTS: tuple[Layout, ...] = ("tree", "flat", "equal")
WIDE = question("c", *((30 + i, 31 + i, 2) for i in range(5)), (40, 2))  # 6 rows of 5, 5 … 4 ids


def test_a_question_over_the_budget_is_cut_between_its_candidates() -> None:
    for layout in LAYOUTS:
        groups = list(PassPlan(layout, 10).groups([WIDE]))
        sizes = [len(rows) * max(map(len, rows)) for rows in groups]
        assert max(sizes) <= 10
        branches = [
            (b.question, b.candidate) for rows in groups for row in rows for b in row.branches
        ]
        assert sorted(branches) == [(0, index) for index in range(6)]
    assert sorted(sizes) == [4, 5, 10, 10]


def test_a_sequence_longer_than_the_budget_goes_alone() -> None:
    for layout in LAYOUTS:
        groups = list(PassPlan(layout, 3).groups([WIDE, *QUESTIONS]))
        assert {len(rows) for rows in groups} == {1}
        assert {len(rows[0].branches) for rows in groups} == {1}
        assert len(groups) == 9


def test_a_cut_question_shares_what_its_candidates_begin_with() -> None:
    forked = question("d", (30, 31, 2), (40, 2), (30, 32, 2), (40, 41, 2))
    groups = list(PassPlan("tree", 6).groups([forked]))
    assert ids(groups) == [[[1, 10, 1, 30, 31, 32]], [[1, 10, 1, 40, 41]]]


def test_rows_of_equal_layout_have_one_length_in_each_pass() -> None:
    groups = list(PassPlan("equal", 100).groups([*QUESTIONS, WIDE]))
    assert [[len(row) for row in rows] for rows in groups] == [[5] * 6, [4, 4, 4]]


def test_the_candidates_of_a_question_are_given_together_where_they_are_needed_together() -> None:
    cases: list[tuple[Layout, list[list[list[int]]]]] = [
        ("flat", [[[5, 5, 5], [5, 5, 4]], [[4, 5, 4]]]),
        ("equal", [[[5], [4]], [[5, 5], [5, 5, 5], [4]], [[4]]]),
    ]
    for layout, expected in cases:
        joint = list(PassPlan(layout, 15).joint_groups([*QUESTIONS, WIDE]))
        for passes in joint:
            members = [b.question for rows in passes for row in rows for b in row.branches]
            for index, count in ((0, 2), (1, 1), (2, 6)):
                assert members.count(index) in (0, count)
        assert [[[len(row) for row in rows] for rows in passes] for passes in joint] == expected


CUT_QUESTIONS = [WIDE, question("a", (30, 2), (31, 32, 2)), question("bb", (30, 2), (33, 2))]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("budget", [1, 7, 12, 20])
def test_a_pass_is_cut_into_passes_that_fit_a_smaller_budget(layout: Layout, budget: int) -> None:
    computed = [[0, 4], [1], [1, 0]]
    for rows in PassPlan(layout, 1000).groups(CUT_QUESTIONS, computed):
        passes = PassPlan(layout, budget).cut(rows, CUT_QUESTIONS)
        assert branches_of(passes) == branches_of([rows])
        for part in passes:
            assert pass_tokens(part) <= budget or len(branches_of([part])) == 1
            for row in part:
                prompts = {CUT_QUESTIONS[branch.question].prompt for branch in row.branches}
                assert tuple(row.ids[:3].tolist()) in prompts
                assert len(prompts) == 1 or layout == "tree"
        assert sum(row.given for part in passes for row in part) == sum(row.given for row in rows)


def test_a_pass_that_fits_or_holds_one_sequence_is_not_cut() -> None:
    (rows,) = PassPlan("flat", 1000).groups(CUT_QUESTIONS[1:])
    assert PassPlan("flat", pass_tokens(rows)).cut(rows, CUT_QUESTIONS[1:]) == [rows]
    assert PassPlan("flat", 1).cut(rows[:1], CUT_QUESTIONS[1:]) == [rows[:1]]


def branches_of(passes: list[list[PackedRow]]) -> list[tuple[int, int]]:
    branches = [branch for rows in passes for row in rows for branch in row.branches]
    return sorted((branch.question, branch.candidate) for branch in branches)
