"""Adapters that do not fit are refused and leave the base as it was; what cannot be merged is
refused before training."""

from __future__ import annotations

import copy
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import zhmcq
from zhmcq.errors import AdapterMismatchError, ModelError, SettingsError
from zhmcq.manifest import BaseIdentity, Manifest, PromptRecord
from zhmcq.modeling._adapter_folder import Adapter
from zhmcq.modeling._adapters import attach_trained, detach
from zhmcq.questions import Question
from zhmcq.settings import LoraSettings
from zhmcq.testing import tiny_llama
from zhmcq.training._lora import attach_adapter

IDENTITY = BaseIdentity(
    name="tiny", config={}, weights_sha256="w", tokenizer_sha256="t", chat_template_sha256=""
)
MANIFEST = Manifest(
    kind="adapter", base=IDENTITY, prompt=PromptRecord(name="zh-exam", sha256="p"), max_length=64
)
QUERY = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def base() -> Any:
    model: Any = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=40,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            tie_word_embeddings=True,
        )
    )
    return model.eval()


@pytest.fixture(scope="module")
def adapter(base: Any, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    folder = tmp_path_factory.mktemp("adapter")
    settings = LoraSettings(r=2, target_modules=("q_proj",), modules_to_save=["lm_head"])
    attach_adapter(copied(base), settings).save_pretrained(folder)
    return Adapter(folder, MANIFEST)


def copied(base: Any) -> Any:
    model = copy.deepcopy(base)
    model.tie_weights()
    return model


def lose(weights: Weights) -> None:
    del weights[QUERY]


def add(weights: Weights) -> None:
    weights["base_model.model.model.layers.9.q_proj.lora_A.weight"] = torch.zeros(2, 16)


def reshape(weights: Weights) -> None:
    weights[QUERY] = weights[QUERY][:1].clone()


def pack(weights: Weights) -> None:
    weights[QUERY] = weights[QUERY].to(torch.int8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pack, rf"it has 1 tensor \({QUERY}\) of whole numbers"),
        (lose, rf"it lacks 1 tensor \({QUERY}\)"),
        (add, r"it has 1 tensor \(base_model\S*layers.9\S*\) that fit no layer"),
        (reshape, rf"it has 1 tensor \({QUERY} \(1, 16\) instead of \(2, 16\)\) of another"),
    ],
)
def test_a_file_with_other_tensors_is_refused_and_the_base_stays(
    base: Any,
    adapter: Adapter,
    tmp_path: Path,
    change: Callable[[Weights], None],
    message: str,
) -> None:
    weights = load_file(adapter.folder / "adapter_model.safetensors")
    change(weights)
    save_file(weights, tmp_path / "adapter_model.safetensors")
    config = (adapter.folder / "adapter_config.json").read_bytes()
    (tmp_path / "adapter_config.json").write_bytes(config)
    model = copied(base)
    before = dict(model.named_parameters(remove_duplicate=False))
    with pytest.raises(AdapterMismatchError, match=message):
        attach_trained(model, Adapter(tmp_path, MANIFEST), IDENTITY)
    after = dict(model.named_parameters(remove_duplicate=False))
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    detach(attach_trained(model, adapter, IDENTITY))  # a good one is taken afterwards
    assert dict(model.named_parameters(remove_duplicate=False)).keys() == before.keys()


def test_a_base_model_that_lies_elsewhere_now_makes_no_warning(
    base: Any, adapter: Adapter, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(adapter.folder, tmp_path / "adapter"))
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = "where/it/was"
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attach_trained(copied(base), Adapter(folder, MANIFEST), IDENTITY)


def test_a_file_that_was_cut_short_is_a_model_error(
    base: Any, adapter: Adapter, tmp_path: Path
) -> None:
    for path in adapter.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        attach_trained(copied(base), Adapter(tmp_path, MANIFEST), IDENTITY)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"target_modules": ("lm_head",), "init_lora_weights": "pissa"},
            "is shared .*: leave this",
        ),
        ({"target_modules": ("q_proj",), "lora_bias": True}, "the layer .*q_proj has no bias"),
        ({"target_modules": "all-linear", "modules_to_save": ["lmhead"]}, "no layer lmhead"),
        ({"target_modules": ("q_proj",), "trainable_token_indices": [99]}, "peft cannot adapt"),
        (
            {"target_modules": ("q_proj",), "modules_to_save": ["proj"]},
            "peft cannot adapt this model",
        ),
        (
            {"target_modules": ("q_proj", "lm_head"), "trainable_token_indices": [5]},
            "as a whole and|peft cannot train tokens of lm_head",
        ),
    ],
)
def test_what_could_not_be_merged_exactly_is_refused(
    base: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^LoraSettings.*({message})"):
        attach_adapter(copied(base), LoraSettings(r=2, **settings))


def test_shared_layers_are_refused_unless_they_are_embeddings_and_head() -> None:
    model: Any = GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2))
    first, second = model.transformer.h
    second.attn.c_attn.weight = first.attn.c_attn.weight
    message = r"shares its weight with others \(transformer.h.0.attn.c_attn.weight, transformer.h.1"
    with pytest.raises(SettingsError, match=message):
        attach_adapter(model, LoraSettings(r=2, target_modules=("c_attn",)))


def test_what_peft_would_train_and_not_save_is_refused(
    base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zhmcq.training import _lora_exact

    exact: Any = _lora_exact
    saved = exact.adapter_tensors
    monkeypatch.setattr(
        exact,
        "adapter_tensors",
        lambda model: {name: value for name, value in saved(model).items() if "bias" not in name},
    )
    model = copied(base)
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(40))
    with pytest.raises(
        SettingsError, match=r"1 tensor \(.*lm_head.bias\) would be trained and not"
    ):
        attach_adapter(model, LoraSettings(r=2, target_modules=("q_proj",), bias="all"))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("layer_replication", [[0, 1], [0, 1]], "its base model is another one"),
        ("alora_invocation_tokens", [5], "a part of the tokens cannot be merged"),
        ("megatron_config", {"a": 1}, "models of Megatron are not loaded"),
        ("use_qalora", True, "quantised by GPTQ"),
        ("inference_mode", True, "cannot be trained"),
        ("trainable_token_indices", [5, 5], "each 0 or more, without repetition"),
        ("trainable_token_indices", {"embed_tokens": [-1]}, "each 0 or more, without repetition"),
    ],
)
def test_settings_that_are_never_exact_are_refused_where_they_are_made(
    field: str, value: Any, reason: str
) -> None:
    with pytest.raises(SettingsError, match=rf"{field}.*{reason}"):
        LoraSettings(**{field: value})


def test_a_refused_adapter_leaves_no_folder(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "base", hidden_size=8, num_hidden_layers=1)
    trainer = zhmcq.LoraTrainer(
        folder, lora=LoraSettings(target_modules=("lm_head",), init_lora_weights="pissa")
    )
    bank = [Question("q", "誰？", ("甲", "乙"), "甲來了。", answer=(0,))]
    with pytest.raises(SettingsError, match="would change the weight of lm_head"):
        trainer.train(bank, None, tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").glob("*")} <= {".lock"}
