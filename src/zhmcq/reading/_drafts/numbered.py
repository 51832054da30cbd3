"""Papers of numbered questions with lettered options → drafts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from zhmcq.questions import Origin, RowProblem
from zhmcq.reading._drafts.draft import Draft, DraftItem
from zhmcq.reading._drafts.key_lists import KeyList, keys_of_line, keys_of_rows, opens_key_list
from zhmcq.reading._drafts.label_keys import key_of_labels
from zhmcq.reading._drafts.labelled_options import (
    LabelledOptions,
    labelled_options,
    labels_of_line,
)
from zhmcq.reading._drafts.paper_lines import (
    KEY_CHARACTERS,
    KeyLine,
    Note,
    Range,
    Start,
    answer_and_reason,
    final_truth,
    inline_key,
    is_furniture,
    is_key_alone,
    key_line,
    note_of,
    passage_range,
    section_kind,
    start_of,
    titles_options,
    without_stem_title,
)
from zhmcq.reading._drafts.text_problems import in_order, skipped_lines
from zhmcq.reading._formats.plain_text import Line, Mark
from zhmcq.zh._fold import fold_name, half_width, normal_text
from zhmcq.zh._kinds import kind_of
from zhmcq.zh._labels import LETTERS
from zhmcq.zh._truth import truth_of

__all__ = ["Paper", "numbered_drafts"]

# Where questions are numbered so, ``1.`` may be the label of an option.
_WITH_DIGITS = ("word", "named", "bracketed")
_STYLES = ("marked", "word", "named", "bracketed", "numeral", "bare")
# A line this wide was broken at the margin, and the next one goes on with it.
_WRAPPED = 56
_LEADING_KEY = re.compile(
    rf"[(（\[【]\s{{0,20}}(?P<key>[{KEY_CHARACTERS}]{{0,12}})\s{{0,20}}[)）\]】]\s*"
)
_STEM_KEY = re.compile(r"[(（]\s{0,10}(?P<key>[A-HＡ-Ｈ]{1,8})\s{0,10}[)）]")
# How far the numbers of questions may be apart where it is doubtful whether they are numbers.
_NEAR = 3
_LIST_BEGINS = re.compile(r"1\s*[.．、]")
_LETTER_KEY = re.compile(r"[(（]?\s*[A-HＡ-Ｈa-h]{1,8}\s*[)）]?")
_STAR = re.compile(r"[*＊√✓✔☑]\s{0,3}(?=[(（]?\s?[A-HＡ-Ｈa-h]\s?[)）.．、])")
_EMPTY_BRACKETS = "（　）"
_MARKED_SHARE = 0.9
_PICTURE = re.compile(r"!\[[^\]]{0,200}\]\([^)]{0,2000}\)")


@dataclass(slots=True)
class _Passage:
    """A text for several questions."""

    range: Range
    title: str
    lines: list[Line]
    texts: list[str]
    used: bool = False


@dataclass(slots=True)
class _Item:
    """One question as its lines are met."""

    start: Start
    section: int
    kind: str
    passage: _Passage | None = None
    body: list[Line] = field(default_factory=list)
    waiting: list[tuple[Line, Line]] = field(default_factory=list)
    kept: list[Line] = field(default_factory=list)
    key: str | None = None
    explanation: list[str] = field(default_factory=list)
    source: str = ""
    subject: str = ""
    has_options: bool = False
    explained: bool = False
    closed: bool = False
    in_list: int = 0
    doubtful: bool = False
    blank: LabelledOptions | None = None

    def keep_waiting(self, count: int) -> None:
        """Take the first of the lines that wait after an option; the others are let go of."""
        self.kept += [line for line, _ in self.waiting[:count]]
        self.body += [plain for _, plain in self.waiting[:count]]
        self.waiting = []

    def take_key(self, line: Line, key: KeyLine) -> None:
        """Take the key that a line of its own gives."""
        self.key = key.key
        self.kept.append(line)
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
        self.kept.append(line)

    def without_key(self, text: str) -> str:
        """A line without the key and the explanation at its end, which go to the question."""
        cut = inline_key(text)
        if cut is None:
            return text
        text, (self.key, rest) = cut
        self.explanation += [rest] if rest else []
        return text


def numbered_drafts(paper: Paper, file: str, unit: str) -> list[DraftItem]:
    """The questions of a paper, and what it holds beside them.

    Args:
        paper: Its lines.
        file: The file's name as it was given.
        unit: What the lines' numbers count: ``"line"`` or ``"paragraph"``.
    """
    reader = _Reader(paper)
    reader.read()
    drafts = _Drafts(reader, file)
    items: list[DraftItem] = [*drafts.make(), *drafts.problems]
    return in_order([*items, *skipped_lines(paper.lines, reader.kept(), file, unit)])


def _without_star(line: Line) -> Line:
    """An option's line ``*B. text`` as a marked line ``B. text``."""
    match = _STAR.match(line.text)
    if match is None:
        return line
    text = line.text[match.end() :]
    return replace(line, text=text, marks=(Mark(0, len(text), "marked with a sign before it"),))


class Paper:
    """The lines of a text, and which of them may begin questions.

    Args:
        lines: The lines that hold anything.

    Attributes:
        lines: The lines; signs that mark options as right are taken off.
        style: How its questions are numbered; ``""`` where nothing looks like a question.
        starts: For each line, the start that it may be.
        fruitful: For each line, whether it begins a question and options come before the next.
        last_sure: For each number, the last line that surely begins with it.
        digits: Whether ``1.`` may be the label of an option.
        labels: For each line, the labels in it, and whether it begins with one.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = [_without_star(line) for line in lines]
        found = [start_of(line.text) for line in self.lines]
        styles = {start.style for start in found if start}
        # What stands before a question is no label of its options.
        texts = [
            line.text[start.end :] if start else line.text
            for line, start in zip(self.lines, found, strict=True)
        ]
        after = {digits: _labels(texts, digits=digits) for digits in _digits_of(styles)}
        whole = {
            digits: _labels([line.text for line in self.lines], digits=digits) for digits in after
        }
        self.style, best = "", 0
        self.fruitful = [False] * len(self.lines)
        for style in _STYLES:
            if style in styles:
                digits = style in _WITH_DIGITS
                fruitful = _fruitful(self.lines, found, after[digits], whole[digits], style)
                if sum(fruitful) > best:
                    self.style, best, self.fruitful = style, sum(fruitful), fruitful
        self.starts = [s if s and s.style == self.style else None for s in found]
        self.last_sure = {s.number: i for i, s in enumerate(self.starts) if s and not s.weak}
        self.digits = self.style in _WITH_DIGITS
        self.labels = whole[self.digits]

    def count(self) -> int:
        """How many numbered questions with labelled options, or keys before them, there are."""
        return sum(self.fruitful)


def _digits_of(styles: set[str]) -> set[bool]:
    """Whether ``1.`` may be an option's label, in the styles of numbers that occur."""
    return {False} | {style in _WITH_DIGITS for style in styles}


def _labels(texts: Sequence[str], *, digits: bool) -> list[tuple[frozenset[int], bool]]:
    return [labels_of_line(text, digits=digits) for text in texts]


def _fruitful(
    lines: Sequence[Line],
    starts: Sequence[Start | None],
    labels: Sequence[tuple[frozenset[int], bool]],
    whole: Sequence[tuple[frozenset[int], bool]],
    style: str,
) -> list[bool]:
    """For each line, whether it is a start of this style that labels A and B follow, or a key.

    Args:
        lines: The lines.
        starts: The starts that they may be.
        labels: The labels in each after its number.
        whole: All labels in each.
        style: The style.
    """
    result = [False] * len(starts)
    seen: set[int] = set()
    for index in range(len(starts) - 1, -1, -1):
        start = starts[index]
        if start is None or start.style != style:
            seen |= whole[index][0]
            continue
        options = {0, 1} <= (seen | labels[index][0])
        statement = _is_statement(start) or final_truth(lines[index].text) is not None
        result[index] = options or statement
        if start.weak or (start.key and not result[index]):
            seen |= whole[index][0]  # 「(A) 3.5」 is an option, so what follows it is one as well.
        else:
            seen = set()
    return result


def _is_statement(start: Start) -> bool:
    """Whether brackets for a key come before the number, empty or with a sign for true or false."""
    return start.key is not None and (not start.key or truth_of(start.key) is not None)


class _Reader:
    """Gives each line of a paper to a question, a passage, a list of keys or nothing.

    Attributes:
        items: The questions.
        passages: Texts for several of them.
        key_list: Keys that stand together.
    """

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        self.items: list[_Item] = []
        self.passages: list[_Passage] = []
        self.key_list = KeyList()
        self._item: _Item | None = None
        self._passage: _Passage | None = None
        self._in_passage = False
        self._in_keys = False
        self._section = 0
        self._kind = ""
        self._fresh = True

    def kept(self) -> Iterator[Line]:
        """The lines that belong to something."""
        for item in self.items:
            yield from item.kept
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
        if taken := self._take_keys(index):
            return taken
        start = self.paper.starts[index]
        kind = section_kind(line.text) if not (start and self.paper.fruitful[index]) else None
        if kind is not None:
            self._begin_section(kind)
            if (group := passage_range(line.text)) is not None:
                self._begin_passage(line, group)
        elif start and self._begins(index, start):
            self._begin(line, start)
        elif (group := self._announced(line)) is not None:
            self._close()
            self._begin_passage(line, group)
        elif is_furniture(line.text):
            pass
        else:
            self._continue(index)
        return 1

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
        for line in self.paper.lines[index : index + 3]:
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
            return fruitful or (self._fresh and not start.weak)
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
        item = _Item(start, self._section, self._kind)
        passage = self._passage
        if passage is not None:
            low, high, _ = passage.range
            if not low or low <= start.number <= high:
                item.passage = passage
                passage.used = True
            else:
                self._passage = None
        item.kept.append(line)
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
        found, _ = labels_of_line(text, digits=self.paper.digits)
        item.has_options = {0, 1} <= found

    def _begin_section(self, kind: str) -> None:
        self._close()
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
        self._passage = _Passage(group, line.text, [line], [group.rest] if group.rest else [])
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
        elif titles_options(line.text):
            item.kept.append(line)
        elif (
            item.key == ""
            and item.kept[-1] is self.paper.lines[index - 1]
            and is_key_alone(line.text)
        ):
            item.key = line.text
            item.kept.append(line)
        elif key := key_line(line.text):
            self._settle()
            if not item.key:
                item.take_key(line, key)
        elif (note := note_of(line.text)) and (item.has_options or item.key is not None):
            self._settle()
            item.take_note(line, note)
        elif item.explained:
            item.kept.append(line)
            item.explanation.append(line.text)
        elif not item.closed:
            self._extend(item, index)

    def _extend(self, item: _Item, index: int) -> None:
        """A line of the stem or of the options."""
        line = self.paper.lines[index]
        found, at_start = self.paper.labels[index]
        plain = replace(line, text=item.without_key(line.text)) if item.key is None else line
        if item.has_options and not (found and at_start):
            item.waiting.append((line, plain))
            return
        # What waited stands between two options.
        item.keep_waiting(len(item.waiting))
        item.kept.append(line)
        item.body.append(plain)
        item.has_options = item.has_options or bool(found and (at_start or {0, 1} <= found))

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


class _Drafts:
    """Makes drafts of the questions of a paper.

    Args:
        reader: What was read of it.
        file: The file's name as it was given.
    """

    def __init__(self, reader: _Reader, file: str) -> None:
        self._reader = reader
        self._file = file
        self._digits = reader.paper.digits
        self._lettered = False
        self._keys_in_front = False
        self._numbers: set[int] = set()
        self.problems: list[RowProblem] = []

    def make(self) -> list[Draft]:
        """All drafts; what is wrong with the keys of all is then in ``problems``."""
        items = self._reader.items
        parts: list[LabelledOptions] = []
        self._numbers = {item.start.number for item in items}
        # 「答案：」 with nothing after it is a place for a key, too.
        asked = any(item.key is not None or item.start.key is not None for item in items)
        for item in items:
            item.key = item.key or item.start.key or None
            parts.append(self._parts(item))
        if self._keys_in_front:
            for index, item in enumerate(items):
                parts[index] = item.blank or parts[index]
        self._take_final_truths(items, parts)
        if not any(item.key for item in items) and not self._reader.key_list.keys:
            self._take_stem_keys(items, parts)
        listed = self._listed_keys(items, parts)
        series = [part.labels[0] in LETTERS.characters for part in parts if part.labels]
        self._lettered = len(series) > 3 and sum(series) >= _MARKED_SHARE * len(series)
        drafts = [
            self._draft(item, part, listed.get(index))
            for index, (item, part) in enumerate(zip(items, parts, strict=True))
        ]
        has_keys = any(draft.answer is not None for draft in drafts)
        if not has_keys and not self._reader.key_list.keys:
            has_keys = self._take_format(drafts, parts)
        asked |= any(item.start.key is not None for item in items)
        for draft in drafts:
            draft.has_key_field = has_keys or asked or bool(self._reader.key_list.keys)
        return drafts

    def _parts(self, item: _Item) -> LabelledOptions:
        """Stem and options; a key before the stem is taken out of it."""
        parts = labelled_options(item.body, digits=self._digits, key=item.key)
        first = item.body[0]
        leading = _LEADING_KEY.match(first.text)
        if leading is None or leading.end() == len(first.text):
            return parts
        rest = Line(first.number, first.text[leading.end() :])
        without = labelled_options([rest, *item.body[1:]], digits=self._digits, key=item.key)
        key = leading["key"].strip()
        if not key:
            # A place for a key, or a blank of the sentence: the other questions tell.
            item.blank = without if without.stem else None
            return parts
        if key.isdecimal() and set(half_width(key)) <= set(without.labels):
            key = ",".join(half_width(key))  # (34) before options (1) to (4) is two keys.
        named = bool(without.options) and isinstance(key_of_labels(key, without.labels), list)
        true_false = not without.options and truth_of(key) is not None
        if item.key is None and without.stem and (named or true_false):
            item.key = key
            self._keys_in_front = True
            return without
        return parts

    def _take_stem_keys(self, items: Sequence[_Item], parts: Sequence[LabelledOptions]) -> None:
        """Keys in the brackets that stems leave for them: 「……是（ B ）。」, if nearly all do."""
        found = [list(_STEM_KEY.finditer(part.stem)) for part in parts]
        fits = [
            len(matches) == 1 and isinstance(key_of_labels(matches[0]["key"], part.labels), list)
            for matches, part in zip(found, parts, strict=True)
        ]
        if len(items) < 2 or sum(fits) < _MARKED_SHARE * len(items):
            return
        for item, part, matches, fit in zip(items, parts, found, fits, strict=True):
            if fit:
                (match,) = matches
                item.key = match["key"]
                part.stem = part.stem[: match.start()] + _EMPTY_BRACKETS + part.stem[match.end() :]

    def _take_final_truths(self, items: Sequence[_Item], parts: Sequence[LabelledOptions]) -> None:
        """The signs at the ends of statements: 「……。（√）」, if nearly all have one."""
        plain = [
            (item, part)
            for item, part in zip(items, parts, strict=True)
            if not part.options and not item.key
        ]
        cuts = [final_truth(part.stem) for _, part in plain]
        usual = sum(map(bool, cuts)) >= _MARKED_SHARE * len(cuts)
        for (item, part), cut in zip(plain, cuts, strict=True):
            stated = kind_of(item.kind) == "true_false"
            if cut and (stated or usual):
                part.stem, item.key = cut

    def _listed_keys(
        self, items: Sequence[_Item], parts: Sequence[LabelledOptions]
    ) -> dict[int, str]:
        """The key of each question from the list, by index; a problem where they can't be told."""
        key_list = self._reader.key_list
        if not key_list.keys:
            return {}
        numbers = [item.start.number for item in items]
        repeated = next((n for n, count in Counter(numbers).items() if count > 1), 0)
        if not repeated and not key_list.repeated():
            keys = dict(key_list.keys)
            missing = [
                item.start.number
                for item, part in zip(items, parts, strict=True)
                if part.options and item.start.number not in keys
            ]
            unknown = [number for number in keys if number not in numbers]
            if not missing and not unknown:
                return {i: keys[n] for i, n in enumerate(numbers) if n in keys}
            reason = (
                f"it has no key for question {missing[0]}"
                if missing
                else f"it has a key for question {unknown[0]}, which is not there"
            )
        else:
            runs = _runs(numbers)
            lists = key_list.runs()
            if [[numbers[i] for i in run] for run in runs] == [list(keys) for keys in lists]:
                return {
                    i: keys[numbers[i]] for run, keys in zip(runs, lists, strict=True) for i in run
                }
            number = repeated or key_list.repeated()
            reason = f"the number {number} occurs twice, so its keys can't be told apart"
        self.problems.append(
            RowProblem(
                key_list.lines[0].number, "", "key_list",
                f"the list of keys was not used: {reason}; give each question one number and one "
                "key, or write the keys under the questions",
                "error", self._file,
            )
        )  # fmt: skip
        return {}

    def _draft(self, item: _Item, parts: LabelledOptions, listed: str | None) -> Draft:
        passage = item.passage
        draft = Draft(
            Origin(self._file, "", item.kept[0].number),
            without_stem_title(parts.stem),
            list(parts.options),
            labels=parts.labels,
            kind=item.kind,
            explanation="\n".join(text for text in item.explanation if text),
            source=item.source,
            subject=item.subject,
            source_id=item.start.number,
        )
        if passage is not None:
            draft.passage = "\n".join(passage.texts)
            low, high, _ = passage.range
            draft.group = f"{low}-{high}" if low else passage.title[:40]
        key = item.key
        given = [fold_name(k) for k in (item.start.key, key, listed) if k]
        if len(set(given)) > 1:
            draft.notes.append(("", "contradicting_keys"))
        if listed and not key:
            reason = self._reader.key_list.explanations.get(item.start.number, "")
            draft.explanation = draft.explanation or reason
        self._take_key(draft, key or listed)
        if parts.damaged or self._other_labels(draft, key or listed):
            draft.notes.append(("", "damaged_options"))
        elif parts.options and not all(parts.options):
            draft.notes.append(("", "image_options"))
        if not draft.notes and (item.doubtful or self._holds_next(item, parts.stem)):
            draft.notes.append(("", "sub_questions"))
        if _PICTURE.search(draft.stem):
            draft.notes.append(("stem", "picture"))
        return draft

    def _holds_next(self, item: _Item, stem: str) -> bool:
        """Whether a stem holds the number of the next question, which begins nowhere else."""
        following = item.start.number + 1
        pattern = rf"\s{following}\s?[.．、](?![0-9])"
        marked = item.start.style == "marked" and following not in self._numbers
        return marked and bool(re.search(pattern, stem))

    def _take_key(self, draft: Draft, key: str | None) -> None:
        """The key as a list of booleans where it is made of labels; a reason after it is none."""
        draft.answer = key_of_labels(key, draft.labels) if key else None
        if not isinstance(draft.answer, str) or not draft.options:
            return
        cut = answer_and_reason(draft.answer)
        texts = {normal_text(option) for option in draft.options}
        if cut and normal_text(cut[1]).strip("()") not in texts:
            named = key_of_labels(cut[0], draft.labels)
            if isinstance(named, list):
                draft.answer = named
                draft.explanation = "\n".join(t for t in (cut[1], draft.explanation) if t)

    def _other_labels(self, draft: Draft, key: str | None) -> bool:
        """Whether what bears labels may be statements of the stem, and the options are missing.

        The options of nearly all questions bear letters, and these don't; or the key is a letter.
        """
        if not draft.labels or draft.labels[0] in LETTERS.characters:
            return False
        letter = bool(key and isinstance(draft.answer, str) and _LETTER_KEY.fullmatch(key.strip()))
        return letter or self._lettered

    def _take_format(self, drafts: Sequence[Draft], parts: Sequence[LabelledOptions]) -> bool:
        """Keys by format: in nearly all questions one option alone is bold, red or underlined."""
        styles = Counter(style for part in parts for found in part.styles for style in found)
        for style, _ in styles.most_common(8):
            marked = [[style in found for found in part.styles] for part in parts]
            fits = [sum(of_question) == 1 for of_question in marked]
            if len(fits) < 2 or sum(fits) < _MARKED_SHARE * len(fits):
                continue
            for draft, of_question, fit in zip(drafts, marked, fits, strict=True):
                draft.answer = of_question if fit else None
            first = drafts[fits.index(True)].origin.row
            self.problems.append(
                RowProblem(
                    first, "", "key_by_format",
                    f"the text gives no keys, but in {sum(fits)} of {len(fits)} questions one "
                    f"option alone is {style}: it was read as the key; check that it is",
                    "warning", self._file,
                )
            )  # fmt: skip
            return True
        return False


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Indexes of numbers, cut where a number is not higher than the one before it."""
    runs: list[list[int]] = []
    for index, number in enumerate(numbers):
        if not runs or number <= numbers[index - 1]:
            runs.append([])
        runs[-1].append(index)
    return runs
