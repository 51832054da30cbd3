"""Options written inside a text: one question with its options, or several one after another."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from zhmcq.reading._drafts.draft import Draft
from zhmcq.reading._drafts.option_cells import prefix_label
from zhmcq.zh._fold import normal_text, tidy
from zhmcq.zh._kinds import kind_of, says_multiple
from zhmcq.zh._labels import (
    CLOSING_BRACKET,
    HEAVENLY_STEMS,
    LABEL_MARK,
    LETTERS,
    OPENING_BRACKET,
    Alphabet,
    alphabet_of,
    label_at,
    label_index,
    label_pattern,
    stem_label_pattern,
)

__all__ = [
    "Embedded",
    "find_embedded",
    "find_numbered",
    "options_of_text",
    "split_item",
    "take_embedded",
]

# Eight labels at most: 「I、」 and 「V.」 in a text are no options.
_BRACKETED = stem_label_pattern("bracketed", 8)
_MARKED = stem_label_pattern("marked", 8)
_MARKER = re.compile(
    rf"{OPENING_BRACKET}\s*(?P<bracketed>{_BRACKETED})\s*{CLOSING_BRACKET}\s*{LABEL_MARK}?|"
    rf"(?<![A-Za-z0-9$\\{{}}^_'’<>=+*/|&Ａ-Ｚ-])(?P<marked>{_MARKED})\s{{0,4}}{LABEL_MARK}(?![A-Za-z]\.)|"
    rf"(?<=[0-9])(?P<after_number>{_MARKED})[．、]|"
    rf"(?:^|\n)[ \t\u3000\xa0]*(?P<alone>{_MARKED})[ \t\u3000\xa0]+(?=\S)",
)
_SIGNS = (
    re.compile(rf"(?P<label>{label_pattern('bare')})\s*[.．、]?"),
    re.compile(
        rf"[(（]\s*(?P<label>[1-9１-９]|[{HEAVENLY_STEMS.characters[:6]}])\s*[)）]\s*{LABEL_MARK}?"
    ),
    re.compile(r"(?<![\d.$^_])(?P<label>[1-9])\s*[.．、](?!\d)"),
)
_LEAST, _MOST = 3, 6
# Numbered parts that ask or leave a blank are sub-questions.
_ASKS = re.compile(r"[?？]|_{2,}|\\quad|（\s*）|\(\s*\)")
# 「請依序說明：1. 春天 2. 夏天」 asks for no choice.
_ASKS_CHOICE = re.compile(r"何者|哪|\bwhich\b", re.IGNORECASE)
_MAY_ASK_CHOICE = re.compile(r"[?？]|下列")
# 「請說明下列名詞：1. 光合作用 2. 蒸散」 wants text.
_ASKS_TEXT = re.compile(
    r"[請请試试](?:[簡简略分]?[述論论]|[簡简]?[說说]明|解[釋释]|比[較较]|翻[譯译]|列[舉举]|[寫写造])"
    r"|[簡简]述|申[論论]|名[詞词]解[釋释]"
)
_MAX_MARKERS = 1000
_LONGEST_LIST = 10_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ITEM = r"(?:[(（]\s*(?P<n1>\d{1,3})\s*[)）]|(?P<n2>\d{1,3})\s*(?:[.．、](?!\d)|(?=[(（])))"
_ITEM_LINE = re.compile(
    rf"(?:^|\n)[ \t\u3000\xa0]*(?:{_ITEM}|(?P<n3>\d{{1,3}})[ \t\u3000\xa0]+(?=\D|$))"
)
_ITEM_INLINE = re.compile(rf"(?<![\d.$]){_ITEM}")
_BLANK_NUMBER = re.compile(r"(?<![\d.:/])(\d{1,3})(?![\d.:/%])")
_ENTITY = re.compile(r"&(?:#\w{1,8}|[A-Za-z]{2,8});")
_LINE_SPLITS = (re.compile(r"\n|###|\|"), re.compile(r"[;；]"))


@dataclass(frozen=True, slots=True)
class Embedded:
    """A question found inside a text.

    Attributes:
        stem: The text before its options.
        options: Their texts.
        labels: Their labels.
        damaged: Whether a later label follows although one is missing: ``A. … B. … D. …``.
    """

    stem: str
    options: tuple[str, ...]
    labels: tuple[str, ...]
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class _Marker:
    """A label before an option: its index in A, B, C …, its span, how it is written."""

    index: int
    label: str
    start: int
    end: int
    style: str
    sign: str
    alphabet: Alphabet


def _markers(text: str) -> list[_Marker]:
    markers = []
    for match in itertools.islice(_MARKER.finditer(text), _MAX_MARKERS):
        label = prefix_label(match)
        alphabet = alphabet_of([label])
        if alphabet is None:
            continue
        style = "bracketed" if match.lastgroup == "bracketed" else "marked"
        style = f"{alphabet.name}, {style}"
        # ``A.`` is not ``A、``: the mark after the label separates lists in a stem from
        # options.
        sign = style + normal_text(match.group()).strip()[-1:]
        index = label_index(label)
        markers.append(_Marker(index, label, match.start(), match.end(), style, sign, alphabet))
    return markers


def find_embedded(text: str) -> Embedded | None:
    """The question of a text that carries its options: ``…？(A)甲(B)乙(C)丙(D)丁``.

    The longest run of markers A, B, C … of one style is taken, the last of equals: 「點A、B、C」
    in a stem comes before the options.
    """
    markers = _markers(text)
    run = _best_run(markers)
    return _cut(text, 0, run, len(text), markers) if len(run) >= 2 else None


def _cut(
    text: str, start: int, run: list[_Marker], end: int, markers: Sequence[_Marker]
) -> Embedded:
    edges = [*(marker.start for marker in run[1:]), end]
    options = tuple(
        "\n".join(line.strip() for line in tidy(text[marker.end : edge]).split("\n"))
        for marker, edge in zip(run, edges, strict=True)
    )
    following = [m for m in markers if run[-1].end <= m.start < end]
    missing = label_at(len(run), LETTERS) if run[0].alphabet is LETTERS else ""
    glued = missing and re.search(rf"\n[ \t]*{missing}(?=[A-Z][a-z])", text[run[-1].end : end])
    damaged = bool(glued) or any(m.sign == run[-1].sign and m.index >= len(run) for m in following)
    labels = tuple(marker.label for marker in run)
    return Embedded(tidy(text[start : run[0].start]), options, labels, damaged)


def _best_run(markers: list[_Marker]) -> list[_Marker]:
    best: list[_Marker] = []
    for same_sign in (True, False):
        for start in [index for index, marker in enumerate(markers) if marker.index == 0][-40:]:
            first, run = markers[start], [markers[start]]
            for other in markers[start + 1 :]:
                alike = other.sign == first.sign if same_sign else other.style == first.style
                if alike and other.index == len(run):
                    run.append(other)
            if len(run) >= max(2, len(best)):
                best = run
        if len(best) >= 3:
            break
    return best


def take_embedded(draft: Draft) -> None:
    """Give a draft without option columns the options that its stem, or its one cell, holds."""
    filled = [option for option in draft.options if option]
    if len(filled) >= 2 or (not filled and not draft.stem):
        return
    embedded = find_embedded(filled[0] if filled else draft.stem)
    if embedded is None and not filled and kind_of(draft.kind) in ("", "single", "multiple"):
        _take_numbered(draft)
    if embedded is None or bool(embedded.stem) == bool(filled):
        return
    draft.options, draft.labels = list(embedded.options), embedded.labels
    if not any(embedded.options):
        draft.notes.append(("", "image_options"))
    elif embedded.damaged:
        draft.notes.append(("", "damaged_options"))
    if not filled:
        draft.stem = embedded.stem


def _take_numbered(draft: Draft) -> None:
    numbered = find_numbered(draft.stem, draft.answer, has_key_field=draft.has_key_field)
    if numbered is not None:
        draft.stem, draft.labels = numbered.stem, numbered.labels
        draft.options = list(numbered.options)


def options_of_text(text: str) -> tuple[list[str], tuple[str, ...]]:
    """Options that share one cell: ``A. 甲 B. 乙``, lines, or parts between bars."""
    if text.startswith("[") and text.endswith("]") and (parts := _listed(text)):
        return parts, ()
    inside = find_embedded(text)
    if inside and not inside.stem and not inside.damaged:
        return list(inside.options), inside.labels
    # The semicolon of &nbsp; parts nothing; html is read later.
    for separator in _LINE_SPLITS[:1] if _ENTITY.search(text) else _LINE_SPLITS:
        parts = [tidied for part in separator.split(text) if (tidied := tidy(part))]
        if len(parts) >= 2:
            return parts, ()
    return [text] if text else [], ()


def _listed(text: str) -> list[str]:
    """The texts of a list that was written out as json or by Python; none if it is no such list."""
    if len(text) > _LONGEST_LIST:
        return []
    try:
        parts = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return []
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        return []
    # In "\\frac" with one backslash, Python reads a form feed; the text is not what it says.
    return [] if any(map(_CONTROL.search, parts)) else [tidy(part) for part in parts]


def split_item(draft: Draft) -> list[Draft]:
    """The sub-questions of an item whose text holds several questions, one key each.

    Where the keys share one set of options (a cloze with blanks 71 to 75), each blank is a
    question about the whole text, its number the stem. Where the text can't be cut so and is not
    one question with several right options either, the draft comes back with a note.
    """
    keys = list(draft.answer)
    parts, passage = _consecutive(draft.stem, len(keys))
    if not parts:
        parts, passage = _shared_options(draft.stem, len(keys))
    if not parts:
        if not _is_multiple(draft, keys):
            draft.notes.append((draft.heading.header("stem"), "sub_questions"))
        return [draft]
    passage = "\n".join(text for text in (draft.passage, passage) if text)
    return [
        replace(
            draft,
            stem=part.stem,
            options=list(part.options),
            labels=part.labels,
            passage=passage,
            answer=key,
            sub=index,
            notes=[*draft.notes, *([("", "damaged_options")] if part.damaged else [])],
        )
        for index, (part, key) in enumerate(zip(parts, keys, strict=True), 1)
    ]


def _is_multiple(draft: Draft, keys: list[object]) -> bool:
    """Whether several keys belong to one question: one set of options, keys in their order."""
    embedded = find_embedded(draft.stem)
    if (
        embedded is None
        or len(keys) >= len(embedded.options)
        or _ITEM_LINE.search(embedded.options[-1])
    ):
        return False
    indexes = [label_index(normal_text(str(key)).upper()) for key in keys]
    blanks = len(re.findall(r"_{2,}|(?<!\d)\d{2}(?!\d)", embedded.stem))
    ascending = indexes == sorted(set(indexes)) and min(indexes) >= 0
    return ascending and (says_multiple(embedded.stem) or blanks < len(keys))


def _consecutive(text: str, expected: int) -> tuple[list[Embedded], str]:
    """Several questions, one after another, each with its own options; and what comes before."""
    markers = _markers(text)
    runs = _cut_runs(markers, expected)
    if not runs:
        return [], ""
    cuts = [0]
    number = _first_number(text, runs)
    for run, following in itertools.pairwise(runs):
        number = number + 1 if number else 0
        cuts.append(_item_start(text, run[-1].end, following[0].start, number))
    if -1 in cuts:
        return [], ""
    tail = _ITEM_LINE.search(text, runs[-1][-1].end)
    ends = [*cuts[1:], tail.start() if tail else len(text)]
    parts = [
        _cut(text, start, run, end, markers)
        for start, run, end in zip(cuts, runs, ends, strict=True)
    ]
    usual = max(len(run) for run in runs)
    parts = [
        replace(part, damaged=part.damaged or len(part.options) < min(usual, 4)) for part in parts
    ]
    passage, stem = _passage_and_stem(parts[0].stem, _first_number(text, runs))
    parts[0] = replace(parts[0], stem=stem)
    return (parts, passage) if _are_numbered(parts) else ([], "")


def _are_numbered(parts: list[Embedded]) -> bool:
    """Whether the stems bear no numbers, or each the next: else keys would go to wrong ones."""
    matches = [_ITEM_LINE.match(part.stem) for part in parts]
    numbers = [_number(match) for match in matches if match]
    if len(numbers) * 2 < len(parts):
        return True
    return numbers == list(range(numbers[0], numbers[0] + len(parts)))


def _cut_runs(markers: list[_Marker], expected: int) -> list[list[_Marker]]:
    """Runs one after another, as many as expected; else none."""
    runs: list[list[_Marker]] = []
    for marker in markers:
        if marker.index == 0:
            runs.append([marker])
        elif runs and marker.index == len(runs[-1]) and marker.style == runs[-1][0].style:
            runs[-1].append(marker)
    runs = [run for run in runs if len(run) >= 2]
    signs = [run[0].sign for run in runs]
    usual = max(set(signs), key=signs.count) if signs else ""
    for selected in (
        runs,
        [run for run in runs if len(run) >= 3],
        [run for run in runs if run[0].sign == usual],
    ):
        if len(selected) == expected:
            return selected
    return []


def _number(match: re.Match[str]) -> int:
    return int(next(text for name, text in match.groupdict().items() if name[0] == "n" and text))


def _first_number(text: str, runs: list[list[_Marker]]) -> int:
    """The number of the first sub-question, one less than that of the second; else 0."""
    if len(runs) < 2:
        return 0
    matches = list(_ITEM_INLINE.finditer(text, runs[0][-1].end, runs[1][0].start))
    matches = matches or list(_ITEM_LINE.finditer(text, runs[0][-1].end, runs[1][0].start))
    before = {_number(m) for m in _ITEM_INLINE.finditer(text, 0, runs[0][0].start)}
    before |= {_number(m) for m in _ITEM_LINE.finditer(text, 0, runs[0][0].start)}
    return next((_number(m) - 1 for m in matches if _number(m) - 1 in before), 0)


def _item_start(text: str, start: int, end: int, number: int) -> int:
    """Where the next sub-question starts: at its number, else with a new line; -1 if nowhere."""
    for pattern in (_ITEM_LINE, _ITEM_INLINE):
        for match in pattern.finditer(text, start, end):
            if not number or _number(match) == number:
                return match.start()
    return text.find("\n", start, end) if not number else -1


def _passage_and_stem(text: str, number: int) -> tuple[str, str]:
    """Cut the text before the first options at the last number of an item."""
    for pattern in (_ITEM_LINE, _ITEM_INLINE):
        cuts = [m for m in pattern.finditer(text) if not number or _number(m) == number]
        if cuts and (number or pattern is _ITEM_LINE) and cuts[-1].start() > 0:
            return tidy(text[: cuts[-1].start()]), tidy(text[cuts[-1].start() :])
    return "", text


def _shared_options(text: str, count: int) -> tuple[list[Embedded], str]:
    whole = find_embedded(text)
    if whole is None or whole.damaged or len(whole.options) < count:
        return [], ""
    numbers = {int(number) for number in _BLANK_NUMBER.findall(whole.stem)}
    firsts = [n for n in sorted(numbers) if all(n + step in numbers for step in range(count))]
    if len(firsts) != 1:
        return [], ""
    parts = [replace(whole, stem=str(firsts[0] + step)) for step in range(count)]
    return parts, whole.stem


def find_numbered(text: str, answer: Any, *, has_key_field: bool) -> Embedded | None:
    """The question of a text that numbers 3 to 6 options: ``…？①甲②乙③丙``.

    Numbers in a stem may also be statements or sub-questions. So the key must be such a number.
    Where the source has no keys at all, the numbers must be circled or the stem must ask for a
    choice.

    Args:
        text: The whole stem.
        answer: The key as the source has it.
        has_key_field: Whether the source has a column or field for keys.
    """
    for sign in _SIGNS:
        marks = list(sign.finditer(text))
        labels = [normal_text(mark.group("label")) for mark in marks]
        indexes = [label_index(label) for label in labels]
        if indexes != list(range(len(marks))) or not _LEAST <= len(marks) <= _MOST:
            continue
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        options = tuple(tidy(text[mark.end() : end]) for mark, end in zip(marks, ends, strict=True))
        stem = tidy(text[: marks[0].start()])
        if not stem or not all(options) or any(map(_ASKS.search, options)):
            continue
        if has_key_field:
            fits = _names_one(answer, labels)
        else:
            fits = answer is None and _chooses(stem, circled=sign is _SIGNS[0])
        if fits:
            return Embedded(stem, options, tuple(labels))
    return None


def _chooses(stem: str, *, circled: bool) -> bool:
    """Whether a stem without a key asks to choose among what it numbers."""
    if _ASKS_CHOICE.search(stem):
        return True
    return not _ASKS_TEXT.search(stem) and (circled or bool(_MAY_ASK_CHOICE.search(stem)))


def _names_one(answer: Any, labels: list[str]) -> bool:
    """Whether a key is made of these labels only: ``③``, ``(3)``, ``3``, ``[1, 3]``."""
    keys = answer if isinstance(answer, list) else [answer]
    texts = [normal_text(str(key)).strip("().、 ") for key in keys]
    return bool(texts) and all(text in labels for text in texts)
