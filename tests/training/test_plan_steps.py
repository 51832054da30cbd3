"""Steps are filled with whole passages, in an order that seed and epoch decide."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.training._plan import StepSampler

# Questions 0-2 share passage p, 3-4 share q, 5 and 6 have none, 7-8 share r.
PASSAGES = ["p", "p", "p", "q", "q", "", "", "r", "r"]


def steps(passages: list[str], size: int, seed: int = 42, epoch: int = 0) -> list[list[int]]:
    sampler = StepSampler(passages, size, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_steps_are_filled_with_whole_passages() -> None:
    assert steps(PASSAGES, 3) == [[7, 8, 6], [0, 2, 1], [3, 4, 5]]


def test_a_seed_and_an_epoch_give_one_order() -> None:
    assert steps(PASSAGES, 3) == steps(PASSAGES, 3)
    assert steps(PASSAGES, 3, epoch=1) == steps(PASSAGES, 3, epoch=1)


def test_epochs_and_seeds_differ() -> None:
    passages = [""] * 40
    orders = {
        tuple(chain(*steps(passages, 8, seed, epoch))) for seed in (1, 2) for epoch in (0, 1, 2)
    }
    assert len(orders) == 6


def test_going_back_to_an_epoch_gives_its_order_again() -> None:
    sampler = StepSampler(PASSAGES, 3, 42)
    first = list(sampler)
    sampler.set_epoch(1)
    list(sampler)
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert list(sampler) == first


def test_questions_of_a_passage_are_shuffled_among_themselves() -> None:
    orders = {tuple(steps(["p"] * 3, 3, epoch=epoch)[0]) for epoch in range(40)}
    assert len(orders) == 6


def test_a_passage_longer_than_a_step_goes_on_in_the_next() -> None:
    drawn = steps(["p"] * 5 + [""] * 3, 4)
    assert [len(step) for step in drawn] == [4, 4]
    assert sum(any(index < 5 for index in step) for step in drawn) == 2


def test_questions_without_a_passage_are_not_kept_together() -> None:
    firsts = {steps([""] * 8, 8, epoch=epoch)[0][0] for epoch in range(40)}
    assert len(firsts) == 8


def test_no_questions_make_no_steps() -> None:
    assert steps([], 8) == []
    assert len(StepSampler([], 8, 42)) == 0


def test_most_passages_stay_whole_where_steps_have_room() -> None:
    """200 passages of 1 to 3 questions, 8 a step: few are cut, though steps must be full."""
    sizes = [1 + number % 3 for number in range(200)]
    passages = [f"p{number}" for number, size in enumerate(sizes) for _ in range(size)]
    drawn = steps(passages, 8)
    home: dict[str, set[int]] = {}
    for number, step in enumerate(drawn):
        for index in step:
            home.setdefault(passages[index], set()).add(number)
    cut = sum(len(numbers) > 1 for numbers in home.values())
    assert cut <= 2


PASSAGE_LISTS = st.lists(st.sampled_from(["", "p", "q", "r", "s"]), max_size=40)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(PASSAGE_LISTS, st.integers(1, 9), st.integers(0, 3))
def test_every_question_comes_once_an_epoch_in_full_steps(
    passages: list[str], size: int, epoch: int
) -> None:
    drawn = steps(passages, size, epoch=epoch)
    assert sorted(chain(*drawn)) == list(range(len(passages)))
    assert all(len(step) == size for step in drawn[:-1])
    assert all(drawn)
    assert len(drawn) == len(StepSampler(passages, size, 42))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(PASSAGE_LISTS, st.integers(1, 5), st.integers(1, 4))
def test_processes_share_each_step(passages: list[str], size: int, processes: int) -> None:
    samplers = [StepSampler(passages, size, 7, processes, number) for number in range(processes)]
    shares = [list(sampler) for sampler in samplers]
    alone = StepSampler(passages, size * processes, 7)
    assert {len(share) for share in shares} == {len(alone)}
    for step, *parts in zip(alone, *shares, strict=True):
        assert list(chain(*parts)) == step
        sizes = [len(part) for part in parts]
        assert max(sizes) <= size
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("count", "expected"), [(8, [2, 2, 2, 2]), (6, [1, 2, 1, 2]), (5, [1, 1, 1, 2])]
)
def test_a_short_last_step_is_shared_evenly(count: int, expected: list[int]) -> None:
    samplers = [StepSampler([""] * count, 2, 7, 4, number) for number in range(4)]
    assert [len(next(iter(sampler))) for sampler in samplers] == expected
