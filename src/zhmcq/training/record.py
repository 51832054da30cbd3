"""What a run is remembered by: which calls are the same run, and its adapter's manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from zhmcq.encoding.encode import EncodedQuestion
from zhmcq.manifest import BaseIdentity, Manifest, PromptRecord
from zhmcq.settings import LoraSettings, QuantizationSettings, TrainingSettings

__all__ = ["adapter_manifest", "run_record"]

SETTINGS = ("lora", "training", "quantization")
CIRCUMSTANCES = ("processes", "device", "dtype", "train_sha256", "valid_sha256")


def run_record(
    identity: BaseIdentity,
    prompt: Mapping[str, Any],
    lora: LoraSettings,
    training: TrainingSettings,
    quantization: QuantizationSettings | None,
    parts: tuple[Sequence[EncodedQuestion], Sequence[EncodedQuestion]],
    machine: tuple[int, str, str],
) -> dict[str, Any]:
    """What makes two runs the same run, so that one can go on where the other ended; no secrets.

    Args:
        identity: Of the base model.
        prompt: As :func:`zhmcq.prompts.describe_prompt` describes it.
        lora: Settings of the adapter.
        training: Settings of the run.
        quantization: Of the base model, if any.
        parts: Training and validation questions.
        machine: The number of processes, the device's type, and the dtype computed in: others
            give a step other questions, or other numbers.
    """
    values = training.model_dump(mode="json")
    processes, device, dtype = machine
    return {
        "base": identity.model_dump(exclude={"name"}),
        "prompt": dict(prompt),
        "lora": lora.model_dump(mode="json"),
        "training": {name: value for name, value in values.items() if name[-6:] != "_token"},
        "quantization": quantization.model_dump() if quantization else None,
        "processes": processes,
        "device": device,
        "dtype": dtype,
        "train_sha256": _data_hash(parts[0]),
        "valid_sha256": _data_hash(parts[1]),
    }


def adapter_manifest(
    record: Mapping[str, Any], identity: BaseIdentity, max_length: int, outcome: Mapping[str, Any]
) -> Manifest:
    """The manifest of a finished run's adapter.

    Args:
        record: Of the run.
        identity: Of the base model.
        max_length: The most tokens of a prompt with its answer.
        outcome: What came of it, by name: steps, the chosen one, its metrics, counts of questions.
    """
    return Manifest(
        kind="adapter",
        base=identity,
        prompt=PromptRecord(**record["prompt"]),
        max_length=max_length,
        settings={name: record[name] for name in SETTINGS},
        training={**outcome, **{name: record[name] for name in CIRCUMSTANCES}},
    )


def _data_hash(questions: Sequence[EncodedQuestion]) -> str:
    digest = hashlib.sha256()
    for question in questions:
        digest.update(json.dumps(asdict(question)).encode())
    return digest.hexdigest()
