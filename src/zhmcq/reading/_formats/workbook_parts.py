"""The parts of an xlsx workbook beside its sheets: their names, number formats, shared texts."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from zhmcq.errors import ReadError
from zhmcq.reading._formats.cells import cell_text
from zhmcq.reading._formats.xml_events import XmlEvents, local_name

__all__ = [
    "MAIN_NAMESPACES",
    "CellFormats",
    "Relation",
    "SharedTexts",
    "SheetPart",
    "WorkbookParts",
    "folded_name",
    "main_name",
    "open_workbook",
    "relations",
    "workbook_sheets",
]

# The second one is written by "Strict Open XML Spreadsheet" of Excel.
MAIN_NAMESPACES = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
_NAMES = {f"{namespace} ": len(namespace) + 1 for namespace in MAIN_NAMESPACES}
# Excel takes 65,490 formats of cells and as many sheets as memory holds.
MAX_ITEMS = 100_000
# All shared texts are held in memory.
MAX_SHARED = 2**28
# Dates and times as the language of the program shows them (ECMA-376 part 1, section 18.8.30).
# Chinese versions of Excel write these numbers without a code; only 31 is the same in both.
_LOCAL_DATES = {str(number): "" for number in (*range(27, 37), *range(50, 59))} | {
    "31": 'yyyy"年"m"月"d"日"'
}
_TRUE = ("1", "true", "on")


class Relation(NamedTuple):
    """What a part refers to.

    Attributes:
        kind: The last word of its type: ``"worksheet"``.
        part: The name of the part in the archive, as :func:`open_workbook` leaves it.
    """

    kind: str
    part: str


class SheetPart(NamedTuple):
    """A worksheet: its name, and the name of its part in the archive."""

    title: str
    part: str


@dataclass(slots=True)
class CellFormats:
    """The number format codes of the styles, by the style's number.

    Attributes:
        codes: The format code of each style; ``""`` for a date whose display isn't known.
        dates: Numbers of the styles that show dates or times.
        durations: Those among them that show elapsed time.
        from_1904: Whether dates count from 1904.
    """

    codes: list[str] = field(default_factory=list)
    dates: set[int] = field(default_factory=set)
    durations: set[int] = field(default_factory=set)
    from_1904: bool = False


@dataclass(slots=True)
class SharedTexts:
    """The texts that cells refer to by number.

    Attributes:
        stored: As they are stored.
        shown: As they are shown: cells that show one long text share one string.
    """

    stored: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)


@dataclass(slots=True)
class WorkbookParts:
    """What has to be known before the sheets are read."""

    sheets: list[SheetPart]
    formats: CellFormats
    texts: SharedTexts


def folded_name(name: str) -> str:
    """The name of a part as it is looked for: in lower case, with slashes, from the root."""
    return _folded(name).lstrip("/")


def _folded(name: str) -> str:
    return name.replace("\\", "/").lower()


def main_name(name: str) -> str:
    """The name of an element of spreadsheets; ``""`` if it is of another namespace."""
    for prefix, length in _NAMES.items():
        if name.startswith(prefix):
            return name[length:]
    return ""


def open_workbook(archive: zipfile.ZipFile, name: str) -> WorkbookParts:
    """Read what stands beside the sheets.

    Args:
        archive: The workbook; its sizes were checked. Its parts are found from here on by names in
            lower case, with slashes, from the root.
        name: How messages call it.

    Raises:
        ReadError: If it is no workbook, or damaged.
    """
    book, sheets, from_1904 = workbook_sheets(archive, name)
    related = relations(archive, book, name)
    kinds = {relation.kind: relation.part for relation in related.values()}
    folder = posixpath.dirname(book)
    formats = _formats(archive, kinds.get("styles", f"{folder}/styles.xml"), name)
    formats.from_1904 = from_1904
    texts = _shared(archive, kinds.get("sharedStrings", f"{folder}/sharedstrings.xml"), name)
    return WorkbookParts(sheets, formats, texts)


def workbook_sheets(archive: zipfile.ZipFile, name: str) -> tuple[str, list[SheetPart], bool]:
    """Which worksheets there are, without what else their cells need.

    Args:
        archive: The workbook; its sizes were checked. Its parts are found from here on by names in
            lower case, with slashes, from the root.
        name: How messages call it.

    Returns:
        The name of the part that lists them, the worksheets in order, and whether dates count
        from 1904.

    Raises:
        ReadError: If it is no workbook, or damaged.
    """
    # Parts are one whatever the case of their names (ECMA-376 part 2), and some programs write them
    # with the separators of Windows.
    members = archive.infolist()
    archive.NameToInfo = {folded_name(member.filename): member for member in members}
    packaged = {relation.kind: relation.part for relation in relations(archive, "", name).values()}
    book = packaged.get("officeDocument", "xl/workbook.xml")
    if book not in archive.NameToInfo:
        raise ReadError(
            f"{name}: expected an xlsx workbook, but {book} is missing in it; open it in a "
            "spreadsheet program and save it again"
        )
    sheets, from_1904 = _sheets(archive, book, relations(archive, book, name), name)
    return book, sheets, from_1904


def relations(archive: zipfile.ZipFile, part: str, name: str) -> dict[str, Relation]:
    """What a part refers to inside the archive, by the id that it uses; ``""`` is the package."""
    folder, base = posixpath.split(part)
    related: dict[str, Relation] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        if local_name(tag) != "Relationship" or attributes.get("TargetMode") == "External":
            return
        target = posixpath.join("/", folder, _folded(attributes.get("Target", "")))
        kind = attributes.get("Type", "").rpartition("/")[2]
        _check_count(len(related), "relationships", name)
        inside = posixpath.normpath(target).lstrip("/")
        related[attributes.get("Id", "")] = Relation(kind, inside)

    _read_part(archive, posixpath.join(folder, "_rels", f"{base}.rels"), name, start)
    return related


def _sheets(
    archive: zipfile.ZipFile, book: str, related: dict[str, Relation], name: str
) -> tuple[list[SheetPart], bool]:
    """The worksheets in order, and whether dates count from 1904."""
    sheets: list[SheetPart] = []
    roots: list[str] = []
    epochs: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = main_name(tag)
        if not roots:
            roots.append(element)
        elif element == "workbookPr":
            epochs.append(attributes.get("date1904", ""))
        elif element == "sheet":
            _check_count(len(sheets), "sheets", name)
            ids = [value for key, value in attributes.items() if key.endswith(" id")]
            relation = related.get(ids[0]) if ids else None
            if relation and relation.kind != "worksheet":
                return  # a sheet of charts or macros
            title = attributes.get("name", "")
            part = relation.part if relation else ""
            if part not in archive.NameToInfo or part in {sheet.part for sheet in sheets}:
                raise ReadError(
                    f"{name}: its sheet {title!r} has no content of its own; the file is damaged: "
                    "open it in a spreadsheet program and save it again"
                )
            sheets.append(SheetPart(title, part))

    _read_part(archive, book, name, start)
    if roots != ["workbook"]:
        raise ReadError(
            f"{name}: expected an xlsx workbook, found a document of another kind; open it in a "
            "spreadsheet program and save it as .xlsx"
        )
    return sheets, bool(epochs) and epochs[0].strip().lower() in _TRUE


def _formats(archive: zipfile.ZipFile, part: str, name: str) -> CellFormats:
    from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format

    custom: dict[str, str] = {}
    numbers: list[str] = []
    within: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = main_name(tag)
        if element in ("numFmts", "cellXfs"):
            within.append(element)
        elif element == "numFmt" and within[-1:] == ["numFmts"]:
            _check_count(len(custom), "number formats", name)
            custom[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif element == "xf" and within[-1:] == ["cellXfs"]:
            _check_count(len(numbers), "formats of cells", name)
            numbers.append(attributes.get("numFmtId", "0"))

    def end(tag: str) -> None:
        if within and main_name(tag) == within[-1]:
            within.pop()

    _read_part(archive, part, name, start, end)
    builtin = {str(number): code for number, code in BUILTIN_FORMATS.items()} | _LOCAL_DATES
    formats = CellFormats()
    for style, number in enumerate(numbers):
        code = custom.get(number) or builtin.get(number, "General")
        formats.codes.append(code)
        # The rest of an over-long code is not looked at: these patterns take long over some.
        if not code or is_date_format(code[:255]):
            formats.dates.add(style)
        if is_timedelta_format(code[:255]):
            formats.durations.add(style)
    return formats


def _shared(archive: zipfile.ZipFile, part: str, name: str) -> SharedTexts:
    texts = SharedTexts()
    if part not in archive.NameToInfo:
        return texts
    size = archive.getinfo(part).file_size
    if size > MAX_SHARED:
        raise ReadError(
            f"{name}: its texts take {size:,} bytes; the limit is {MAX_SHARED:,}; split it into "
            "several files"
        )
    pieces: list[str] = []
    phonetic = False

    def start(tag: str, _: dict[str, str]) -> None:
        nonlocal phonetic
        element = main_name(tag)
        if element == "t" and not phonetic:
            events.listen(pieces.append)
        elif element == "rPh":
            phonetic = True

    def end(tag: str) -> None:
        nonlocal phonetic
        element = main_name(tag)
        if element == "t":
            events.listen(None)
        elif element == "rPh":
            phonetic = False
        elif element == "si":
            stored = "".join(pieces)
            pieces.clear()
            texts.stored.append(stored)
            texts.shown.append(cell_text(stored)[0])

    with archive.open(part) as stream:
        events = XmlEvents(stream, f"{name}, its shared texts", start, end)
        events.read_all()
    return texts


def _read_part(
    archive: zipfile.ZipFile,
    part: str,
    name: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] = lambda _: None,
) -> None:
    """Read a part to its end, if it is there."""
    if part in archive.NameToInfo:
        with archive.open(part) as stream:
            XmlEvents(stream, f"{name}, its part {part}", start, end).read_all()


def _check_count(count: int, what: str, name: str) -> None:
    if count >= MAX_ITEMS:
        raise ReadError(
            f"{name}: refused: it has more than {MAX_ITEMS:,} {what}; copy the questions into a "
            "new workbook"
        )
