"""What makes two runs the same run, and what their adapter's manifest remembers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import zhmcq
from zhmcq.encoding import Encoder
from zhmcq.manifest import BaseIdentity, SeenQuestions
from zhmcq.prompts import describe_prompt, get_prompt
from zhmcq.questions import Question
from zhmcq.training._preflight import CheckedQuestions, preflight_report
from zhmcq.training._run import Run
from zhmcq.training._run_folder import RunFolder

BANK = [Question(f"q{i}", f"{i}？", ("甲", "乙"), answer=(i % 2,)) for i in range(3)]


@pytest.fixture
def run(tokenizer: Any, tmp_path: Path) -> Run:
    encoder = Encoder(tokenizer, get_prompt("zh-exam"))
    encoded, _ = encoder.encode(BANK)
    checked = CheckedQuestions(3, encoded, [])
    return Run(
        folder=RunFolder(tmp_path),
        lora=zhmcq.LoraSettings(r=4),
        settings=zhmcq.TrainingSettings(hub_token="hf_secret"),  # noqa: S106
        quantization=None,
        identity=BaseIdentity(
            name="base",
            config={},
            weights_sha256="bb",
            tokenizer_sha256="t",
            chat_template_sha256="",
        ),
        prompt=describe_prompt("zh-exam"),
        arguments=SimpleNamespace(world_size=2, device=torch.device("cpu")),  # type: ignore[arg-type]
        dtype=torch.bfloat16,
        encoder=encoder,
        train=encoded,
        validation=encoded[:1],
        validation_clusters=[],
        epoch_questions=lambda _epoch: encoded,
        report=preflight_report(checked, checked, encoder.codec),
        process=0,
        seen=SeenQuestions(),
    )


def test_a_run_is_the_same_by_its_base_prompt_settings_data_and_circumstances(run: Run) -> None:
    record = run.record
    assert list(record) == [
        "base",
        "prompt",
        "template_date",
        "lora",
        "training",
        "quantization",
        "processes",
        "device",
        "dtype",
        "train_sha256",
        "valid_sha256",
    ]
    assert (record["processes"], record["device"], record["dtype"]) == (2, "cpu", "bfloat16")
    assert "name" not in record["base"]  # its name may change
    assert record["train_sha256"] != record["valid_sha256"]
    assert "hf_secret" not in str(record)


def test_the_manifest_has_the_outcome_beside_what_the_run_is(run: Run) -> None:
    manifest = run.manifest(steps=4, best_step=2, metrics={"accuracy": 0.5})
    assert (manifest.kind, manifest.base.name, manifest.max_length) == ("adapter", "base", 512)
    assert manifest.prompt == run.prompt
    assert manifest.settings["lora"]["r"] == 4
    assert manifest.training["questions"] == 3
    assert manifest.training["validation_questions"] == 1
    assert (manifest.training["steps"], manifest.training["best_step"]) == (4, 2)
    assert manifest.training["metrics"] == {"accuracy": 0.5}
    assert manifest.training["train_sha256"] == run.record["train_sha256"]
