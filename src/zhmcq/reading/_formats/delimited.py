"""csv and tsv → one sheet; encoding and delimiter are worked out, never guessed into mojibake."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO

from zhmcq.errors import ReadError
from zhmcq.reading._formats.cells import cell_text
from zhmcq.reading._formats.table import MAX_COLUMNS, CellRow, Sheet

__all__ = ["count_lines", "delimited_sheets", "detect_encoding"]

CHUNK = 2**20
SAMPLE = 2**18
MAX_FIELD = 2**24
# A row of 702 cells as long as Excel takes them has 23 million characters.
MAX_ROW = 2**25
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATES = ("cp950", "big5hkscs", "gb18030", "utf-16-le", "utf-16-be")
_RARE = re.compile("[\ue000-\uf8ff\ufffd\u0080-\u009f\x00-\x08\x0b\x0e-\x1f\uffff]")
# What zhmcq.reports puts an apostrophe before, so that no spreadsheet program runs it.
_RISKY_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def detect_encoding(path: Path, name: str) -> str:
    """The encoding in which the whole file decodes without an error.

    A byte order mark is believed, if the rest agrees; then UTF-8; then Big5 (with Microsoft's and
    Hong Kong's extensions), GB18030 and UTF-16, in the order in which the text looks likely.

    Raises:
        ReadError: If none fits, so that no text would be right.
    """
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    if not sample.strip(b"\x00\t\r\n "):
        raise ReadError(f"{name}: expected a table, found an empty file")
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            if _decodes(path, encoding):
                return encoding
            raise ReadError(
                f"{name}: it starts with the mark of {encoding} but goes on in other bytes; "
                "open it in an editor and save it as UTF-8"
            )
    zeros = sample.count(0)
    if zeros * 4 < len(sample) and _decodes(path, "utf-8"):
        if zeros:
            raise _zero_byte(name, sample.count(b"\n", 0, sample.index(0)) + 1)
        return "utf-8"
    for encoding in _likely(sample):
        if _decodes(path, encoding):
            return encoding
    raise ReadError(
        f"{name}: its bytes are not text in UTF-8, Big5, GB18030 or UTF-16 throughout (it may be "
        "damaged, or mix encodings); open it in the program it came from and save it as UTF-8"
    )


def _zero_byte(name: str, line: int) -> ReadError:
    return ReadError(
        f"{name}, line {line}: it holds a zero byte (NUL), which no text has, so the file is "
        "damaged; open it in the program it came from and save it again"
    )


def _likely(sample: bytes) -> list[str]:
    """Encodings that decode the sample, the most natural Chinese first."""
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=["cp950", "big5hkscs", "gb18030", "utf_16"]).best()
    first = best.encoding.replace("_", "-") if best else ""
    scored = []
    for encoding in _CANDIDATES:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            text = decoder.decode(sample)
        except UnicodeDecodeError:
            continue
        share = _common_share(text)
        favoured = first.replace("big5", "cp950") == encoding or first == encoding
        if share >= 0.5:
            scored.append((-share - 0.02 * favoured, _CANDIDATES.index(encoding), encoding))
    return [encoding for _, _, encoding in sorted(scored)]


_COMMON = frozenset(
    "的一是不了在人有我他這这中大來来上個个國国到說说們们為为子和你地出道也時时年得就那要下以生會会自著去之過过家學学對对"
    "可她里裡後后小麼么心多天而能好都然沒没日於于起還还發发成事只作當当想看文無无開开手十用主行方又如前所本見见經经頭头面公"
    "同三己老從从動动兩两長长問问題题選选項项答案正確确錯错誤误下列何者哪些關关述敘叙屬属以及非皆請请文章甲乙丙丁ABCD"
)


def _common_share(text: str) -> float:
    """How plausible a decoded text is: 0 with impossible characters, else from 0.5 to 1."""
    wide = [char for char in text if char > "\x7f"]
    if not wide:
        return 0.5 if "\x00" not in text else 0.0
    if len(_RARE.findall(text)) * 100 > len(wide):
        return 0.0
    letters = [char for char in wide if "\u4e00" <= char <= "\u9fff"]
    if not letters:
        return 0.5
    odd = sum(
        not (
            "\u4e00" <= c <= "\u9fff"
            or c in _PLAUSIBLE
            or "\u3000" <= c <= "\u30ff"
            or "\uff00" <= c <= "\uffef"
            or "\u2000" <= c <= "\u27ff"
        )
        for c in wide
    )
    common = sum(char in _COMMON for char in letters) / len(letters)
    return max(0.0, 0.5 + common / 2 - odd / len(wide))


_PLAUSIBLE = frozenset("°±×÷·§¥£éèêüöäñáíóúαβγδεθλμπρσφω")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def count_lines(path: Path) -> int:
    """Line ends in a file: about how many rows it has."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(CHUNK), b""))


def delimited_sheets(path: Path, name: str) -> Generator[Sheet, None, None]:
    """The one table of a csv or tsv file.

    Raises:
        ReadError: If its encoding can't be worked out or its quoting is broken.
    """
    encoding = detect_encoding(path, name)
    with path.open(encoding=encoding, newline="") as file:
        delimiter = _delimiter(file.read(SAMPLE), path.suffix.lower())
    yield Sheet("", _rows(path, encoding, delimiter, name), count_lines(path))


def _delimiter(sample: str, suffix: str) -> str:
    """The character that cuts the most of the first lines into equal numbers of cells."""
    usual = "\t" if suffix in (".tsv", ".tab") else ","
    best, delimiter = 0, usual
    for candidate in (usual, *(c for c in "\t,;|，" if c != usual)):
        rows = _sample_rows(sample, candidate)
        widths = [len(row) for row in rows if len(row) > 1]
        if not widths:
            continue
        common = max(set(widths), key=widths.count)
        score = widths.count(common) * min(common, 6)
        if score > best:
            best, delimiter = score, candidate
    return delimiter


def _sample_rows(sample: str, delimiter: str) -> list[list[str]]:
    lines = io.StringIO(sample[:20_000], newline="")
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            rows.append(row)
            if len(rows) == 20:
                break
    except csv.Error:
        return rows
    return rows


def _rows(path: Path, encoding: str, delimiter: str, name: str) -> Iterator[CellRow]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
    with path.open(encoding=encoding, newline="") as file:
        lines = _Lines(file, name)
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        number = 1
        try:
            for cells in reader:
                if lines.ended_inside:
                    raise ReadError(
                        f"{name}, line {number}: a quote opens in this row and is not closed "
                        "before the file ends; close it, or write a quote of the text twice in a "
                        "quoted cell"
                    )
                lines.taken = 0
                if len(cells) > MAX_COLUMNS:
                    raise ReadError(
                        f"{name}, line {number}: {len(cells)} cells in a row; the limit is "
                        f"{MAX_COLUMNS}; check the delimiter and the quotes"
                    )
                texts = [cell_text(_without_apostrophe(cell))[0] for cell in cells]
                if any(texts):
                    yield CellRow(number, texts, list(texts))
                number = reader.line_num + 1
        except csv.Error as error:
            raise ReadError(
                f"{name}, line {number}: expected a row of a table, but {error}; check that its "
                "quotes are closed"
            ) from error


def _without_apostrophe(cell: str) -> str:
    """The text that :func:`zhmcq.reports.escape_csv_text` was given."""
    quoted = cell[:1] == "'" and cell.lstrip("'").startswith(_RISKY_STARTS)
    return cell[1:] if quoted else cell


class _Lines:
    """The lines of a file, as ``csv.reader`` takes them; each row is of bounded length.

    Attributes:
        taken: The characters taken so far; to be set to 0 when a row is complete.
        ended_inside: Whether the file ended before the row did.
    """

    def __init__(self, file: IO[str], name: str) -> None:
        self._file = file
        self._name = name
        self._number = 0
        self.taken = 0
        self.ended_inside = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_ROW + 1)
        if not line:
            self.ended_inside = self.taken > 0
            raise StopIteration
        self._number += 1
        self.taken += len(line)
        if self.taken > MAX_ROW:
            raise ReadError(
                f"{self._name}, line {self._number}: the row that ends here or later is longer "
                f"than {MAX_ROW:,} characters; check the line ends and the quotes"
            )
        if "\x00" in line:
            raise _zero_byte(self._name, self._number)
        return line
