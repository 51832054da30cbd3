"""Token ids that continue prompts: the likeliest ones, free or limited to candidate answers.

transformers' ``generate()`` fills in whatever its caller leaves open from the model's own
``generation_config``: penalties, beams, suppressed tokens, sampling. Here nothing is taken from
there, so that a reply is the likeliest one unless the caller says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from zhmcq.encoding import EncodedQuestion
from zhmcq.errors import PredictionError, SettingsError, ZhmcqError
from zhmcq.modeling._forward import accepted_inputs, base_of, without_earlier_state
from zhmcq.modeling._layout import evaluated, refuse_non_finite
from zhmcq.modeling._support import padding_reason, position_limit, tree_reason
from zhmcq.settings import COMPUTING_FIELDS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PromptIds", "TextGenerator", "end_ids"]

# Fields of transformers' GenerationConfig that look at a prompt's ids without its padding mask.
SEES_PADDING = {
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "no_repeat_ngram_size",
}
CACHE_INPUTS = {"past_key_values", "cache_params", "state"}
SHOWN = 5


@dataclass(frozen=True, slots=True)
class PromptIds:
    """What a model is given for one question.

    Attributes:
        question: The question.
        ids: Its prompt, and what was written after it so far.
    """

    question: EncodedQuestion
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TextGenerator:
    """A model together with what generation needs.

    Attributes:
        model: A causal language model, with or without an adapter around it.
        tokenizer: Its tokenizer.
        ends: Ids that end a reply, all of them in the model's vocabulary; see :func:`end_ids`.
        batch_size: Questions of a batch; questions of like length are batched together.
        fields: Fields of transformers' ``GenerationConfig`` that free replies shall have; without
            any the likeliest token is taken at each step.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    ends: frozenset[int]
    batch_size: int
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def positions(self) -> int | None:
        """The most tokens of a prompt with its reply; ``None`` without a limit."""
        return position_limit(base_of(self.model).config)

    @property
    def equal_lengths(self) -> bool:
        """Whether the prompts of a batch must have one length, since padding would change replies.

        A recurrent state runs over padding, ALiBi and length-dependent rotary positions count it,
        and a model without a mask input reads it. Only kinds of models that are known to leave it
        out are padded.
        """
        base = base_of(self.model)
        known = tree_reason(base) is None and padding_reason(base) is None
        return not known or bool(SEES_PADDING & set(self.fields))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without control tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def check_fields(self) -> None:
        """Refuse fields that transformers refuses, before any question is answered.

        Raises:
            SettingsError: If ``GenerationConfig`` cannot be made of them.
        """
        try:
            self._config(1, self.fields, use_cache=True)
        except (ValueError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"transformers refuses the fields {dict(self.fields)} of GenerateSettings: {error}"
            ) from error

    def write(self, prompts: Sequence[PromptIds], max_new_tokens: int) -> list[tuple[int, ...]]:
        """Continue each prompt freely, by the fields that were given.

        Args:
            prompts: The prompts of one batch.
            max_new_tokens: The longest continuation, in tokens.

        Returns:
            The ids that follow each prompt, up to the first end, which is left out.

        Raises:
            PredictionError: If the model computes numbers that are not finite, or transformers
                cannot generate with it or with the fields.
        """
        return self._continued(prompts, max_new_tokens, self.ends, self.fields, limited=False)

    def choose(self, prompts: Sequence[PromptIds]) -> list[int]:
        """Continue each prompt with one of its question's candidates and nothing else.

        Args:
            prompts: The prompts of one batch.

        Returns:
            The index of the candidate that was written after each prompt.

        Raises:
            PredictionError: As for :meth:`write`.
        """
        questions = [prompt.question for prompt in prompts]
        longest = max(len(ids) for question in questions for ids in question.candidates)
        # generate() ends a row at any end; the end of a candidate may be yet another id.
        ends = self.ends | {question.candidates[0][-1] for question in questions}
        fields = {name: self.fields[name] for name in COMPUTING_FIELDS if name in self.fields}
        written = self._continued(prompts, longest, ends, fields, limited=True)
        chosen = []
        for question, ids in zip(questions, written, strict=True):
            without_end = [candidate[:-1] for candidate in question.candidates]
            if ids not in without_end:
                raise PredictionError(
                    f"question {question.id!r}: expected the model to write one of its "
                    f"{len(without_end)} candidates, found {self.decode(ids)!r}: answer it with "
                    "mode='score', which needs no reply"
                )
            chosen.append(without_end.index(ids))
        return chosen

    def _continued(
        self,
        prompts: Sequence[PromptIds],
        max_new_tokens: int,
        ends: frozenset[int],
        fields: Mapping[str, Any],
        *,
        limited: bool,
    ) -> list[tuple[int, ...]]:
        """The ids after each prompt, computed in batches of one length where that is needed."""
        groups: dict[int, list[int]] = {}
        for index, prompt in enumerate(prompts):
            length = len(prompt.ids) if self.equal_lengths else 0
            groups.setdefault(length, []).append(index)
        results: dict[int, tuple[int, ...]] = {}
        for indexes in groups.values():
            batch = [prompts[index] for index in indexes]
            rows = self._generated(batch, max_new_tokens, ends, fields, limited=limited)
            for index, row in zip(indexes, rows, strict=True):
                end = next((i for i, token in enumerate(row) if token in ends), len(row))
                results[index] = tuple(row[:end])
        return [results[index] for index in range(len(prompts))]

    def _generated(
        self,
        batch: Sequence[PromptIds],
        max_new_tokens: int,
        ends: frozenset[int],
        fields: Mapping[str, Any],
        *,
        limited: bool,
    ) -> list[list[int]]:
        """What ``generate()`` writes after the prompts, padded with an end."""
        base = base_of(self.model)
        width = max(len(prompt.ids) for prompt in batch)
        ids = torch.full((len(batch), width), min(ends))
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, prompt in enumerate(batch):
            ids[row, width - len(prompt.ids) :] = torch.tensor(prompt.ids)
            mask[row, width - len(prompt.ids) :] = 1
        inputs = accepted_inputs(type(base))
        options: dict[str, Any] = {"input_ids": ids.to(base.device)}
        if "attention_mask" in inputs:
            options["attention_mask"] = mask.to(base.device)
        if "output_router_logits" in inputs:
            options["output_router_logits"] = False  # a loss that nobody reads, and it may fail
        if "stop_strings" in fields:
            options["tokenizer"] = self.tokenizer
        if limited:
            options["prefix_allowed_tokens_fn"] = _candidates_only(batch, width)
        use_cache = bool(CACHE_INPUTS & inputs) and not _outgrows_cache(
            base.config, width, max_new_tokens
        )
        names = [prompt.question.id for prompt in batch]
        options["logits_processor"] = [
            _FiniteCheck(names, width, ends, fields.get("num_beams") or 1, base)
        ]
        try:
            options["generation_config"] = self._config(
                max_new_tokens, fields, ends=ends, use_cache=use_cache
            )
            with without_earlier_state(base):
                # By the class: a model's folder may bring a generate() of its own along.
                output = evaluated(base, lambda: type(base).generate(base, **options))
        except ZhmcqError:
            raise
        except Exception as error:  # transformers and its models raise all kinds
            given = f" with the fields {dict(fields)}" if fields else ""
            raise PredictionError(
                f"{type(base).__name__} cannot write replies to {_some(names)}{given}: "
                f"{type(error).__name__}: {error}; mode='score' needs no replies"
            ) from error
        rows: list[list[int]] = output[:, width:].tolist()
        return rows

    def _config(
        self,
        max_new_tokens: int,
        fields: Mapping[str, Any],
        *,
        ends: frozenset[int] | None = None,
        use_cache: bool,
    ) -> Any:
        values = {"use_cache": True, **fields}
        values["use_cache"] = values["use_cache"] and use_cache
        ends = ends or self.ends
        # Rows that have ended are fed the padding id until the others have, too: any id will do
        # that the model has, which a tokenizer's own padding id need not be.
        return _own_config_class()(
            **values,
            max_new_tokens=max_new_tokens,
            eos_token_id=sorted(ends),
            pad_token_id=min(ends),
        )


def end_ids(model: Any, codec_ends: frozenset[int]) -> frozenset[int]:
    """The ids that end a reply: the tokenizer's and the model's, as far as the model knows them.

    Args:
        model: A causal language model, with or without an adapter around it.
        codec_ends: The ids by which the tokenizer and its chat template end a reply.

    Raises:
        PredictionError: If none of them is in the model's vocabulary.
    """
    base = base_of(model)
    given = getattr(base.generation_config, "eos_token_id", None)
    more = [] if given is None else given if isinstance(given, list | tuple) else [given]
    size = base.get_input_embeddings().weight.shape[0]
    known = frozenset(int(end) for end in {*codec_ends, *more} if 0 <= int(end) < size)
    if not known:
        raise PredictionError(
            f"expected an id that ends a reply among the {size} of the model's vocabulary, found "
            f"{sorted(codec_ends)}: the tokenizer belongs to another model"
        )
    return known


@cache
def _own_config_class() -> Any:
    """A ``GenerationConfig`` that nothing of a model's own gets into.

    ``generate()`` copies what was left open from ``model.generation_config`` by one call of
    ``update``, which is passed over here. Giving the model another configuration for the time
    being would do as well, but not for two threads that share it.
    """
    from transformers import GenerationConfig

    class OwnGenerationConfig(GenerationConfig):
        def update(
            self, defaults_only: bool = False, allow_custom_entries: bool = False, **values: Any
        ) -> dict[str, Any]:
            if defaults_only and allow_custom_entries:
                return {}
            rest: dict[str, Any] = super().update(defaults_only=defaults_only, **values)  # type: ignore[no-untyped-call]
            return rest

    return OwnGenerationConfig


class _FiniteCheck:
    """Raises at the first step whose logits cannot be compared, before a token is taken.

    A logit of minus infinity is one that a processor has ruled out; a row of nothing else, a NaN
    or plus infinity is a model that has overflowed. It comes after all processors but those that
    sampling needs, and none of them makes a NaN finite.

    Args:
        names: Ids of the batch's questions.
        width: Tokens of the prompts, padding included.
        ends: Ids that end a row: what is computed after them is of no account.
        beams: Rows of a question.
        model: The model.
    """

    def __init__(
        self, names: Sequence[str], width: int, ends: frozenset[int], beams: int, model: Any
    ) -> None:
        self._names = names
        self._width = width
        self._ends = ends
        self._beams = beams
        self._model = model

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        broken = torch.isnan(scores).any(-1) | ~torch.isfinite(scores.amax(-1))
        if broken.any():
            ends = torch.tensor(sorted(self._ends), device=input_ids.device)
            unfinished = ~torch.isin(input_ids[:, self._width :], ends).any(-1)
            rows = (broken & unfinished).nonzero().flatten().tolist()
            names = dict.fromkeys(self._names[row // self._beams] for row in rows)
            refuse_non_finite(list(names), self._model)
        return scores


def _some(names: Sequence[str]) -> str:
    """The first few questions of a batch by their ids, and how many there are."""
    shown = ", ".join(map(repr, names[:SHOWN]))
    if len(names) == 1:
        return f"question {shown}"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} questions ({shown}{more})"


def _outgrows_cache(config: Any, width: int, max_new_tokens: int) -> bool:
    """Whether rotary frequencies change while a reply grows, so that cached keys become wrong.

    ``dynamic`` scales anew with each token beyond the original length; ``longrope`` has one set of
    frequencies up to it and another beyond.
    """
    text = config.get_text_config()
    parameters = getattr(text, "rope_parameters", None) or {}
    for scaling in [parameters] if "rope_type" in parameters else parameters.values():
        kind = scaling.get("rope_type") if isinstance(scaling, dict) else None
        if kind not in ("dynamic", "longrope"):
            continue
        original = scaling.get("original_max_position_embeddings") or text.max_position_embeddings
        longest = width + max_new_tokens
        if longest > original and (kind == "dynamic" or width <= original):
            return True
    return False


def _candidates_only(
    batch: Sequence[PromptIds], width: int
) -> Callable[[int, torch.Tensor], list[int]]:
    """For ``generate``: which ids may follow what a row has written so far."""
    tables: list[dict[tuple[int, ...], set[int]]] = []
    for prompt in batch:
        table: dict[tuple[int, ...], set[int]] = {}
        for candidate in prompt.question.candidates:
            for position, token in enumerate(candidate):
                table.setdefault(candidate[:position], set()).add(token)
        tables.append(table)

    def allowed(row: int, ids: torch.Tensor) -> list[int]:
        so_far = tuple(ids[width:].tolist())
        # A row that has ended is only padded until the others have ended, too.
        end = [batch[row].question.candidates[0][-1]]
        return sorted(tables[row].get(so_far, end))

    return allowed
