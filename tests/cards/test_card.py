"""The model card says what the model is, and no path of the machine it was made on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from huggingface_hub import metadata_load

from zhmcq.cards._card import MergeFacts, model_card
from zhmcq.manifest import BaseIdentity, Manifest, PromptRecord


def manifest(
    name: str = "someone/a-model", kind: Literal["adapter", "merged"] = "adapter", **training: Any
) -> Manifest:
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
    return Manifest(
        kind=kind,
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


def card(name: str = "someone/a-model", **training: Any) -> str:
    return model_card(manifest(name, **training))


def test_it_has_accuracy_data_settings_and_use() -> None:
    text = card()
    assert text.startswith("---\nbase_model: someone/a-model\nlibrary_name: peft\n")
    assert (
        "80.0% of 100 validation questions (80 right; 95 % interval 71.1% to 86.7%), exact, at "
        "step 30 of 40."
    ) in text
    assert "- 300 questions to train on, 100 for validation\n" in text
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


def test_the_lengths_of_the_training_questions_are_listed_where_they_are_known() -> None:
    assert "- tokens: 512\n- SHA-256" in model_card(manifest(), lengths="tokens: 512")
    assert "validation\n- SHA-256" in card()


def test_the_card_of_a_merged_model_says_what_was_merged() -> None:
    merged = manifest(kind="merged")
    text = model_card(merged, merge=MergeFacts("dequantized", verified=40, answer_flips=1))
    assert text.startswith("---\nbase_model: someone/a-model\nlibrary_name: transformers\n")
    assert "# Fine-tuned someone/a-model\n" in text
    assert (
        "Trained with zhmcq. The adapter was merged into the dequantised base model; 1 of 40 "
        "answers were changed by merging.\n"
    ) in text
    assert "The adapter in training: 80.0% of 100 validation questions (80 right;" in text
    assert 'predictor = zhmcq.MCQPredictor("THIS FOLDER")' in text
    unverified = model_card(merged, merge=MergeFacts("full", verified=0, answer_flips=0))
    assert "merged into the full-precision base model.\n" in unverified


def test_the_head_is_metadata_that_the_hub_reads(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(card(), encoding="utf-8")
    assert metadata_load(path) == {
        "base_model": "someone/a-model",
        "library_name": "peft",
        "tags": ["zhmcq", "lora", "multiple-choice"],
        "language": ["zh"],
    }


@pytest.mark.parametrize("value", ["0.8", None, float("nan"), [1], {}, True])
def test_what_a_strange_manifest_says_of_training_is_no_figure(value: object) -> None:
    for strange in ({"accuracy": value}, value):
        text = card(metrics=strange)
        assert "Not measured" in text
        assert "80 right" not in text


def test_a_strange_name_of_a_base_model_is_one_line_of_text() -> None:
    text = card("/models/a\n## b<script>")
    assert "\n# LoRA adapter for a ## b&lt;script&gt;\n" in text
    assert "\n## b" not in text
