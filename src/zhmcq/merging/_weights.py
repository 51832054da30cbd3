"""An adapter's update added to the weights of its base model: dequantised, untied, finite."""

from __future__ import annotations

from typing import Any

import torch

from zhmcq._warnings import ignored_warnings
from zhmcq.errors import MergeError
from zhmcq.modeling._adapters import PEFT_ERRORS
from zhmcq.modeling._load import rebuilt
from zhmcq.modeling._loading import loading
from zhmcq.modeling._tied import (
    embeddings_are_tied,
    mark_untied,
    tie_embeddings,
)

__all__ = ["dequantised", "merge_weights"]


@loading()
def dequantised(model: Any, name: str) -> Any:
    """A quantised base model with dequantised weights, which have the values that it computes with.

    Args:
        model: The base model, without an adapter.
        name: Its name, for the message.

    Raises:
        MergeError: If its kind of quantisation cannot be undone.
    """
    try:
        return rebuilt(model.dequantize()).eval()
    except PEFT_ERRORS as error:
        raise MergeError(
            f"the quantised weights of {name!r} cannot be dequantised "
            f"({type(error).__name__}: {error}), so that no adapter can be merged into them: use "
            "the adapter with MCQPredictor(…, adapter=…), or train on the full-precision model"
        ) from error


def merge_weights(tuned: Any, adapter: object) -> Any:
    """The base model with the adapter's update in its weights, which are all finite.

    Embeddings and output head that shared a weight get two if the adapter changes them
    differently, and the configuration says so.

    Args:
        tuned: The adapter on its base model, at full precision; not to be used any more.
        adapter: The adapter's name, for messages.

    Raises:
        MergeError: If the adapter cannot be merged, or the weights are not finite.
    """
    base = tuned.get_base_model()
    tied = _separate_embeddings(base)
    try:
        # Of weights that were tied, and are separated above.
        with ignored_warnings(".*tie_word_embeddings=.*"):
            merged = tuned.merge_and_unload(safe_merge=False)
    except PEFT_ERRORS as error:
        raise MergeError(
            f"{adapter} cannot be merged into its base model: {type(error).__name__}: {error}. "
            "Use it with MCQPredictor(…, adapter=…)"
        ) from error
    for name, parameter in merged.named_parameters():
        if not torch.isfinite(parameter).all():
            raise MergeError(
                f"merging {adapter} gives weights that are not finite ({name}): the adapter is "
                "damaged, or its training diverged"
            )
    if not embeddings_are_tied(merged):
        mark_untied(merged)
    head = merged.get_output_embeddings()
    if tied and torch.equal(head.weight, merged.get_input_embeddings().weight):
        tie_embeddings(merged)
    merged.config.use_cache = True
    return merged


def _separate_embeddings(base: Any) -> bool:
    """Give embeddings and head a weight each, if they share one and an adapter is on either.

    peft would add an update to the shared weight, and so to both layers.

    Args:
        base: The base model with the adapter's layers in it.

    Returns:
        Whether they shared a weight.
    """
    outer = (base.get_input_embeddings(), base.get_output_embeddings())
    if outer[1] is None:
        return False
    embeddings, head = map(_base_layer, outer)
    tied = head.weight is embeddings.weight
    if tied and (embeddings is not outer[0] or head is not outer[1]):
        head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)
    return tied


def _base_layer(module: Any) -> Any:
    """The base model's layer inside a layer of peft, if it is in one."""
    if hasattr(module, "original_module"):
        return module.original_module
    return module.get_base_layer() if hasattr(module, "get_base_layer") else module
