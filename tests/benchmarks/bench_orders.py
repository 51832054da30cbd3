"""What answering in several orders of the options costs, and what it does to the answers.

From the root of the repository::

    python tests/benchmarks/bench_orders.py --questions AI.xlsx --adapter FOLDER

Answers the same questions in one, two and four orders and with a label prior, in turns, so that
what else the machine does falls on all of them alike. Shown are the tokens that went through the
model and the median time of answering, both also as multiples of one order; then, for each, the
accuracy and what the order of the options does. The questions are drawn by whole passages from the
validation part of the workbook, which the other benchmarks of training do not train on. With
``--train 400`` an adapter is trained on so many questions of the training part, with the options
listed, and written to the folder of ``--adapter``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import zhmcq
from prefix_tree.plan import draw
from tuning import VALIDATION_SHARE, tuned_adapter

WAYS: tuple[Any, ...] = (1, 2, 4, "prior")


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--questions", required=True, help="a question bank with keys")
    parser.add_argument("--count", type=int, default=100, help="questions to answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", help="a base model; by default the demo model")
    parser.add_argument("--adapter", help="a folder that holds an adapter, or is to hold one")
    parser.add_argument("--prompt", help="by default that of the adapter, else zh-exam")
    parser.add_argument("--device")
    parser.add_argument("--train", type=int, default=0, help="questions to train on first")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=42)
    return parser


def measure(
    predictor: zhmcq.MCQPredictor, bank: zhmcq.QuestionBank, repeats: int
) -> tuple[dict[Any, zhmcq.Predictions], dict[Any, list[tuple[float, float]]]]:
    """The answers in each way, and how long each took: wall-clock and processor seconds."""
    predictor.predict(bank[:4])  # the checks of dtype and layout are not to be timed
    times: dict[Any, list[tuple[float, float]]] = {way: [] for way in WAYS}
    answers: dict[Any, zhmcq.Predictions] = {}
    for _ in range(repeats):
        for way in WAYS:
            start, processor = time.perf_counter(), time.process_time()
            answers[way] = predictor.predict(bank, orders=way)
            times[way].append(
                (time.perf_counter() - start, time.process_time() - processor),
            )
    return answers, times


def row(
    way: Any, answers: dict[Any, zhmcq.Predictions], times: dict[Any, list[tuple[float, float]]]
) -> str:
    """One line of the table."""
    tokens = [answers[each].stats.tokens_computed for each in (way, 1)]
    cells = [f"{way}", f"{tokens[0]:,}", f"{tokens[0] / tokens[1]:.2f}"]
    for clock in (0, 1):
        seconds = [taken[clock] for taken in times[way]]
        ratios = [s / taken[clock] for s, taken in zip(seconds, times[1], strict=True)]
        cells += [f"{statistics.median(seconds):.1f}", f"{statistics.median(ratios):.2f}"]
    report = answers[way].order_report().final
    cells.append(str(answers[way].evaluate()))
    cells.append("" if report is None else f"{report.spread:.1%} ({report.chance_spread:.1%})")
    return f"| {' | '.join(cells)} |"


def main(argv: list[str] | None = None) -> int:
    """Train if need be, answer in each way and print."""
    parsed = arguments().parse_args(argv)
    parsed.model = parsed.model or str(zhmcq.demo_model())
    builder = zhmcq.DatasetBuilder(valid_fraction=VALIDATION_SHARE, seed=parsed.seed)
    splits = builder.split(builder.read(parsed.questions))
    (bank,) = draw(splits.valid, [parsed.count], parsed.seed)
    if parsed.train:
        if not parsed.adapter:
            raise SystemExit("--train needs --adapter, the folder to write")
        (train,) = draw(splits.train, [parsed.train], parsed.seed)
        tuned_adapter(parsed, train, parsed.prompt or "zh-exam", Path(parsed.adapter))
    predictor = zhmcq.MCQPredictor(
        parsed.model, parsed.adapter, prompt=parsed.prompt, device=parsed.device
    )
    answers, times = measure(predictor, bank, parsed.repeats)
    passages = len({question.passage or question.id for question in bank})
    print(f"{len(bank)} questions about {passages} passages, {parsed.repeats} times in turns\n")
    print("| orders | tokens | × | seconds | × | CPU s | × | accuracy | spread (by chance) |")
    print("|---|---|---|---|---|---|---|---|---|")
    for way in WAYS:
        print(row(way, answers, times))
    for way in WAYS:
        print(f"\norders={way!r}:\n{answers[way].order_report()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
