"""Adapters that other tools made: they compute what peft computes, or are refused with a reason."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import IA3Config, PromptTuningConfig, get_peft_model
from peft_adapters import (
    Weights,
    change_config,
    change_weights,
    load_base,
    logits_of_peft,
    write_peft_adapter,
)
from transformers import GPT2Config, GPT2LMHeadModel

from zhmcq.errors import AdapterMismatchError, ManifestError, ModelError, ZhmcqError
from zhmcq.manifest import BaseIdentity
from zhmcq.modeling import _adapter_config
from zhmcq.modeling._adapter_folder import read_adapter
from zhmcq.modeling._adapters import attach_trained, detach
from zhmcq.testing import tiny_llama

IDENTITY = BaseIdentity(
    name="tiny", config={}, weights_sha256="w", tokenizer_sha256="t", chat_template_sha256=""
)
IDS = torch.tensor([[1, 5, 9, 30, 77, 9, 4]])
EMBEDDING = "base_model.model.model.embed_tokens.base_layer.weight"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "base"
    return tiny_llama(folder, hidden_size=16, intermediate_size=24)


@pytest.fixture(scope="module")
def plain(base: Path) -> Path:
    return write_peft_adapter(base, base.parent / "plain")


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "copy"))


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = model(IDS).logits
    return result


def attach(base: Path, folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    return attach_trained(load_base(base, dtype), read_adapter(folder), IDENTITY)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"task_type": None},  # peft then writes which class would load it
        {"use_dora": True},
        {"use_rslora": True, "lora_alpha": 7},
        {"modules_to_save": ["lm_head", "norm"]},
        {"trainable_token_indices": [5, 9]},
        {"trainable_token_indices": {"embed_tokens": [77]}, "target_modules": "all-linear"},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["q_proj", "lm_head"], "lora_dropout": 0.3},
        {"target_modules": ["lm_head", "embed_tokens"], "ensure_weight_tying": True},
        {"target_modules": ["q_proj"], "target_parameters": ["mlp.gate_proj.weight"]},
        {"target_modules": r".*layers\.\d+\.(?:self_attn|mlp)\.(q_proj|up_proj)"},
        {"target_modules": ["q_proj", "v_proj"], "layers_to_transform": [1]},
        {"layers_to_transform": 0, "layers_pattern": "layers"},
        {"target_modules": "all-linear", "exclude_modules": r".*\.1\..*"},
        {"init_lora_weights": "orthogonal"},
        {
            "rank_pattern": {"layers.0.self_attn.q_proj": 2, r".*\.1\..*q_proj": 3},
            "alpha_pattern": {"^model.layers.0.mlp.down_proj": 31, "down_proj": 5},
        },
    ],
)
def test_every_variant_that_is_taken_computes_exactly_what_peft_computes(
    base: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    folder = write_peft_adapter(base, tmp_path / "adapter", **fields)
    model = load_base(base)
    before = logits(model)
    tuned = attach_trained(model, read_adapter(folder), IDENTITY)
    present = logits(tuned)
    assert torch.equal(present, logits_of_peft(base, folder, IDS))
    assert (present - before).abs().max() > 1e-3
    assert torch.equal(logits(detach(tuned)), before)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_adapters_and_bases_of_any_dtype_compute_what_peft_computes(
    base: Path, folder: Path, stored: torch.dtype, dtype: torch.dtype
) -> None:
    change_weights(folder, lambda weights: {n: t.to(stored) for n, t in weights.items()})
    present = logits(attach(base, folder, dtype))
    assert torch.equal(present, logits_of_peft(base, folder, IDS, dtype))


@pytest.mark.parametrize("biases", [{"bias": "all"}, {"bias": "lora_only"}, {"lora_bias": True}])
def test_biases_of_the_base_model_that_an_adapter_replaces_come_back(
    tmp_path: Path, biases: dict[str, Any]
) -> None:
    base: Any = GPT2LMHeadModel(GPT2Config(vocab_size=90, n_embd=16, n_layer=2, n_head=2))
    base.save_pretrained(tmp_path / "base")
    fields: dict[str, Any] = {"target_modules": ["c_attn"], "fan_in_fan_out": True, **biases}
    folder = write_peft_adapter(tmp_path / "base", tmp_path / "adapter", **fields)
    model = load_base(tmp_path / "base")
    before = logits(model)
    tuned = attach_trained(model, read_adapter(folder), IDENTITY)
    assert torch.equal(logits(tuned), logits_of_peft(tmp_path / "base", folder, IDS))
    assert torch.equal(logits(detach(tuned)), before)


def test_it_is_marked_as_unverified_with_the_hashes_of_its_files(base: Path, plain: Path) -> None:
    manifest = read_adapter(plain).manifest
    assert manifest.unverified
    assert (manifest.base.name, manifest.prompt.name, manifest.prompt.sha256) == (str(base), "", "")
    assert manifest.settings["lora"]["r"] == 4
    assert sorted(manifest.files) == ["adapter_config.json", "adapter_model.safetensors"]
    assert all(len(digest) == 64 for digest in manifest.files.values())


# --- other kinds of adapters ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (IA3Config(target_modules=["down_proj"], feedforward_modules=["down_proj"]), "IA3"),
        (PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2), "PROMPT_TUNING"),
    ],
)
def test_other_kinds_of_adapters_are_refused(
    base: Path, tmp_path: Path, config: Any, kind: str
) -> None:
    get_peft_model(load_base(base), config).save_pretrained(str(tmp_path))
    with pytest.raises(ManifestError, match=f"expected .* of peft_type 'LORA', found '{kind}'"):
        read_adapter(tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"peft_type": None}, "found None"),
        ({"peft_type": "XLORA", "adapters": {"a": "someone/a"}}, "found 'XLORA'"),
        ({"task_type": "SEQ_CLS"}, "expected task_type 'CAUSAL_LM', found 'SEQ_CLS'"),
        ({"init_lora_weights": "pissa"}, "path_initial_model_for_weight_conversion"),
        ({"init_lora_weights": "loftq"}, "fits a changed base model"),
        ({"init_lora_weights": "corda"}, "fits a changed base model"),
        ({"init_lora_weights": 1}, "fits a changed base model"),
        ({"layer_replication": [[0, 2], [0, 2]]}, "its base model is another one"),
        ({"alora_invocation_tokens": [5]}, "a part of the tokens"),
        ({"use_qalora": True}, "quantised by GPTQ"),
        ({"megatron_config": {"a": 1}}, "models of Megatron"),
        ({"arrow_config": {"top_k": 2}}, "routing between several adapters"),
        ({"kasa_config": {"beta": 1}}, "changes the base model's weights"),
        ({"scale_of_2031": 3}, "scale_of_2031=3 is not accepted: it is not known here what"),
        ({"scale_of_2031": 0}, "scale_of_2031=0 is not accepted"),
        ({"r": 0}, "r: Input should be greater than 0"),
        ({"r": "8"}, "r: Input should be a valid integer, found '8'"),
        ({"r": 10**30}, "r: Input should be less than"),
        ({"lora_alpha": float("nan")}, "lora_alpha: Input"),
        ({"lora_alpha": 10**400}, "lora_alpha"),
        ({"modules_to_save": ["norm\\"]}, "expected the name of a layer"),
        ({"use_dora": "yes"}, "use_dora"),
        ({"bias": "some"}, "bias"),
        ({"target_modules": [1]}, "target_modules"),
        ({"modules_to_save": ["(a|b)*"]}, "expected the name of a layer"),
        ({"trainable_token_indices": [5, 5]}, "without repetition"),
        ({"trainable_token_indices": [-1]}, "greater than or equal to 0"),
        ({"rank_pattern": {"q_proj": 0}}, "rank_pattern.q_proj: Input should be greater than 0"),
    ],
)
def test_a_configuration_that_is_not_computed_exactly_is_refused(
    folder: Path, fields: dict[str, Any], message: str
) -> None:
    change_config(folder, **fields)
    with pytest.raises(ManifestError, match=rf"adapter_config\.json cannot be used: .*{message}"):
        read_adapter(folder)


def test_fields_of_a_later_peft_that_are_switched_off_are_no_harm(base: Path, folder: Path) -> None:
    off = {"from_2031": False, "list_of_2031": [], "name_of_2031": "", "none_of_2031": None}
    change_config(folder, **off)
    assert torch.equal(logits(attach(base, folder)), logits_of_peft(base, folder, IDS))


def test_a_new_field_of_the_installed_peft_may_have_its_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_config(folder, qalora_group_size=16)
    monkeypatch.setattr(_adapter_config, "IGNORED", _adapter_config.IGNORED - {"qalora_group_size"})
    assert read_adapter(folder).manifest.unverified
    change_config(folder, qalora_group_size=17)
    with pytest.raises(ManifestError, match="qalora_group_size=17 is not accepted"):
        read_adapter(folder)


# --- weights -------------------------------------------------------------------------------


def test_pickled_weights_are_never_read(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(ManifestError, match=r"lacks adapter_model.safetensors. Expected weights"):
        read_adapter(folder)
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(ManifestError, match=r"adapter_model.bin is pickled, and never read"):
        read_adapter(folder)


def first(weights: Weights) -> str:
    return min(name for name in weights if "lora_A" in name)


def renamed(weights: Weights) -> Weights:
    return {name.replace("q_proj", "query"): tensor for name, tensor in weights.items()}


def lost(weights: Weights) -> None:
    del weights[first(weights)]


def widened(weights: Weights) -> None:
    weights[first(weights)] = torch.zeros(4, 17)


def of_other_embeddings(weights: Weights) -> None:
    weights[EMBEDDING] = torch.zeros(9, 16)


def packed(weights: Weights) -> None:
    weights[first(weights)] = weights[first(weights)].to(torch.float8_e4m3fn)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (renamed, r"lacks 4 tensors .*; it has 4 tensors \(.*query.*\) that fit no layer"),
        (lost, "lacks 1 tensor"),
        (widened, r"\(4, 17\) instead of \(4, 24\)"),
        (of_other_embeddings, r"embed_tokens.base_layer.weight\) that fit no layer"),
        (packed, "has 1 tensor .* of whole numbers, or in 8 bits"),
    ],
)
def test_weights_that_fit_no_layer_are_an_error_and_the_base_stays(
    base: Path, folder: Path, change: Callable[[Weights], object], message: str
) -> None:
    change_config(change_weights(folder, change), base_model_name_or_path="someone/base")
    model = load_base(base)
    before = logits(model)
    with pytest.raises(AdapterMismatchError, match=rf"{message}.*names 'someone/base': give that"):
        attach_trained(model, read_adapter(folder), IDENTITY)
    assert torch.equal(logits(model), before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(base: Path, folder: Path, value: float) -> None:
    def spoil(weights: Weights) -> None:
        weights[first(weights)][0, 0] = value

    with pytest.raises(ModelError, match=r"1 tensor .*lora_A.* numbers that are not finite"):
        attach(base, change_weights(folder, spoil))


def test_weights_that_peft_leaves_out_are_an_error(
    base: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import peft

    monkeypatch.setattr(peft, "set_peft_model_state_dict", lambda *_: None)
    with pytest.raises(ModelError, match="peft did not load 8 tensors"):
        attach(base, folder)


def test_an_interrupt_while_it_is_attached_leaves_the_base_as_it_was(
    base: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import peft

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    model = load_base(base)
    before = logits(model)
    monkeypatch.setattr(peft, "set_peft_model_state_dict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        attach_trained(model, read_adapter(folder), IDENTITY)
    assert torch.equal(logits(model), before)


def test_other_embeddings_than_the_base_models_are_refused(base: Path, tmp_path: Path) -> None:
    folder = write_peft_adapter(base, tmp_path / "adapter", target_modules=["embed_tokens"])

    def train_on(weights: Weights) -> None:
        weights[EMBEDDING][0, 0] += 1

    change_weights(folder, train_on)
    with pytest.raises(AdapterMismatchError, match="with the vocabulary that it was trained with"):
        attach(base, folder)


def test_a_rank_that_its_file_does_not_have_takes_no_memory(base: Path, folder: Path) -> None:
    change_config(folder, r=2**31 - 1)  # 160 GB for the first layer alone
    with pytest.raises(AdapterMismatchError, match=r"instead of \(2147483647, 24\)"):
        attach(base, folder)


# --- hostile folders -----------------------------------------------------------------------


def test_nothing_that_a_configuration_names_is_loaded(
    base: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap_of_adapter.py"
    trap.write_text("raise SystemExit('it ran')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    shutil.copy(trap, folder / "modeling.py")
    classes = {"base_model_class": "Any", "parent_library": "trap_of_adapter"}
    mapping = {"auto_mapping": classes, "auto_map": None, "megatron_core": "trap_of_adapter"}
    change_config(folder, base_model_name_or_path=str(tmp_path / "nowhere"), **mapping)
    assert torch.equal(logits(attach(base, folder)), logits_of_peft(base, folder, IDS))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target_modules": r"(?:(?:[a-z]|\w|.)+)+[^\w.]"}, "takes more than 0.2 seconds"),
        ({"exclude_modules": r"(?:(?:[a-z]|\w|.)+)+[^\w.]"}, "takes more than 0.2 seconds"),
        ({"rank_pattern": {r"(?:(?:[a-z]|\w|.)+)+[^\w.]": 2}}, "takes more than 0.2 seconds"),
        ({"target_modules": "(?R)*"}, "unknown extension"),
        ({"target_modules": "("}, "missing"),
        ({"target_modules": "q" * 3000}, "more than 2,000 characters"),
        ({"target_modules": r".*\.nothing"}, "No `target_modules` passed"),
    ],
)
def test_patterns_are_matched_in_bounded_time(
    base: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.setattr(_adapter_config, "PATTERN_SECONDS", 0.2)
    change_config(folder, **fields)
    with pytest.raises(ZhmcqError, match=message):
        attach(base, folder)


def test_many_names_of_layers_are_matched_as_peft_matches_them(base: Path, folder: Path) -> None:
    many = [f"x{number}" for number in range(150_000)]  # peft alone takes minutes over them
    wanted = ["model.layers.0.self_attn.q_proj", "1.self_attn.q_proj", "down_proj"]
    change_config(folder, target_modules=[*wanted, *many], exclude_modules=[*many, "o_proj"])
    present = logits(attach(base, folder))
    change_config(folder, target_modules=wanted, exclude_modules=None)
    assert torch.equal(present, logits_of_peft(base, folder, IDS))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("modules_to_save", [f"x{number}" for number in range(1001)]),
        ("target_parameters", [f"x{number}" for number in range(1001)]),
        ("layers_pattern", [f"x{number}" for number in range(1001)]),
        ("layers_to_transform", list(range(1001))),
        ("trainable_token_indices", {f"x{number}": [1] for number in range(1001)}),
    ],
)
def test_lists_that_peft_would_compare_with_every_layer_are_short(
    folder: Path, field: str, values: Any
) -> None:
    message = rf"cannot be used: {field}: (List should have at most 1000|Input should be a valid)"
    with pytest.raises(ManifestError, match=message):
        read_adapter(change_config(folder, **{field: values}))


def test_many_quick_patterns_take_no_more_time_than_a_slow_one(
    base: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_adapter_config, "PATTERN_SECONDS", 0.05)
    change_config(folder, rank_pattern={f"x{number}": 2 for number in range(100_000)})
    with pytest.raises(ManifestError, match=r"in rank_pattern .* takes more than 0\.05 seconds"):
        attach(base, folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expecting value"),
        (b"[1]", "expected an object, found list"),
        (b"[" * 100_000, "recursion"),
        (b"{\xff}", "codec"),
        (b'{"a": "' + b"x" * 4_000_000 + b'"}', "more than 4,000,000 bytes"),
    ],
)
def test_a_configuration_that_says_nothing_is_refused(
    folder: Path, content: bytes, message: str
) -> None:
    (folder / "adapter_config.json").write_bytes(content)
    with pytest.raises(ManifestError, match=rf"cannot be read as the configuration.*{message}"):
        read_adapter(folder)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_links_that_lead_out_of_the_folder_are_refused(
    folder: Path, tmp_path: Path, name: str
) -> None:
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ManifestError, match="is a link"):
        read_adapter(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_pipe_is_never_opened(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ManifestError, match=r"there is no such file|lacks adapter_model"):
        read_adapter(folder)


def test_an_adapter_that_was_being_written_is_not_taken_for_one_of_another_tool(
    folder: Path,
) -> None:
    (folder / ".adapter").mkdir()
    with pytest.raises(ManifestError, match="its training was stopped while the adapter was"):
        read_adapter(folder)


def test_where_a_folder_holds_several_adapters_they_are_named(plain: Path, tmp_path: Path) -> None:
    shutil.copytree(plain, tmp_path / "zoo" / "a")
    shutil.copytree(plain, tmp_path / "zoo" / "sets" / "b")
    message = r"There are adapters in a, sets/b: give .*zoo/a$"
    with pytest.raises(ManifestError, match=message):
        read_adapter(tmp_path / "zoo")
    assert read_adapter(tmp_path / "zoo" / "sets" / "b").manifest.unverified


@pytest.mark.parametrize("name", ["nowhere", "a\0b", "x" * 300, "~nobody-zhmcq/x", ""])
def test_a_folder_that_is_not_there_is_a_manifest_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError, match=r"no zhmcq_manifest.json and no adapter_config.json"):
        read_adapter(name)


def test_an_adapter_with_a_manifest_is_read_by_the_same_rules(
    base: Path, folder: Path, tmp_path: Path
) -> None:
    manifest = read_adapter(folder).manifest.model_copy(update={"unverified": False})
    change_config(folder, peft_type="XLORA")
    manifest.model_copy(update={"base": IDENTITY}).write(folder)
    with pytest.raises(ManifestError, match="found 'XLORA'"):
        attach(base, folder)


@pytest.mark.parametrize("quantization", [[1], {"kind": "int3"}, {"bits": 4}, "nf4"])
def test_a_manifest_with_a_quantization_that_is_none_is_refused(
    folder: Path, quantization: Any
) -> None:
    settings = {"quantization": quantization}
    manifest = read_adapter(folder).manifest.model_copy(update={"settings": settings})
    manifest.model_copy(update={"unverified": False}).write(folder)
    with pytest.raises(ManifestError, match="has a quantization that is none"):
        read_adapter(folder)


def test_the_chat_template_beside_an_adapter_is_compared(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"chat_template": "{{ messages }}"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    read_adapter(folder).warn_of_base(IDENTITY)
    assert "was not made by zhmcq. It is used on 'tiny', and its adapter_config" in caplog.text
    assert "has another chat template than when" in caplog.text
    caplog.clear()
    (folder / "tokenizer_config.json").unlink()
    read_adapter(folder).warn_of_base(IDENTITY)
    assert "chat template" not in caplog.text
