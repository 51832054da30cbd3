"""json → one document; jsonl → one value a line."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from zhmcq.errors import ReadError
from zhmcq.reading._formats.delimited import detect_encoding

__all__ = ["json_document", "json_lines"]

MAX_DOCUMENT = 512 * 2**20
MAX_LINE = 64 * 2**20


def json_document(path: Path, name: str) -> Any:
    """What a json file holds.

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
    return _parsed(path.read_text(encoding=encoding), name)


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
                try:
                    yield number, _parsed(line, f"{name}, line {number}")
                except ReadError as error:
                    yield number, error


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ReadError(f"{where}: expected json, but {detail}") from error
