"""What shuffling the options does: accuracy, and the spread over the orders of the options.

From the root of the repository::

    python tests/benchmarks/bench_shuffling.py --model FOLDER --train AI.xlsx

Trains twice on the same questions, without and with ``shuffle_options``, and answers held-out
questions in four orders: as they are, and with one, two and three options moved from the front to
the end. The options are listed and answered with their texts, or with ``--prompt zh-exam`` with
their labels. The model as it is comes first. Shown are the accuracy in each order with its 95 %
interval and the share of questions that are answered with the same option in all four; then the
difference that shuffling makes, paired by question.
"""

from __future__ import annotations

import sys

from tuning import Answered, answer, arguments, describe, draw_sets, train_and_answer
from zhmcq.evaluation import compare


def row(name: str, answered: Answered) -> str:
    """One line of the table."""
    shares = [predictions.evaluate() for predictions in answered.orders]
    cells = ["{:.1%} ({:.1%}–{:.1%})".format(one.accuracy, *one.interval) for one in shares]
    values = [one.accuracy for one in shares]
    spread = f"{100 * (max(values) - min(values)):.1f}"
    return " | ".join([f"| {name}", *cells, spread, f"{answered.stability.share:.1%} |"])


def differences(plain: Answered, shuffled: Answered) -> str:
    """What shuffling changes, paired by question: accuracy in each order, and stability."""
    lines = []
    for turn, (one, other) in enumerate(zip(plain.orders, shuffled.orders, strict=True)):
        lines.append(f"- accuracy, {turn} options moved: {compare(one, other)}")
    lines.append(f"- same option in all orders: {compare(plain.stability, shuffled.stability)}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Train, answer and print."""
    parser = arguments((__doc__ or "").partition("\n")[0])
    parser.add_argument("--prompt", default="listed-texts")
    parser.add_argument("--objective", default="next_token", choices=("next_token", "contrastive"))
    told = parser.parse_args(argv)
    sets = draw_sets(told)
    print(f"{describe(told)}; prompt {told.prompt}, objective {told.objective}\n")
    print("| | as it is | 1 moved | 2 moved | 3 moved | spread, points | same in all four |")
    print("|---|---|---|---|---|---|---|")
    print(row("untrained", answer(told, sets[1], told.prompt)), flush=True)
    done = []
    for name, shuffle in (("not shuffled", False), ("shuffled", True)):
        settings = {"objective": told.objective, "shuffle_options": shuffle}
        done.append(train_and_answer(told, sets, told.prompt, **settings))
        print(row(name, done[-1]), flush=True)
    print(f"\nNot shuffled → shuffled:\n\n{differences(*done)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
