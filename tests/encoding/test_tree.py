"""What questions share stands once in a row, and every token sees its own path only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import batches, collate
from zhmcq.encoding._tree import PackedRow, PrefixTree, pack, pack_flat


def question(
    name: str, prompt: tuple[int, ...], *candidates: tuple[int, ...], passage: str = "p"
) -> EncodedQuestion:
    answers = tuple((index,) for index in range(len(candidates)))
    return EncodedQuestion(name, passage, prompt, candidates, answers, 0, "sum")


FIRST = question("a", (1, 10, 11, 20), (30, 2), (31, 32, 2))
SECOND = question("b", (1, 10, 11, 21), (30, 2), (31, 2))


def both() -> PackedRow:
    ((row,),) = pack([FIRST, SECOND], [range(2), range(2)], 100)
    return row


def test_two_questions_of_a_passage_are_one_row() -> None:
    row = both()
    assert row.ids.tolist() == [1, 10, 11, 20, 30, 31, 32, 21, 30, 31]
    assert row.parents.tolist() == [-1, 0, 1, 2, 3, 3, 5, 2, 7, 7]
    assert row.positions.tolist() == [0, 1, 2, 3, 4, 4, 5, 3, 4, 4]
    assert [(b.question, b.candidate, b.predictors, b.targets) for b in row.branches] == [
        (0, 0, (3, 4), (30, 2)),
        (0, 1, (3, 5, 6), (31, 32, 2)),
        (1, 0, (7, 8), (30, 2)),
        (1, 1, (7, 9), (31, 2)),
    ]
    assert row.given == 21


def test_a_token_sees_its_ancestors_and_itself() -> None:
    row = question("a", (1, 10), (30, 2), (31, 2))
    tree = PrefixTree()
    tree.add(0, row, range(2))
    assert tree.row().ancestors().astype(int).tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 0, 1],
    ]


def test_a_last_token_is_computed_only_where_another_candidate_goes_on_from_it() -> None:
    tree = PrefixTree()
    sequences = [(1, 10, 30), (1, 10, 30, 31), (1, 10, 40)]
    assert tree.added_by(sequences) == 3
    tree.add(0, question("a", (1, 10), (30,), (30, 31), (40,)), range(3))
    row = tree.row()
    assert len(tree) == 3
    assert row.ids.tolist() == [1, 10, 30]
    assert [(b.predictors, b.targets) for b in row.branches] == [
        ((1,), (30,)),
        ((1, 2), (30, 31)),
        ((1,), (40,)),
    ]
    assert row.given == 7


def short_and_long() -> list[PackedRow]:
    questions = [question("a", (1, 10), (30, 2)), question("b", (1, 10, 11, 12), (30, 2))]
    return [unit[0] for unit in pack_flat(questions, [[0], [0]])]


def test_padding_sees_only_itself_and_predicts_nothing() -> None:
    batch = collate(short_and_long(), "tree")
    assert batch.visible is not None
    assert batch.position_ids is not None
    assert batch.input_ids[0].tolist() == [1, 10, 30, 0, 0]
    assert batch.position_ids[0].tolist() == [0, 1, 2, 0, 0]
    for pad in (3, 4):
        assert batch.visible[0, 0, pad].nonzero().flatten().tolist() == [pad]
        assert not batch.visible[0, 0, :3, pad].any()
    assert batch.predicts[0].nonzero().flatten().tolist() == [1, 2]
    assert batch.predicts[1].nonzero().flatten().tolist() == [3, 4]
    assert batch.target.tolist() == [30, 2, 30, 2]
    assert batch.predictor.tolist() == [0, 1, 2, 3]
    assert batch.branch.tolist() == [0, 0, 1, 1]
    assert (batch.computed, batch.given) == (8, 8)


def test_plain_rows_have_a_mask_of_their_padding_and_no_positions() -> None:
    batch = collate(short_and_long(), "flat")
    assert batch.attended is not None
    assert batch.attended.dtype == torch.int64
    assert batch.attended.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert (batch.visible, batch.position_ids) == (None, None)
    assert torch.equal(batch.predicts, collate(short_and_long(), "tree").predicts)


def test_rows_of_one_length_need_no_mask() -> None:
    batch = collate(short_and_long()[:1] * 2, "equal")
    assert (batch.visible, batch.position_ids, batch.attended) == (None, None, None)
    assert batch.input_ids.tolist() == [[1, 10, 30]] * 2


def test_one_predictor_has_the_first_tokens_of_all_branches_as_targets() -> None:
    batch = collate([both()], "tree")
    assert batch.predicts[0].nonzero().flatten().tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert batch.target.tolist() == [30, 2, 31, 32, 2, 30, 2, 31, 2]
    assert batch.predictor.tolist() == [0, 1, 0, 2, 3, 4, 5, 4, 6]
    assert batch.branch.tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3]


def test_a_row_over_the_budget_is_cut_between_questions() -> None:
    rows = [unit[0] for unit in pack([FIRST, SECOND], [range(2), range(2)], 9)]
    assert [len(row) for row in rows] == [7, 6]
    assert [row.branches[0].question for row in rows] == [0, 1]


def test_questions_of_a_passage_find_each_other_wherever_they_stand() -> None:
    other = question("c", (1, 50), (30, 2), passage="other")
    rows = [unit[0] for unit in pack([FIRST, other, SECOND], [[0], [0], [0]], 100)]
    assert [[branch.question for branch in row.branches] for row in rows] == [[0, 2], [1]]


def test_questions_without_a_passage_do_not_share_a_row() -> None:
    alone = [question(name, (1, 5), (30, 2), passage="") for name in "ab"]
    assert len(list(pack(alone, [[0], [0]], 100))) == 2


def test_flat_rows_hold_one_candidate_each_and_stay_together() -> None:
    units = list(pack_flat([FIRST, SECOND], [range(2), [1]]))
    assert [[row.ids.tolist() for row in unit] for unit in units] == [
        [[1, 10, 11, 20, 30], [1, 10, 11, 20, 31, 32]],
        [[1, 10, 11, 21, 31]],
    ]
    groups = list(batches(units, 12))
    assert [[len(row) for row in group] for group in groups] == [[5, 6], [5]]


def rows_of(lengths: Sequence[int]) -> list[tuple[PackedRow, ...]]:
    return [
        unit
        for number, length in enumerate(lengths)
        for unit in pack(
            [question(str(number), tuple(range(length - 1)), (98, 2), passage=str(number))],
            [[0]],
            100,
        )
    ]


def test_rows_of_like_length_are_batched_under_the_budget() -> None:
    groups = batches(rows_of([9, 4, 8, 3, 30]), 20)
    assert [[len(row) for row in group] for group in groups] == [[30], [9, 8], [4, 3]]


@pytest.mark.parametrize(
    ("pass_cost", "expected"),
    [
        (0, [[10, 10], [9], [4, 4, 4]]),  # nothing is padded
        (2, [[10, 10, 9], [4, 4, 4]]),  # one padded token is cheaper than a pass
        (100, [[10, 10, 9], [4, 4, 4]]),  # no two passes would do within the budget but these
    ],
)
def test_padding_is_weighed_against_passes(pass_cost: int, expected: list[list[int]]) -> None:
    groups = batches(rows_of([4, 10, 4, 9, 10, 4]), 39, pass_cost)
    assert [[len(row) for row in group] for group in groups] == expected


def test_no_rows_need_no_pass() -> None:
    assert list(batches([], 10)) == []


@given(st.lists(st.integers(3, 30), max_size=7), st.integers(3, 60), st.integers(0, 20))
def test_no_other_grouping_costs_less(lengths: list[int], budget: int, cost: int) -> None:
    def total(groups: Sequence[Sequence[int]]) -> int:
        return sum(max(group) * len(group) + cost for group in groups)

    grouping = [[len(row) for row in group] for group in batches(rows_of(lengths), budget, cost)]
    ordered = sorted(lengths, reverse=True)
    assert [length for group in grouping for length in group] == ordered
    for cuts in itertools.product((False, True), repeat=max(0, len(lengths) - 1)):
        starts = [0, *(index + 1 for index, cut in enumerate(cuts) if cut), len(ordered)]
        groups = [ordered[a:b] for a, b in itertools.pairwise(starts) if a < b]
        if all(len(group) == 1 or max(group) * len(group) <= budget for group in groups):
            assert total(grouping) <= total(groups)


sequences = st.lists(st.integers(3, 6), min_size=1, max_size=6).map(tuple)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(st.tuples(sequences, st.lists(sequences, min_size=1, max_size=3)), max_size=4))
def test_every_path_spells_its_sequence_and_sees_nothing_else(
    drawn: list[tuple[tuple[int, ...], list[tuple[int, ...]]]],
) -> None:
    questions = [question(str(i), prompt, *cands) for i, (prompt, cands) in enumerate(drawn)]
    rows = [u[0] for u in pack(questions, [range(len(q.candidates)) for q in questions], 60)]
    assert sum(len(row.branches) for row in rows) == sum(len(q.candidates) for q in questions)
    for row in rows:
        seen = row.ancestors()
        assert len({(int(p), int(t)) for p, t in zip(row.parents, row.ids, strict=True)}) == len(
            row
        )
        for branch in row.branches:
            packed = questions[branch.question]
            sequence = packed.prompt + packed.candidates[branch.candidate]
            path = np.flatnonzero(seen[branch.predictors[-1]])
            assert tuple(row.ids[path]) == sequence[:-1]
            assert row.positions[path].tolist() == list(range(len(sequence) - 1))
            assert tuple(path[-len(branch.predictors) :]) == branch.predictors
            assert branch.targets == packed.candidates[branch.candidate]


def test_a_batch_moves_whole() -> None:
    batch = collate([both()], "tree")
    moved = batch.to(torch.device("cpu"))
    assert moved.visible is not None
    assert batch.visible is not None
    assert torch.equal(moved.visible, batch.visible)
    assert (moved.questions, moved.candidates) == (batch.questions, batch.candidates)
