"""The model card says what the adapter is, and no path of the machine it was made on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zhmcq.manifest import BaseIdentity, Manifest, PromptRecord
from zhmcq.training import PreflightReport, TokenLengths
from zhmcq.training._result import model_card

REPORT = PreflightReport(
    questions=300,
    validation_questions=100,
    findings=(),
    shortened=7,
    validation_shortened=2,
    lengths=TokenLengths(median=210, p90=330, p99=490, longest=512),
    example="",
)


def card(name: str = "someone/a-model", **training: Any) -> str:
    done = {
        "steps": 40,
        "best_step": 30,
        "metrics": {
            "accuracy": 0.8,
            "accuracy_low": 0.7112,
            "accuracy_high": 0.8666,
            "loss": 0.6,
        },
        "questions": 300,
        "validation_questions": 100,
        "train_sha256": "aa11",
        "valid_sha256": "bb22",
        **training,
    }
    manifest = Manifest(
        kind="adapter",
        base=BaseIdentity(
            name=name,
            config={},
            weights_sha256="dd44",
            tokenizer_sha256="t",
            chat_template_sha256="",
        ),
        prompt=PromptRecord(name="zh-exam", options={"labels": "甲乙"}, sha256="ee55"),
        max_length=512,
        settings={"lora": {"r": 8}},
        training=done,
    )
    return model_card(manifest, REPORT)


def test_it_has_accuracy_data_settings_and_use() -> None:
    text = card()
    assert text.startswith("---\nbase_model: someone/a-model\nlibrary_name: peft\n")
    assert (
        "80.0% of 100 validation questions (80 right; 95 % interval 71.1% to 86.7%), exact, at "
        "step 30 of 40."
    ) in text
    assert "- 300 questions to train on, 100 for validation\n" in text
    assert "median 210, 90 % up to 330, longest 512;\n  7 questions with a passage" in text
    assert "shortened to fit 512\n" in text
    assert "`aa11` (training),\n  `bb22` (validation)" in text
    assert 'predictor = zhmcq.MCQPredictor("someone/a-model", adapter="THIS FOLDER")' in text
    assert 'Trained with the prompt `zh-exam`, options `{"labels": "甲乙"}`' in text
    assert "weights have the SHA-256 `dd44`" in text
    assert '"r": 8' in text
    assert "Made with zhmcq " in text


def test_a_base_model_on_this_machine_is_named_without_its_path(tmp_path: Path) -> None:
    text = card(str(tmp_path / "my-model"))
    assert str(tmp_path) not in text
    assert "base_model:" not in text
    assert "# LoRA adapter for my-model\n" in text


def test_without_validation_questions_it_claims_no_accuracy() -> None:
    text = card(metrics={}, validation_questions=0, best_step=40)
    assert "Not measured: there were no validation questions. Step 40 was saved." in text
    assert "%)" not in text


def test_characters_that_act_are_shown_as_escapes() -> None:
    text = card("/models/a\x1b[31m\u202e")
    assert text.startswith("---\nlibrary_name: peft\n")
    assert "# LoRA adapter for a\\x1b[31m\\u202e\n" in text
