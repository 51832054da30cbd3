"""Weights that are not there: named, and never random."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

import zhmcq
from zhmcq._progress import reporting
from zhmcq.errors import ModelError
from zhmcq.modeling._load import ModelSource, load_skeleton, load_weights
from zhmcq.testing import tiny_llama

CPU = torch.device("cpu")
TINY: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
QUERY = "model.layers.0.self_attn.q_proj.weight"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "llama"
    LlamaForCausalLM(LlamaConfig(**TINY, tie_word_embeddings=True)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def stored(base: Path) -> Callable[[str], Path]:
    """The same model, saved in 4 or 8 bits."""

    def save(kind: str) -> Path:
        config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=kind == "nf4",
            load_in_8bit=kind == "int8",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
        )
        folder = base.parent / kind
        if not folder.exists():
            AutoModelForCausalLM.from_pretrained(
                base, quantization_config=config, dtype=torch.float32, device_map={"": "cpu"}
            ).save_pretrained(folder)
        return folder

    return save


def changed(
    folder: Path, to: Path, change: Callable[[dict[str, torch.Tensor]], None], **config: Any
) -> Path:
    """A copy of a model folder with other tensors or another configuration."""
    shutil.copytree(folder, to)
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, to / "model.safetensors", metadata={"format": "pt"})
    values = json.loads((to / "config.json").read_text(encoding="utf-8"))
    (to / "config.json").write_text(json.dumps({**values, **config}), encoding="utf-8")
    return to


def load(folder: Path) -> Any:
    return load_weights(ModelSource(str(folder)), dtype=torch.float32, device=CPU)


def test_a_tensor_that_is_missing_is_named(base: Path, tmp_path: Path) -> None:
    def lose(weights: dict[str, torch.Tensor]) -> None:
        del weights[QUERY]

    folder = changed(base, tmp_path / "m", lose)
    message = rf"lacks weights, which would be random: 1 tensor \({QUERY}\) not in its files"
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_of_many_the_first_are_named_and_all_are_counted(base: Path, tmp_path: Path) -> None:
    def lose_a_layer(weights: dict[str, torch.Tensor]) -> None:
        for name in [name for name in weights if "layers.0" in name]:
            del weights[name]

    folder = changed(base, tmp_path / "m", lose_a_layer)
    message = r"9 tensors \(model.layers.0.input_layernorm.weight(, [\w.]+){4}, …\) not in its"
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_a_tensor_of_another_shape_is_named_with_both(base: Path, tmp_path: Path) -> None:
    def cut(weights: dict[str, torch.Tensor]) -> None:
        weights[QUERY] = weights[QUERY][:3].clone()

    folder = changed(base, tmp_path / "m", cut)
    message = rf"{QUERY} \(in the file \(3, 16\), in the model \(16, 16\)\)\) of another shape"
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_what_a_family_leaves_out_is_no_fault(base: Path, tmp_path: Path) -> None:
    assert "lm_head.weight" not in load_file(base / "model.safetensors")
    model = load(base)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    untied = changed(base, tmp_path / "m", lambda _: None, tie_word_embeddings=False)
    with pytest.raises(ModelError, match=r"1 tensor \(lm_head.weight\) not in its files"):
        load(untied)


def test_what_the_model_has_no_use_for_is_no_fault(base: Path, tmp_path: Path) -> None:
    folder = changed(base, tmp_path / "m", lambda w: w.update({"vision.weight": torch.ones(2)}))
    assert torch.equal(load(folder).lm_head.weight, load(base).lm_head.weight)


@pytest.mark.parametrize("size", [0, 1000, -100])
def test_a_file_that_was_cut_short_is_a_model_error(base: Path, tmp_path: Path, size: int) -> None:
    folder = changed(base, tmp_path / "m", lambda _: None)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:size])
    with pytest.raises(ModelError, match="SafetensorError"):
        load(folder)


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("nf4", QUERY, lambda tensor: tensor[:5]),
        ("nf4", f"{QUERY}.absmax", lambda tensor: tensor[:1]),
        ("nf4", f"{QUERY}.nested_absmax", None),
        ("nf4", QUERY, None),
        ("int8", QUERY, lambda tensor: tensor[:5]),
        ("int8", QUERY.replace("weight", "SCB"), lambda tensor: tensor[:5]),
        ("int8", QUERY.replace("weight", "SCB"), None),
    ],
)
def test_quantised_weights_are_whole(
    stored: Callable[[str], Path],
    tmp_path: Path,
    kind: str,
    name: str,
    change: Callable[[torch.Tensor], torch.Tensor] | None,
) -> None:
    def damage(weights: dict[str, torch.Tensor]) -> None:
        tensor = weights.pop(name)
        if change is not None:
            weights[name] = change(tensor).clone()

    assert load(stored(kind)).is_quantized
    folder = changed(stored(kind), tmp_path / "m", damage)
    with pytest.raises(ModelError, match=r"q_proj.weight|conversion of the weights"):
        load(folder)


@pytest.mark.parametrize("bits", ["load_in_4bit", "load_in_8bit"])
def test_a_full_precision_file_with_a_quantised_configuration_is_refused(
    base: Path, tmp_path: Path, bits: str
) -> None:
    stored_as = {"quant_method": "bitsandbytes", bits: True}
    folder = changed(base, tmp_path / "m", lambda _: None, quantization_config=stored_as)
    with pytest.raises(ModelError, match="without all numbers of its quantisation"):
        load(folder)


@pytest.mark.parametrize("pad", [-1, 40, 1_000_000])
def test_a_padding_id_that_the_model_lacks_is_seen_by_nothing(
    base: Path, tmp_path: Path, pad: int
) -> None:
    folder = changed(base, tmp_path / "m", lambda _: None, pad_token_id=pad)
    ids = torch.tensor([[1, 5, 7]])
    with torch.inference_mode():
        assert torch.equal(load(folder)(ids).logits, load(base)(ids).logits)
    assert load_skeleton(ModelSource(str(folder))).config.pad_token_id is None


@pytest.mark.parametrize(
    "config",
    [
        {"num_attention_heads": 0},
        {"num_attention_heads": 3},
        {"num_hidden_layers": "1"},
        {"hidden_act": "none"},
    ],
)
def test_an_impossible_configuration_is_a_model_error(
    base: Path, tmp_path: Path, config: dict[str, Any]
) -> None:
    folder = changed(base, tmp_path / "m", lambda _: None, **config)
    for use in (load, lambda path: load_skeleton(ModelSource(str(path)))):
        with pytest.raises(ModelError, match="cannot be loaded as a causal language model"):
            use(folder)


def test_what_bitsandbytes_says_of_each_product_is_not_logged(
    stored: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    load(stored("int8"))(torch.tensor([[1, 5, 7]]))
    assert caplog.messages == []
    bitsandbytes = logging.getLogger("bitsandbytes.autograd._functions")
    bitsandbytes.warning("something else")
    assert caplog.messages == ["something else"]


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_weights_in_8_bits_that_nothing_unpacks_are_refused(
    base: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    def pack(weights: dict[str, torch.Tensor]) -> None:
        weights[QUERY] = weights[QUERY].mul(100).to(dtype)

    folder = changed(base, tmp_path / "m", pack)
    with pytest.raises(ModelError, match=rf"stores 1 tensor \({QUERY}\) in 8 bits or fewer"):
        load(folder)


def test_layers_that_the_configuration_leaves_out_are_warned_of(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def add(weights: dict[str, torch.Tensor]) -> None:
        weights["model.layers.1.self_attn.q_proj.weight"] = weights[QUERY].clone()
        weights["vision.layers.1.weight"] = weights[QUERY].clone()

    load(changed(base, tmp_path / "m", add))
    assert "has 1 tensor (model.layers.1.self_attn.q_proj.weight), for which" in caplog.text


def test_an_adapter_in_a_model_folder_is_not_applied_unasked(
    base: Path, tmp_path: Path, tokenizer: Any
) -> None:
    folder = shutil.copytree(base, tmp_path / "m")
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")
    (folder / "adapter_model.safetensors").write_bytes(b"")
    message = r"a model and an adapter \(adapter_config.json, adapter_model.safetensors\)"
    for use in (
        load,
        lambda path: load_skeleton(ModelSource(str(path))),
        lambda path: ModelSource(str(path)).identity(tokenizer),
        zhmcq.MCQPredictor,
    ):
        with pytest.raises(ModelError, match=message):
            use(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"holds an adapter .* and no model"):
        load(folder)


def test_a_model_that_cannot_be_used_is_refused_before_its_weights(
    base: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    for use in (load, lambda path: load_skeleton(ModelSource(str(path)))):
        with pytest.raises(ModelError, match="it is an encoder"):
            use(folder)


def gguf_model(path: Path, *, without: str = "") -> Path:
    """A GGUF file of a tiny LLaMA."""
    import numpy as np
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(16)
    writer.add_block_count(1)
    writer.add_feed_forward_length(24)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(40)
    shapes: dict[str, tuple[int, ...]] = {
        "attn_q": (16, 16),
        "attn_k": (8, 16),
        "attn_v": (8, 16),
        "attn_output": (16, 16),
    }
    shapes |= {"ffn_gate": (24, 16), "ffn_up": (24, 16), "ffn_down": (16, 24)}
    shapes |= {"attn_norm": (16,), "ffn_norm": (16,)}
    tensors = {f"blk.0.{name}.weight": shape for name, shape in shapes.items()}
    tensors |= {"token_embd.weight": (40, 16), "output_norm.weight": (16,)}
    random = np.random.default_rng(0)
    for name, shape in tensors.items():
        if name != without:
            writer.add_tensor(name, random.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_an_incomplete_gguf_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    whole = load(gguf_model(tmp_path / "whole.gguf"))
    assert whole.lm_head.weight is whole.model.embed_tokens.weight
    file = gguf_model(tmp_path / "part.gguf", without="blk.0.attn_q.weight")
    with pytest.raises(ModelError, match=rf"1 tensor \({QUERY}\) not in its files"):
        load(file)


def test_converting_a_gguf_file_is_reported_and_draws_no_bar_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gguf")
    calls: list[tuple[int, int, str]] = []
    with reporting(lambda *call: calls.append(call)):
        load(gguf_model(tmp_path / "m.gguf"))
    assert [call for call in calls if "GGUF" in call[2]] == [
        (done, 11, "converting and de-quantizing GGUF tensors") for done in range(12)
    ]
    load(tmp_path / "m.gguf")
    assert capfd.readouterr() == ("", "")


def test_a_tiny_model_of_the_testing_module_is_whole(tmp_path: Path) -> None:
    load(tiny_llama(tmp_path / "m", hidden_size=8))
