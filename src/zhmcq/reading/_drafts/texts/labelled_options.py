"""The lines of one question → its stem and its labelled options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zhmcq.questions import MAX_OPTIONS
from zhmcq.reading._formats.plain_text import Line
from zhmcq.zh._fold import tidy
from zhmcq.zh._labels import (
    ALPHABETS,
    CLOSING_BRACKET,
    DIGITS,
    HEAVENLY_STEMS,
    LETTERS,
    OPENING_BRACKET,
    alphabet_of,
    label_index,
    plain_label,
)

__all__ = ["LabelledOptions", "labelled_options", "labels_of_line"]

_SIGNS = "".join(a.characters[:20] for a in ALPHABETS if a.enclosed)
_STEMS = HEAVENLY_STEMS.characters
_BOPOMOFO = "ㄅㄆㄇㄈㄉㄊㄋㄌ"
# 「I」 and what comes after stand in texts for other things; nobody prints nine lettered options
# in one line, so that a label after H is believed at the beginning of a line only.
_MARKER = re.compile(
    rf"{OPENING_BRACKET}\s{{0,3}}(?P<bracketed>{LETTERS.written}|[{_SIGNS}]|[{_STEMS}{_BOPOMOFO}]|"
    rf"{DIGITS.written})\s{{0,3}}{CLOSING_BRACKET}[ \t]{{0,3}}[.．、:：]?|"
    rf"(?<![A-Za-z0-9$\\{{}}^_'’<>=+*/|&Ａ-Ｚ-])(?P<marked>{LETTERS.written}|[{_STEMS}]|"
    rf"{DIGITS.written})[ \t]{{0,3}}(?:[.．、:：)）](?![0-9０-９]|[A-Za-z]\.)|"
    rf"[.．、)）](?=[0-9０-９]))|"
    rf"(?P<sign>[{_SIGNS}])[ \t]{{0,3}}[.．、]?|"
    rf"(?:(?<=\n)|^)(?P<spaced>[A-HＡ-Ｈ])(?=[ \t\u3000]+\S)",
)
_BLANKS = " \t\u3000\xa0"
_SETS = {
    labels: labels
    for labels in (*(frozenset({n}) for n in range(8)), *(frozenset(range(n)) for n in range(2, 6)))
}
_NO_LABELS: tuple[frozenset[int], bool] = (frozenset(), False)
_LONGEST_BULLET = 12
_BESIDE = re.compile(r"\t|(?<![ \u3000])[ \u3000]{3,}[(（]?[A-HＡ-Ｈ1-8][)）.．、]\s{0,3}\S")
#: What joins labels in a text that names options: 「(A)與(B)皆是」.
_JOINING = frozenset("與和及、,，皆都均或而且跟同為是的之以並兩二三/+&＆→>＞<＜=＝。.；;)）」』")
_NAMING = frozenset("與和及、,，或只僅有若選同如且非除指圖項點線角")


@dataclass(frozen=True, slots=True)
class _Mark:
    """A label before an option: its index in A, B, C …, its span, how it is written."""

    index: int
    label: str
    start: int
    end: int
    series: str
    at_line: bool


@dataclass(slots=True)
class LabelledOptions:
    """A stem, and the options after it.

    Attributes:
        stem: The text before the first option.
        options: Their texts.
        labels: Their labels.
        damaged: Whether labels are missing, misprinted, or begin again.
        styles: For each option, the formats that most of its text has.
    """

    stem: str
    options: list[str] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    damaged: bool = False
    styles: list[set[str]] = field(default_factory=list)


def labels_of_line(text: str, *, digits: bool) -> tuple[frozenset[int], bool]:
    """The indexes of the labels in a line, and whether it begins with a label.

    Args:
        text: The line.
        digits: Whether ``1.`` may be the label of an option.
    """
    marks = list(_marks(text, digits=digits))
    if not marks:
        return _NO_LABELS
    indexes = frozenset(mark.index for mark in marks)
    # Most lines have one of a few sets of labels; a long text must not hold a set for each.
    return _SETS.get(indexes, indexes), marks[0].start == 0


def labelled_options(
    lines: Sequence[Line], *, digits: bool, key: str | None = None
) -> LabelledOptions:
    """The stem and the options of one question.

    Args:
        lines: Its lines, the first without its number.
        digits: Whether ``1.`` may be the label of an option.
        key: The key as the source has it: where statements in the stem bear labels too, the
            options are those with the labels that keys are written in.
    """
    text, offsets = "", []
    pieces = []
    length = 0
    for line in lines:
        offsets.append(length)
        pieces.append(line.text)
        length += len(line.text) + 1
    text = "\n".join(pieces)
    marks = list(_marks(text, digits=digits))
    runs = _runs(marks, text)
    chosen = _choose(runs, key)
    if chosen is None:
        lettered = sum(m.at_line and m.series.startswith(LETTERS.name) for m in marks)
        return LabelledOptions(tidy(text), damaged=lettered > 1)  # (A), then (C) and (D)
    marks = chosen.marks
    edges = [*(mark.start for mark in marks[1:]), len(text)]
    spans = [(mark.end, edge) for mark, edge in zip(marks, edges, strict=True)]
    options = [_joined(text[start:end]) for start, end in spans]
    if not chosen.at_lines:
        options = _without_last_stop(options)
    again = any(_conflicts(run, chosen, text) for run in runs if run is not chosen)
    return LabelledOptions(
        tidy(text[: marks[0].start]).rstrip("*- \n"),
        options,
        tuple(mark.label for mark in marks),
        # A tab inside an option parts it from another cell, which is no option; as wide blanks
        # part it from another column of the page.
        chosen.damaged or again or any(_BESIDE.search(option) for option in options),
        _styles(lines, offsets, text, spans),
    )


def _without_last_stop(options: list[str]) -> list[str]:
    """Options of one sentence without the stop that ends it, which would give the last one away."""
    *others, last = options
    if last.endswith("。") and len(last) > 1 and not any("。" in option for option in others):
        return [*others, last[:-1].rstrip()]
    return options


def _joined(text: str) -> str:
    lines = (line.strip().strip("*").strip() for line in tidy(text).split("\n"))
    return re.sub(r"\n[-*+]$", "", "\n".join(lines)).strip()


@dataclass(slots=True)
class _Run:
    """Labels in their order, from the first of a series on."""

    marks: list[_Mark]
    damaged: bool = False

    @property
    def at_lines(self) -> int:
        """How many of its labels begin lines."""
        return sum(mark.at_line for mark in self.marks)

    @property
    def lettered(self) -> bool:
        """Whether its labels are letters."""
        return self.marks[0].series.startswith(LETTERS.name)


def _marks(text: str, *, digits: bool) -> Iterable[_Mark]:
    for match in _MARKER.finditer(text):
        kind = match.lastgroup or ""
        written = match[kind]
        label = plain_label(written)
        alphabet = alphabet_of([label])
        if alphabet is None:
            continue
        start = match.start()
        at_line = _begins_line(text, start)
        if not at_line and not _believed(kind, written, label, text[start - 1]):
            continue
        if alphabet is DIGITS and kind == "marked" and not digits:
            continue
        name = "sign" if kind == "sign" else alphabet.name
        # A. and (A) are one series of labels where both begin lines.
        series = name if kind == "sign" else f"{name} {kind}"
        yield _Mark(label_index(label), label, start, match.end(), series, at_line)


def _begins_line(text: str, start: int) -> bool:
    """Whether nothing but the blanks, bullets and stars of markdown stand before a label."""
    first = max(0, start - _LONGEST_BULLET)
    line_end = text.rfind("\n", first, start)
    if line_end < 0 and first > 0:
        return False
    return not text[max(line_end + 1, first) : start].strip("-*+ \t\u3000")


def _believed(kind: str, written: str, label: str, before: str) -> bool:
    """Whether a label inside a line may be one."""
    if kind == "sign":
        return True
    if kind == "bracketed":
        # f(a) and (a+b)(a) are mathematics.
        small = written.islower() and written.isascii()
        return not small or before in _BLANKS or not before.isascii()
    if label.isalpha() and label.isascii() and (written.islower() or label > "H"):
        return False
    return before in _BLANKS or not (before.isascii() and before.isalnum())


def _runs(marks: Iterable[_Mark], text: str) -> list[_Run]:
    """The runs of each series of labels; what breaks one is remembered."""
    series: dict[str, list[_Mark]] = {}
    for mark in marks:
        series.setdefault(mark.series, []).append(mark)
    runs: list[_Run] = []
    for of_series in series.values():
        at_line = [mark for mark in of_series if mark.at_line]
        ordered = [mark.index for mark in at_line] == list(range(len(at_line)))
        if len(at_line) >= 2 and ordered and _last_in_series(at_line, of_series):
            runs.append(_Run(at_line))
        else:
            runs += _runs_of(of_series, text)
    return runs


def _last_in_series(at_line: list[_Mark], marks: list[_Mark]) -> bool:
    """Whether no label inside a line goes on where those at the beginnings of lines end."""
    return all(mark.at_line or mark.index < len(at_line) for mark in marks)


def _runs_of(marks: list[_Mark], text: str) -> list[_Run]:
    runs: list[_Run] = []
    run: _Run | None = None
    for position, mark in enumerate(marks):
        following = marks[position + 1] if position + 1 < len(marks) else None
        if run and mark.index == len(run.marks):
            run.marks.append(mark)
        elif run and len(run.marks) >= 2 and _mentions(mark, following, text, len(run.marks)):
            continue
        elif mark.index == 0:
            run = _Run([mark])
            runs.append(run)
        elif run:
            run.damaged = True
    return runs


def _mentions(mark: _Mark, following: _Mark | None, text: str, count: int) -> bool:
    """Whether a label names an option that came before: 「(D) (A)與(B)皆是」."""
    return not mark.at_line and mark.index < count - 1 and _names(mark, following, text)


def _names(mark: _Mark, following: _Mark | None, text: str) -> bool:
    """Whether the words around a label name what bears it, rather than being its text."""
    after = text[mark.end : mark.end + 1]
    joined = not after.strip() or after in _JOINING
    joined |= following is not None and following.start == mark.end
    return joined or text[max(mark.start - 1, 0) : mark.start] in _NAMING


def _conflicts(run: _Run, chosen: _Run, text: str) -> bool:
    """Whether another run of labels may be options too, so that two questions run together."""
    if len(run.marks) < 2:
        return False
    first, start = run.marks[0], chosen.marks[0].start
    letters = first.series.startswith(LETTERS.name) and chosen.lettered
    if first.series == chosen.marks[0].series:
        if first.start > start or run.at_lines:
            return True
        following = [*run.marks[1:], None]
        named = all(_names(m, f, text) for m, f in zip(run.marks, following, strict=True))
        return not named and not chosen.at_lines
    inside = letters and first.start > start
    return inside and (run.at_lines > 0 or len(run.marks) >= len(chosen.marks))


def _choose(runs: list[_Run], key: str | None) -> _Run | None:
    """The run that is the options: letters before other labels, the one at lines, the longest."""
    long = [run for run in runs if len(run.marks) >= 2]
    if not long:
        return None
    wanted = set(_labels_in(key)) if key else set()
    digits = wanted and all(label.isdecimal() for label in wanted)

    def rank(run: _Run) -> tuple[bool, bool, int, int, int]:
        letters = run.lettered
        fits = wanted <= {mark.label for mark in run.marks}
        return (
            fits and bool(wanted) and (letters or bool(digits) or not key),
            letters,
            min(run.at_lines, 2),
            len(run.marks),
            run.marks[0].start,
        )

    return max(long, key=rank)


def _labels_in(key: str) -> list[str]:
    plain = plain_label(key)
    if len(plain) > 1 and plain.isalpha() and plain.isascii():
        return list(plain)
    return [plain] if plain else []


def _styles(
    lines: Sequence[Line], offsets: Sequence[int], text: str, spans: Sequence[tuple[int, int]]
) -> list[set[str]]:
    """For each span, the formats that at least four fifths of its text have."""
    marked = [
        (offset + mark.start, offset + mark.end, mark.style)
        for line, offset in zip(lines, offsets, strict=True)
        for mark in line.marks
    ]
    if not marked or len(spans) > MAX_OPTIONS:
        return [set() for _ in spans]
    styles: list[set[str]] = []
    for start, end in spans:
        covered: dict[str, int] = {}
        for first, last, style in marked:
            inside = text[max(first, start) : min(last, end)] if first < end else ""
            covered[style] = covered.get(style, 0) + len("".join(inside.split()))
        length = len("".join(text[start:end].split()))
        styles.append({s for s, count in covered.items() if length and count * 5 >= length * 4})
    return styles
