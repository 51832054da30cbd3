"""The parts of the benchmark that need neither a model nor the peers."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from prefix_tree.answers import (
    best,
    harness_differences,
    llama_cpp_differences,
    pipeline_differences,
    plain_differences,
)
from prefix_tree.arithmetic import ModelShape, forward_operations, training_operations
from prefix_tree.peer_llama_cpp import label_biases
from prefix_tree.plan import SIDES, USUAL_SIDES, Job, draw, variants
from prefix_tree.report import spread
from zhmcq.questions import Question

SHAPE = ModelShape(body=100, head=50, attention=8, adapter=10)


def bank(sizes: list[int]) -> list[Question]:
    """Passages with so many questions each; 0 stands for a question without a passage."""
    return [
        Question(
            f"{number}-{place}", "問？", ("甲", "乙"), f"文{number}" if size else "", answer=(0,)
        )
        for number, size in enumerate(sizes)
        for place in range(max(size, 1))
    ]


def test_sets_are_drawn_by_whole_passages_and_share_none() -> None:
    sets = draw(bank([3, 2, 2, 1, 1, 0, 0, 4]), [6, 7])
    assert [len(one) for one in sets] == [6, 7]
    first, second = ({q.passage for q in one if q.passage} for one in sets)
    assert not first & second
    assert len({q.id for one in sets for q in one}) == 13
    whole = Counter(q.passage for q in bank([3, 2, 2, 1, 1, 0, 0, 4]) if q.passage)
    for one in sets:
        drawn = Counter(q.passage for q in one if q.passage)
        assert all(whole[passage] == count for passage, count in drawn.items())


def test_the_same_seed_draws_the_same_questions() -> None:
    questions = bank([1] * 20)
    once, again = draw(questions, [5], seed=1), draw(questions, [5], seed=1)
    assert [q.id for q in once[0]] == [q.id for q in again[0]]
    assert [q.id for q in draw(questions, [5], seed=2)[0]] != [q.id for q in once[0]]


def test_questions_without_a_key_are_not_drawn() -> None:
    without = [Question("x", "問？", ("甲", "乙"), "文")]
    several = [Question("y", "問？", ("甲", "乙"), answer=(0, 1), kind="multiple")]
    (drawn,) = draw([*without, *several, *bank([1, 1])], [2])
    assert {q.id for q in drawn} == {"0-0", "1-0"}
    with pytest.raises(ValueError, match="found too few"):
        draw([*without, *several], [1])


def test_a_job_survives_json() -> None:
    job = Job("folder", "train", "zh-exam", 4, "bfloat16", tuple(bank([2, 0])))
    assert Job.from_record(json.loads(json.dumps(job.to_record()))) == job


def test_every_peer_is_compared_with_a_side_that_is_measured() -> None:
    names = {side.name for side in SIDES}
    assert {side.against for side in SIDES} - {""} <= names
    assert set(USUAL_SIDES) <= names


def test_every_side_runs_in_every_dtype_but_those_with_a_format_of_their_own() -> None:
    sides = [side for side in SIDES if side.name in ("train-trl", "llama-cpp")]
    measured = variants(sides, ("float32", "bfloat16"))
    assert [(one.side.name, one.dtype) for one in measured] == [
        ("train-trl", "float32"),
        ("train-trl", "bfloat16"),
        ("llama-cpp", "q4_k_m"),
    ]


def test_no_batch_is_larger_than_a_step_of_training() -> None:
    batches = {side.name: side.batches([1, 4, 8, 16]) for side in SIDES}
    assert batches["train-trl"] == (1, 4, 8)
    assert batches["labels-harness"] == (1, 4, 8, 16)
    assert batches["train-padded"] == (1,)
    assert SIDES[0].batches([16]) == (8,)


def test_labels_are_raised_alike_by_their_first_tokens() -> None:
    assert label_biases([(5, 1), (7, 1)]) == [(5, 100.0), (7, 100.0)]
    with pytest.raises(ValueError, match="differ in their first token"):
        label_biases([(5, 1), (5, 2)])


def test_operations_of_a_forward_pass() -> None:
    # 2·100·7 through the layers, 2·50·3 through the head, 4·8·(2·3² + 1·5²) in attention.
    assert forward_operations(SHAPE, 7, 3, [(2, 3), (1, 5)]) == 1400 + 300 + 1376


def test_operations_of_a_training_step() -> None:
    # (4·100 + 6·10)·7 through layers and adapter, 4·50·3, 12·8·(2·3² + 1·5²).
    assert training_operations(SHAPE, 7, 3, [(2, 3), (1, 5)]) == 3220 + 600 + 4128


def test_equal_scores_choose_the_first_candidate() -> None:
    assert best([[-2.0, -1.0, -1.0], [-1.0, -1.0]]) == [1, 0]


def test_close_scores_are_a_tie_and_others_are_unexplained() -> None:
    ours = [[-1.0, -1.0002], [-1.0, -2.0], [-1.0, -2.0]]
    theirs = [[-1.0002, -1.0], [-1.0, -2.0], [-2.0, -1.0]]
    assert plain_differences(ours, theirs) == {"tie": 1, "unexplained": 1}


def test_in_bf16_a_tie_is_wider() -> None:
    ours, theirs = [[-1.0, -1.25], [-1.0, -1.5]], [[-2.0, -1.0], [-2.0, -1.0]]
    assert plain_differences(ours, theirs, tie=0.3) == {"tie": 1, "unexplained": 1}


def test_each_difference_from_the_harness_has_its_reason() -> None:
    first, second = [-1.0, -2.0], [-2.0, -1.0]
    audit: dict[str, Any] = {
        "without_end": [first, second, first, first, first],
        "their_tokens": [first, second, second, [-1.0, -1.0002], first],
        "same_tokens": [True, True, False, True, True],
    }
    found = harness_differences([first] * 5, [first, second, second, second, second], audit)
    assert found == {
        "the end is scored here and not there": 1,
        "other tokens at the seam": 1,
        "tie": 1,
        "unexplained": 1,
    }


def test_replies_that_name_no_option_are_counted_apart() -> None:
    first, second = [-1.0, -2.0], [-2.0, -1.0]
    audit = {"without_end": [first, first, second, first]}
    assert pipeline_differences([first] * 4, [0, None, 1, 1], audit) == {
        "the reply names no option": 1,
        "the end is scored here and not there": 1,
        "the reply goes on": 1,
    }


def test_differences_from_llama_cpp_are_of_the_end_or_of_its_arithmetic() -> None:
    first, second = [-1.0, -2.0], [-2.0, -1.0]
    audit = {"without_end": [first, second, first]}
    assert llama_cpp_differences([first] * 3, [0, 1, 1], audit) == {
        "the end is scored here and not there": 1,
        "its arithmetic": 1,
    }


def test_a_spread_is_the_median_and_the_ends() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2.00 (1.00–3.00)"
