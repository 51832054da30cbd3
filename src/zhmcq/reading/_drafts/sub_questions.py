"""An item whose one text holds several questions, or blanks that share their options."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

from zhmcq.reading._drafts.draft import Draft
from zhmcq.reading._drafts.embedded import Embedded, cut_run, find_embedded
from zhmcq.reading._drafts.label_runs import Marker, markers_of
from zhmcq.zh._fold import normal_text, tidy
from zhmcq.zh._kinds import CHOICE_KINDS, kind_of, says_multiple
from zhmcq.zh._labels import label_index

__all__ = ["split_item"]

_ITEM = r"(?:[(（]\s*(?P<n1>\d{1,3})\s*[)）]|(?P<n2>\d{1,3})\s*(?:[.．、](?!\d)|(?=[(（])))"
_ITEM_LINE = re.compile(
    rf"(?:^|\n)[ \t\u3000\xa0]*(?:{_ITEM}|(?P<n3>\d{{1,3}})[ \t\u3000\xa0]+(?=\D|$))"
)
_ITEM_INLINE = re.compile(rf"(?<![\d.$]){_ITEM}")
_BLANK_NUMBER = re.compile(r"(?<![\d.:/])(\d{1,3})(?![\d.:/%])")


def split_item(draft: Draft) -> list[Draft]:
    """The sub-questions of an item whose text holds several questions, one key each.

    Where the keys share one set of options (a cloze with blanks 71 to 75), each blank is a
    question about the whole text, its number the stem. Where the text can't be cut so and is not
    one question with several right options either, the draft comes back with a note.
    """
    if kind_of(draft.kind) not in ("", "cloze", *CHOICE_KINDS):
        return [draft]
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
    markers = markers_of(text)
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
        cut_run(text, start, run, end, markers)
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


def _cut_runs(markers: list[Marker], expected: int) -> list[list[Marker]]:
    """Runs one after another, as many as expected; else none."""
    runs: list[list[Marker]] = []
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


def _first_number(text: str, runs: list[list[Marker]]) -> int:
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
