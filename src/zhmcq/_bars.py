"""Bars on a terminal and in a notebook, and lines in a log: where reports of progress are drawn."""

from __future__ import annotations

import contextlib
import html
import importlib
import logging
import os
import sys
import threading
import time
import warnings
from typing import Any, Protocol, TextIO

from zhmcq._phrases import labels, progress
from zhmcq._visible import console_text, visible

__all__ = ["BAR_DRAWN", "Drawing"]

logger = logging.getLogger(__name__)

# tqdm says in a notebook that it has no widgets, when a library that draws by it is imported.
# Nothing here draws by it.
warnings.filterwarnings("ignore", "IProgress not found")

# Seconds. A call that ends sooner logs nothing.
FIRST_LINE = 10.0
BETWEEN_LINES = 30.0
LONGEST_SILENCE = 600.0
BETWEEN_DRAWINGS = 0.25  # of a notebook, whose every change is a message to the browser
SHARE = 0.1  # of a stage, from one line to the next
BAR_DRAWN = "zhmcq_bar_drawn"  # the attribute of a record that says what a bar shows as well


class Drawing:
    """Bars where they can be drawn, and lines in a log.

    A line comes after ten seconds of a stage, then after a tenth of it or half a minute, whichever
    is later, though never later than ten minutes. It is logged at level INFO where logging is
    configured, and otherwise written to stderr if no bar is drawn.
    """

    is_given = False

    def __init__(self) -> None:
        self._stages: dict[str, _Stage] = {}
        self._bars: _Bars | None = None
        self._is_open = False

    def __call__(self, done: int, total: int, stage: str, /) -> None:
        if not self._is_open:
            self._bars, self._is_open = _bars_here(), True
        state = self._stages.get(stage)
        if state is None or done < state.done:
            name = progress.stage_name(" ".join(visible(stage).split()))
            state = self._stages[stage] = _Stage(name, done)
        state.done, state.total = done, total
        if state.line_is_due():
            self._say(state.line())
        if self._bars is not None:
            try:
                self._bars.draw(state)
            except (OSError, ValueError):  # stderr is closed: no reason to end what is done
                self.close()

    def _say(self, line: str) -> None:
        if logger.hasHandlers():
            logger.info("%s", line, extra={BAR_DRAWN: self._bars is not None})
        elif self._bars is None and sys.stderr is not None and not _is_silenced():
            with contextlib.suppress(OSError, ValueError):
                print(console_text(line, sys.stderr), file=sys.stderr, flush=True)  # noqa: T201

    def close(self) -> None:
        bars, self._bars = self._bars, None
        if bars is not None:
            with contextlib.suppress(OSError, ValueError):
                bars.close(list(self._stages.values()))


def _is_silenced() -> bool:
    """Whether the level of zhmcq's loggers was set above that of lines of progress."""
    level = logging.getLogger("zhmcq").level
    return level > logging.INFO


class _Stage:
    """A stage, and how fast it goes."""

    def __init__(self, name: str, done: int) -> None:
        self.name = name
        self.done = self.total = done
        self.begun = time.monotonic()
        self._first = done
        self._line_at: float | None = None
        self._line_done = done

    @property
    def is_over(self) -> bool:
        return self.done >= self.total

    def line_is_due(self) -> bool:
        """Whether it is time for a line in a log; if so, the next one is counted from now."""
        now = time.monotonic()
        if self._line_at is None:
            due = now - self.begun >= FIRST_LINE
        else:
            seconds, share = now - self._line_at, self.done - self._line_done
            due = seconds >= BETWEEN_LINES and share >= SHARE * self.total
            due = due or seconds >= LONGEST_SILENCE or self.is_over
        if due:
            self._line_at, self._line_done = now, self.done
        return due

    def line(self) -> str:
        return labels.line(self.name, self.text())

    def text(self, *, stopped: bool = False) -> str:
        """How far it is, how fast, and how long it will take."""
        seconds = time.monotonic() - self.begun
        rate = (self.done - self._first) / seconds if seconds else 0.0
        return progress.advance(self.done, self.total, seconds, rate, stopped=stopped)


class _Bars(Protocol):
    def draw(self, stage: _Stage) -> None:
        """Draw the stage as it is now."""

    def close(self, stages: list[_Stage]) -> None:
        """Draw no more."""


_drawn = threading.Lock()  # held while bars are drawn: two threads would draw into each other's


def _bars_here() -> _Bars | None:
    """Bars in a notebook or on a terminal, unless another thread draws its own; else ``None``."""
    if _in_notebook():
        return _NotebookBars()
    can_draw = _is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
    return _TerminalBars() if can_draw and _drawn.acquire(blocking=False) else None


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is there, is open, and is a terminal."""
    with contextlib.suppress(AttributeError, ValueError):
        return stream is not None and stream.isatty()
    return False


def _in_notebook() -> bool:
    """Whether this is the process of a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class _TerminalBars:
    """Bars on stderr, a row for each stage, which go away at the end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Rows

        self._rows = Rows(
            TextColumn("{task.description}", markup=False),  # it may have the name of a file
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            # rich would write what others print to stderr, also where stdout is a file.
            redirect_stdout=_is_terminal(sys.stdout),
            speed_estimate_period=600,  # seconds; a step may take longer than the usual 30
        )
        self._tasks: dict[str, tuple[Any, float]] = {}

    def draw(self, stage: _Stage) -> None:
        self._rows.start()  # does nothing if it has started
        task, begun = self._tasks.get(stage.name, (None, 0.0))
        if task is None:
            for other in self._rows.tasks:
                self._rows.update(other.id, visible=not other.finished)
            task = self._rows.add_task(stage.name, total=stage.total, completed=stage.done)
        elif begun != stage.begun:  # it has come again
            self._rows.reset(task, total=stage.total, completed=stage.done, visible=True)
        else:
            self._rows.update(task, total=stage.total, completed=stage.done)
        self._tasks[stage.name] = task, stage.begun

    def close(self, stages: list[_Stage]) -> None:  # noqa: ARG002
        try:
            self._rows.stop()
        finally:
            _drawn.release()


class _NotebookBars:
    """A bar for each stage in the cell's output, which stay at the end and in what is exported.

    Widgets, as tqdm draws them, would need ipywidgets, and are gone from a notebook that is opened
    again or exported; this is plain html, which the notebook replaces.
    """

    def __init__(self) -> None:
        self._display: Any = importlib.import_module("IPython.display").display
        self._handles: dict[str, Any] = {}
        self._drawn_at: dict[str, float] = {}

    def draw(self, stage: _Stage) -> None:
        now = time.monotonic()
        since = now - self._drawn_at.get(stage.name, -BETWEEN_DRAWINGS)
        if since >= BETWEEN_DRAWINGS or stage.is_over:
            self._drawn_at[stage.name] = now
            self._show(stage, stage.text())

    def close(self, stages: list[_Stage]) -> None:
        for stage in stages:
            if not stage.is_over and stage.name in self._handles:
                self._show(stage, stage.text(stopped=True))

    def _show(self, stage: _Stage, text: str) -> None:
        shown = {
            "text/plain": labels.line(stage.name, text),
            "text/html": (
                '<div style="display: flex; gap: 0.8em; align-items: center">'
                f'<span style="min-width: 11em">{html.escape(stage.name)}</span>'
                f'<progress value="{stage.done}" max="{max(1, stage.total)}" style="width: 16em">'
                f"</progress><span>{html.escape(text)}</span></div>"
            ),
        }
        if stage.name in self._handles:
            self._handles[stage.name].update(shown, raw=True)
        else:
            self._handles[stage.name] = self._display(shown, raw=True, display_id=True)
