"""Options written inside a stem, and label prefixes inside option cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zhmcq.reading.drafts import Draft
from zhmcq.reading.fold import normal_text, tidy
from zhmcq.reading.headers import label_index

__all__ = ["Embedded", "find_embedded", "is_image_only", "strip_prefixes", "take_embedded"]

_LABEL = r"[A-Za-zＡ-Ｚａ-ｚ]"
# A label in an option cell: bracketed, or followed by a mark, or (letters only) by a blank. A
# number followed by a mark and another digit is a number: 1.5公厘, 3:8.
_PREFIX = re.compile(
    rf"\s*(?:"
    rf"[(（\[【]\s*(?P<bracketed>{_LABEL}|[0-9０-９]{{1,2}}|[甲乙丙丁戊己庚辛壬癸])\s*[)）\]】]\s*[.．、:：]?|"
    rf"(?P<circled>[①-⑩])\s*[.．、:：]?|"
    rf"(?P<marked>{_LABEL}|[0-9０-９]{{1,2}}|[甲乙丙丁戊己庚辛壬癸])\s*(?:[.．、:：)）](?![0-9０-９])|[.．、](?=\s))|"
    rf"(?P<letter_marked>{_LABEL})\s*[.．、:：)）](?=[0-9０-９])|"
    rf"(?P<spaced>{_LABEL})(?=[\s\u3000]+\S)"
    rf")\s*"
)
_IMAGE = re.compile(
    r"!\[[^\]]*\]\([^)]*\)|<img\b[^>]*>|https?://\S+\.(?:png|jpe?g|gif|bmp|svg|webp)\S*|"
    r"[\w\-./\\]+\.(?:png|jpe?g|gif|bmp|svg|webp|emf|wmf)|"
    r"=?_?(?:xlfn\.)?(?:DISPIMG|IMAGE)\(.*?\)|"
    r"[\[【(（<]?\s*(?:圖片|图片|圖|图|見圖|见图|如圖|如图|附圖|附图|image|picture|figure|img)\s*"
    r"[0-9A-Za-z]{0,3}\s*[\]】)）>]?",
    re.IGNORECASE,
)


def strip_prefixes(options: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Take label prefixes off, only when all options carry one consistent sequence.

    Args:
        options: Option texts; empty ones are left out of account.

    Returns:
        The texts, and the labels that they carried; the same texts and ``()`` where they carry
        none, or where a text would be left empty.
    """
    matches = [_PREFIX.match(option) for option in options if option]
    if len(matches) < 2 or not all(matches):
        return list(options), ()
    labels = [_prefix_label(match) for match in matches if match]
    places = [place for place, option in enumerate(options) if option]
    if [label_index(label) for label in labels] != places:
        return list(options), ()
    styles = {match.lastgroup == "spaced" for match in matches if match}
    if styles == {True} and not _plainly_labels(options):
        return list(options), ()
    stripped = list(options)
    for place, match in zip(places, matches, strict=True):
        assert match is not None  # noqa: S101
        stripped[place] = tidy(options[place][match.end() :])
    if not all(stripped[place] for place in places):
        return list(options), ()
    return stripped, tuple(labels)


def _plainly_labels(options: Sequence[str]) -> bool:
    """``A 没有党参`` has a label, ``A cat`` … ``B movie`` may not: the rest must be Chinese."""
    return all(not re.match(rf"\s*{_LABEL}\s+[A-Za-z]", option) for option in options if option)


def _prefix_label(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    return normal_text(match.group(kind)).strip("().").upper()


def is_image_only(option: str) -> bool:
    """Whether an option is nothing but a picture, its name or a word that points at one."""
    return bool(option) and len(option) < 300 and bool(_IMAGE.fullmatch(option.strip()))


@dataclass(frozen=True, slots=True)
class Embedded:
    """A question found inside a text: its stem, its options and their labels."""

    stem: str
    options: tuple[str, ...]
    labels: tuple[str, ...]


_MARKER = re.compile(
    r"[(（\[【]\s*(?P<bracketed>[A-Ha-hＡ-Ｈ])\s*[)）\]】]\s*[.．、:：]?|"
    r"(?<![A-Za-z0-9$\\{}^_'’<>=+*/|&Ａ-Ｚ-])(?P<marked>[A-HＡ-Ｈ])\s{0,4}[.．、:：](?![A-Za-z]\.)|"
    r"(?:^|\n)[ \t\u3000\xa0]*(?P<alone>[A-HＡ-Ｈ])[ \t\u3000\xa0]+(?=\S)",
)
# Where the options of one sub-question end and the next one starts: "\n58. " or "\n（2）".
_MAX_MARKERS = 400
_NEXT_ITEM = re.compile(
    r"\n[ \t\u3000\xa0]*(?=(?:[(（]\s*\d{1,3}\s*[)）]|\d{1,3}\s*[.．、]|"
    r"\d{1,3}[ \t\u3000\xa0]+\D|\d{1,3}\s*[(（])\D)"
)


def find_embedded(text: str, expected: int = 1) -> list[Embedded]:
    """The questions of a text that carries its options: ``…？(A)甲(B)乙(C)丙(D)丁``.

    A run of markers A, B, C … is taken as options when they come in order. The text before the
    first run is the first question's stem; what stands between two runs, from the next item's
    number on, is the next one's.

    Args:
        text: The text.
        expected: How many questions it should hold (one per key).

    Returns:
        That many questions, or none where the text can't be cut so.
    """
    markers = list(_MARKER.finditer(text))[:_MAX_MARKERS]
    runs = [_best_run(markers)] if expected == 1 else _cut_runs(markers, expected)
    if not all(runs):
        return []
    found: list[Embedded] = []
    start = 0
    for place, run in enumerate(runs):
        last = place + 1 == len(runs)
        limit = len(text) if last else runs[place + 1][0].start()
        end = limit if last and expected == 1 else _item_end(text, run[-1].end(), limit, last)
        edges = [*(marker.start() for marker in run[1:]), end]
        options = [
            re.sub(r"[ \t]*\n[ \t]*", "\n", tidy(text[marker.end() : edge]))
            for marker, edge in zip(run, edges, strict=True)
        ]
        labels = tuple(_prefix_label(marker) for marker in run)
        found.append(Embedded(tidy(text[start : run[0].start()]), tuple(options), labels))
        start = end
    return found


def take_embedded(draft: Draft) -> None:
    """Give a draft without option columns the options that its stem, or its one cell, holds."""
    filled = [option for option in draft.options if option]
    if len(filled) >= 2:
        return
    found = find_embedded(filled[0] if filled else draft.stem)
    if not found or bool(found[0].stem) == bool(filled):
        return
    draft.options, draft.labels = list(found[0].options), found[0].labels
    if not filled:
        draft.stem = found[0].stem


def _item_end(text: str, start: int, limit: int, last: bool) -> int:
    """Where the last option of a run ends: before the next item's number, or with its line."""
    cut = _NEXT_ITEM.search(text, start, limit)
    if cut:
        return cut.start()
    line = -1 if last else text.find("\n", start, limit)
    return line if line >= 0 else limit


def _best_run(markers: list[re.Match[str]]) -> list[re.Match[str]]:
    """The longest run of one style, the last of equals: 「點A、B、C」 in a stem comes earlier."""
    best: list[re.Match[str]] = []
    for style in (_sign, _style):
        for start, marker in enumerate(markers):
            if _prefix_label(marker) != "A":
                continue
            run = [marker]
            for other in markers[start + 1 :]:
                wanted = label_index(_prefix_label(other)) == len(run)
                if wanted and style(other) == style(marker):
                    run.append(other)
            if len(run) >= max(2, len(best)):
                best = run
        if len(best) >= 3:
            return best
    return best


def _cut_runs(markers: list[re.Match[str]], expected: int) -> list[list[re.Match[str]]]:
    """Runs one after another, as many as expected; else none."""
    runs: list[list[re.Match[str]]] = []
    for marker in markers:
        place = label_index(_prefix_label(marker))
        if place == 0:
            runs.append([marker])
        elif runs and place == len(runs[-1]) and _style(marker) == _style(runs[-1][0]):
            runs[-1].append(marker)
    for least in (2, 3, 4):
        kept = [run for run in runs if len(run) >= least]
        if len(kept) == expected:
            return kept
    return []


def _style(marker: re.Match[str]) -> str:
    return "bracketed" if marker.lastgroup == "bracketed" else "marked"


def _sign(marker: re.Match[str]) -> str:
    """The style with the mark after the label: ``A.`` is not ``A、``."""
    return _style(marker) + normal_text(marker.group()).strip()[-1:]
