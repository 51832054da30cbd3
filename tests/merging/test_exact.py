"""Merged is base plus adapter, and detached is the base, for every setting that is accepted."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from zhmcq.errors import SettingsError
from zhmcq.manifest import BaseIdentity, Manifest, PromptRecord
from zhmcq.merging._weights import merge_weights
from zhmcq.modeling._adapter_folder import Adapter
from zhmcq.modeling._adapters import attach_trained, detach
from zhmcq.settings import LoraSettings
from zhmcq.training._lora import attach_adapter, save_initial_weights

IDENTITY = BaseIdentity(
    name="tiny", config={}, weights_sha256="w", tokenizer_sha256="t", chat_template_sha256=""
)
MANIFEST = Manifest(
    kind="adapter", base=IDENTITY, prompt=PromptRecord(name="zh-exam", sha256="p"), max_length=64
)
IDS = torch.tensor([[1, 5, 7, 11, 30, 2], [1, 39, 5, 5, 6, 7]])

TARGETS: dict[str, Any] = {
    "attention": ("q_proj", "v_proj"),
    "head": ("q_proj", "lm_head"),
    "embeddings": ("q_proj", "embed_tokens"),
    "head and embeddings": ("lm_head", "embed_tokens"),
    "all linear": "all-linear",
}
SAVED: dict[str, list[str]] = {
    "": [],
    "head saved": ["lm_head"],
    "embeddings saved": ["embed_tokens"],
    "both saved": ["lm_head", "embed_tokens"],
    "norms saved": ["norm"],
}
EXTRAS: dict[str, dict[str, Any]] = {
    "": {},
    "DoRA": {"use_dora": True},
    "tokens": {"trainable_token_indices": [5, 7]},
    "bias": {"bias": "all"},
    "bias of LoRA": {"bias": "lora_only"},
    "LoRA's bias": {"lora_bias": True},
    "patterns, rsLoRA": {
        "use_rslora": True,
        "rank_pattern": {"q_proj": 2},
        "alpha_pattern": {"lm_head": 3},
    },
    "kept tied": {"ensure_weight_tying": True},
    "PiSSA": {"init_lora_weights": "pissa"},
    "OLoRA": {"init_lora_weights": "olora"},
}
COMBINED = list(itertools.product(SAVED, EXTRAS))
ALWAYS = [("", ""), ("", "tokens"), ("", "kept tied")]
STRIDE = 12  # of the combinations, each target takes another twelfth, tied and untied again others
# How many of these are accepted. Refused are tokens of layers that are adapted as a whole, a bias
# that no layer could take up by merging, and first weights out of embeddings or shared weights.
ACCEPTED = {
    ("attention", True): 6,
    ("head", True): 4,
    ("embeddings", True): 4,
    ("head and embeddings", True): 3,
    ("all linear", True): 6,
    ("attention", False): 6,
    ("head", False): 6,
    ("embeddings", False): 5,
    ("head and embeddings", False): 4,
    ("all linear", False): 7,
}


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def base(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(3)
    config: Any = LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        attention_bias=True,
        mlp_bias=True,
        tie_word_embeddings=request.param,
    )
    model: Any = LlamaForCausalLM(config)
    return model.eval()


def copied(base: Any) -> Any:
    model = copy.deepcopy(base)
    model.tie_weights()  # deepcopy keeps one tensor, and makes two parameters of it
    return model


def values_of(model: Any) -> dict[str, torch.Tensor]:
    named = itertools.chain(model.named_parameters(remove_duplicate=False), model.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in named}


@torch.inference_mode()
def logits_of(model: Any) -> torch.Tensor:
    logits: torch.Tensor = model(IDS).logits
    return logits.clone()


def trained_adapter(
    base: Any, settings: LoraSettings, folder: Path
) -> tuple[Adapter, torch.Tensor]:
    """An adapter with random weights in place of trained ones, saved as a run saves it."""
    tuned = attach_adapter(copied(base), settings)
    start = {}
    if settings.changes_base:
        save_initial_weights(tuned, folder / "start")
        start = {"path_initial_model_for_weight_conversion": str(folder / "start")}
    torch.manual_seed(9)
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    answers = logits_of(tuned.eval())
    tuned.save_pretrained(folder / "adapter", save_embedding_layers=False, **start)
    return Adapter(folder / "adapter", MANIFEST), answers


def assert_exact(base: Any, adapter: Adapter, trained: torch.Tensor, case: str) -> None:
    """An adapter gives what was trained, leaves the base as it was, and merges into the same."""
    model = copied(base)
    before, plain = values_of(model), logits_of(model)
    tuned = attach_trained(model, adapter, IDENTITY)
    answers = logits_of(tuned)
    assert torch.allclose(answers, trained, atol=1e-5), case
    assert float((answers - plain).abs().max()) > 1e-2, case

    assert detach(tuned) is model
    after = values_of(model)
    assert after.keys() == before.keys(), case
    assert all(torch.equal(after[name], before[name]) for name in before), case
    assert torch.equal(logits_of(model), plain), case

    merged = merge_weights(attach_trained(model, adapter, IDENTITY), "adapter")
    folder = adapter.folder.parent / "merged"
    merged.save_pretrained(folder)
    loading: Any = AutoModelForCausalLM.from_pretrained
    loaded, info = loading(folder, output_loading_info=True)
    assert not info["missing_keys"], case
    assert torch.allclose(logits_of(loaded), answers, atol=1e-5), case


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_merged_is_base_plus_adapter_and_detached_is_the_base(
    base: Any, target: str, tmp_path: Path
) -> None:
    accepted = 0
    tied = base.config.tie_word_embeddings
    first = list(TARGETS).index(target) + (0 if tied else 5)
    for saved, extra in [*ALWAYS, *COMBINED[first::STRIDE]]:
        folder = tmp_path / f"{saved} {extra}"
        try:
            settings = LoraSettings(
                r=4, target_modules=TARGETS[target], modules_to_save=SAVED[saved], **EXTRAS[extra]
            )
            adapter, trained = trained_adapter(base, settings, folder)
        except SettingsError:
            continue
        accepted += 1
        assert_exact(base, adapter, trained, f"{target}, {saved}, {extra}")
    assert accepted == ACCEPTED[target, tied]


@pytest.mark.filterwarnings("ignore")
def test_experts_merge_exactly_without_dropout(tmp_path: Path) -> None:
    torch.manual_seed(4)
    values: dict[str, Any] = {
        "vocab_size": 40,
        "hidden_size": 16,
        "intermediate_size": 24,
        "moe_intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "num_experts": 3,
        "num_experts_per_tok": 2,
    }
    base: Any = Qwen3MoeForCausalLM(Qwen3MoeConfig(**values))
    base.eval()
    settings = LoraSettings(r=2, lora_dropout=0)
    adapter, trained = trained_adapter(base, settings, tmp_path)
    assert_exact(base, adapter, trained, "experts")
    with pytest.raises(SettingsError, match=r"without dropout: give lora_dropout=0"):
        attach_adapter(copied(base), LoraSettings(r=2))
    for start in ("pissa", "olora"):
        with pytest.raises(SettingsError, match="peft cannot adapt this model with them"):
            attach_adapter(copied(base), LoraSettings(r=2, lora_dropout=0, init_lora_weights=start))
