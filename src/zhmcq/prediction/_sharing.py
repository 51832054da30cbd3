"""A lock for threads that share a model: many use it at once, one alone changes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from zhmcq.errors import PredictionError

__all__ = ["SharedUse"]


class SharedUse:
    """Lets threads use something together, or one change it while no other uses it.

    Who wants to change it waits until those before have ended, and those that come later wait for
    the change; so the change comes, however busy the others are.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._users: dict[int, int] = {}  # by thread, how often it is in use() now
        self._waiting: set[int] = set()  # those of them that wait in alone()
        self._changing = 0  # threads that change it, or wait to

    @contextmanager
    def use(self) -> Iterator[None]:
        """Use it in a ``with`` block; a thread that is in one may enter another."""
        thread = threading.get_ident()
        with self._condition:
            if thread not in self._users:
                self._condition.wait_for(lambda: not self._changing)
            self._users[thread] = self._users.get(thread, 0) + 1
        try:
            yield
        finally:
            with self._condition:
                self._users[thread] -= 1
                if not self._users[thread]:
                    del self._users[thread]
                self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Change it in a ``with`` block inside of ``use()``, before this thread goes on to use it.

        Several threads may come to this point. They do not wait for each other's use to end, which
        would never be, but one after the other changes it and goes on, and the next one waits for
        that one's end. Each has to look anew at what it finds here.
        """
        thread = threading.get_ident()
        with self._condition:
            self._changing += 1
            self._waiting.add(thread)
            try:
                self._condition.wait_for(lambda: self._users.keys() <= self._waiting)
                yield
            finally:
                self._waiting.discard(thread)
                self._changing -= 1
                self._condition.notify_all()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Change it in a ``with`` block.

        Raises:
            PredictionError: If the same thread is using it, so that it would wait for itself.
        """
        with self._condition:
            if threading.get_ident() in self._users:
                raise PredictionError(
                    "the adapter cannot be changed while this thread predicts: call use_adapter "
                    "after predict has returned, not in its progress function"
                )
            self._changing += 1
            try:
                self._condition.wait_for(lambda: not self._users)
                yield
            finally:
                self._changing -= 1
                self._condition.notify_all()
