"""A progress bar for long files, on a terminal only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from zhmcq.progress import progress_bar

__all__ = ["tracked"]

T = TypeVar("T")
LONG = 20_000
_STEP = 500


def tracked(items: Iterable[T], expected: int, what: str) -> Iterator[T]:
    """Pass items on; draw a bar if there are about 20,000 or more and stderr is a terminal."""
    if expected < LONG:
        yield from items
        return
    with progress_bar() as report:
        report(0, expected, what)
        for number, item in enumerate(items, 1):
            if number % _STEP == 0:
                report(number, expected, what)
            yield item
