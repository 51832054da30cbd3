"""How often ``Predictions.withhold`` keeps its promise, by simulation.

    python tests/benchmarks/promises.py              # 2,000 banks a row, about fifteen minutes
    python tests/benchmarks/promises.py --banks 200

A bank has passages of some questions each. Each answer has a confidence, drawn from a beta
distribution whose mean is the accuracy, and is right as often as its confidence says. Two answers
about one passage share the draw that decides that with the stated probability, so that it is the
correlation of their being surprisingly right or wrong. In the rows "useless", the confidence says
nothing, the accuracy lies just below what is promised, and the passage decides as in coverage.py.
The promise is broken where answers from the certified threshold on are wrong more often, in all
banks that could be drawn, than it says.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from zhmcq.evaluation import certify

MAX_ERROR, CERTAINTY = 0.05, 0.9
CONCENTRATION = 2.4  # of the confidences: many are near 0 or 1
SIZES = ((1, 1), (1, 3), (2, 3), (3, 5))


@dataclass(frozen=True)
class Design:
    """How banks are drawn.

    Attributes:
        questions: The number of calibration questions, or a few more.
        least: Questions a passage, at least.
        most: At most.
        accuracy: The share of right answers.
        correlation: Of answers about one passage.
        useless: Whether the confidence says nothing.
    """

    questions: int
    least: int
    most: int
    accuracy: float
    correlation: float
    useless: bool = False

    def draw(self, draw: np.random.Generator) -> tuple[list[float], list[bool], list[int]]:
        """Confidences, whether the answers are right, and passages."""
        sizes: list[int] = []
        while sum(sizes) < self.questions:
            sizes.append(int(draw.integers(self.least, self.most + 1)))
        passages = np.repeat(np.arange(len(sizes)), sizes)
        count = len(passages)
        if self.useless:
            shares = np.full(len(sizes), self.accuracy)
            if self.correlation:
                spread = (1 - self.correlation) / self.correlation
                ends = self.accuracy * spread, (1 - self.accuracy) * spread
                shares = draw.beta(*ends, len(sizes))
            right = draw.random(count) < shares[passages]
            return draw.random(count).tolist(), right.tolist(), passages.tolist()
        confidences = draw.beta(*self._ends, count)
        shared = draw.random(count) < np.sqrt(self.correlation)
        luck = np.where(shared, draw.random(len(sizes))[passages], draw.random(count))
        return confidences.tolist(), (luck < confidences).tolist(), passages.tolist()

    @property
    def _ends(self) -> tuple[float, float]:
        return self.accuracy * CONCENTRATION, (1 - self.accuracy) * CONCENTRATION

    def error(self, threshold: float) -> float:
        """How often answers from a threshold on are wrong, in all banks that could be drawn."""
        if self.useless:
            return 1 - self.accuracy
        first, second = self._ends
        above = beta.sf(threshold, first, second)
        right = self.accuracy * beta.sf(threshold, first + 1, second)
        return float(1 - right / above) if above > 0 else 0.0


@dataclass(frozen=True)
class Figures:
    """What was seen: the shares of banks where the promise held, where something was certified, and
    of the questions answered, on average over all banks.
    """

    held: float
    certified: float
    answered: float


def simulate(design: Design, banks: int, seed: int) -> Figures:
    """Draw banks, certify a threshold on each, and count."""
    draw = np.random.default_rng(seed)
    held, certified, answered = 0, 0, 0.0
    for _ in range(banks):
        confidences, correct, passages = design.draw(draw)
        promise = certify(confidences, correct, passages, max_error=MAX_ERROR, certainty=CERTAINTY)
        if promise.threshold is None:
            held += 1
            continue
        certified += 1
        answered += promise.answered / promise.questions
        held += design.error(promise.threshold) <= MAX_ERROR
    return Figures(held / banks, certified / banks, answered / banks)


def designs(questions: Sequence[int]) -> Iterator[Design]:
    """All designs of the table."""
    for number in questions:
        for least, most in SIZES:
            for correlation in (0.0, 0.1, 0.3) if most > 1 else (0.0,):
                for accuracy in (0.6, 0.8, 0.9):
                    yield Design(number, least, most, accuracy, correlation)
                yield Design(number, least, most, 0.945, correlation, useless=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for each design."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--banks", type=int, default=2_000)
    parser.add_argument("--questions", type=int, nargs="+", default=[300, 600])
    parser.add_argument("--seed", type=int, default=1)
    parsed = parser.parse_args(arguments)
    print("calibration  a passage  accuracy  correlation | held    certified  answered")
    least_held = 1.0
    for number, design in enumerate(designs(parsed.questions)):
        figures = simulate(design, parsed.banks, parsed.seed + number)
        least_held = min(least_held, figures.held)
        passage = f"{design.least}-{design.most}" if design.most > 1 else "1"
        print(
            f"{design.questions:11}  {passage:>9}  {design.accuracy:8}  {design.correlation:11} | "
            f"{figures.held:.4f}  {figures.certified:9.3f}  {figures.answered:8.3f}"
            f"{'  useless' if design.useless else ''}",
            flush=True,
        )
    print(f"promised in {CERTAINTY:.0%}; held in {least_held:.1%} or more")


if __name__ == "__main__":
    main()
