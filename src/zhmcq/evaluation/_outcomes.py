"""What became of one question that has a key, and which questions are about one passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zhmcq.questions import Question

__all__ = ["Outcome", "clusters_of"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one question that has a key.

    Attributes:
        question: The question, with its key.
        answer: 0-based indexes of the chosen options, sorted; ``None`` without an answer.
        confidence: The answer's share of the candidates' likelihoods, 0 to 1; ``None`` where
            there is none.
        calibrated: Whether the confidence was fitted to be a probability.
        withheld: Whether there was an answer that was withheld, since it was not sure enough.
    """

    question: Question
    answer: tuple[int, ...] | None
    confidence: float | None = None
    calibrated: bool = False
    withheld: bool = False

    @property
    def id(self) -> str:
        """The question's id."""
        return self.question.id

    @property
    def stem(self) -> str:
        """The question's stem."""
        return self.question.stem

    @property
    def key(self) -> str:
        """The key, in the question's labels."""
        return self.question.answer_label

    @property
    def label(self) -> str:
        """The answer, in the question's labels; ``""`` without one."""
        return self.question.label_of(self.answer)

    @property
    def correct(self) -> bool:
        """Whether the answer is the key."""
        return self.answer is not None and self.answer == self.question.answer

    @property
    def credit(self) -> float:
        """The points for the answer, 0.0 to 1.0, where each option is judged by itself.

        The rule of Taiwan's university entrance examinations for questions with several right
        options: with *n* options, *k* of them judged wrongly (chosen though wrong, or not chosen
        though right), (n - 2k) / n of the points, not less than 0; nothing without an answer.
        """
        if self.answer is None:
            return 0.0
        options = len(self.question.options)
        wrong = len(set(self.answer) ^ set(self.question.answer or ()))
        return max(0.0, (options - 2 * wrong) / options)

    @property
    def chance(self) -> float:
        """How often a blind guess is right: 1 / n of n options, 1 / (2**n - 1) of their sets."""
        options = len(self.question.options)
        return 1 / (2**options - 1) if self.question.kind == "multiple" else 1 / options


def clusters_of(questions: Sequence[Question]) -> list[int]:
    """The number of the cluster of each question: those of one group or one passage share it.

    A question without a group and a passage is a cluster of its own.

    Args:
        questions: The questions; the clusters are numbered in their order, from 0.
    """
    parents: list[int] = []
    firsts: dict[tuple[str, str, str], int] = {}

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for index, question in enumerate(questions):
        parents.append(index)
        file = question.origin.file if question.origin else ""
        marks = [("group", file, question.group)] if question.group else []
        marks += [("passage", "", question.passage)] if question.passage else []
        for mark in marks:
            first = root(firsts.setdefault(mark, index))
            parents[max(first, root(index))] = min(first, root(index))
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(index), len(numbers)) for index in range(len(questions))]
