"""Which base models are the same one, and what is said of those that are not."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BertTokenizer,
    GemmaTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Tokenizer,
    LlamaTokenizer,
    PreTrainedTokenizerFast,
    T5Tokenizer,
)

from zhmcq import _progress
from zhmcq._progress import reporting
from zhmcq.errors import ModelError
from zhmcq.manifest import BaseIdentity
from zhmcq.modeling import _weight_files
from zhmcq.modeling._identity import differences, identify
from zhmcq.modeling._load import ModelSource, load_tokenizer, load_weights
from zhmcq.modeling._tokenizer_hash import chat_template_hash, tokenizer_hash
from zhmcq.modeling._weight_files import weights_hash
from zhmcq.testing import tiny_llama

CPU = torch.device("cpu")
EMBEDDINGS, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(
        tmp_path_factory.mktemp("identity") / "base", chat=True, hidden_size=8, num_hidden_layers=1
    )


@pytest.fixture(scope="module")
def untied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(
        tmp_path_factory.mktemp("identity") / "untied",
        hidden_size=8,
        num_hidden_layers=1,
        tie_word_embeddings=False,
    )


def identity(folder: Path) -> BaseIdentity:
    source = ModelSource(str(folder))
    return source.identity(load_tokenizer(source))


def changes(one: Path, other: Path, *, chat: bool = True) -> list[str]:
    return differences(identity(one), identity(other), chat=chat)


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def edit_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(json.dumps(config), encoding="utf-8")
    return folder


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})
    return folder


# --- configurations ----------------------------------------------------------------------

SIZES = {
    "vocab_size": 99,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 6,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.36.2",
    "use_cache": False,
}
# As published: rotary fields beside the others, without those that have their defaults, and with
# fields that transformers has dropped since.
OLDER: dict[str, dict[str, Any]] = {
    "llama": {"rope_theta": 500000.0, "pretraining_tp": 1, "pruned_heads": {}},
    "llama with scaling": {
        "model_type": "llama",
        "rope_theta": 500000.0,
        "max_position_embeddings": 131072,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
    },
    "llama with old scaling": {
        "model_type": "llama",
        "rope_scaling": {"type": "linear", "factor": 2},
        "rope_theta": 10000,
    },
    "mistral": {"rope_theta": 10000.0, "sliding_window": 4096, "tie_encoder_decoder": False},
    "qwen2": {"rope_theta": 1000000.0, "use_sliding_window": False, "max_window_layers": 4},
    "gemma3_text": {"rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "head_dim": 16},
    "phi3": {
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "llama stored in 4 bits": {
        "rope_theta": 10000.0,
        "quantization_config": {
            "bnb_4bit_compute_dtype": "bfloat16",
            "bnb_4bit_quant_type": "nf4",
            "llm_int8_threshold": 6,
            "load_in_4bit": True,
            "quant_method": "bitsandbytes",
        },
    },
    "gpt_neox": {"rotary_pct": 0.25, "rotary_emb_base": 10000, "use_bfloat16": False},
}


def folder_of(config: dict[str, Any], folder: Path) -> Path:
    """A folder with this configuration, and any weights and tokenizer."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({"w": torch.zeros(1)}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("name", OLDER)
def test_an_older_form_of_a_configuration_is_the_same_model(
    name: str, tmp_path: Path, tokenizer: Any
) -> None:
    older = {"model_type": name.split()[0], **SIZES, **OLDER[name]}
    before = identify(folder_of(older, tmp_path / "older"), "older", tokenizer)
    saved = folder_of(older, tmp_path / "saved")
    AutoConfig.from_pretrained(saved).save_pretrained(saved)
    assert "torch_dtype" not in (saved / "config.json").read_text(encoding="utf-8")
    after = identify(saved, "saved", tokenizer)
    assert differences(before, after, chat=True) == []
    assert before.config == after.config
    theta = "rotary_emb_base" if name == "gpt_neox" else "rope_theta"
    other = identify(folder_of({**older, theta: 777.0}, tmp_path / "other"), "other", tokenizer)
    (change,) = differences(before, other, chat=True)
    assert change.startswith("the configuration (rope_parameters.")
    assert "found 777)" in change


@pytest.mark.parametrize(
    "kind",
    [
        "bamba",
        "falcon_h1",
        "gemma3n_text",
        "gpt2",
        "llama4",
        "mamba2",
        "nemotron_h",
        "phi3",
        "qwen3_5",
    ],
)
def test_what_a_manifest_keeps_is_completed_to_the_same_configuration(
    kind: str, tmp_path: Path, tokenizer: Any
) -> None:
    folder = folder_of({"model_type": kind}, tmp_path / "bare")
    bare = identify(folder, "bare", tokenizer)
    config = AutoConfig.from_pretrained(folder)
    config.save_pretrained(folder)
    whole = identify(folder, "whole", tokenizer)
    kept = BaseIdentity.model_validate_json(whole.model_dump_json())
    (folder / "config.json").write_text(json.dumps(kept.config), encoding="utf-8")
    again = identify(folder, "again", tokenizer)
    for other in (bare, kept, again):
        assert differences(whole, other, chat=True) == []
        assert other.config == whole.config
    (folder / "config.json").write_text(
        json.dumps({**kept.config, "hidden_size": 12345}), encoding="utf-8"
    )
    assert differences(whole, identify(folder, "other", tokenizer), chat=True)


def test_absent_defaults_and_what_loading_and_saving_changes_make_no_other_model(
    base: Path, tmp_path: Path
) -> None:
    def shorten(config: dict[str, Any]) -> None:
        for name in ("hidden_act", "rms_norm_eps", "attention_bias", "mlp_bias", "head_dim"):
            del config[name]
        config |= {
            "_name_or_path": "elsewhere",
            "architectures": None,
            "pad_token_id": 7,
            "transformers_version": "4.44.0",
            "unsloth_version": "2025.1",
        }

    assert changes(base, edit_config(copied(base, tmp_path / "m"), shorten)) == []


def test_a_list_of_one_end_of_text_is_that_end(base: Path, tmp_path: Path) -> None:
    def end_with(*ids: int) -> Callable[[dict[str, Any]], object]:
        return lambda config: config.update(eos_token_id=list(ids))

    assert changes(base, edit_config(copied(base, tmp_path / "one"), end_with(2))) == []
    (text,) = changes(base, edit_config(copied(base, tmp_path / "two"), end_with(2, 3)))
    assert text == "the configuration (eos_token_id: expected 2, found [2, 3])"


def test_each_changed_field_is_named_with_both_values(base: Path, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["rms_norm_eps"] = 1e-5
        config["sliding_pattern_of_theirs"] = 3
        del config["rope_parameters"]
        config["rope_scaling"] = {"type": "dynamic", "factor": 2.0}

    (text,) = changes(base, edit_config(copied(base, tmp_path / "m"), change))
    assert text == (
        "the configuration (rms_norm_eps: expected 1e-06, found 1e-05; rope_parameters.factor: "
        'expected nothing, found 2; rope_parameters.rope_type: expected "default", found '
        '"dynamic"; sliding_pattern_of_theirs: expected nothing, found 3)'
    )


def test_a_manifest_keeps_the_values_that_are_not_defaults(base: Path) -> None:
    config = identity(base).config
    assert config["model_type"] == "llama"
    assert config["rope_parameters"] == {"rope_theta": 10000, "rope_type": "default"}
    assert config["head_dim"] == 2  # not declared as a default: it follows from other fields
    assert "rms_norm_eps" not in config
    assert "dtype" not in config


def test_a_default_that_is_declared_later_changes_nothing(base: Path) -> None:
    now = identity(base)
    later = now.model_copy(update={"config": {**now.config, "rms_norm_eps": 1e-6}})
    assert differences(now, later, chat=True) == []


def test_the_configuration_of_an_unknown_kind_is_taken_as_it_is_written(
    tmp_path: Path, tokenizer: Any
) -> None:
    theirs = {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.Config"}, "rope_theta": 1}
    one = identify(folder_of(theirs, tmp_path / "1"), "1", tokenizer)
    two = identify(folder_of({**theirs, "rope_theta": 2}, tmp_path / "2"), "2", tokenizer)
    assert differences(one, two, chat=True) == [
        "the configuration (rope_theta: expected 1, found 2)"
    ]


@pytest.mark.parametrize("text", ["", "[1]", "{broken", "[" * 100_000, '{"a": ' * 90_000])
def test_a_configuration_that_cannot_be_read_is_refused(
    base: Path, tmp_path: Path, tokenizer: Any, text: str
) -> None:
    folder = copied(base, tmp_path / "m")
    (folder / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.json cannot be read as a model's config"):
        identify(folder, "m", tokenizer)


# --- weights -----------------------------------------------------------------------------


def sharded(base: Path, folder: Path, **options: Any) -> Path:
    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    model.save_pretrained(folder, **options)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def test_the_same_weights_in_other_shards_are_the_same_model(base: Path, tmp_path: Path) -> None:
    folder = sharded(base, tmp_path / "m", max_shard_size="2KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    assert changes(base, folder) == []


@pytest.mark.parametrize(
    "name",
    ["consolidated.safetensors", "model-00009-of-00009.safetensors", "model.fp16.safetensors"],
)
def test_a_second_copy_of_the_weights_is_ignored(base: Path, tmp_path: Path, name: str) -> None:
    for kind, folder in (
        ("whole", copied(base, tmp_path / "whole")),
        ("sharded", sharded(base, tmp_path / "sharded", max_shard_size="2KB")),
    ):
        save_file({"layers.0.w": torch.ones(3)}, folder / name)
        assert changes(base, folder) == [], kind


def test_one_changed_weight_is_another_model(base: Path, tmp_path: Path) -> None:
    def change(weights: dict[str, torch.Tensor]) -> None:
        weights["model.norm.weight"][0] += 1

    (text,) = changes(base, edit_weights(copied(base, tmp_path / "m"), change))
    assert text.startswith("the weights (SHA-256: expected ")


def test_another_dtype_is_another_model(base: Path, tmp_path: Path) -> None:
    folder = copied(base, tmp_path / "m")
    AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).save_pretrained(folder)
    (text,) = changes(base, folder)
    assert text.startswith("the weights (")


def test_tied_weights_are_the_same_under_either_name_and_under_both(
    base: Path, tmp_path: Path
) -> None:
    both = edit_weights(
        copied(base, tmp_path / "both"), lambda w: w.update({HEAD: w[EMBEDDINGS].clone()})
    )
    head = edit_weights(
        copied(base, tmp_path / "head"), lambda w: w.update({HEAD: w.pop(EMBEDDINGS)})
    )
    assert changes(base, both) == []
    assert changes(base, head) == []


def test_what_older_files_have_beside_weights_makes_no_other_model(
    base: Path, tmp_path: Path
) -> None:
    def add_frequencies(weights: dict[str, torch.Tensor]) -> None:
        weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)

    assert changes(base, edit_weights(copied(base, tmp_path / "m"), add_frequencies)) == []


def test_gpt2_as_it_was_published_is_the_model_that_is_saved_now(
    tmp_path: Path, tokenizer: Any
) -> None:
    saved, published = tmp_path / "saved", tmp_path / "published"
    config = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=9)
    GPT2LMHeadModel(config).save_pretrained(saved)
    older = {
        name.removeprefix("transformer."): tensor
        for name, tensor in load_file(saved / "model.safetensors").items()
    }
    shutil.copytree(saved, published)
    save_file({**older, "h.0.attn.bias": torch.ones(1, 1, 4, 4)}, published / "model.safetensors")
    expected = identify(saved, "gpt2", tokenizer)
    assert differences(expected, identify(published, "gpt2", tokenizer), chat=True) == []
    bias = older["h.0.attn.c_attn.bias"] + 1
    save_file({**older, "h.0.attn.c_attn.bias": bias}, published / "model.safetensors")
    assert differences(expected, identify(published, "gpt2", tokenizer), chat=True) != []


def test_a_head_of_its_own_is_another_model(base: Path, untied: Path, tmp_path: Path) -> None:
    other = edit_weights(
        copied(base, tmp_path / "other"), lambda w: w.update({HEAD: w[EMBEDDINGS] + 1})
    )
    assert [text[:11] for text in changes(base, other)] == ["the weights"]
    copy_of_head = edit_weights(
        copied(untied, tmp_path / "copy"), lambda w: w.update({HEAD: w[EMBEDDINGS].clone()})
    )
    assert [text[:11] for text in changes(untied, copy_of_head)] == ["the weights"]


def test_model_safetensors_goes_before_an_index(base: Path, tmp_path: Path) -> None:
    folder = sharded(base, tmp_path / "m", max_shard_size="2KB")
    shutil.copy(base / "model.safetensors", folder)
    for path in folder.glob("model-*.safetensors"):
        path.write_bytes(b"")
    assert changes(base, folder) == []
    load_weights(ModelSource(str(folder)), dtype=torch.float32, device=CPU)


def test_weights_that_the_configuration_names_are_those_that_count(
    base: Path, tmp_path: Path
) -> None:
    folder = edit_config(
        copied(base, tmp_path / "m"), lambda c: c.update(transformers_weights="mine.safetensors")
    )
    (folder / "model.safetensors").rename(folder / "mine.safetensors")
    save_file({"w": torch.ones(1)}, folder / "model.safetensors")
    assert changes(base, folder) == []
    load_weights(ModelSource(str(folder)), dtype=torch.float32, device=CPU)


def load(folder: Path) -> None:
    load_weights(ModelSource(str(folder)), dtype=torch.float32, device=CPU)


USES = pytest.mark.parametrize("use", [identity, load])


@USES
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("consolidated.safetensors", "rename it model.safetensors"),
        ("pytorch_model.bin", r"\(pickled weights are not read\), found none"),
    ],
)
def test_a_folder_with_another_file_alone_is_refused(
    base: Path, tmp_path: Path, use: Callable[[Path], Any], name: str, hint: str
) -> None:
    folder = copied(base, tmp_path / "m")
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(ModelError, match=rf"expected model\.safetensors, or model.*{hint}"):
        use(folder)


@USES
@pytest.mark.parametrize(
    "name",
    [
        "../base/model.safetensors",
        "/etc/passwd",
        "C:\\m.safetensors",
        "..\\m.safetensors",
        "m.bin",
        7,
    ],
)
def test_an_index_cannot_lead_elsewhere(
    base: Path, tmp_path: Path, use: Callable[[Path], Any], name: object
) -> None:
    folder = copied(base, tmp_path / "m")
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"model.norm.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(ModelError, match=r"index\.json names .* within its own folder"):
        use(folder)


@USES
def test_a_configuration_cannot_lead_elsewhere(
    base: Path, tmp_path: Path, use: Callable[[Path], Any]
) -> None:
    folder = edit_config(
        copied(base, tmp_path / "m"), lambda c: c.update(transformers_weights="../x.safetensors")
    )
    with pytest.raises(ModelError, match=r"config\.json names '\.\./x\.safetensors'"):
        use(folder)


@USES
@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "[" * 99999]
)
def test_an_index_that_says_nothing_is_refused(
    base: Path, tmp_path: Path, use: Callable[[Path], Any], text: str
) -> None:
    folder = copied(base, tmp_path / "m")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"index\.json cannot be read as an index of weights"):
        use(folder)


@USES
def test_files_that_an_index_lists_and_that_are_not_there_are_named(
    base: Path, tmp_path: Path, use: Callable[[Path], Any]
) -> None:
    folder = sharded(base, tmp_path / "m", max_shard_size="2KB")
    first, second, *_ = sorted(folder.glob("*.safetensors"))
    first.unlink()
    second.unlink()
    second.symlink_to("nowhere")
    with pytest.raises(
        ModelError, match=rf"lacks 2 of the \d+ files .*\({first.name}, {second.name}"
    ):
        use(folder)


def test_links_to_files_are_followed_as_the_hubs_cache_has_them(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    for path in base.iterdir():
        (folder / path.name).symlink_to(path)
    assert changes(base, folder) == []


@USES
def test_the_checkpoint_of_a_distributed_run_is_refused(
    base: Path, tmp_path: Path, use: Callable[[Path], Any]
) -> None:
    folder = copied(base, tmp_path / "m")
    save_file({"w": torch.ones(1)}, folder / "shard-00001-model-00001-of-00002.safetensors")
    with pytest.raises(ModelError, match="holds a distributed checkpoint"):
        use(folder)


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_a_truncated_file_is_refused(base: Path, tmp_path: Path, size: int) -> None:
    folder = copied(base, tmp_path / "m")
    raw = (base / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(raw[:size])
    with pytest.raises(ModelError, match=r"model\.safetensors is not a complete safetensors file"):
        identity(folder)


def test_a_file_is_hashed_once_until_it_changes(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(base, tmp_path / "m")
    tokenizer = load_tokenizer(ModelSource(str(folder)))
    calls = []
    hashes = _weight_files._tensor_hashes

    def counted(path: Path, count: Callable[[int], None]) -> dict[str, str]:
        calls.append(path)
        return hashes(path, count)

    monkeypatch.setattr(_weight_files, "_tensor_hashes", counted)
    first = identify(folder, "m", tokenizer)
    identify(folder, "m", tokenizer)
    assert len(calls) == 2  # a file that was written just now may be written once more
    monkeypatch.setattr(_weight_files, "SETTLED", 0)
    for _ in range(3):
        assert identify(folder, "m", tokenizer) == first
    assert len(calls) == 3
    edit_weights(folder, lambda w: w["model.norm.weight"].add_(1))
    assert differences(first, identify(folder, "m", tokenizer), chat=True)


def test_threads_that_ask_at_once_hash_a_file_once(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(base, tmp_path / "m")
    calls = []
    hashes = _weight_files._tensor_hashes

    def counted(path: Path, count: Callable[[int], None]) -> dict[str, str]:
        calls.append(path)
        return hashes(path, count)

    monkeypatch.setattr(_weight_files, "SETTLED", 0)
    monkeypatch.setattr(_weight_files, "_tensor_hashes", counted)
    with ThreadPoolExecutor(8) as pool:
        results = set(pool.map(lambda _: _weight_files.weights_hash(folder, {}), range(16)))
    assert (len(results), len(calls)) == (1, 1)


# --- tokenizers --------------------------------------------------------------------------

LETTERS = "小明今天到圖書館去看書問題誰在家答案甲乙丙ABCabc123"


def bytewise() -> dict[str, Any]:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [("å", "°"), ("æ", "ĺ"), ("Ġ", "q"), ("Ġq", "u")]
    words = ["<|endoftext|>", *alphabet, *(one + other for one, other in pairs)]
    return {"vocab": {word: number for number, word in enumerate(words)}, "merges": pairs}


def spaced() -> dict[str, Any]:
    """As SentencePiece has it: ``▁`` for spaces, and bytes for unknown characters."""
    pairs = [("圖", "書"), ("圖書", "館"), ("▁", "B")]
    single = ["<unk>", "<s>", "</s>", "<pad>", "<bos>", "<eos>", "▁", *LETTERS]
    words = [*single, *(one + other for one, other in pairs), *(f"<0x{n:02X}>" for n in range(256))]
    return {"vocab": {word: number for number, word in enumerate(words)}, "merges": pairs}


def pieces() -> list[tuple[str, float]]:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return [*special, ("▁", -2.0), *((letter, -3.0) for letter in LETTERS), ("圖書館", -1.0)]


def wordwise() -> PreTrainedTokenizerFast:
    words = {word: number for number, word in enumerate(["<unk>", *LETTERS])}
    raw = Tokenizer(models.WordLevel(words, unk_token="<unk>"))  # noqa: S106
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    raw.decoder = decoders.Fuse()
    raw.add_tokens([AddedToken("<think>", special=False, normalized=True)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw,
        eos_token="</s>",  # noqa: S106
        extra_special_tokens=["<|eot_id|>"],
    )


def wordpieces() -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, "##a", "##b"]
    return BertTokenizer(vocab={word: number for number, word in enumerate(words)})


KINDS: dict[str, Callable[[], Any]] = {
    "byte-level BPE": lambda: GPT2Tokenizer(**bytewise()),
    "SentencePiece BPE": lambda: LlamaTokenizer(**spaced()),
    "SentencePiece BPE of Gemma": lambda: GemmaTokenizer(**spaced()),
    "Unigram": lambda: T5Tokenizer(vocab=pieces(), extra_ids=2),
    "WordPiece": wordpieces,
    "WordLevel": wordwise,
}


def saved_again(tokenizer: Any, folder: Path) -> Any:
    tokenizer.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_saving_a_tokenizer_again_makes_no_other_one(kind: str, tmp_path: Path) -> None:
    tokenizer = KINDS[kind]()
    tokenizer.chat_template = "{{ messages[0].content }}\n"
    expected = tokenizer_hash(tokenizer), chat_template_hash(tokenizer)
    for number in range(2):
        tokenizer = saved_again(tokenizer, tmp_path / str(number))
        assert (tokenizer_hash(tokenizer), chat_template_hash(tokenizer)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_use_changes_no_tokenizer(kind: str) -> None:
    tokenizer = KINDS[kind]()
    expected = tokenizer_hash(tokenizer)
    tokenizer("圖書館" * 9, truncation=True, max_length=4)
    assert tokenizer_hash(tokenizer) == expected
    tokenizer("圖書館", split_special_tokens=True)
    assert tokenizer_hash(tokenizer) == expected
    tokenizer.pad_token = tokenizer.eos_token or tokenizer.sep_token
    tokenizer.padding_side = "left"
    tokenizer(["圖", "圖書館"], padding=True)
    tokenizer.model_max_length = 77
    tokenizer.chat_template = "{{ messages }}"
    assert tokenizer_hash(tokenizer) == expected


def edited(tokenizer: Any, change: Callable[[dict[str, Any]], object]) -> Any:
    """The tokenizer with its ``tokenizer.json`` changed."""
    values = json.loads(tokenizer.backend_tokenizer.to_str())
    change(values)
    other = copy.deepcopy(tokenizer)
    other._tokenizer = Tokenizer.from_str(json.dumps(values))
    return other


def swap(vocabulary: dict[str, int], one: str, other: str) -> None:
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Unigram"])
def test_two_swapped_ids_are_another_tokenizer(kind: str) -> None:
    tokenizer = KINDS[kind]()
    two = ("b", "c") if kind == "byte-level BPE" else ("乙", "丙")
    other = edited(tokenizer, lambda values: swap(values["model"]["vocab"], *two))
    assert other("".join(two)).input_ids != tokenizer("".join(two)).input_ids
    assert tokenizer_hash(other) != tokenizer_hash(tokenizer)


CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "merges in another order": (
        "SentencePiece BPE",
        lambda values: values["model"]["merges"].insert(0, values["model"]["merges"].pop()),
    ),
    "scores of pieces": (
        "Unigram",
        lambda values: values["model"]["vocab"][-1].__setitem__(1, -1.5),
    ),
    "two pieces": (
        "Unigram",
        lambda values: values["model"]["vocab"].insert(4, values["model"]["vocab"].pop(5)),
    ),
    "a normaliser": (
        "WordLevel",
        lambda values: values.update(normalizer={"type": "NFKC"}),
    ),
    "lower case": ("WordPiece", lambda values: values["normalizer"].update(lowercase=False)),
    "a pre-tokeniser": (
        "byte-level BPE",
        lambda values: values["pre_tokenizer"].update(add_prefix_space=True),
    ),
    "a post-processor": ("WordPiece", lambda values: values.update(post_processor=None)),
    "a decoder": ("byte-level BPE", lambda values: values.update(decoder=None)),
    "an added token that is special": (
        "WordLevel",
        lambda values: values["added_tokens"][0].update(special=True),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_ids_or_texts_is_another_tokenizer(name: str) -> None:
    kind, change = CHANGES[name]
    tokenizer = KINDS[kind]()
    assert tokenizer_hash(edited(tokenizer, change)) != tokenizer_hash(tokenizer)
    assert tokenizer_hash(edited(tokenizer, lambda values: values)) == tokenizer_hash(tokenizer)


def test_another_end_of_text_is_another_tokenizer() -> None:
    tokenizer = wordwise()
    expected = tokenizer_hash(tokenizer)
    tokenizer.eos_token = "甲"  # noqa: S105
    assert tokenizer_hash(tokenizer) != expected


def test_a_normaliser_that_leaves_the_usual_text_alone_is_seen(tokenizer: Any) -> None:
    other = copy.deepcopy(tokenizer)
    other._tokenizer.normalizer = normalizers.NFKC()
    assert other("小明在家。").input_ids == tokenizer("小明在家。").input_ids
    assert tokenizer_hash(other) != tokenizer_hash(tokenizer)


@pytest.mark.parametrize("replaced", ["龜", "畢業證書"])
def test_a_normaliser_that_changes_one_text_alone_is_seen(tokenizer: Any, replaced: str) -> None:
    other = copy.deepcopy(tokenizer)
    other._tokenizer.normalizer = normalizers.Replace(replaced, "龍")
    assert other(replaced).input_ids != tokenizer(replaced).input_ids
    assert tokenizer_hash(other) != tokenizer_hash(tokenizer)


def test_a_special_token_of_one_character_hashes_alike_after_use() -> None:
    tokenizer = wordwise()
    tokenizer.eos_token = "甲"  # noqa: S105
    expected = tokenizer_hash(tokenizer)
    tokenizer("圖書館", split_special_tokens=True)
    assert tokenizer_hash(tokenizer) == expected


def test_several_chat_templates_count_by_their_names(chat_tokenizer: Any) -> None:
    tokenizer = copy.deepcopy(chat_tokenizer)
    one = chat_template_hash(tokenizer)
    tokenizer.chat_template = {"default": tokenizer.chat_template}
    assert chat_template_hash(tokenizer) == one
    tokenizer.chat_template = {**tokenizer.chat_template, "tool_use": "{{ tools }}"}
    assert chat_template_hash(tokenizer) not in ("", one)
    tokenizer.chat_template = None
    assert chat_template_hash(tokenizer) == ""


def test_the_chat_template_counts_for_chats_alone(base: Path) -> None:
    now = identity(base)
    other = now.model_copy(update={"chat_template_sha256": ""})
    expected = now.chat_template_sha256[:12]
    assert differences(now, other, chat=False) == []
    assert differences(now, other, chat=True) == [
        f"the chat template (SHA-256: expected {expected}…, found none)"
    ]


def test_a_gguf_file_is_known_by_its_bytes_and_the_tokenizer(
    tmp_path: Path, tokenizer: Any, chat_tokenizer: Any
) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF one")
    one = identify(path, "m", tokenizer)
    assert one.config == {}
    assert [
        text[:13] for text in differences(one, identify(path, "m", chat_tokenizer), chat=True)
    ] == [
        "the tokenizer",
        "the chat temp",
    ]
    path.write_bytes(b"GGUF two")
    assert [text[:11] for text in differences(one, identify(path, "m", tokenizer), chat=True)] == [
        "the weights"
    ]


def test_hashing_is_reported_also_of_a_file_that_has_been_hashed_before(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "copy"))
    monkeypatch.setattr(_weight_files, "SETTLED", 0)
    monkeypatch.setattr(_progress, "MANY_BYTES", 1)
    monkeypatch.setattr(_progress, "MEGABYTE", 1)
    size = (folder / "model.safetensors").stat().st_size
    for _ in range(2):
        calls: list[Any] = []
        with reporting(lambda *call, calls=calls: calls.append(call)):
            weights_hash(folder, {})
        assert (calls[0], calls[-1]) == (
            (0, size, "hashing weights"),
            (size, size, "hashing weights"),
        )
