"""Trained adapters: attached to the base model they were trained on, and detached exactly."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from safetensors import SafetensorError

from zhmcq._warnings import ignored_warnings
from zhmcq.errors import AdapterMismatchError, ModelError, ZhmcqError
from zhmcq.manifest import BaseIdentity
from zhmcq.modeling._adapter_config import ADAPTER_CONFIG, AdapterConfig
from zhmcq.modeling._adapter_folder import WEIGHTS, Adapter
from zhmcq.modeling._complete import name_some
from zhmcq.modeling._loading import loading
from zhmcq.modeling._memory import enough_memory, memory_errors

__all__ = ["PEFT_ERRORS", "adapter_tensors", "attach_trained", "detach"]

FLOATS = {torch.float64, torch.float32, torch.float16, torch.bfloat16}

# What peft and bitsandbytes raise about what they cannot do.
PEFT_ERRORS = (
    ArithmeticError,
    AssertionError,
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
        ManifestError: If its configuration asks for what is not computed here.
        ModelError: If peft cannot load it, or its numbers are not finite; the base model is as it
            was.
        OutOfMemoryError: If it does not fit in memory; the base model is as it was.
    """
    adapter.refuse_other_base(identity)
    from peft import get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    before = _BaseState(model)
    try:
        config = AdapterConfig(adapter.folder, adapter.name).lora_config(model)
        weights = load_file(adapter.folder / WEIGHTS)
        _refuse_numbers(adapter.name, weights)
        copies = _embedding_copies(model, weights)
        # peft calls a method that transformers is about to drop, and warns of tied weights,
        # which merging separates.
        with (
            ignored_warnings(".*is_gradient_checkpointing.*"),
            ignored_warnings(".*tie_word_embeddings=True.*"),
            memory_errors(),
        ):
            # First without memory: the file may be small, and the ranks that it claims are not.
            with torch.device("meta"):
                trial = get_peft_model(model, copy.deepcopy(config), low_cpu_mem_usage=True)
            shapes = adapter_tensors(trial)
            weights = {n: t for n, t in weights.items() if n in shapes or n not in copies}
            _refuse_misfit(adapter, weights, shapes)
            before.restore()
            tuned = get_peft_model(model, config)
            expected = adapter_tensors(tuned)
            _refuse_misfit(adapter, weights, expected)
            before.keep_values(expected.values())
            set_peft_model_state_dict(tuned, weights)
        _refuse_unread(adapter.name, weights, expected)
    except BaseException as error:  # Ctrl-C too: half an adapter would answer something else
        before.restore()
        if isinstance(error, (ZhmcqError, MemoryError)) or not isinstance(error, PEFT_ERRORS):
            raise
        raise ModelError(f"the adapter {adapter.name} cannot be loaded: {error}") from error
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


def _refuse_numbers(name: str, weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights that are no numbers.

    Raises:
        ModelError: With the names of tensors.
    """
    broken = [
        key
        for key, tensor in weights.items()
        if tensor.dtype in FLOATS and not torch.isfinite(tensor).all()
    ]
    if broken:
        raise ModelError(
            f"the adapter {name} has {name_some(sorted(broken))} with numbers that are not "
            "finite: it is damaged, or its training diverged"
        )


def _embedding_copies(model: Any, weights: Mapping[str, torch.Tensor]) -> set[str]:
    """The names of tensors that are copies of the base model's embeddings or head.

    peft saves them with an adapter of these layers. Other embeddings than the base model's are
    refused like all that fits no layer of the adapter.

    Args:
        model: The base model, without an adapter.
        weights: What the adapter's file holds.
    """
    outer = [model.get_input_embeddings(), model.get_output_embeddings()]
    embeddings = {id(layer.weight) for layer in outer if hasattr(layer, "weight")}
    parameters = {
        f"base_model.model.{name}": parameter.detach()
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if id(parameter) in embeddings
    }
    copies = set()
    for name, tensor in weights.items():
        base = parameters.get(name.replace(".base_layer.", "."))
        if base is None or base.shape != tensor.shape or tensor.dtype not in FLOATS:
            continue
        base = base.cpu()
        # Either may have been rounded to the other's dtype.
        if torch.equal(tensor.to(base.dtype), base) or torch.equal(base.to(tensor.dtype), tensor):
            copies.add(name)
    return copies


def _refuse_unread(
    name: str, weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """Refuse an adapter whose tensors in the model are not those of its file.

    peft warns of weights that it did not load, at most.

    Raises:
        ModelError: With the names of tensors.
    """
    unread = [
        key
        for key, tensor in expected.items()
        if not torch.equal(tensor.detach().cpu(), weights[key].to(tensor.dtype))
    ]
    if unread:
        raise ModelError(
            f"peft did not load {name_some(sorted(unread))} of the adapter {name}: use the "
            "versions of peft and transformers that it was made with"
        )


def _refuse_misfit(
    adapter: Adapter, weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
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
    if packed := sorted(n for n, tensor in weights.items() if tensor.dtype not in FLOATS):
        faults.append(f"has {name_some(packed)} of whole numbers, or in 8 bits")
    shapes = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in sorted(expected.items())
        if name in weights and weights[name].shape != tensor.shape
    ]
    if shapes:
        faults.append(f"has {name_some(shapes)} of another shape")
    if faults:
        remedy = "Copy the folder again, or train again"
        if adapter.manifest.unverified:
            remedy = (
                f"Its {ADAPTER_CONFIG} names {adapter.manifest.base.name or 'none'!r:.200}: give "
                "that base model, with the vocabulary that it was trained with"
            )
        raise AdapterMismatchError(
            f"{adapter.folder / WEIGHTS} does not fit its base model: it {'; it '.join(faults)}. "
            f"{remedy}"
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
