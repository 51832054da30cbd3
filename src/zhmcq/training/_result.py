"""The result of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhmcq._phrases import counted
from zhmcq.cards import add_evaluation
from zhmcq.evaluation import Comparison, Evaluation
from zhmcq.modeling._hub import upload
from zhmcq.reports import plot_history
from zhmcq.training._preflight import PreflightReport

__all__ = ["TrainingResult", "lengths_in_words"]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of a training run.

    Attributes:
        adapter_dir: The folder of the adapter, its tokenizer and manifest.
        accuracy: The share of validation questions that the saved adapter answers exactly;
            ``None`` without any.
        steps: Optimizer steps in all.
        best_step: The step whose adapter was saved.
        history: What transformers' Trainer logged, in order. The figures of an evaluation are
            described under :func:`zhmcq.training.summarise`, each name after ``eval_``.
        questions_per_second: Training questions per second in this call, evaluations left out.
        tokens_given: Tokens that would be computed if each sequence had a row of its own.
        tokens_computed: Tokens that went through the model in training.
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

    def add_evaluation(self, result: Evaluation | Comparison, *, data: str) -> Path:
        """Add what was measured to the adapter's model card: :func:`zhmcq.cards.add_evaluation`.

        Args:
            result: The evaluation of the adapter's answers, or a comparison with the base model.
            data: What the questions are, as readers of the card will know them.

        Returns:
            The model card.

        Raises:
            PredictionError: If ``result`` is something else.
            SettingsError: If ``data`` is no text, or an empty one.
            ManifestError: If what the folder remembers cannot be read.
            OutputError: If the card has no section for the figures, or cannot be written.
        """
        return add_evaluation(self.adapter_dir, result, data=data)

    def push_to_hub(self, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
        """Upload the adapter to the hub: what its manifest lists, with manifest and model card.

        Nothing else that lies in its folder is uploaded. The manifest names the base model as it
        was given: by a path of this machine, if it was one.

        Args:
            repo_id: ``"owner/name"``; made if it is not there yet.
            private: Whether a new repository can be seen by its owner alone.
            token: A hub access token that may write; the one of ``hf auth login`` if ``None``.

        Returns:
            The address of the upload.

        Raises:
            ManifestError: If a file of the adapter was changed since.
            OutputError: If the hub cannot be reached or refuses, or if a private repository is
                requested and ``repo_id`` is a public one.
        """
        message = "LoRA adapter trained with zhmcq"
        return upload(self.adapter_dir, repo_id, private=private, token=token, message=message)

    def plot(self, path: str | Path, title: str = "") -> None:
        """Draw the run as png: see :func:`zhmcq.reports.plot_history`.

        Raises:
            OutputError: If matplotlib is missing, nothing was recorded, or the file cannot be
                written.
        """
        plot_history(self.history, path, best_step=self.best_step, title=title)


def lengths_in_words(report: PreflightReport, max_length: int) -> str:
    """How long the training questions were, for the adapter's model card.

    Args:
        report: The report on them.
        max_length: The most tokens of a prompt with its answer.
    """
    lengths = report.lengths
    return (
        f"tokens of a prompt with its answer: median {lengths.median}, 90 % up to {lengths.p90}, "
        f"longest {lengths.longest};\n"
        f"  {counted(report.shortened, 'question')} with a passage shortened to fit {max_length}"
    )
