"""Reports of progress: one form of callable everywhere, and what draws them where none is given.

A public function opens :class:`reporting` with the callable that it was given. What it calls
reports to :func:`current_progress`, so that nothing has to hand the callable down.
"""

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
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, TextIO

from zhmcq._phrases import duration
from zhmcq._visible import console_text, visible
from zhmcq.errors import ZhmcqError

__all__ = [
    "BAR_DRAWN",
    "MEGABYTE",
    "Progress",
    "counted_bytes",
    "current_progress",
    "reporting",
    "require_progress",
]

logger = logging.getLogger(__name__)

# tqdm says in a notebook that it has no widgets, when a library that draws by it is imported.
# Nothing here draws by it.
warnings.filterwarnings("ignore", "IProgress not found")

# Seconds. A call that ends sooner logs nothing.
FIRST_LINE = 10.0
BETWEEN_LINES = 30.0
LONGEST_SILENCE = 600.0
BETWEEN_DRAWINGS = 0.25  # of a notebook, whose every change is a message to the browser
MEGABYTE = 10**6
MANY_BYTES = 1000 * MEGABYTE  # a second or more of hashing
SHARE = 0.1  # of a stage, from one line to the next
BAR_DRAWN = "zhmcq_bar_drawn"  # the attribute of a record that says what a bar shows as well


class Progress(Protocol):
    """What ``progress=`` takes: a function ``progress(done, total, stage)``.

    It is called at the beginning of a stage, with what is done already, whenever more of it is
    done, and at the end. A stage may come again, as ``"validation"`` does, and begins anew then.

    The stages, and what is counted in each:

    - ``"reading <file>"``: rows, or items of json; ``total`` may be an estimate.
    - ``"checking <file>"``: rows.
    - ``"downloading <name>"``: megabytes; ``total`` grows while more files begin.
    - ``"hashing weights"``: megabytes, where there are a thousand or more.
    - ``"encoding"``: questions, where there are 5,000 or more.
    - ``"loading weights"``: tensors. Other things that transformers does with a model's weights
      have the names that it gives them.
    - ``"answering"``: questions of ``predict``; of a stream ``total`` is what has been read so
      far and one more, until the end.
    - ``"train"``: steps, with those that a resumed run had done before.
    - ``"validation"``: the validation questions of an evaluation.
    - ``"merge"``: three parts, which are merged, written, and loaded again and compared.
    - ``"verification"``: questions that a merge answers with one of its models.

    An exception that it raises ends the call and reaches the caller as it is. Nothing half-written
    stays: what a journal or a checkpoint has is there for the next call, and ``train`` writes a
    checkpoint first where the exception comes with a step. Of several processes that share a run,
    the first one alone reports.
    """

    def __call__(self, done: int, total: int, stage: str, /) -> object:
        """Take a report.

        Args:
            done: How much of the stage is done.
            total: Of how much; 0 where there is nothing to do.
            stage: The name of the stage.
        """


class _Receiver(Protocol):
    @property
    def is_given(self) -> bool:
        """Whether a caller gave the callable, and is told of short stages too."""

    def __call__(self, done: int, total: int, stage: str, /) -> object:
        """Take a report."""


_current: ContextVar[_Receiver | None] = ContextVar("zhmcq_progress", default=None)


def require_progress(progress: object, error: type[ZhmcqError]) -> None:
    """Refuse a ``progress=`` that cannot be called.

    Raises:
        ZhmcqError: Of the class ``error``.
    """
    if progress is not None and not callable(progress):
        raise error(
            f"progress={progress!r:.80}: expected a function progress(done, total, stage), or None"
        )


class reporting:  # noqa: N801  a context manager, used like a function
    """In the block, reports go to a callable, or are drawn.

    Without a callable they go where those of an outer block go. If there is no outer block, bars
    are drawn on a terminal and in a notebook, and lines are logged; see :class:`_Drawing`.

    Args:
        progress: What the caller gave.
    """

    def __init__(self, progress: Progress | None) -> None:
        outer = _current.get()
        self._drawing: _Drawing | None = None
        self._given: _Given | None = None
        if not _is_first_process():
            self._receiver: _Receiver = _Silence()
        elif progress is not None:
            self._receiver = self._given = _Given(progress)
        elif outer is not None:
            self._receiver = outer
        else:
            self._receiver = self._drawing = _Drawing()

    def __enter__(self) -> Progress:
        self._token = _current.set(self._receiver)
        return self._receiver

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _current.reset(self._token)
        if self._drawing is not None:
            self._drawing.close()
        if self._given is not None and (error is None or isinstance(error, _StopError)):
            self._given.raise_as_it_was()


@contextlib.contextmanager
def current_progress() -> Iterator[_Receiver]:
    """Where reports go in the block: to what an outer ``reporting`` says, else they are drawn."""
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    drawing: _Drawing | _Silence = _Drawing() if _is_first_process() else _Silence()
    try:
        yield drawing
    finally:
        drawing.close()


@contextlib.contextmanager
def counted_bytes(size: int, stage: str) -> Iterator[Callable[[int], None]]:
    """Report bytes, as megabytes, where there are so many that it takes seconds.

    Args:
        size: How many there will be.
        stage: The name of the stage.

    Yields:
        A function to be called with how many more are done.
    """
    if size < MANY_BYTES:
        yield lambda more: None  # noqa: ARG005
        return
    done = 0
    with current_progress() as report:

        def add(more: int) -> None:
            nonlocal done
            done += more
            report(min(done, size) // MEGABYTE, size // MEGABYTE, stage)

        add(0)
        yield add
        add(size - done)  # such as what a file has besides


class _StopError(BaseException):
    """A caller's callable raised: passes by all that handles the errors of files and libraries."""


class _Given:
    """Calls the callable of a caller; what that raises is kept until it can leave as it was."""

    is_given = True

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._raised: BaseException | None = None

    def __call__(self, done: int, total: int, stage: str, /) -> None:
        if self._raised is not None:
            return  # what still has to be done, such as a checkpoint, is not reported
        token = _current.set(None)  # what the callable itself calls is no part of this
        try:
            self._progress(done, total, stage)
        except BaseException as error:
            self._raised = error
            raise _StopError from error
        finally:
            _current.reset(token)

    def raise_as_it_was(self) -> None:
        """Raise what the callable raised, if it did."""
        error, self._raised = self._raised, None
        if error is None:
            return
        context = error.__context__
        try:
            raise error
        finally:
            error.__context__ = context
            del error


class _Silence:
    is_given = False

    def __call__(self, done: int, total: int, stage: str, /) -> None:
        pass

    def close(self) -> None:
        pass


def _is_first_process() -> bool:
    """Whether this is the first of the processes that a launcher started, or the only process."""
    rank = os.environ.get("RANK", "")
    return not (rank.isdecimal() and int(rank))


class _Drawing:
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
            state = self._stages[stage] = _Stage(" ".join(visible(stage).split()), done)
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
        return f"{self.name}: {self.text()}"

    def text(self, *, stopped: bool = False) -> str:
        """Such as ``"120 of 1,000 (12%), 11.2 a second, about 0:01:19 left"``."""
        seconds = time.monotonic() - self.begun
        share = f" ({self.done / self.total:.0%})" if self.total else ""
        text = f"{self.done:,} of {self.total:,}{share}"
        if self.is_over or stopped:
            return f"{text}, {'in' if self.is_over else 'stopped after'} {duration(seconds)}"
        done = self.done - self._first
        if not done or not seconds:
            return text
        rate = done / seconds
        speed = f"{rate:.3g} a second" if rate >= 1 else f"{duration(1 / rate)} each"
        left = max(1, round((self.total - self.done) / rate))
        return f"{text}, {speed}, about {duration(left)} left"


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
            "text/plain": f"{stage.name}: {text}",
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
