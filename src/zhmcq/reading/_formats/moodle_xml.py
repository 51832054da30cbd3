"""Moodle's XML → one record a question, in memory that does not grow with the file."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zhmcq.errors import ReadError
from zhmcq.reading._formats.xml_events import XmlEvents, local_name

__all__ = ["XmlAnswer", "XmlQuestion", "XmlQuestions", "moodle_questions"]

# What one question may hold, pictures left out; an option counts as much as a short text.
MAX_CHARACTERS = 2**24
_CHARACTERS_OF_ELEMENT = 50


@dataclass(slots=True)
class XmlAnswer:
    """One ``<answer>``: its text and the part of the marks that it earns, in percent."""

    text: str = ""
    fraction: str = ""


@dataclass(slots=True)
class XmlQuestion:
    """One ``<question>``.

    Attributes:
        number: Which element ``<question>`` it is, from 1.
        kind: Its ``type``.
        texts: The text of each other element by its name, inner ``<text>`` left out.
        answers: Its answers in order.
        pictures: How many files it carries outside its answers.
    """

    number: int
    kind: str
    texts: dict[str, str] = field(default_factory=dict)
    answers: list[XmlAnswer] = field(default_factory=list)
    pictures: int = 0


@dataclass(frozen=True, slots=True)
class XmlQuestions:
    """The questions of an XML file; each is read when it is taken."""

    questions: Generator[XmlQuestion, None, None]

    def close(self) -> None:
        """Let go of the file."""
        self.questions.close()


def moodle_questions(path: Path, name: str) -> Generator[XmlQuestion, None, None]:
    """The questions of a file that Moodle exported.

    Raises:
        ReadError: If it is no XML, declares a document type, is built to take memory, or has
            another root than ``<quiz>``.
    """
    with path.open("rb") as stream:
        reader = _Reader(name)
        events = XmlEvents(stream, name, reader.start, reader.end)
        events.listen(reader.text)
        for _ in events.read():
            yield from reader.taken()
        if not reader.count:
            raise ReadError(f"{name}: expected questions in Moodle's XML, found none")


class _Reader:
    """Collects the parts of a question while its elements come.

    Attributes:
        count: How many questions have begun.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: list[str] = []
        self._question: XmlQuestion | None = None
        self._answer: XmlAnswer | None = None
        self._pieces: list[str] = []
        self.count = 0
        self._size = 0
        self._done: list[XmlQuestion] = []

    def taken(self) -> Iterator[XmlQuestion]:
        """The questions that are complete by now."""
        done, self._done = self._done, []
        yield from done

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = local_name(name).lower()
        if not self._open and name != "quiz":
            raise ReadError(
                f"{self._name}: expected Moodle's XML, whose first element is <quiz>, found "
                f"<{name[:40]}>; export the questions as Moodle XML, or as a table"
            )
        self._open.append(name)
        self._spend(_CHARACTERS_OF_ELEMENT)
        if name == "question" and self._question is None:
            self.count += 1
            self._size = 0
            self._question = XmlQuestion(self.count, attributes.get("type", "").lower())
        elif self._question is not None:
            if name in ("answer", "subquestion", "dragbox") and self._answer is None:
                self._answer = XmlAnswer(fraction=attributes.get("fraction", ""))
                self._question.answers.append(self._answer)
            elif name == "file":
                self._question.pictures += self._answer is None
            self._pieces = []

    def text(self, text: str) -> None:
        if self._question is None or self._open[-1] == "file":
            return
        self._spend(len(text))
        self._pieces.append(text)

    def end(self, name: str) -> None:
        name = local_name(name).lower()
        self._open.pop()
        question = self._question
        if question is None:
            return
        text, self._pieces = "".join(self._pieces).strip(), []
        if name == "question" and "question" not in self._open:
            self._done.append(question)
            self._question = self._answer = None
            return
        if name == "file":
            return
        owner = self._open[-1] if name == "text" and self._open else name
        if self._answer is not None:
            if name in ("answer", "subquestion", "dragbox") and name not in self._open:
                self._answer.text = self._answer.text or text
                self._answer = None
            elif name == "text" and owner in ("answer", "subquestion", "dragbox"):
                self._answer.text = text
        elif text:
            question.texts.setdefault(owner, text)

    def _spend(self, characters: int) -> None:
        self._size += characters
        if self._question is not None and self._size > MAX_CHARACTERS:
            raise ReadError(
                f"{self._name}, question {self.count}: refused: it holds more than "
                f"{MAX_CHARACTERS:,} characters"
            )
