"""What a notebook shows of a value: a few rows as a table, without script and without colours.

Text and lines take the colours of the notebook's theme. Texts are escaped, formulas in them are
left as they are written, and characters that would act are seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

from zhmcq._phrases.banks import more_rows, problem_text
from zhmcq._phrases.labels import label
from zhmcq._visible import visible

if TYPE_CHECKING:
    from zhmcq.questions import Question, RowProblem

__all__ = ["MAX_ROWS", "Cell", "bank_html", "html_view", "options_text", "paragraph", "table"]

MAX_ROWS = 10
MAX_TEXT = 80  # characters of a cell

Cell = str | int | float | bool | None

BANK_HEADERS = ("id", "subject", "kind", "passage", "stem", "options", "key")
PROBLEM_HEADERS = ("severity", "problem", "times", "sheet", "first row", "what is wrong there")

# MathJax would take what stands between two dollars for a formula.
_CLASSES = "zhmcq tex2jax_ignore mathjax_ignore"
_CELL = "text-align:left;vertical-align:top;white-space:normal"
_NUMBER = "text-align:right;vertical-align:top"


def html_view(title: str, *parts: str) -> str:
    """A value: what it is in one line, and what is to be seen of it.

    Args:
        title: The line.
        parts: What :func:`table` and :func:`paragraph` made; empty ones are left out.
    """
    first = f"<p><strong>{_escaped(title)}</strong></p>"
    return f'<div class="{_CLASSES}">{first}{"".join(parts)}</div>'


def paragraph(text: str) -> str:
    """A line of text; ``""`` for an empty one."""
    return f"<p>{_escaped(text)}</p>" if text else ""


def table(
    headers: Sequence[str], rows: Iterable[Sequence[Cell]], *, total: int, caption: str = ""
) -> str:
    """The first rows of a table; columns in which nothing stands are left out.

    Args:
        headers: The names of the columns.
        rows: The rows; no more than :data:`MAX_ROWS` of them are taken.
        total: How many there are.
        caption: What stands above the table.

    Returns:
        The element; ``""`` without any row.
    """
    shown = [list(row) for row in islice(rows, MAX_ROWS)]
    if not shown:
        return ""
    used = [i for i in range(len(headers)) if any(row[i] not in ("", None) for row in shown)]
    head = "".join(f'<th style="{_CELL}">{_escaped(headers[i])}</th>' for i in used)
    body = "".join(f"<tr>{''.join(_cell(row[i]) for i in used)}</tr>" for row in shown)
    above = (
        f'<caption style="caption-side:top;text-align:left">{_escaped(caption)}</caption>'
        if caption
        else ""
    )
    more = more_rows(total - len(shown)) if total > len(shown) else ""
    return (
        f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{paragraph(more)}"
    )


def _cell(value: Cell) -> str:
    if isinstance(value, float):
        return f'<td style="{_NUMBER}">{value:.3g}</td>'
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td style="{_NUMBER}">{value}</td>'
    text = "" if value is None else str(value)
    shown = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    return f'<td style="{_CELL}">{_escaped(shown)}</td>'


def _escaped(text: str) -> str:
    return escape(visible(text))


def bank_html(title: str, questions: Sequence[Question], problems: Sequence[RowProblem]) -> str:
    """A bank: its first questions, and its problems counted by their kind.

    Args:
        title: What it is.
        questions: Its questions.
        problems: What was wrong with the rest of its source.
    """
    rows = (
        (q.id, q.subject, label(q.kind), q.passage, q.stem, options_text(q), q.answer_label)
        for q in questions
    )
    by_kind: dict[tuple[str, str], list[RowProblem]] = {}
    for problem in problems:
        by_kind.setdefault((problem.severity, problem.code), []).append(problem)
    kinds = [
        (
            label(severity),
            code,
            len(those),
            those[0].sheet,
            those[0].row,
            problem_text(code, those[0].message),
        )
        for (severity, code), those in sorted(by_kind.items(), key=lambda item: item[0])
    ]
    headers = [label(name) for name in BANK_HEADERS]
    problem_headers = [label(name) for name in PROBLEM_HEADERS]
    return html_view(
        title,
        table(headers, rows, total=len(questions)),
        table(problem_headers, kinds, total=len(kinds), caption=label("Problems")),
    )


def options_text(question: Question) -> str:
    """The options of a question with their labels, in one line."""
    pairs = zip(question.labels, question.options, strict=True)
    return " / ".join(f"{label} {option}" for label, option in pairs)
