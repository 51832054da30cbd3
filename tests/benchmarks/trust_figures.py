"""What calibration and promises are worth on one workbook, measured.

From the root of the repository::

    python tests/benchmarks/trust_figures.py --questions AI.xlsx --folder FOLDER

Trains two adapters of the demo model, one that answers with labels and one with the options'
texts, and answers questions of other passages with each. Everything is kept in the folder, so that
an interrupted run goes on. Printed are, for each:

- the calibration error on unseen questions, of the plain softmax and as ``predict`` gives it, each
  beside what chance alone would show;
- how a promise fares when the same answers are split, by whole passages and again and again, into
  calibration answers and others: how often at most the promised share of the others' answers was
  wrong, and how many were answered.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import zhmcq
from prefix_tree.plan import draw
from tuning import VALIDATION_SHARE
from zhmcq.evaluation import certify, clusters_of, evaluate_outcomes
from zhmcq.prediction import Predictions

PROMPTS = {"labels": "zh-exam", "texts": "zh-cloze"}
LEVELS = (0.05, 0.1, 0.2)  # shares of wrong answers that are promised


def main(argv: Sequence[str] | None = None) -> int:
    """Train, answer and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--questions", required=True, help="a question bank with keys and passages")
    add("--folder", type=Path, required=True, help="where adapters and answers are kept")
    add("--model", help="a base model; by default the demo model")
    add("--train", type=int, default=1200, help="questions to train on")
    add("--validation", type=int, default=300, help="questions to calibrate by while training")
    add("--answer", type=int, default=1650, help="questions to answer")
    add("--calibration", type=int, default=600, help="answers that a promise is made by")
    add("--splits", type=int, default=200)
    add("--certainty", type=float, default=0.9)
    add("--dtype", default="float32")
    add("--only", choices=[*PROMPTS], help="one of the two adapters; by default both")
    add("--seed", type=int, default=42)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    builder = zhmcq.DatasetBuilder(valid_fraction=VALIDATION_SHARE, seed=options.seed)
    splits = builder.split(builder.read(options.questions))
    # Split once more, so that no near-copy of a training passage calibrates the confidences.
    rest = zhmcq.DatasetBuilder(valid_fraction=0.3, seed=options.seed + 1).split(splits.train)
    (train,) = draw(rest.train, [options.train], options.seed)
    (validation,) = draw(rest.valid, [options.validation], options.seed)
    (unseen,) = draw(splits.valid, [options.answer], options.seed)
    for name in [options.only] if options.only else PROMPTS:
        prompt, adapter = PROMPTS[name], options.folder / name
        if not (adapter / "zhmcq_manifest.json").exists():
            fine_tune(options, prompt, train, validation, adapter)
        predictor = zhmcq.MCQPredictor(
            options.model or str(zhmcq.demo_model()), adapter, dtype=options.dtype
        )
        answers = predictor.predict(unseen, journal=options.folder / f"{name}.journal")
        print(f"\n{name} ({prompt}): {answers.evaluate()}")
        show_calibration(answers)
        show_promises(options, answers)
    return 0


def fine_tune(
    options: argparse.Namespace,
    prompt: str,
    train: zhmcq.QuestionBank,
    validation: zhmcq.QuestionBank,
    adapter: Path,
) -> None:
    """Train one epoch, and calibrate by the validation questions at its end."""
    steps = len(train) // 16
    trainer = zhmcq.LoraTrainer(
        options.model or str(zhmcq.demo_model()),
        lora=zhmcq.LoraSettings(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear"),
        training=zhmcq.TrainingSettings(
            per_device_train_batch_size=4,
            gradient_accumulation_steps=4,
            num_train_epochs=1,
            learning_rate=5e-4,
            lr_scheduler_type="cosine",
            warmup_steps=min(8, steps),
            eval_steps=max(1, steps),
            save_steps=max(1, steps),
            save_total_limit=1,
            seed=options.seed,
            disable_tqdm=True,
            dtype=options.dtype,
        ),
        prompt=prompt,
    )
    trainer.train(train, validation, adapter)


def show_calibration(answers: Predictions) -> None:
    """Print the calibration error of the plain softmax and of the calibrated confidence."""
    print("| confidence | calibration error | by chance alone | Brier score |")
    print("|---|---|---|---|")
    for name, shown in {"softmax": softmax(answers), "calibrated": answers}.items():
        figures = evaluate_outcomes(shown.outcomes())
        print(
            f"| {name} | {figures.calibration_error:.3f} | {figures.calibration_noise:.3f} "
            f"| {figures.brier:.3f} |"
        )


def softmax(answers: Predictions) -> Predictions:
    """The answers with the confidence that the scores have by themselves."""
    items = []
    for item in answers:
        shares = np.exp(np.asarray(item.scores) - max(item.scores))
        items.append(replace(item, confidence=float(shares.max() / shares.sum())))
    return Predictions(answers.bank, tuple(items))


def show_promises(options: argparse.Namespace, answers: Predictions) -> None:
    """Print how often promises held, and how much they let through, over many splits."""
    clusters = np.asarray(clusters_of(list(answers.bank)))
    right = np.asarray(
        [item.answer == q.answer for q, item in zip(answers.bank, answers, strict=True)]
    )
    confidence = np.asarray([item.confidence for item in answers])
    draws = np.random.default_rng(options.seed)
    print("| promised | splits in which nothing is certified | answered, median | range "
          "| error, median | promise held |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    for level in LEVELS:
        held, shares, errors = [], [], []
        for _ in range(options.splits):
            known = take_clusters(clusters, options.calibration, draws)
            promise = certify(
                confidence[known].tolist(),
                right[known].tolist(),
                clusters[known].tolist(),
                max_error=level,
                certainty=options.certainty,
            )
            threshold = 2.0 if promise.threshold is None else promise.threshold
            answered = ~known & (confidence >= threshold)
            wrong = float(1 - right[answered].mean()) if answered.any() else 0.0
            held.append(wrong <= level)
            shares.append(answered.sum() / (~known).sum())
            if answered.any():
                errors.append(wrong)
        nothing = sum(share == 0 for share in shares) / len(shares)
        print(
            f"| at most {level:.0%} wrong | {nothing:.1%} | {statistics.median(shares):.1%} "
            f"| {min(shares):.1%} to {max(shares):.1%} "
            f"| {f'{statistics.median(errors):.1%}' if errors else ''} "
            f"| {statistics.mean(held):.1%} |",
            flush=True,
        )


def take_clusters(clusters: np.ndarray, count: int, draws: np.random.Generator) -> np.ndarray:
    """Which questions whole passages drawn at random have, until ``count`` are there."""
    chosen = np.zeros(len(clusters), dtype=bool)
    for cluster in draws.permutation(np.unique(clusters)):
        if chosen.sum() >= count:
            break
        chosen |= clusters == cluster
    return chosen


if __name__ == "__main__":
    sys.exit(main())
