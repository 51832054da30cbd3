"""XML that is changed in some spots and stays, byte for byte, as it was elsewhere."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field

from zhmcq.errors import ReadError
from zhmcq.reading._formats.xml_events import XmlEvents
from zhmcq.reports._tables import MAX_CELL

__all__ = [
    "DECLARATION",
    "LARGEST_PART",
    "Element",
    "Encoding",
    "SmallPart",
    "attribute_text",
    "cell_content",
    "encoding_of",
    "prefix_of",
    "storable",
    "tag_end",
    "with_attributes",
]

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
# XML 1.0 forbids these; a workbook spells them so, and a text that looks like such a spelling too.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\r(?!\n)|_(?=x[0-9A-Fa-f]{4}_)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})
_TAG = re.compile(rb"""<(?:[^<>"']++|"[^"]*+"|'[^']*+')*+>""")
_TAG_NAME = re.compile(rb"<([^\s/>]+)")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=]+)\s*=\s*("[^"]*+"|'[^']*+')""")
_DECLARED = re.compile(
    rb"""\A(?:\xef\xbb\xbf)?<\?xml[^>]{1,99}?encoding\s*=\s*["']([\w.-]{1,40})"""
)
_BEGINNINGS = (
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
)
# Parts beside the sheets, styles above all, have some megabytes at most and are held in memory.
LARGEST_PART = 64 * 2**20
MAX_ELEMENTS = 500_000


def storable(text: str) -> str:
    """A text as a workbook stores it; spreadsheet programs show it as it was."""
    text = _FORBIDDEN.sub(lambda match: f"_x{ord(match.group()):04X}_", text)
    return _SURROGATE.sub("\ufffd", text)


def attribute_text(text: str) -> str:
    """A text within an attribute or an element."""
    return text.translate(_ESCAPES)


def cell_content(text: str) -> tuple[str, bool]:
    """A text within a cell, and whether it had to be cut to what Excel takes."""
    stored = storable(text)
    units = stored.encode("utf-16-le")
    fitting = units[: 2 * MAX_CELL].decode("utf-16-le", "ignore")
    return attribute_text(fitting), len(units) > 2 * MAX_CELL


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a part is encoded.

    Attributes:
        utf16: The codec, if the part is in UTF-16: it is read and changed in UTF-8.
        utf8: Whether what is put in can be UTF-8; if not, it is ASCII with character references.
    """

    utf16: str = ""
    utf8: bool = True

    @property
    def for_parser(self) -> str | None:
        """What a parser has to be given, since the declaration says something else."""
        return "utf-8" if self.utf16 else None

    def encode(self, text: str) -> bytes:
        """What is put in, as bytes."""
        return text.encode() if self.utf8 else text.encode("ascii", "xmlcharrefreplace")


def encoding_of(beginning: bytes) -> Encoding:
    """The encoding of a part, by its first hundred bytes."""
    for mark, codec in _BEGINNINGS:
        if beginning.startswith(mark):
            return Encoding(codec)
    declared = _DECLARED.match(beginning)
    return Encoding(utf8=declared is None or declared[1].lower() in (b"utf-8", b"utf8"))


def tag_end(data: bytes | bytearray, start: int, where: str) -> int:
    """Where the tag ends that begins at ``start``."""
    match = _TAG.match(data, start)
    if match is None:
        raise ReadError(f"{where}: expected a tag at byte {start} of what was read")
    return match.end()


def prefix_of(tag: bytes) -> str:
    """The prefix of a tag's name with its colon: ``"x:"`` of ``<x:row r="1">``; mostly ``""``."""
    name = _TAG_NAME.match(tag)
    prefix, colon, _ = name[1].rpartition(b":") if name else (b"", b"", b"")
    return (prefix + colon).decode()


def with_attributes(tag: bytes, values: dict[str, str | None]) -> bytes:
    """A tag with other values of its attributes; everything else in it stays.

    Args:
        tag: The tag, such as ``<row r="1">``.
        values: Values by the names of attributes, which are added where they are missing; ``None``
            takes an attribute away.
    """
    name = _TAG_NAME.match(tag)
    assert name is not None  # noqa: S101
    pieces = [name.group()]
    at = name.end()
    left = {key.encode(): value for key, value in values.items()}
    while attribute := _ATTRIBUTE.match(tag, at):
        key = attribute[1]
        if key not in left:
            pieces.append(attribute.group())
        elif (value := left.pop(key)) is not None:
            quoted = b'"' + attribute_text(value).encode() + b'"'
            pieces.append(tag[at : attribute.start(2)] + quoted)
        at = attribute.end()
    for key, value in left.items():
        if value is not None:
            pieces.append(b" " + key + b'="' + attribute_text(value).encode() + b'"')
    return b"".join(pieces) + tag[at:]


@dataclass(slots=True)
class Element:
    """An element of a small part.

    Attributes:
        name: Its name, with its namespace before it.
        attributes: Its attributes.
        depth: 1 for the root.
        start: Where it begins.
        tag_end: Where its first tag ends.
        close: Where its last tag begins; ``tag_end`` if it has but one.
        end: Where it ends.
        children: The elements in it, as deep as was wanted.
    """

    name: str
    attributes: dict[str, str]
    depth: int
    start: int
    tag_end: int
    close: int = 0
    end: int = 0
    children: list[Element] = field(default_factory=list)

    @property
    def local(self) -> str:
        """Its name without its namespace."""
        return self.name.rpartition(" ")[2]

    def named(self, *path: str) -> list[Element]:
        """The elements at a path of local names below it."""
        matching = [self]
        for name in path:
            matching = [c for e in matching for c in e.children if c.local == name]
        return matching


class SmallPart:
    """A part that is held in memory, with what is to be changed in it.

    Args:
        data: The part.
        where: How messages call it.
        depth: How deep its elements are looked at.

    Raises:
        ReadError: If it is damaged or hostile.
    """

    def __init__(self, data: bytes, where: str, depth: int = 3) -> None:
        self.encoding = encoding_of(data[:200])
        if self.encoding.utf16:
            try:
                data = data.decode(self.encoding.utf16).encode()
            except UnicodeError as error:
                raise ReadError(f"{where}: it is not in UTF-16: {error}") from error
        self.data = data
        self._where = where
        self._depth = depth
        self._splices: list[tuple[int, int, bytes]] = []
        self.root = self._parsed()
        self.prefix = prefix_of(data[self.root.start : self.root.tag_end])

    def raw(self, element: Element) -> bytes:
        """An element as it is written."""
        return self.data[element.start : element.end]

    def tag(self, element: Element) -> bytes:
        """The first tag of an element as it is written."""
        return self.data[element.start : element.tag_end]

    def set_attributes(self, element: Element, values: dict[str, str | None]) -> None:
        """Change the attributes of an element, as :func:`with_attributes` does."""
        self.replace(element.start, element.tag_end, with_attributes(self.tag(element), values))

    def remove(self, element: Element) -> None:
        """Take an element out."""
        self.replace(element.start, element.end, b"")

    def append(self, element: Element, xml: str, values: dict[str, str | None]) -> None:
        """Put XML in as the last that is in an element; call it once for each element.

        Args:
            element: The element.
            xml: What is put in.
            values: Attributes of the element to change.
        """
        content = self.encoding.encode(xml)
        tag = with_attributes(self.tag(element), values)
        if element.end > element.tag_end:
            self.replace(element.start, element.tag_end, tag)
            self.replace(element.close, element.close, content)
            return
        name = tag[1:].split(None, 1)[0].removesuffix(b"/>")
        opened = tag.removesuffix(b"/>") + b">"
        self.replace(element.start, element.end, opened + content + b"</" + name + b">")

    def insert(self, index: int, xml: str) -> None:
        """Put XML in where it is."""
        self.replace(index, index, self.encoding.encode(xml))

    def replace(self, start: int, end: int, data: bytes) -> None:
        """Put bytes in place of others, which no other change touches."""
        self._splices.append((start, end, data))

    def changed(self) -> bytes:
        """The part with its changes."""
        pieces = []
        at = 0
        for start, end, data in sorted(self._splices, key=lambda splice: splice[:2]):
            pieces += [self.data[at:start], data]
            at = end
        result = b"".join(pieces) + self.data[at:]
        return result.decode().encode(self.encoding.utf16) if self.encoding.utf16 else result

    def _parsed(self) -> Element:
        opened: list[Element] = []
        roots: list[Element] = []
        count = depth = 0

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal count, depth
            depth += 1
            if depth > self._depth:
                return
            count += 1
            if count > MAX_ELEMENTS:
                raise ReadError(f"{self._where}: refused: more than {MAX_ELEMENTS:,} elements")
            index = events.index
            end = tag_end(self.data, index, self._where)
            element = Element(tag, attributes, depth, index, end)
            (opened[-1].children if opened else roots).append(element)
            opened.append(element)

        def end(_: str) -> None:
            nonlocal depth
            depth -= 1
            if depth >= self._depth:
                return
            element = opened.pop()
            if self.data[element.tag_end - 2 : element.tag_end] == b"/>":
                element.close = element.end = element.tag_end
            else:
                element.close = events.index
                element.end = tag_end(self.data, element.close, self._where)

        encoding = self.encoding.for_parser
        events = XmlEvents(io.BytesIO(self.data), self._where, start, end, encoding)
        events.read_all()
        return roots[0]
