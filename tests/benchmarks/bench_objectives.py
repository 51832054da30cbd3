"""Which answer and which loss to train by: label or text, next token or contrastive.

From the root of the repository::

    python tests/benchmarks/bench_objectives.py --model FOLDER --train AI.xlsx

Trains four adapters on the same questions and answers the same validation questions with each,
and with the model as it is. ``zh-exam`` lists the options and is answered with a label,
``zh-cloze`` does not and is answered with an option's text. The last column compares with the
better of the two prompts for the untrained model, paired by question.
"""

from __future__ import annotations

import sys
import time

from tuning import answer, arguments, describe, draw_sets, train_and_answer
from zhmcq.evaluation import compare
from zhmcq.prediction import Predictions

PROMPTS = {"label": "zh-exam", "text": "zh-cloze"}
OBJECTIVES = ("next_token", "contrastive")


def row(
    supervised: str, objective: str, found: Predictions, base: Predictions | None, minutes: str
) -> str:
    """One line of the table."""
    figures = found.evaluate()
    gain = "—"
    if base is not None:
        compared = compare(base, found)
        gain = "{:+.1%} ({:+.1%} to {:+.1%})".format(compared.difference, *compared.interval)
    interval = "{:.1%}–{:.1%}".format(*figures.interval)
    cells = [supervised, objective, f"{figures.accuracy:.1%}", interval, gain, minutes]
    return f"| {' | '.join(cells)} |"


def main(argv: list[str] | None = None) -> int:
    """Train, answer and print."""
    parsed = arguments((__doc__ or "").partition("\n")[0]).parse_args(argv)
    sets = draw_sets(parsed)
    print(f"{describe(parsed)}\n")
    print("| answer | objective | accuracy | 95 % interval | against untrained | minutes |")
    print("|---|---|---|---|---|---|")
    untrained = {}
    for supervised, prompt in PROMPTS.items():
        untrained[supervised] = answer(parsed, sets[1], prompt, orders=1).orders[0]
        print(row(supervised, "untrained", untrained[supervised], None, "—"), flush=True)
    base = max(untrained.values(), key=lambda found: found.evaluate().accuracy)
    for supervised, prompt in PROMPTS.items():
        for objective in OBJECTIVES:
            start = time.perf_counter()
            found = train_and_answer(parsed, sets, prompt, orders=1, objective=objective).orders[0]
            minutes = f"{(time.perf_counter() - start) / 60:.1f}"
            print(row(supervised, objective, found, base, minutes), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
