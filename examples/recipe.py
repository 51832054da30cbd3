r"""One hour on two cores: how far a small base model comes on one workbook, and what to trust.

Trains on whole passages of a workbook, answers passages that were held out, and sets the tuned
model beside the base model's best way of being asked without training. ``docs/recipe.md`` says what
came of it. It needs a workbook with keys and passages::

    python examples/recipe.py --train AI.xlsx

A run that was cut off goes on where it was: training from its last checkpoint, answers from their
journals.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

import zhmcq
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.modeling.load import ModelSource, load_tokenizer
from zhmcq.prediction import Predictions
from zhmcq.prompts import ClozePrompt, Prompt, RenderedPrompt, get_prompt
from zhmcq.questions import Question, QuestionBank

console = Console(highlight=False)

VALID = 150  # questions at most that the adapter is chosen by; no passage of theirs is tested on


@zhmcq.register_prompt("recipe-text")
@dataclass(frozen=True, slots=True)
class TextPrompt:
    """The answer is an option's text, compared by its sum; the options are listed, or not.

    Args:
        listed: Whether the prompt lists the options, as ``zh-exam`` does.
    """

    listed: bool

    def render(self, question: Question) -> RenderedPrompt:
        """Ask ``question``; its candidates are those of ``zh-cloze``."""
        cloze = ClozePrompt().render(question)
        asked = get_prompt("zh-exam").render(question) if self.listed else cloze
        return replace(cloze, prompt=asked.prompt, normalization="sum")


def main() -> int:
    """Run it; 0 if all went well, 1 after an error that zhmcq explains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--train", type=Path, required=True, help="a workbook of questions with keys and passages")
    add("--base-model", help="folder, .gguf file or hub id (default: the demo model)")
    add("--questions", type=int, default=5600, help="how many to train on (default: 5600)")
    add("--prompt", default="zh-cloze", help="how to ask in training (default: zh-cloze)")
    add("--objective", default="contrastive", choices=["contrastive", "next_token"])
    add("--output-dir", type=Path, default=Path("recipe-run"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s: %(message)s")
    logging.getLogger("zhmcq").setLevel(logging.INFO)  # an hour is long without a word
    try:
        run(options)
    except zhmcq.errors.ZhmcqError as error:
        console.print(f"[red]{type(error).__name__}[/red]: ", end="")
        console.print(str(error), markup=False)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Train, then answer the held-out passages with the tuned model and the base model."""
    out: Path = options.output_dir
    out.mkdir(parents=True, exist_ok=True)
    base_model = options.base_model or str(zhmcq.demo_model())
    train, valid, test = draw(options.train, options.questions)
    console.print(
        f"{len(train)} questions to train on, {len(valid)} to choose the adapter by, {len(test)} "
        "to measure with; no passage, and no near-copy of one, is in two of these"
    )
    adapter = out / "adapter"
    if not (adapter / "zhmcq_manifest.json").exists():
        fine_tune(options, base_model, train, valid, adapter)
    tuned = answer(base_model, options.prompt, test, out / "tuned.journal", adapter)
    ways = ways_of_the_base(base_model, test, out)
    for name, answers in ways.items():
        console.print(f"base, {name}: {answers.evaluate()}")
    console.print(f"tuned: {tuned.evaluate()}")
    best = max(ways, key=lambda name: ways[name].evaluate().accuracy)
    comparison = zhmcq.compare(ways[best], tuned)
    comparison.to_html(out / "report.html")
    console.print(f"tuned against base, {best}: {comparison}")


def draw(workbook: Path, count: int) -> tuple[QuestionBank, QuestionBank, QuestionBank]:
    """Questions to train on, to choose the adapter by, and to measure with.

    Trained on are the passages with the least to read per question: what the questions of a
    passage share is computed once, so that an hour buys more of them. Chosen and measured by is
    any passage.
    """
    splits = zhmcq.DatasetBuilder(valid_fraction=0.1).split(zhmcq.DatasetBuilder().read(workbook))
    rest = zhmcq.DatasetBuilder(valid_fraction=min(0.1, VALID / len(splits.train))).split(
        splits.train
    )
    places: dict[str, list[int]] = {}
    for place, question in enumerate(rest.train):
        places.setdefault(question.passage, []).append(place)
    chosen: list[int] = []
    for group in sorted(places.values(), key=lambda group: to_read(rest.train.select(group))):
        if len(chosen) + len(group) <= count:
            chosen += group
    return rest.train.select(sorted(chosen)), rest.valid, splits.valid


def to_read(questions: QuestionBank) -> float:
    """Characters per question of one passage, the passage itself read once."""
    asked = sum(len(question.stem) + sum(map(len, question.options)) for question in questions)
    return (len(questions[0].passage) + asked) / len(questions)


def fine_tune(
    options: argparse.Namespace,
    base_model: str,
    train: QuestionBank,
    valid: QuestionBank,
    adapter: Path,
) -> None:
    """One pass, 16 questions a step, the best adapter by accuracy kept."""
    start = time.perf_counter()
    trainer = zhmcq.LoraTrainer(
        base_model,
        lora=zhmcq.LoraSettings(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear"),
        training=zhmcq.TrainingSettings(
            objective=options.objective,
            per_device_train_batch_size=4,
            gradient_accumulation_steps=4,
            num_train_epochs=1,
            learning_rate=5e-4,
            lr_scheduler_type="cosine",
            warmup_steps=8,
            logging_steps=10,
            eval_steps=120,
            save_steps=120,
            save_total_limit=1,
        ),
        prompt=options.prompt,
    )
    result = trainer.train(train, valid, adapter)
    result.plot(adapter.parent / "curve.png")
    console.print(
        f"trained in {(time.perf_counter() - start) / 60:.1f} minutes, {result.steps} steps, "
        f"{result.questions_per_second:.2f} questions/s; {result.tokens_given:,} tokens given, "
        f"{result.tokens_computed:,} computed; the adapter of step {result.best_step} is kept"
    )


def ways_of_the_base(base_model: str, test: QuestionBank, out: Path) -> dict[str, Predictions]:
    """The base model's answers, asked for labels and for texts, by sums and by means."""
    labels = answer(base_model, "zh-exam", test, out / "base-labels.journal")
    ways = {"labels, options listed": labels}
    tokenizer = load_tokenizer(ModelSource(base_model))
    for name, listed in (("texts", False), ("texts, options listed", True)):
        prompt = TextPrompt(listed)
        sums = answer(base_model, prompt, test, out / f"base-{name}.journal")
        encoded, _ = Encoder(tokenizer, prompt, 2048).encode(test)
        ways |= {f"{name}, sum": sums, f"{name}, mean": by_mean(sums, encoded)}
    return ways


def by_mean(sums: Predictions, encoded: list[EncodedQuestion]) -> Predictions:
    """The answers that would have been given by means over tokens: one pass serves for both."""
    items = []
    for question, item, asked in zip(sums.bank, sums, encoded, strict=True):
        pairs = zip(item.scores, asked.candidates, strict=True)
        means = [score / len(ids) for score, ids in pairs]
        best = asked.answers[means.index(max(means))]
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
    """Answer by scoring the candidates of ``prompt``."""
    start = time.perf_counter()
    predictor = zhmcq.MCQPredictor(base_model, adapter, prompt=prompt)
    answers = predictor.predict(questions, journal=journal)
    console.print(f"[dim]{journal.stem}: {time.perf_counter() - start:.0f} s[/dim]")
    return answers


if __name__ == "__main__":
    sys.exit(main())
