"""How replies are decoded: chosen by rule and checked, once for each model.

Prompts are padded to one length, and keys and values cached, if the model then gives the
log-likelihoods of a plain row. Neither is right for every model, and where it is wrong the model
raises no error: padding is right for models that are known to ignore it, a cache for nearly all.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch

from zhmcq._phrases import records
from zhmcq.encoding import EncodedQuestion
from zhmcq.errors import PredictionError
from zhmcq.modeling._finite import refuse_non_finite
from zhmcq.modeling._forward import (
    FORWARD_ERRORS,
    accepted_inputs,
    base_of,
    evaluated,
    model_dtype,
    switched_off,
    unreadable,
    without_earlier_state,
)
from zhmcq.modeling._generate_call import GenerateCall, generated
from zhmcq.modeling._layout import SELF_CHECK_TOLERANCE
from zhmcq.modeling._memory import once_more
from zhmcq.modeling._support import padding_reason, tree_reason

__all__ = ["Decoding", "choose_decoding"]

logger = logging.getLogger(__name__)

MAX_STEPS = 2  # tokens of a candidate that are compared; the second needs the cache


@dataclass(frozen=True, slots=True)
class Decoding:
    """How replies are computed; the default is right for every causal model.

    Attributes:
        padded: Whether prompts of several lengths are answered together, padded on the left.
        cached: Whether keys and values, or states, are kept from token to token.
    """

    padded: bool = False
    cached: bool = False


_decided: WeakKeyDictionary[Any, Decoding] = WeakKeyDictionary()
_deciding = threading.RLock()


def choose_decoding(model: Any, questions: Sequence[EncodedQuestion]) -> Decoding:
    """The fastest decoding by which a model replies as it would to each prompt alone.

    It is decided when it is first needed, and logged if it is not the fastest. Later calls with
    the same base model return the same decoding.

    Args:
        model: A causal language model, with or without an adapter around it.
        questions: Encoded questions, two of which are computed to check; at least one.

    Raises:
        PredictionError: If no decoding gives the log-likelihoods of a plain row, or those are not
            finite.
        ModelError: If the model's forward method fails.
        MemoryError: If memory runs out.
    """
    base = base_of(model)
    with _deciding:
        if base not in _decided:
            _decided[base] = once_more(partial(_decide, model, questions))
        return _decided[base]


def _decide(model: Any, questions: Sequence[EncodedQuestion]) -> Decoding:
    base = base_of(model)
    ordered = sorted(questions, key=lambda question: len(question.prompt))
    first = ordered[0]
    longer = (q for q in ordered if len(q.prompt) > len(first.prompt))
    sample = [first, next(longer, first)]
    plain = [_plain(model, question) for question in sample]
    reason = tree_reason(base) or padding_reason(base)
    if reason is None:
        reason = _difference(model, sample, plain, cached=True)
    if reason is None:
        return Decoding(padded=True, cached=True)
    # Beside the same prompt in reverse: a row of the same length, on which it must not depend.
    reversed_first = EncodedQuestion(
        id=first.id,
        passage="",
        prompt=first.prompt[::-1],
        candidates=first.candidates,
        answers=first.answers,
        target=None,
        normalization=first.normalization,
    )
    sample, plain = [first, reversed_first], plain[:1]
    problem = _difference(model, sample, plain, cached=True)
    if problem is None:
        logger.info("%s", records.bundled_by_length(reason))
        return Decoding(cached=True)
    reason = problem
    problem = _difference(model, sample, plain, cached=False)
    if problem is None:
        logger.warning(
            "replies are decoded without a cache, which is slower and gives the same replies: %s",
            reason,
        )
        return Decoding()
    raise PredictionError(
        f"{type(base).__name__} cannot write replies: transformers' generate() decodes tokens "
        f"that are not the most likely ones by its log-likelihoods ({problem}): use mode='score'"
    )


def _plain(model: Any, question: EncodedQuestion) -> list[float]:
    """Log-likelihoods of the first tokens of a question's first candidate, each computed alone.

    Each takes a forward pass over all tokens before it and none after it: with dynamic rotary
    scaling, a row that is longer by one token has other numbers.
    """
    base, prompt = base_of(model), question.prompt
    forced = question.candidates[0][:MAX_STEPS]
    values = []
    for step, token in enumerate(forced):
        ids = torch.tensor([(*prompt, *forced[:step])], device=model.device)
        try:
            with without_earlier_state(base):
                logits = evaluated(model, partial(_last_logits, model, ids))
        except FORWARD_ERRORS as error:
            raise unreadable(model, ids.shape[1], error) from error
        values.append(float(torch.log_softmax(logits.float(), dim=-1)[token]))
    if not all(map(math.isfinite, values)):
        refuse_non_finite([question.id], model)
    return values


def _last_logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    base = base_of(model)
    options: dict[str, Any] = dict(switched_off(base))
    if "logits_to_keep" in accepted_inputs(base):
        options["logits_to_keep"] = 1
    logits: torch.Tensor = model(input_ids=ids, **options).logits
    return logits.reshape(-1, logits.shape[-1])[-1]


def _difference(
    model: Any, sample: Sequence[EncodedQuestion], plain: Sequence[list[float]], *, cached: bool
) -> str | None:
    """Why the same tokens have other log-likelihoods when they are decoded, else ``None``.

    Args:
        model: The model.
        sample: Questions that are answered together.
        plain: The log-likelihoods to expect, of the first of them.
        cached: Whether to decode with a cache.
    """
    forced = [question.candidates[0][:MAX_STEPS] for question in sample]
    steps = min(map(len, forced))
    call = GenerateCall(
        names=[question.id for question in sample],
        prompts=[question.prompt for question in sample],
        max_new_tokens=steps,
        ends=frozenset({_unused(forced)}),
        cached=cached,
    )
    forcing = _Forcing(call.width, forced)
    try:
        generated(model, call, forcing)
    except PredictionError as error:
        return str(error.__cause__ or error)
    tolerance = SELF_CHECK_TOLERANCE.get(model_dtype(model), 0.25)
    for row, expected in enumerate(plain):
        for step, value in enumerate(expected[:steps]):
            difference = abs(forcing.values[step][row] - value)
            if not difference <= tolerance:
                return f"token {step + 1} of a reply differs by {difference:.3g} in log-likelihood"
    return None


def _unused(forced: Sequence[tuple[int, ...]]) -> int:
    """An id that is not among the tokens, so that none of them ends the reply."""
    used = {token for ids in forced for token in ids}
    return next(token for token in range(len(used) + 1) if token not in used)


class _Forcing:
    """Makes ``generate()`` decode given tokens, and stores their log-likelihoods.

    Args:
        width: Tokens of the prompts, padding included.
        forced: The tokens of each row.

    Attributes:
        values: For each step, the log-likelihood of each row's token.
    """

    def __init__(self, width: int, forced: Sequence[tuple[int, ...]]) -> None:
        self._width = width
        self._forced = forced
        self.values: list[list[float]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Logits by which only the forced tokens are possible."""
        step = input_ids.shape[1] - self._width
        chosen = [ids[step] for ids in self._forced]
        index = torch.tensor(chosen, device=scores.device)[:, None]
        likelihoods = torch.log_softmax(scores.float(), dim=-1).gather(1, index)
        self.values.append(likelihoods.flatten().tolist())
        return torch.full_like(scores, float("-inf")).scatter(1, index, 0.0)
