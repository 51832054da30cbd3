"""The identity of a base model: its configuration's values, and hashes of weights and tokenizer."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zhmcq.errors import ModelError
from zhmcq.manifest import BaseIdentity
from zhmcq.modeling._tokenizer_hash import chat_template_hash, tokenizer_hash
from zhmcq.modeling._weight_files import file_hash, weights_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["differences", "identify"]

# Fields of a configuration that no number of a causal language model depends on: where it came
# from and who saved it, how it is to be loaded, what it returns beside its logits, its use as a
# classifier, and padding, which is masked. Saving, loading and training change some of them.
VOLATILE = {
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_experts_implementation",
    "_flash_attn_2_enabled",
    "_model_name_or_path",
    "_name_or_path",
    "architectures",
    "attn_implementation",
    "auto_map",
    "configuration_files",
    "dtype",
    "finetuning_task",
    "id2label",
    "label2id",
    "name_or_path",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "prefix",
    "problem_type",
    "return_dict",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "transformers_weights",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
}
NAMED = 4  # fields of a configuration that an error gives; the others are counted


def identify(source: Path, name: str, tokenizer: PreTrainedTokenizerBase) -> BaseIdentity:
    """Identify a model folder or a GGUF file by its contents.

    The configuration is taken as transformers' own class for it reads it, so that an older form of
    ``config.json`` and one without the fields that have their defaults are the same. Weights are
    hashed tensor by tensor: the same weights in other shards are the same, in another dtype they
    are not. A copy of tied weights is not counted, nor is what older files have beside weights.

    Args:
        source: A folder with ``config.json`` and ``model.safetensors`` or its shards, or a GGUF
            file.
        name: The name people know it by.
        tokenizer: The tokenizer that is used with it.

    Raises:
        ModelError: If the folder lacks either, or a file is damaged.
    """
    if source.is_file():
        config, weights = {}, file_hash(source)
    else:
        values = _read(source)
        config = _without_defaults(values)
        model_class = _causal_class(values)
        prefix = getattr(model_class, "base_model_prefix", "")
        weights = weights_hash(source, _tied_names(model_class, values), prefix)
    return BaseIdentity(
        name=name,
        config=config,
        weights_sha256=weights,
        tokenizer_sha256=tokenizer_hash(tokenizer),
        chat_template_sha256=chat_template_hash(tokenizer),
    )


def differences(expected: BaseIdentity, present: BaseIdentity, *, chat: bool) -> list[str]:
    """What makes a base model another one, in words.

    Args:
        expected: The base model that is to be used.
        present: The one at hand.
        chat: Whether questions are asked as chats, so that the chat template counts.

    Returns:
        One phrase a part, such as ``"the weights"``, with both values where they can be read;
        none if it is the same model.
    """
    parts = []
    fields = list(_changed_fields(expected.config, present.config))
    if fields:
        more = f" and {len(fields) - NAMED} more fields" if len(fields) > NAMED else ""
        parts.append(f"the configuration ({'; '.join(fields[:NAMED])}{more})")
    for part, wanted, actual in (
        ("weights", expected.weights_sha256, present.weights_sha256),
        ("tokenizer", expected.tokenizer_sha256, present.tokenizer_sha256),
        ("chat template", expected.chat_template_sha256, present.chat_template_sha256),
    ):
        if wanted != actual and (chat or part != "chat template"):
            hashes = [f"{value[:12]}…" if value else "none" for value in (wanted, actual)]
            parts.append(f"the {part} (SHA-256: expected {hashes[0]}, found {hashes[1]})")
    return parts


def _changed_fields(expected: Mapping[str, Any], present: Mapping[str, Any]) -> Iterator[str]:
    """The fields of configurations that differ, with both values."""
    if not expected or not present:  # of a GGUF file, whose hash covers it
        return
    wanted, actual = (dict(_flat(_complete(dict(values)))) for values in (expected, present))
    for name in sorted(wanted.keys() | actual.keys()):
        sides = [
            json.dumps(_normal(name, values[name]), ensure_ascii=False)
            if name in values
            else "nothing"
            for values in (wanted, actual)
        ]
        if sides[0] != sides[1]:
            yield f"{name}: expected {sides[0]:.60}, found {sides[1]:.60}"


def _normal(name: str, value: Any) -> Any:
    """A value in one of the forms that files have: whole numbers as integers, one end as itself."""
    if isinstance(value, list):
        if name.endswith("eos_token_id") and len(value) == 1:
            return _normal(name, value[0])
        return [_normal(name, item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested dictionaries with their names joined by dots."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _read(folder: Path) -> dict[str, Any]:
    """The completed configuration of a folder."""
    from transformers import PretrainedConfig

    try:
        values = PretrainedConfig.get_config_dict(str(folder), local_files_only=True)[0]
        values = _complete(dict(values))
    except Exception as error:  # whatever a broken file makes transformers raise
        raise ModelError(
            f"{folder / 'config.json'} cannot be read as a model's configuration: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not values:
        raise ModelError(f"{folder} holds no config.json: expected the folder of a model")
    return values


def _complete(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a configuration as transformers' own class completes them.

    Older forms become the newer one (``rope_theta`` a part of ``rope_parameters``), and absent
    fields get their defaults. A model of another kind keeps its values as they are written, since
    the code of its author is not run for this.
    """
    config_class = _config_class(values)
    complete = values
    if config_class is not None:
        try:
            config = config_class.from_dict(
                config_class._decode_special_floats(copy.deepcopy(values))
            )
            complete = json.loads(config.to_json_string(use_diff=False))
        except Exception:  # whatever its class raises about values that do not go together
            config_class = None
    stable = _stable(complete, _declared(config_class))
    if isinstance(stored := stable.get("quantization_config"), dict):
        stable["quantization_config"] = _complete_quantization(stored)
    return stable


def _complete_quantization(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a stored quantisation, completed likewise, without options that are off."""
    from transformers.quantizers.auto import AutoQuantizationConfig

    # Its class may need a package that is not installed, or refuse the values.
    with contextlib.suppress(Exception):
        config = AutoQuantizationConfig.from_dict(copy.deepcopy(values))
        values = json.loads(json.dumps(config.to_dict()))
    return {
        name: _plain(value)
        for name, value in values.items()
        if not name.startswith("_") and not _is_off(value)
    }


def _config_class(values: Mapping[str, Any]) -> Any | None:
    """The class that transformers has for a configuration; ``None`` if it has none."""
    from transformers import CONFIG_MAPPING

    kind = values.get("model_type")
    return CONFIG_MAPPING[kind] if isinstance(kind, str) and kind in CONFIG_MAPPING else None


def _declared(config_class: Any | None) -> set[str] | None:
    """The fields that a class of configurations declares; ``None`` without a class."""
    if config_class is None:
        return None
    return {field.name for field in dataclasses.fields(config_class)}


def _stable(values: Mapping[str, Any], declared: set[str] | None) -> dict[str, Any]:
    """The values without volatile ones.

    Of fields that the class does not declare, those are left out as well that are off, since
    earlier versions of transformers wrote many such (``pruned_heads``, ``use_bfloat16``), and those
    that its rotary parameters repeat.
    """
    rotary = values.get("rope_parameters")
    parts = [rotary, *rotary.values()] if isinstance(rotary, Mapping) else []
    repeated = [(name, part[name]) for part in parts if isinstance(part, Mapping) for name in part]

    def counts(name: str, value: Any) -> bool:
        if declared is None or name in declared:
            return True
        return not _is_off(value) and (name, value) not in repeated

    return {
        name: _plain(value)
        for name, value in values.items()
        if name not in VOLATILE and counts(name, value)
    }


def _is_off(value: Any) -> bool:
    return value is None or value is False or value == {} or value == []


def _plain(value: Any) -> Any:
    """A value as JSON has it, with one name of a rotary scaling."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        inner = {str(name): _plain(item) for name, item in value.items()}
        if "rope_type" in inner:
            inner.pop("type", None)  # its name in older forms, which is kept beside it
        if "model_type" in inner:  # the configuration of a part
            inner = {name: item for name, item in inner.items() if name not in VOLATILE}
        return inner
    return value


def _without_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """The values that differ from those that their class declares as defaults.

    Only what is declared is a default: what a class makes of other fields (``head_dim``) may be
    another number elsewhere.
    """
    config_class = _config_class(values)
    if config_class is None:
        return values
    defaults = {}
    for field in dataclasses.fields(config_class):
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = _plain(field.default)
    return {
        name: value
        for name, value in values.items()
        if name == "model_type" or name not in defaults or defaults[name] != value
    }


def _causal_class(values: Mapping[str, Any]) -> Any | None:
    """The class that transformers has for a causal language model of this configuration."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    config_class = _config_class(values)
    try:
        return None if config_class is None else MODEL_FOR_CAUSAL_LM_MAPPING[config_class]
    except (KeyError, AttributeError, ImportError):
        return None


def _tied_names(model_class: Any, values: Mapping[str, Any]) -> dict[str, str]:
    """Names of tensors that share another one's weight in a model of this configuration."""
    names = getattr(model_class, "_tied_weights_keys", None)
    if values.get("tie_word_embeddings") is not True or not isinstance(names, Mapping):
        return {}
    return dict(names)
