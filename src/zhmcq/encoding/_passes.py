"""Questions and the candidates to compute → the rows of each forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zhmcq.encoding._batch import batches
from zhmcq.encoding._encode import EncodedQuestion
from zhmcq.encoding._tree import PackedRow, pack, pack_flat
from zhmcq.settings import Packing

__all__ = ["PassPlan"]


@dataclass(frozen=True, slots=True)
class PassPlan:
    """How sequences are put into rows, and rows into forward passes.

    Training, its estimate and scoring share this plan, so that an estimate counts exactly what
    training computes and a self-check compares exactly what scoring would use.

    Attributes:
        packing: ``"tree"`` stores what the questions of a passage share once, ``"flat"`` gives
            each candidate a row of its own.
        budget: The most tokens of a forward pass, padding included.
    """

    packing: Packing
    budget: int

    def groups(
        self,
        questions: Sequence[EncodedQuestion],
        candidates: Sequence[Sequence[int]] | None = None,
    ) -> Iterator[list[PackedRow]]:
        """The rows of each forward pass, the longest rows first.

        Args:
            questions: Encoded questions.
            candidates: For each question, the indexes of the candidates to compute; all of them
                if ``None``.
        """
        if candidates is None:
            candidates = [range(len(question.candidates)) for question in questions]
        units = (
            pack(questions, candidates, self.budget)
            if self.packing == "tree"
            else pack_flat(questions, candidates)
        )
        return batches(units, self.budget)
