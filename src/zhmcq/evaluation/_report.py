"""The report page of one set of answers, or of two: figures put into the words of the page."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zhmcq._files import refuse_inputs
from zhmcq.evaluation._evaluation import Evaluation, GroupAccuracy
from zhmcq.evaluation._outcomes import Outcome
from zhmcq.evaluation._sentences import (
    comparison_sentence,
    evaluation_sentence,
    interval_text,
)
from zhmcq.questions import Question
from zhmcq.reports._charts import (
    BinShare,
    ChartSide,
    PromiseMark,
    RiskPoint,
    Share,
    position_chart,
    reliability_chart,
    risk_coverage_chart,
)
from zhmcq.reports._page import (
    WORDS,
    AnswerList,
    Chart,
    FigureRow,
    GroupRow,
    GroupTable,
    ListedAnswer,
    ListedQuestion,
    Page,
    PromiseFigures,
    refuse_other_language,
    write_page,
)
from zhmcq.zh._language import Language

if TYPE_CHECKING:
    from zhmcq.evaluation._comparison import Comparison

__all__ = ["listed_outcomes", "write_answers_page", "write_comparison_page"]

CHARTS = {
    "reliability": reliability_chart,
    "risk": risk_coverage_chart,
    "position": position_chart,
}
GROUPS = ("by_subject", "by_kind", "by_sheet", "by_position")


def write_answers_page(
    path: str | Path,
    answers: AnswerList,
    evaluation: Evaluation | None,
    language: Language | None,
) -> None:
    """Write the report on one set of answers.

    Args:
        path: The file; an older one is replaced.
        answers: The answers, and the rows that have none.
        evaluation: Their figures; ``None`` if no question has a key.
        language: The language that the page starts in; ``None`` for that of the questions.

    Raises:
        OutputExistsError: If the questions were read from that file.
        OutputError: If it cannot be written.
        SettingsError: If the language is none of the page's.
    """
    refuse_other_language(language, "to_html")
    refuse_inputs(path, _files(answers))
    given = sum(listed.answer.answer is not None for listed in answers.rows)
    page = Page(
        sides=["answers"],
        questions=[(listed, [listed.answer]) for listed in answers.rows],
        summary={
            code: _answers_summary(evaluation, given, len(answers.rows), words)
            for code, words in WORDS.items()
        },
        figures=_figures([evaluation] if evaluation else [], len(answers.rows)),
        groups=_groups([evaluation] if evaluation else []),
        charts=_charts({"answers": (evaluation, answers.promise)} if evaluation else {}),
        promises={"answers": answers.promise} if answers.promise else {},
        files=_names(answers),
        headers=answers.headers,
        language=language,
    )
    write_page(path, page)


def write_comparison_page(
    path: str | Path, comparison: Comparison, language: Language | None
) -> None:
    """Write the report on two sets of answers.

    Args:
        path: The file; an older one is replaced.
        comparison: Both sets and their figures.
        language: The language that the page starts in; ``None`` for that of the questions.

    Raises:
        OutputExistsError: If the questions were read from that file.
        OutputError: If it cannot be written.
        SettingsError: If the language is none of the page's.
    """
    refuse_other_language(language, "to_html")
    base, tuned = comparison._answers
    refuse_inputs(path, _files(base) | _files(tuned))
    questions = _paired(base, tuned)
    evaluations = [comparison.base, comparison.tuned]
    changes = [
        FigureRow("result.gained", [f"{len(comparison.gained):,}"]),
        FigureRow("result.lost", [f"{len(comparison.lost):,}"]),
        FigureRow(
            "difference",
            [f"{comparison.difference:+.1%} ({interval_text(comparison.interval, signed=True)})"],
        ),
        FigureRow("p_value", [f"{comparison.p_value:.2g}"]),
    ]
    promises = {"base": base.promise, "tuned": tuned.promise}
    page = Page(
        sides=["base", "tuned"],
        questions=questions,
        summary={code: comparison_sentence(comparison, words) for code, words in WORDS.items()},
        figures=[*_figures(evaluations, len(questions)), *changes],
        groups=_groups(evaluations),
        charts=_charts(
            {
                "base": (comparison.base, base.promise),
                "tuned": (comparison.tuned, tuned.promise),
            }
        ),
        promises={side: promise for side, promise in promises.items() if promise},
        files=_names(base),
        headers=base.headers,
        language=language,
    )
    write_page(path, page)


def listed_outcomes(outcomes: Sequence[Outcome]) -> AnswerList:
    """Outcomes as answers of a page, where nothing more is known of them."""
    rows = []
    for outcome in outcomes:
        status = "answered"
        if outcome.answer is None:
            status = "withheld" if outcome.withheld else "none"
        answer = ListedAnswer(outcome.answer, outcome.confidence, outcome.calibrated, status=status)
        rows.append(ListedQuestion(outcome.id, outcome.question, answer))
    return AnswerList(rows)


class _Mark(NamedTuple):
    """What a row of a source is known by.

    Attributes:
        is_question: Whether it is one. A row that is none may have a question's name.
        id: Its name.
    """

    is_question: bool
    id: str


def _paired(
    base: AnswerList, tuned: AnswerList
) -> list[tuple[ListedQuestion, Sequence[ListedAnswer | None]]]:
    """Every row that either side has, in the first one's order, with both answers.

    Questions with keys are on both sides. Others may be on one only, and are listed all the same.
    Rows that are no question may share a name: the first is then the other side's first.
    """
    second: dict[_Mark, deque[ListedQuestion]] = {}
    for listed in tuned.rows:
        second.setdefault(_mark(listed), deque()).append(listed)
    pairs: list[tuple[ListedQuestion, Sequence[ListedAnswer | None]]] = []
    for listed in base.rows:
        others = second.get(_mark(listed))
        pairs.append((listed, [listed.answer, others.popleft().answer if others else None]))
    rest = (listed for others in second.values() for listed in others)
    pairs += [(listed, [None, listed.answer]) for listed in rest]
    return pairs


def _mark(listed: ListedQuestion) -> _Mark:
    return _Mark(isinstance(listed.source, Question), listed.id)


def _files(answers: AnswerList) -> set[str]:
    origins = (listed.source.origin for listed in answers.rows)
    return {origin.file for origin in origins if origin is not None and origin.file}


def _names(answers: AnswerList) -> list[str]:
    """The names of the files, without the folders, which are nobody's business."""
    return sorted({file.replace("\\", "/").rsplit("/", 1)[-1] for file in _files(answers)})


def _answers_summary(
    evaluation: Evaluation | None, given: int, listed: int, words: Mapping[str, str]
) -> str:
    if evaluation is None:
        return words["summary.no_keys"].format(given=f"{given:,}", listed=f"{listed:,}")
    return evaluation_sentence(evaluation, words)


def _figures(sides: Sequence[Evaluation], listed: int) -> list[FigureRow]:
    """The figures of each side; those that no side has are left out."""
    readers: Mapping[str, Callable[[Evaluation], str | None]] = {
        "accuracy": lambda side: f"{side.accuracy:.1%}",
        "interval": lambda side: interval_text(side.interval),
        "correct": lambda side: f"{side.correct:,}",
        "chance": lambda side: f"{side.chance:.1%}",
        "coverage": lambda side: f"{side.coverage:.1%}",
        "accuracy_answered": lambda side: _percent(side.accuracy_answered),
        "interval_answered": lambda side: (
            None if side.interval_answered is None else interval_text(side.interval_answered)
        ),
        "invalid_rate": lambda side: f"{side.invalid_rate:.1%}",
        "partial_credit": lambda side: _percent(side.partial_credit),
        "calibration_error": lambda side: _decimal(side.calibration_error),
        "calibration_noise": lambda side: _decimal(side.calibration_noise),
        "brier": lambda side: _decimal(side.brier),
    }
    rows = [FigureRow("listed", [f"{listed:,}"])]
    if not sides:
        return rows
    rows += [
        FigureRow("count", [f"{sides[0].count:,}"]),
        FigureRow("clusters", [f"{sides[0].clusters:,}"]),
    ]
    for name, reader in readers.items():
        values = [reader(side) for side in sides]
        if any(value is not None for value in values):
            uncertain = name == "calibration_error"
            note = ["uncalibrated" if uncertain and not side.calibrated else "" for side in sides]
            rows.append(FigureRow(name, [value or "—" for value in values], note))
    return rows


def _groups(sides: Sequence[Evaluation]) -> list[GroupTable]:
    """The tables that have something to compare."""
    tables = []
    for word in GROUPS:
        by_side: list[Mapping[str | int, GroupAccuracy]] = [getattr(side, word) for side in sides]
        # The second set may name subjects or sources otherwise.
        names = dict.fromkeys(name for groups in by_side for name in groups)
        if len(names) > 1:
            tables.append(GroupTable(word, [_group(name, by_side) for name in names]))
    return tables


def _group(name: str | int, by_side: Sequence[Mapping[str | int, GroupAccuracy]]) -> GroupRow:
    accuracies = [groups.get(name) for groups in by_side]
    count = max(accuracy.questions for accuracy in accuracies if accuracy is not None)
    return GroupRow(
        str(name),
        count,
        [None if accuracy is None else Share(*accuracy) for accuracy in accuracies],
    )


def _charts(
    sides: Mapping[str, tuple[Evaluation, PromiseFigures | None]],
) -> list[Chart]:
    """The curves of the sides that have them, in each language."""
    drawn = [
        _chart_side(name, evaluation, promise) for name, (evaluation, promise) in sides.items()
    ]
    if not drawn:
        return []
    charts = [
        Chart(f"chart.{name}", {code: draw(drawn, language=code) for code in WORDS})
        for name, draw in CHARTS.items()
    ]
    return [chart for chart in charts if all(chart.drawings.values())]


def _chart_side(name: str, side: Evaluation, promise: PromiseFigures | None) -> ChartSide:
    mark = None
    if promise is not None and promise.threshold is not None:
        mark = PromiseMark(promise.threshold, promise.max_error)
    return ChartSide(
        name={code: words[name] for code, words in WORDS.items()},
        overall=Share(side.accuracy, side.count, side.interval),
        reliability=[BinShare(*row) for row in side.reliability],
        risk_coverage=[RiskPoint(*point) for point in side.risk_coverage],
        by_position={position: Share(*group) for position, group in side.by_position.items()},
        calibrated=side.calibrated,
        promise=mark,
    )


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"


def _decimal(number: float | None) -> str | None:
    return None if number is None else f"{number:.3f}"
