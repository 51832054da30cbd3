"""A journal of finished answers, from which an interrupted prediction is resumed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zhmcq._files import locked
from zhmcq.errors import OutputError, PredictionError

__all__ = ["Journal"]


class Journal:
    """An append-only file: a line that identifies the run, then one json line for each answer.

    Args:
        path: The file; it and its folder are made where there is none.
        run: What the answers depend on; only its hash is kept. A journal of another run is
            refused.

    Attributes:
        finished: The answers that the file held when it was opened, by the question's id.

    Raises:
        PredictionError: If the file is the journal of another run, or no journal at all; it is
            left as it was.
        OutputError: If it cannot be read or written, or another prediction is writing to it.
    """

    def __init__(self, path: str | Path, run: dict[str, Any]) -> None:
        self._path = Path(path)
        digest = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
        self._first_line = _line({"zhmcq_journal": 1, "run": digest})
        busy = (
            f"another prediction is writing to the journal {self._path}: wait until it has ended, "
            "or give another file"
        )
        lock = self._path.with_name(f"{self._path.name}.lock")
        try:
            with contextlib.ExitStack() as stack:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(lock, busy))
                # Unbuffered, so that closing after a failed write does not write again.
                self._file = stack.enter_context(self._path.open("ab", buffering=0))
                empty = self._path.stat().st_size == 0
                self.finished = {} if empty else self._read()
                if self._path.stat().st_size == 0:
                    self._write(self._first_line)
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

    def add(self, records: list[dict[str, Any]]) -> None:
        """Append answers and wait until they are on the disk.

        Args:
            records: Answers, each with an ``"id"``.

        Raises:
            OutputError: If they cannot be written.
        """
        try:
            self._write(b"".join(map(_line, records)))
        except OSError as error:
            raise self._unwritable(error) from error

    def _write(self, data: bytes) -> None:
        while data:
            data = data[self._file.write(data) :]
        os.fsync(self._file.fileno())

    def _read(self) -> dict[str, dict[str, Any]]:
        """The answers by id; a last line that an interruption left incomplete is cut off."""
        raw = self._path.read_bytes()
        complete = raw[: raw.rfind(b"\n") + 1]
        if not raw.startswith(self._first_line) and not self._first_line.startswith(raw):
            problem = "of another run (other questions, model, prompt or mode)"
            if not raw.startswith(b'{"zhmcq_journal"'):
                problem = "none"
            raise PredictionError(
                f"expected {self._path} to be the journal of this run, but it is {problem}: give "
                "another file, or remove this one to start anew"
            )
        finished: dict[str, dict[str, Any]] = {}
        for number, line in enumerate(complete.split(b"\n")[1:-1], start=2):
            try:
                record = json.loads(line)
                finished[record["id"]] = record
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise PredictionError(
                    f"{self._path}, line {number}: expected an answer as json, found "
                    f"{line[:60]!r}: remove the line to have its question answered again"
                ) from error
        if len(complete) != len(raw):
            os.truncate(self._path, len(complete))
        return finished

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(
            f"the journal {self._path} cannot be written: {error.strerror or error}; the answers "
            "it holds are kept, and the same call resumes from them"
        )


def _line(record: dict[str, Any]) -> bytes:
    # ASCII: no character of a reply, such as U+2028 or a lone surrogate, can break a line.
    return json.dumps(record).encode("ascii") + b"\n"
