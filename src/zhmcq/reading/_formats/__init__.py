"""Bytes → sheets of rows, or records of json; whatever they mean."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from zhmcq.errors import ReadError
from zhmcq.reading._formats.delimited import count_lines, delimited_sheets
from zhmcq.reading._formats.json_files import json_document, json_lines
from zhmcq.reading._formats.table import Sheet
from zhmcq.reading._formats.xlsx import xlsx_sheets

__all__ = ["Contents", "JsonDocument", "JsonLines", "Sheets", "open_file"]

_SUFFIXES = (
    ".xlsx, .xlsm, .xltx, .xltm, .xls, .xlsb, .ods, .csv, .tsv, .tab, .txt, .json, .jsonl or "
    ".ndjson"
)


@dataclass(frozen=True, slots=True)
class Sheets:
    """The sheets of a workbook, or the one table of a text file; each is read when it is taken."""

    sheets: Generator[Sheet, None, None]

    def close(self) -> None:
        """Let go of the file and of a process that reads it."""
        self.sheets.close()


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """What a json file holds."""

    value: Any

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class JsonLines:
    """The lines of a jsonl file; each is read when it is taken.

    Attributes:
        head: What the first line holds: a value, or the error that it is none.
        lines: The number of each line and what it holds, the first one included.
        expected: About how many lines there are, for a progress bar.
    """

    head: Any
    lines: Generator[tuple[int, Any], None, None]
    expected: int

    def close(self) -> None:
        """Let go of the file."""
        self.lines.close()


Contents = Sheets | JsonDocument | JsonLines


def open_file(path: Path, name: str) -> Contents:
    """What a file holds, by its suffix.

    Args:
        path: The file.
        name: How messages call it.

    Raises:
        ReadError: If it is missing, empty or of an unknown kind; for json, if it can't be read.
            Sheets and lines raise it later, when they are taken.
    """
    _check_file(path, name)
    suffix = path.suffix.lower()
    if suffix == ".json":
        return JsonDocument(json_document(path, name))
    if suffix in (".jsonl", ".ndjson"):
        lines = json_lines(path, name)
        first = next(lines, None)
        if first is None:
            raise ReadError(f"{name}: expected a question a line, found none")
        return JsonLines(first[1], _from_first(first, lines), count_lines(path))
    return Sheets(_sheets(path, name))


def _from_first(
    first: tuple[int, Any], lines: Generator[tuple[int, Any], None, None]
) -> Generator[tuple[int, Any], None, None]:
    yield first
    yield from lines


def _sheets(path: Path, name: str) -> Generator[Sheet, None, None]:
    suffix = path.suffix.lower()
    if suffix in (".xlsx", ".xlsm", ".xltx", ".xltm"):
        return xlsx_sheets(path, name)
    if suffix in (".csv", ".tsv", ".tab", ".txt"):
        return delimited_sheets(path, name)
    if suffix in (".xls", ".ods", ".xlsb"):
        from zhmcq.reading._formats.calamine import calamine_sheets

        return calamine_sheets(path, name)
    raise ReadError(f"{name}: expected {_SUFFIXES}, found {suffix or 'a name without a suffix'!r}")


def _check_file(path: Path, name: str) -> None:
    if path.is_dir():
        raise ReadError(f"{name}: expected a file, found a folder; name the file in it")
    if not path.exists():
        folder = path.parent
        near = [other.name for other in islice(sorted(folder.glob(f"*{path.suffix}")), 5)]
        hint = f"; in {folder} there are {', '.join(near)}" if near else ""
        raise ReadError(f"{name}: no such file; check the path{hint}")
    if path.stat().st_size == 0:
        raise ReadError(f"{name}: expected a question bank, found an empty file")
