"""Records of a run, and of several → the tables that the benchmark writes."""

from __future__ import annotations

from typing import Any

import pytest

from prefix_tree.joined import joined_best_table, joined_table, run_range
from prefix_tree.page import page
from prefix_tree.report import (
    agreement_table,
    audit_lines,
    best_table,
    orders_line,
    prediction_table,
    training_table,
    trials_table,
)
from prefix_tree.runs import Run

SHAPE = {"body": 100, "head": 50, "attention": 8, "adapter": 10}
MACHINE = {
    "processor": "Processor X",
    "flags": ["avx512f", "avx512_bf16"],
    "cores": 2,
    "threads": 2,
    "python": "3.11.7",
    "versions": {"torch": "2.13.0"},
}


def setup(model: str = "tiny", processor: str = "Processor X") -> dict[str, Any]:
    return {
        "what": "run",
        "stage": "run",
        "machine": MACHINE | {"processor": processor},
        "model": model,
        "questions": 2,
        "train_questions": 8,
        "trial_questions": 16,
    }


def turn(
    side: str, seconds: float, dtype: str = "float32", number: int = 1, **more: Any
) -> dict[str, Any]:
    return {
        "stage": "round",
        "round": number,
        "side": side,
        "dtype": dtype,
        "batch": 4,
        "questions": 8,
        "keys": [],
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


def answered(side: str, seconds: float, dtype: str = "float32", **more: Any) -> dict[str, Any]:
    return turn(side, seconds, dtype, questions=2, keys=[0, 1], **more)


def run(*records: dict[str, Any], **about: str) -> Run:
    return Run.from_records([setup(**about), *records])


FIRST, SECOND = [-1.0, -2.0], [-2.0, -1.0]


def test_the_training_table_compares_round_by_round_within_a_dtype() -> None:
    records = []
    for number, seconds in enumerate((1.0, 2.0, 4.0), start=1):
        for dtype, rate in (("float32", 1e6), ("bfloat16", 4e6)):
            matmul = {"stage": "matmul", "round": number, "dtype": dtype, "rates": [rate, 1]}
            records.append(matmul | {"shape": SHAPE})
        more: dict[str, Any] = {"tokens": None, "peak_before": 3 * 2**30, "number": number}
        records += [
            turn("train-tree", seconds, number=number),
            turn("train-trl", 8.0, **more),
            turn("train-tree", seconds / 2, "bfloat16", number),
            turn("train-trl", 2.0, "bfloat16", **(more | {"batch": 4 + number // 3 * 4})),
        ]
    lines = training_table(run(*records)).splitlines()[2:]
    # (400 + 60)·100 + 4·50·4 + 12·8·2·50² = 526,800 operations of 1e6 a second.
    assert lines == [
        (
            "| `train-tree` | float32 | 4 | 4.00 (2.00–8.00) | – | 600 | 300 (2.00 given for one) "
            "| 26 (13–53) % | 3.00 GiB | 1.500 |"
        ),
        (
            "| `train-tree` | bfloat16 | 4 | 8.00 (4.00–16.00) | – | 600 "
            "| 300 (2.00 given for one) | 13 (7–26) % | 3.00 GiB | 1.500 |"
        ),
        (
            "| `train-trl` | float32 | 4 | 1.00 (1.00–1.00) | 4.00 (2.00–8.00) | 600 "
            "| 300 (2.00 given for one) | – | 3.00 GiB (while loading) | 1.500 |"
        ),
        (
            "| `train-trl` | bfloat16 | 4, 8 | 4.00 (4.00–4.00) | 2.00 (1.00–4.00) | 600 "
            "| 300 (2.00 given for one) | – | 3.00 GiB (while loading) | 1.500 |"
        ),
    ]


def test_sides_are_compared_in_the_dtype_in_which_each_is_fastest() -> None:
    measured = run(
        turn("train-tree", 2.0),
        turn("train-tree", 1.0, "bfloat16"),
        turn("train-trl", 8.0),
        turn("train-trl", 16.0, "bfloat16"),
    )
    assert best_table(measured).splitlines() == [
        "| side | its best dtype | questions/s | this engine is faster by |",
        "| --- | --- | --- | --- |",
        "| `train-tree` | bfloat16 | 8.00 (8.00–8.00) | – |",
        "| `train-trl` | float32 | 1.00 (1.00–1.00) | 8.00 (8.00–8.00) |",
    ]


LABELS = (
    answered("labels-tree", 1.0, scores=[FIRST, FIRST]),
    answered("labels-tree", 0.5, "bfloat16", scores=[FIRST, [-1.125, -1.0]]),
    answered("labels-flat", 2.0, scores=[FIRST, FIRST]),
    answered("labels-harness", 4.0, scores=[FIRST, SECOND]),
    answered("llama-cpp", 2.0, "q4_k_m", answers=[1, 0]),
    answered("orders", 1.0, seconds_one=2.0, seconds_four=3.0, computed_one=4, computed_four=5),
    {
        "stage": "audit",
        "round": 1,
        "candidates": "labels",
        "dtype": "float32",
        "without_end": [FIRST, SECOND],
        "their_tokens": [FIRST, [-2.0, -1.25]],
        "same_tokens": [True, True],
    },
)


def test_the_prediction_table_counts_right_answers_and_differences() -> None:
    tree, half, flat, harness, llama_cpp = prediction_table(run(*LABELS)).splitlines()[2:]
    assert tree.endswith("| 1 of 2 | – |")
    assert half.endswith("| 2 of 2 | – |")
    assert flat.endswith("| 1 of 2 | 0 of 2 |")
    assert harness.endswith("| 2 of 2 | 1 of 2: 1 the end is scored here and not there |")
    assert llama_cpp.startswith("| `llama-cpp` | q4_k_m | 4 | 1.00 (1.00–1.00) | – | ")
    assert llama_cpp.endswith("| 0 of 2 | 1 of 2: 1 its arithmetic |")


def test_answers_are_compared_between_all_sides_and_dtypes() -> None:
    lines = agreement_table(run(*LABELS), "labels").splitlines()
    assert lines[0] == (
        "| answers in common | `labels-tree`, float32 | `labels-tree`, bfloat16 "
        "| `labels-flat`, float32 | `labels-harness`, float32 | `llama-cpp`, q4_k_m |"
    )
    assert lines[2] == "| `labels-tree`, float32 | – | 1 of 2 | 2 of 2 | 1 of 2 | 1 of 2 |"
    assert lines[6] == "| `llama-cpp`, q4_k_m | 1 of 2 | 0 of 2 | 1 of 2 | 0 of 2 | – |"
    assert agreement_table(run(*LABELS), "texts") == ""


def test_the_lines_below_the_tables() -> None:
    assert audit_lines(run(*LABELS)) == (
        "labels, float32: given the harness's own tokens, this engine's scores are within 0.25 of "
        "the harness's, and 0 of 2 answers differ; 0 of 2 questions have other tokens at a seam.\n"
    )
    assert orders_line(run(*LABELS)) == (
        "Four option orders in float32 cost 1.50 (1.50–1.50) times one order (1.25 (1.25–1.25) "
        "times the tokens computed).\n"
    )


def trial(batch: int, **more: Any) -> dict[str, Any]:
    return turn("labels-harness", 4.0) | {"stage": "trial", "batch": batch, **more}


def test_every_trial_is_shown_and_the_fastest_is_bold() -> None:
    measured = run(trial(1), trial(4, seconds=2.0), trial(8, failed="does not fit in memory"))
    assert trials_table(measured).splitlines()[2:] == [
        "| `labels-harness` | float32 | 1 | 2.00 | 100 | 3.00 GiB |",
        "| `labels-harness` | float32 | 4 | **4.00** | 100 | 3.00 GiB |",
        "| `labels-harness` | float32 | 8 | does not fit in memory |  |  |",
    ]


def test_a_range_is_of_the_runs_medians_and_in_brackets_of_all_rounds() -> None:
    assert run_range([[3.0, 1.0, 2.0], [], [4.0, 6.0, 5.0]]) == "2.00–5.00 (1.00–6.00)"
    assert run_range([[2.0]]) == "2.00 (2.00–2.00)"
    assert run_range([[], []]) == "–"


def two_runs() -> list[Run]:
    slower = run(
        turn("train-tree", 4.0),
        turn("train-trl", 16.0),
        turn("train-trl", 8.0, "bfloat16"),
        processor="Processor Y",
    )
    return [run(turn("train-tree", 2.0), turn("train-trl", 16.0), *LABELS[:1]), slower]


def test_joined_runs_show_each_speed_and_the_range_of_the_ratios() -> None:
    assert joined_table(two_runs(), "train").splitlines() == [
        (
            "| side | dtype | questions/s, run 1 | questions/s, run 2 | this engine is faster by "
            "| of a plain matmul's rate |"
        ),
        "| --- | --- | --- | --- | --- | --- |",
        "| `train-tree` | float32 | 4.00 (4.00–4.00) | 2.00 (2.00–2.00) | – | – |",
        (
            "| `train-trl` | float32 | 0.50 (0.50–0.50) | 0.50 (0.50–0.50) "
            "| 4.00–8.00 (4.00–8.00) | – |"
        ),
        "| `train-trl` | bfloat16 | – | 1.00 (1.00–1.00) | – | – |",
    ]


def test_joined_runs_compare_the_best_dtype_of_each_run() -> None:
    assert joined_best_table(two_runs()).splitlines()[2:] == [
        "| `train-tree` | float32 | 4.00 (4.00–4.00) | 2.00 (2.00–2.00) | – |",
        (
            "| `train-trl` | float32, bfloat16 | 0.50 (0.50–0.50) | 1.00 (1.00–1.00) "
            "| 2.00–8.00 (2.00–8.00) |"
        ),
        "| `labels-tree` | float32 | 2.00 (2.00–2.00) | – | – |",
    ]


def test_a_page_names_the_processor_and_has_a_section_for_each_table() -> None:
    text = page([run(*LABELS, trial(1))])
    about, _, rest = text.partition("\n\n")
    assert about == (
        "tiny on Processor X, 2 cores (avx512f, avx512_bf16), 2 threads, Python 3.11.7, torch "
        "2.13.0. Rounds: 1. Questions\n"  # no line of prose is longer than 115 characters
        "of a round: 2 to answer, 8 to train on; of a trial: 16."
    )
    assert rest.startswith("### Prediction\n\n| side | dtype | batch |")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "### Prediction",
        "### Each side in its best dtype",
        "### Answers in common, labels",
        "### On the same tokens",
        "### Four orders of the options",
        "### Batch sizes tried",
    ]


def test_a_page_of_two_runs_begins_with_their_ranges() -> None:
    text = page(two_runs())
    assert text.startswith("Run 1: tiny on Processor X, ")
    assert "\nRun 2: tiny on Processor Y, " in text
    assert [line for line in text.splitlines() if line.startswith("### ")] == [
        "### Training",
        "### Prediction",
        "### Each side in its best dtype",
        "### Run 1",
        "### Run 2",
    ]
    with pytest.raises(ValueError, match="runs of one model, found other, tiny"):
        page([run(), run(model="other")])
