"""Aiken: a stem, options ``A.`` or ``A)`` a line, and ``ANSWER: B``; nothing is numbered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from zhmcq.questions import Origin
from zhmcq.reading._drafts.draft import Draft, DraftItem
from zhmcq.reading._drafts.texts.label_keys import key_of_labels
from zhmcq.reading._drafts.texts.paper_lines import (
    is_furniture,
    note_of,
    section_kind,
    titles_options,
    without_stem_title,
)
from zhmcq.reading._drafts.texts.text_problems import in_order, skipped_lines
from zhmcq.reading._formats.plain_text import Line
from zhmcq.zh._labels import LETTERS, label_index, plain_label

__all__ = ["ANSWER_LINE", "OPTION_LINE", "aiken_drafts"]

#: The line that ends a question. Moodle wants ``ANSWER:``; people write it in Chinese as well.
ANSWER_LINE = re.compile(
    r"[(（【\[]?\s*(?:ANSWER|ANS|(?:正確|正确|標準|标准|參考|参考)?答案|正解)\s*[)）】\]]?"
    r"\s*[:：]\s*(?P<key>.*)",
    re.IGNORECASE,
)
#: An option's line: its label and its text.
OPTION_LINE = re.compile(
    rf"(?:[(（]\s*(?P<bracketed>{LETTERS.written})\s*[)）]|(?P<marked>{LETTERS.written})"
    r"\s*[.．)）、:：])\s*(?P<text>.*)"
)


@dataclass(slots=True)
class _Block:
    """The lines of one question as they are met.

    Attributes:
        stem: The lines before the first option.
        options: Each option's lines.
        waiting: Lines after the last option, which go on with it or begin the next question.
        damaged: Whether a label is out of its order.
        first: Whether no question came before.
        noted: Whether a note about the question before stands above it, and no empty line since.
    """

    stem: list[Line] = field(default_factory=list)
    options: list[list[Line]] = field(default_factory=list)
    waiting: list[Line] = field(default_factory=list)
    damaged: bool = False
    first: bool = False
    noted: bool = False

    def settle(self) -> None:
        """The lines that wait belong to the last option."""
        if self.options:
            self.options[-1] += self.waiting
        self.waiting = []

    def add(self, line: Line, index: int) -> None:
        """Add a line.

        Args:
            line: The line.
            index: The index that its label stands for; -1 without one.
        """
        if index >= 0 and (self.stem or self.options):
            self.settle()
            self.damaged |= index != len(self.options)
            self.options.append([line])
        elif self.options:
            self.waiting.append(line)
        elif line.gap and self.first:
            self.stem = [line]  # What comes before the first question may be a title.
        elif not is_furniture(line.text) and section_kind(line.text) is None:
            self.stem.append(line)


def aiken_drafts(lines: Sequence[Line], file: str, unit: str) -> list[DraftItem]:
    """The questions of a text in Aiken's form, and what it holds beside them.

    Args:
        lines: Its lines that hold anything.
        file: The file's name as it was given.
        unit: What the lines' numbers count.
    """
    reader = _Reader(file)
    items: list[DraftItem] = [*reader.drafts(lines)]
    return in_order([*items, *skipped_lines(lines, reader.used_lines, file, unit)])


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self.used_lines: list[Line] = []

    def drafts(self, lines: Sequence[Line]) -> Iterator[Draft]:
        block = _Block(first=True)
        last: Draft | None = None
        for line in lines:
            if answer := ANSWER_LINE.fullmatch(line.text):
                block.settle()
                if block.stem or block.options:
                    last = self._draft(block, line, answer["key"])
                    yield last
                    block = _Block()
                continue
            if last and not block.options and self._explains(last, block, line):
                continue
            option = OPTION_LINE.fullmatch(line.text)
            if option and _index(option) == 0 and block.options and block.waiting:
                # The question before has no ANSWER: what waits is the stem of the next one.
                waiting, block.waiting = block.waiting, []
                yield self._draft(block, None, None)
                block = _Block(stem=_last_paragraph(waiting))
            block.add(line, -1 if option is None else _index(option))
        if block.options:
            yield self._draft(block, None, None)

    def _explains(self, last: Draft, block: _Block, line: Line) -> bool:
        """Whether a line says something about the question before it, after its key.

        Where it goes on for several lines, an empty one ends it.
        """
        if block.noted and line.gap:
            self.used_lines += block.stem
            lines = [last.explanation, *(below.text for below in block.stem)]
            last.explanation = "\n".join(text for text in lines if text)
            block.stem, block.noted = [], False
        note = note_of(line.text) if not block.stem else None
        if note is None:
            return False
        block.noted = True
        if note.field == "explanation":
            self.used_lines.append(line)
            last.explanation = "\n".join(text for text in (last.explanation, note.text) if text)
        return True

    def _draft(self, block: _Block, answer: Line | None, key: str | None) -> Draft:
        self.used_lines += block.stem
        self.used_lines += [line for lines in block.options for line in lines]
        self.used_lines += [answer] if answer else []
        options, labels = [], []
        for first, *others in block.options:
            match = OPTION_LINE.fullmatch(first.text)
            assert match is not None  # noqa: S101
            options.append("\n".join([match["text"], *(line.text for line in others)]).strip())
            labels.append(_label(match))
        row = (block.stem or [line for lines in block.options for line in lines])[0].number
        draft = Draft(
            Origin(self._file, "", row),
            without_stem_title(
                "\n".join(line.text for line in block.stem if not titles_options(line.text))
            ),
            options,
            labels=tuple(labels),
            answer=key_of_labels(key, labels) if key and not block.damaged else key or None,
        )
        if block.damaged:
            draft.notes.append(("", "damaged_options"))
        elif not all(options):
            draft.notes.append(("", "image_options"))
        return draft


def _last_paragraph(lines: list[Line]) -> list[Line]:
    start = max((index for index, line in enumerate(lines) if line.gap), default=0)
    return lines[start:]


def _label(match: re.Match[str]) -> str:
    return plain_label(match["bracketed"] or match["marked"])


def _index(match: re.Match[str]) -> int:
    return label_index(_label(match))
