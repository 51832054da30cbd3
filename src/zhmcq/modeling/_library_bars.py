"""transformers' progress bars, shown as zhmcq's own: in a log as lines, not as overwritten ones."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from zhmcq._progress import Progress, current_progress
from zhmcq.modeling._loading import loading

__all__ = ["reported_bars"]

# Its bar is tqdm's own, which no setting of transformers reaches.
GGUF_MODULE = "transformers.modeling_gguf_pytorch_utils"


@contextlib.contextmanager
def reported_bars() -> Iterator[None]:
    """In the block, what transformers draws bars of in this thread goes to ``current_progress``.

    Where its bars are disabled, by its own switch or that of the hub's library, nothing is
    reported of them.
    """
    from transformers.utils import logging as bars

    thread = threading.get_ident()
    with loading(), current_progress() as report:

        def reported(factory: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            if threading.get_ident() != thread or not bars.is_progress_bar_enabled():
                return factory(*args, **kwargs)
            return _ReportedBar(report, *args, **kwargs)

        with _replaced_in_gguf(reported, bars.EmptyTqdm):
            previous = bars.set_tqdm_hook(reported)
            try:
                yield
            finally:
                bars.set_tqdm_hook(previous)


@contextlib.contextmanager
def _replaced_in_gguf(reported: Callable[..., Any], disabled: Any) -> Iterator[None]:
    """In the block, the module that converts GGUF files has ``reported`` in place of tqdm."""
    module: Any = importlib.import_module(GGUF_MODULE)
    original = module.tqdm
    is_enabled = importlib.import_module("transformers.utils.logging").is_progress_bar_enabled

    def bar(*args: Any, **kwargs: Any) -> Any:
        return reported(original if is_enabled() else disabled, args, kwargs)

    module.tqdm = bar
    try:
        yield
    finally:
        module.tqdm = original


class _ReportedBar:
    """Stands in for a bar of tqdm: reports what is done of its items.

    Args:
        report: Where reports go.
        iterable: The items, if the bar is iterated over.
        desc: What the bar is of, as tqdm has it.
        total: The number of items, if there is no iterable.
    """

    def __init__(
        self, report: Progress, iterable: Any = None, desc: str = "", total: Any = None, **_: Any
    ) -> None:
        self._report = report
        self._items = iterable
        self._stage = (desc[:1].lower() + desc[1:]).rstrip(".: ") or "loading"
        self._done, self._total = 0, len(iterable) if hasattr(iterable, "__len__") else total or 0
        self.update(0)

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            yield item
            self.update()

    def update(self, count: float | None = 1) -> None:
        """Count more of the items as done."""
        self._done += int(count or 0)
        self._report(self._done, max(self._done, self._total), self._stage)

    def __enter__(self) -> _ReportedBar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Whatever else a bar can do: show more text, close."""
        return lambda *_args, **_kwargs: None
