"""What a run is, known before its first step: its settings, data and circumstances as one value."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.manifest import BaseIdentity, Manifest, PromptRecord, SeenQuestions
from zhmcq.modeling._device import dtype_name
from zhmcq.settings import LoraSettings, QuantizationSettings, TrainingSettings
from zhmcq.training._metrics import calibration_of
from zhmcq.training._preflight import PreflightReport
from zhmcq.training._run_folder import RunFolder

if TYPE_CHECKING:
    from transformers import TrainingArguments

__all__ = ["Run"]

SETTINGS = ("lora", "training", "quantization")
CIRCUMSTANCES = ("processes", "device", "dtype", "train_sha256", "valid_sha256")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run.

    Attributes:
        folder: Its output folder.
        lora: Settings of the adapter.
        settings: Settings of the run.
        quantization: How the base model is quantised; ``None`` for full precision.
        identity: Hashes that identify the base model.
        prompt: What is remembered of its prompt.
        arguments: transformers' ``TrainingArguments``, which know device and processes.
        dtype: The dtype that the model computes in.
        encoder: Encodes questions with the run's prompt and tokenizer.
        train: The encoded training questions, with keys.
        validation: The encoded validation questions, with keys; may be empty.
        validation_clusters: The number of the cluster of each: those of one group or passage
            share it.
        epoch_questions: The training questions as an epoch shows them, by its 0-based number; at
            the same indexes as in ``train``, and of the same passages.
        report: What was checked before the first step.
        process: Bytes that this process had in memory before the model was loaded.
        seen: Fingerprints of the questions.
    """

    folder: RunFolder
    lora: LoraSettings
    settings: TrainingSettings
    quantization: QuantizationSettings | None
    identity: BaseIdentity
    prompt: PromptRecord
    arguments: TrainingArguments
    dtype: torch.dtype
    encoder: Encoder
    train: Sequence[EncodedQuestion]
    validation: Sequence[EncodedQuestion]
    validation_clusters: Sequence[int]
    epoch_questions: Callable[[int], Sequence[EncodedQuestion]]
    report: PreflightReport
    process: int
    seen: SeenQuestions

    @functools.cached_property
    def record(self) -> dict[str, Any]:
        """What makes two runs the same run, so that one can resume the other.

        Another number of processes gives a step other questions; another kind of device or dtype
        gives other numbers. The dtype is the one in use, also where ``"auto"`` was given.
        Access tokens are left out.
        """
        settings = self.settings.model_dump(mode="json", exclude={"dtype"})
        return {
            "base": self.identity.model_dump(exclude={"name"}),
            "prompt": self.prompt.model_dump(),
            "template_date": self.encoder.template_date,
            "lora": self.lora.model_dump(mode="json"),
            "training": {
                name: value for name, value in settings.items() if not name.endswith("_token")
            },
            "quantization": self.quantization.model_dump() if self.quantization else None,
            "processes": self.arguments.world_size,
            "device": self.arguments.device.type,
            "dtype": dtype_name(self.dtype),
            "train_sha256": _data_hash(self.train),
            "valid_sha256": _data_hash(self.validation),
        }

    def manifest(self, *, steps: int, best_step: int, metrics: Mapping[str, float]) -> Manifest:
        """The manifest of the adapter that came out of the run.

        Args:
            steps: Optimizer steps in all.
            best_step: The step whose adapter was saved.
            metrics: Figures of that step's evaluation; empty without validation questions.
        """
        record = self.record
        settings = {name: record[name] for name in SETTINGS}
        settings["training"] = {**settings["training"], "dtype": self.settings.dtype}
        outcome = {
            "steps": steps,
            "best_step": best_step,
            "metrics": metrics,
            "questions": len(self.train),
            "validation_questions": len(self.validation),
        }
        return Manifest(
            kind="adapter",
            base=self.identity,
            prompt=self.prompt,
            max_length=self.settings.max_length,
            template_date=record["template_date"],
            calibration=calibration_of(metrics, len(self.validation)),
            settings=settings,
            training={**outcome, **{name: record[name] for name in CIRCUMSTANCES}},
        )


def _data_hash(questions: Sequence[EncodedQuestion]) -> str:
    digest = hashlib.sha256()
    for question in questions:
        digest.update(json.dumps(asdict(question)).encode())
    return digest.hexdigest()
