"""Memory that runs out, said in one way whichever library asked for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from zhmcq.errors import ZhmcqError

__all__ = ["enough_memory", "memory_errors"]


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turn what torch raises when memory runs out into Python's own error.

    Raises:
        MemoryError: If memory runs out.
    """
    try:
        yield
    except RuntimeError as error:
        # On CPUs torch raises a plain RuntimeError.
        full = ("can't allocate memory", "out of memory")
        if isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in full):
            raise MemoryError(str(error)) from error
        raise


@contextlib.contextmanager
def enough_memory(kind: type[ZhmcqError], task: str, remedy: str) -> Iterator[None]:
    """Turn the error that memory runs out into one with a remedy.

    Args:
        kind: The class of the error.
        task: What was done, to follow "memory ran out while".
        remedy: What needs less memory.

    Raises:
        ZhmcqError: Of that class, if memory runs out.
    """
    try:
        with memory_errors():
            yield
    except MemoryError as error:
        said = f" ({str(error).splitlines()[0]:.200})" if str(error) else ""
        raise kind(
            f"memory ran out while {task}: {remedy}, or close other programs{said}"
        ) from error
