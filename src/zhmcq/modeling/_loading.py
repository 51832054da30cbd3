"""One thread of the process makes or loads a model at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

__all__ = ["loading"]

_lock = threading.RLock()


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Make layers, or load a model or a tokenizer, in a ``with`` block or a decorated function.

    While it makes a model, transformers changes what the whole process shares: torch's default
    dtype, the method that ties embeddings, functions that set first weights, classes of layers. It
    puts back what it found, so that two threads at once may leave each other's changes for good,
    and a model without its weights. A new adapter's layers are made by the same functions.

    Downloads stay outside: they take long, and change nothing.
    """
    with _lock:
        yield
