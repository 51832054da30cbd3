"""What answering in several orders of the options costs, and what it does to the answers.

From the root of the repository::

    python tests/benchmarks/bench_orders.py --model FOLDER --adapter FOLDER --questions AI.xlsx

Answers the same questions in one, two and four orders and with a label prior, in turns, so that
what else the machine does falls on all of them alike. Shown are the tokens that went through the
model and the median time of answering, both also as multiples of one order; then, for each, the
accuracy and what the order of the options does. The whole passages to be asked are drawn by chance.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from typing import Any

import zhmcq
from zhmcq.evaluation import clusters_of

WAYS: tuple[Any, ...] = (1, 2, 4, "prior")


def draw(bank: zhmcq.QuestionBank, count: int, seed: int) -> zhmcq.QuestionBank:
    """Whole passages with at least so many questions together."""
    members: dict[int, list[int]] = {}
    for index, cluster in enumerate(clusters_of(bank)):
        members.setdefault(cluster, []).append(index)
    drawn = list(members.values())
    random.Random(seed).shuffle(drawn)
    chosen: list[int] = []
    for indexes in drawn:
        if len(chosen) >= count:
            break
        chosen += indexes
    return bank.select(sorted(chosen))


def main(argv: list[str] | None = None) -> int:
    """Answer in each way and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", help="a base model; by default the demo model")
    parser.add_argument("--adapter")
    parser.add_argument("--prompt", help="by default that of the adapter, else zh-exam")
    parser.add_argument("--questions", required=True, help="a question bank with keys")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--device")
    parsed = parser.parse_args(argv)
    bank = draw(zhmcq.DatasetBuilder().read(parsed.questions).answered, parsed.count, parsed.seed)
    model = parsed.model or zhmcq.demo_model()
    predictor = zhmcq.MCQPredictor(
        model, parsed.adapter, prompt=parsed.prompt, device=parsed.device
    )
    predictor.predict(bank[:4])  # the checks of dtype and layout are not to be timed
    elapsed: dict[Any, list[float]] = {way: [] for way in WAYS}
    used: dict[Any, list[float]] = {way: [] for way in WAYS}
    answers: dict[Any, zhmcq.Predictions] = {}
    for _ in range(parsed.repeats):
        for way in WAYS:
            start, cpu = time.perf_counter(), time.process_time()
            answers[way] = predictor.predict(bank, orders=way)
            elapsed[way].append(time.perf_counter() - start)
            used[way].append(time.process_time() - cpu)
    passages = len(set(clusters_of(bank)))
    print(f"{len(bank)} questions about {passages} passages, {parsed.repeats} times in turns\n")
    print("| orders | tokens | × | seconds | × | CPU seconds | × | accuracy | spread |")
    print("|---|---|---|---|---|---|---|---|---|")
    for way in WAYS:
        tokens = [answers[each].stats.tokens_computed for each in (way, 1)]
        cells = [f"{way}", f"{tokens[0]:,}", f"{tokens[0] / tokens[1]:.2f}"]
        for times in (elapsed, used):
            ratio = statistics.median(
                one / other for one, other in zip(times[way], times[1], strict=True)
            )
            cells += [f"{statistics.median(times[way]):.1f}", f"{ratio:.2f}"]
        report = answers[way].order_report().final
        spread = "" if report is None else f"{report.spread:.1%}"
        print(f"| {' | '.join([*cells, str(answers[way].evaluate()), spread])} |")
    for way in WAYS:
        print(f"\norders={way!r}:\n{answers[way].order_report()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
