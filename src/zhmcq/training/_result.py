"""The result of a training run, and the model card of its adapter."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhmcq._visible import visible
from zhmcq.errors import OutputError
from zhmcq.manifest import Manifest, versions
from zhmcq.reports import plot_history
from zhmcq.training._preflight import PreflightReport, TokenLengths

__all__ = ["TrainingResult", "model_card"]

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


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

    def push_to_hub(self, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
        """Upload the adapter's folder to the hub, without checkpoints and the run's record.

        The manifest, which is among the files, names the base model as it was given: by a path of
        this machine, if it was one.

        Args:
            repo_id: ``"owner/name"``; made if it is not there yet.
            private: Whether a new repository can be seen by its owner alone.
            token: A hub access token that may write; the one of ``hf auth login`` if ``None``.

        Returns:
            The address of the upload.

        Raises:
            OutputError: If the hub cannot be reached or refuses, or if a private repository is
                requested and ``repo_id`` is a public one.
        """
        from huggingface_hub import HfApi
        from huggingface_hub import errors as hub_errors

        # The http library's own exception: errors without any answer are of it as well. Versions
        # of the hub's client use other libraries; its errors name the one in use.
        http_error: type[Exception] = hub_errors.HTTPError  # type: ignore[attr-defined]
        hub = HfApi(token=token)
        try:
            hub.create_repo(repo_id, private=private, exist_ok=True)
            if private and not hub.repo_info(repo_id).private:
                raise OutputError(
                    f"{repo_id!r} is there already and can be seen by everyone: pass "
                    "private=False to upload to it all the same"
                )
            address = hub.upload_folder(
                repo_id=repo_id,
                folder_path=self.adapter_dir,
                ignore_patterns=["checkpoints/*", "run.json", ".*"],
                commit_message="LoRA adapter trained with zhmcq",
            )
        except (http_error, hub_errors.HFValidationError, OSError, ValueError) as error:
            raise OutputError(
                f"{self.adapter_dir} cannot be uploaded to {repo_id!r}: {error}. Run `hf auth "
                "login`, or pass token='hf_…' with a token that may write there"
            ) from error
        return str(address)

    def plot(self, path: str | Path, title: str = "") -> None:
        """Draw the run as png: see :func:`zhmcq.reports.plot_history`.

        Raises:
            OutputError: If matplotlib is missing, nothing was recorded, or the file cannot be
                written.
        """
        plot_history(self.history, path, best_step=self.best_step, title=title)


def model_card(manifest: Manifest, report: PreflightReport) -> str:
    """The model card of an adapter, made of what its manifest remembers.

    Markdown for people and, in its head, metadata for the hub.

    Args:
        manifest: The adapter's manifest.
        report: The report on the questions it was trained on.
    """
    base = manifest.base.name
    on_hub = HUB_ID.fullmatch(base) is not None and not Path(base).exists()
    shown = base if on_hub else Path(base).name
    head = ["library_name: peft", "tags: [zhmcq, lora, multiple-choice]", "language: [zh]"]
    if on_hub:
        head.insert(0, f"base_model: {base}")
    training = manifest.training
    options = json.dumps(manifest.prompt.options, ensure_ascii=False)
    settings = json.dumps(manifest.settings, ensure_ascii=False, indent=2)
    made_with = ", ".join(f"{name} {number}" for name, number in versions().items())
    text = f"""---
{chr(10).join(head)}
---

# LoRA adapter for {shown}

Answers Chinese multiple-choice questions. Trained with zhmcq.

## Accuracy

{_accuracy(training)}

## Data

- {training["questions"]} questions to train on, {training["validation_questions"]} for validation
- tokens of a prompt with its answer: {_lengths(report.lengths)};
  {report.shortened} questions with a passage shortened to fit {manifest.max_length}
- SHA-256 of the encoded questions: `{training["train_sha256"]}` (training),
  `{training["valid_sha256"]}` (validation)

## Use

```python
import zhmcq

predictor = zhmcq.MCQPredictor({json.dumps(shown)}, adapter="THIS FOLDER")
predictions = predictor.predict("questions.xlsx")
```

Trained with the prompt `{manifest.prompt.name}`, options `{options}`, which this folder remembers.
The base model's weights have the SHA-256 `{manifest.base.weights_sha256}`.

## Settings

```json
{settings}
```

Made with {made_with}.
"""
    return visible(text)


def _lengths(lengths: TokenLengths) -> str:
    return f"median {lengths.median}, 90 % up to {lengths.p90}, longest {lengths.longest}"


def _accuracy(training: dict[str, Any]) -> str:
    count, share = training["validation_questions"], training["metrics"].get("accuracy")
    step, steps = training["best_step"], training["steps"]
    if not count or share is None:
        return f"Not measured: there were no validation questions. Step {step} was saved."
    right = round(share * count)
    ends = [training["metrics"].get(f"accuracy_{end}") for end in ("low", "high")]
    interval = "; 95 % interval {:.1%} to {:.1%}".format(*ends) if None not in ends else ""
    return (
        f"{share:.1%} of {count} validation questions ({right} right{interval}), exact, at step "
        f"{step} of {steps}. The step was chosen by these same questions, so the figure is a "
        "little too high."
    )
