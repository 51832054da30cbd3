"""One forward pass over packed rows: log-likelihoods of the candidates in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from zhmcq.encoding._batch import PackedBatch

if TYPE_CHECKING:
    from transformers import PretrainedConfig

__all__ = ["attention_masks", "base_of", "branch_scores", "token_log_likelihoods", "token_logits"]


def attention_masks(
    batch: PackedBatch, config: PretrainedConfig, dtype: torch.dtype
) -> torch.Tensor | dict[str, torch.Tensor]:
    """The masks of a packed batch in the form that the model's own public input takes.

    A sliding window is measured in positions: a token sees the ancestors fewer than ``window``
    positions before it. In a packed row its neighbours may be other branches, so a window over
    the indexes in the row would cut off the wrong tokens.

    Args:
        batch: Packed rows.
        config: The model's text configuration.
        dtype: The dtype the model computes in.

    Returns:
        One 4-D mask, or one for each layer type where the configuration has ``layer_types``.
        Boolean for sdpa; for eager attention, which adds its mask, 0 and the lowest number.
    """
    full = batch.visible
    window = getattr(config, "sliding_window", None)
    if window is not None:
        depth = batch.position_ids
        near = depth[:, None, None, :] > depth[:, None, :, None] - window
        windowed = full & near
    else:
        windowed = full
    masks: dict[str, torch.Tensor] = {"full_attention": full, "sliding_attention": windowed}
    if config._attn_implementation == "eager":
        lowest = torch.finfo(dtype).min
        masks = {
            name: torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(
                ~mask, lowest
            )
            for name, mask in masks.items()
        }
    layer_types: list[str] | None = getattr(config, "layer_types", None)
    if layer_types:
        return {name: masks[name] for name in set(layer_types)}
    uses_window = window is not None and getattr(config, "use_sliding_window", True)
    return masks["sliding_attention" if uses_window else "full_attention"]


def token_log_likelihoods(model: Any, batch: PackedBatch) -> torch.Tensor:
    """Log-likelihood of every scored token, given the tokens before it on its path.

    Only positions that predict a scored token go through the output head: with a vocabulary of
    128,000 or 262,000 the head costs as much as many layers.

    Args:
        model: A causal language model, with or without an adapter around it.
        batch: Packed rows, on the model's device.

    Returns:
        Shape ``(scored,)``, float32, natural logarithms.
    """
    return torch.log_softmax(token_logits(model, batch), dim=-1)[batch.predictor, batch.target]


def token_logits(model: Any, batch: PackedBatch) -> torch.Tensor:
    """Logits at the positions that predict a scored token.

    Returns:
        Shape ``(predictors, vocabulary)``, float32.
    """
    config = base_of(model).config.get_text_config()
    dtype = next(p.dtype for p in model.parameters() if p.is_floating_point())
    logits: torch.Tensor = model(
        input_ids=batch.input_ids,
        attention_mask=attention_masks(batch, config, dtype),
        position_ids=batch.position_ids,
        use_cache=False,
        logits_to_keep=batch.predicts,
    ).logits.float()
    return logits


def base_of(model: Any) -> Any:
    """The transformers model inside a peft or data-parallel wrapper."""
    while hasattr(model, "module"):
        model = model.module
    get_base = getattr(model, "get_base_model", None)
    return model if get_base is None else get_base()


def branch_scores(token_scores: torch.Tensor, batch: PackedBatch, *, mean: bool) -> torch.Tensor:
    """Scores of the branches, from those of their tokens.

    Args:
        token_scores: Log-likelihoods of the scored tokens, ``(scored,)``, as
            :func:`token_log_likelihoods` returns them.
        batch: The rows that the tokens are in.
        mean: Divide each branch's sum by its number of tokens.

    Returns:
        Shape ``(branches,)``.
    """
    count = len(batch.questions)
    sums = torch.zeros(count, dtype=token_scores.dtype, device=token_scores.device)
    sums = sums.index_add(0, batch.branch, token_scores)
    if mean:
        sums = sums / torch.bincount(batch.branch, minlength=count)
    return sums
