"""Which models can read a prefix-tree row: by rule, not by trial.

A wrong mask is not an error in a model, only wrong numbers, some of them wrong by so little that
16-bit rounding hides it. So a model is taken only if its kind is known to work, and a self-check
on the first batch (see :mod:`zhmcq.modeling._scoring`) guards the rest.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from zhmcq.errors import SettingsError

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

__all__ = ["position_limit", "refuse_beyond_positions", "unsupported_reason"]

KNOWN_LAYERS = {"full_attention", "sliding_attention"}
KNOWN_ATTENTION = {"sdpa", "eager"}
# Rotary scalings whose frequencies do not depend on how long the row is.
FIXED_ROPE = {"default", "linear", "llama3", "yarn", "proportional"}

# What configurations call the most positions of a sequence; transformers maps some onto the first.
LIMIT_NAMES = ("max_position_embeddings", "n_positions", "max_target_positions", "max_seq_len")
# Families whose table of positions begins with those of padding, which no token takes.
OFFSET_POSITIONS = {
    "camembert",
    "data2vec-text",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}


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


def position_limit(config: PretrainedConfig) -> int | None:
    """The most tokens of a sequence that a model has positions for.

    Beyond it learned positions run out of rows, and rotary positions are ones that training never
    showed: the model answers nevertheless, and badly. Rotary scaling counts: ``yarn``, ``longrope``
    and ``llama3`` reach to ``factor`` times their ``original_max_position_embeddings``, which
    configurations mostly give as ``max_position_embeddings`` already; for ``linear`` and
    ``dynamic`` that number is the one before scaling (as vLLM reads it).

    Args:
        config: The model's configuration; of several parts the text part counts.

    Returns:
        The number of tokens; ``None`` for models without a limit (ALiBi, recurrent states,
        relative positions).
    """
    config = config.get_text_config()
    if getattr(config, "alibi", False):
        return None
    given = [getattr(config, name, None) for name in LIMIT_NAMES]
    limit: int | None = next((n for n in given if isinstance(n, int) and n > 0), None)
    if limit is None:
        return None
    if config.model_type in OFFSET_POSITIONS:
        limit -= (config.pad_token_id or 0) + 1
    scaling = getattr(config, "rope_parameters", None)
    factor = scaling.get("factor") if isinstance(scaling, dict) else None
    if not isinstance(scaling, dict) or not factor:
        return limit
    if scaling.get("rope_type") in ("linear", "dynamic"):
        return int(limit * factor)
    return max(limit, int((scaling.get("original_max_position_embeddings") or 0) * factor))


def refuse_beyond_positions(max_length: int, config: PretrainedConfig, argument: str) -> None:
    """Refuse a maximum length that a model has no positions for.

    Args:
        max_length: The most tokens of a sequence.
        config: The model's configuration.
        argument: What the length was given as, such as ``"TrainingSettings(max_length=4096)"``.

    Raises:
        SettingsError: If the model has fewer positions.
    """
    limit = position_limit(config)
    if limit is not None and max_length > limit:
        raise SettingsError(
            f"{argument}: expected at most {limit}, the number of positions of the model "
            f"({config.model_type}), found {max_length}; give max_length={limit} or less"
        )
