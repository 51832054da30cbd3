r"""One hour on two cores: how far a small base model comes on one workbook, and what to trust.

Trains on whole passages of a workbook, answers other passages of it, and compares the tuned model
with the base model under the prompt that suits it best. ``docs/en/recipe.md`` has the results. It
needs a workbook with keys and passages::

    python examples/recipe.py --train AI.xlsx

An interrupted run is resumed: training from its last checkpoint, answers from their journals.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from rich.console import Console

import zhmcq
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.modeling import ModelSource, load_tokenizer
from zhmcq.prediction import Predictions
from zhmcq.prompts import ClozePrompt, Prompt, RenderedPrompt, get_prompt
from zhmcq.questions import Question, QuestionBank

console = Console(highlight=False)
T = TypeVar("T")

MINUTES = 60.0  # from the workbook to the adapter
APART = 0.12  # of them: about, for what is not a training step, such as evaluations
TIMED = 64  # about: questions that the rate of this machine is measured with
MEASURED = 0.35  # of the workbook: one half to measure with, the other kept aside to check it
VALIDATION = 150  # about; the adapter is chosen by them, and no passage of theirs is measured with


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """The answer is an option's text, compared by its sum; the options are listed, or not.

    Args:
        listed: Whether the prompt lists the options, as ``zh-exam`` does.
    """

    listed: bool

    def render(self, question: Question) -> RenderedPrompt:
        """Render ``question``; its candidates are those of ``zh-cloze``."""
        cloze = ClozePrompt().render(question)
        shown = get_prompt("zh-exam").render(question) if self.listed else cloze
        return replace(cloze, prompt=shown.prompt, normalization="sum")


def main() -> int:
    """Run it; 0 if all went well, 1 after an error that zhmcq explains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--train", type=Path, required=True, help="a workbook of questions with keys and passages")
    add("--base-model", help="folder, .gguf file or hub id (default: the demo model)")
    add("--minutes", type=float, default=MINUTES, help="to the adapter, about (default: 60)")
    add("--questions", type=int, help="how many to train on (default: as --minutes allows)")
    add("--aside", action="store_true", help="measure with the questions that are kept aside")
    add("--prompt", default="zh-affirmative", help="in training (default: zh-affirmative)")
    add("--objective", default="contrastive", choices=["contrastive", "next_token"])
    add("--output-dir", type=Path, default=Path("recipe-run"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s: %(message)s")
    logging.getLogger("zhmcq").setLevel(logging.INFO)  # an hour is long without any output
    try:
        run(options)
    except zhmcq.errors.ZhmcqError as error:
        console.print(f"[red]{type(error).__name__}[/red]: ", end="")
        console.print(str(error), markup=False)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Train, then answer the test passages with the tuned model and with the base model."""
    out: Path = options.output_dir
    out.mkdir(parents=True, exist_ok=True)
    base_model = options.base_model or str(zhmcq.demo_model())
    start = time.perf_counter()
    rest, valid, test, aside = draw(options.train)
    chosen = out / "questions.txt"  # a run that is resumed trains on as many
    if options.questions is not None:
        count = options.questions
    elif chosen.exists():
        count = int(chosen.read_text(encoding="utf-8"))
    else:
        count = affordable(options, base_model, rest, start)
        chosen.write_text(str(count), encoding="utf-8")
    train = cheapest(rest, count)
    console.print(
        f"{len(train)} questions to train on, {len(valid)} to choose the adapter by, {len(test)} "
        f"to measure with, {len(aside)} kept aside; no passage, and no near-copy of one, is in two "
        "of these"
    )
    adapter = out / "adapter"
    if not (adapter / "zhmcq_manifest.json").exists():
        fine_tune(options, base_model, train, valid, adapter, epochs=max(1, count / len(train)))
        minutes = (time.perf_counter() - start) / 60
        console.print(f"from the workbook to the adapter in {minutes:.1f} minutes")
    if options.aside:
        out, test = out / "aside", aside
        out.mkdir(exist_ok=True)
    tuned = answer(base_model, options.prompt, test, out / "tuned.journal", adapter)
    base = base_answers(base_model, test, out)
    for name, answers in base.items():
        console.print(f"base, {name}: {answers.evaluate()}")
    console.print(f"tuned: {tuned.evaluate()}")
    best = max(base, key=lambda name: base[name].evaluate().accuracy)
    comparison = zhmcq.compare(base[best], tuned)
    comparison.to_html(out / "report.html")
    console.print(f"tuned against base, {best}: {comparison}")


def draw(workbook: Path) -> tuple[QuestionBank, QuestionBank, QuestionBank, QuestionBank]:
    """Questions to train on, to choose the adapter by, to measure with, and to keep aside."""
    bank = zhmcq.DatasetBuilder().read(workbook)
    splits = zhmcq.DatasetBuilder(valid_fraction=MEASURED).split(bank)
    # Other seeds: by the first one, what is below a fraction is in the first part already.
    fraction = min(0.1, VALIDATION / len(splits.train))
    rest = zhmcq.DatasetBuilder(valid_fraction=fraction, seed=43).split(splits.train)
    measured = zhmcq.DatasetBuilder(valid_fraction=0.5, seed=48).split(splits.valid)
    return rest.train, rest.valid, measured.train, measured.valid


def affordable(
    options: argparse.Namespace, base_model: str, questions: QuestionBank, start: float
) -> int:
    """How many questions this machine trains on in the rest of the time, by a measurement."""
    passages = group(questions)
    # Of all passages in the order of what there is to read, every so many.
    stride = max(1, len(questions) // TIMED)
    timed = questions.select(sorted(index for ids in passages[::stride] for index in ids))
    speed = in_a_process(measured_speed, options, base_model, timed)
    rate = characters_of(timed) / len(timed) * speed
    seconds = 60 * options.minutes * (1 - APART) - (time.perf_counter() - start)
    left = whole = max(0.0, seconds * rate)
    count = 0
    for indexes in passages:
        left -= characters_of(questions.select(indexes))
        if left < 0:
            break
        count += len(indexes)
    else:
        count = int(count * whole / (whole - left))
    if not count:
        raise SystemExit(
            f"--minutes {options.minutes:g} is too short to train on any question here"
        )
    console.print(
        f"{rate:.0f} characters/s, measured on {len(timed)} questions: {count} questions in what "
        f"is left of {options.minutes:g} minutes"
    )
    return count


def measured_speed(options: argparse.Namespace, base_model: str, questions: QuestionBank) -> float:
    """Questions a second of a training on these."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of(options, base_model, epochs=1)
        return trainer.train(questions, None, Path(folder) / "adapter").questions_per_second


def in_a_process(function: Callable[..., T], *arguments: object) -> T:
    """Call a function in a process of its own, whose memory is free when it has ended."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def cheapest(questions: QuestionBank, count: int) -> QuestionBank:
    """At most ``count`` questions, of the passages with the least to read per question.

    What the questions of a passage share is computed once, so that an hour is enough for more of
    them.
    """
    selected: list[int] = []
    for indexes in group(questions):
        if len(selected) + len(indexes) <= count:
            selected += indexes
    return questions.select(sorted(selected))


def group(questions: QuestionBank) -> list[list[int]]:
    """The indexes of each passage's questions, those with the least to read per question first."""
    by_passage: dict[str, list[int]] = {}
    for index, question in enumerate(questions):
        by_passage.setdefault(question.passage, []).append(index)
    return sorted(by_passage.values(), key=lambda ids: to_read(questions.select(ids)))


def to_read(questions: QuestionBank) -> float:
    """Characters per question of one passage, the passage itself read once."""
    return characters_of(questions) / len(questions)


def characters_of(questions: QuestionBank) -> int:
    """Characters of questions, each passage counted once."""
    passages = sum(map(len, {question.passage for question in questions}))
    stems = sum(len(question.stem) for question in questions)
    return passages + stems + sum(sum(map(len, question.options)) for question in questions)


def fine_tune(
    options: argparse.Namespace,
    base_model: str,
    train: QuestionBank,
    valid: QuestionBank,
    adapter: Path,
    *,
    epochs: float,
) -> None:
    """Train, keep the adapter of the lowest validation loss, and say how it went."""
    start = time.perf_counter()
    trainer = trainer_of(options, base_model, epochs=epochs)
    result = trainer.train(train, valid, adapter)
    result.plot(adapter.parent / "curve.png")
    console.print(
        f"trained in {(time.perf_counter() - start) / 60:.1f} minutes, {result.steps} steps, "
        f"{result.questions_per_second:.2f} questions/s; {result.tokens_given:,} tokens given, "
        f"{result.tokens_computed:,} computed; the adapter of step {result.best_step} is kept"
    )


def trainer_of(options: argparse.Namespace, base_model: str, *, epochs: float) -> zhmcq.LoraTrainer:
    """The trainer of the recipe: 16 questions a step, at most 1,024 tokens in a forward pass."""
    return zhmcq.LoraTrainer(
        base_model,
        lora=zhmcq.LoraSettings(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear"),
        training=zhmcq.TrainingSettings(
            objective=options.objective,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=8,
            num_train_epochs=epochs,
            learning_rate=5e-4,
            lr_scheduler_type="cosine",
            warmup_steps=8,
            logging_steps=10,
            eval_steps=120,
            save_steps=120,
            save_total_limit=1,
            valid_metric="loss",  # with so few questions, accuracy is for the most part chance
        ),
        prompt=options.prompt,
    )


def base_answers(base_model: str, test: QuestionBank, out: Path) -> dict[str, Predictions]:
    """The base model's answers by labels and by the options' texts, by sums and by means."""
    answers = {
        "labels, options listed": answer(base_model, "zh-exam", test, out / "base-labels.journal"),
        "zh-affirmative": answer(
            base_model, "zh-affirmative", test, out / "base-affirmative.journal"
        ),
    }
    tokenizer = load_tokenizer(ModelSource(base_model))
    for name, listed in (("texts", False), ("texts, options listed", True)):
        prompt = TextPrompt(listed)
        sums = answer(base_model, prompt, test, out / f"base-{name}.journal")
        encoded, _ = Encoder(tokenizer, prompt, 2048).encode(test)
        answers |= {f"{name}, sum": sums, f"{name}, mean": by_mean(sums, encoded)}
    return answers


def by_mean(sums: Predictions, encoded: list[EncodedQuestion]) -> Predictions:
    """The answers by means over tokens, from the scores that are sums: one pass gives both.

    Args:
        sums: Answers by sums.
        encoded: The same questions as token ids, for the number of tokens of each candidate.
    """
    items = []
    for question, item, ids in zip(sums.bank, sums, encoded, strict=True):
        pairs = zip(item.scores, ids.candidates, strict=True)
        means = [score / len(candidate) for score, candidate in pairs]
        best = ids.answers[means.index(max(means))]
        label = question.label_of(best)
        items.append(replace(item, answer=best, label=label, scores=(), confidence=None))
    return Predictions(sums.bank, tuple(items))


def answer(
    base_model: str,
    prompt: str | Prompt,
    questions: QuestionBank,
    journal: Path,
    adapter: Path | None = None,
) -> Predictions:
    """Answer by the scores of the candidates of ``prompt``, and keep them in a journal."""
    start = time.perf_counter()
    predictor = zhmcq.MCQPredictor(base_model, adapter, prompt=prompt)
    answers = predictor.predict(questions, journal=journal)
    console.print(f"[dim]{journal.stem}: {time.perf_counter() - start:.0f} s[/dim]")
    return answers


if __name__ == "__main__":
    sys.exit(main())
