"""Reports of progress: one form of callable everywhere, and a bar on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from zhmcq._visible import visible

__all__ = ["Progress", "progress_bar", "progress_or_bar"]

# progress(done, total, stage): `done` of `total` things are done in the stage of that name. Called
# at the beginning of a stage (with what is done already) and whenever more of it is done.
Progress = Callable[[int, int, str], None]


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """Draw reports of progress as bars on stderr while the block runs, one bar a stage.

    Yields:
        A callable ``progress(done, total, stage)``; it does nothing where stderr is no terminal.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total, _stage: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),  # it may be the name of a file
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def draw(done: int, total: int, stage: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(visible(stage), total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield draw


def progress_or_bar(progress: Progress | None) -> AbstractContextManager[Progress]:
    """The callable that was given, or a bar on the terminal if there was none.

    Args:
        progress: A callable ``progress(done, total, stage)``, or ``None``.
    """
    return progress_bar() if progress is None else contextlib.nullcontext(progress)
