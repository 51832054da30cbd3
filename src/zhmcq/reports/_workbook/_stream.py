"""A large part that is read and written at once: copied as it is but where something is put in."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import IO

from zhmcq.errors import ReadError
from zhmcq.reading._formats.xml_events import XmlEvents
from zhmcq.reports._workbook._xml import encoding_of, tag_end

__all__ = ["EditedStream"]

_BEGINNING = 200
# A cell that is replaced holds nothing: some spaces or a comment of XML at most.
MAX_HELD = 2**20


class EditedStream:
    """Copies a part while it is told of its elements, in memory that does not grow with it.

    Args:
        source: The part.
        write: Takes what is written.
        where: How messages call the part.

    Attributes:
        held: From where on nothing is written for now, since it may be replaced; ``None`` if
            nothing is held.
    """

    def __init__(self, source: IO[bytes], write: Callable[[bytes], object], where: str) -> None:
        self._where = where
        beginning = source.read(_BEGINNING)
        self._encoding = encoding_of(beginning)
        self._source = _Tail(beginning, source)
        self._decoder = self._encoder = None
        if codec := self._encoding.utf16:
            self._decoder = codecs.getincrementaldecoder(codec)()
            self._encoder = codecs.getincrementaldecoder("utf-8")()
        self._codec = codec
        self._target = write
        self._read: bytearray = bytearray()  # and not written yet
        self._base = 0  # where in the part that begins
        self._ended = False
        self.held: int | None = None

    def run(self, start: Callable[[str, dict[str, str]], None], end: Callable[[str], None]) -> None:
        """Read the part to its end and write it.

        Args:
            start: Called with an element's name and attributes.
            end: Called with its name.

        Raises:
            ReadError: If it is damaged or hostile.
        """
        encoding = self._encoding.for_parser
        self._events = XmlEvents(self, self._where, start, end, encoding)  # type: ignore[arg-type]
        for _ in self._events.read():
            self.copy(self._events.index if self.held is None else self.held)
            if self.held is not None and len(self._read) > MAX_HELD:
                raise ReadError(f"{self._where}: refused: a cell of it is {MAX_HELD:,} bytes long")
        self.copy(self._base + len(self._read))

    def read(self, size: int) -> bytes:
        """Some more of the part, for the parser."""
        chunk = self._source.read(size)
        if self._decoder is not None:
            chunk = self._utf8(chunk, size)
        self._read += chunk
        return chunk

    @property
    def index(self) -> int:
        """Where the tag begins that is told of; the end of ``<a/>`` is where the tag ends."""
        return self._events.index

    def tag(self) -> tuple[bytes, int]:
        """The tag whose start is told of, and where it ends."""
        start = self.index - self._base
        end = tag_end(self._read, start, self._where)
        return bytes(self._read[start:end]), self._base + end

    def raw(self, start: int) -> bytes:
        """What is written between ``start``, which is held, and the tag that is told of."""
        return bytes(self._read[start - self._base : self.index - self._base])

    def copy(self, index: int) -> None:
        """Write everything before ``index`` as it is."""
        count = index - self._base
        if count > 0:
            self._write(bytes(self._read[:count]))
            self.skip(index)

    def skip(self, index: int) -> None:
        """Leave out what is before ``index`` and not written yet."""
        count = index - self._base
        if count > 0:
            del self._read[:count]
            self._base = index

    def put(self, xml: str | bytes) -> None:
        """Write something that is not in the part."""
        self._write(xml if isinstance(xml, bytes) else self._encoding.encode(xml))

    def _write(self, data: bytes) -> None:
        if self._encoder is not None:
            data = self._encoder.decode(data).encode(self._codec)
        self._target(data)

    def _utf8(self, chunk: bytes, size: int) -> bytes:
        """A chunk of UTF-16 as UTF-8; more is read where it holds no whole character."""
        assert self._decoder is not None  # noqa: S101
        while chunk:
            if text := self._decoder.decode(chunk):
                return text.encode()
            chunk = self._source.read(size)
        return self._decoder.decode(b"", final=True).encode()


class _Tail:
    """A stream with its beginning, which was read, put back."""

    def __init__(self, beginning: bytes, stream: IO[bytes]) -> None:
        self._beginning = beginning
        self._stream = stream

    def read(self, size: int) -> bytes:
        beginning, self._beginning = self._beginning, b""
        return beginning or self._stream.read(size)
