"""What is measured: the sides, the settings they all share, and which questions they get."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from zhmcq.questions import Question, QuestionBank
from zhmcq.reading._saved import question_from_record, question_to_record

__all__ = [
    "DTYPES",
    "MAX_LENGTH",
    "QUESTIONS_PER_STEP",
    "SEED",
    "SIDES",
    "USUAL_SIDES",
    "Job",
    "Side",
    "Variant",
    "draw",
    "variants",
]

MAX_LENGTH = {"train": 512, "predict": 2048}  # the defaults of LoraTrainer and MCQPredictor
QUESTIONS_PER_STEP = 8
SEED = 42
DTYPES = ("float32", "bfloat16")

Kind = Literal["train", "predict"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things that are compared.

    Attributes:
        name: What the tables call it.
        kind: Whether it trains or predicts.
        prompt: The prompt that renders its questions.
        run: The function that runs it, as ``module.function``.
        seconds: Seconds a question, roughly, in fp32 on two cores: what the estimate of a run's
            time begins with, until the side was measured.
        options: Further arguments of that function.
        batch: Its batch size, in questions (sequences, for the peers); 0 if the fastest is to be
            found.
        against: The side of this engine that it is compared with.
        dtype: The only format of numbers that it computes in; empty if it computes in each of
            ``DTYPES``.
    """

    name: str
    kind: Kind
    prompt: str
    run: str
    seconds: float
    options: tuple[tuple[str, Any], ...] = ()
    batch: int = 0
    against: str = ""
    dtype: str = ""

    def batches(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The batch sizes to try: in training a whole step in place of any that is larger."""
        if self.batch:
            return (self.batch,)
        most = QUESTIONS_PER_STEP if self.kind == "train" else max(sizes)
        return tuple(dict.fromkeys(min(size, most) for size in sizes))


@dataclass(frozen=True, slots=True)
class Variant:
    """A side in one dtype, which is what a measurement measures.

    Attributes:
        side: The side.
        dtype: A name of torch's, or what the side's weights are stored as.
    """

    side: Side
    dtype: str


def variants(sides: Sequence[Side], dtypes: Sequence[str]) -> list[Variant]:
    """Every side in every dtype, and a side with a format of its own in that one."""
    return [
        Variant(side, dtype) for side in sides for dtype in ([side.dtype] if side.dtype else dtypes)
    ]


TREE = (("packing", "tree"),)
FLAT = (("packing", "flat"),)
SIDES = (
    Side("train-tree", "train", "zh-exam", "engine.train", 0.6, TREE),
    Side("train-flat", "train", "zh-exam", "engine.train", 1.5, FLAT, against="train-tree"),
    Side("train-trl", "train", "zh-exam", "peer_training.trl", 6, against="train-tree"),
    Side(
        "train-trl-supervised",
        "train",
        "zh-exam",
        "peer_training.trl",
        1.8,
        (("supervised_only", True),),
        against="train-tree",
    ),
    Side(
        "train-padded",
        "train",
        "zh-exam",
        "peer_training.padded",
        6,
        batch=1,  # the original recipe's own
        against="train-tree",
    ),
    Side("labels-tree", "predict", "zh-exam", "engine.score", 0.27, TREE),
    Side("labels-flat", "predict", "zh-exam", "engine.score", 2, FLAT, against="labels-tree"),
    Side(
        "labels-harness", "predict", "zh-exam", "peer_scoring.harness", 1.3, against="labels-tree"
    ),
    Side(
        "labels-pipeline", "predict", "zh-exam", "peer_scoring.pipeline", 0.7, against="labels-tree"
    ),
    Side(
        "llama-cpp",
        "predict",
        "zh-exam",
        "peer_llama_cpp.first_token",
        0.4,
        against="labels-tree",
        dtype="q4_k_m",
    ),
    Side("texts-tree", "predict", "zh-cloze", "engine.score", 0.27, TREE),
    Side("texts-flat", "predict", "zh-cloze", "engine.score", 2, FLAT, against="texts-tree"),
    Side("texts-harness", "predict", "zh-cloze", "peer_scoring.harness", 3, against="texts-tree"),
    Side("orders", "predict", "zh-exam", "engine.orders", 1.5, TREE, 4),
)
# What a user would choose between; the others say where the difference comes from.
USUAL_SIDES = (
    "train-tree",
    "train-trl",
    "train-trl-supervised",
    "labels-tree",
    "labels-harness",
    "llama-cpp",
    "texts-tree",
    "texts-harness",
)


@dataclass(frozen=True, slots=True)
class Job:
    """What one process has to do.

    Attributes:
        model: The model's folder.
        kind: Whether it trains or predicts; decides the length limit.
        prompt: The prompt that renders its questions.
        batch: Sequences of a forward pass.
        dtype: What the model's weights are computed in.
        questions: The questions to train on or to answer.
    """

    model: str
    kind: Kind
    prompt: str
    batch: int
    dtype: str
    questions: tuple[Question, ...]

    def to_record(self) -> dict[str, Any]:
        """A form that JSON can hold."""
        names = ("model", "kind", "prompt", "batch", "dtype")
        rest = {name: getattr(self, name) for name in names}
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
