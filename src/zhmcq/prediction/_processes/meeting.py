"""How processes of a launcher come together for one call, and tell each other that they live."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from zhmcq._visible import visible
from zhmcq.errors import PredictionError
from zhmcq.prediction._processes.exchange import Exchange
from zhmcq.prediction._processes.team import (
    BEATS,
    BETWEEN_BEATS,
    ENDED,
    FIRST_CALL,
    Team,
)

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # has no stub

__all__ = ["joined", "launched"]

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
PORTS = 65_536

_exchange: Exchange | None = None
_calls = 0
_in_call = threading.Lock()


def launched() -> bool:
    """Whether a launcher started this process together with others."""
    size = os.environ.get("WORLD_SIZE", "")
    return size.isdecimal() and int(size) > 1


@contextlib.contextmanager
def joined() -> Iterator[Team | None]:
    """The processes that make this call together; ``None`` where there is this one alone.

    An error that leaves the block ends the others' call too.

    Raises:
        PredictionError: If not every process comes here, if the launcher's variables are not
            whole, or if another thread is in such a call.
    """
    global _exchange, _calls  # noqa: PLW0603  the processes of a launcher are those of the whole run
    if not launched():
        yield None
        return
    if not _in_call.acquire(blocking=False):
        raise PredictionError(
            "another thread of this process predicts together with the other processes: under a "
            "launcher there is one prediction at a time"
        )
    try:
        launch = _Launch.of_environment()
        if _exchange is None:
            _exchange = _connected(launch)
        _calls += 1
        team = Team(_exchange, _calls, launch.rank, launch.count)
        try:
            yield team
            team.leave()
        except BaseException as error:
            team.fail(error)
            raise
    finally:
        _in_call.release()


@dataclass(frozen=True, slots=True)
class _Launch:
    """What a launcher tells a process.

    Attributes:
        rank: The number of this process, from 0.
        count: How many processes there are.
        address: The machine of the store.
        port: The store's port.
        attempt: How often the launcher has started the processes anew.
        has_store: Whether the launcher serves the store itself, and not the first process.
    """

    rank: int
    count: int
    address: str
    port: int
    attempt: str
    has_store: bool

    @classmethod
    def of_environment(cls) -> _Launch:
        """Read the variables of torch's launchers.

        Raises:
            PredictionError: If one is missing, or is not what it has to be.
        """
        values = {name: os.environ.get(name, "") for name in VARIABLES}
        numbers = {
            name: int(value) if value.isdecimal() and len(value) < len(str(PORTS)) + 1 else -1
            for name, value in values.items()
        }
        rank, count, port = numbers["RANK"], numbers["WORLD_SIZE"], numbers["MASTER_PORT"]
        if not (0 <= rank < count and values["MASTER_ADDR"] and 0 < port < PORTS):
            shown = ", ".join(f"{name}={visible(value):.40}" for name, value in values.items())
            raise PredictionError(
                "WORLD_SIZE says that a launcher started several processes, but expected from it "
                f"RANK, MASTER_ADDR and MASTER_PORT too, found {shown}: start the script by "
                "'accelerate launch', or unset WORLD_SIZE to answer with this process alone"
            )
        return cls(
            rank,
            count,
            values["MASTER_ADDR"],
            port,
            os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"),
            os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        )


def _connected(launch: _Launch) -> Exchange:
    """The messages of all processes, to which this one gives signs of life until it ends."""
    # A launcher's store outlives processes that it starts anew.
    exchange = Exchange(_store(launch)).within(f"attempt {launch.attempt}")
    exchange.count(f"{BEATS}/{launch.rank}", 1)
    over = threading.Event()

    def beat() -> None:
        with contextlib.suppress(PredictionError):  # the store is gone: nobody waits any more
            while not over.wait(BETWEEN_BEATS):
                exchange.count(f"{BEATS}/{launch.rank}", 1)

    beating = threading.Thread(target=beat, name="zhmcq beats", daemon=True)
    beating.start()

    def end() -> None:
        over.set()
        beating.join(BETWEEN_BEATS)
        with contextlib.suppress(PredictionError):
            exchange.put(f"{ENDED}/{launch.rank}", True)

    atexit.register(end)
    return exchange


def _store(launch: _Launch) -> TCPStore:
    """Torch's store of these processes, whether or not a process group uses it already.

    It is opened in a thread: torch listens to no Ctrl-C meanwhile, and waits for ever for a
    stranger's answer at that port.

    Raises:
        PredictionError: If it cannot be opened, or is not reached in time.
    """
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # has no stub

    stores: list[TCPStore] = []
    errors: list[Exception] = []
    arguments: dict[str, Any] = {
        "host_name": launch.address,
        "port": launch.port,
        "is_master": launch.rank == 0 and not launch.has_store,
        "timeout": timedelta(seconds=FIRST_CALL),
        "wait_for_workers": False,
        "multi_tenant": True,  # one in this process for all that is at this port
        "use_libuv": os.environ.get("USE_LIBUV", "1") == "1",
    }

    def connect() -> None:
        try:
            stores.append(TCPStore(**arguments))
        except Exception as error:
            errors.append(error)

    opening = threading.Thread(target=connect, name="zhmcq store", daemon=True)
    opening.start()
    opening.join(FIRST_CALL)
    if stores:
        return stores[0]
    error = errors[0] if errors else TimeoutError(f"no answer for {FIRST_CALL:.0f} seconds")
    raise PredictionError(
        f"process {launch.rank} of {launch.count} cannot reach the others at {launch.address}:"
        f"{launch.port} (MASTER_ADDR and MASTER_PORT): every process has to call predict, and no "
        f"other program may have that port ({type(error).__name__}: {visible(str(error)):.300})"
    ) from error
