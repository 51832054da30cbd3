"""Warnings are ignored in a block, and no filter of it stays, whatever threads do."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from zhmcq._warnings import ignored_warnings


@pytest.mark.parametrize(
    ("named", "left"),
    [
        ({"message": "of no "}, ["of concern"]),
        ({"message": "no concern"}, ["of concern", "of no concern"]),  # not at the start
        ({"category": DeprecationWarning}, ["of concern", "of no concern"]),
        ({"category": UserWarning}, []),
        ({"module": "another"}, ["of concern", "of no concern"]),
        ({"module": __name__}, []),
    ],
)
def test_only_the_warnings_that_were_named_are_ignored(
    named: dict[str, Any], left: list[str]
) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with ignored_warnings(**named):
            for message in ("of concern", "of no concern"):
                warnings.warn(message, UserWarning, stacklevel=1)
        assert [str(warning.message) for warning in seen] == left
        warnings.warn("after the block", UserWarning, stacklevel=1)
    assert str(seen[-1].message) == "after the block"


def test_blocks_of_threads_that_overlap_leave_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    first_in, second_in = threading.Event(), threading.Event()
    first_out = threading.Event()

    def first() -> None:
        with ignored_warnings("no concern"):
            first_in.set()
            second_in.wait(10)
        first_out.set()

    def second() -> bool:
        first_in.wait(10)
        with ignored_warnings("no concern"):
            second_in.set()
            first_out.wait(10)
            return list(warnings.filters) != before

    with ThreadPoolExecutor(2) as pool:
        pool.submit(first)
        assert pool.submit(second).result(10)
    assert list(warnings.filters) == before
