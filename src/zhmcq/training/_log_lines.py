"""What transformers' Trainer logs of a run, as lines for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zhmcq._phrases import records

__all__ = ["log_line"]

EVALUATION = "eval_"
# What the manifest and the history keep, and nobody follows in a log; and what is not counted here.
LEFT_OUT = re.compile(r"weight_\w+|epoch|total_flos|train_(samples|steps)_per_second")


def log_line(step: int, steps: int, logs: Mapping[str, Any]) -> str:
    """A line on what was logged after a step.

    Args:
        step: The number of the step.
        steps: How many the run has.
        logs: Figures by transformers' names, those of an evaluation with ``eval_`` before them.
    """
    if "train_runtime" in logs:
        loss = _number(logs.get("train_loss"))
        return records.training_ended(step, steps, logs["train_runtime"], loss)
    if f"{EVALUATION}accuracy" in logs:
        figures = {name.removeprefix(EVALUATION): value for name, value in logs.items()}
        return _evaluation(step, steps, figures)
    shown = {name: value for name, value in logs.items() if not LEFT_OUT.fullmatch(name)}
    return records.step_record(step, steps, _numbers(shown))


def _evaluation(step: int, steps: int, figures: dict[str, Any]) -> str:
    accuracy, interval = figures.pop("accuracy"), None
    if {"accuracy_low", "accuracy_high"} <= figures.keys():
        interval = figures.pop("accuracy_low"), figures.pop("accuracy_high")
    recalls = {
        name.removeprefix("recall_"): figures.pop(name)
        for name in list(figures)
        if name.startswith("recall_")
    }
    others = {name: value for name, value in figures.items() if not LEFT_OUT.fullmatch(name)}
    return records.evaluation_record(step, steps, accuracy, interval, _numbers(others), recalls)


def _numbers(figures: Mapping[str, Any]) -> dict[str, str]:
    return {name: _number(value) for name, value in figures.items()}


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)
