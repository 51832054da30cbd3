"""The parts of the benchmark that need neither a model nor the peers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench_prefix_tree import Bench
from prefix_tree.answers import (
    best,
    harness_differences,
    pipeline_differences,
    plain_differences,
)
from prefix_tree.arithmetic import ModelShape, forward_operations, training_operations
from prefix_tree.plan import SIDES, Job, draw
from prefix_tree.report import (
    audit_lines,
    calibration_table,
    orders_line,
    prediction_table,
    spread,
    training_table,
)
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
    job = Job("folder", "train", "zh-exam", 4, tuple(bank([2, 0])))
    assert Job.from_record(json.loads(json.dumps(job.to_record()))) == job


def test_every_peer_is_compared_with_a_side_that_is_measured() -> None:
    names = {side.name for side in SIDES}
    assert {side.against for side in SIDES} - {""} <= names


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


def test_a_spread_is_the_median_and_the_ends() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2.00 (1.00–3.00)"


def record(seconds: float, **more: Any) -> dict[str, Any]:
    return {
        "batch": 1,
        "seconds": seconds,
        "given": 200,
        "tokens": 100,
        "projected": 4,
        "rows": [[2, 50]],
        "peak": 3 * 2**30,
        "peak_before": 2**30,
        "loss": 1.5,
        **more,
    }


def test_the_training_table_compares_round_by_round() -> None:
    matmul = {"shape": {"body": 100, "head": 50, "attention": 8, "adapter": 10}, "rates": [1e6, 1]}
    rounds = [
        {
            "questions": 8,
            "keys": [],
            "matmul": matmul,
            "train-tree": record(seconds),
            "train-trl": record(8.0, tokens=None, peak_before=3 * 2**30),
        }
        for seconds in (1.0, 2.0, 4.0)
    ]
    lines = training_table(rounds).splitlines()
    # (400 + 60)·100 + 4·50·4 + 12·8·2·50² = 526,800 operations of 1e6 a second.
    assert lines[2] == (
        "| train-tree | 1 | 4.00 (2.00–8.00) | – | 600 | 300 (2.00 given for one) "
        "| 26 (13–53) % | 3.00 GiB | 1.500 |"
    )
    assert lines[3] == (
        "| train-trl | 1 | 1.00 (1.00–1.00) | 4.00 (2.00–8.00) | 600 | 300 (2.00 given for one) "
        "| – | 3.00 GiB (while loading) | 1.500 |"
    )


def test_the_prediction_table_counts_right_answers_and_differences() -> None:
    first, second = [-1.0, -2.0], [-2.0, -1.0]
    done = {
        "questions": 2,
        "keys": [0, 1],
        "labels-tree": record(1.0, scores=[first, first]),
        "labels-flat": record(2.0, scores=[first, first]),
        "labels-harness": record(4.0, scores=[first, second]),
        "labels-audit": {
            "without_end": [first, second],
            "their_tokens": [first, [-2.0, -1.25]],
            "same_tokens": [True, True],
        },
        "orders": {"seconds_one": 2.0, "seconds_four": 3.0, "computed_one": 4, "computed_four": 5},
    }
    tree, flat, harness = prediction_table([done]).splitlines()[2:]
    assert tree.endswith("| 1 of 2 | – |")
    assert flat.endswith("| 1 of 2 | 0 of 2 |")
    assert harness.endswith("| 2 of 2 | 1 of 2: 1 the end is scored here and not there |")
    assert audit_lines([done]) == (
        "labels: given the harness's own tokens, this engine's scores are within 0.25 of the "
        "harness's, and 0 of 2 answers differ; 0 of 2 questions have other tokens at a seam.\n"
    )
    assert orders_line([done]) == (
        "Four option orders cost 1.50 (1.50–1.50) times one order (1.25 (1.25–1.25) times the "
        "tokens computed).\n"
    )


def test_the_calibration_table_tells_speed_and_memory_of_each_batch_size() -> None:
    assert calibration_table([("train-tree", 4, record(4.0))], 16).splitlines()[2] == (
        "| train-tree | 4 | 4.00 | 100 | 3.00 GiB |"
    )


def test_a_run_that_was_cut_off_does_not_measure_again(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text('{"what": "round 1, train-tree, batch 4", "seconds": 3.5}\n', "utf-8")
    bench = Bench("no such model", results)
    assert bench.run("round 1, train-tree, batch 4", "engine.train", None, {}) == {"seconds": 3.5}
