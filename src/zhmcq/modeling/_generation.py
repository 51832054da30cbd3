"""Token ids that continue prompts: free, or limited to the candidate answers of a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import torch

from zhmcq._refused_fields import COMPUTING_FIELDS
from zhmcq.encoding import EncodedQuestion
from zhmcq.errors import PredictionError, SettingsError
from zhmcq.modeling._decoding import Decoding, choose_decoding
from zhmcq.modeling._forward import base_of
from zhmcq.modeling._generate_call import FiniteCheck, GenerateCall, generated, generation_config
from zhmcq.modeling._memory import Budget
from zhmcq.modeling._support import position_limit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PromptIds", "TextGenerator", "end_ids"]

# Fields of transformers' GenerationConfig that look at a prompt's ids without its padding mask.
SEES_PADDING = {
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "no_repeat_ngram_size",
}


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
        batch_size: How many questions a batch has; questions of like length are batched together.
        fields: Fields of transformers' ``GenerationConfig`` for free replies; without any, they are
            decoded greedily.
        decoding: How replies are computed; see :meth:`checked`.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    ends: frozenset[int]
    batch_size: Budget
    fields: Mapping[str, Any] = field(default_factory=dict)
    decoding: Decoding = field(default_factory=Decoding)

    @property
    def positions(self) -> int | None:
        """The most tokens of a prompt with its reply; ``None`` without a limit."""
        return position_limit(base_of(self.model).config)

    def checked(self, questions: Sequence[EncodedQuestion]) -> Self:
        """The same with the fastest decoding that is right for its model.

        Args:
            questions: Encoded questions to check it on; at least one.

        Raises:
            PredictionError: If no decoding gives the model's most likely tokens.
        """
        decoding = choose_decoding(self.model, questions)
        if SEES_PADDING & set(self.fields):
            decoding = replace(decoding, padded=False)
        return replace(self, decoding=decoding)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without control tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def check_fields(self) -> None:
        """Refuse fields that transformers refuses, before any question is answered.

        Raises:
            SettingsError: If ``GenerationConfig`` cannot be made of them.
        """
        try:
            generation_config(self.fields)
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
            length = 0 if self.decoding.padded else len(prompt.ids)
            groups.setdefault(length, []).append(index)
        results: dict[int, tuple[int, ...]] = {}
        for indexes in groups.values():
            batch = [prompts[index] for index in indexes]
            call = GenerateCall(
                names=[prompt.question.id for prompt in batch],
                prompts=[prompt.ids for prompt in batch],
                max_new_tokens=max_new_tokens,
                ends=ends,
                fields=fields,
                cached=self.decoding.cached,
                tokenizer=self.tokenizer,
            )
            allowed = _candidates_only(batch, call.width) if limited else None
            rows = generated(self.model, call, FiniteCheck(call, self.model), allowed)
            for index, row in zip(indexes, rows, strict=True):
                end = next((i for i, token in enumerate(row) if token in ends), len(row))
                results[index] = tuple(row[:end])
        return [results[index] for index in range(len(prompts))]


def end_ids(model: Any, codec_ends: frozenset[int]) -> frozenset[int]:
    """The ids that end a reply: the tokenizer's and the model's, as far as the model knows them.

    Args:
        model: A causal language model, with or without an adapter around it.
        codec_ends: The ids by which the tokenizer and its chat template end a reply.

    Raises:
        PredictionError: If none of them is in the model's vocabulary.
    """
    base = base_of(model)
    given = getattr(getattr(base, "generation_config", None), "eos_token_id", None)
    more = [] if given is None else given if isinstance(given, list | tuple) else [given]
    size = base.get_input_embeddings().weight.shape[0]
    known = frozenset(int(end) for end in {*codec_ends, *more} if 0 <= int(end) < size)
    if not known:
        raise PredictionError(
            f"expected an id that ends a reply among the {size} of the model's vocabulary, found "
            f"{sorted(codec_ends)}: the tokenizer belongs to another model"
        )
    return known


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
        # A row that has ended is only padded until the others have ended as well.
        end = [batch[row].question.candidates[0][-1]]
        return sorted(tables[row].get(so_far, end))

    return allowed
