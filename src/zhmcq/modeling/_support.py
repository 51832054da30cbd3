"""Which models can read a prefix-tree row: by rule, not by trial.

A wrong mask is not an error in a model, only wrong numbers, some of them wrong by so little that
16-bit rounding hides it. So a model is taken only if its kind is known to work, and a self-check
on the first batch (see :mod:`zhmcq.modeling._scoring`) guards the rest.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["unsupported_reason"]

KNOWN_LAYERS = {"full_attention", "sliding_attention"}
KNOWN_ATTENTION = {"sdpa", "eager"}
# Rotary scalings whose frequencies do not depend on how long the row is.
FIXED_ROPE = {"default", "linear", "llama3", "yarn", "proportional"}


def unsupported_reason(model: PreTrainedModel) -> str | None:
    """Why this model cannot read prefix-tree rows, or ``None`` if it can.

    Args:
        model: The base model, without an adapter around it.
    """
    config = model.config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ())
    if not layers <= KNOWN_LAYERS:
        return f"layers of type {', '.join(sorted(layers - KNOWN_LAYERS))}"
    if getattr(model, "_is_stateful", False):
        return "a recurrent state"
    if "position_ids" not in inspect.signature(model.base_model.forward).parameters:
        return "no position_ids in its forward method"
    if getattr(config, "alibi", False) or getattr(config, "attention_layers", None):
        return "attention that goes by a token's index in the row (ALiBi, local layers)"
    if getattr(config, "output_router_logits", False):
        return "a router loss that counts tokens (output_router_logits)"
    if getattr(config, "use_bidirectional_attention", False):
        return "attention in both directions"
    if (kind := _rope(config)) is not None:
        return f"rotary scaling of type {kind!r}, which goes by a row's length"
    if config._attn_implementation not in KNOWN_ATTENTION:
        return (
            f"attention implementation {config._attn_implementation!r} "
            f"(expected {' or '.join(sorted(KNOWN_ATTENTION))})"
        )
    return None


def _rope(config: object) -> str | None:
    """The type of a rotary scaling that depends on length, if the model has one."""
    parameters = getattr(config, "rope_parameters", None)
    if parameters is None:
        return "none" if getattr(config, "position_embedding_type", None) else None
    nested = parameters.values() if "rope_type" not in parameters else [parameters]
    for scaling in nested:
        kind = scaling.get("rope_type", "default") if isinstance(scaling, dict) else "default"
        if kind not in FIXED_ROPE:
            return str(kind)
    return None
