"""What a training run came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhmcq.errors import OutputError
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

    def push_to_hub(self, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
        """Upload the adapter's folder to the hub, without checkpoints and the run's record.

        The manifest, which is among the files, holds the base model's name as it was given: a
        path of this machine, if it was one.

        Args:
            repo_id: ``"owner/name"``; made if it is not there yet.
            private: Whether a new repository can be seen by its owner alone.
            token: A hub access token that may write; the one of ``hf auth login`` if ``None``.

        Returns:
            The address of the upload.

        Raises:
            OutputError: If the hub cannot be reached or refuses, or if a private repository is
                asked for and ``repo_id`` is a public one.
        """
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        # Its bases up to those of the http library in use, which has errors of no answer as well.
        http = [kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError"]
        refused: tuple[type[BaseException], ...] = (*http, HFValidationError, OSError, ValueError)

        hub = HfApi(token=token)
        try:
            hub.create_repo(repo_id, private=private, exist_ok=True)
            if private and not hub.repo_info(repo_id).private:
                raise OutputError(
                    f"{repo_id!r} is there already and can be seen by everyone: pass "
                    "private=False to upload to it all the same"
                )
            done = hub.upload_folder(
                repo_id=repo_id,
                folder_path=self.adapter_dir,
                ignore_patterns=["checkpoints/*", "run.json", ".*"],
                commit_message="LoRA adapter trained with zhmcq",
            )
        except refused as error:
            raise OutputError(
                f"{self.adapter_dir} cannot be uploaded to {repo_id!r}: {error}. Run `hf auth "
                "login`, or pass token='hf_…' with a token that may write there"
            ) from error
        return str(done)

    def plot(self, path: str | Path, title: str = "") -> None:
        """Draw the run as png: see :func:`zhmcq.training.curve.plot_history`.

        Raises:
            OutputError: If matplotlib is missing, nothing was recorded, or the file cannot be
                written.
        """
        plot_history(self.history, path, best_step=self.best_step, title=title)
