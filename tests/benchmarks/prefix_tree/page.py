"""Runs → the block of docs/en/benchmarks.md that the benchmark writes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from prefix_tree import machine
from prefix_tree.joined import joined_best_table, joined_table
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

__all__ = ["page"]

WIDTH = 115  # characters of a line of prose


def page(runs: Sequence[Run]) -> str:
    """Markdown of one run or, with ranges over them, of several.

    Raises:
        ValueError: If the runs are not of the same model.
    """
    models = sorted({run.setup["model"] for run in runs})
    if len(models) > 1:
        raise ValueError(f"expected runs of one model, found {', '.join(models)}")
    if len(runs) == 1:
        return _wrapped(f"{_about(runs[0])}\n{_tables(runs[0], '###')}")
    parts = ["".join(f"Run {number}: {_about(run)}" for number, run in enumerate(runs, start=1))]
    parts.append(
        "Of each run the median of its rounds and, in brackets, the lowest and highest. Ranges are "
        "from the lowest to the highest median of the runs and, in brackets, over all rounds.\n"
    )
    for kind, heading in (("train", "Training"), ("predict", "Prediction")):
        if any(run.keys(kind) for run in runs):
            parts.append(f"### {heading}\n\n{joined_table(runs, kind)}")
    parts.append(f"### Each side in its best dtype\n\n{joined_best_table(runs)}")
    for number, run in enumerate(runs, start=1):
        parts.append(f"### Run {number}\n\n{_tables(run, '####')}")
    return _wrapped("\n".join(parts))


def _wrapped(text: str) -> str:
    """Markdown whose lines of prose, but not the rows of its tables, are of bounded length."""
    lines = text.split("\n")
    return "\n".join(line if line.startswith("|") else _filled(line) for line in lines)


def _filled(line: str) -> str:
    return textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False)


def _about(run: Run) -> str:
    setup = run.setup
    return (
        f"{setup['model']} on {machine.line(setup['machine'])}. Rounds: {len(run.rounds)}. "
        f"Questions of a round: {setup['questions']} to answer, {setup['train_questions']} to "
        f"train on; of a trial: {setup['trial_questions']}.\n"
    )


def _tables(run: Run, level: str) -> str:
    sections = [
        ("Training", training_table(run) if run.keys("train") else ""),
        ("Prediction", prediction_table(run) if run.keys("predict") else ""),
        ("Each side in its best dtype", best_table(run) if run.rounds else ""),
        ("Answers in common, labels", agreement_table(run, "labels")),
        ("Answers in common, texts", agreement_table(run, "texts")),
        ("On the same tokens", audit_lines(run)),
        ("Four orders of the options", orders_line(run)),
        ("Batch sizes tried", trials_table(run) if run.trials else ""),
    ]
    return "\n".join(f"{level} {heading}\n\n{text}" for heading, text in sections if text)
