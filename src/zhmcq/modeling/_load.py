"""The only module that loads base models and tokenizers: from folders, the hub or GGUF files."""

from __future__ import annotations

import copy
import glob
import logging
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from zhmcq.errors import ModelError, is_failure
from zhmcq.manifest import BaseIdentity
from zhmcq.modeling._complete import refuse_incomplete, refuse_packed
from zhmcq.modeling._hub import HubName, fetch
from zhmcq.modeling._identity import identify
from zhmcq.modeling._library_bars import reported_bars
from zhmcq.modeling._loading import loading
from zhmcq.modeling._memory import enough_memory, memory_errors
from zhmcq.modeling._process_memory import bound_kernel_caches
from zhmcq.modeling._quantised import quantise_skeleton
from zhmcq.modeling._support import refusal_reason
from zhmcq.modeling._tied import embeddings_are_tied, mark_untied, tie_embeddings
from zhmcq.modeling._weight_files import WEIGHTS, weight_files, weight_names
from zhmcq.settings import QuantizationSettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "ModelSource",
    "is_stored_quantised",
    "load_config",
    "load_skeleton",
    "load_tokenizer",
    "load_weights",
    "quantization_config",
    "rebuilt",
]

logger = logging.getLogger(__name__)

# What transformers and torch raise of a configuration or a file that is wrong.
LOADING_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    SafetensorError,
    StrictDataclassError,
)
ADAPTER_CONFIG = "adapter_config.json"
LESS_MEMORY = (
    "take a 16-bit dtype, a quantization such as QuantizationSettings(kind='nf4'), or a smaller "
    "model"
)


def _is_of_use(record: logging.LogRecord) -> bool:
    """A filter of bitsandbytes' loggers.

    When it is imported, as in every training, it misses kernels for weights packed anew; none are
    here. Of each product of int8 weights it says that its input is cast to fp16, which is what
    ``QuantizationSettings`` says.
    """
    message = record.getMessage()
    return not message.startswith("MatMul8bitLt: inputs") and "gemm_4bit_forward" not in message


for _name in ("backends.cpu.ops", "autograd._functions"):
    logging.getLogger(f"bitsandbytes.{_name}").addFilter(_is_of_use)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a base model comes from, and what is needed to fetch it.

    Attributes:
        name: A local folder, a ``.gguf`` file, or a hub id such as
            ``"lianghsun/Llama-3.2-Taiwan-3B-Instruct"``; ``"owner/name@revision"`` is a branch, a
            tag or a commit of it.
        token: A hub access token; the one of ``hf auth login`` if ``None``.
        local_files_only: Never go to the network.
        trust_remote_code: Run code that the model's author supplies with the weights.
    """

    name: str
    token: str | None = None
    local_files_only: bool = False
    trust_remote_code: bool = False

    def path(self, *, weights: bool = True) -> Path:
        """The model's folder or GGUF file on this machine, downloaded first if it must be.

        Args:
            weights: Whether its weights are needed as well.

        Raises:
            ModelError: If there is no such folder or model, or it cannot be reached.
            GatedModelError: If its owner has to grant access first.
        """
        local = Path(self.name).expanduser()
        if os.path.exists(local):  # noqa: PTH110 - unlike Path.exists, of any name
            return local
        name = HubName.read(self.name)
        if name is None or name.folder or self.name.endswith(".gguf"):
            raise ModelError(
                f"no model at {self.name!r}: expected a folder with config.json and "
                "*.safetensors, a .gguf file, or a hub id of the form 'owner/name' or "
                "'owner/name@revision'"
            )
        patterns = ["*.json", "*.model", "*.jinja", "*.txt"]
        patterns += ["*.py"] if self.trust_remote_code else []
        folder = self._fetch(name, [*patterns, WEIGHTS] if weights else patterns)
        if weights:
            # Repositories hold copies of the weights in other formats beside them, which are not
            # needed: the index says which files are.
            files = [file for file in weight_names(folder) if not (folder / file).is_file()]
            if files:
                same = replace(name, revision=folder.name)
                folder = self._fetch(same, [glob.escape(file) for file in files])
        return folder

    def _fetch(self, name: HubName, patterns: list[str]) -> Path:
        return fetch(name, patterns, token=self.token, local_files_only=self.local_files_only)

    def identity(self, tokenizer: PreTrainedTokenizerBase) -> BaseIdentity:
        """What identifies the model: configuration, weights, tokenizer and chat template.

        Args:
            tokenizer: Its tokenizer, as :func:`load_tokenizer` loads it.

        Raises:
            ModelError: If it cannot be reached, or has an adapter's files beside its own.
            GatedModelError: If its owner has to grant access first.
        """
        path = self.path()
        _refuse_adapter_files(path)
        return identify(path, self.name, tokenizer)


def quantization_config(settings: QuantizationSettings, compute_dtype: torch.dtype) -> Any:
    """The ``BitsAndBytesConfig`` of these settings, computing in ``compute_dtype``."""
    from transformers import BitsAndBytesConfig

    values: dict[str, Any] = {"load_in_8bit": True}
    if settings.kind == "nf4":
        values = {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": settings.double_quant,
            "bnb_4bit_compute_dtype": compute_dtype,
        }
    return BitsAndBytesConfig(**values)  # type: ignore[no-untyped-call]


def load_weights(
    source: ModelSource,
    *,
    dtype: torch.dtype,
    device: torch.device,
    quantization: Any = None,
) -> PreTrainedModel:
    """Load a causal language model without its tokenizer, in a given dtype.

    :func:`zhmcq.modeling._dtype.load_proven` chooses the dtype and proves it.

    Args:
        source: Where it comes from.
        dtype: The dtype of its weights.
        device: Where to put it.
        quantization: What :func:`quantization_config` returns, or ``None``.

    Raises:
        ModelError: If it cannot be loaded, lacks weights, or is stored quantised and is to be
            quantised again.
        GatedModelError: If the model's owner has to grant access first.
        OutOfMemoryError: If its weights do not fit in memory.
    """
    folder, options = _location(source)
    with loading(), enough_memory(f"loading {source.name!r}", LESS_MEMORY):
        from transformers import AutoModelForCausalLM, GgufConfig

        config = _configuration(source, folder, options)
        stored = _stored_method(config)
        from_gguf = "gguf_file" in options
        bound_kernel_caches()
        options |= {
            "dtype": dtype,
            "output_loading_info": True,
            "ignore_mismatched_sizes": True,  # refused below, with their names
        }
        if from_gguf:
            # Else, where the package kernels is installed, transformers would fetch code for packed
            # weights from the hub and run it, and the weights could not be trained.
            options["quantization_config"] = GgufConfig(dequantize=True)
        else:
            weight_files(folder)  # refuses, and says what is wrong with them
            options |= {"use_safetensors": True, "config": config}
        if quantization is not None:
            if stored is not None:
                raise ModelError(
                    f"{source.name!r} is stored quantised already ({stored}): leave quantization "
                    "out, or give the model at full precision"
                )
            options["quantization_config"] = quantization
        quantised = quantization is not None or stored is not None
        if quantised:
            options["device_map"] = {"": device}  # such weights are not moved later
        try:
            with reported_bars(), memory_errors():
                loaded: Any = AutoModelForCausalLM.from_pretrained(folder, **options)
        except LOADING_ERRORS as error:
            raise _unloadable(source, "causal language model", error) from error
        model, info = loaded
        refuse_incomplete(model, info, source.name)
        if from_gguf:
            model = rebuilt(model)
        elif not quantised:
            refuse_packed(model, folder, source.name)
        if quantised:
            _keep_as_quantised(model)
        else:
            model = model.to(device)
        weights: PreTrainedModel = model.eval()
        return weights


def _keep_as_quantised(model: PreTrainedModel) -> None:
    """Keep bitsandbytes from packing 4-bit weights anew on CPUs that compute in bfloat16.

    It would do so at the first forward pass without gradients: the scales are rounded, products are
    in bfloat16 whatever the dtype, some shapes raise, and neither unpacking nor ``dequantize()``
    gives the weights back that an adapter was trained on.
    """
    layer: Any
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def load_config(source: ModelSource) -> PretrainedConfig:
    """Load a model's configuration, without its weights.

    Raises:
        ModelError: If it cannot be loaded.
        GatedModelError: If the model's owner has to grant access first.
    """
    folder, options = _location(source, weights=False)
    return _read_configuration(source, folder, options)


def load_skeleton(
    source: ModelSource, *, dtype: torch.dtype = torch.float32, quantization: Any = None
) -> PreTrainedModel:
    """A model's layers by their shapes, without weights: its parameters are on the meta device.

    Args:
        source: Where its configuration comes from.
        dtype: The dtype of its parameters.
        quantization: What :func:`quantization_config` returns, or ``None``.

    Raises:
        ModelError: If its configuration cannot be loaded, or bitsandbytes is missing.
        GatedModelError: If the model's owner has to grant access first.
    """
    folder, options = _location(source, weights=False)
    with loading():
        from transformers import AutoModelForCausalLM

        config = _configuration(source, folder, options)
        try:
            with torch.device("meta"):
                model: PreTrainedModel = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                    config,
                    dtype=dtype,
                    trust_remote_code=source.trust_remote_code,
                )
            if quantization is not None:
                quantise_skeleton(model, quantization, dtype)
        except LOADING_ERRORS as error:
            raise _unloadable(source, "causal language model", error) from error
        return model


def is_stored_quantised(source: ModelSource) -> bool:
    """Whether the model's weights are quantised on disk, by its configuration.

    Raises:
        ModelError: If its configuration cannot be loaded.
        GatedModelError: If the model's owner has to grant access first.
    """
    folder, options = _location(source, weights=False)
    return _stored_method(_configuration(source, folder, options)) is not None


def load_tokenizer(source: ModelSource) -> PreTrainedTokenizerBase:
    """Load a model's tokenizer.

    Raises:
        ModelError: If it cannot be loaded.
        GatedModelError: If the model's owner has to grant access first.
    """
    folder, options = _location(source, weights=False)
    with loading():
        from transformers import AutoTokenizer

        try:
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, **options)
        except BaseException as error:  # tokenizers raises Exception itself, and panics
            if not is_failure(error):
                raise
            raise _unloadable(source, "tokenizer", error) from error
    return tokenizer


def _location(source: ModelSource, *, weights: bool = True) -> tuple[Path, dict[str, Any]]:
    """The folder to load from, and the options that go with it."""
    path = source.path(weights=weights)
    _refuse_adapter_files(path)
    options: dict[str, Any] = {
        "trust_remote_code": source.trust_remote_code,
        "local_files_only": True,  # what had to be fetched was fetched by path()
    }
    if path.is_file():
        _require_gguf(path)
        return path.parent, {**options, "gguf_file": path.name}
    return path, options


def _configuration(source: ModelSource, folder: Path, options: dict[str, Any]) -> Any:
    """The model's configuration, of a kind of model that can be used."""
    config = _read_configuration(source, folder, options)
    if (reason := refusal_reason(config)) is not None:
        raise ModelError(
            f"{source.name!r} cannot be used: {reason}. Expected a causal language model"
        )
    return config


def _read_configuration(
    source: ModelSource, folder: Path, options: dict[str, Any]
) -> PretrainedConfig:
    with loading():
        from transformers import AutoConfig

        try:
            config: PretrainedConfig
            if "gguf_file" in options:
                config = copy.deepcopy(_gguf_configuration(folder / options["gguf_file"]))
            else:
                config = AutoConfig.from_pretrained(folder, **options)
        except LOADING_ERRORS as error:
            raise _unloadable(source, "causal language model", error) from error
    text = config.get_text_config()
    pad, size = getattr(text, "pad_token_id", None), getattr(text, "vocab_size", None)
    if isinstance(pad, int) and isinstance(size, int) and not 0 <= pad < size:
        text.pad_token_id = None  # no row has it, and no embedding could be made with it
    return config


def _gguf_configuration(path: Path) -> PretrainedConfig:
    """The configuration in a GGUF file: to read it takes many seconds, and it is needed often."""
    state = path.stat()
    return _read_gguf_configuration(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _read_gguf_configuration(path: Path, _changed: int, _size: int) -> PretrainedConfig:
    from transformers import AutoConfig

    config: PretrainedConfig = AutoConfig.from_pretrained(
        path.parent, gguf_file=path.name, local_files_only=True
    )
    return config


def _refuse_adapter_files(path: Path) -> None:
    """Refuse a model folder with an adapter in it, which transformers would apply.

    To ignore the adapter would be wrong as well: its answers may be expected.
    """
    if not (path / ADAPTER_CONFIG).is_file():
        return
    if not (path / "config.json").is_file():
        raise ModelError(
            f"{path} holds an adapter ({ADAPTER_CONFIG}) and no model: expected a folder with "
            "config.json and *.safetensors. Give the base model, and the adapter as adapter="
        )
    files = sorted(p.name for p in path.glob("adapter_*") if p.is_file())
    raise ModelError(
        f"{path} holds a model and an adapter ({', '.join(files)}), which transformers would apply "
        "to it without being asked to. Move these files to another folder; an adapter that zhmcq "
        "trained is then given as adapter="
    )


def _stored_method(config: Any) -> str | None:
    """How the weights of this configuration are quantised on disk; ``None`` if they are not."""
    stored = getattr(config, "quantization_config", None)
    if stored is None:
        return None
    method = stored.get("quant_method") if isinstance(stored, dict) else stored.quant_method
    return str(getattr(method, "value", method))


def _unloadable(source: ModelSource, kind: str, error: BaseException) -> ModelError:
    return ModelError(
        f"{source.name!r} cannot be loaded as a {kind}: {type(error).__name__}: {error}"
    )


def _require_gguf(path: Path) -> None:
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"reading {path} needs the package gguf: pip install 'zhmcq[gguf]'"
        ) from error


@loading()
def rebuilt(model: Any) -> Any:
    """The same model as one that is not quantised, to be saved.

    transformers treats a model from GGUF, and one that was dequantised, as quantised.
    """
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    weights = model.state_dict()
    tied = embeddings_are_tied(model)
    with torch.device("meta"):
        plain = type(model)(config)
    plain.load_state_dict(weights, assign=True, strict=True)
    if tied:
        tie_embeddings(plain)
    else:
        mark_untied(plain)
    for name, buffer in model.named_buffers():
        if name not in weights:
            module, _, leaf = name.rpartition(".")
            plain.get_submodule(module).register_buffer(leaf, buffer, persistent=False)
    plain.generation_config = model.generation_config
    return plain
