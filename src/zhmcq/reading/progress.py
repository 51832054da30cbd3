"""A progress bar for long files, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["tracked"]

T = TypeVar("T")
LONG = 20_000
_STEP = 500


def tracked(items: Iterable[T], expected: int, what: str) -> Iterator[T]:
    """Pass items on; draw a bar if there are about 20,000 or more and stderr is a terminal."""
    if expected < LONG or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=expected)
        for number, item in enumerate(items, 1):
            if number % _STEP == 0:
                progress.update(task, completed=number)
            yield item
        progress.update(task, completed=expected)
