"""What a side's forward passes computed, how long its steps took, and how much memory it held."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import TrainerCallback

__all__ = ["Meter", "StepClock", "peak_memory"]


def peak_memory() -> int:
    """The most memory this process has held so far, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # Linux tells kilobytes


@dataclass(slots=True)
class Meter:
    """Counts what goes through a model.

    Attributes:
        rows: For each forward pass its rows and their width.
        tokens: Tokens, padding left out; ``None`` where no 2-D mask says what padding is.
        projected: Positions through the output head.
        supervised_only: Whether a model that gives log-probabilities in place of logits, as
            TRL's does, projects no more than the positions it scores.
    """

    supervised_only: bool = False
    rows: list[tuple[int, int]] = field(default_factory=list)
    tokens: int | None = 0
    projected: int = 0

    def watch(self, model: Any) -> Any:
        """Count the model's forward passes from now on; ``remove()`` the handle to stop."""
        return model.register_forward_hook(self._count, with_kwargs=True)

    def _count(self, _model: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        ids = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
        self.rows.append((ids.shape[0], ids.shape[1]))
        mask = kwargs.get("attention_mask")
        flat = isinstance(mask, torch.Tensor) and mask.dim() == 2
        if self.tokens is not None:
            self.tokens = self.tokens + int(mask.sum()) if flat else None  # type: ignore[union-attr]
        logits = getattr(output, "logits", None)
        if logits is not None:
            self.projected += logits.numel() // logits.shape[-1]
        else:
            scored = output.label_mask
            self.projected += int(scored.sum()) if self.supervised_only else scored.numel()

    def to_record(self) -> dict[str, Any]:
        """A form that JSON can hold."""
        return {"rows": self.rows, "tokens": self.tokens, "projected": self.projected}


class StepClock(TrainerCallback):
    """Times the steps of a transformers ``Trainer``: from just before the first to the last.

    Loading, tokenizing, checkpoints and the saving of the adapter are outside. One short forward
    pass comes first, so that no side pays for the first touch of its weights.
    """

    def __init__(self, *, supervised_only: bool = False) -> None:
        self.meter = Meter(supervised_only)
        self.steps: list[float] = []
        self.peak_before = 0
        self._start = 0.0
        self._handle: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        model = kwargs["model"]
        with torch.no_grad():
            model(input_ids=torch.ones((1, 32), dtype=torch.long), use_cache=False)
        self._handle = self.meter.watch(model)
        self.peak_before = peak_memory()
        self._start = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.steps.append(time.perf_counter() - self._start - sum(self.steps))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._handle.remove()

    def to_record(self) -> dict[str, Any]:
        """A form that JSON can hold."""
        timed = {"seconds": sum(self.steps), "steps": self.steps, "peak_before": self.peak_before}
        return {**timed, **self.meter.to_record()}
