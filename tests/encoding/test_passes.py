"""One plan puts candidates into rows and rows into forward passes."""

from __future__ import annotations

from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._passes import PassPlan
from zhmcq.encoding._tree import PackedRow


def question(name: str, *candidates: tuple[int, ...]) -> EncodedQuestion:
    answers = tuple((index,) for index in range(len(candidates)))
    return EncodedQuestion(name, "p", (1, 10, len(name)), candidates, answers, 0, "sum")


QUESTIONS = [question("a", (30, 2), (31, 32, 2)), question("bb", (30, 2))]


def ids(groups: list[list[PackedRow]]) -> list[list[list[int]]]:
    return [[row.ids.tolist() for row in group] for group in groups]


def test_a_tree_stores_what_the_questions_of_a_passage_share_once() -> None:
    groups = list(PassPlan("tree", 100).groups(QUESTIONS))
    assert ids(groups) == [[[1, 10, 1, 30, 2, 31, 32, 2, 2, 30, 2]]]


def test_flat_rows_of_a_question_stay_in_one_forward_pass() -> None:
    groups = list(PassPlan("flat", 12).groups(QUESTIONS))
    assert ids(groups) == [[[1, 10, 1, 30, 2], [1, 10, 1, 31, 32, 2]], [[1, 10, 2, 30, 2]]]


def test_only_the_candidates_that_are_named_are_computed() -> None:
    groups = list(PassPlan("tree", 100).groups(QUESTIONS, [[1], [0]]))
    assert ids(groups) == [[[1, 10, 1, 31, 32, 2, 2, 30, 2]]]
