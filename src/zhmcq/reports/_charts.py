"""Curves of one or two sets of answers, as SVG elements of a page.

Reliability, error against coverage, accuracy by position of the key, and accuracies with their
intervals. Two sides differ in colour and in shape, and every figure is in the description that is
read out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from zhmcq.reports._svg import (
    AXIS,
    SMALL,
    Drawing,
    Plot,
    Text,
    joined,
    percent,
    shortened,
)
from zhmcq.zh._language import Language

__all__ = [
    "BinShare",
    "ChartSide",
    "PromiseMark",
    "RiskPoint",
    "Share",
    "accuracy_chart",
    "position_chart",
    "reliability_chart",
    "risk_coverage_chart",
]

WORDS: Mapping[str, Mapping[Language, str]] = {
    "reliability": {
        "zh-Hant": "信心與正確率", "zh-Hans": "置信度与准确率", "en": "Confidence and accuracy",
    },
    "risk": {
        "zh-Hant": "作答比例與錯誤率", "zh-Hans": "作答比例与错误率", "en": "Coverage and error",
    },
    "position": {
        "zh-Hant": "依正確答案的位置", "zh-Hans": "按正确答案的位置",
        "en": "Accuracy by position of the key",
    },
    "accuracy": {"zh-Hant": "正確率", "zh-Hans": "准确率", "en": "Accuracy"},
    "confidence": {"zh-Hant": "信心", "zh-Hans": "置信度", "en": "Confidence"},
    "uncalibrated": {"zh-Hant": "（未校準）", "zh-Hans": "（未校准）", "en": " (uncalibrated)"},
    "coverage": {
        "zh-Hant": "作答比例（由信心最高者起）", "zh-Hans": "作答比例（从置信度最高者起）",
        "en": "Coverage (surest answers first)",
    },
    "error": {
        "zh-Hant": "已作答題目的錯誤率", "zh-Hans": "已作答题目的错误率",
        "en": "Error among the answered",
    },
    "key position": {
        "zh-Hant": "正確答案是第幾個選項", "zh-Hans": "正确答案是第几个选项",
        "en": "Which option is the key",
    },
    "questions": {"zh-Hant": "題數", "zh-Hans": "题数", "en": "Questions"},
    "interval": {"zh-Hant": "95% 信賴區間", "zh-Hans": "95% 置信区间", "en": "95 % interval"},
    "chance": {"zh-Hant": "猜測", "zh-Hans": "猜测", "en": "chance"},
    "at most": {"zh-Hant": "錯誤率至多 ", "zh-Hans": "错误率至多 ", "en": "error at most "},
    "perfect": {
        "zh-Hant": "信心等於正確率", "zh-Hans": "置信度等于准确率", "en": "perfectly calibrated",
    },
}  # fmt: skip

# After Okabe and Ito (2008): the colour-blind tell them apart; seen on white and on black.
VERMILION, BLUE = "#d55e00", "#1f83c4"
CHANCE = 'class="zc-chance" stroke="currentColor" stroke-opacity=".6" stroke-dasharray="2 3"'
PROMISE = 'class="zc-promise" stroke="currentColor" stroke-opacity=".8" stroke-dasharray="4 2"'
WHISKER = 'class="zc-whisker" stroke="currentColor" stroke-width="1.5"'
MAX_TICKS = 13  # numbers below an axis that do not touch each other
MAX_POINTS = 300  # of a curve: about as many as it has units
FEWEST_ANSWERS = 0.05  # of the questions: the error among fewer does not decide the scale


class Share(NamedTuple):
    """An accuracy.

    Attributes:
        accuracy: The share of right answers, 0 to 1.
        questions: Of how many questions.
        interval: The lower and the upper end of its interval.
    """

    accuracy: float
    questions: int
    interval: tuple[float, float]


class BinShare(NamedTuple):
    """The answers whose confidence is in one range.

    Attributes:
        low: The lower end of the range.
        high: Its upper end.
        questions: How many answers are in it.
        confidence: Their mean confidence, 0 to 1.
        accuracy: The share of right ones among them.
        interval: Its interval.
    """

    low: float
    high: float
    questions: int
    confidence: float
    accuracy: float
    interval: tuple[float, float]


class RiskPoint(NamedTuple):
    """What is answered, and what is wrong of it, from one confidence on.

    Attributes:
        threshold: The confidence from which answers are given.
        coverage: The share of the questions that is then answered, 0 to 1.
        error: The share of wrong answers among those.
    """

    threshold: float
    coverage: float
    error: float


class PromiseMark(NamedTuple):
    """A promise that answers were given with.

    Attributes:
        threshold: The confidence from which answers are given.
        max_error: The share of wrong answers that was promised at most.
    """

    threshold: float
    max_error: float


@dataclass(frozen=True, slots=True)
class ChartSide:
    """One set of answers as it is drawn.

    Attributes:
        name: What it is called.
        overall: The accuracy on all questions.
        reliability: The bins of confidence that hold answers, in order.
        risk_coverage: The points of the curve, from the surest answers on.
        by_position: The accuracy by the position of the key, counted from 1.
        calibrated: Whether the confidences are probabilities.
        promise: What was promised of the answers; ``None`` if nothing was.
    """

    name: Text
    overall: Share
    reliability: Sequence[BinShare] = ()
    risk_coverage: Sequence[RiskPoint] = ()
    by_position: Mapping[int, Share] = field(default_factory=dict)
    calibrated: bool = True
    promise: PromiseMark | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """How a side is drawn: the first of two hollow and dashed."""

    css: str
    colour: str
    hollow: bool

    def stroke(self, width: float) -> str:
        """For a curve."""
        dashes = ' stroke-dasharray="5 3"' if self.hollow else ""
        return f'{self.whisker(width)} stroke-linejoin="round"{dashes}'

    def whisker(self, width: float = 1.5) -> str:
        """For an interval."""
        return f'class="zc-side {self.css}" stroke="{self.colour}" stroke-width="{width:g}"'

    def fill(self) -> str:
        """For a point or a bar."""
        opacity = ' fill-opacity=".25"' if self.hollow else ""
        return f'{self.whisker()} fill="{self.colour}"{opacity}'


def reliability_chart(sides: Sequence[ChartSide], *, language: Language) -> str:
    """Accuracy against confidence: answers on the diagonal are right as often as they are sure.

    Below stands how many answers each bin of confidence holds.

    Args:
        sides: One set of answers, or two, the first one first.
        language: The language that is shown.

    Returns:
        The element; ``""`` if no answer has a confidence.
    """
    shown = [(side, look) for side, look in _looks(sides) if side.reliability]
    if not shown:
        return ""
    drawing, plot = _begin(shown, language, 230, uncalibrated=True)
    drawing.words(4, plot.top - 10, WORDS["accuracy"], anchor="start", size=SMALL)
    plot.axes(drawing)
    drawing.line(plot.at(0, 0), plot.at(1, 1), CHANCE)
    drawing.hint(WORDS["perfect"])
    for side, look in shown:
        points = [plot.at(row.confidence, row.accuracy) for row in side.reliability]
        drawing.path(points, look.stroke(1))
        for row in side.reliability:
            share = Share(row.accuracy, row.questions, row.interval)
            _whisker(drawing, plot, row.confidence, share, look)
            drawing.hint(joined(side.name, f" {_range(row)}: ", _figures(share)))
    bottom = plot.top + plot.height + 28
    drawing.words(plot.left + plot.width / 2, bottom, WORDS["confidence"], size=SMALL)
    bottom += 16
    drawing.words(4, bottom, WORDS["questions"], anchor="start", size=SMALL)
    for side, look in shown:
        bottom = _bars_of_counts(drawing, plot, side.reliability, look, bottom)
    return drawing.picture(bottom + 6, WORDS["reliability"], _described(shown, _bins_in_words))


def risk_coverage_chart(sides: Sequence[ChartSide], *, language: Language) -> str:
    """The share of wrong answers against the share of questions answered, the surest first.

    Lower is better. A promise is marked where its threshold lies.

    Args:
        sides: One set of answers, or two, the first one first.
        language: The language that is shown.

    Returns:
        The element; ``""`` if no answer has a confidence.
    """
    shown = [(side, look) for side, look in _looks(sides) if side.risk_coverage]
    if not shown:
        return ""
    errors = [
        point.error
        for side, _ in shown
        for point in side.risk_coverage
        if point.coverage >= FEWEST_ANSWERS or point is side.risk_coverage[-1]
    ]
    errors += [side.promise.max_error for side, _ in shown if side.promise]
    drawing, plot = _begin(shown, language, 200, largest=_scale(max(errors)))
    drawing.words(4, plot.top - 10, WORDS["error"], anchor="start", size=SMALL)
    plot.axes(drawing)
    for side, look in shown:
        thinned = _thinned(side.risk_coverage)
        drawing.path([plot.at(point.coverage, point.error) for point in thinned], look.stroke(2))
        drawing.clipped((plot.left, plot.top - 2), (plot.width, plot.height + 4))
        if len(thinned) == 1:
            drawing.dot(*plot.at(thinned[0].coverage, thinned[0].error), look.fill())
        if side.promise:
            _mark(drawing, plot, side, look)
    bottom = plot.top + plot.height + 28
    drawing.words(plot.left + plot.width / 2, bottom, WORDS["coverage"], size=SMALL)
    return drawing.picture(bottom + 8, WORDS["risk"], _described(shown, _points_in_words))


def position_chart(sides: Sequence[ChartSide], *, language: Language) -> str:
    """The accuracy by the position of the key, with intervals and the number of questions.

    Args:
        sides: One set of answers, or two, the first one first.
        language: The language that is shown.

    Returns:
        The element; ``""`` if no question has one right option.
    """
    shown = [(side, look) for side, look in _looks(sides) if side.by_position]
    if not shown:
        return ""
    drawing, plot = _begin(shown, language, 200)
    drawing.words(4, plot.top - 10, WORDS["accuracy"], anchor="start", size=SMALL)
    plot.axes(drawing, across=False)
    positions = sorted({position for side, _ in shown for position in side.by_position})
    every = math.ceil(len(positions) / MAX_TICKS)
    bottom = plot.top + plot.height + 14
    for index, position in enumerate(positions):
        middle = (index + 0.5) / len(positions)
        if index % every == 0:
            drawing.words(plot.at(middle, 0)[0], bottom, str(position), size=SMALL)
        for number, (side, look) in enumerate(shown):
            if position not in side.by_position:
                continue
            aside = (number - (len(shown) - 1) / 2) * min(0.05, 0.4 / len(positions))
            share = side.by_position[position]
            _whisker(drawing, plot, middle + aside, share, look)
            drawing.hint(joined(side.name, f" {position}: ", _figures(share)))
    bottom += 14
    drawing.words(plot.left + plot.width / 2, bottom, WORDS["key position"], size=SMALL)
    bottom += 16
    counts = shown[-1][0].by_position
    drawing.words(4, bottom, WORDS["questions"], anchor="start", size=SMALL)
    bottom += 13
    for index, position in enumerate(positions):
        if index % every == 0 and position in counts:
            x = plot.at((index + 0.5) / len(positions), 0)[0]
            drawing.words(x, bottom, _short(counts[position].questions), size=SMALL)
    return drawing.picture(bottom + 8, WORDS["position"], _described(shown, _positions_in_words))


def accuracy_chart(
    sides: Sequence[ChartSide], *, language: Language, chance: float | None = None
) -> str:
    """The accuracies as bars, with their intervals.

    Args:
        sides: One set of answers, or two, the first one first.
        language: The language that is shown.
        chance: The accuracy of blind guesses, 0 to 1, which is marked if it is given.
    """
    drawing, shown = Drawing(language), _looks(sides)
    plot = Plot(top=4, height=44.0 * len(shown), left=8, width=340)
    for index, (side, look) in enumerate(shown):
        top = plot.top + 44 * index
        low, high = (plot.at(end, 0)[0] for end in side.overall.interval)
        name = joined(shortened(side.name, 40), f"  {percent(side.overall.accuracy)}")
        drawing.words(plot.left, top + 12, name, anchor="start")
        drawing.box(plot.left, top + 18, (plot.width * side.overall.accuracy, 16), look.fill())
        drawing.hint(joined(side.name, ": ", _figures(side.overall)))
        drawing.line((low, top + 26), (high, top + 26), WHISKER)
        for end in (low, high):
            drawing.line((end, top + 21), (end, top + 31), WHISKER)
    bottom = plot.top + plot.height
    drawing.line((plot.left, bottom), (plot.left + plot.width, bottom), AXIS)
    for step in range(5):
        anchor = {0: "start", 4: "end"}.get(step, "middle")
        x = plot.at(step / 4, 0)[0]
        drawing.words(x, bottom + 14, percent(step / 4), anchor=anchor, size=SMALL)
    if chance is not None:
        x, name = plot.at(chance, 0)[0], joined(WORDS["chance"], f" {percent(chance)}")
        for index in range(len(shown)):
            drawing.line((x, plot.top + 44 * index + 16), (x, plot.top + 44 * index + 36), CHANCE)
            drawing.hint(name)
        bottom += 14
        anchor = "start" if chance < 0.1 else "end" if chance > 0.9 else "middle"
        drawing.words(x, bottom + 14, name, anchor=anchor, size=SMALL)
    return drawing.picture(
        bottom + 20, WORDS["accuracy"], _described(shown, lambda side: [_figures(side.overall)])
    )


def _looks(sides: Sequence[ChartSide]) -> list[tuple[ChartSide, _Look]]:
    """Each side with how it is drawn: a side that is alone is drawn like the second of two."""
    looks = [_Look("zc-a", VERMILION, hollow=True), _Look("zc-b", BLUE, hollow=False)]
    return list(zip(sides, looks[-len(sides) :], strict=True))


def _begin(
    shown: Sequence[tuple[ChartSide, _Look]],
    language: Language,
    height: float,
    *,
    largest: float = 1.0,
    uncalibrated: bool = False,
) -> tuple[Drawing, Plot]:
    """A picture with its legend, and the area below that."""
    drawing, bottom = Drawing(language), 4.0
    for side, look in shown:
        middle = bottom + 9
        drawing.line((6, middle), (32, middle), look.stroke(2))
        drawing.dot(19, middle, look.fill())
        name = shortened(side.name, 40)
        if uncalibrated and not side.calibrated:
            name = joined(name, WORDS["uncalibrated"])
        drawing.words(40, middle + 4, name, anchor="start")
        bottom += 18
    return drawing, Plot(top=bottom + 24, height=height, largest=largest)


def _whisker(drawing: Drawing, plot: Plot, x: float, share: Share, look: _Look) -> None:
    """A point with its interval, as one thing."""
    low, high = share.interval
    drawing.line(plot.at(x, low), plot.at(x, high), look.whisker())
    drawing.dot(*plot.at(x, share.accuracy), look.fill())
    drawing.join_last(2)


def _bars_of_counts(
    drawing: Drawing, plot: Plot, bins: Sequence[BinShare], look: _Look, top: float
) -> float:
    """How many answers each bin holds, as bars with numbers; where the row of them ends."""
    largest, bottom = max(row.questions for row in bins), top + 34
    for row in bins:
        height = max(1.0, 16 * row.questions / largest)
        x = plot.at(row.low, 0)[0]
        width = plot.at(row.high, 0)[0] - x
        drawing.box(x + 3, bottom - height, (width - 6, height), look.fill())
        drawing.words(x + width / 2, bottom - height - 3, _short(row.questions), size=SMALL)
    drawing.line((plot.left, bottom), (plot.left + plot.width, bottom), AXIS)
    return bottom


def _mark(drawing: Drawing, plot: Plot, side: ChartSide, look: _Look) -> None:
    """The promise: its largest error as a line, its threshold as a point of the curve."""
    promise = side.promise
    if promise is None:
        return
    drawing.line(plot.at(0, promise.max_error), plot.at(1, promise.max_error), PROMISE)
    text = joined(WORDS["at most"], percent(promise.max_error))
    x, y = plot.at(0, promise.max_error)  # at the left, where the curve is below it
    drawing.words(x + 4, y - 4, text, anchor="start", size=SMALL)
    given = [point for point in side.risk_coverage if point.threshold >= promise.threshold]
    if given:
        x, y = plot.at(given[-1].coverage, given[-1].error)
        drawing.line((x, y), (x, plot.top + plot.height), PROMISE)
        drawing.dot(x, y, look.fill())
        text = joined(WORDS["confidence"], f" ≥ {promise.threshold:.4g}")
        anchor = "start" if given[-1].coverage < 0.6 else "end"
        aside = 5 if anchor == "start" else -5
        drawing.words(x + aside, plot.top + plot.height - 5, text, anchor=anchor, size=SMALL)


def _thinned(points: Sequence[RiskPoint]) -> list[RiskPoint]:
    """At most a few hundred points, the first and the last among them, evenly by coverage."""
    if len(points) <= MAX_POINTS:
        return list(points)
    chosen = {math.floor(point.coverage * MAX_POINTS): point for point in reversed(points)}
    return [*sorted(chosen.values(), key=lambda point: point.coverage), points[-1]]


def _scale(largest: float) -> float:
    """The end of an axis: the next of some round numbers, each with round quarters."""
    return next((end for end in (0.04, 0.08, 0.2, 0.4, 0.6, 0.8) if largest <= end), 1.0)


def _short(count: int) -> str:
    """A count in at most five characters: ``"13.6k"``."""
    return str(count) if count < 10_000 else f"{count / 1000:.3g}k"


def _range(row: BinShare) -> str:
    return f"{100 * row.low:.0f}–{100 * row.high:.0f}%"


def _figures(share: Share) -> Text:
    """An accuracy with its interval and the number of questions, in words."""
    low, high = share.interval
    return joined(
        f"{percent(share.accuracy)} (",
        joined(WORDS["interval"], f" {percent(low)}–{percent(high)}"),
        "; ",
        joined(WORDS["questions"], f" {share.questions:,})"),
    )


def _described(
    shown: Sequence[tuple[ChartSide, _Look]], in_words: Callable[[ChartSide], Sequence[Text]]
) -> Text:
    """What a picture shows, for those who hear it."""
    sides = [joined(side.name, ": ", joined(*in_words(side), between="; ")) for side, _ in shown]
    return joined(*sides, between=". ")


def _bins_in_words(side: ChartSide) -> list[Text]:
    return [
        joined(
            WORDS["confidence"],
            f" {_range(row)}: ",
            _figures(Share(row.accuracy, row.questions, row.interval)),
        )
        for row in side.reliability
    ]


def _points_in_words(side: ChartSide) -> list[Text]:
    """The error at a quarter, a half, three quarters and all of what can be answered."""
    texts: list[Text] = []
    last = side.risk_coverage[-1].coverage
    for share in (0.25, 0.5, 0.75, 1.0):
        point = next(p for p in side.risk_coverage if p.coverage >= share * last)
        of_all = f" {percent(point.coverage)}: {percent(point.error)}"
        texts.append(joined(WORDS["risk"], of_all))
    if side.promise:
        texts.append(joined(WORDS["at most"], percent(side.promise.max_error)))
    return texts


def _positions_in_words(side: ChartSide) -> list[Text]:
    return [joined(f"{position}: ", _figures(s)) for position, s in side.by_position.items()]
