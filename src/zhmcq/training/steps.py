"""Which questions each optimizer step learns from: whole passages, shuffled with a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

__all__ = ["StepSampler"]

# How far ahead to look for a passage that fills a step. Further would pull the same small
# passages to the front of each epoch; nearer would cut more passages in two.
LOOK_AHEAD = 64


class StepSampler:
    """Yields the question indexes of each step, for this process.

    A step has ``questions_per_step`` questions (the last one of an epoch may have fewer), made up
    of whole passages as far as that is possible, so that what they share is computed once. The
    order depends on the seed and the epoch alone, so that a run can be resumed anywhere.

    Args:
        passages: For each question its passage; questions with ``""`` stand alone.
        questions_per_step: Questions of a step of one process.
        seed: Of the shuffling.
        processes: How many processes share each step's questions.
        process: Which of them this is.
    """

    def __init__(
        self,
        passages: Sequence[str],
        questions_per_step: int,
        seed: int,
        processes: int = 1,
        process: int = 0,
    ) -> None:
        self.epoch = 0
        self._seed = seed
        self._size = questions_per_step * processes
        self._processes = processes
        self._process = process
        groups: dict[str | int, list[int]] = {}
        for index, passage in enumerate(passages):
            groups.setdefault(passage or index, []).append(index)
        self._groups = list(groups.values())
        self._count = len(passages)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration has."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self._count / self._size)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps():
            # Whole runs of neighbours, so that a passage stays within one process where it can;
            # a short last step is shared evenly, so that as few processes as can be idle.
            start, end = (
                len(step) * number // self._processes
                for number in (self._process, self._process + 1)
            )
            yield step[start:end]

    def steps(self) -> Iterator[list[int]]:
        """The question indexes of each step of this epoch, of all processes together."""
        shuffle = random.Random(f"{self._seed}-{self.epoch}")
        waiting = [list(group) for group in self._groups]
        shuffle.shuffle(waiting)
        for group in waiting:
            shuffle.shuffle(group)
        waiting.reverse()  # take from the end
        while waiting:
            step: list[int] = []
            while waiting and len(step) < self._size:
                room = self._size - len(step)
                start = max(0, len(waiting) - LOOK_AHEAD)
                fitting = [i for i in range(start, len(waiting)) if len(waiting[i]) <= room]
                if fitting:
                    step += waiting.pop(fitting[-1])
                else:
                    step += waiting[-1][:room]
                    del waiting[-1][:room]
            yield step
