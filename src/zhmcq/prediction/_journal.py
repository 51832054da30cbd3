"""A journal of finished answers, from which an interrupted prediction is resumed."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from zhmcq._files import locked, real_path
from zhmcq.errors import OutputError, PredictionError
from zhmcq.manifest import BaseIdentity, as_date
from zhmcq.modeling._identity import differences
from zhmcq.settings import DtypeName

__all__ = ["Journal", "JournalRun", "recorded_date"]

DTYPES: tuple[DtypeName, ...] = tuple(name for name in get_args(DtypeName) if name != "auto")


# How a first line begins. The date comes first, so that it can be read where the rest is torn off.
DATE = re.compile(rb'\{"zhmcq_journal": 1, "template_date": "([^"]*)"')
TORN_DATE = re.compile(rb'\{"zhmcq_journal": 1, "template_date": "[0-9-]*')


def recorded_date(path: str | Path) -> datetime.date | None:
    """The date that a journal's questions were rendered with; ``None`` if it names none.

    A journal that cannot be read has none: opening it says why.
    """
    try:
        if not Path(path).is_file():  # a pipe would never be opened
            return None
        with Path(path).open("rb") as file:
            match = DATE.match(file.read(200))
        return None if match is None else as_date(match[1].decode("ascii", "replace"))
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class JournalRun:
    """What the answers of a journal depend on.

    Attributes:
        base: The base model, kept as it is, so that a later refusal can say what differs.
        chat: Whether the questions are asked as chats, for which its chat template counts.
        fields: Everything else; only a hash of it is kept.
        template_date: The date in the chats (``"2026-11-26"``), kept so that a later call can tell
            it the chat template again; ``""`` if there is none.
        orders: How the orders of the options are chosen, kept as it is like the base model; empty
            where there is one order.
    """

    base: BaseIdentity
    chat: bool
    fields: dict[str, Any]
    template_date: str = ""
    orders: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """An append-only file: a line that identifies the run, then one json line for each answer.

    The first line holds the base model's identity, a hash of what else the answers depend on, and
    the dtype that they were computed in, which only :meth:`begin` decides for a new journal.

    Args:
        path: The file; it and its folder are made where there is none.
        run: What the answers depend on. A journal of another run is refused.
        fault: Returns what is wrong with a record, or ``None``; a journal with a wrong record is
            refused.

    Attributes:
        dtype: The name of the dtype that the journal was begun in; ``None`` for a new one.
        finished: The answers that the file held when it was opened, by the question's id.

    Raises:
        PredictionError: If the file is the journal of another run, or no journal at all, or is
            damaged; it is left as it was.
        OutputError: If it cannot be read or written, or another prediction is writing to it.
    """

    def __init__(
        self,
        path: str | Path,
        run: JournalRun,
        fault: Callable[[dict[str, Any]], str | None] = lambda record: None,  # noqa: ARG005
    ) -> None:
        self._path = Path(path)
        self._run = run
        fields = json.dumps(run.fields, sort_keys=True).encode()
        self._fields_sha256 = hashlib.sha256(fields).hexdigest()
        self.dtype: DtypeName | None = None
        self.finished: dict[str, dict[str, Any]] = {}
        busy = (
            f"another prediction is writing to the journal {self._path}: wait until it has ended, "
            "or give another file"
        )
        try:
            file = real_path(self._path)  # a link's lock is that of its file
            if file.exists() and not file.is_file():
                raise OutputError(
                    f"the journal {self._path} cannot be written: it is a folder, a device or a "
                    "pipe; give the name of a file"
                )
            lock = file.with_name(f"{file.name}.lock")
            with contextlib.ExitStack() as stack:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(lock, busy))
                # Unbuffered, so that closing after a failed write does not write again.
                self._file = stack.enter_context(self._path.open("ab", buffering=0))
                if self._path.stat().st_size > 0:
                    self._read(fault)
                self._open_files = stack.pop_all()
        except OutputError:
            raise
        except OSError as error:
            raise self._unwritable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open_files.close()

    def begin(self, dtype: DtypeName) -> None:
        """Write the first line of a new journal; one that was begun before stays as it is.

        Args:
            dtype: The name of the dtype that the answers are computed in.

        Raises:
            OutputError: If it cannot be written.
        """
        if self.dtype is None:
            self._append(_line(self._head(dtype)))
            self.dtype = dtype

    def of_other_dtype(self, name: str) -> PredictionError:
        """The error for a journal that is to be continued in another dtype than its own."""
        return PredictionError(
            f"{self._path} was begun in dtype {self.dtype!r}, and dtype={name!r} was given: give "
            f"dtype={self.dtype!r} or 'auto' to continue it, or another file to start anew"
        )

    def add(self, records: list[dict[str, Any]]) -> None:
        """Append answers and wait until they are on the disk.

        Args:
            records: Answers, each with an ``"id"``.

        Raises:
            OutputError: If they cannot be written.
        """
        self._append(b"".join(map(_line, records)))

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _head(self, dtype: str) -> dict[str, Any]:
        return {
            "zhmcq_journal": 1,
            "template_date": self._run.template_date,
            "base": self._run.base.model_dump(exclude={"name"}),
            **({"orders": dict(self._run.orders)} if self._run.orders else {}),
            "run": self._fields_sha256,
            "dtype": dtype,
        }

    def _read(self, fault: Callable[[dict[str, Any]], str | None]) -> None:
        """Read the answers; a last line that an interruption left incomplete is cut off."""
        raw = self._path.read_bytes()
        complete = raw[: raw.rfind(b"\n") + 1]
        self._read_head(raw)
        for number, line in enumerate(complete.split(b"\n")[1:-1], start=2):
            try:
                record = json.loads(line)
                problem = fault(record) if isinstance(record["id"], str) else "expected a text id"
            except (ValueError, KeyError, TypeError, RecursionError):
                problem = "expected an answer as json"
            if problem is not None:
                raise PredictionError(
                    f"{self._path}, line {number}: {problem}, found {line[:60]!r}: remove the line "
                    "to have its question answered again"
                )
            self.finished[record["id"]] = record
        if len(complete) != len(raw):
            os.truncate(self._path, len(complete))

    def _read_head(self, raw: bytes) -> None:
        """Take the dtype from the first line, unless an interruption left that incomplete.

        Raises:
            PredictionError: If it is the first line of another run, or of no journal.
        """
        line, end, _ = raw.partition(b"\n")
        if not end and any(_line(self._head(name)).startswith(raw) for name in DTYPES):
            return
        if TORN_DATE.fullmatch(raw):  # begun on another day, and it holds nothing
            return
        problem = "none"
        if line.startswith(b'{"zhmcq_journal"'):
            problem = self._other_run(line)
        if problem:
            raise PredictionError(
                f"expected {self._path} to be the journal of this run, but it is {problem}: give "
                "another file, or remove this one to start anew"
            )

    def _other_run(self, line: bytes) -> str:
        """What other run a first line is of; ``""`` if it is of this one, whose dtype it gives."""
        try:
            head = json.loads(line)
            base = BaseIdentity.model_validate({**head["base"], "name": ""})
            fields, dtype, orders = head["run"], head["dtype"], dict(head.get("orders", {}))
        except (ValueError, KeyError, TypeError, RecursionError):
            return "of another version of zhmcq, or damaged"
        if parts := differences(base, self._run.base, chat=self._run.chat):
            return f"of another model, which differs in {' and '.join(parts)}"
        if orders != self._run.orders:
            theirs, ours = _in_words(orders), _in_words(self._run.orders)
            return f"of a run with the options in other orders ({theirs}, expected {ours})"
        if fields != self._fields_sha256 or dtype not in DTYPES:
            return "of another run (other questions, adapter, prompt or mode)"
        self.dtype = dtype
        return ""

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(
            f"the journal {self._path} cannot be written: {error.strerror or error}; the answers "
            "it holds are kept, and the same call resumes from them"
        )


def _in_words(orders: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name}={value!r:.40}" for name, value in orders.items())
    return shown or "orders=1"


def _line(record: dict[str, Any]) -> bytes:
    # ASCII: no character of a reply, such as U+2028 or a lone surrogate, can break a line.
    return json.dumps(record).encode("ascii") + b"\n"
