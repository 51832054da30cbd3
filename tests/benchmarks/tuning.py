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
VALIDATION_SHARE = 0.4  # of the workbook, from which the validation questions are drawn


@register_prompt("listed-texts")
@dataclass(frozen=True, slots=True)
class ListedTexts:
    """The options are listed as in ``zh-exam``, and answered with texts as in ``zh-cloze``."""

    def render(self, question: Question) -> RenderedPrompt:
        """Ask ``question``."""
        asked = get_prompt("zh-exam").render(question)
        return replace(get_prompt("zh-cloze").render(question), prompt=asked.prompt)


def arguments(description: str) -> argparse.ArgumentParser:
    """The command line that every benchmark of training has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True, help="the folder of a causal language model")
    parser.add_argument("--train", required=True, help="a workbook of questions with keys")
    parser.add_argument("--questions", type=int, default=800, help="to train on")
    parser.add_argument("--validation", type=int, default=400, help="to answer, of other passages")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=42)
    return parser


def describe(parsed: argparse.Namespace) -> str:
    """One line on what is run, for the top of the output."""
    return (
        f"{parsed.questions} training questions, {parsed.epochs:g} epochs, learning rate "
        f"{parsed.learning_rate:g}, rank {parsed.rank}, {parsed.validation} validation questions "
        f"of other passages, seed {parsed.seed}; "
        f"{os.environ.get('OMP_NUM_THREADS', os.cpu_count())} threads, "
        f"{platform.machine()}, Python {platform.python_version()}"
    )


def draw_sets(parsed: argparse.Namespace) -> tuple[QuestionBank, QuestionBank]:
    """Training and validation questions, which share no passage and no near-copy of one.

    Held-out questions whose options have to stay in their order are left out, so that all of
    them can be shown in every order.
    """
    builder = zhmcq.DatasetBuilder(valid_fraction=VALIDATION_SHARE, seed=parsed.seed)
    splits = builder.split(builder.read(parsed.train))
    movable = splits.valid.filter(lambda one: fixed_order_reason(one) is None)
    (train,) = draw(splits.train, [parsed.questions], parsed.seed)
    (validation,) = draw(movable, [parsed.validation], parsed.seed)
    return train, validation


def tuned_adapter(
    parsed: argparse.Namespace,
    train: Sequence[Question],
    prompt: str | Prompt,
    folder: Path,
    **settings: Any,
) -> Path:
    """Train an adapter without validation questions; its folder.

    Args:
        parsed: Model and recipe.
        train: What to train on.
        prompt: The prompt that renders the questions.
        folder: Where the adapter goes.
        settings: Further fields of ``TrainingSettings``.
    """
    recipe = zhmcq.TrainingSettings(
        num_train_epochs=parsed.epochs,
        learning_rate=parsed.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=8,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=8,
        max_length=parsed.max_length,
        seed=parsed.seed,
        logging_steps=10,
        disable_tqdm=True,
        **settings,
    )
    lora = zhmcq.LoraSettings(
        r=parsed.rank, lora_alpha=2 * parsed.rank, lora_dropout=0.0, target_modules="all-linear"
    )
    trainer = zhmcq.LoraTrainer(parsed.model, lora=lora, training=recipe, prompt=prompt)
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

    questions: Sequence[Question]
    same: dict[str, bool]

    @property
    def share(self) -> float:
        """Of all questions, those answered alike."""
        return sum(self.same.values()) / len(self.same)

    def outcomes(self) -> list[Outcome]:
        """One outcome a question."""
        return [
            Outcome(question, question.answer if self.same[question.id] else None)
            for question in self.questions
        ]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers of one model to the validation questions.

    Attributes:
        orders: Its predictions in each order of the options, the questions' own first.
        stability: Whether they agree.
    """

    orders: tuple[Predictions, ...]
    stability: Stability


def answer(
    parsed: argparse.Namespace,
    validation: QuestionBank,
    prompt: str | Prompt,
    adapter: Path | None = None,
    orders: int = ORDERS,
) -> Answered:
    """Answer questions in their own order of options and in turned ones.

    Args:
        parsed: The model.
        validation: Questions with keys.
        prompt: The prompt that renders them.
        adapter: An adapter's folder; ``None`` for the model as it is.
        orders: How many orders.
    """
    predictor = zhmcq.MCQPredictor(
        parsed.model, adapter=adapter, prompt=prompt, max_length=parsed.max_length
    )
    found = []
    chosen: dict[str, set[int]] = {one.id: set() for one in validation}
    for turn in range(orders):
        predictions = predictor.predict(
            QuestionBank([turned(question, turn) for question in validation])
        )
        found.append(predictions)
        for question, prediction in zip(validation, predictions, strict=True):
            if prediction.answer is None:
                raise SystemExit(f"no answer to {question.id!r}: {prediction.reason}")
            chosen[question.id].add((prediction.answer[0] + turn) % len(question.options))
    same = {name: len(places) == 1 for name, places in chosen.items()}
    return Answered(tuple(found), Stability(validation, same))


def train_and_answer(
    parsed: argparse.Namespace,
    sets: tuple[QuestionBank, QuestionBank],
    prompt: str | Prompt,
    orders: int = ORDERS,
    **settings: Any,
) -> Answered:
    """Train in a folder that is thrown away, and answer the validation questions."""
    with tempfile.TemporaryDirectory() as folder:
        adapter = tuned_adapter(parsed, sets[0], prompt, Path(folder) / "run", **settings)
        return answer(parsed, sets[1], prompt, adapter, orders)
