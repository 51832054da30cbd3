"""Adapters that are refused, since they could not be saved and merged as they are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from zhmcq.errors import SettingsError
from zhmcq.modeling._adapters import adapter_tensors
from zhmcq.modeling._complete import name_some
from zhmcq.settings import LoraSettings

__all__ = ["refuse_inexact"]

PLAIN = (torch.nn.Embedding, torch.nn.Linear)


def refuse_inexact(
    peft_model: Any, settings: LoraSettings, shared: Mapping[int, Sequence[str]], tied: int | None
) -> None:
    """Refuse an adapter whose merged model would differ from it, or whose file would be incomplete.

    Args:
        peft_model: The model with the new adapter, before a step of training.
        settings: LoRA settings.
        shared: Names of the base model's shared parameters, by their ``id``.
        tied: The ``id`` of the weight that its embeddings and output head share, which merging
            can separate; ``None`` if they share none.

    Raises:
        SettingsError: With the reason and what to do.
    """
    for reason in (
        _unfit_layers(peft_model),
        _nested(peft_model),
        _not_converted(peft_model, settings),
        _shared_weights(peft_model, settings, shared, tied),
        _unsaved(peft_model),
    ):
        if reason:
            raise SettingsError(f"LoraSettings: {reason}")


def _adapted(peft_model: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each layer that the adapter changes: its name, peft's layer, and the base model's layer."""
    from peft.tuners.lora import LoraLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    for name, module in peft_model.get_base_model().named_modules():
        if isinstance(module, LoraLayer):
            yield name, module, module.get_base_layer()
        elif isinstance(module, AuxiliaryTrainingWrapper):
            yield name, module, module.original_module


def _unfit_layers(peft_model: Any) -> str | None:
    """Layers that lack the bias for an adapter's bias, or that peft would train in part only."""
    for name, module, layer in _adapted(peft_model):
        has_bias = getattr(layer, "bias", None) is not None
        if any(getattr(module, "lora_bias", {}).values()) and not has_bias:
            return (
                f"lora_bias=True: the layer {name} has no bias to which merging could add the "
                "adapter's: leave lora_bias out, or target layers that have a bias"
            )
        is_plain = isinstance(layer, torch.nn.Embedding) or not has_bias
        if hasattr(module, "token_adapter") and not (isinstance(layer, PLAIN) and is_plain):
            return (
                f"trainable_token_indices: peft cannot train tokens of {name}, which is a "
                f"{type(layer).__name__}{' with a bias' if has_bias else ''}: expected an "
                "embedding, and a head without a bias where it has the embedding's weight. Use "
                "modules_to_save"
            )
    return None


def _nested(peft_model: Any) -> str | None:
    """Adapted layers inside a module that is trained as a whole."""
    from peft.tuners.lora.layer import ParamWrapper

    # Of a module with several adapted parameters (experts), each wraps the one before.
    names = [
        name
        for name, module, _ in _adapted(peft_model)
        if not (isinstance(module, ParamWrapper) and name.endswith(".base_layer"))
    ]
    for outer in names:
        inner = next((name for name in names if name.startswith(f"{outer}.")), None)
        if inner is not None:
            return (
                f"the adapter would change {outer} as a whole and {inner} inside it, which could "
                "not be merged: leave either out of target_modules, modules_to_save or "
                "trainable_token_indices"
            )
    return None


def _not_converted(peft_model: Any, settings: LoraSettings) -> str | None:
    """Embeddings whose initial adapter is computed from their weights; peft cannot convert it."""
    if settings.changes_base:
        for name, module, _ in _adapted(peft_model):
            if len(getattr(module, "lora_embedding_A", ())):
                return (
                    f"init_lora_weights={settings.init_lora_weights!r} works for linear layers "
                    f"only: leave {name} out of target_modules, or give another init_lora_weights"
                )
    return None


def _shared_weights(
    peft_model: Any, settings: LoraSettings, shared: Mapping[int, Sequence[str]], tied: int | None
) -> str | None:
    """Weights that several layers share, which an adapter changes for one of them only."""
    for name, _, layer in _adapted(peft_model):
        for parameter in layer.parameters():
            names = shared.get(id(parameter), ())
            if not names:
                continue
            if id(parameter) != tied or len(names) > 2:
                return (
                    f"the layer {name} shares its weight with others ({', '.join(names)}), and a "
                    "merged model could not separate them: leave it out (exclude_modules)"
                )
            if settings.changes_base:
                return (
                    f"init_lora_weights={settings.init_lora_weights!r} would change the weight of "
                    f"{name}, which is shared ({', '.join(names)}): leave this layer out of "
                    "target_modules, or give another init_lora_weights"
                )
    return None


def _unsaved(peft_model: Any) -> str | None:
    """Parameters that would be trained and not saved."""
    saved = {id(tensor) for tensor in adapter_tensors(peft_model).values()}
    lost = [
        name
        for name, parameter in peft_model.named_parameters()
        if parameter.requires_grad and id(parameter) not in saved
    ]
    if lost:
        return (
            f"{name_some(lost)} would be trained and not saved with the adapter by this version "
            "of peft: leave out the setting that trains them"
        )
    return None
