"""What is measured: the sides, the settings they all share, and which questions they get."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from zhmcq.questions import Question, QuestionBank
from zhmcq.reading._saved import question_from_record, question_to_record

__all__ = [
    "CALIBRATION_QUESTIONS",
    "MAX_LENGTH",
    "QUESTIONS_PER_STEP",
    "SEED",
    "SIDES",
    "Job",
    "Side",
    "draw",
]

MAX_LENGTH = {"train": 512, "predict": 2048}  # the defaults of LoraTrainer and MCQPredictor
QUESTIONS_PER_STEP = 8
CALIBRATION_QUESTIONS = 16
SEED = 42

Kind = Literal["train", "predict"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things that are compared.

    Attributes:
        name: What the tables call it.
        kind: Whether it trains or predicts.
        prompt: The prompt that renders its questions.
        run: The function that runs it, as ``module.function``.
        options: Further arguments of that function.
        batch: Its batch size, in questions (sequences, for the peers); 0 if the fastest is to be
            found.
        against: The side of this engine that it is compared with.
    """

    name: str
    kind: Kind
    prompt: str
    run: str
    options: tuple[tuple[str, Any], ...] = ()
    batch: int = 0
    against: str = ""


TREE = (("packing", "tree"),)
FLAT = (("packing", "flat"),)
SIDES = (
    Side("train-tree", "train", "zh-exam", "engine.train", TREE),
    Side("train-flat", "train", "zh-exam", "engine.train", FLAT, against="train-tree"),
    Side("train-trl", "train", "zh-exam", "peer_training.trl", against="train-tree"),
    Side(
        "train-trl-supervised",
        "train",
        "zh-exam",
        "peer_training.trl",
        (("supervised_only", True),),
        against="train-tree",
    ),
    Side(
        "train-padded",
        "train",
        "zh-exam",
        "peer_training.padded",
        batch=1,  # the original recipe's own
        against="train-tree",
    ),
    Side("labels-tree", "predict", "zh-exam", "engine.score", TREE),
    Side("labels-flat", "predict", "zh-exam", "engine.score", FLAT, against="labels-tree"),
    Side("labels-harness", "predict", "zh-exam", "peer_scoring.harness", against="labels-tree"),
    Side("labels-pipeline", "predict", "zh-exam", "peer_scoring.pipeline", against="labels-tree"),
    Side("texts-tree", "predict", "zh-cloze", "engine.score", TREE),
    Side("texts-flat", "predict", "zh-cloze", "engine.score", FLAT, against="texts-tree"),
    Side("texts-harness", "predict", "zh-cloze", "peer_scoring.harness", against="texts-tree"),
    Side("orders", "predict", "zh-exam", "engine.orders", TREE, 4),
)


@dataclass(frozen=True, slots=True)
class Job:
    """What one process has to do.

    Attributes:
        model: The model's folder.
        kind: Whether it trains or predicts; decides the length limit.
        prompt: The prompt that renders its questions.
        batch: Sequences of a forward pass.
        questions: The questions to train on or to answer.
    """

    model: str
    kind: Kind
    prompt: str
    batch: int
    questions: tuple[Question, ...]

    def to_record(self) -> dict[str, Any]:
        """A form that JSON can hold."""
        rest = {name: getattr(self, name) for name in ("model", "kind", "prompt", "batch")}
        return {**rest, "questions": [question_to_record(one) for one in self.questions]}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Job:
        """The job that :meth:`to_record` wrote."""
        questions = tuple(question_from_record(one) for one in record["questions"])
        return cls(**{**record, "questions": questions})


def draw(bank: Sequence[Question], counts: Sequence[int], seed: int = SEED) -> list[QuestionBank]:
    """Draw several sets of questions by whole passages, none of them twice.

    What a set shares is then what the workbook shares: questions drawn one by one would rarely
    come from one passage. A passage with more questions than a set has room for is left for the
    next set.

    Args:
        bank: Questions; those without a key or with several are left out.
        counts: How many questions each set has.
        seed: Of the order of the passages.

    Raises:
        ValueError: If the bank has too few questions.
    """
    groups: dict[str, list[Question]] = {}
    for question in bank:
        if question.answer is not None and question.kind == "single":
            groups.setdefault(question.passage or question.id, []).append(question)
    waiting = list(groups.values())
    random.Random(seed).shuffle(waiting)
    sets = []
    for count in counts:
        taken: list[Question] = []
        left: list[list[Question]] = []
        for group in waiting:
            if len(taken) + len(group) <= count:
                taken += group
            else:
                left.append(group)
        if len(taken) < count:
            raise ValueError(
                f"expected {sum(counts)} single-answer questions with keys, in whole passages that "
                f"make up sets of {count}; found too few: give a larger file or ask for fewer"
            )
        waiting = left
        sets.append(QuestionBank(taken))
    return sets
