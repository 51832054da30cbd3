"""One prediction by several processes that a launcher started: a share for each, one result.

Every process reads and encodes the same questions and answers its share of them. What it computed
goes to the first process at each step, which alone writes the journal and reports. In the end every
process has all records, and so the same predictions.

Processes wait for each other by asking a store that the first one serves, and exchange values only
once all of them are there: a wait has no time limit, whichever GPU is slower, and it ends as soon
as one of them fails.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from zhmcq._visible import visible
from zhmcq.errors import PredictionError
from zhmcq.prediction._engines import Engine, EngineStep, PreparedQuestion, Record
from zhmcq.prediction._predictions import PredictionStats

if TYPE_CHECKING:
    import torch
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # has no stub

__all__ = ["AnswersOfOthers", "Team", "joined", "launched", "share_out", "shared_steps"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

BETWEEN_LOOKS = 0.05  # seconds
BEFORE_A_LINE = 60.0  # seconds of waiting
SENT_AT_ONCE = 200  # records; the store takes 8 MB at once
MAX_QUOTED = 1000  # characters of another process's error
CONNECT = timedelta(minutes=5)

_store: TCPStore | None = None
_calls = 0
_in_call = threading.Lock()


def launched() -> bool:
    """Whether a launcher started this process together with others."""
    size = os.environ.get("WORLD_SIZE", "")
    return size.isdecimal() and int(size) > 1


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Team | None]:
    """The processes that make this call together; ``None`` where there is this one alone.

    An error that leaves the block ends the others' call too.

    Args:
        device: Where this process computes.

    Raises:
        PredictionError: If not every process comes here, or another thread is in such a call.
    """
    if not launched():
        yield None
        return
    if not _in_call.acquire(blocking=False):
        raise PredictionError(
            "another thread of this process predicts together with the other processes: under a "
            "launcher there is one prediction at a time"
        )
    try:
        team = _meet(device)
        if team is None:
            yield None
            return
        try:
            yield team
        except BaseException as error:
            team.fail(error)
            raise
    finally:
        _in_call.release()


class Team:
    """The processes of one call, as one of them sees them.

    Args:
        store: What they leave each other messages in.
        call: Tells the messages of this call from those of others.
        rank: The number of this process, from 0.
        count: How many processes there are.
    """

    def __init__(self, store: TCPStore, call: int, rank: int, count: int) -> None:
        self.rank = rank
        self.count = count
        self._store = store
        self._call = call
        self._turn = 0
        self._sent = 0
        self._taken = [0] * count

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def same(self, value: T) -> T:
        """The first process's value, in every process."""
        from accelerate.utils import broadcast_object_list

        values = [value]
        self.wait()
        with _reachable():
            broadcast_object_list(values)
        return values[0]

    def gathered(self, value: T) -> list[T]:
        """The values of all processes, in their order."""
        from accelerate.utils import gather_object

        self.wait()
        with _reachable():
            values: list[T] = gather_object([value])
        return values

    def wait(self) -> None:
        """Wait until every process is here."""
        for _ in self.waiting():
            pass

    def waiting(self) -> Iterator[None]:
        """Say that this process is here, and give the time until all are.

        Raises:
            PredictionError: If one of them failed, or has ended.
        """
        self._turn += 1
        key = self._key(f"turn {self._turn}")
        with _reachable():
            self._store.add(key, 1)
        begun, said = time.monotonic(), False
        while True:
            with _reachable():
                here = self._store.add(key, 0)
            if here == self.count:
                return
            self.refuse_if_failed(waiting=True)
            if not said and time.monotonic() - begun > BEFORE_A_LINE:
                said = True
                logger.info(
                    "process %d waits for %d of %d processes; each of them has to make this call",
                    self.rank, self.count - here, self.count,
                )  # fmt: skip
            yield
            time.sleep(BETWEEN_LOOKS)

    def fail(self, error: BaseException) -> None:
        """Let the others know that this process does not go on."""
        with contextlib.suppress(RuntimeError):
            if not self._store.check([self._key("failed")]):
                text = f"{type(error).__name__}: {error}"[:MAX_QUOTED]
                self._store.set(self._key("failed"), json.dumps([self.rank, text]))

    def refuse_if_failed(self, *, waiting: bool = False) -> None:
        """End the call if another process's has ended.

        Args:
            waiting: Whether this process needs the others to go on.

        Raises:
            PredictionError: If one failed; while waiting, also if one has ended as a process.
        """
        with _reachable():
            if self._store.check([self._key("failed")]):
                rank, text = json.loads(self._store.get(self._key("failed")))
                raise PredictionError(
                    f"process {rank} of {self.count} failed, which ends the prediction of all: "
                    f"{visible(text)}"
                )
            if waiting and self._store.check(["ended"]):
                rank = int(self._store.get("ended"))
                raise PredictionError(
                    f"process {rank} of {self.count} has ended without making this call: under a "
                    "launcher every process has to call predict, with the same arguments"
                )

    def send(self, records: Sequence[Record]) -> None:
        """Give the first process what this one has computed."""
        for start in range(0, len(records), SENT_AT_ONCE):
            part = json.dumps(records[start : start + SENT_AT_ONCE])
            with _reachable():
                self._store.set(self._key(f"{self.rank}/{self._sent}"), part)
            self._sent += 1

    def received(self) -> list[Record]:
        """What the other processes have sent since the last call, in the first process."""
        records: list[Record] = []
        with _reachable():
            for rank in range(1, self.count):
                while self._store.check([key := self._key(f"{rank}/{self._taken[rank]}")]):
                    records += json.loads(self._store.get(key))
                    self._store.delete_key(key)
                    self._taken[rank] += 1
        return records

    def refuse_different(self, fields: Mapping[str, Any]) -> None:
        """Refuse processes whose calls differ.

        Args:
            fields: What the answers depend on.

        Raises:
            PredictionError: If another process has others.
        """
        everyones = self.gathered(dict(fields))
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

    def _key(self, name: str) -> str:
        return f"{self._call}/{name}"


@dataclass(frozen=True, slots=True)
class AnswersOfOthers:
    """Stands for a journal in a process that has none, or does not write it.

    Attributes:
        finished: The answers that the journal held, by the question's id.
    """

    finished: dict[str, Record] = field(default_factory=dict)

    def add(self, records: list[Record]) -> None:
        """Nothing: the first process writes."""


def shared_steps(
    team: Team, engine: Engine, questions: Sequence[PreparedQuestion], finished: dict[str, Record]
) -> Iterator[EngineStep]:
    """Compute a share of the questions, and give the records of all of them.

    Args:
        team: The processes.
        engine: How questions are answered.
        questions: What no process has answered yet, the same in all of them.
        finished: The records that there are, to which those of a phase are added at its end.

    Yields:
        In the first process each step, its own and those of others; in the others the records of
        a phase at once, when all have computed theirs. The last one has the statistics of all.
    """
    stats, count = PredictionStats(), 0
    for phase in engine.phases(questions):
        computed: dict[str, Record] = {}
        for step in engine.stream(share_out(phase, team.count)[team.rank]):
            stats = step.stats
            if team.is_first:
                yield EngineStep(_added(computed, [*step.records, *team.received()]), stats)
            else:
                team.send(step.records)
            team.refuse_if_failed()
        for _ in team.waiting():
            if team.is_first and (records := team.received()):
                yield EngineStep(_added(computed, records), stats)
        if team.is_first:
            yield EngineStep(_added(computed, team.received()), stats)
        merged = team.same(list(computed.values()))
        finished.update((record["id"], record) for record in merged)
        count += len({record["id"] for record in merged}.intersection(q.id for q in phase))
        yield EngineStep([] if team.is_first else merged, stats)
    parts = team.gathered(stats)
    yield EngineStep([], replace(_sum(parts), questions=count))


def _added(computed: dict[str, Record], records: Iterable[Record]) -> list[Record]:
    """The records that are new: a label prior gives its questions the same ones in each process."""
    fresh = [record for record in records if computed.get(record["id"]) != record]
    computed.update((record["id"], record) for record in fresh)
    return fresh


def share_out(questions: Sequence[PreparedQuestion], count: int) -> list[list[PreparedQuestion]]:
    """Whole passages for each process, so that all have about as many tokens to compute.

    The longest first, each to who has the least: no share exceeds the best possible one by more
    than a third (Graham, 1969, "Bounds on Multiprocessing Timing Anomalies").

    Args:
        questions: The questions; each share has them in this order.
        count: How many shares.
    """
    passages: dict[tuple[str, int], list[int]] = {}
    for index, question in enumerate(questions):
        passage = question.encoded.passage
        passages.setdefault((passage, -1 if passage else index), []).append(index)
    sized = [(_tokens([questions[i] for i in members]), members) for members in passages.values()]
    loads, shares = [0] * count, [list[int]() for _ in range(count)]
    for tokens, members in sorted(sized, key=lambda item: (-item[0], item[1][0])):
        rank = loads.index(min(loads))
        loads[rank] += tokens
        shares[rank] += members
    return [[questions[index] for index in sorted(share)] for share in shares]


def _tokens(questions: Sequence[PreparedQuestion]) -> int:
    """About what the questions of a passage take, whose beginning is computed once."""
    lengths = [question.length for question in questions]
    shared = min(len(question.encoded.prompt) for question in questions)
    if len(questions) > 1:
        texts = [question.encoded.prompt for question in questions]
        first = texts[0]
        shared = min(_common(first, text) for text in texts[1:])
    return sum(lengths) - shared * (len(questions) - 1)


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids two prompts begin with alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def _sum(parts: Sequence[PredictionStats]) -> PredictionStats:
    """The statistics of all processes, which compute at the same time."""
    return PredictionStats(
        sum(part.questions for part in parts),
        max(part.seconds for part in parts),
        sum(part.tokens_given for part in parts),
        sum(part.tokens_computed for part in parts),
        sum(part.orders for part in parts),
    )


def _meet(device: torch.device) -> Team | None:
    """The processes of this call; the store that they share is made with the first one."""
    global _store, _calls  # noqa: PLW0603  the processes of a launcher are those of the whole run
    from accelerate import PartialState

    with _reachable(), _said_if_it_takes_long():
        state = PartialState(cpu=device.type == "cpu")
        if state.num_processes < 2:
            return None
        if _store is None:
            _store = _connected(first=state.process_index == 0)
            if state.process_index:
                atexit.register(_say_that_it_ends, _store, state.process_index)
    _calls += 1
    return Team(_store, _calls, state.process_index, state.num_processes)


@contextlib.contextmanager
def _said_if_it_takes_long() -> Iterator[None]:
    """Log what is waited for, in the first call, where torch waits half an hour without a word."""
    timer = threading.Timer(
        BEFORE_A_LINE,
        logger.warning,
        ["waiting for the other processes of the launcher: each of them has to call predict"],
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _connected(*, first: bool) -> TCPStore:
    from accelerate.utils import broadcast_object_list
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # has no stub

    address = os.environ.get("MASTER_ADDR", "127.0.0.1")
    port = [0]
    if first:
        store = TCPStore(address, 0, is_master=True, wait_for_workers=False, timeout=CONNECT)
        port = [store.port]
    broadcast_object_list(port)
    if not first:
        store = TCPStore(address, port[0], timeout=CONNECT)
    return store


def _say_that_it_ends(store: TCPStore, rank: int) -> None:
    with contextlib.suppress(RuntimeError):
        store.set("ended", str(rank))


@contextlib.contextmanager
def _reachable() -> Iterator[None]:
    """Turn torch's errors of communication into ours.

    Raises:
        PredictionError: If another process cannot be reached any more.
    """
    try:
        yield
    except RuntimeError as error:  # torch's errors of stores and backends are such
        raise PredictionError(
            "another process cannot be reached: it has ended, or did not make this call. Under a "
            "launcher every process has to call predict, with the same arguments "
            f"({type(error).__name__}: {visible(str(error)):.300})"
        ) from error
