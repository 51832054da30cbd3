"""What the benchmarks of training share: draw questions, train, answer in several option orders."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zhmcq
from prefix_tree.plan import draw
from zhmcq.evaluation import Outcome
from zhmcq.prediction import Predictions
from zhmcq.prompts import Prompt, RenderedPrompt, get_prompt, register_prompt
from zhmcq.questions import Question, QuestionBank
from zhmcq.zh import fixed_order_reason

__all__ = [
    "Answered",
    "ListedTexts",
    "Stability",
    "answer",
    "arguments",
    "describe",
    "draw_sets",
    "train_and_answer",
    "tuned_adapter",
    "turned",
]

ORDERS = 4
HELD_OUT_SHARE = 0.4  # of the workbook, from which the held-out questions are drawn


@register_prompt("listed-texts")
@dataclass(frozen=True, slots=True)
class ListedTexts:
    """The options are listed as in ``zh-exam``, and answered with texts as in ``zh-cloze``."""

    def render(self, question: Question) -> RenderedPrompt:
        """Ask ``question``."""
        asked = get_prompt("zh-exam").render(question)
        return replace(get_prompt("zh-cloze").render(question), prompt=asked.prompt)


def arguments(description: str) -> argparse.ArgumentParser:
    """What every benchmark of training is told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True, help="the folder of a causal language model")
    parser.add_argument("--train", required=True, help="a workbook of questions with keys")
    parser.add_argument("--questions", type=int, default=800, help="to train on")
    parser.add_argument("--held-out", type=int, default=400, help="to answer, of other passages")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=42)
    return parser


def describe(told: argparse.Namespace) -> str:
    """One line on what is run, for the top of the output."""
    return (
        f"{told.questions} training questions, {told.epochs:g} epochs, learning rate "
        f"{told.learning_rate:g}, rank {told.rank}, {told.held_out} held-out questions of other "
        f"passages, seed {told.seed}; {os.environ.get('OMP_NUM_THREADS', os.cpu_count())} threads, "
        f"{platform.machine()}, Python {platform.python_version()}"
    )


def draw_sets(told: argparse.Namespace) -> tuple[QuestionBank, QuestionBank]:
    """Training questions and held-out ones, which share no passage and no near-copy of one.

    Held-out questions whose options have to stay in their order are left out, so that all of
    them can be asked in every order.
    """
    builder = zhmcq.DatasetBuilder(valid_fraction=HELD_OUT_SHARE, seed=told.seed)
    splits = builder.split(builder.read(told.train))
    movable = splits.valid.filter(lambda one: fixed_order_reason(one) is None)
    (train,) = draw(splits.train, [told.questions], told.seed)
    (held_out,) = draw(movable, [told.held_out], told.seed)
    return train, held_out


def tuned_adapter(
    told: argparse.Namespace,
    train: Sequence[Question],
    prompt: str | Prompt,
    folder: Path,
    **settings: Any,
) -> Path:
    """Train an adapter without validation questions; its folder.

    Args:
        told: Model and recipe.
        train: What to train on.
        prompt: How it is asked.
        folder: Where the adapter goes.
        settings: Further fields of ``TrainingSettings``.
    """
    recipe = zhmcq.TrainingSettings(
        num_train_epochs=told.epochs,
        learning_rate=told.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=8,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=8,
        max_length=told.max_length,
        seed=told.seed,
        logging_steps=10,
        disable_tqdm=True,
        **settings,
    )
    lora = zhmcq.LoraSettings(
        r=told.rank, lora_alpha=2 * told.rank, lora_dropout=0.0, target_modules="all-linear"
    )
    trainer = zhmcq.LoraTrainer(told.model, lora=lora, training=recipe, prompt=prompt)
    return trainer.train(train, output_dir=folder).adapter_dir


def turned(question: Question, turn: int) -> Question:
    """The question with its first ``turn`` options moved to the end, its key moved along."""
    count = len(question.options)
    place = turn % count
    answer = question.answer
    if answer is not None:
        answer = tuple(sorted((index - place) % count for index in answer))
    options = question.options[place:] + question.options[:place]
    return replace(question, options=options, answer=answer)


@dataclass(frozen=True, slots=True)
class Stability:
    """Which questions are answered with the same option in every order.

    To be compared like answers (:func:`zhmcq.compare`): an answer is right if it is the same.
    """

    same: dict[str, bool]

    @property
    def share(self) -> float:
        """Of all questions, those answered alike."""
        return sum(self.same.values()) / len(self.same)

    def outcomes(self) -> list[Outcome]:
        """One outcome a question."""
        return [
            Outcome(name, "", "", "same", "same" if same else "changed", None)
            for name, same in self.same.items()
        ]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers of one model to the held-out questions.

    Attributes:
        orders: Its predictions in each order of the options, the questions' own first.
        stability: Whether they agree.
    """

    orders: tuple[Predictions, ...]
    stability: Stability


def answer(
    told: argparse.Namespace,
    held_out: QuestionBank,
    prompt: str | Prompt,
    adapter: Path | None = None,
    orders: int = ORDERS,
) -> Answered:
    """Answer questions in their own order of options and in turned ones.

    Args:
        told: The model.
        held_out: Questions with keys.
        prompt: How they are asked.
        adapter: An adapter's folder; ``None`` for the model as it is.
        orders: How many orders.
    """
    predictor = zhmcq.MCQPredictor(
        told.model, adapter=adapter, prompt=prompt, max_length=told.max_length
    )
    found = []
    chosen: dict[str, set[int]] = {one.id: set() for one in held_out}
    for turn in range(orders):
        predictions = predictor.predict(
            QuestionBank([turned(question, turn) for question in held_out])
        )
        found.append(predictions)
        for question, prediction in zip(held_out, predictions, strict=True):
            if prediction.answer is None:
                raise SystemExit(f"no answer to {question.id!r}: {prediction.reason}")
            chosen[question.id].add((prediction.answer[0] + turn) % len(question.options))
    same = {name: len(places) == 1 for name, places in chosen.items()}
    return Answered(tuple(found), Stability(same))


def train_and_answer(
    told: argparse.Namespace,
    sets: tuple[QuestionBank, QuestionBank],
    prompt: str | Prompt,
    orders: int = ORDERS,
    **settings: Any,
) -> Answered:
    """Train in a folder that is thrown away, and answer the held-out questions."""
    with tempfile.TemporaryDirectory() as folder:
        adapter = tuned_adapter(told, sets[0], prompt, Path(folder) / "run", **settings)
        return answer(told, sets[1], prompt, adapter, orders)
