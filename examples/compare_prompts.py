"""Which prompt suits a model: each answers the same questions, and a paired test compares them.

Without arguments, the demo model answers questions of the synthetic sample. With your own::

    python examples/compare_prompts.py --questions AI.xlsx --base-model FOLDER \
        --prompts zh-exam zh-chat zh-cloze

Choose before you train: what a prompt brings can be more than what training brings.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import zhmcq
from make_sample import write_sample
from zhmcq.prediction import Predictions

console = Console(highlight=False, markup=False)


def main() -> int:
    """Run it; 0 if all went well, 1 after an error that zhmcq explains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--questions", type=Path, help="questions with keys (default: a synthetic sample)")
    add("--base-model", help="a folder, a .gguf file or a hub id (default: the demo model)")
    add("--prompts", nargs="+", default=["zh-exam", "zh-cloze"], help="two or more")
    add("--limit", type=int, default=100, help="use at most this many questions (default: 100)")
    options = parser.parse_args()
    try:
        compare_prompts(options)
    except zhmcq.errors.ZhmcqError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def compare_prompts(options: argparse.Namespace) -> None:
    """Answer by each prompt, and print the accuracies and their differences."""
    names = list(dict.fromkeys(options.prompts))
    if len(names) < 2:
        raise zhmcq.errors.SettingsError(
            f"expected two or more different --prompts, found {', '.join(names)}"
        )
    prompts = {name: zhmcq.get_prompt(name) for name in names}  # unknown names are seen first
    bank = questions_with_keys(options.questions).sample(options.limit)
    base_model = options.base_model or str(zhmcq.demo_model())
    answers = {
        name: zhmcq.MCQPredictor(base_model, prompt=prompt).predict(bank)
        for name, prompt in prompts.items()
    }
    show_accuracies(answers)
    show_differences(answers)


def questions_with_keys(path: Path | None) -> zhmcq.QuestionBank:
    """The questions to compare on: only those with a key can be right or wrong."""
    with tempfile.TemporaryDirectory() as folder:
        bank = zhmcq.DatasetBuilder().read(path or write_sample(Path(folder, "sample.xlsx"))[0])
    keyed = bank.filter(lambda question: question.answer is not None)
    if not keyed:
        raise zhmcq.errors.ReadError(f"{path}: expected questions with keys, found none")
    return keyed


def show_accuracies(answers: dict[str, Predictions]) -> None:
    """How many of the questions each prompt has right."""
    table = Table("prompt", "right", "accuracy", "95 % interval", "by guessing")
    for name, predictions in answers.items():
        evaluation = predictions.evaluate()
        low, high = evaluation.interval
        table.add_row(
            name,
            f"{evaluation.correct}/{evaluation.count}",
            f"{evaluation.accuracy:.1%}",
            f"{low:.1%} – {high:.1%}",
            f"{evaluation.chance:.1%}",
        )
    console.print(table)


def show_differences(answers: dict[str, Predictions]) -> None:
    """Each pair of prompts, question by question."""
    pairs = list(itertools.combinations(answers, 2))
    for first, second in pairs:
        comparison = zhmcq.compare(answers[first], answers[second])
        low, high = comparison.interval
        console.print(
            f"{second} against {first}: {comparison.difference:+.1%} "
            f"(95 % interval {low:+.1%} to {high:+.1%}), sign-flip p = {comparison.p_value:.2g}; "
            f"only {second} right {len(comparison.gained)}, "
            f"only {first} right {len(comparison.lost)}"
        )
    if len(pairs) > 1:
        # Bonferroni: of so many tests, one is below 0.05 by chance more often than in one of 20.
        console.print(
            f"{len(pairs)} tests: call those different whose p is below {0.05 / len(pairs):.2g}"
        )


if __name__ == "__main__":
    sys.exit(main())
