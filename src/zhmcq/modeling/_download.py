"""Downloads of the hub's client, shown as zhmcq's own progress and stopped with the call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, Self

from zhmcq._progress import MEGABYTE, current_progress

__all__ = ["reported_download"]

BETWEEN_REPORTS = 0.25  # seconds
UNIT = "B"  # of the bars that count bytes
OF_NETWORK = "Downloading"  # how the text of the one of them begins that is not of files


class _StoppedError(Exception):
    """The call that wanted the files has ended."""


class _Bytes:
    """How much of the files has been written, as the threads of a download count it."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self.is_stopped = False

    def add(self, more: int) -> None:
        if self.is_stopped:
            raise _StoppedError
        self.done += more


def reported_download(download: Callable[..., str], name: str) -> str:
    """Download files, and report how many megabytes of them are there.

    Reports are made, and may raise, in the thread of the call; the files come in another one.

    Args:
        download: The client's function with its arguments, which takes ``tqdm_class`` as well.
        name: What is downloaded, for the name of the stage.

    Returns:
        What ``download`` returns.
    """
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
    )

    counts = _Bytes()
    result: Future[str] = Future()

    def run() -> None:
        try:
            result.set_result(download(tqdm_class=partial(_Bar, counts)))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    with current_progress() as report:
        try:
            is_over = False
            while not is_over:
                is_over = bool(wait([result], BETWEEN_REPORTS).done)
                total = counts.total // MEGABYTE
                has_failed = is_over and result.exception() is not None
                if total and not has_failed and not are_progress_bars_disabled():
                    done = total if is_over else min(counts.done // MEGABYTE, total)
                    report(done, total, f"downloading {name}")
            return result.result()
        finally:
            counts.is_stopped = True  # where a report or Ctrl-C has ended the call


class _Bar:
    """Stands in for a bar of the client: counts what is written of the files.

    The client has a second bar of bytes, of what comes over the network, which with deduplication
    is less than what the files have; and one of files.

    Args:
        counts: Where it is counted.
        desc: What the bar is of.
        unit: What it counts.
    """

    def __init__(self, counts: _Bytes, *_: Any, desc: str = "", unit: str = "", **__: Any) -> None:
        self._counts = counts if unit == UNIT and not desc.startswith(OF_NETWORK) else _Bytes()
        self.format_dict: dict[str, Any] = {}

    @property
    def n(self) -> int:
        """How much is done."""
        return self._counts.done

    @property
    def total(self) -> int:
        """Of how much."""
        return self._counts.total

    @total.setter
    def total(self, total: int | None) -> None:
        self._counts.total = total or 0

    def update(self, more: float | None = 1) -> None:
        """Count more as done."""
        self._counts.add(int(more or 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Whatever else a bar can do: show a text, be drawn anew, be closed."""
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_args, **_kwargs: None
