"""A journal of finished answers: an interrupted prediction goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zhmcq.errors import OutputError, PredictionError

__all__ = ["Journal"]


class Journal:
    """An append-only file of answers, one json line each, after a line that says of what run.

    Args:
        path: The file; it is made where there is none.
        run: What the answers depend on. A journal of another run is refused.

    Raises:
        PredictionError: If the file is the journal of another run, or no journal.
        OutputError: If it cannot be written.
    """

    def __init__(self, path: str | Path, run: dict[str, Any]) -> None:
        self._path = Path(path)
        text = json.dumps(run, sort_keys=True, ensure_ascii=False)
        self._head = {"zhmcq_journal": 1, "run": hashlib.sha256(text.encode()).hexdigest()}
        self.finished = self._read()
        try:
            self._file = self._path.open("a", encoding="utf-8")
            if self._path.stat().st_size == 0:
                self._write([self._head])
        except OSError as error:
            raise OutputError(f"the journal {self._path} cannot be written: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, records: list[dict[str, Any]]) -> None:
        """Append answers and see them onto the disk.

        Raises:
            OutputError: If they cannot be written.
        """
        try:
            self._write(records)
        except OSError as error:
            raise OutputError(f"the journal {self._path} cannot be written: {error}") from error

    def _write(self, records: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self) -> dict[str, dict[str, Any]]:
        """The answers by id; a last line torn by an interruption is cut off."""
        if not self._path.exists() or self._path.stat().st_size == 0:
            return {}
        raw = self._path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        try:
            records = [json.loads(line) for line in whole.decode("utf-8").splitlines()]
        except ValueError as error:
            raise PredictionError(
                f"{self._path} cannot be read as a journal: {error}; give another file"
            ) from error
        if records and records[0] != self._head:
            raise PredictionError(
                f"{self._path} is the journal of another run (other questions, model, prompt or "
                "mode), or no journal: give another file, or remove it"
            )
        if len(whole) != len(raw):
            os.truncate(self._path, len(whole))
        return {record["id"]: record for record in records[1:]}
