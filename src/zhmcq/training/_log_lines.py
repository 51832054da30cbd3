"""What transformers' Trainer logs of a run, as lines for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zhmcq._phrases import duration

__all__ = ["log_line"]

NAMES = {"grad_norm": "gradient norm", "learning_rate": "learning rate"}
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
    where = f"step {step} of {steps}"
    if "train_runtime" in logs:
        seconds, loss = duration(logs["train_runtime"]), _number(logs.get("train_loss"))
        return f"{where}: this call took {seconds}, evaluations included; mean loss {loss}"
    if f"{EVALUATION}accuracy" in logs:
        figures = {name.removeprefix(EVALUATION): value for name, value in logs.items()}
        return f"{where}, validation: {_evaluation(figures)}"
    names = {name: value for name, value in logs.items() if not LEFT_OUT.fullmatch(name)}
    return f"{where}: {_listed(names)}"


def _evaluation(figures: dict[str, Any]) -> str:
    accuracy = f"accuracy {figures.pop('accuracy'):.1%}"
    if {"accuracy_low", "accuracy_high"} <= figures.keys():
        low, high = figures.pop("accuracy_low"), figures.pop("accuracy_high")
        accuracy = f"{accuracy} (95 % interval {low:.1%} to {high:.1%})"
    recalls = {
        name.removeprefix("recall_"): figures.pop(name)
        for name in list(figures)
        if name.startswith("recall_")
    }
    others = {name: value for name, value in figures.items() if not LEFT_OUT.fullmatch(name)}
    text = f"{accuracy}, {_listed(others)}" if others else accuracy
    if not recalls:
        return text
    shown = ", ".join(f"{value:.0%} of {option}" for option, value in recalls.items())
    return f"{text}; keys recalled by option: {shown}"


def _listed(figures: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{NAMES.get(name, name.replace('_', ' '))} {_number(value)}"
        for name, value in figures.items()
    )


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)
