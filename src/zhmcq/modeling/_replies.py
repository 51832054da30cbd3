"""Replies to questions: in batches of like length, within the positions that the model has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from zhmcq._phrases import records
from zhmcq.encoding import EncodedQuestion
from zhmcq.modeling._generation import PromptIds, TextGenerator
from zhmcq.modeling._memory import SMALLER, Divisible, in_pieces

__all__ = ["Reply", "stream_choices", "stream_replies"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote in reply to one question.

    Attributes:
        index: The question's index.
        text: The reply, without control tokens.
        candidate: The index of the candidate that the reply was limited to; ``None`` for a free
            reply.
        problem: Why the model cannot reply; empty if it could.
    """

    index: int
    text: str
    candidate: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Questions that are answered together.

    Attributes:
        indexes: Their indexes.
        room: How many tokens each may write.
    """

    indexes: list[int]
    room: int


def stream_replies(
    generator: TextGenerator, questions: Sequence[EncodedQuestion], max_new_tokens: int
) -> Iterator[list[Reply]]:
    """Let the model reply to each question freely.

    Args:
        generator: The model.
        questions: Encoded questions.
        max_new_tokens: The longest reply, in tokens; shorter where the model has no positions for
            more.

    Yields:
        The replies of each batch.

    Raises:
        PredictionError: If a number that the model computes is not finite, or it cannot reply.
        OutOfMemoryError: If memory runs out in the reply to one question.
    """
    if not questions:
        return
    generator = generator.checked(questions)
    rooms = _rooms(generator, questions, max_new_tokens, lambda question: len(question.prompt))
    yield from _without_room(generator, rooms, "a reply")

    def reply(batch: _Batch) -> list[Reply]:
        replies = generator.write(_prompts(questions, batch), batch.room)
        return [
            Reply(index, generator.decode(ids))
            for index, ids in zip(batch.indexes, replies, strict=True)
        ]

    yield from _computed(generator, questions, rooms, reply)


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
            Where the model has no positions for as many, fewer, so that cue and answer fit.
        cue: Ids that follow the free part and call for the answer.

    Yields:
        The replies of each batch, each with the candidate that was written.

    Raises:
        PredictionError: If a number that the model computes is not finite, or it cannot reply.
        OutOfMemoryError: If memory runs out in the reply to one question.
    """
    if not questions:
        return
    generator = generator.checked(questions)
    if not reasoning_tokens:

        def choose(batch: _Batch) -> list[Reply]:
            prompts = _prompts(questions, batch)
            return _chosen(generator, batch.indexes, prompts, [""] * len(prompts))

        yield from _computed(generator, questions, dict.fromkeys(range(len(questions)), 0), choose)
        return
    rooms = _rooms(
        generator, questions, reasoning_tokens, lambda question: question.length + len(cue)
    )
    yield from _without_room(generator, rooms, "reasoning with an answer after it")

    def reason(batch: _Batch) -> list[Reply]:
        prompts = _prompts(questions, batch)
        free = generator.write(prompts, batch.room)
        prompts = [
            PromptIds(prompt.question, (*prompt.ids, *ids, *cue))
            for prompt, ids in zip(prompts, free, strict=True)
        ]
        texts = [generator.decode((*ids, *cue)) for ids in free]
        return _chosen(generator, batch.indexes, prompts, texts)

    yield from _computed(generator, questions, rooms, reason)


def _prompts(questions: Sequence[EncodedQuestion], batch: _Batch) -> list[PromptIds]:
    return [PromptIds(questions[index], questions[index].prompt) for index in batch.indexes]


def _chosen(
    generator: TextGenerator,
    indexes: Sequence[int],
    prompts: Sequence[PromptIds],
    texts: Sequence[str],
) -> list[Reply]:
    """Replies of a batch: what was written before, with the candidate that the model chooses."""
    replies = []
    choices = generator.choose(prompts)
    for index, prompt, text, chosen in zip(indexes, prompts, texts, choices, strict=True):
        answer = generator.decode(prompt.question.candidates[chosen][:-1])
        replies.append(Reply(index, text + answer, chosen))
    return replies


def _rooms(
    generator: TextGenerator,
    questions: Sequence[EncodedQuestion],
    wanted: int,
    occupied: Callable[[EncodedQuestion], int],
) -> dict[int, int]:
    """How many tokens each question's reply may have, by its index; shorter ones are logged."""
    positions = generator.positions
    if positions is None:
        return dict.fromkeys(range(len(questions)), wanted)
    rooms = {i: min(wanted, positions - occupied(question)) for i, question in enumerate(questions)}
    if cut := sum(room < wanted for room in rooms.values()):
        logger.info("%s", records.replies_cut(cut, len(questions), wanted, positions))
    return rooms


def _without_room(
    generator: TextGenerator, rooms: dict[int, int], what: str
) -> Iterator[list[Reply]]:
    """Replies of questions without room, which are removed from ``rooms``."""
    full = [index for index, room in rooms.items() if room < 1]
    for index in full:
        del rooms[index]
    if full:
        problem = (
            f"its prompt leaves no room for {what} among the {generator.positions} positions of "
            "the model: lower max_length, or use mode='score'"
        )
        yield [Reply(index, "", problem=problem) for index in full]


def _batches(
    generator: TextGenerator, questions: Sequence[EncodedQuestion], rooms: dict[int, int]
) -> Iterator[_Batch]:
    """Batches of equal room, the shortest prompts first.

    A question's reply must not depend on the others of its batch. So those near the model's last
    position are separated by their room, and all by their length where padding would matter.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for index in sorted(rooms, key=lambda index: len(questions[index].prompt)):
        length = 0 if generator.decoding.padded else len(questions[index].prompt)
        groups.setdefault((rooms[index], length), []).append(index)
    for (room, _), indexes in groups.items():
        start = 0
        while start < len(indexes):
            size = generator.batch_size.size  # which becomes smaller when memory runs out
            yield _Batch(indexes[start : start + size], room)
            start += size


def _computed(
    generator: TextGenerator,
    questions: Sequence[EncodedQuestion],
    rooms: dict[int, int],
    compute: Callable[[_Batch], list[Reply]],
) -> Iterator[list[Reply]]:
    """The replies of each batch; a batch that does not fit in memory is cut."""

    def cut(batch: _Batch, size: int) -> list[_Batch]:
        starts = range(0, len(batch.indexes), size)
        return [_Batch(batch.indexes[start : start + size], batch.room) for start in starts]

    def describe(batch: _Batch) -> str:
        question = questions[batch.indexes[0]]
        return f"the reply to question {question.id!r} with its {len(question.prompt)} tokens"

    remedy = f"allow shorter replies, {SMALLER}"
    work = Divisible(compute, cut, lambda batch: len(batch.indexes), describe, remedy)
    for batch in _batches(generator, questions, rooms):
        for _, replies in in_pieces(batch, work, generator.batch_size, generator.model.device):
            yield replies
