"""What is fetched from the hub, in which dtype models are loaded, and how they are quantised."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

import zhmcq
from zhmcq.errors import ModelError, SettingsError
from zhmcq.modeling._device import candidate_dtypes, choose_device, dtypes_to_try
from zhmcq.modeling._load import (
    ModelSource,
    load_skeleton,
    load_tokenizer,
    load_weights,
    quantization_config,
)
from zhmcq.settings import QuantizationSettings
from zhmcq.testing import tiny_llama


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """Calls for a download, answered with a tiny model."""
    import huggingface_hub

    folder = tiny_llama(tmp_path / "snapshot")
    calls: list[dict[str, Any]] = []

    def download(name: str, **fields: Any) -> str:
        calls.append({"name": name, **fields})
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return calls


def test_a_tokenizer_and_a_skeleton_need_no_weights(fetched: list[dict[str, Any]]) -> None:
    source = ModelSource("someone/model")
    load_tokenizer(source)
    load_skeleton(source)
    assert [call["allow_patterns"] for call in fetched] == [
        ["*.json", "*.model", "*.jinja", "*.txt"]
    ] * 2
    source.path()
    assert fetched[-1]["allow_patterns"][-1] == "model.safetensors"


@pytest.mark.parametrize("named", [None, "model-[1].safetensors"])
def test_the_weights_that_are_loaded_are_fetched_and_no_copies_of_them(
    fetched: list[dict[str, Any]], tmp_path: Path, named: str | None
) -> None:
    snapshot = tmp_path / "snapshot"
    (snapshot / "model.safetensors").unlink()
    if named is None:
        index = {"weight_map": {"a": "model-2.safetensors", "b": "model-[1].safetensors"}}
        (snapshot / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    else:
        config = {"model_type": "llama", "transformers_weights": named}
        (snapshot / "config.json").write_text(json.dumps(config), encoding="utf-8")
    ModelSource("someone/model").path()
    first, second = fetched
    assert not any("*.safetensors" in call["allow_patterns"] for call in fetched)
    assert (first["revision"], second["revision"]) == (None, "snapshot")
    names = ["model-2.safetensors", "model-[[]1].safetensors"]
    assert second["allow_patterns"] == (names if named is None else names[1:])


def test_code_is_fetched_only_where_it_is_trusted(fetched: list[dict[str, Any]]) -> None:
    ModelSource("someone/model").path()
    ModelSource("someone/model", trust_remote_code=True).path()
    assert ["*.py" in call["allow_patterns"] for call in fetched] == [False, True]


def test_code_beside_a_model_is_not_run_unless_asked_for(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["model_type"] = "theirs"
    config["auto_map"] = {"AutoConfig": "theirs.Config"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    ran = tmp_path / "ran"
    (folder / "theirs.py").write_text(
        f"from pathlib import Path\nPath({str(ran)!r}).touch()\n"
        "from transformers import LlamaConfig\n"
        "class Config(LlamaConfig):\n    model_type = 'theirs'\n",
        encoding="utf-8",
    )
    with pytest.raises(ModelError):
        load_skeleton(ModelSource(str(folder)))
    assert not ran.exists()
    with pytest.raises(ModelError):  # the configuration is theirs, and there is no such model
        load_skeleton(ModelSource(str(folder), trust_remote_code=True))
    assert ran.exists()


def test_the_network_is_left_alone_where_it_is_switched_off(
    fetched: list[dict[str, Any]], tmp_path: Path
) -> None:
    bank = [zhmcq.Question("q", "誰？", ("甲", "乙"), answer=(0,))]
    zhmcq.LoraTrainer("someone/model", local_files_only=True).preflight(bank)
    zhmcq.MCQPredictor("someone/model", local_files_only=True)
    assert len(fetched) > 2
    assert {call["local_files_only"] for call in fetched} == {True}


def test_a_model_that_is_not_here_is_refused_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"Without a network, download it elsewhere"):
        ModelSource("someone/no-such-model-zhmcq", local_files_only=True).path()


def test_quantization_becomes_bitsandbytes_configs() -> None:
    four = quantization_config(QuantizationSettings(), torch.float32)
    assert (four.load_in_4bit, four.bnb_4bit_quant_type) == (True, "nf4")
    assert four.bnb_4bit_use_double_quant is True
    assert four.bnb_4bit_compute_dtype == torch.float32
    eight = quantization_config(QuantizationSettings(kind="int8"), torch.float32)
    assert (eight.load_in_8bit, eight.load_in_4bit) == (True, False)


def test_weights_in_4_bits_stay_as_they_are_on_cpus_with_bfloat16_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = pytest.importorskip("bitsandbytes.nn.modules")
    monkeypatch.setattr(layers, "has_avx512bf16", lambda: True)
    base = tiny_llama(tmp_path / "base")
    four = quantization_config(QuantizationSettings(), torch.float32)
    model = load_weights(
        ModelSource(str(base)),
        dtype=torch.float32,
        device=torch.device("cpu"),
        quantization=four,
    )
    linear = [layer for layer in model.modules() if isinstance(layer, layers.Linear4bit)]
    assert len(linear) == 14  # seven in each of two layers
    before = [layer.weight.data.clone() for layer in linear]
    with torch.no_grad():
        model(torch.tensor([[1, 2, 3]]))
    after = [layer.weight.data for layer in linear]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    # The guard of the test: a layer of which nobody asked it would pack its weights.
    layer = layers.Linear4bit(64, 64, compute_dtype=torch.float32, quant_type="nf4").to("cpu")
    assert layer.support_avx512bf16_for_cpu


def test_kernels_that_nothing_uses_are_not_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    bitsandbytes = logging.getLogger("bitsandbytes.backends.cpu.ops")
    bitsandbytes.warning("Failed to load CPU gemm_4bit_forward from kernels-community: no module")
    bitsandbytes.warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_auto_is_the_only_name_that_depends_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert candidate_dtypes(cpu) == candidate_dtypes(torch.device("mps")) == (torch.float32,)
    for native, dtype in ((True, torch.bfloat16), (False, torch.float16)):

        def supported(*, including_emulation: bool, answer: bool = native) -> bool:
            assert not including_emulation
            return answer

        monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
        assert candidate_dtypes(cuda) == (dtype, torch.float32)
        assert dtypes_to_try("auto", cuda) == (dtype, torch.float32)
    assert dtypes_to_try("bfloat16", cpu) == dtypes_to_try("bfloat16", cuda) == (torch.bfloat16,)
    with pytest.raises(SettingsError, match=r"^dtype='fp16': expected one of \('auto', 'float32'"):
        dtypes_to_try("fp16", cpu)  # type: ignore[arg-type]


def machine_with(monkeypatch: pytest.MonkeyPatch, *, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "name", "device"),
    [
        (2, False, None, "cuda:0"),
        (2, False, "cuda", "cuda:0"),
        (2, False, "cuda:1", "cuda:1"),
        (2, False, "cpu", "cpu"),
        (0, True, None, "mps"),
        (0, True, "mps", "mps"),
        (0, True, "cpu", "cpu"),
        (0, False, None, "cpu"),
    ],
)
def test_a_device_is_the_named_or_the_fastest(
    monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, name: str | None, device: str
) -> None:
    machine_with(monkeypatch, cuda=cuda, mps=mps)
    assert str(choose_device(name)) == device


@pytest.mark.parametrize(
    ("cuda", "name", "message"),
    [
        (0, "cuda", "device='cuda': PyTorch finds 0 CUDA devices here; give device='cpu'"),
        (2, "cuda:2", "device='cuda:2': PyTorch finds 2 CUDA devices here; give device='cpu'"),
        (0, "mps", "device='mps': PyTorch finds no MPS device here; give device='cpu'"),
        (
            2,
            "gpu",
            r"device='gpu': expected 'cpu', 'cuda', 'cuda:1' \(any number\), 'mps', or None",
        ),
        (2, "cuda:-1", "device='cuda:-1': expected 'cpu'"),
        (2, "", "device='': expected 'cpu'"),
        (2, 0, "device=0: expected 'cpu'"),
        (2, torch.device("cpu"), r"device=device\(type='cpu'\): expected 'cpu'"),
    ],
)
def test_a_device_that_is_none_or_not_here_is_refused(
    monkeypatch: pytest.MonkeyPatch, cuda: int, name: Any, message: str
) -> None:
    machine_with(monkeypatch, cuda=cuda, mps=False)
    with pytest.raises(SettingsError, match=message):
        choose_device(name)


def quantised_lfm2(path: Path) -> Path:
    """A GGUF file of LFM2, an architecture whose weights transformers can leave packed."""
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFWriter, quantize

    writer = GGUFWriter(path, "lfm2")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv([1])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_shortconv_l_cache(3)
    writer.add_token_list([f"t{index}" for index in range(64)])
    shapes: dict[str, tuple[int, ...]] = {
        "attn_q.weight": (32, 32),
        "attn_k.weight": (16, 32),
        "attn_v.weight": (16, 32),
        "attn_output.weight": (32, 32),
        "attn_norm.weight": (32,),
        "attn_q_norm.weight": (16,),
        "attn_k_norm.weight": (16,),
        "ffn_norm.weight": (32,),
        "ffn_gate.weight": (64, 32),
        "ffn_up.weight": (64, 32),
        "ffn_down.weight": (32, 64),
    }
    tensors = {f"blk.0.{name}": shape for name, shape in shapes.items()}
    tensors |= {"token_embd.weight": (64, 32), "token_embd_norm.weight": (32,)}
    random = np.random.default_rng(0)
    for name, shape in tensors.items():
        values = random.normal(size=shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(name, values)
            continue
        kind = GGMLQuantizationType.Q8_0
        writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_quantised_weights_of_a_gguf_file_are_unpacked_and_no_code_for_packed_ones_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf")
    import transformers.quantizers.quantizer_gguf as transformers_gguf

    calls: list[str] = []
    monkeypatch.setattr(transformers_gguf, "get_gguf_kernel", lambda: calls.append("kernel"))
    source = ModelSource(str(quantised_lfm2(tmp_path / "m.gguf")))
    model: Any = load_weights(source, dtype=torch.bfloat16, device=torch.device("cpu"))
    weights = model.model.layers[0].feed_forward.w1.weight
    assert (calls, weights.dtype, tuple(weights.shape)) == ([], torch.bfloat16, (64, 32))
    logits = model(input_ids=torch.tensor([[1, 2, 3]])).logits
    assert logits.shape == (1, 3, 64)
    assert logits.isfinite().all()
