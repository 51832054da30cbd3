"""Gives each line of an exam paper to a question, a passage, a list of keys or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from zhmcq.reading._drafts.texts.key_lists import (
    KeyList,
    keys_of_line,
    keys_of_rows,
    opens_key_list,
)
from zhmcq.reading._drafts.texts.labelled_options import (
    labels_of_line,
)
from zhmcq.reading._drafts.texts.paper import Paper
from zhmcq.reading._drafts.texts.paper_items import PaperItem, Passage
from zhmcq.reading._drafts.texts.paper_lines import (
    Range,
    Start,
    is_furniture,
    is_key_alone,
    key_line,
    note_of,
    passage_range,
    section_kind,
    start_of,
    titles_options,
)
from zhmcq.reading._drafts.texts.stem_fronts import cut_front
from zhmcq.reading._formats.plain_text import Line

__all__ = ["PaperReader"]

# A line this wide was broken at the margin, and the next one goes on with it.
_WRAPPED = 56
# A title, the head of a table and a rule may stand between the word for keys and the first.
_KEYS_WITHIN = 8
# How far the numbers of questions may be apart where it is doubtful whether they are numbers.
_NEAR = 3
_LONGEST_TITLE = 20
_SENTENCE = re.compile(r"[?？。：:，,；;]")


class PaperReader:
    """Gives each line of a paper to a question, a passage, a list of keys or nothing.

    Attributes:
        items: The questions.
        passages: Texts for several of them.
        key_list: Keys that stand together.
    """

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        self.items: list[PaperItem] = []
        self.passages: list[Passage] = []
        self.key_list = KeyList()
        self._item: PaperItem | None = None
        self._passage: Passage | None = None
        self._in_passage = False
        self._in_keys = False
        self._section = 0
        self._kind = ""
        self._kind_level = 0
        self._fresh = True
        self._notes_end = 0

    def used_lines(self) -> Iterator[Line]:
        """The lines that belong to something."""
        for item in self.items:
            yield from item.used_lines
        for passage in self.passages:
            if passage.used:
                yield from passage.lines
        yield from self.key_list.lines

    def read(self) -> None:
        """Go through the lines once."""
        lines = self.paper.lines
        index = 0
        while index < len(lines):
            index += self._take(index)
        self._close()

    def _take(self, index: int) -> int:
        """Place a line; how many lines were placed."""
        line = self.paper.lines[index]
        if index in self.paper.heads:
            return 1
        if taken := self._take_keys(index):
            return taken
        start = self.paper.starts[index]
        numbered = start and (self.paper.fruitful[index] or cut_front(line.text[start.end :])[1])
        kind = section_kind(line.text) if not numbered else None
        if kind is None and self._is_title(line):
            kind = ""
        if kind is not None:
            self._begin_section(kind, line.heading)
            if (group := passage_range(line.text)) is not None:
                self._begin_passage(line, group)
        elif start and self._begins(index, start):
            self._begin(line, start)
        elif (group := self._announced(line)) is not None:
            self._close()
            self._begin_passage(line, group)
        elif is_furniture(line.text):
            pass
        elif line.heading and not self._says_of_question(line.text):
            self._begin_heading(line.heading)
        else:
            self._continue(index)
        return 1

    def _is_title(self, line: Line) -> bool:
        """Whether a line such as 「二、數學」 is a title between questions, not part of one."""
        item = self._item
        between = item is None or (item.has_options and not item.explained)
        if self.paper.style in ("", "numeral") or not between or self._in_keys:
            return False
        start = start_of(line.text) if len(line.text) <= _LONGEST_TITLE else None
        titled = start is not None and start.style == "numeral" and start.key is None
        return titled and not _SENTENCE.search(line.text)

    def _barren(self, index: int) -> bool:
        """Whether a list of notes begins above the first title: no number of it is fruitful."""
        if self.items or self._kind:
            return False
        if index < self._notes_end:
            return True
        last, titled = 0, False
        for following in range(index, len(self.paper.lines)):
            start = self.paper.starts[following]
            if start is None:
                line = self.paper.lines[following]
                titled = titled or bool(line.heading) or section_kind(line.text) is not None
                continue
            if start.number <= last:
                self._notes_end = following if titled else 0
                return titled
            if self.paper.fruitful[following]:
                return False
            last = start.number
        return False

    def _take_keys(self, index: int) -> int:
        line = self.paper.lines[index]
        if opens_key_list(line.text) and (self._item is None or self._lists_keys(index + 1)):
            self._close()
            self._in_keys = True
            self.key_list.lines.append(line)
            return 1
        if index + 1 < len(self.paper.lines):
            following = self.paper.lines[index + 1]
            keys = keys_of_rows(line.text, following.text) if self._may_list() else []
            if keys:
                self._add_keys([line, following], keys)
                return 2
        start = self.paper.starts[index]
        if self.paper.fruitful[index] if start else False:
            self._in_keys = False
            return 0
        inside = self._in_keys or self._after_last(line)
        if (keys := keys_of_line(line.text, inside=inside)) and self._may_list():
            self._add_keys([line], keys)
            return 1
        any_start = start_of(line.text) if self._in_keys else None
        if any_start and (key := key_of_start(line.text, any_start)):
            self._add_keys([line], [(any_start.number, key[0])])
            if key[1]:
                self.key_list.explanations[any_start.number] = key[1]
            return 1
        return 0

    def _may_list(self) -> bool:
        """Whether keys can come now: not while a stem has no options yet."""
        return self._item is None or self._item.has_options or self._item.key is not None

    def _add_keys(self, lines: list[Line], keys: list[tuple[int, str]]) -> None:
        self._close()
        self._in_keys = True
        self.key_list.lines += lines
        self.key_list.keys += keys

    def _lists_keys(self, index: int) -> bool:
        """Whether keys stand in the lines after a title."""
        seen = 0
        for line in self.paper.lines[index : index + _KEYS_WITHIN]:
            if line.heading or is_furniture(line.text) or opens_key_list(line.text):
                continue
            seen += 1
            if seen > _KEYS_WITHIN // 2:
                return False
            if keys_of_line(line.text, inside=True):
                return True
            start = start_of(line.text)
            if start and key_of_start(line.text, start):
                return True
        following = self.paper.lines[index : index + 2]
        return len(following) == 2 and bool(keys_of_rows(following[0].text, following[1].text))

    def _after_last(self, line: Line) -> bool:
        """Whether a single number and key can't be the next question."""
        start = start_of(line.text)
        return bool(start and self._item and 1 == start.number < self._item.start.number)

    def _begins(self, index: int, start: Start) -> bool:
        """Whether a numbered line begins a question, or is a line of a list inside one."""
        fruitful = self.paper.fruitful[index]
        if self._in_keys:
            return fruitful
        item = self._item
        if self._in_passage and self._passage and self._passage.range.low:
            return start.number == self._passage.range.low or (
                fruitful and start.number > self._passage.range.low
            )
        if item is None:
            return fruitful or (self._fresh and not start.weak and not self._barren(index))
        expected = start.number == item.start.number + 1
        near = item.start.number < start.number <= item.start.number + _NEAR
        surely_later = self.paper.last_sure.get(start.number, -1) > index
        if start.weak and (surely_later or not (near and fruitful)):
            return False  # 「33.6億元」 begins no question.
        if start.key is not None:
            # 「(A) 3、5」 is an option, unless options of its own follow.
            return fruitful
        listed = item.in_list and start.number == item.in_list + 1
        if item.explained or not item.has_options:
            if start.number == 1 and not (expected or fruitful):
                item.in_list = 1
                return False
            if listed and not (fruitful and expected):
                # The next number of a list, and perhaps of the paper.
                item.in_list += 1
                item.doubtful |= expected
                return False
            if start.number == 1 and fruitful and not item.has_options and not item.explained:
                item.in_list = 1
                return False
            return expected or fruitful
        return expected or fruitful or start.number > item.start.number

    def _begin(self, line: Line, start: Start) -> None:
        last = self._item or (self.items[-1] if self.items else None)
        if last and not self._fresh and start.number <= last.start.number:
            self._section += 1
        if self._item and start.number == self._item.start.number + 1:
            self._item.doubtful = False  # What looked like the next question was a list's line.
        self._close()
        self._in_passage = self._in_keys = self._fresh = False
        item = PaperItem(start, self._section, self._kind)
        passage = self._passage
        if passage is not None:
            low, high, _ = passage.range
            if not low or low <= start.number <= high:
                item.passage = passage
                passage.used = True
            else:
                self._passage = None
        item.used_lines.append(line)
        self._item = item
        self.items.append(item)
        text = line.text[start.end :]
        text = item.without_key(text)
        cutoff = len(line.text) - len(line.text[start.end :])
        marks = tuple(
            mark._replace(start=max(0, mark.start - cutoff), end=mark.end - cutoff)
            for mark in line.marks
            if mark.end > cutoff
        )
        item.body.append(Line(line.number, text, line.gap, marks=marks))
        labels, _ = labels_of_line(text, digits=self.paper.digits)
        item.has_options = {0, 1} <= labels

    def _says_of_question(self, text: str) -> bool:
        """Whether a heading stands inside a question: 「### 選項」, 「### 解析」."""
        inside = self._item is not None
        return inside and bool(titles_options(text) or key_line(text) or note_of(text))

    def _begin_heading(self, level: int) -> None:
        """A heading that names no kind; those of a section above it hold."""
        if not self._in_keys:
            kind = self._kind if level > self._kind_level else ""
            self._begin_section(kind, self._kind_level if kind else level)

    def _begin_section(self, kind: str, level: int) -> None:
        self._close()
        self._kind_level = level
        self._passage = None
        self._in_passage = False
        self._kind = kind
        self._fresh = True
        if self.items and not self._in_keys:
            self._section += 1

    def _announced(self, line: Line) -> Range | None:
        item = self._item
        inside = item is not None and not item.has_options and item.key is None and not line.gap
        return None if inside or self._in_keys else passage_range(line.text)

    def _begin_passage(self, line: Line, group: Range) -> None:
        self._passage = Passage(group, line.text, [line], [group.rest] if group.rest else [])
        self.passages.append(self._passage)
        self._in_passage = True

    def _continue(self, index: int) -> None:
        """A line that begins nothing."""
        line = self.paper.lines[index]
        item = self._item
        if item is None:
            if self._in_passage and self._passage:
                self._passage.lines.append(line)
                self._passage.texts.append(line.text)
        elif titles_options(line.text) or item.takes_truth_option(line.text):
            item.used_lines.append(line)
        elif (
            item.key == ""
            and item.used_lines[-1] is self.paper.lines[index - 1]
            and is_key_alone(line.text)
        ):
            item.key = line.text
            item.used_lines.append(line)
        elif key := key_line(line.text):
            self._settle()
            if not item.key:
                item.take_key(line, key)
        elif (note := note_of(line.text)) and (item.has_options or item.key is not None):
            self._settle()
            item.take_note(line, note)
        elif item.explained:
            item.used_lines.append(line)
            item.explanation.append(line.text)
        elif not item.closed:
            self._extend(item, index)

    def _extend(self, item: PaperItem, index: int) -> None:
        """A line of the stem or of the options."""
        line = self.paper.lines[index]
        labels, at_start = self.paper.labels[index]
        plain = replace(line, text=item.without_key(line.text)) if item.key is None else line
        if item.has_options and not (labels and at_start):
            item.waiting.append((line, plain))
            return
        # What waited stands between two options.
        item.keep_waiting(len(item.waiting))
        item.used_lines.append(line)
        item.body.append(plain)
        item.has_options = item.has_options or bool(labels and (at_start or {0, 1} <= labels))

    def _settle(self) -> None:
        """Decide whether the lines after the last option go on with it."""
        item = self._item
        if item is None:
            return
        count, before = 0, item.body[-1]
        for line, _ in item.waiting:
            goes_on = line.soft or line.indented or _width(before.text) >= _WRAPPED
            if line.gap or not goes_on:
                break
            count, before = count + 1, line
        item.keep_waiting(count)

    def _close(self) -> None:
        self._settle()
        self._item = None


def _width(text: str) -> int:
    """About how wide a text is printed, in half-width characters."""
    return len(text) + sum(char > "\u2e80" for char in text)


def key_of_start(text: str, start: Start) -> tuple[str, str] | None:
    """The key and the explanation in a line ``1. (B) because``; None for other lines."""
    match = re.match(
        r"[(（]?\s*(?P<key>[A-HＡ-Ｈ]{1,8}|[1-9]|[○×〇OX對錯对错]|[①-⑩])\s*[)）]?(?:[\s.．。,，、:：]+|$)",
        text[start.end :],
    )
    return (match["key"], text[start.end + match.end() :]) if match else None
