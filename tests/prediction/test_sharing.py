"""Threads use one thing together, and change it one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from zhmcq.errors import PredictionError
from zhmcq.prediction._sharing import SharedUse

SOON = 0.2  # seconds in which a thread that need not wait has long come through


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def test_many_use_it_at_once(pool: ThreadPoolExecutor) -> None:
    sharing, together = SharedUse(), threading.Barrier(8)

    def use() -> None:
        with sharing.use():
            together.wait(10)

    for used in [pool.submit(use) for _ in range(8)]:
        used.result(10)


def test_a_change_waits_for_those_before_and_those_after_wait_for_it(
    pool: ThreadPoolExecutor,
) -> None:
    sharing, order = SharedUse(), []

    def change() -> None:
        with sharing.change():
            order.append("change")

    def use() -> None:
        with sharing.use():
            order.append("use")

    with sharing.use():
        changed = pool.submit(change)
        with pytest.raises(TimeoutError):
            changed.result(SOON)
        later = pool.submit(use)
        with pytest.raises(TimeoutError):
            later.result(SOON)
        with sharing.use():  # this thread is in already
            assert order == []
    changed.result(10)
    later.result(10)
    assert order == ["change", "use"]


def test_who_uses_it_and_wants_it_alone_waits_for_the_others(pool: ThreadPoolExecutor) -> None:
    sharing = SharedUse()

    def alone() -> None:
        with sharing.use(), sharing.alone():
            pass

    with sharing.use():
        waiting = pool.submit(alone)
        with pytest.raises(TimeoutError):
            waiting.result(SOON)
        with sharing.use(), sharing.alone():  # only for others
            pass
    waiting.result(10)


def test_of_several_who_want_it_alone_one_after_the_other_goes_on(pool: ThreadPoolExecutor) -> None:
    """Each uses what it has set until its end; none waits for one that waits for it."""
    sharing, together, value = SharedUse(), threading.Barrier(8), [-1]

    def work(number: int) -> bool:
        with sharing.use():
            together.wait(10)
            with sharing.alone():
                value[0] = number
            time.sleep(0.02)  # others would change it meanwhile
            return value[0] == number

    assert all(pool.map(work, range(8)))


def test_a_thread_does_not_wait_for_itself() -> None:
    sharing = SharedUse()
    with (
        sharing.use(),
        pytest.raises(PredictionError, match="not in its progress function"),
        sharing.change(),
    ):
        pass
    with sharing.change():
        pass
