"""The lines of an exam paper, and which of them may begin questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from zhmcq.reading._drafts.texts.labelled_options import (
    labels_of_line,
)
from zhmcq.reading._drafts.texts.paper_lines import (
    Start,
    final_truth,
    inline_key,
    is_truth_option,
    key_line,
    start_of,
    start_without_number,
)
from zhmcq.reading._drafts.texts.running_heads import running_heads
from zhmcq.reading._formats.plain_text import Line, Mark
from zhmcq.zh._labels import label_index, plain_label
from zhmcq.zh._truth import truth_of

__all__ = ["Paper"]

# Where questions are numbered so, ``1.`` may be the label of an option.
_WITH_DIGITS = ("word", "named", "bracketed")
_STYLES = ("marked", "word", "named", "bracketed", "numeral", "bare", "titled")
# An option's label in a line of its own, above its text.
_LABEL_LINE = re.compile(r"[(（]?(?P<label>[A-HＡ-Ｈ])[)）.．、]?")
_LABELS_APART = 4
_STAR = re.compile(r"[*＊√✓✔☑]\s{0,3}(?=[(（]?\s?[A-HＡ-Ｈa-h]\s?[)）.．、])")


def _without_star(line: Line) -> Line:
    """An option's line ``*B. text`` as a marked line ``B. text``."""
    match = _STAR.match(line.text)
    if match is None:
        return line
    text = line.text[match.end() :]
    return replace(line, text=text, marks=(Mark(0, len(text), "marked with a sign before it"),))


def _with_labels(lines: Sequence[Line]) -> list[Line]:
    """Labels that stand in lines of their own, A, B and so on, are put before their texts."""
    labels = {
        index: label_index(plain_label(match["label"]))
        for index, line in enumerate(lines)
        if len(line.text) <= 3 and (match := _LABEL_LINE.fullmatch(line.text))
    }
    if not labels:
        return list(lines)
    joined: list[Line] = []
    last, expected, skip = -_LABELS_APART, 0, False
    for index, line in enumerate(lines):
        if skip:
            skip = False
            continue
        label = labels.get(index)
        near = range(index + 2, index + 2 + _LABELS_APART)
        begins = label == 0 and any(labels.get(i) == 1 for i in near)
        goes_on = label == expected > 0 and index - last <= _LABELS_APART
        if (begins or goes_on) and index + 1 < len(lines) and index + 1 not in labels:
            following = lines[index + 1]
            if start_of(following.text) is None or not goes_on:
                front = line.text + (" " if line.text[-1:] in ")）.．、" else ". ")
                marks = tuple(
                    mark._replace(start=mark.start + len(front), end=mark.end + len(front))
                    for mark in following.marks
                )
                joined.append(replace(line, text=front + following.text, marks=marks))
                last, expected, skip = index, (label or 0) + 1, True
                continue
        joined.append(line)
    return joined


class Paper:
    """The lines of a text, and which of them may begin questions.

    Args:
        lines: The lines that hold anything.

    Attributes:
        lines: The lines; signs that mark options as right are taken off, and labels in lines of
            their own stand before their texts.
        style: How its questions are numbered; ``""`` where nothing looks like a question.
        starts: For each line, the start that it may be.
        fruitful: For each line, whether it begins a question and options come before the next.
        last_sure: For each number, the last line that surely begins with it.
        digits: Whether ``1.`` may be the label of an option.
        labels: For each line, the labels in it, and whether it begins with one.
        heads: The indexes of the running heads and feet of its pages.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = [_without_star(line) for line in _with_labels(lines)]
        starts = _starts(self.lines)
        styles = {start.style for start in starts if start}
        # What stands before a question is no label of its options.
        texts = [
            line.text[start.end :] if start else line.text
            for line, start in zip(self.lines, starts, strict=True)
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
                fruitful = _fruitful(self.lines, starts, after[digits], whole[digits], style)
                if sum(fruitful) > best:
                    self.style, best, self.fruitful = style, sum(fruitful), fruitful
        self.starts = [s if s and s.style == self.style else None for s in starts]
        self.last_sure = {s.number: i for i, s in enumerate(self.starts) if s and not s.weak}
        self.digits = self.style in _WITH_DIGITS
        self.labels = whole[self.digits]
        self.heads = running_heads(self.lines, self.starts, self.labels) if best else set()

    def count(self) -> int:
        """How many numbered questions with labelled options, or keys before them, there are."""
        return sum(self.fruitful)


def _starts(lines: Sequence[Line]) -> list[Start | None]:
    """The start that each line may be; 「題目：」 without a number gets one."""
    starts: list[Start | None] = []
    count = 0
    for line in lines:
        start = start_of(line.text) or start_without_number(line.text, count + 1)
        count += start is not None and start.style == "titled"
        starts.append(start)
    return starts


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
    decided = False
    for index in range(len(starts) - 1, -1, -1):
        start = starts[index]
        if start is None or start.style != style:
            if lines[index].heading:
                seen, decided = set(), False
            seen |= whole[index][0]
            decided |= _gives_truth(lines[index].text)
            continue
        options = {0, 1} <= (seen | labels[index][0])
        text = lines[index].text
        inline = inline_key(text)
        stated = bool(inline) and truth_of(inline[1].key) is not None if inline else False
        statement = _is_statement(start) or stated or decided or final_truth(text) is not None
        result[index] = options or statement
        if start.weak or (start.key and not result[index]):
            seen |= whole[index][0]  # 「(A) 3.5」 is an option, so what follows it is one as well.
        else:
            seen, decided = set(), False
    return result


def _gives_truth(text: str) -> bool:
    """Whether a line gives a key of a statement, 「答案：對」, or is one of its two options."""
    if is_truth_option(text):
        return True
    key = key_line(text)
    return key is not None and truth_of(key.key) is not None


def _is_statement(start: Start) -> bool:
    """Whether brackets for a key come before the number, empty or with a sign for true or false."""
    return start.key is not None and (not start.key or truth_of(start.key) is not None)
