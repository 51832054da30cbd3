"""XML as events, in memory that does not grow with it: no tree is built of a hostile part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO
from xml.parsers import expat

from zhmcq.errors import ReadError

__all__ = ["XmlEvents", "local_name"]

CHUNK = 2**16
# Excel nests 20 elements at most; expat keeps something of each open one.
MAX_DEPTH = 256
# A tag is held whole. The longest honest ones list thousands of ranges of cells.
LONGEST_TAG = 4 * 2**20
# Names are kept as long as the parser is: a few hundred in an honest part.
MAX_NAMES = 20_000


class XmlEvents:
    """Tells of the elements of one part.

    Names are written with their namespace before them: ``"urn:x name"``; see :func:`local_name`.

    Args:
        stream: The part.
        where: How messages call it.
        start: Called with an element's name and attributes.
        end: Called with its name.
        encoding: The part's encoding where it is not the one that the part declares.
    """

    def __init__(
        self,
        stream: IO[bytes],
        where: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None],
        encoding: str | None = None,
    ) -> None:
        self._stream = stream
        self._where = where
        self._start = start
        self._end = end
        self._depth = 0
        self._names: dict[str, str] = {}
        parser = expat.ParserCreate(encoding, " ", self._names)
        parser.buffer_text = True
        parser.StartElementHandler = self._element
        parser.EndElementHandler = self._element_end
        parser.StartDoctypeDeclHandler = self._doctype
        self._parser = parser

    @property
    def index(self) -> int:
        """Where in the part, in bytes, the tag begins that is told of; between two, the next.

        The end of ``<a/>`` is told of where the tag ends.
        """
        return self._parser.CurrentByteIndex

    def listen(self, text: Callable[[str], object] | None) -> None:
        """Give the text between tags to a function from here on, or to none."""
        self._parser.CharacterDataHandler = text

    def read(self) -> Iterator[None]:
        """Read the part; pauses now and then, so that what was found can be passed on.

        Raises:
            ReadError: If the part is no XML, declares a document type, or is built to take memory.
        """
        fed = at = 0
        while chunk := self._stream.read(CHUNK):
            self._feed(chunk, last=False)
            fed += len(chunk)
            # Newer parsers wait for more of a long tag, and say -1 meanwhile.
            at = max(at, self._parser.CurrentByteIndex)
            if fed - at > LONGEST_TAG:
                raise self._refused(f"one of its tags is longer than {LONGEST_TAG:,} bytes")
            if len(self._names) > MAX_NAMES:
                raise self._refused(f"it has more than {MAX_NAMES:,} names of elements")
            yield
        self._feed(b"", last=True)
        yield

    def read_all(self) -> None:
        """Read the part to its end."""
        for _ in self.read():
            pass

    def _feed(self, chunk: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            raise ReadError(
                f"{self._where}: its XML is damaged ({error}); open it in the program it came "
                "from and save it again"
            ) from error

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refused(f"its elements are nested {MAX_DEPTH} deep")
        self._start(name, attributes)

    def _element_end(self, name: str) -> None:
        self._depth -= 1
        self._end(name)

    def _doctype(self, *_: object) -> None:
        raise self._refused("its XML declares a document type or entities")

    def _refused(self, reason: str) -> ReadError:
        return ReadError(f"{self._where}: refused: {reason}")


def local_name(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition(" ")[2]
