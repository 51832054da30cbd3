"""docx → the paragraphs of a document with their automatic numbers, and its tables."""

from __future__ import annotations

import contextlib
import importlib.util
import zipfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhmcq.errors import ReadError
from zhmcq.reading._formats.archive import check_archive
from zhmcq.reading._formats.docx_runs import at_height, formula_text, height_of, styles_of
from zhmcq.reading._formats.numbering import Numbering
from zhmcq.reading._formats.plain_text import MAX_LINE, Line, Mark, PlainText
from zhmcq.reading._formats.table import MAX_COLUMNS, CellRow, Sheet
from zhmcq.reading._formats.xml_events import XmlEvents
from zhmcq.zh._fold import tidy

__all__ = ["docx_text"]

# The library builds a tree of each part: about ten times its size.
MAX_XML = 2**26
# Pictures are held in memory with the rest.
MAX_INFLATED = 2**29
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_V = "{urn:schemas-microsoft-com:vml}"
_DELETED = (f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", f"{_MC}Fallback", f"{_W}instrText")
_PICTURES = (f"{_W}drawing", f"{_W}pict", f"{_W}object")
_SIGNS = {
    f"{_W}tab": "\t",
    f"{_W}br": "\n",
    f"{_W}cr": "\n",
    f"{_W}noBreakHyphen": "-",
    f"{_W}sym": "□",
}
_SHORT_CELL = 8
# A table of questions holds most of a document's text.
_MOST = 0.6


def docx_text(path: Path, name: str) -> PlainText:
    """The paragraphs of a document, and its tables.

    Headers, footers and comments are left out; text that was deleted with changes tracked too.

    Raises:
        ReadError: If the extra is not installed, or the file is damaged, hostile or no docx.
    """
    if importlib.util.find_spec("docx") is None:
        raise ReadError(
            f"{name}: reading .docx needs an extra: pip install 'zhmcq[docx]'; or save the file "
            "as plain text (.txt)"
        )
    with _library_errors(name):
        reader = _Reader(_opened(path, name), name)
        reader.read()
    size = sum(len(line.text) for line in reader.lines)
    in_tables = sum(len(line.text) for line in reader.lines if line.in_table)
    return PlainText(
        reader.lines,
        "paragraph",
        _sheets(reader.tables),
        mostly_tables=bool(size) and in_tables >= _MOST * size,
    )


@contextlib.contextmanager
def _library_errors(name: str) -> Iterator[None]:
    """Whatever the library raises over a damaged file, the caller gets a ReadError."""
    try:
        yield
    except (ReadError, MemoryError, OSError):
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"[:300]
        raise ReadError(
            f"{name}: expected a docx document, but it is damaged or of another kind ({detail}); "
            "open it in a word processor and save it again"
        ) from error


def _opened(path: Path, name: str) -> Any:
    """The document, once its parts are known to be of honest size and without entities."""
    import docx

    with path.open("rb") as file:
        if file.read(4) == b"\xd0\xcf\x11\xe0":
            raise ReadError(
                f"{name}: this is an old .doc document or one with a password, whatever its "
                "name says; save it as .docx without a password"
            )
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            check_archive(archive, name)
            _check_parts(archive, name)
        file.seek(0)
        return docx.Document(file)


def _check_parts(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse parts that declare document types, nest too deeply or would fill the memory."""
    inflated = sum(member.file_size for member in archive.infolist())
    if inflated > MAX_INFLATED:
        raise ReadError(
            f"{name}: refused: it would inflate to {inflated:,} bytes; the limit is "
            f"{MAX_INFLATED:,}; take pictures out of it, or save it as plain text"
        )
    total = 0
    for member in archive.infolist():
        if not member.filename.lower().endswith((".xml", ".rels")):
            continue
        total += member.file_size
        if total > MAX_XML:
            raise ReadError(
                f"{name}: refused: its text would take {total:,} bytes or more of XML; the limit "
                f"is {MAX_XML:,}; split the document, or save it as plain text"
            )
        with archive.open(member) as stream:
            where = f"{name}, part {member.filename}"
            XmlEvents(stream, where, _ignore_start, _ignore_end).read_all()


def _ignore_start(_name: str, _attributes: dict[str, str]) -> None:
    return


def _ignore_end(_name: str) -> None:
    return


@dataclass(slots=True)
class _Text:
    """The text of a paragraph as it is put together."""

    pieces: list[str] = field(default_factory=list)
    length: int = 0
    marks: list[Mark] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)

    def add(self, text: str, styles: frozenset[str] = frozenset()) -> None:
        if text:
            self.marks += [Mark(self.length, self.length + len(text), s) for s in sorted(styles)]
            self.pieces.append(text)
            self.length += len(text)


@dataclass(slots=True)
class _Cell:
    """The lines of one cell of a table."""

    lines: list[Line] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


class _Reader:
    """Reads the body of a document in its order.

    Attributes:
        lines: Its paragraphs that hold anything; a soft line break begins a line of its own.
        tables: The rows of its tables that stand in no other table.
    """

    def __init__(self, document: Any, name: str) -> None:
        self._body = document.element.body
        self._name = name
        self._relations = document.part.rels
        self._styles = _style_numbers(document)
        self._numbering = Numbering(_numbering_root(document))
        self.lines: list[Line] = []
        self.tables: list[list[CellRow]] = []
        self._number = 0
        self._gap = False

    def read(self) -> None:
        """Read all paragraphs and tables."""
        for line in self._block(self._body, in_table=False):
            self.lines.append(line)

    def _block(self, parent: Any, *, in_table: bool) -> Iterator[Line]:
        for element in parent.iterchildren():
            if element.tag == f"{_W}p":
                yield from self._paragraph(element, in_table=in_table)
            elif element.tag == f"{_W}tbl":
                yield from self._table(element, nested=in_table)
            elif element.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
                yield from self._block(element, in_table=in_table)

    def _paragraph(self, paragraph: Any, *, in_table: bool) -> Iterator[Line]:
        self._number += 1
        number = self._number
        text = _Text()
        if label := self._label(paragraph):
            text.add(label + " ")
        self._inline(paragraph, text)
        whole = "".join(text.pieces)
        if len(whole) > MAX_LINE:
            raise ReadError(
                f"{self._name}, paragraph {number}: longer than {MAX_LINE:,} characters, which no "
                "question is"
            )
        soft = False
        for piece, marks in _split(whole, text.marks):
            if not piece:
                self._gap |= not soft
                continue
            gap, self._gap = self._gap, False
            yield Line(number, piece, gap, soft=soft, in_table=in_table, marks=marks)
            soft = True
        for box in text.boxes:
            yield from self._block(box, in_table=in_table)

    def _label(self, paragraph: Any) -> str:
        """The automatic number before a paragraph."""
        properties = paragraph.find(f"{_W}pPr")
        if properties is None:
            return ""
        numbered = properties.find(f"{_W}numPr")
        number, level = _number_of(numbered) if numbered is not None else ("", None)
        style = properties.find(f"{_W}pStyle")
        if not number and style is not None:
            number, of_style = self._styles.get(str(style.get(f"{_W}val")), ("", None))
            level = of_style if level is None else level
        return self._numbering.before(number, level or 0) if number and number != "0" else ""

    def _inline(self, parent: Any, text: _Text) -> None:
        for element in parent.iterchildren():
            tag = element.tag
            if tag in _DELETED:
                continue
            if tag == f"{_W}r":
                self._run(element, text)
            elif tag in (f"{_M}oMath", f"{_M}oMathPara"):
                text.add(formula_text(element))
            elif tag == f"{_W}p":
                continue
            else:
                self._inline(element, text)

    def _run(self, run: Any, text: _Text) -> None:
        properties = run.find(f"{_W}rPr")
        if properties is not None and properties.find(f"{_W}vanish") is not None:
            return
        styles = styles_of(properties)
        height = height_of(properties)
        for element in run.iterchildren():
            tag = element.tag
            if tag == f"{_W}t":
                text.add(at_height(element.text or "", height), styles)
            elif tag in _SIGNS:
                text.add(_SIGNS[tag])
            elif tag in _PICTURES:
                self._picture(element, text)
            elif tag == f"{_MC}AlternateContent":
                for choice in element.iterchildren(f"{_MC}Choice"):
                    for drawing in choice.iterchildren(*_PICTURES):
                        self._picture(drawing, text)

    def _picture(self, element: Any, text: _Text) -> None:
        boxes = [box for box in element.iter(f"{_W}txbxContent") if _is_outermost(box, element)]
        text.boxes += boxes
        blips = [*element.iter(f"{_A}blip"), *element.iter(f"{_V}imagedata")]
        names = [self._target(e.get(f"{_R}embed") or e.get(f"{_R}id") or "") for e in blips]
        if names or not boxes:
            text.add(f"![picture]({', '.join(names) or element.tag.rpartition('}')[2]})")

    def _target(self, relation: str) -> str:
        related = self._relations.get(relation)
        return str(related.target_ref).replace(")", "")[:200] if related is not None else "picture"

    def _table(self, table: Any, *, nested: bool) -> Iterator[Line]:
        rows: list[CellRow] = []
        for row in table.iter(f"{_W}tr"):
            if next(row.iterancestors(f"{_W}tbl")) is not table:
                continue
            first = self._number + 1
            cells = [_Cell(list(self._block(cell, in_table=True))) for cell in _cells_of(row)]
            texts = [cell.text for cell in cells][:MAX_COLUMNS]
            if any(texts):
                rows.append(CellRow(first, texts, list(texts)))
            yield from _row_lines(cells)
        if rows and not nested:
            self.tables.append(rows)


def _is_outermost(box: Any, picture: Any) -> bool:
    """Whether a text box stands in no other one, nor in a copy of it for older programs."""
    for element in box.iterancestors():
        if element is picture:
            return True
        if element.tag in (f"{_MC}Fallback", f"{_W}txbxContent"):
            return False
    return True


def _cells_of(row: Any) -> Iterator[Any]:
    for element in row.iterchildren():
        if element.tag == f"{_W}tc":
            yield element
        elif element.tag == f"{_W}sdt":
            for content in element.iterchildren(f"{_W}sdtContent"):
                yield from content.iterchildren(f"{_W}tc")


def _row_lines(cells: list[_Cell]) -> Iterator[Line]:
    """The lines of a row: short cells are joined with what stands right of them."""
    filled = [cell for cell in cells if cell.lines]
    if all(len(cell.lines) == 1 for cell in filled):
        if filled:
            yield _joined([cell.lines[0] for cell in filled])
        return
    waiting: list[Line] = []
    for cell in filled:
        first, *others = cell.lines
        if not others and len(first.text) <= _SHORT_CELL:
            waiting.append(first)
            continue
        yield _joined([*waiting, first])
        yield from others
        waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(lines: list[Line]) -> Line:
    text, marks = "", []
    for line in lines:
        text += "\t" if text else ""
        marks += [Mark(m.start + len(text), m.end + len(text), m.style) for m in line.marks]
        text += line.text
    return Line(lines[0].number, text, lines[0].gap, in_table=True, marks=tuple(marks))


def _split(whole: str, marks: list[Mark]) -> Iterator[tuple[str, tuple[Mark, ...]]]:
    """The lines of a paragraph, and the marks inside each."""
    start, position = 0, 0
    for raw in whole.split("\n"):
        end = start + len(raw)
        text = tidy(raw)
        # Where nothing invisible was dropped, marks keep their places.
        lead = len(raw) - len(raw.lstrip())
        inside = []
        while position < len(marks) and marks[position].end <= start:
            position += 1
        for mark in marks[position:] if raw.strip() == text else ():
            if mark.start >= end:
                break
            first = max(mark.start - start - lead, 0)
            last = min(mark.end - start - lead, len(text))
            if first < last:
                inside.append(Mark(first, last, mark.style))
        yield text, tuple(inside)
        start = end + 1


def _sheets(tables: list[list[CellRow]]) -> Generator[Sheet, None, None]:
    for number, rows in enumerate(tables, 1):
        yield Sheet(f"table {number}" if len(tables) > 1 else "", iter(rows))


def _numbering_root(document: Any) -> Any:
    """The element that defines the lists; None where the document has none."""
    for relation in document.part.rels.values():
        if relation.reltype.endswith("/numbering") and not relation.is_external:
            return getattr(relation.target_part, "element", None)
    return None


def _style_numbers(document: Any) -> dict[str, tuple[str, int | None]]:
    """For each style of paragraphs, its list and level; a style has those of its base."""
    numbers_of: dict[str, tuple[str, int | None]] = {}
    bases: dict[str, str] = {}
    for style in document.styles.element.iterchildren(f"{_W}style"):
        name = str(style.get(f"{_W}styleId"))
        base = style.find(f"{_W}basedOn")
        if base is not None:
            bases[name] = str(base.get(f"{_W}val"))
        numbers = style.find(f"{_W}pPr/{_W}numPr")
        if numbers is not None:
            numbers_of[name] = _number_of(numbers)
    for name in list(bases):
        base_name, steps = name, 0
        while base_name not in numbers_of and base_name in bases and steps < 20:
            base_name, steps = bases[base_name], steps + 1
        if base_name in numbers_of:
            numbers_of.setdefault(name, numbers_of[base_name])
    return numbers_of


def _number_of(properties: Any) -> tuple[str, int | None]:
    number = properties.find(f"{_W}numId")
    level = properties.find(f"{_W}ilvl")
    text = "" if level is None else str(level.get(f"{_W}val", ""))
    return (
        "" if number is None else str(number.get(f"{_W}val", "")),
        int(text) if text.isascii() and text.isdecimal() and len(text) == 1 else None,
    )
