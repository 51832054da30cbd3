"""Recurrent layers compute in chunks that fit what they read, on a CPU, with the same numbers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from families import VOCABULARY
from transformers import (
    AutoModelForCausalLM,
    FalconH1Config,
    GraniteMoeHybridConfig,
    LlamaConfig,
    Mamba2Config,
)

from zhmcq.modeling._chunks import chunk_of, fit_chunks, fitted_chunk, mixers
from zhmcq.modeling._forward import without_earlier_state
from zhmcq.modeling._support import in_long_chunks

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
MAMBA2: dict[str, Any] = {"mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 4}
MODELS = {
    "falcon_h1": FalconH1Config(**SIZES, **MAMBA2, mamba_d_ssm=32, mamba_chunk_size=256),
    "granitemoehybrid": GraniteMoeHybridConfig(
        **SIZES,
        **MAMBA2,
        mamba_chunk_size=256,
        layer_types=["mamba", "attention"],
        shared_intermediate_size=24,
        num_local_experts=0,
        num_experts_per_tok=0,
    ),
    "mamba2": Mamba2Config(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        num_heads=4,
        head_dim=8,
        state_size=4,
        n_groups=1,
        chunk_size=256,
    ),
}


def build(config: Any) -> Any:
    torch.manual_seed(5)
    return AutoModelForCausalLM.from_config(config).eval()  # type: ignore[no-untyped-call]


def logits(model: Any, width: int) -> torch.Tensor:
    ids = torch.arange(width)[None] * 7 % 90 + 3
    with torch.inference_mode():
        result: torch.Tensor = model(input_ids=ids, use_cache=False).logits
    return result


def remembering(layers: list[Any]) -> list[Any]:
    """The layers, whose random weights would forget a token at once and hardly read their state."""
    for layer in layers:
        layer.A_log.data.fill_(-4)
        layer.dt_bias.data.zero_()
        for weight in layer.parameters():
            if weight.dim() > 1:
                weight.data *= 0.3 / weight.std()
    return layers


def chunks(model: Any) -> set[int]:
    return {layer.chunk_size for layer in mixers(model)}


@pytest.mark.parametrize(
    ("longest", "width", "chunk"),
    [(256, 1, 4), (256, 4, 4), (256, 6, 8), (256, 33, 64), (256, 300, 64), (8, 300, 8), (2, 1, 2)],
)
def test_chunks_are_as_short_as_the_rows_and_never_longer_than_the_models_own(
    longest: int, width: int, chunk: int
) -> None:
    assert fitted_chunk(longest, width) == chunk


@pytest.mark.parametrize("config", MODELS.values(), ids=MODELS.keys())
def test_the_numbers_are_those_of_the_models_own_chunks(config: Any) -> None:
    model = build(config)
    (layer, *_) = remembering(mixers(model))
    torch.manual_seed(7)
    rows = [torch.randn(2, width, 16) for width in (5, 150, 70)]
    with torch.inference_mode():
        expected = [layer(row) for row in rows]
        assert layer.chunk_size == 256
        changed = torch.cat([-rows[1][:, :64], rows[1][:, 64:]], dim=1)
        # What the first 64 tokens leave is seen by the last, two chunks later.
        assert float((layer(changed) - expected[1])[:, -1].abs().max()) > 0.1
        fit_chunks(model)
        for row, before, chunk in zip(rows, expected, (8, 64, 64), strict=True):
            torch.testing.assert_close(layer(row), before, rtol=1e-4, atol=1e-4)
            assert layer.chunk_size == chunk


def test_a_copy_of_a_model_chooses_anew() -> None:
    model = build(MODELS["falcon_h1"])
    fit_chunks(model)
    logits(model, 5)
    copied = copy.deepcopy(model)
    fit_chunks(copied)
    logits(copied, 70)
    assert (chunks(model), chunks(copied)) == ({8}, {64})


def test_whatever_computes_with_a_model_has_chunks_that_fit() -> None:
    model = build(MODELS["falcon_h1"])
    with without_earlier_state(model):
        logits(model, 5)
    assert chunks(model) == {8}


def test_a_model_without_recurrent_layers_has_no_chunks() -> None:
    model = build(LlamaConfig(**SIZES))
    assert chunk_of(model.config) is None
    assert mixers(model) == []


def test_on_another_device_the_chunks_are_the_models_own() -> None:
    with torch.device("meta"):
        model = build(MODELS["falcon_h1"])
        fit_chunks(model)
        for layer in mixers(model):
            layer.chunk_size = 8
            layer(torch.empty(1, 5, 16))
    assert chunks(model) == {256}
    assert in_long_chunks(model)
    assert not in_long_chunks(build(MODELS["falcon_h1"]))
