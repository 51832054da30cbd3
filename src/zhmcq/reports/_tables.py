"""Rows → csv and json files in which a spreadsheet program finds nothing to run."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from zhmcq._files import atomic_write
from zhmcq.errors import OutputError

__all__ = [
    "MAX_CELL",
    "MAX_ROWS",
    "escape_csv_text",
    "sheet_names",
    "write_csv",
    "write_json",
]

# Excel's own limits.
MAX_CELL = 32_767  # characters, in UTF-16 code units
MAX_ROWS = 1_048_576  # with the headers
MAX_SHEET_NAME = 31
# Spreadsheet programs run a csv cell that begins with one of these as a formula. The full-width
# forms are typed by Chinese input methods and taken for the same.
RISKY_STARTS = tuple("=+-@\t\r\n＝＋－＠")
LONGEST_NUMBER = 1e15  # Excel keeps 15 digits of a number


def escape_csv_text(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet program would run as a formula.

    Text that begins with apostrophes and then such a character gets one more, so that taking
    one apostrophe off gives every text back (OWASP, "CSV Injection").
    """
    return f"'{text}" if text.lstrip("'").startswith(RISKY_STARTS) else text


def write_csv(
    path: str | Path,
    headers: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    encoding: str = "utf-8",
) -> None:
    """Write rows as csv, by default in UTF-8 without a byte-order mark, as submissions have it.

    Args:
        path: The file to write; an older one is replaced when the new one is complete.
        headers: The columns, in order.
        rows: Values by header, which may come one after another; missing ones are left empty.
        encoding: The encoding, as Python calls it.

    Raises:
        OutputError: If it cannot be written, if there is no such encoding of text, or if it lacks
            a character.
    """
    _refuse_other_encodings(path, encoding)
    # A lone surrogate, which no encoding of Unicode can hold, becomes a question mark.
    lossless = codecs.lookup(encoding).name.startswith("utf")
    with (
        atomic_write(path) as temporary,
        temporary.open(
            "w", encoding=encoding, errors="replace" if lossless else "strict", newline=""
        ) as file,
    ):
        writer = csv.writer(_NewlineEndings(file))
        try:
            for cells in _csv_lines(headers, rows):
                writer.writerow(cells)
            file.flush()
        except UnicodeError as error:
            lacking = ""
            if isinstance(error, UnicodeEncodeError):
                character = error.object[error.start]
                lacking = f"it has no {character!r} (U+{ord(character):04X}); "
            raise OutputError(
                f"cannot write {path} with encoding={encoding!r}: {lacking}use "
                "encoding='utf-8-sig', which has all characters and which Excel opens as it is"
            ) from error


def _csv_lines(
    headers: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> Iterator[Sequence[Any]]:
    yield [escape_csv_text(header) for header in headers]
    for row in rows:
        cells = [row.get(header, "") for header in headers]
        yield [escape_csv_text(cell) if isinstance(cell, str) else cell for cell in cells]


def _refuse_other_encodings(path: str | Path, encoding: object) -> None:
    """Refuse what is no encoding of text: an unknown name, base64, rot13."""
    try:
        if isinstance(encoding, str):
            "ID".encode(encoding)
            return
    except (LookupError, ValueError):  # such as a name with a null character
        pass
    raise OutputError(
        f"cannot write {path} with encoding={encoding!r:.60}: expected the name of an encoding, "
        "'utf-8' for other programs or 'utf-8-sig' for Excel"
    )


class _NewlineEndings:
    """Replaces the line endings of ``csv.writer`` by newlines.

    With a newline as its own ``lineterminator``, the writer of Python 3.11 and 3.12 leaves a
    carriage return within a cell unquoted: the cell would end there, and a new row begin.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line.removesuffix("\r\n") + "\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as UTF-8 json, with characters as they are where UTF-8 has them.

    Args:
        path: The file to write; an older one is replaced when the new one is complete.
        value: What json can hold.

    Raises:
        OutputError: If it cannot be written, or holds a number that is not finite: json has none.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)
    except ValueError as error:
        raise OutputError(
            f"{path} is not written: expected finite numbers, found one that is not ({error})"
        ) from error
    with atomic_write(path) as temporary:
        # UTF-8 lacks lone surrogates alone, and Python escapes them the way json does.
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def sheet_names(names: Iterable[str]) -> list[str]:
    """Names that Excel allows; a name that would be another one's but for its case is numbered."""
    allowed: list[str] = []
    for name in names:
        plain = "".join("_" if character in "[]:*?/\\'" else character for character in name)
        candidate, number = plain[:MAX_SHEET_NAME] or "Sheet", 1
        while candidate.casefold() in map(str.casefold, allowed):
            number += 1
            ending = f" ({number})"
            candidate = (plain or "Sheet")[: MAX_SHEET_NAME - len(ending)] + ending
        allowed.append(candidate)
    return allowed
