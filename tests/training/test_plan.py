"""What a step computes: the same for the training loop and for its estimate."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

import zhmcq
from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._passes import PassPlan
from zhmcq.errors import EncodingError
from zhmcq.training._plan import StepPlan


def question(name: str, target: int | None) -> EncodedQuestion:
    candidates = ((30, 2), (31, 32, 2))
    return EncodedQuestion(name, "p", (1, 10), candidates, ((0,), (1,)), target, "sum")


QUESTIONS = [question("a", 1), question("b", 0)]


def plan(**values: Any) -> StepPlan:
    return StepPlan.of(zhmcq.TrainingSettings(**values))


def test_next_token_computes_and_counts_the_tokens_of_keys() -> None:
    ((rows,),) = plan(objective="next_token").groups(QUESTIONS)
    assert [row.ids.tolist() for row in rows] == [[1, 10, 31, 32, 30]]
    assert plan(objective="next_token").loss_terms(QUESTIONS) == 5


def test_contrastive_computes_all_candidates_and_counts_questions() -> None:
    ((rows,),) = plan(objective="contrastive").groups(QUESTIONS)
    branches = [(b.question, b.candidate) for row in rows for b in row.branches]
    assert branches == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert plan(objective="contrastive").loss_terms(QUESTIONS) == 2


def test_a_question_that_is_half_as_large_again_as_the_budget_stays_whole() -> None:
    candidates = tuple((30 + option, 2) for option in range(5))
    wide = replace(question("w", 0), candidates=candidates, answers=((0,), (1,), (2,), (3,), (4,)))
    tokens = len(wide.prompt) + 5  # their ends are not computed
    contrastive = plan(objective="contrastive")
    for budget, count in ((tokens, 1), (math.ceil(tokens / 1.5), 1), (tokens // 2, 5)):
        passes = replace(contrastive.passes, budget=budget)
        ((*pieces,),) = replace(contrastive, passes=passes).groups([wide])
        assert len(pieces) == count, budget


def test_a_question_without_a_key_cannot_be_learned_from() -> None:
    with pytest.raises(EncodingError, match="question 'c': expected a key, found none"):
        list(plan(objective="next_token").groups([question("c", None)]))


def test_the_layout_that_a_model_can_read_goes_before_the_one_of_the_settings() -> None:
    settings = zhmcq.TrainingSettings(packing="tree", max_length=64, per_device_train_batch_size=2)
    assert StepPlan.of(settings).passes == PassPlan("tree", 128)
    assert StepPlan.of(settings, "equal").passes == PassPlan("equal", 128)


@pytest.mark.parametrize(
    ("values", "processes", "expected"),
    [
        ({"num_train_epochs": 2}, 1, 6),  # 20 questions, 8 a step
        ({"num_train_epochs": 2}, 2, 4),
        ({"num_train_epochs": 0.5}, 1, 2),
        ({"max_steps": 5}, 1, 5),
    ],
)
def test_steps_are_counted_for_each_epoch(
    values: dict[str, Any], processes: int, expected: int
) -> None:
    assert plan(**values).steps(20, processes) == expected
