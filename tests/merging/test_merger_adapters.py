"""Merging adapters of other tools and of the hub, and the model card of what was merged."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
from peft_adapters import change_config, logits_of_peft, write_peft_adapter
from transformers import AutoModelForCausalLM

import zhmcq
from zhmcq.cards._card import MergeFacts, model_card
from zhmcq.errors import ManifestError, MergeError, PromptMismatchError, UnknownNameError
from zhmcq.manifest import BaseIdentity, Manifest, PromptRecord
from zhmcq.prompts import ExamPrompt
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama

BANK = [
    Question(f"q{n}", f"第{n}題？", ("甲", "乙", "丙"), "文章。" * n, answer=(0,)) for n in range(3)
]
IDS = torch.tensor([[1, 5, 9, 30, 77, 9, 4]])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("merging") / "base"
    return tiny_llama(folder, hidden_size=16, num_hidden_layers=1, max_position_embeddings=300)


@pytest.fixture(scope="module")
def plain(base: Path) -> Path:
    return write_peft_adapter(base, base.parent / "plain")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"use_dora": True},
        {"use_rslora": True},
        {"modules_to_save": ["lm_head"]},
        {"trainable_token_indices": [5, 9]},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["q_proj"], "target_parameters": ["mlp.gate_proj.weight"]},
    ],
)
def test_the_merged_model_computes_what_peft_computes(
    base: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    folder = write_peft_adapter(base, tmp_path / "adapter", **fields)
    merged = zhmcq.Merger().merge(
        folder, tmp_path / "merged", base_model=base, verify_with=BANK, prompt="zh-exam"
    )
    assert (merged.verified, merged.answer_flips) == (3, 0)
    model = AutoModelForCausalLM.from_pretrained(merged.output_dir)
    with torch.no_grad():
        present = model(IDS).logits
    torch.testing.assert_close(present, logits_of_peft(base, folder, IDS), atol=1e-4, rtol=0)


def test_with_a_prompt_it_is_remembered_and_marked_as_unverified(
    base: Path, plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    zhmcq.Merger().merge(plain, tmp_path / "merged", base_model=base, prompt=ExamPrompt())
    assert caplog.text.count("was not made by zhmcq") == 1
    manifest = Manifest.read(tmp_path / "merged")
    assert (manifest.kind, manifest.unverified) == ("merged", True)
    assert (manifest.prompt.name, manifest.max_length) == ("zh-exam", 300)
    assert manifest.base.name == str(base)
    assert len(manifest.base.weights_sha256) == 64
    caplog.clear()
    predictor = zhmcq.MCQPredictor(tmp_path / "merged")
    assert "was merged from an adapter that was not made by zhmcq" in caplog.text
    predictions = predictor.predict(BANK)
    assert predictions.answered_by is not None
    assert predictions.answered_by.unverified


def test_without_a_prompt_the_merged_model_asks_for_one(
    base: Path, plain: Path, tmp_path: Path
) -> None:
    merged = zhmcq.Merger().merge(plain, tmp_path / "merged", base_model=base)
    assert Manifest.read(merged.output_dir).prompt == PromptRecord(name="", sha256="")
    with pytest.raises(PromptMismatchError, match=r"give the prompt that it was trained with"):
        zhmcq.MCQPredictor(merged.output_dir)
    predictor = zhmcq.MCQPredictor(merged.output_dir, prompt="zh-exam")
    assert len(predictor.predict(BANK)) == 3


def test_the_base_model_that_a_strangers_file_names_is_not_loaded(
    base: Path, plain: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(plain, tmp_path / "adapter"))
    change_config(folder, base_model_name_or_path=str(base))
    message = rf"was not made by zhmcq: give base_model=….*It names {str(base)!r}, which is not"
    with pytest.raises(MergeError, match=message):
        zhmcq.Merger().merge(folder, tmp_path / "merged")
    change_config(folder, base_model_name_or_path=None)
    with pytest.raises(MergeError, match="It names 'none'"):
        zhmcq.Merger().merge(folder, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize(
    ("name", "trust", "message"),
    [
        ("/home/someone/base", False, "names a base model on another machine: give base_model="),
        (r"\\host\share", False, "names a base model on another machine: give base_model="),
        ("someone/base", True, "would run its base model's code: give base_model="),
    ],
)
def test_a_manifest_of_the_hub_neither_names_paths_nor_runs_code(
    base: Path,
    plain: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    trust: bool,
    message: str,
) -> None:
    folder = Path(shutil.copytree(plain, tmp_path / "snapshot"))
    (folder / "README.md").unlink()
    identity = BaseIdentity(
        name=name, config={}, weights_sha256="w", tokenizer_sha256="t", chat_template_sha256=""
    )
    prompt = PromptRecord(name="zh-exam", sha256="p")
    Manifest(kind="adapter", base=identity, prompt=prompt, max_length=64).write(folder)
    calls = []

    def download(name: str, **_: object) -> str:
        calls.append(name)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(MergeError, match=message):
        zhmcq.Merger(trust_remote_code=trust).merge("someone/adapter", tmp_path / "merged")
    assert set(calls) == {"someone/adapter"}


def test_verifying_needs_a_prompt_too(base: Path, plain: Path, tmp_path: Path) -> None:
    merge = zhmcq.Merger().merge
    out = tmp_path / "merged"
    with pytest.raises(PromptMismatchError, match=r"give the prompt .*\(prompt=…\)"):
        merge(plain, out, base_model=base, verify_with=BANK)
    with pytest.raises(UnknownNameError, match="zh-exams"):
        merge(plain, out, base_model=base, prompt="zh-exams")
    with pytest.raises(ManifestError, match=r"no zhmcq_manifest.json and no adapter_config.json"):
        merge(tmp_path, out, base_model=base)
    assert not out.exists()


def test_a_merged_model_is_uploaded_with_its_card_and_nothing_else(
    base: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []

    class Hub:
        def __init__(self, token: str | None) -> None:
            assert token == "hf_x"  # noqa: S105

        def create_repo(self, repo_id: str, **fields: Any) -> None:
            calls.append({"repo_id": repo_id, **fields})

        def repo_info(self, repo_id: str) -> Any:
            return SimpleNamespace(private=repo_id == "me/merged")

        def upload_folder(self, **fields: Any) -> str:
            calls.append(fields)
            return "https://hub/x"

    merged = zhmcq.Merger().merge(plain, tmp_path / "merged", base_model=base, prompt="zh-exam")
    (merged.output_dir / "diary.txt").write_text("private", encoding="utf-8")
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert merged.push_to_hub("me/merged", token="hf_x") == "https://hub/x"  # noqa: S106
    assert calls[0] == {"repo_id": "me/merged", "private": True, "exist_ok": True}
    assert calls[1]["folder_path"] == merged.output_dir
    assert calls[1]["allow_patterns"] == [
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "zhmcq_manifest.json",
    ]


def test_a_card_may_be_edited_and_is_replaced_with_its_model(
    base: Path, plain: Path, tmp_path: Path
) -> None:
    merge = zhmcq.Merger().merge
    merged = merge(plain, tmp_path / "merged", base_model=base, prompt="zh-exam")
    card = merged.output_dir / "README.md"
    written = card.read_text(encoding="utf-8")
    card.write_text("# mine", encoding="utf-8")
    zhmcq.MCQPredictor(merged.output_dir)
    merge(plain, tmp_path / "merged", base_model=base, prompt="zh-exam", overwrite=True)
    assert card.read_text(encoding="utf-8") == written


# --- the card ------------------------------------------------------------------------------


def card(name: str = "someone/base@v1", base: str = "full", **fields: Any) -> str:
    identity = BaseIdentity(
        name=name, config={}, weights_sha256="dd44", tokenizer_sha256="t", chat_template_sha256=""
    )
    values: dict[str, Any] = {
        "prompt": PromptRecord(name="zh-exam", options={"labels": "甲乙"}, sha256="ee55"),
        "training": {"validation_questions": 100, "metrics": {"accuracy": 0.8}},
    }
    manifest = Manifest(kind="merged", base=identity, max_length=64, **{**values, **fields})
    return model_card(manifest, merge=MergeFacts(base, verified=0, answer_flips=0))


def test_a_revision_of_the_base_model_is_named_and_the_hub_gets_its_repository() -> None:
    text = card()
    assert text.startswith("---\nbase_model: someone/base\nlibrary_name: transformers\n")
    assert "# Fine-tuned someone/base@v1\n" in text


def test_the_card_of_an_adapter_of_another_tool_claims_nothing() -> None:
    unknown = PromptRecord(name="", sha256="")
    text = card(unverified=True, training={}, prompt=unknown)
    assert "Not measured. The adapter was made by another tool" in text
    assert 'zhmcq.MCQPredictor("THIS FOLDER", prompt="THE PROMPT")' in text
    assert "With which prompt it was trained is not recorded" in text
    assert "Trained with zhmcq" not in text
    assert "## Data" not in text
    assert "None" not in text
    assert "Merged for the prompt `zh-exam`" in card(unverified=True, training={})


def test_bytes_of_a_merged_folder_say_nothing_of_the_machine(
    base: Path, plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    merged = zhmcq.Merger().merge(plain, tmp_path / "merged", base_model=base)
    config = json.loads((merged.output_dir / "config.json").read_text(encoding="utf-8"))
    assert str(tmp_path) not in json.dumps(config)
    assert str(tmp_path) not in (merged.output_dir / "README.md").read_text(encoding="utf-8")
