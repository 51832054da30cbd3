"""One forward pass over rows: log-likelihoods of the candidates in them."""

from __future__ import annotations

import contextlib
import inspect
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import torch

from zhmcq.encoding._batch import PackedBatch
from zhmcq.errors import ModelError
from zhmcq.modeling._attention import attention_without_plans
from zhmcq.modeling._chunks import fit_chunks
from zhmcq.modeling._likelihoods import log_likelihoods
from zhmcq.modeling._loading import loading
from zhmcq.modeling._memory import memory_errors

if TYPE_CHECKING:
    from transformers import PretrainedConfig

__all__ = [
    "FORWARD_ERRORS",
    "Past",
    "accepted_inputs",
    "attention_masks",
    "base_of",
    "branch_scores",
    "evaluated",
    "model_dtype",
    "switched_off",
    "token_log_likelihoods",
    "token_logits",
    "unreadable",
    "without_earlier_state",
]

R = TypeVar("R")

# What the forward methods of models raise about inputs that they cannot read. So does torch where
# memory runs out: within ``evaluated`` that is a MemoryError.
FORWARD_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
CHANGING_ROPE = ("dynamic", "longrope")  # whose frequencies each row may change in their module


def attention_masks(
    batch: PackedBatch, config: PretrainedConfig, dtype: torch.dtype
) -> torch.Tensor | dict[str, torch.Tensor]:
    """The masks of a packed batch in the form that the model's own public input takes.

    A sliding window is measured in positions: a token sees the ancestors fewer than ``window``
    positions before it. In a packed row its neighbours may be other branches, so a window over
    the indexes in the row would cut off the wrong tokens.

    Args:
        batch: Prefix-tree rows.
        config: The model's text configuration.
        dtype: The dtype the model computes in.

    Returns:
        One 4-D mask, or one for each layer type where the configuration has ``layer_types``. For
        eager attention, which adds its mask: 0 and the lowest number. For sdpa boolean, but on a
        CPU 0 and minus infinity in fp32: torch would make such a copy of a boolean mask in each
        layer, and training would keep them all for its backward pass.
    """
    full, depth = batch.visible, batch.position_ids
    if full is None or depth is None:
        raise ValueError("expected prefix-tree rows, found plain ones: they have no 4-D mask")
    window = getattr(config, "sliding_window", None)
    form = partial(_mask_form, eager=config._attn_implementation == "eager", dtype=dtype)
    masks = dict.fromkeys(("full_attention", "sliding_attention"), form(full))
    if window is not None and int(depth.max()) >= window:
        near = depth[:, None, None, :] > depth[:, None, :, None] - window
        masks["sliding_attention"] = form(full & near)
    layer_types: list[str] | None = getattr(config, "layer_types", None)
    if layer_types:
        return {name: masks[name] for name in set(layer_types)}
    uses_window = window is not None and getattr(config, "use_sliding_window", True)
    return masks["sliding_attention" if uses_window else "full_attention"]


def _mask_form(mask: torch.Tensor, *, eager: bool, dtype: torch.dtype) -> torch.Tensor:
    """A boolean mask as the attention implementation takes it best."""
    if eager:
        hidden = torch.finfo(dtype).min
    elif mask.device.type == "cpu":
        # Beside queries of any dtype torch accepts fp32. The numbers are those of a boolean mask.
        dtype, hidden = torch.float32, -math.inf
    else:
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, hidden)


def token_log_likelihoods(model: Any, batch: PackedBatch, past: Past | None = None) -> torch.Tensor:
    """Log-likelihood of every scored token, given the tokens before it on its path.

    Only positions that predict a scored token go through the output head: with a vocabulary of
    128,000 or 262,000 the head costs as much as many layers.

    Args:
        model: A causal language model, with or without an adapter around it.
        batch: Packed rows, on the model's device.
        past: What was computed before the rows, which then holds them too; without it, rows begin
            with themselves.

    Returns:
        Shape ``(scored,)``, float32, natural logarithms.
    """
    return log_likelihoods(token_logits(model, batch, past), batch.predictor, batch.target)


def token_logits(model: Any, batch: PackedBatch, past: Past | None = None) -> torch.Tensor:
    """Logits at the positions that predict a scored token.

    Args:
        model: A causal language model, with or without an adapter around it.
        batch: Packed rows, on the model's device.
        past: As in :func:`token_log_likelihoods`.

    Returns:
        Shape ``(predictors, vocabulary)``, in the dtype that the model computes in.
    """
    base = base_of(model)
    inputs: dict[str, Any] = {"input_ids": batch.input_ids, **switched_off(base)}
    if batch.visible is not None:
        config = base.config.get_text_config()
        inputs["attention_mask"] = attention_masks(batch, config, model_dtype(model))
        inputs["position_ids"] = batch.position_ids
    elif batch.attended is not None:
        inputs["attention_mask"] = batch.attended
    if past is not None:
        inputs["use_cache"] = True
        if past.cache is not None:
            inputs[past.name] = past.cache
    if _takes_positions_to_keep(base):
        inputs["logits_to_keep"] = batch.predicts
    with without_earlier_state(base):
        output = model(**inputs)
    if past is not None:
        past.cache = getattr(output, past.name)
    logits: torch.Tensor = output.logits
    if logits.dim() > 2:
        logits = logits[batch.predicts]
    return logits


@dataclass(slots=True)
class Past:
    """What a model keeps of the tokens before those of a forward pass.

    Attributes:
        name: The model's name for its cache, which it is given and gives back by.
        cache: Its cache; ``None`` before the first pass.
    """

    name: str
    cache: Any = None


def accepted_inputs(model: Any) -> frozenset[str]:
    """The names of the arguments of a model's own forward method, without an adapter around it."""
    model_class: Any = type(model)
    return _parameters(model_class)


@cache
def _parameters(model_class: Any) -> frozenset[str]:
    return frozenset(inspect.signature(model_class.forward).parameters)


def switched_off(model: Any) -> dict[str, bool]:
    """Arguments that switch off the cache, which is not needed, and the loss of routers."""
    taken = accepted_inputs(model) & {"use_cache", "output_router_logits"}
    return dict.fromkeys(taken, False)


def _takes_positions_to_keep(model: Any) -> bool:
    """Whether the forward method computes logits at the true entries of a 2-D mask alone.

    transformers' own models all do it by one function. Models whose code comes with their weights
    may take a number, or indexes that all rows share.
    """
    forward: Any = inspect.unwrap(type(model).forward)
    known = "slice_logits_to_keep" in forward.__globals__
    return known and "logits_to_keep" in accepted_inputs(model)


@dataclass(frozen=True, slots=True)
class _State:
    """What a base model keeps in its modules while it computes.

    Attributes:
        rotary: Modules whose frequencies go by the longest row so far.
        alone: Makes the context in which it computes.
    """

    rotary: tuple[Any, ...]
    alone: Callable[[], contextlib.AbstractContextManager[Any]]


_states: WeakKeyDictionary[Any, _State] = WeakKeyDictionary()


@contextlib.contextmanager
def without_earlier_state(base: Any) -> Iterator[None]:
    """Compute as if nothing had been computed before, nor were computed by other threads.

    Dynamic rotary scaling adapts its frequencies to the longest row so far and keeps them for
    later, shorter rows; they are reset. Whatever a model keeps in its modules from one layer to the
    next belongs to one computation, so that threads with such a model take turns. Attention is
    computed by a kernel that keeps nothing for the shapes it has met
    (:func:`~zhmcq.modeling._attention.attention_without_plans`), and recurrent layers in chunks
    that fit the pass (:func:`~zhmcq.modeling._chunks.fit_chunks`).

    Args:
        base: The base model, without an adapter around it.
    """
    state = _states.get(base)
    if state is None:
        state = _states.setdefault(base, _state_of(base))
    with state.alone(), attention_without_plans():
        for module in state.rotary:
            _reset_frequencies(module)
        yield


def _state_of(base: Any) -> _State:
    rotary = tuple(
        module
        for module in base.modules()
        if _has_rope(module, "dynamic") and hasattr(module, "max_seq_len_cached")
    )
    alone: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    fit_chunks(base)
    if not type(base).__module__.startswith("transformers."):
        alone = loading  # code that nobody here knows: not beside what loading changes, either
    elif (
        any(_has_rope(module, *CHANGING_ROPE) for module in base.modules())
        or getattr(base, "_is_stateful", False)
        or getattr(base, "hf_quantizer", None)
        is not None  # whose layers get ready in their first pass
    ):
        lock = threading.RLock()
        alone = lambda: lock  # noqa: E731
    return _State(rotary, alone)


def _has_rope(module: Any, *kinds: str) -> bool:
    """Whether a module computes rotary frequencies, scaled in one of these ways."""
    present = getattr(module, "rope_type", None) or ""
    names = present.values() if isinstance(present, dict) else [present]
    return any(kind in str(name) for kind in kinds for name in names)


def _reset_frequencies(module: Any) -> None:
    for prefix in ("", *(f"{name}_" for name in getattr(module, "layer_types", None) or ())):
        original = getattr(module, f"{prefix}original_inv_freq", None)
        if original is not None:
            present = getattr(module, f"{prefix}inv_freq")
            module.register_buffer(
                f"{prefix}inv_freq", original.to(present.device), persistent=False
            )
            setattr(module, f"{prefix}max_seq_len_cached", module.original_max_seq_len)


def evaluated(model: Any, compute: Callable[[], R]) -> R:
    """Compute something without gradients and with the model in evaluation mode.

    Args:
        model: The model; afterwards it is in the mode that it was in.
        compute: Computes something with it.

    Raises:
        MemoryError: If memory runs out, on whichever device.
    """
    training = model.training
    model.eval()
    try:
        with memory_errors(), torch.inference_mode():
            return compute()
    finally:
        model.train(training)


def unreadable(model: Any, length: int, error: Exception) -> ModelError:
    """The error of a model whose forward method fails.

    Args:
        model: The model.
        length: The token ids of its longest row.
        error: What its forward method raised.
    """
    return ModelError(
        f"{type(base_of(model)).__name__} fails to compute a row of {length} token ids: "
        f"{type(error).__name__}: {error}. Expected a model that accepts any row of token ids: use "
        "another base model"
    )


def model_dtype(model: Any) -> torch.dtype:
    """The dtype a model computes in: that of its first weights that are not integers."""
    dtype: torch.dtype = next(p.dtype for p in model.parameters() if p.is_floating_point())
    return dtype


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
