"""Figures for people to read: as text, and as html for a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from zhmcq._notebook import Cell, html_view, table
from zhmcq._phrases.labels import between, grouped_by, label, line
from zhmcq._visible import visible
from zhmcq.evaluation._statistics import Interval

if TYPE_CHECKING:
    from zhmcq.evaluation._comparison import Comparison
    from zhmcq.evaluation._evaluation import Evaluation, GroupAccuracy
    from zhmcq.evaluation._outcomes import Outcome

__all__ = ["aligned", "comparison_html", "evaluation_html", "evaluation_text"]

NAMES = ("sheet", "subject", "kind", "position")
GROUPED = ("questions", "right", "95 % interval")  # the columns that follow
FEW = 5  # questions that changed


def evaluation_text(evaluation: Evaluation) -> str:
    """The accuracy, and a table for each way in which the questions fall into parts."""
    lines = [str(evaluation)]
    for name, groups in _groups(evaluation):
        rows = [
            [grouped_by(name), *_labels(GROUPED)],
            *(
                [visible(part), f"{g.questions:,}", f"{g.accuracy:.1%}", _range(g.interval)]
                for part, g in groups.items()
            ),
        ]
        lines.append("")
        lines += aligned(rows)
    return "\n".join(lines)


def evaluation_html(evaluation: Evaluation) -> str:
    """The figures of an evaluation, and its parts."""
    figures = _figures(evaluation).items()
    return html_view(
        line(label("Evaluation"), str(evaluation)),
        table(_labels(("figure", "value")), figures, total=len(figures)),
        *(
            table(
                _labels((name, *GROUPED)),
                ((part, g.questions, f"{g.accuracy:.1%}", _range(g.interval)) for part, g in rows),
                total=len(rows),
            )
            for name, groups in _groups(evaluation)
            for rows in (groups.items(),)
        ),
    )


def comparison_html(comparison: Comparison) -> str:
    """Both sides' figures, and the first questions that changed."""
    base, tuned = _figures(comparison.base), _figures(comparison.tuned)
    low, high = comparison.interval
    rows: list[Sequence[Cell]] = [(name, base[name], tuned[name]) for name in base]
    interval = between(f"{low:+.1%}", f"{high:+.1%}")
    rows.append((label("difference"), "", f"{comparison.difference:+.1%} ({interval})"))
    rows.append((label("p-value"), "", f"{comparison.p_value:.2g}"))
    return html_view(
        line(label("Comparison"), str(comparison)),
        table(_labels(("figure", "base", "tuned")), rows, total=len(rows)),
        _changed(comparison.gained, label("Right only in the second")),
        _changed(comparison.lost, label("Right only in the first")),
    )


def _changed(outcomes: Sequence[Outcome], caption: str) -> str:
    return table(
        _labels(("id", "stem", "key", "second answer")),
        ((o.id, o.stem, o.key, o.label) for o in outcomes[:FEW]),
        total=len(outcomes),
        caption=line(caption, f"{len(outcomes):,}"),
    )


def _figures(evaluation: Evaluation) -> dict[str, str]:
    error = evaluation.calibration_error
    note = "" if evaluation.calibrated else f" ({label('uncalibrated')})"
    figures = {
        "questions": f"{evaluation.count:,}",
        "right": f"{evaluation.correct:,}",
        "accuracy": f"{evaluation.accuracy:.1%}",
        "95 % interval": _range(evaluation.interval),
        "by chance": f"{evaluation.chance:.1%}",
        "answered": f"{evaluation.coverage:.1%}",
        "calibration error": "" if error is None else f"{error:.3f}{note}",
    }
    return {label(name): figure for name, figure in figures.items()}


def _groups(evaluation: Evaluation) -> Iterator[tuple[str, Mapping[str, GroupAccuracy]]]:
    """The ways in which the questions fall into two parts or more, each way once."""
    earlier: list[Mapping[str | int, GroupAccuracy]] = []  # a sheet may be a subject
    for name in NAMES:
        groups: Mapping[str | int, GroupAccuracy] = getattr(evaluation, f"by_{name}")
        if len(groups) > 1 and groups not in earlier:
            earlier.append(groups)
            shown = {part: label(str(part)) if name == "kind" else str(part) for part in groups}
            yield name, {shown[part] or label("(none)"): groups[part] for part in groups}


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines: the first column to the left, the others to the right.

    A character of Chinese takes two columns of a terminal.
    """
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [
            " " * (width - _width(cell)) + cell
            for cell, width in zip(others, widths[1:], strict=True)
        ]
        yield "  ".join([first + " " * (widths[0] - _width(first)), *cells])


def _width(text: str) -> int:
    """The columns of a terminal that a text takes."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _range(interval: Interval) -> str:
    return between(f"{interval[0]:.1%}", f"{interval[1]:.1%}")


def _labels(names: Sequence[str]) -> list[str]:
    return [label(name) for name in names]
