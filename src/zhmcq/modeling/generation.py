"""Replies in words: batched greedy generation, free or limited to the candidate answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from zhmcq.encoding.encode import EncodedQuestion

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["stream_replies"]


def stream_replies(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[EncodedQuestion],
    *,
    ends: set[int],
    batch_size: int,
    max_new_tokens: int,
    constrain: bool = False,
) -> Iterator[list[tuple[int, str]]]:
    """Let the model reply to each question, the likeliest token at a time.

    Args:
        model: A causal language model, with or without an adapter around it.
        tokenizer: Its tokenizer.
        questions: Encoded questions.
        ends: Ids that end a reply.
        batch_size: Questions of a batch; questions of like length are batched together.
        max_new_tokens: The longest reply, in tokens.
        constrain: Allow nothing but the candidate answers.

    Yields:
        After each batch, pairs of a question's index and the reply to it, without control tokens.
    """
    order = sorted(range(len(questions)), key=lambda index: len(questions[index].prompt))
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(ends)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = [questions[index] for index in chosen]
        width = max(len(question.prompt) for question in batch)
        ids = torch.full((len(batch), width), pad_id)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, question in enumerate(batch):
            ids[row, width - len(question.prompt) :] = torch.tensor(question.prompt)
            mask[row, width - len(question.prompt) :] = 1
        longest = max(max(map(len, question.candidates)) for question in batch)
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                use_cache=True,
                max_new_tokens=longest if constrain else max_new_tokens,
                eos_token_id=sorted(ends),
                pad_token_id=pad_id,
                prefix_allowed_tokens_fn=_candidates_only(batch, width) if constrain else None,
            )
        written = out[:, width:].tolist()
        yield [
            (index, str(tokenizer.decode(row, skip_special_tokens=True)))
            for index, row in zip(chosen, written, strict=True)
        ]


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
