"""What the order of the options does to answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zhmcq._phrases.summaries import order_lines, order_words
from zhmcq.errors import PredictionError
from zhmcq.evaluation._views import aligned
from zhmcq.questions import Question

__all__ = [
    "AnswerInOrders",
    "OrderReport",
    "OrderedAnswer",
    "PositionRecall",
    "PositionReport",
    "report_orders",
]

DRAWS = 200  # of positions by chance; the mean spread of so many is known to about 3 % of itself


@dataclass(frozen=True, slots=True)
class OrderedAnswer:
    """The answer to a question whose options were shown in some order.

    Attributes:
        order: For each position the 0-based index, in the given order, of the option shown there.
        answer: The answer by that order alone: 0-based indexes in the given order, sorted.
    """

    order: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AnswerInOrders:
    """The answer to a question, and those that single orders of its options would have given.

    Attributes:
        question: The question, with or without a key.
        answer: The answer that was given in the end.
        by_order: The answer by each order, the given one first; empty where that is the answer.
    """

    question: Question
    answer: tuple[int, ...]
    by_order: tuple[OrderedAnswer, ...] = ()

    @property
    def alone(self) -> tuple[int, ...]:
        """The answer by the given order alone, with nothing divided out."""
        return self.by_order[0].answer if self.by_order else self.answer

    @property
    def reordered(self) -> bool:
        """Whether the question was answered in several orders."""
        return len(self.by_order) > 1


class PositionRecall(NamedTuple):
    """How often the key was found in one position.

    Attributes:
        share: The share of right answers where the key is there, 0 to 1.
        answers: Out of how many answers.
    """

    share: float
    answers: int


@dataclass(frozen=True, slots=True)
class PositionReport:
    """Accuracy by the position in which the key is shown.

    Attributes:
        accuracy: The share of right answers, 0 to 1.
        by_position: The recall for each position, counted from 1.
        spread: The largest recall minus the smallest.
        deviation: The standard deviation of the recalls (``RStd`` in Zheng et al., 2024).
        chance_spread: The spread to be expected of as many right answers if positions made no
            difference; the mean over positions that were exchanged by chance.
    """

    accuracy: float
    by_position: Mapping[int, PositionRecall]
    spread: float
    deviation: float
    chance_spread: float


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What the order of the options does to answers; ``print(report)`` says it in words.

    Positions are compared on questions of one kind, so that they differ in nothing else: those
    with one right option, and as many options as most such questions have.

    Attributes:
        questions: Questions that were answered.
        reordered: Those that were answered in several orders.
        with_prior: Those that a label prior was divided out of.
        changed: Those of them whose orders do not all give the same answer.
        agreement: The mean share of orders that agree with the answer; ``None`` if all questions
            were answered in one.
        moved: Answers that differ from that by the given order alone.
        gained: Answers that are right where that one is wrong.
        lost: Answers that are wrong where that one is right.
        options: How many options the questions have whose positions are compared.
        alone: Positions in the given order, and the answers by that order alone; ``None`` where
            fewer than two positions hold a key.
        final: Positions in the given order, and the answers that were given; likewise.
        shown: Positions in each order, and the answers by each order; ``None`` without any.
        chosen: For each position, counted from 1, the share of the answers by single orders that
            stood there. Where answers do not hang on the order, all shares are alike.
    """

    questions: int
    reordered: int
    with_prior: int
    changed: int
    agreement: float | None
    moved: int
    gained: int
    lost: int
    options: int
    alone: PositionReport | None = field(repr=False)
    final: PositionReport | None = field(repr=False)
    shown: PositionReport | None = field(repr=False)
    chosen: Mapping[int, float] = field(repr=False)

    def __str__(self) -> str:
        several = self.reordered or self.with_prior
        named = {
            "given order alone": self.alone if several else None,
            "answers": self.final,
            "single orders": self.shown,
        }
        reports = {name: report for name, report in named.items() if report is not None}
        lines = order_lines(
            self.questions,
            self.reordered,
            self.changed,
            self.agreement,
            self.with_prior,
            (self.moved, self.gained, self.lost),
            self.chosen,
            self.options if reports else 0,
        )
        return "\n".join([*lines, *(_table(reports, self.options) if reports else ())])


def _table(reports: Mapping[str, PositionReport], options: int) -> Iterator[str]:
    """Reports as lines with aligned columns."""
    words = order_words()
    positions = range(1, options + 1)
    ends = [words[name] for name in ("spread", "by chance", "deviation")]
    rows = [["", words["all"], *map(str, positions), *ends]]
    for name, report in reports.items():
        recalls = [report.by_position.get(position) for position in positions]
        shares = [
            report.accuracy,
            *(None if recall is None else recall.share for recall in recalls),
            report.spread,
            report.chance_spread,
            report.deviation,
        ]
        rows.append([words[name], *("–" if share is None else f"{share:.1%}" for share in shares)])
    first, *_ = reports.values()
    recalls = [first.by_position.get(position) for position in positions]
    counts = [0 if recall is None else recall.answers for recall in recalls]
    rows.append([words["keys"], *map(str, [sum(counts), *counts]), "", "", ""])
    return (line.rstrip() for line in aligned(rows))


def report_orders(answers: Sequence[AnswerInOrders]) -> OrderReport:
    """Report what the order of the options does to answers.

    Args:
        answers: One for each answered question; those without a key count where none is needed.

    Raises:
        PredictionError: If there are none.
    """
    if not answers:
        raise PredictionError(
            "expected questions that were answered by the scores of their candidates, found none: "
            "predict with mode='score'"
        )
    several = [item for item in answers if item.reordered]
    agreements = [
        np.mean([single.answer == item.answer for single in item.by_order]) for item in several
    ]
    keyed = [item for item in answers if item.question.answer is not None]
    right = [(i.answer == i.question.answer, i.alone == i.question.answer) for i in keyed]
    with_one_right = [item for item in answers if item.question.kind != "multiple"]
    counts = Counter(len(item.question.options) for item in with_one_right)
    options = max(counts, key=lambda count: (counts[count], count), default=0)
    alike = [item for item in with_one_right if len(item.question.options) == options]
    with_key = [item for item in alike if item.question.answer is not None]
    return OrderReport(
        questions=len(answers),
        reordered=len(several),
        with_prior=sum(len(item.by_order) == 1 for item in answers),
        changed=sum(len({single.answer for single in item.by_order}) > 1 for item in several),
        agreement=float(np.mean(agreements)) if several else None,
        moved=sum(item.answer != item.alone for item in answers),
        gained=sum(final and not alone for final, alone in right),
        lost=sum(alone and not final for final, alone in right),
        options=options,
        alone=_positions([(_key(i), i.alone == (_key(i),), 0) for i in with_key]),
        final=_positions([(_key(i), i.answer == (_key(i),), 0) for i in with_key]),
        shown=_positions(
            [
                (single.order.index(_key(item)), single.answer == (_key(item),), number)
                for number, item in enumerate(with_key)
                if item.reordered
                for single in item.by_order
            ]
        ),
        chosen=_chosen(alike, options),
    )


def _key(item: AnswerInOrders) -> int:
    return (item.question.answer or (-1,))[0]


def _chosen(answers: Sequence[AnswerInOrders], options: int) -> dict[int, float]:
    positions = Counter(
        single.order.index(single.answer[0]) + 1
        for item in answers
        if item.reordered
        for single in item.by_order
    )
    total = sum(positions.values())
    return {position: positions[position] / total for position in range(1, options + 1) if total}


def _positions(rows: Sequence[tuple[int, bool, int]]) -> PositionReport | None:
    """Accuracy by position.

    Args:
        rows: For each answer the position of the key, whether it is right, and the number of the
            answers whose positions chance could have exchanged with it.
    """
    positions = np.array([position for position, _, _ in rows], dtype=np.int64)
    right = np.array([ok for _, ok, _ in rows], dtype=np.float64)
    exchanged = np.array([number for _, _, number in rows], dtype=np.int64)
    known, index = np.unique(positions, return_inverse=True)
    if len(known) < 2:
        return None
    recalls = _recalls(index, right)
    chance = np.random.default_rng(0)
    blocks = np.lexsort((np.arange(len(rows)), exchanged))
    spreads = []
    for _ in range(DRAWS):
        drawn = np.lexsort((chance.random(len(rows)), exchanged))
        mixed = np.empty_like(right)
        mixed[blocks] = right[drawn]
        spreads.append(np.ptp(_recalls(index, mixed)))
    counts = np.bincount(index)
    return PositionReport(
        accuracy=float(right.mean()),
        by_position={
            int(position) + 1: PositionRecall(float(recall), int(count))
            for position, recall, count in zip(known, recalls, counts, strict=True)
        },
        spread=float(np.ptp(recalls)),
        deviation=float(np.std(recalls)),
        chance_spread=float(np.mean(spreads)),
    )


def _recalls(index: NDArray[np.int64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    recalls: NDArray[np.float64] = np.bincount(index, weights=right) / np.bincount(index)
    return recalls
