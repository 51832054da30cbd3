"""Lines of a text that belong to no question: said to be skipped, several in one problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zhmcq.questions import RowProblem
from zhmcq.reading._drafts.draft import Draft, DraftItem
from zhmcq.reading._formats.plain_text import Line

__all__ = ["in_order", "skipped_lines"]

_QUOTED = 60


def skipped_lines(
    lines: Iterable[Line], used: Iterable[Line], file: str, unit: str
) -> Iterator[RowProblem]:
    """A warning for each run of lines that were not used.

    Args:
        lines: All lines, in order.
        used: Those that belong to a question, a passage or a list of keys.
        file: The file's name as it was given.
        unit: What the numbers of lines count: ``"line"`` or ``"paragraph"``.
    """
    known = {id(line) for line in used}
    run: list[Line] = []
    for line in lines:
        if id(line) not in known:
            run.append(line)
        elif run:
            yield _skipped(run, file, unit)
            run = []
    if run:
        yield _skipped(run, file, unit)


def _skipped(run: list[Line], file: str, unit: str) -> RowProblem:
    first, last = run[0].number, run[-1].number
    text = run[0].text
    quoted = repr(text[:_QUOTED] + ("…" if len(text) > _QUOTED or first != last else ""))
    if first == last:
        message = f"{unit} {first} belongs to no question and was skipped: {quoted}"
    else:
        message = f"{unit}s {first} to {last} belong to no question and were skipped: {quoted}"
    return RowProblem(first, "", "skipped_row", message, "warning", file)


def in_order(items: Iterable[DraftItem]) -> list[DraftItem]:
    """Drafts and problems by their rows, headings first."""
    return sorted(items, key=_row)


def _row(item: DraftItem) -> int:
    if isinstance(item, Draft):
        return item.origin.row
    return item.row if isinstance(item, RowProblem) else 0
