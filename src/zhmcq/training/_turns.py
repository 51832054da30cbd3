"""Trainings of one process take turns: torch has one random state for all of its threads."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

from zhmcq._phrases import records
from zhmcq.errors import TrainingError

__all__ = ["one_training_at_a_time"]

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def one_training_at_a_time() -> Iterator[None]:
    """Let other threads' trainings wait: all draw from the random state of the process.

    Raises:
        TrainingError: If this thread is training already, as in a callback.
    """
    if _training.owner == threading.get_ident():
        raise TrainingError(
            "a training cannot start within another one, whose random numbers it would draw: "
            "start it when the other has ended"
        )
    if not _training.lock.acquire(blocking=False):
        logger.info("%s", records.waits_for_training())
        _training.lock.acquire()
    try:
        _training.owner = threading.get_ident()
        yield
    finally:
        _training.owner = None
        _training.lock.release()


class _Training:
    """The training that runs in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.owner: int | None = None


_training = _Training()
