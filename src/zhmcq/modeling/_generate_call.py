"""One call of transformers' ``generate()``, without the model's own generation settings.

Whatever its caller leaves open, ``generate()`` reads from the model's own ``generation_config``:
penalties, beams, suppressed tokens, sampling. Here a call sets everything, so that decoding is
greedy unless the caller sets something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from zhmcq.errors import PredictionError, ZhmcqError
from zhmcq.modeling._finite import refuse_non_finite
from zhmcq.modeling._forward import accepted_inputs, base_of, evaluated, without_earlier_state

__all__ = ["FiniteCheck", "GenerateCall", "generated", "generation_config"]

CACHE_INPUTS = {"past_key_values", "cache_params", "state"}
MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class GenerateCall:
    """What to generate.

    Attributes:
        names: Ids of the questions, for errors.
        prompts: The token ids to continue, one prompt a question; shorter ones are padded on the
            left.
        max_new_tokens: The longest continuation, in tokens.
        ends: Ids that end a continuation.
        fields: Fields of transformers' ``GenerationConfig``; greedy without any.
        cached: Whether keys and values of earlier tokens, or states, are kept from step to step.
        tokenizer: For ``stop_strings`` alone.
    """

    names: Sequence[str]
    prompts: Sequence[tuple[int, ...]]
    max_new_tokens: int
    ends: frozenset[int]
    fields: Mapping[str, Any] = field(default_factory=dict)
    cached: bool = True
    tokenizer: Any = None

    @property
    def width(self) -> int:
        """Tokens of the longest prompt."""
        return max(map(len, self.prompts))


def generated(
    model: Any,
    call: GenerateCall,
    process: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    allowed: Callable[[int, torch.Tensor], list[int]] | None = None,
) -> list[list[int]]:
    """The ids that a model writes after prompts.

    Args:
        model: A causal language model, with or without an adapter around it.
        call: What to generate.
        process: Called at each step as ``process(ids, logits)``, after all that the fields do;
            gives the logits to take.
        allowed: Called as ``allowed(row, ids)``: the ids that may come next; ``None`` allows all.

    Returns:
        For each prompt what follows it; after an end come ends until all prompts have one.

    Raises:
        PredictionError: If transformers cannot generate with the model or the fields.
    """
    base = base_of(model)
    # Rows that have ended are padded until the others have ended as well. Any id of the model's
    # vocabulary will do, and a tokenizer's padding id may not be in it.
    pad = min(call.ends)
    ids = torch.full((len(call.prompts), call.width), pad)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(call.prompts):
        ids[row, call.width - len(prompt) :] = torch.tensor(prompt)
        mask[row, call.width - len(prompt) :] = 1
    inputs = accepted_inputs(base)
    options: dict[str, Any] = {"input_ids": ids.to(base.device), "logits_processor": [process]}
    if "attention_mask" in inputs:
        options["attention_mask"] = mask.to(base.device)
    if "output_router_logits" in inputs:
        options["output_router_logits"] = False  # a loss that nobody reads, and it may fail
    if "stop_strings" in call.fields:
        options["tokenizer"] = call.tokenizer
    if allowed is not None:
        options["prefix_allowed_tokens_fn"] = allowed
    cached = call.cached and bool(CACHE_INPUTS & inputs) and not _outgrows_cache(base.config, call)
    try:
        options["generation_config"] = generation_config(
            call.fields,
            # Not max_new_tokens: beside a max_length of the model's own, each call would warn.
            max_length=call.width + call.max_new_tokens,
            eos_token_id=sorted(call.ends),
            pad_token_id=pad,
            use_cache=cached and call.fields.get("use_cache", True),
        )
        with without_earlier_state(base):
            # By the class: a model's folder may contain a generate() of its own.
            output = evaluated(base, lambda: type(base).generate(base, **options))
    except (ZhmcqError, MemoryError):
        raise
    except Exception as error:  # transformers and its models raise all kinds
        given = f" with the fields {dict(call.fields)}" if call.fields else ""
        shown = ", ".join(call.names[:MAX_SHOWN]) + (" …" if len(call.names) > MAX_SHOWN else "")
        raise PredictionError(
            f"{type(base).__name__} cannot write replies to {shown}{given}: "
            f"{type(error).__name__}: {error}; mode='score' needs no replies"
        ) from error
    rows: list[list[int]] = output[:, call.width :].tolist()
    return rows


def generation_config(fields: Mapping[str, Any], **values: Any) -> Any:
    """A ``GenerationConfig`` that keeps apart from a model's own.

    Args:
        fields: Fields that the user gave.
        values: Fields that override them.

    Raises:
        ValueError: If transformers refuses a value.
    """
    return _own_config_class()(**{**fields, **values})


@cache
def _own_config_class() -> Any:
    """Its class, which is made when transformers is needed.

    ``generate()`` copies what was left open from ``model.generation_config`` by one call of
    ``update``, which has no effect here. Replacing the model's configuration for the duration of
    the call would not be safe for two threads that share the model.
    """
    from transformers import GenerationConfig

    class OwnGenerationConfig(GenerationConfig):
        def update(
            self, defaults_only: bool = False, allow_custom_entries: bool = False, **values: Any
        ) -> dict[str, Any]:
            if defaults_only and allow_custom_entries:
                return {}
            rest: dict[str, Any] = super().update(  # type: ignore[no-untyped-call]
                defaults_only=defaults_only, **values
            )
            return rest

    return OwnGenerationConfig


class FiniteCheck:
    """Raises at the first step whose logits cannot be compared, before a token is taken.

    A logit of minus infinity means that its token is ruled out. A row of nothing else, a NaN or
    plus infinity means that the model has overflowed.

    Args:
        call: What is generated. Logits after a row's end are ignored.
        model: The model.
    """

    def __init__(self, call: GenerateCall, model: Any) -> None:
        self._call = call
        self._model = model

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The logits unchanged.

        Raises:
            PredictionError: If those of an unfinished row cannot be compared.
        """
        broken = torch.isnan(scores).any(-1) | ~torch.isfinite(scores.amax(-1))
        if broken.any():
            ends = torch.tensor(sorted(self._call.ends), device=input_ids.device)
            unfinished = ~torch.isin(input_ids[:, self._call.width :], ends).any(-1)
            beams = len(input_ids) // len(self._call.names)
            rows = (broken & unfinished).nonzero().flatten().tolist()
            names = dict.fromkeys(self._call.names[row // beams] for row in rows)
            refuse_non_finite(list(names), self._model)
        return scores


def _outgrows_cache(config: Any, call: GenerateCall) -> bool:
    """Whether rotary frequencies change while a reply grows, so that cached keys become wrong.

    ``dynamic`` scales again with each token beyond the original length; ``longrope`` has one set of
    frequencies up to it and another beyond.
    """
    text = config.get_text_config()
    parameters = getattr(text, "rope_parameters", None) or {}
    longest = call.width + call.max_new_tokens
    for scaling in [parameters] if "rope_type" in parameters else parameters.values():
        kind = scaling.get("rope_type") if isinstance(scaling, dict) else None
        if kind not in ("dynamic", "longrope"):
            continue
        original = scaling.get("original_max_position_embeddings") or text.max_position_embeddings
        if longest > original and (kind == "dynamic" or call.width <= original):
            return True
    return False
