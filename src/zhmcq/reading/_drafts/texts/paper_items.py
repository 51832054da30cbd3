"""The questions and passages of a paper as their lines are met."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from zhmcq.reading._drafts.texts.labelled_options import LabelledOptions
from zhmcq.reading._drafts.texts.paper_lines import (
    KeyLine,
    Note,
    Range,
    Start,
    inline_key,
    is_truth_option,
)
from zhmcq.reading._formats.plain_text import Line

__all__ = ["PaperItem", "Passage"]

_LIST_BEGINS = re.compile(r"1\s*[.．、]")


@dataclass(slots=True)
class Passage:
    """A text for several questions.

    Attributes:
        range: The numbers of the questions.
        title: The line that announces it.
        lines: Its lines, that one included.
        texts: The lines of the text itself.
        used: Whether a question has it.
    """

    range: Range
    title: str
    lines: list[Line]
    texts: list[str]
    used: bool = False


@dataclass(slots=True)
class PaperItem:
    """One question as its lines are met.

    Attributes:
        start: Its number.
        section: Which counting of numbers it belongs to.
        kind: The word for its kind in the title of its section.
        passage: The text that it is about.
        body: The lines of its stem and options, without its number and key.
        waiting: Lines after an option, as they are and without a key at their ends.
        used_lines: All its lines as they are.
        key: The key as it is written; ``""`` where the place for it is empty.
        explanation: Lines of the explanation.
        has_options: Whether its options have begun.
        explained: Whether its explanation has begun.
        closed: Whether its key has closed it.
        in_list: The last number of a list inside it; 0 outside lists.
        doubtful: Whether a number of that list may be the next question's.
        after_options: The lines after the last option that were let go of.
        blank: Its parts without the empty brackets before its stem.
    """

    start: Start
    section: int
    kind: str
    passage: Passage | None = None
    body: list[Line] = field(default_factory=list)
    waiting: list[tuple[Line, Line]] = field(default_factory=list)
    used_lines: list[Line] = field(default_factory=list)
    key: str | None = None
    explanation: list[str] = field(default_factory=list)
    source: str = ""
    subject: str = ""
    has_options: bool = False
    explained: bool = False
    closed: bool = False
    in_list: int = 0
    doubtful: bool = False
    after_options: list[Line] = field(default_factory=list)
    blank: LabelledOptions | None = None

    def keep_waiting(self, count: int) -> None:
        """Take the first of the lines that wait after an option; the others are let go of."""
        self.used_lines += [line for line, _ in self.waiting[:count]]
        self.body += [plain for _, plain in self.waiting[:count]]
        self.after_options = [line for line, _ in self.waiting[count:]]
        self.waiting = []

    def take_key(self, line: Line, key: KeyLine) -> None:
        """Take the key that a line of its own gives."""
        self.key = key.key
        self.used_lines.append(line)
        self.closed = self.has_options
        if key.rest:
            self.explanation.append(key.rest)
            self.explained = True

    def take_note(self, line: Line, note: Note) -> None:
        """Take what a line says about the question, if a question has a field for it."""
        if note.field == "explanation":
            self.explanation.append(note.text)
            self.explained = True
            self.in_list = 1 if _LIST_BEGINS.match(note.text) else 0
        elif note.field == "source" and not self.source:
            self.source = note.text
        elif note.field == "subject" and not self.subject:
            self.subject = note.text
        else:
            return
        self.used_lines.append(line)

    def takes_truth_option(self, text: str) -> bool:
        """Whether a line is an option of this statement, which then is said to be one."""
        taken = not self.has_options and is_truth_option(text)
        self.kind = self.kind or ("判断题" if taken else "")
        return taken

    def without_key(self, text: str) -> str:
        """A line without the key and the explanation at its end, which go to the question."""
        cut = inline_key(text)
        if cut is None:
            return text
        text, (self.key, rest) = cut
        self.explanation += [rest] if rest else []
        return text
