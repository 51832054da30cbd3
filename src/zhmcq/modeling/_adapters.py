"""Trained adapters: read, attached to the base model they were trained on, and detached exactly."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from zhmcq._warnings import ignored_warnings
from zhmcq.errors import AdapterMismatchError, ManifestError, ModelError
from zhmcq.manifest import BaseIdentity, Manifest
from zhmcq.modeling._complete import name_some
from zhmcq.modeling._identity import differences
from zhmcq.modeling._loading import loading
from zhmcq.modeling._memory import enough_memory, memory_errors

__all__ = ["PEFT_ERRORS", "Adapter", "adapter_tensors", "attach_trained", "detach", "read_adapter"]

logger = logging.getLogger(__name__)

WEIGHTS = "adapter_model.safetensors"

# What peft and bitsandbytes raise about what they cannot do.
PEFT_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ImportError,
    NotImplementedError,
    SafetensorError,
)


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter folder whose files had the hashes of its manifest when it was read.

    Attributes:
        folder: The folder.
        manifest: What the adapter remembers: base model, prompt, maximum length, settings.
    """

    folder: Path
    manifest: Manifest

    @property
    def quantization(self) -> dict[str, Any] | None:
        """Fields of the quantisation that its base model had in training, if it had any."""
        return self.manifest.settings.get("quantization")

    def refuse_other_base(self, identity: BaseIdentity) -> None:
        """Refuse a base model that is not the one of training.

        Args:
            identity: The identity of the base model at hand.

        Raises:
            AdapterMismatchError: If its configuration, weights or tokenizer are others, or its
                chat template, if the adapter was trained with a chat prompt.
        """
        manifest = self.manifest
        parts = differences(manifest.base, identity, chat=manifest.prompt.chat)
        if parts:
            raise AdapterMismatchError(
                f"{self.folder} was trained on {manifest.base.name!r}, and {identity.name!r} "
                f"differs from it in {' and '.join(parts)}. Give the base model it was trained "
                "on, with all its files as they were; on another one an adapter answers nonsense"
            )

    def warn_of_other_template(self, identity: BaseIdentity) -> None:
        """Log a warning if the chat template is another one than in training.

        Args:
            identity: The identity of the base model at hand.
        """
        if self.manifest.base.chat_template_sha256 != identity.chat_template_sha256:
            logger.warning(
                "%r has another chat template than when %s was trained: a plain-text prompt such "
                "as the adapter's own does not depend on it, a chat prompt does",
                identity.name,
                self.folder,
            )


def read_adapter(folder: str | Path) -> Adapter:
    """Read an adapter folder and hash its files, once; what it returns is attached without that.

    Raises:
        ManifestError: If it is no adapter folder of zhmcq, or a file was changed.
    """
    path = Path(folder)
    manifest = Manifest.read(path)
    if manifest.kind != "adapter" or WEIGHTS not in manifest.files:
        raise ManifestError(
            f"{path} holds a {manifest.kind} model: expected an adapter, as LoraTrainer.train "
            "writes it"
        )
    return Adapter(path, manifest)


@loading()
@enough_memory("loading the adapter", "give a quantization, or take a smaller model")
def attach_trained(model: Any, adapter: Adapter, identity: BaseIdentity) -> Any:
    """Put a trained adapter on the base model that it was trained on.

    Args:
        model: The base model.
        adapter: The adapter.
        identity: The identity of the base model.

    Returns:
        A ``PeftModel`` in evaluation mode. :func:`detach` gives the base model back.

    Raises:
        AdapterMismatchError: If the adapter was trained on another base model, or its file lacks
            tensors, or has some of other shapes or for layers that are not there. The base model
            is as it was.
        ModelError: If peft cannot load it; the base model is as it was.
        OutOfMemoryError: If it does not fit in memory; the base model is as it was.
    """
    adapter.refuse_other_base(identity)
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    before = _BaseState(model)
    try:
        config = LoraConfig.from_pretrained(str(adapter.folder))
        config.inference_mode = True
        config.init_lora_weights = False  # they are all read from the file
        # Which base model it is was looked at; peft would warn of one that lies elsewhere now.
        config.base_model_name_or_path = None
        weights = load_file(adapter.folder / WEIGHTS)
        # peft calls a method that transformers is about to drop, and warns of tied weights,
        # which merging separates.
        with (
            ignored_warnings(".*is_gradient_checkpointing.*"),
            ignored_warnings(".*tie_word_embeddings=True.*"),
            memory_errors(),
        ):
            tuned = get_peft_model(model, config)
            expected = adapter_tensors(tuned)
            _refuse_misfit(adapter.folder, weights, expected)
            before.keep_values(expected.values())
            set_peft_model_state_dict(tuned, weights)
    except (AdapterMismatchError, MemoryError):
        before.restore()
        raise
    except PEFT_ERRORS as error:
        before.restore()
        raise ModelError(f"the adapter {adapter.folder} cannot be loaded: {error}") from error
    tuned.before_adapter = before
    return tuned.eval()


def detach(model: Any) -> Any:
    """Take an adapter off without merging it: the base model, bit for bit as it was.

    peft's own ``unload`` leaves trained copies (``modules_to_save``) in place of the base model's
    layers, and the biases that the adapter's file overwrote.

    Args:
        model: What :func:`attach_trained` returned.
    """
    return model.before_adapter.restore()


def adapter_tensors(peft_model: Any) -> dict[str, torch.Tensor]:
    """The tensors that an adapter's file has, by their names in it.

    They are the parameters themselves, and so include those of the base model that training
    changes (``bias``). Embeddings of the base model are not among them, which peft by default
    saves with an adapter of theirs.

    Args:
        peft_model: A ``PeftModel``.
    """
    from peft import get_peft_model_state_dict

    everything = {
        **dict(peft_model.named_parameters(remove_duplicate=False)),
        **dict(peft_model.named_buffers(remove_duplicate=False)),
    }
    tensors: dict[str, torch.Tensor] = get_peft_model_state_dict(
        peft_model, state_dict=everything, save_embedding_layers=False
    )
    return tensors


def _refuse_misfit(
    folder: Path, weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """Refuse an adapter's file whose tensors are not those of the adapter on this model.

    Raises:
        AdapterMismatchError: With their names.
    """
    faults = []
    if missing := sorted(expected.keys() - weights.keys()):
        faults.append(f"lacks {name_some(missing)}")
    if foreign := sorted(weights.keys() - expected.keys()):
        faults.append(f"has {name_some(foreign)} that fit no layer")
    if packed := sorted(n for n, tensor in weights.items() if not tensor.is_floating_point()):
        faults.append(f"has {name_some(packed)} of whole numbers")
    shapes = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in sorted(expected.items())
        if name in weights and weights[name].shape != tensor.shape
    ]
    if shapes:
        faults.append(f"has {name_some(shapes)} of another shape")
    if faults:
        raise AdapterMismatchError(
            f"{folder / WEIGHTS} does not fit its base model: it {'; it '.join(faults)}. Copy the "
            "folder again, or train again"
        )


class _BaseState:
    """A base model as it was before an adapter: its layers, and values that the adapter overwrites.

    Args:
        model: The base model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._children = [
            (module, dict(module._modules), dict(module._parameters)) for module in model.modules()
        ]
        self._values: list[tuple[torch.Tensor, torch.Tensor]] = []

    def keep_values(self, overwritten: Iterable[torch.Tensor]) -> None:
        """Copy those tensors of the base model that an adapter's file overwrites."""
        base = {
            id(parameter)
            for _, _, parameters in self._children
            for parameter in parameters.values()
        }
        self._values = [
            (tensor, tensor.detach().clone()) for tensor in overwritten if id(tensor) in base
        ]

    def restore(self) -> Any:
        """Restore the layers and values.

        Returns:
            The base model.
        """
        for module, children, parameters in self._children:
            module._modules.update(children)
            module._parameters.update(parameters)
        with torch.no_grad():
            for tensor, value in self._values:
                tensor.copy_(value)
        if hasattr(self._model, "peft_config"):
            del self._model.peft_config
        return self._model
