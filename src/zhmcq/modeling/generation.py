"""Replies in words: batched greedy generation, free or limited to the candidate answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from zhmcq.encoding import EncodedQuestion

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Reply", "stream_choices", "stream_replies"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote to one question.

    Attributes:
        index: The question's index.
        text: The reply, without control tokens.
        candidate: The candidate it was limited to; ``None`` for a free reply.
    """

    index: int
    text: str
    candidate: int | None = None


@dataclass(frozen=True, slots=True)
class Generator:
    """A model with what its replies need.

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


def stream_replies(
    generator: Generator, questions: Sequence[EncodedQuestion], max_new_tokens: int
) -> Iterator[list[Reply]]:
    """Let the model reply to each question freely, the likeliest token at a time.

    Args:
        generator: The model.
        questions: Encoded questions.
        max_new_tokens: The longest reply, in tokens.

    Yields:
        The replies of each batch.
    """
    for chosen in _batches(questions, generator.batch_size):
        written = _generate(generator, [questions[i].prompt for i in chosen], max_new_tokens)
        yield [
            Reply(index, _text(generator, ids)) for index, ids in zip(chosen, written, strict=True)
        ]


def stream_choices(
    generator: Generator,
    questions: Sequence[EncodedQuestion],
    reasoning_tokens: int,
    cue: Sequence[int],
) -> Iterator[list[Reply]]:
    """Let the model write one of the candidate answers and nothing else.

    Args:
        generator: The model.
        questions: Encoded questions.
        reasoning_tokens: How many tokens it may write freely before; 0 for none.
        cue: Ids that follow the free part and ask for the answer.

    Yields:
        The replies of each batch, each with the candidate it chose.
    """
    for chosen in _batches(questions, generator.batch_size):
        batch = [questions[index] for index in chosen]
        prompts = [question.prompt for question in batch]
        before = [""] * len(batch)
        if reasoning_tokens:
            free = _generate(generator, prompts, reasoning_tokens)
            before = [_text(generator, (*ids, *cue)) for ids in free]
            prompts = [(*p, *ids, *cue) for p, ids in zip(prompts, free, strict=True)]
        longest = max(max(map(len, question.candidates)) for question in batch)
        # generate() ends a row at any end; a candidate's own end may be another one.
        ends = generator.ends | {question.candidates[0][-1] for question in batch}
        limited = replace(generator, ends=frozenset(ends))
        allowed = _candidates_only(batch, max(map(len, prompts)))
        written = _generate(limited, prompts, longest, allowed)
        replies = []
        for index, question, text, ids in zip(chosen, batch, before, written, strict=True):
            bodies = [candidate[:-1] for candidate in question.candidates]
            candidate = bodies.index(tuple(ids))
            replies.append(Reply(index, text + _text(generator, ids), candidate))
        yield replies


def _batches(questions: Sequence[EncodedQuestion], size: int) -> Iterator[list[int]]:
    order = sorted(range(len(questions)), key=lambda index: len(questions[index].prompt))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _text(generator: Generator, ids: Sequence[int]) -> str:
    return str(generator.tokenizer.decode(list(ids), skip_special_tokens=True))


def _generate(
    generator: Generator,
    prompts: Sequence[tuple[int, ...]],
    max_new_tokens: int,
    allowed: Callable[[int, torch.Tensor], list[int]] | None = None,
) -> list[tuple[int, ...]]:
    """The ids that follow each prompt, up to the first end, which is left out."""
    device = generator.model.device
    pad_id = generator.tokenizer.pad_token_id
    pad_id = min(generator.ends) if pad_id is None else pad_id
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), pad_id)
    mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    with torch.inference_mode():
        out = generator.model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            use_cache=True,
            max_new_tokens=max_new_tokens,
            eos_token_id=sorted(generator.ends),
            pad_token_id=pad_id,
            prefix_allowed_tokens_fn=allowed,
        )
    written = []
    for row in out[:, width:].tolist():
        end = next((i for i, token in enumerate(row) if token in generator.ends), len(row))
        written.append(tuple(row[:end]))
    return written


def _candidates_only(
    batch: Sequence[EncodedQuestion], width: int
) -> Callable[[int, torch.Tensor], list[int]]:
    """For ``generate``: which ids may follow what a row has written so far."""
    nexts: list[dict[tuple[int, ...], set[int]]] = []
    for question in batch:
        table: dict[tuple[int, ...], set[int]] = {}
        for candidate in question.candidates:
            for place, token in enumerate(candidate):
                table.setdefault(candidate[:place], set()).add(token)
        nexts.append(table)

    def allowed(row: int, ids: torch.Tensor) -> list[int]:
        written = tuple(ids[width:].tolist())
        # A row that has ended is only padded until the others end, too.
        ended = [batch[row].candidates[0][-1]]
        return sorted(nexts[row].get(written, ended))

    return allowed
