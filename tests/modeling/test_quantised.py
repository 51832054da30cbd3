"""The memory of quantised weights, counted on a model without weights, against what is stored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import zhmcq
from zhmcq.modeling._load import ModelSource, load_skeleton, load_weights, quantization_config
from zhmcq.modeling._quantised import stored_bytes
from zhmcq.testing import tiny_llama

pytest.importorskip("bitsandbytes")

SETTINGS = [
    zhmcq.QuantizationSettings(kind="nf4"),
    zhmcq.QuantizationSettings(kind="nf4", double_quant=False),
    zhmcq.QuantizationSettings(kind="int8"),
]
BANK = [zhmcq.Question("q1", "誰去了圖書館？", ("小明", "小華"), "小明去了。", answer=(0,))]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama", attention_bias=True)


def held(parameter: Any) -> int:
    """The bytes of a loaded weight and of its scales, by their tensors."""
    tensors = [parameter.data]
    if (scales := getattr(parameter, "SCB", None)) is not None:
        tensors.append(scales)
    if (state := getattr(parameter, "quant_state", None)) is not None:
        tensors.append(state.absmax)
        tensors += [state.state2.absmax] if state.nested else []
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_weights_are_counted_as_they_are_stored_before_and_after_they_are_loaded(
    base: Path, settings: zhmcq.QuantizationSettings
) -> None:
    source = ModelSource(str(base))
    config = quantization_config(settings, torch.float16)
    skeleton = load_skeleton(source, dtype=torch.float16, quantization=config)
    model = load_weights(
        source, dtype=torch.float16, device=torch.device("cpu"), quantization=config
    )
    expected = {name: held(p) for name, p in model.named_parameters()}

    assert {name: stored_bytes(p) for name, p in model.named_parameters()} == expected
    assert {name: stored_bytes(p) for name, p in skeleton.named_parameters()} == expected
    assert expected["model.embed_tokens.weight"] == 21_113 * 64 * 2
    packed = expected["model.layers.0.mlp.gate_proj.weight"]
    scales = 128 + 4 if settings.double_quant else 128 * 4
    assert packed == (128 * 64 // 2 + scales if settings.kind == "nf4" else 128 * 64 + 128 * 4)


def test_the_preflight_counts_the_quantised_base_model(base: Path) -> None:
    weights = {}
    for quantization in (None, *SETTINGS):
        trainer = zhmcq.LoraTrainer(
            base,
            quantization=quantization,
            training=zhmcq.TrainingSettings(dtype="float16"),
        )
        run = trainer.preflight(BANK).run
        assert run is not None
        assert run.memory is not None
        weights[str(quantization)] = run.memory
    plain, nf4, single, int8 = weights.values()
    assert nf4.weights < single.weights < int8.weights < plain.weights
    # What is computed is in 16 bits all the same.
    assert nf4.activations == int8.activations == plain.activations
    assert nf4.adapter == plain.adapter


def test_the_preflight_says_that_bitsandbytes_is_missing(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    trainer = zhmcq.LoraTrainer(base, quantization=SETTINGS[0])
    with pytest.raises(zhmcq.errors.ModelError, match="bitsandbytes"):
        trainer.preflight(BANK)
