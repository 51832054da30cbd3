"""Which models can be used, and how rows may lie in their forward passes: by rule, not by trial.

A wrong mask is not an error in a model, only wrong numbers, some of them wrong by so little that
16-bit rounding hides it. So a layout is taken only where the model's kind is known to read it, and
a check on the first questions (see :mod:`zhmcq.modeling._layout`) guards the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zhmcq.modeling._forward import accepted_inputs

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

__all__ = ["padding_reason", "refusal_reason", "tree_reason"]

KNOWN_LAYERS = {"full_attention", "sliding_attention"}
KNOWN_ATTENTION = {"sdpa", "eager"}
# Rotary scalings whose frequencies do not depend on how long the row is.
FIXED_ROPE = {"default", "linear", "llama3", "yarn", "proportional"}
# Their tokens see those after them unless the configuration has is_decoder=True.
ENCODERS = {
    "bert",
    "bert-generation",
    "big_bird",
    "camembert",
    "data2vec-text",
    "electra",
    "ernie",
    "megatron-bert",
    "reformer",
    "rembert",
    "roberta",
    "roberta-prelayernorm",
    "roc_bert",
    "roformer",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}


def refusal_reason(config: PretrainedConfig) -> str | None:
    """Why no model of this configuration can be used, or ``None`` if the configuration allows it.

    Scores are log-likelihoods of a text written from left to right: each token given those before
    it. A model whose tokens see later ones gives numbers that are none.

    Args:
        config: The model's configuration, as it is loaded before any weight.
    """
    if getattr(config, "is_encoder_decoder", False):
        return "it is an encoder-decoder, expected a decoder alone"
    text = config.get_text_config()
    kind = text.model_type
    if kind in ENCODERS and not getattr(text, "is_decoder", False):
        return f"it is an encoder: {kind} without is_decoder=True in its configuration"
    if kind == "xlnet":
        return "it predicts tokens in permuted order, expected from left to right"
    if kind == "xlm" and not getattr(text, "causal", False):
        return "it is an encoder: xlm without causal=True in its configuration"
    both_ways = getattr(text, "use_bidirectional_attention", None) in (True, "all")
    if both_ways or getattr(text, "is_causal", True) is False:
        return "its attention goes in both directions"
    return None


def tree_reason(model: PreTrainedModel) -> str | None:
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
    if "position_ids" not in accepted_inputs(type(model.base_model)):
        return "no position_ids in its forward method"
    if getattr(config, "alibi", False) or getattr(config, "attention_layers", None):
        return "attention that goes by a token's index in the row (ALiBi, local layers)"
    if (kind := _rope(config)) is not None:
        return f"rotary scaling of type {kind!r}, which goes by a row's length"
    if config._attn_implementation not in KNOWN_ATTENTION:
        return (
            f"attention implementation {config._attn_implementation!r} "
            f"(expected {' or '.join(sorted(KNOWN_ATTENTION))})"
        )
    return None


def padding_reason(model: PreTrainedModel) -> str | None:
    """Why rows of this model cannot be padded to one length, or ``None`` if they can.

    Args:
        model: The base model, without an adapter around it.
    """
    if "attention_mask" not in accepted_inputs(type(model)):
        return "no attention_mask in its forward method"
    kind = _rope(model.config.get_text_config())
    if kind not in (None, "none"):
        return f"rotary scaling of type {kind!r}, which goes by a row's length"
    return None


def _rope(config: Any) -> str | None:
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
