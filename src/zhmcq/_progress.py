"""Reports of progress: one form of callable everywhere, and what draws them where none is given.

A public function opens :class:`reporting` with the callable that it was given. What it calls
reports to :func:`current_progress`, so that nothing has to hand the callable down.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Protocol

from zhmcq._bars import Drawing
from zhmcq.errors import ZhmcqError

__all__ = [
    "MEGABYTE",
    "Progress",
    "counted_bytes",
    "current_progress",
    "reporting",
    "require_progress",
]

MEGABYTE = 10**6
MANY_BYTES = 1000 * MEGABYTE  # a second or more of hashing


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
    are drawn on a terminal and in a notebook, and lines are logged; see :class:`Drawing`.

    Args:
        progress: What the caller gave.
    """

    def __init__(self, progress: Progress | None) -> None:
        outer = _current.get()
        self._drawing: Drawing | None = None
        self._given: _Given | None = None
        if not _is_first_process():
            self._receiver: _Receiver = _Silence()
        elif progress is not None:
            self._receiver = self._given = _Given(progress)
        elif outer is not None:
            self._receiver = outer
        else:
            self._receiver = self._drawing = Drawing()

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
    drawing: Drawing | _Silence = Drawing() if _is_first_process() else _Silence()
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
