"""What a training run came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhmcq.training.curve import plot_history
from zhmcq.training.preflight import PreflightReport

__all__ = ["TrainingResult"]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a run came to.

    Attributes:
        adapter_dir: The folder of the adapter, its tokenizer and manifest.
        accuracy: Of the kept adapter on the validation questions, exact; ``None`` without any.
        steps: Optimizer steps in all.
        best_step: The step whose adapter was kept.
        history: What transformers' Trainer logged, in order; what an evaluation's record says is
            under :func:`zhmcq.training.metrics.summarise`, each name after ``eval_``.
        questions_per_second: Training questions a second in this call, evaluations left out.
        tokens_given: Tokens of the supervised sequences in rows of their own.
        tokens_computed: Tokens that went through the model.
        preflight: What was checked before the first step.
    """

    adapter_dir: Path
    accuracy: float | None
    steps: int
    best_step: int
    history: list[dict[str, Any]] = field(repr=False)
    questions_per_second: float
    tokens_given: int
    tokens_computed: int
    preflight: PreflightReport = field(repr=False)

    def plot(self, path: str | Path, title: str = "") -> None:
        """Draw the run as png: see :func:`zhmcq.training.curve.plot_history`.

        Raises:
            OutputError: If matplotlib is missing, nothing was recorded, or the file cannot be
                written.
        """
        plot_history(self.history, path, best_step=self.best_step, title=title)
