"""How often the intervals and the test of ``zhmcq.evaluation`` hold what they say, by simulation.

    python tests/benchmarks/coverage.py            # 10,000 banks a row, about ten minutes
    python tests/benchmarks/coverage.py --banks 500

A bank has passages of some questions each. Each passage has a probability of its own that its
questions are answered rightly, drawn from the beta distribution whose mean is the accuracy and
which gives two questions of one passage the stated correlation. Of pairs of answers, both sets have
the same accuracy, and each draws its own probabilities; so the stated correlation is also that of
what changes at two questions of one passage. An interval holds if it contains the accuracy (or the
difference, 0) that the bank was drawn with; the test fails if it calls the difference significant
at 5 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zhmcq.evaluation import accuracy_interval, paired_interval, sign_flip_test, wilson

ACCURACIES = (0.6, 0.8, 0.9)
SIZES = ((1, 1), (1, 3), (2, 3), (3, 5))
CORRELATIONS = (0.0, 0.1, 0.3)
ENOUGH = 30  # passages that changed, from which the test must not be too cautious either


@dataclass(frozen=True)
class Design:
    """How banks are drawn: the number of passages, questions a passage, accuracy, correlation."""

    passages: int
    least: int
    most: int
    accuracy: float
    correlation: float

    def clusters(self, draw: np.random.Generator) -> list[int]:
        """The passage of each question of a bank."""
        sizes = draw.integers(self.least, self.most + 1, self.passages)
        return [passage for passage, size in enumerate(sizes) for _ in range(size)]

    def answers(self, clusters: Sequence[int], draw: np.random.Generator) -> list[bool]:
        """Whether each question is answered rightly, by one model."""
        shares = np.full(self.passages, self.accuracy)
        if self.correlation:
            spread = (1 - self.correlation) / self.correlation
            shares = draw.beta(self.accuracy * spread, (1 - self.accuracy) * spread, self.passages)
        right: list[bool] = (draw.random(len(clusters)) < shares[np.asarray(clusters)]).tolist()
        return right


@dataclass(frozen=True)
class Figures:
    """What was seen of the banks of one design: shares of the banks, 0 to 1.

    Attributes:
        plain: How often Wilson's interval, which takes questions as independent, held.
        accuracy: How often the interval of the accuracy held.
        difference: How often the interval of the difference held.
        rejected: How often the test found a difference where there is none.
        rejected_many: The same, of the banks where 30 passages or more changed; NaN for few banks.
    """

    plain: float
    accuracy: float
    difference: float
    rejected: float
    rejected_many: float


def simulate(design: Design, banks: int, seed: int) -> Figures:
    """Draw banks, and count."""
    draw = np.random.default_rng(seed)
    held = np.zeros((banks, 3), dtype=bool)
    rejected = np.zeros(banks, dtype=bool)
    many = np.zeros(banks, dtype=bool)
    for bank in range(banks):
        clusters = design.clusters(draw)
        base, tuned = (design.answers(clusters, draw) for _ in range(2))
        gained = [new and not old for old, new in zip(base, tuned, strict=True)]
        lost = [old and not new for old, new in zip(base, tuned, strict=True)]
        changes = [int(up) - int(down) for up, down in zip(gained, lost, strict=True)]
        intervals = (
            (wilson(sum(base), len(base)), design.accuracy),
            (accuracy_interval(base, clusters), design.accuracy),
            (paired_interval(gained, lost, clusters), 0.0),
        )
        held[bank] = [low <= true <= high for (low, high), true in intervals]
        rejected[bank] = sign_flip_test(changes, clusters) <= 0.05
        changed = np.bincount(np.asarray(clusters), weights=np.asarray(changes, dtype=float))
        many[bank] = np.count_nonzero(changed) >= ENOUGH
    of_many = float(rejected[many].mean()) if many.sum() * 20 >= banks else float("nan")
    plain, accuracy, difference = held.mean(axis=0).tolist()
    return Figures(plain, accuracy, difference, float(rejected.mean()), of_many)


def designs(passages: Sequence[int]) -> Iterator[Design]:
    """All designs of the table."""
    for number in passages:
        for least, most in SIZES:
            for accuracy in ACCURACIES:
                for correlation in CORRELATIONS:
                    yield Design(number, least, most, accuracy, correlation)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for each design, and what the rows come to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--banks", type=int, default=10_000)
    parser.add_argument("--passages", type=int, nargs="+", default=[40, 100, 400])
    parser.add_argument("--seed", type=int, default=1)
    parsed = parser.parse_args(arguments)
    print("passages  questions  accuracy  correlation | Wilson  clustered  paired | p <= .05  many")
    seen = []
    for number, design in enumerate(designs(parsed.passages)):
        figures = simulate(design, parsed.banks, parsed.seed + number)
        seen.append(figures)
        questions = f"{design.least}-{design.most}" if design.most > 1 else "1"
        print(
            f"{design.passages:8}  {questions:>9}  {design.accuracy:8}  {design.correlation:11} | "
            f"{figures.plain:6.3f}  {figures.accuracy:9.3f}  {figures.difference:6.3f} | "
            f"{figures.rejected:8.4f}  {figures.rejected_many:.4f}",
            flush=True,
        )
    for name in ("plain", "accuracy", "difference", "rejected", "rejected_many"):
        values = [getattr(figures, name) for figures in seen]
        print(f"{name}: {np.nanmin(values):.4f} to {np.nanmax(values):.4f}")


if __name__ == "__main__":
    main()
