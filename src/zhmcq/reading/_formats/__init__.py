"""Bytes → sheets of rows, records of json or lines of text; whatever they mean."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from zhmcq.errors import ReadError
from zhmcq.reading._formats.delimited import count_lines, delimited_sheets
from zhmcq.reading._formats.json_files import json_document, json_lines
from zhmcq.reading._formats.moodle_xml import XmlQuestions, moodle_questions
from zhmcq.reading._formats.plain_text import PlainText, kind_of_text, text_lines
from zhmcq.reading._formats.table import Sheet
from zhmcq.reading._formats.xlsx import xlsx_sheets

__all__ = [
    "Contents",
    "JsonDocument",
    "JsonLines",
    "PlainText",
    "Sheets",
    "XmlQuestions",
    "open_file",
]

_SUFFIXES = (
    ".xlsx, .xlsm, .xltx, .xltm, .xls, .xlsb, .ods, .csv, .tsv, .tab, .txt, .md, .gift, .docx, "
    ".xml, .json, .jsonl or .ndjson"
)
_OTHER_DOCUMENTS = (".doc", ".odt", ".rtf", ".pdf", ".pages", ".wps")
_TEXTS = (".txt", ".md", ".gift")


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


Contents = Sheets | JsonDocument | JsonLines | PlainText | XmlQuestions


def open_file(path: Path, name: str, *, as_table: bool = False) -> Contents:
    """What a file holds, by its suffix; by its beginning, where that is ``.txt``, ``.md`` or none.

    Args:
        path: The file.
        name: How messages call it.
        as_table: Whether the caller names columns, so that a text must be a table.

    Raises:
        ReadError: If it is missing, empty or of an unknown kind; for json, if it can't be read.
            Sheets and lines raise it later, when they are taken.
    """
    _check_file(path, name)
    suffix = path.suffix.lower()
    if suffix in _TEXTS:
        return _text(path, name, as_table=as_table)
    if suffix == ".docx":
        from zhmcq.reading._formats.docx import docx_text

        return docx_text(path, name)
    if suffix == ".xml":
        return XmlQuestions(moodle_questions(path, name))
    if suffix == ".json":
        return JsonDocument(json_document(path, name))
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(path, name)
    return Sheets(_sheets(path, name))


def _text(path: Path, name: str, *, as_table: bool) -> Contents:
    """What a text file holds, by its beginning."""
    kind = kind_of_text(path, name)
    if kind == "json":
        return JsonDocument(json_document(path, name))
    if kind == "jsonl":
        return _json_lines(path, name)
    if kind == "xml":
        return XmlQuestions(moodle_questions(path, name))
    suffix = path.suffix.lower()
    if as_table or (kind == "table" and suffix != ".gift"):
        return Sheets(delimited_sheets(path, name))
    lines = text_lines(path, name)
    return PlainText(lines, "line", delimited_sheets(path, name), is_gift=suffix == ".gift")


def _json_lines(path: Path, name: str) -> JsonLines:
    lines = json_lines(path, name)
    first = next(lines, None)
    if first is None:
        raise ReadError(f"{name}: expected a question a line, found none")
    return JsonLines(first[1], _from_first(first, lines), count_lines(path))


def _from_first(
    first: tuple[int, Any], lines: Generator[tuple[int, Any], None, None]
) -> Generator[tuple[int, Any], None, None]:
    yield first
    yield from lines


def _sheets(path: Path, name: str) -> Generator[Sheet, None, None]:
    suffix = path.suffix.lower()
    if suffix in (".xlsx", ".xlsm", ".xltx", ".xltm"):
        return xlsx_sheets(path, name)
    if suffix in (".csv", ".tsv", ".tab"):
        return delimited_sheets(path, name)
    if suffix in (".xls", ".ods", ".xlsb"):
        from zhmcq.reading._formats.calamine import calamine_sheets

        return calamine_sheets(path, name)
    if suffix in _OTHER_DOCUMENTS:
        raise ReadError(
            f"{name}: expected {_SUFFIXES}, found {suffix!r}; open it in a word processor and "
            "save it as .docx or .txt"
        )
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
