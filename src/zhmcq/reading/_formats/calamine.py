"""xls, ods and xlsb → sheets, read by python-calamine in a child process with limits.

Damaged files of these formats can make the library abort its process or take all memory; so the
process that it takes down is not ours.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Any

from zhmcq.errors import ReadError
from zhmcq.reading._formats.cells import cell_text
from zhmcq.reading._formats.table import CellRow, MergedColumns, MergedRange, Sheet, TextBudget

__all__ = ["calamine_sheets"]

WORKER = Path(__file__).with_name("calamine_worker.py")
TIMEOUT = 300.0
_MAX_LINE = 2**26


def calamine_sheets(path: Path, name: str) -> Generator[Sheet, None, None]:
    """The sheets of an xls, ods or xlsb workbook.

    These readers give values without their formats: a percentage comes as 0.15. Such cells carry
    the note ``display_unknown``.

    Raises:
        ReadError: If the extra is not installed, or the child could not read the file.
    """
    if importlib.util.find_spec("python_calamine") is None:
        raise ReadError(
            f"{name}: reading {path.suffix} needs an extra: pip install 'zhmcq[sheets]'; "
            "or save the file as .xlsx"
        )
    with tempfile.TemporaryFile() as errors, _child(path, errors) as child:
        assert child.stdout is not None  # noqa: S101
        lines = _Lines(child.stdout, name)
        budget = TextBudget(path.stat().st_size, name)
        ended = False
        for line in lines:
            if not isinstance(line, dict) or not {"sheet", "merges", "rows"} <= line.keys():
                ended = line == {"end": True}
                break
            budget.expect_rows(line["rows"])
            merges = [MergedRange(*merge) for merge in line["merges"]]
            rows = _rows(lines, MergedColumns(merges), budget)
            yield Sheet(line["sheet"], rows, line["rows"])
            lines.skip_rows()
        if not ended:
            child.kill()
            child.wait()
            errors.seek(0)
            messages = errors.read(2000).decode("utf-8", "replace").strip().splitlines()
            detail = messages[-1][:200] if messages else f"it ended with {child.returncode}"
            raise ReadError(
                f"{name}: expected an {path.suffix} workbook, but it is damaged, hostile or too "
                f"large ({detail}); open it in a spreadsheet program and save it as .xlsx"
            )


@contextlib.contextmanager
def _child(path: Path, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-P", str(WORKER), str(path.absolute())]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and script
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
    ) as child:
        timer = threading.Timer(TIMEOUT, child.kill)
        timer.daemon = True
        timer.start()
        try:
            yield child
        finally:
            timer.cancel()
            child.kill()


class _Lines:
    """The child's messages, one json array or object a line; arrays are rows."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name
        self._ahead: dict[str, Any] | None = None

    def _next(self) -> Any:
        line = self._stream.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            return None
        try:
            return json.loads(line)
        except ValueError as error:
            raise ReadError(
                f"{self._name}: its reader sent something other than a row: {error}"
            ) from error

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            line, self._ahead = (self._ahead, None) if self._ahead else (self._next(), None)
            if line is None:
                return
            yield line

    def rows(self) -> Iterator[list[Any]]:
        """The rows of the sheet that was announced last."""
        while self._ahead is None:
            line = self._next()
            if line is None:
                return
            if isinstance(line, dict):
                self._ahead = line
                return
            yield line

    def skip_rows(self) -> None:
        """Go on to the next sheet."""
        for _ in self.rows():
            pass


def _rows(lines: _Lines, merged: MergedColumns, budget: TextBudget) -> Iterator[CellRow]:
    for number, *cells in lines.rows():
        row = CellRow(number, [], [])
        for column, stored in enumerate(cells):
            value = _value(stored)
            text, note = cell_text(value)
            if isinstance(value, float) and not value.is_integer():
                note = note or "display_unknown"
            if note:
                row.notes[column] = note
            row.texts.append(text)
            row.values.append(value)
        if any(row.texts):
            merged.fill(row)
            yield budget.spend(row)


def _value(stored: Any) -> Any:
    if not isinstance(stored, dict):
        return None if stored == "" else stored
    kind, text = next(iter(stored.items()))
    if kind == "seconds":
        return dt.timedelta(seconds=text)
    if kind == "datetime":
        return dt.datetime.fromisoformat(text)
    return dt.date.fromisoformat(text) if kind == "date" else dt.time.fromisoformat(text)
