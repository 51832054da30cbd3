"""The processes of one call, as one of them sees them: what they say, and who is waited for."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from zhmcq._visible import visible
from zhmcq.errors import PredictionError
from zhmcq.prediction._processes.exchange import Exchange

__all__ = ["BEATS", "BETWEEN_BEATS", "ENDED", "Team"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

BETWEEN_LOOKS = 0.05  # seconds
BEFORE_A_LINE = 60.0  # seconds of waiting
BETWEEN_BEATS = 5.0  # seconds
SILENCE = 300.0  # seconds without a sign of life, after which a process counts as ended
FIRST_CALL = 1800.0  # seconds that a process may take to its first call, as torch allows
MAX_QUOTED = 1000  # characters of another process's error

# Names that hold beyond one call, each followed by the number of a process.
BEATS = "beats"  # how many signs of life it has given
ENDED = "ended"  # that it has ended in an orderly way


class Team:
    """The processes of one call.

    A wait for others has no time limit, whichever GPU is slower, as long as they live.

    Args:
        exchange: What they leave each other messages in.
        call: Tells the messages of this call from those of others.
        rank: The number of this process, from 0.
        count: How many processes there are.
    """

    def __init__(self, exchange: Exchange, call: int, rank: int, count: int) -> None:
        self.rank = rank
        self.count = count
        self._everywhere = exchange
        self._messages = exchange.within(str(call))
        self._turn = 0
        self._sent = 0
        self._taken = [0] * count

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def same(self, value: T) -> T:
        """The first process's value, in every process.

        Args:
            value: Something that json holds without a change.
        """
        self._turn += 1
        if self.is_first:
            self._messages.put(self._said_by(0), value)
            return value
        for _ in self._until_said_by([0]):
            pass
        values: T = self._messages.get(self._said_by(0))
        return values

    def gathered(self, value: Any) -> list[Any]:
        """The values of all processes, in their order, in every process.

        Args:
            value: Something that json can hold.
        """
        self._turn += 1
        self._messages.put(self._said_by(self.rank), value)
        for _ in self._until_said_by(range(self.count)):
            pass
        return [self._messages.get(self._said_by(rank)) for rank in range(self.count)]

    def coming(self) -> Iterator[None]:
        """Say that this process is here; in the first one, give the time until all are.

        Raises:
            PredictionError: If one of them failed, or has ended.
        """
        self._turn += 1
        self._messages.put(self._said_by(self.rank), None)
        if self.is_first:
            yield from self._until_said_by(range(self.count))

    def leave(self) -> None:
        """End the call: the first process, which may serve the store, goes last."""
        for _ in self.coming():
            pass
        if self.is_first:
            turns, self._turn = self._turn, 0
            while self._turn < turns:
                self._turn += 1
                for rank in range(self.count):
                    self._messages.drop(self._said_by(rank))

    def fail(self, error: BaseException) -> None:
        """Let the others know that this process does not go on."""
        text = f"{type(error).__name__}: {error}"[:MAX_QUOTED]
        with contextlib.suppress(PredictionError):
            if not self._messages.has("failed"):
                self._messages.put("failed", [self.rank, text])

    def refuse_if_failed(self) -> None:
        """End the call if another process's has ended.

        Raises:
            PredictionError: If one failed.
        """
        if self._messages.has("failed"):
            rank, text = self._messages.get("failed")
            raise PredictionError(
                f"process {rank} of {self.count} failed, which ends the prediction of all: "
                f"{visible(text)}"
            )

    def send(self, records: Sequence[Any]) -> None:
        """Give the first process what this one has computed."""
        self._messages.put(f"{self.rank}/{self._sent}", records)
        self._sent += 1

    def received(self) -> list[Any]:
        """What the other processes have sent since the last call, in the first process."""
        records: list[Any] = []
        for rank in range(1, self.count):
            while self._messages.has(name := f"{rank}/{self._taken[rank]}"):
                records += self._messages.get(name)
                self._messages.drop(name)
                self._taken[rank] += 1
        return records

    def refuse_different(self, fields: Mapping[str, Any]) -> None:
        """Refuse processes whose calls differ.

        Args:
            fields: What the answers depend on.

        Raises:
            PredictionError: If another process has others.
        """
        everyones = self.gathered(fields)
        known = {name for each in everyones for name in each}
        names = sorted(
            name
            for name in known
            if any(each.get(name) != everyones[0].get(name) for each in everyones)
        )
        if names:
            raise PredictionError(
                f"the processes were given different things ({', '.join(names)}): expected of "
                "every process the same model, adapter, prompt, mode and questions"
            )

    def _said_by(self, rank: int) -> str:
        return f"turn {self._turn}/{rank}"

    def _until_said_by(self, ranks: Sequence[int]) -> Iterator[None]:
        """Give the time until these processes have come as far as this one."""
        missing = list(ranks)
        beats, silent = dict.fromkeys(ranks, 0), dict.fromkeys(ranks, 0.0)
        begun = looked = time.monotonic()
        logged = False
        while missing := [rank for rank in missing if not self._messages.has(self._said_by(rank))]:
            self.refuse_if_failed()
            for rank in missing:
                if self._everywhere.has(f"{ENDED}/{rank}"):
                    self._refuse_ended(rank, "has ended without making this call")
            now = time.monotonic()
            if now - looked >= BETWEEN_BEATS:
                # No more than twice that counts: this process may itself have been suspended.
                passed, looked = min(now - looked, 2 * BETWEEN_BEATS), now
                for rank in missing:
                    before, beats[rank] = beats[rank], self._everywhere.count(f"{BEATS}/{rank}")
                    silent[rank] = silent[rank] + passed if beats[rank] == before else 0.0
                    limit = SILENCE if beats[rank] else FIRST_CALL
                    if silent[rank] > limit:
                        reason = f"has given no sign of life for {limit:.0f} seconds"
                        self._refuse_ended(rank, reason)
            if not logged and now - begun > BEFORE_A_LINE:
                logged = True
                logger.warning(
                    "process %d waits for %d of %d processes; each of them has to call predict",
                    self.rank, len(missing), self.count,
                )  # fmt: skip
            yield
            time.sleep(BETWEEN_LOOKS)

    def _refuse_ended(self, rank: int, reason: str) -> None:
        """End the call because of a process that is no more, unless it had come before its end."""
        if not self._messages.has(self._said_by(rank)):
            raise PredictionError(
                f"process {rank} of {self.count} {reason}: under a launcher every process has to "
                "call predict, with the same arguments"
            )
