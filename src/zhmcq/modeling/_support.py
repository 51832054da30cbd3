"""Which models can be used, and in which layouts of rows: by rule, not by trial.

A wrong mask raises no error in a model. It gives wrong numbers, some of them wrong by so little
that 16-bit rounding hides it. So a layout is chosen only where models of this kind are known to
read it, and a check on the first questions (see :mod:`zhmcq.modeling._layout`) has to confirm it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from zhmcq.errors import SettingsError
from zhmcq.modeling._cached import cache_name
from zhmcq.modeling._chunks import chunk_of, mixers
from zhmcq.modeling._forward import accepted_inputs

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

    from zhmcq.encoding._batch import Layout
    from zhmcq.settings import Packing

__all__ = [
    "cache_reason",
    "in_long_chunks",
    "layout_by_rule",
    "padding_reason",
    "position_limit",
    "refusal_reason",
    "refuse_beyond_positions",
    "tree_reason",
]

SELECTION = "attention to selected tokens, where ties go by the width of a pass"
# Five tokens of four candidates in chunks of 256 took 1.7 to 2.1 times as long as five passes of
# four tokens; with chunks of 64, half as long. Measured with eight layers of 512 units on a CPU,
# where chunks fit since (see zhmcq.modeling._chunks).
LONG_CHUNK = 128
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
    "rembert",
    "roberta",
    "roberta-prelayernorm",
    "roc_bert",
    "roformer",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}
# Whatever their configuration says.
NEVER_CAUSAL = {
    "cpmant": "the tokens of its prompt see each other",
    "prophetnet": "it predicts several tokens at once",
    "reformer": "which tokens its attention sees is decided by a random hash",
    "xlnet": "it predicts tokens in permuted order",
}

# What configurations call the most positions of a sequence; transformers maps some onto the first.
LIMIT_NAMES = ("max_position_embeddings", "n_positions", "max_target_positions", "max_seq_len")
# Families whose table of positions begins with those of padding, which no token has.
OFFSET_POSITIONS = {
    "camembert",
    "data2vec-text",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}


def refusal_reason(config: PretrainedConfig) -> str | None:
    """Why no model of this configuration can be used, or ``None`` if the configuration allows it.

    Scores are log-likelihoods of a text read from left to right: of each token given those before
    it. A model whose tokens see later ones gives other numbers.

    Args:
        config: The model's configuration, as it is loaded before any weight.
    """
    if getattr(config, "is_encoder_decoder", False):
        return "it is an encoder-decoder, expected a decoder alone"
    if config.model_type.endswith("_assistant"):
        return "it is a draft model, which reads the keys and values of another model"
    text = config.get_text_config()
    kind = text.model_type
    if kind in ENCODERS and not getattr(text, "is_decoder", False):
        return f"it is an encoder: {kind} without is_decoder=True in its configuration"
    if kind in NEVER_CAUSAL:
        return f"it does not predict from left to right: {NEVER_CAUSAL[kind]} ({kind})"
    if kind == "xlm" and not getattr(text, "causal", False):
        return "it is an encoder: xlm without causal=True in its configuration"
    if kind == "rwkv" and 0 < text.rescale_every < text.num_hidden_layers:
        return (
            "outside training it scales some weights down, but not an adapter on them: set "
            "rescale_every to 0 in its config.json"
        )
    both_ways = getattr(text, "use_bidirectional_attention", None) in (True, "all")
    if both_ways or getattr(text, "is_causal", True) is False:
        return "its attention goes in both directions"
    return None


def layout_by_rule(model: PreTrainedModel, packing: Packing) -> Layout:
    """The fastest layout that the rules allow; the check may still rule it out.

    Args:
        model: The base model, without an adapter around it; its parameters may be on the meta
            device.
        packing: The fastest layout to take: ``"tree"`` or ``"flat"``.
    """
    if packing == "tree" and tree_reason(model) is None:
        return "tree"
    return "flat" if padding_reason(model) is None else "equal"


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
    if "position_ids" not in accepted_inputs(model.base_model):
        return "no position_ids in its forward method"
    if getattr(config, "alibi", False) or getattr(config, "attention_layers", None):
        return "attention that goes by a token's index in the row (ALiBi, local layers)"
    if (kind := _rope(config)) is not None:
        return f"rotary scaling of type {kind!r}, which goes by a row's length"
    if _selects_tokens(config):
        return SELECTION
    if _positions_from_padding(model):
        return "positions that are counted from the index of its padding token"
    if not layers and getattr(config, "sliding_window", None) and not _has_window_masks(model):
        return "a sliding window in its configuration that its code does not use"
    if config._attn_implementation not in KNOWN_ATTENTION:
        return (
            f"attention implementation {config._attn_implementation!r} "
            f"(expected {' or '.join(sorted(KNOWN_ATTENTION))})"
        )
    return None


def cache_reason(model: PreTrainedModel) -> str | None:
    """Why sequences cannot go on from a copy of this model's cache, or ``None`` if they can.

    Args:
        model: The base model, without an adapter around it.
    """
    if cache_name(model) is None:
        return "no cache in its forward method"
    return _length_reason(model.config.get_text_config())


def in_long_chunks(model: PreTrainedModel) -> bool:
    """Whether recurrent layers compute a few tokens as long as many: in chunks, filled up.

    Args:
        model: The base model, without an adapter around it.
    """
    if model.device.type == "cpu" and mixers(model):
        return False  # they fit
    return (chunk_of(model.config.get_text_config()) or 0) >= LONG_CHUNK


def padding_reason(model: PreTrainedModel) -> str | None:
    """Why rows of this model cannot be padded to one length, or ``None`` if they can.

    Args:
        model: The base model, without an adapter around it.
    """
    if "attention_mask" not in accepted_inputs(model):
        return "no attention_mask in its forward method"
    return _length_reason(model.config.get_text_config())


def _length_reason(config: Any) -> str | None:
    """Why numbers of a model depend on the length of the row that they are computed in, if so."""
    kind = _rope(config)
    if kind not in (None, "none"):
        return f"rotary scaling of type {kind!r}, which goes by a row's length"
    return SELECTION if _selects_tokens(config) else None


def _selects_tokens(config: Any) -> bool:
    """Whether layers attend to the tokens with the highest index scores: ties go by the width."""
    layers = getattr(config, "layer_types", None) or ()
    chosen = any("indexed" in kind or "sparse" in kind for kind in layers)
    return chosen or getattr(config, "index_topk", None) is not None


def _positions_from_padding(model: Any) -> bool:
    """Whether positions begin behind the padding token's index, as RoBERTa's do."""
    return any(
        name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None
        for name, module in model.named_modules()
    )


def _has_window_masks(model: Any) -> bool:
    module = sys.modules[type(model.base_model).__module__]
    return hasattr(module, "create_sliding_window_causal_mask")


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


def position_limit(config: PretrainedConfig) -> int | None:
    """The most tokens of a sequence that a model has positions for.

    Beyond it, learned positions have no embedding, and rotary positions did not occur in training:
    the model answers nevertheless, and badly. Rotary scaling counts: ``yarn``, ``longrope`` and
    ``llama3`` reach to ``factor`` times their ``original_max_position_embeddings``, which most
    configurations give as ``max_position_embeddings`` already; for ``linear`` and ``dynamic`` that
    number is the one before scaling (as vLLM interprets it).

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
        argument: How the length was given, such as ``"TrainingSettings(max_length=4096)"``.

    Raises:
        SettingsError: If the model has fewer positions.
    """
    limit = position_limit(config)
    if limit is not None and max_length > limit:
        raise SettingsError(
            f"{argument}: expected at most {limit}, the number of positions of the model "
            f"({config.model_type}), found {max_length}; give max_length={limit} or less"
        )
