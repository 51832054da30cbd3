"""Stopping a run early, when its evaluations have stopped getting better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from transformers import TrainerCallback

__all__ = ["StopEarly"]


class StopEarly(TrainerCallback):
    """Stops after ``patience`` evaluations in a row without a better value of a metric.

    It counts in the history of evaluations, which checkpoints keep: a resumed run goes on
    counting where the interrupted one was. transformers' own callback counts by what it calls
    the best checkpoint, which is not how the best adapter is chosen here.

    Args:
        patience: How many evaluations to wait for a better one.
        metric: ``"accuracy"`` or ``"loss"``.
    """

    def __init__(self, patience: int, metric: Literal["accuracy", "loss"]) -> None:
        self._patience = patience
        self._name = f"eval_{metric}"
        self._sign = 1 if metric == "accuracy" else -1

    def is_over(self, history: Sequence[dict[str, Any]]) -> bool:
        """Whether the evaluations in ``history`` are reason to stop."""
        values = [self._sign * entry[self._name] for entry in history if self._name in entry]
        return bool(values) and len(values) - 1 - values.index(max(values)) >= self._patience

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Ask transformers to stop, if it is time, with a checkpoint that knows why."""
        if self.is_over(state.log_history):
            # A run that is cut off between here and its adapter must not train on when resumed.
            control.should_save = control.should_training_stop = True
