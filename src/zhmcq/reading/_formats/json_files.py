"""json → one document; jsonl → one value a line."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhmcq.errors import ReadError
from zhmcq.reading._formats.delimited import detect_encoding

__all__ = [
    "RepeatedNameError",
    "json_document",
    "json_lines",
    "repeated_message",
    "repeated_names",
]

MAX_DOCUMENT = 512 * 2**20
MAX_LINE = 64 * 2**20
# A longer number is no number that anyone counts with; Python takes seconds to convert such.
_LONGEST_INTEGER = 300


@dataclass(frozen=True, slots=True)
class RepeatedName:
    """Stands for the values of a name that one object has twice, with different values.

    Attributes:
        name: The name.
    """

    name: str


class RepeatedNameError(ReadError):
    """Of one line or item, and never raised out of a reader: ``names`` have two values in it."""

    def __init__(self, where: str, names: list[str]) -> None:
        super().__init__(repeated_message(where, names))
        self.names = names


def json_document(path: Path, name: str) -> Any:
    """What a json file holds; a :class:`RepeatedName` stands where it says two things.

    Raises:
        ReadError: If it is no json, or too large to be held in memory.
    """
    size = path.stat().st_size
    if size > MAX_DOCUMENT:
        raise ReadError(
            f"{name}: {size:,} bytes of json must be held in memory at once; the limit is "
            f"{MAX_DOCUMENT:,}; save it as .jsonl, one question a line"
        )
    encoding = detect_encoding(path, name)
    return _parsed(path.read_text(encoding=encoding), name)[0]


def json_lines(path: Path, name: str) -> Generator[tuple[int, Any], None, None]:
    """Line numbers, and what the lines hold: a value, or the error that it is none.

    Raises:
        ReadError: If a line is too long.
    """
    encoding = detect_encoding(path, name)
    with path.open(encoding=encoding) as stream:
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise ReadError(f"{name}, line {number}: longer than {MAX_LINE:,} characters")
            if line.strip():
                where = f"{name}, line {number}"
                try:
                    value, repeats = _parsed(line, where)
                except ReadError as error:
                    yield number, error
                    continue
                names = repeated_names(value) if repeats else []
                yield number, RepeatedNameError(where, names) if names else value


def repeated_names(value: Any) -> list[str]:
    """The names that one object inside a value has twice, with different values."""
    names: list[str] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, RepeatedName):
            names.append(item.name)
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return names


def repeated_message(where: str, names: list[str]) -> str:
    """What an error says of names that are there twice."""
    return (
        f"{where}: the name {names[0]!r} is there twice in one object, with different values; "
        "keep the right one"
    )


def _parsed(text: str, where: str) -> tuple[Any, bool]:
    """A value, and whether a name is there twice in some object of it."""
    objects = _Objects()
    decoder = json.JSONDecoder(
        object_pairs_hook=objects.made, parse_int=_integer, parse_constant=_constant
    )
    try:
        return decoder.decode(text), objects.repeated
    except (ValueError, RecursionError) as error:
        detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ReadError(f"{where}: expected json, but {detail}") from error


class _Objects:
    """Makes objects, and remembers whether one had a name twice with different values."""

    def __init__(self) -> None:
        self.repeated = False

    def made(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """An object; Python's own would keep the last value of a name and not say so."""
        values = dict(pairs)
        if len(values) < len(pairs):
            first: dict[str, Any] = {}
            for name, value in pairs:
                if name in first and not _same(first[name], value):
                    values[name] = RepeatedName(name)
                    self.repeated = True
                first.setdefault(name, value)
        return values


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def _constant(name: str) -> float | None:
    """What json has not, but Python writes: infinite numbers, and NaN, which is a missing value."""
    return None if name == "NaN" else float(name)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else digits
