"""Replies: batched greedy generation, free or limited to the candidate answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from zhmcq.encoding import EncodedQuestion

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Reply", "TextGenerator", "stream_choices", "stream_replies"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote in reply to one question.

    Attributes:
        index: The question's index.
        text: The reply, without control tokens.
        candidate: The index of the candidate that the reply was limited to; ``None`` for a free
            reply.
    """

    index: int
    text: str
    candidate: int | None = None


@dataclass(frozen=True, slots=True)
class TextGenerator:
    """A model together with what generation needs.

    Attributes:
        model: A causal language model, with or without an adapter around it.
        tokenizer: Its tokenizer.
        ends: Ids that end a reply.
        batch_size: Questions of a batch; questions of like length are batched together.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    ends: frozenset[int]
    batch_size: int

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without control tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def generate(
        self,
        prompts: Sequence[tuple[int, ...]],
        max_new_tokens: int,
        allowed: Callable[[int, torch.Tensor], list[int]] | None = None,
    ) -> list[tuple[int, ...]]:
        """Continue each prompt greedily.

        Args:
            prompts: Token ids; they are padded on the left to one length.
            max_new_tokens: The longest continuation, in tokens.
            allowed: Given a row's index and its ids so far, the ids that may come next;
                ``None`` allows all.

        Returns:
            The ids that follow each prompt, up to the first end, which is left out.
        """
        pad_id = self.tokenizer.pad_token_id
        pad_id = min(self.ends) if pad_id is None else pad_id
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), pad_id)
        mask = torch.zeros((len(prompts), width), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids.to(self.model.device),
                attention_mask=mask.to(self.model.device),
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                use_cache=True,
                max_new_tokens=max_new_tokens,
                eos_token_id=sorted(self.ends),
                pad_token_id=pad_id,
                prefix_allowed_tokens_fn=allowed,
            )
        continuations = []
        for row in output[:, width:].tolist():
            end = next((i for i, token in enumerate(row) if token in self.ends), len(row))
            continuations.append(tuple(row[:end]))
        return continuations


def stream_replies(
    generator: TextGenerator, questions: Sequence[EncodedQuestion], max_new_tokens: int
) -> Iterator[list[Reply]]:
    """Let the model reply to each question freely, taking the likeliest token at each step.

    Args:
        generator: The model.
        questions: Encoded questions.
        max_new_tokens: The longest reply, in tokens.

    Yields:
        The replies of each batch.
    """
    for batch in _batches(questions, generator.batch_size):
        replies = generator.generate([questions[i].prompt for i in batch], max_new_tokens)
        yield [
            Reply(index, generator.decode(ids)) for index, ids in zip(batch, replies, strict=True)
        ]


def stream_choices(
    generator: TextGenerator,
    questions: Sequence[EncodedQuestion],
    reasoning_tokens: int,
    cue: Sequence[int],
) -> Iterator[list[Reply]]:
    """Let the model write one of the candidate answers and nothing else.

    Args:
        generator: The model.
        questions: Encoded questions.
        reasoning_tokens: How many tokens it may write freely before its answer; 0 for none.
        cue: Ids that follow the free part and call for the answer.

    Yields:
        The replies of each batch, each with the candidate that was written.
    """
    for indexes in _batches(questions, generator.batch_size):
        batch = [questions[index] for index in indexes]
        prompts = [question.prompt for question in batch]
        reasoning = [""] * len(batch)
        if reasoning_tokens:
            free = generator.generate(prompts, reasoning_tokens)
            reasoning = [generator.decode((*ids, *cue)) for ids in free]
            prompts = [(*prompt, *ids, *cue) for prompt, ids in zip(prompts, free, strict=True)]
        longest = max(max(map(len, question.candidates)) for question in batch)
        # generate() ends a row at any end; the end of a candidate may be yet another id.
        ends = generator.ends | {question.candidates[0][-1] for question in batch}
        choosing = replace(generator, ends=frozenset(ends))
        answers = choosing.generate(prompts, longest, _candidates_only(batch, prompts))
        replies = []
        for index, question, text, ids in zip(indexes, batch, reasoning, answers, strict=True):
            without_end = [candidate[:-1] for candidate in question.candidates]
            chosen = without_end.index(ids)
            replies.append(Reply(index, text + generator.decode(ids), chosen))
        yield replies


def _batches(questions: Sequence[EncodedQuestion], size: int) -> Iterator[list[int]]:
    """Indexes of the questions of each batch, the shortest prompts first."""
    order = sorted(range(len(questions)), key=lambda index: len(questions[index].prompt))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _candidates_only(
    batch: Sequence[EncodedQuestion], prompts: Sequence[tuple[int, ...]]
) -> Callable[[int, torch.Tensor], list[int]]:
    """For ``generate``: which ids may follow what a row has written so far."""
    width = max(map(len, prompts))  # all prompts are padded to it
    tables: list[dict[tuple[int, ...], set[int]]] = []
    for question in batch:
        table: dict[tuple[int, ...], set[int]] = {}
        for candidate in question.candidates:
            for position, token in enumerate(candidate):
                table.setdefault(candidate[:position], set()).add(token)
        tables.append(table)

    def allowed(row: int, ids: torch.Tensor) -> list[int]:
        so_far = tuple(ids[width:].tolist())
        # A row that has ended is only padded until the others have ended, too.
        end = [batch[row].candidates[0][-1]]
        return sorted(tables[row].get(so_far, end))

    return allowed
