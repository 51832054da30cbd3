"""A text file → what it holds: json, XML, a table, or lines of running text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from zhmcq.errors import ReadError
from zhmcq.reading._formats.delimited import detect_encoding
from zhmcq.reading._formats.table import Sheet
from zhmcq.zh._fold import tidy

__all__ = ["Line", "Mark", "PlainText", "TextKind", "kind_of_text", "text_lines"]

TextKind = Literal["json", "jsonl", "xml", "table", "text"]

# A question has a few thousand characters; a whole paper in one line is no line of a paper.
MAX_LINE = 2**20
# Papers are held in memory: the keys may stand on their last page.
MAX_TEXT = 2**26
MAX_LINES = 500_000
_SAMPLE = 2**16
_JSON = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*(?:[\[{\"\]]|$))")
_XML = re.compile(r"\s*(?:<\?xml\b|<quiz\b|<!DOCTYPE\b)", re.IGNORECASE)
_MARKDOWN = re.compile(r"(?:>\s?)*(?:#{1,6}\s+|[-*+]\s+(?!\s*$))?")
_HEADING = re.compile(r"(?P<level>#{1,6})\s")
_BOX = re.compile(r"[-*+]\s+\[(?P<tick>[ xX])\]\s+")
_ESCAPED = re.compile(r"\\([_*#~<>\[\]()+.!-])")
_TAG = re.compile(r"</?(?:details|summary|p|br|b|strong|u|div|span)\b[^<>]{0,200}>", re.IGNORECASE)
_DELIMITERS = "\t|,;，"
# What ends a sentence, and the labels and numbers of a paper: no cell of a header has them.
_SENTENCE = re.compile(
    r"[。！？!?；：]\s*$|^\s*(?:[(（]?[A-H１-９1-9][)）.、．]|(?:答案|ANSWER)\s*[:：])"
)
_LONGEST_HEADER = 40


class Mark(NamedTuple):
    """A span of a line that is formatted unlike plain text: bold, say, or coloured."""

    start: int
    end: int
    style: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text, or a paragraph of a document.

    Attributes:
        number: Which line or paragraph it is, from 1; the parts of a paragraph share it.
        text: Without outer blanks.
        gap: Whether an empty line stands before it.
        indented: Whether it begins with blanks.
        soft: Whether it goes on with the paragraph before it.
        in_table: Whether it stands in a table of a document.
        marks: Its formatted spans.
        heading: The level of the heading that it is; 0 where it is none.
    """

    number: int
    text: str
    gap: bool = False
    indented: bool = False
    soft: bool = False
    in_table: bool = False
    marks: tuple[Mark, ...] = ()
    heading: int = 0


@dataclass(frozen=True, slots=True)
class PlainText:
    """A text that may hold questions, but is no table.

    Attributes:
        lines: Its lines that hold anything.
        unit: What the numbers of the lines count, for messages: ``"line"`` or ``"paragraph"``.
        sheets: The same text read as a table, or the tables of a document; taken only if needed.
        mostly_tables: Whether the tables hold most of it.
        is_gift: Whether the file's name says that it is GIFT.
    """

    lines: list[Line]
    unit: str
    sheets: Generator[Sheet, None, None]
    mostly_tables: bool = False
    is_gift: bool = False

    def close(self) -> None:
        """Let go of the file."""
        self.sheets.close()


def kind_of_text(path: Path, name: str) -> TextKind:
    """What a text file holds, by its beginning.

    Raises:
        ReadError: If it is no text.
    """
    encoding = detect_encoding(path, name)
    with path.open(encoding=encoding, newline="") as file:
        sample = file.read(_SAMPLE)
    if _JSON.match(sample):
        return "jsonl" if _is_json_lines(sample) else "json"
    if _XML.match(sample):
        return "xml"
    return "table" if _is_table(sample) else "text"


def _is_json_lines(sample: str) -> bool:
    """Whether the first line is a value of its own and others follow."""
    first, _, rest = sample.strip().partition("\n")
    if not rest.strip():
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


def _is_table(sample: str) -> bool:
    """Whether a delimiter cuts most of the first lines alike, the first of them into short cells.

    Sentences have commas too, but a header has neither their ends nor their length.
    """
    for delimiter in _DELIMITERS:
        rows = _rows(sample, delimiter)
        widths = [len(row) for row in rows]
        least = 2 if delimiter in "\t|" else 3
        wide = [width for width in widths if width >= least]
        if len(wide) < 2:
            continue
        usual = max(set(wide), key=wide.count)
        header = next(row for row in rows if len(row) == usual)
        plain = all(len(c) <= _LONGEST_HEADER and not _SENTENCE.search(c) for c in header)
        if plain and wide.count(usual) * 10 >= len(rows) * 6:
            return True
    return False


def _rows(sample: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            if any(cell.strip() for cell in row):
                rows.append(row)
            if len(rows) == 40:
                break
    except csv.Error:
        return rows
    return rows


def text_lines(path: Path, name: str) -> list[Line]:
    """The lines of a text file that hold anything; the signs of markdown are taken off in ``.md``.

    Raises:
        ReadError: If the file, one of its lines or their number is too large for a paper.
    """
    size = path.stat().st_size
    if size > MAX_TEXT:
        raise ReadError(
            f"{name}: {size:,} bytes of questions in plain text must be held in memory; the limit "
            f"is {MAX_TEXT:,}; split the file, or save the questions as a table (.csv) or .jsonl"
        )
    encoding = detect_encoding(path, name)
    with path.open(encoding=encoding) as file:
        lines = _lines(iter(lambda: file.readline(MAX_LINE + 1), ""), name)
        if path.suffix.lower() != ".md":
            return list(lines)
        return [plain for line in lines if (plain := _without_markdown(line)).text]


def _without_markdown(line: Line) -> Line:
    """A line without bullets, quotes and heading signs; bold text becomes a mark."""
    text = _TAG.sub("", line.text.replace("</summary>", "："))
    level = len(match["level"]) if (match := _HEADING.match(text)) else 0
    line = replace(line, heading=level)
    if box := _BOX.match(text):
        text = text[box.end() :].strip()
        ticked = (Mark(0, len(text), "ticked"),) if box["tick"].strip() else ()
        return replace(line, text=text, marks=ticked)
    text = _ESCAPED.sub(r"\1", _MARKDOWN.sub("", text, count=1))
    if "**" not in text:
        return replace(line, text=text)
    marks, length = [], 0
    pieces = text.split("**")
    # Every second piece is bold; a last one without its closing stars is not.
    for index, piece in enumerate(pieces):
        closed = index % 2 == 1 and index < len(pieces) - 1
        if closed and piece.strip():
            marks.append(Mark(length, length + len(piece), "bold"))
        length += len(piece)
    return replace(line, text="".join(pieces).strip(), marks=tuple(marks))


def _lines(texts: Iterator[str], name: str) -> Iterator[Line]:
    gap, count = False, 0
    for number, raw in enumerate(texts, 1):
        if len(raw) > MAX_LINE:
            raise ReadError(
                f"{name}, line {number}: longer than {MAX_LINE:,} characters, which no question "
                "is; check the line ends"
            )
        text = tidy(raw)
        if not text:
            gap = True
            continue
        count += 1
        if count > MAX_LINES:
            raise ReadError(f"{name}: more than {MAX_LINES:,} lines of text; split the file")
        yield Line(number, text, gap, raw[:1] in " \t\u3000")
        gap = False
