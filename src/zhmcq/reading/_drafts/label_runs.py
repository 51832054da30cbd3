"""Labels inside a text: where A, B, C … stand before options, and where in a sentence."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from zhmcq.reading._drafts.option_cells import prefix_label
from zhmcq.zh._fold import normal_text
from zhmcq.zh._labels import (
    CLOSING_BRACKET,
    LABEL_MARK,
    OPENING_BRACKET,
    Alphabet,
    alphabet_of,
    label_index,
    stem_label_pattern,
)

__all__ = ["ASKS", "ASKS_CHOICE", "Marker", "begins_again", "best_run", "is_asking", "markers_of"]

# Eight labels at most: 「I、」 and 「V.」 in a text are no options.
_BRACKETED = stem_label_pattern("bracketed", 8)
_MARKED = stem_label_pattern("marked", 8)
_MARKER = re.compile(
    rf"{OPENING_BRACKET}\s*(?P<bracketed>{_BRACKETED})\s*{CLOSING_BRACKET}"
    rf"(?:\s+(?=[.．][0-9])|\s*{LABEL_MARK}?)|"
    rf"(?<![A-Za-z0-9$\\{{}}^_'’<>=+*/|&Ａ-Ｚ-])(?P<marked>{_MARKED})\s{{0,4}}{LABEL_MARK}(?![A-Za-z]\.)|"
    rf"(?<=[0-9])(?P<after_number>{_MARKED})[．、]|"
    rf"(?:^|\n)[ \t\u3000\xa0]*(?P<alone>{_MARKED})[ \t\u3000\xa0]+(?=\S)",
)
# Numbered parts that ask or leave a blank are sub-questions.
ASKS = re.compile(r"[?？]|_{2,}|\\quad|（\s*）|\(\s*\)")
ASKS_CHOICE = re.compile(r"何者|哪|\bwhich\b", re.IGNORECASE)
# What may stand between labels that a sentence mentions. Signs such as ＜ may be options.
_LINK_WORDS = r"與|与|和|及|或|跟|以及|到|至|、|and|or|vs\.?|to"
_CONNECTS = re.compile(rf"[\s、，,；;.．·~～–—→⇒↔⇌←+＋/／&:：-]*(?:{_LINK_WORDS})?[\s、，,]*", re.I)
_RELATES = re.compile(
    rf"[\s、，,；;.．·~～–—→⇒↔⇌←+＋/／&:：<>＜＞=＝×-]*(?:{_LINK_WORDS}|比)?[\s、，,]*",
    re.IGNORECASE,
)
# Right after a question or a blank, labels stand before options, whatever those are.
_ASKED = re.compile(r"(?:[?？]|_{2,}|[(（]\s*[)）])[。.]?\s*$")
_LONGEST_LINK = 12
# How far from a label its sentence is looked at.
_NEAR = 2000
_NAMED_THING = re.compile(
    r"(part|section|fig(?:ure|\.)?|table|type|group|class|vitamin|plan|case|speaker|student|team|box|"
    r"step|維生素|维生素|[圖图表卷組组班區区隊队型])[ \u3000\xa0]?$",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[，,。；;]")
_EDGES = (*" \n\t\u3000\xa0。；;？?，,", "")
_MAX_MARKERS = 1000


@dataclass(frozen=True, slots=True)
class Marker:
    """A label before an option: its index in A, B, C …, its span, how it is written."""

    index: int
    label: str
    start: int
    end: int
    style: str
    sign: str
    alphabet: Alphabet


def markers_of(text: str) -> list[Marker]:
    """All labels of a text that may stand before options, a thousand at most."""
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
        markers.append(Marker(index, label, match.start(), match.end(), style, sign, alphabet))
    return markers


def best_run(text: str, markers: list[Marker]) -> list[Marker]:
    """The longest run of labels A, B, C … of one style that stand before options.

    The last of equals is taken: 「點A、B、C」 in a stem comes before the options.
    """
    best: list[Marker] = []
    for same_sign in (True, False):
        for start in [index for index, marker in enumerate(markers) if marker.index == 0][-40:]:
            first, run = markers[start], [markers[start]]
            for other in markers[start + 1 :]:
                alike = other.sign == first.sign if same_sign else other.style == first.style
                if alike and other.index == len(run):
                    run.append(other)
            if len(run) >= max(2, len(best)) and not _is_prose(text, run):
                best = run
        if len(best) >= 3:
            break
    return best


def _is_prose(text: str, run: Sequence[Marker]) -> bool:
    """Whether labels are part of a sentence: 「維生素 A、B、C 中」, 「(A)→(B)」."""
    parts = [text[first.end : other.start] for first, other in itertools.pairwise(run)]
    last = text[run[-1].end : run[-1].end + _NEAR]
    lead = text[max(0, run[0].start - _NEAR) : run[0].start]
    if _are_joined(parts) and not _RELATES.fullmatch(last[:_LONGEST_LINK].strip() or "."):
        return not (_ASKED.search(lead) and all(map(str.strip, parts)))
    if is_asking(lead):
        return False
    before = [_NAMED_THING.search(text[max(0, m.start - 10) : m.start]) for m in run]
    if len({match.group(1) if match else "" for match in before}) == 1 and all(before):
        return True  # 「圖 A：… 圖 B：…」
    # 「成績分為 A. 優 B. 良 C. 可，得 A 的有幾人？」: the question comes after the labels.
    asking = ASKS.search(last)
    asked_late = bool(asking and _CLAUSE_END.search(last, 0, asking.start()))
    return asked_late and not any(map(ASKS.search, parts))


def _are_joined(parts: Sequence[str]) -> bool:
    """Whether nothing but signs and small words stand between labels."""
    pattern = _CONNECTS if len(parts) > 1 else _RELATES
    return all(len(part) <= _LONGEST_LINK and pattern.fullmatch(part.strip()) for part in parts)


def is_asking(text: str) -> bool:
    """Whether a text asks for something, or leaves a blank."""
    return bool(ASKS.search(text) or ASKS_CHOICE.search(text) or "下列" in text)


def begins_again(text: str, markers: Sequence[Marker], run: Sequence[Marker]) -> bool:
    """Whether another set of options stands before or after: A B C A B C D is two questions."""
    sign = run[0].sign
    earlier = _last_run([m for m in markers if m.end <= run[0].start and m.sign == sign])
    if len(earlier) > 1 and not _is_mentioned(text, earlier):
        before = text[max(0, earlier[0].start - _NEAR) : earlier[0].start]
        between = text[earlier[-1].end : run[0].start]
        if before.rstrip().endswith(("?", "？")):
            return True
        if not is_asking(between) and (len(earlier) > 2 or is_asking(before)):
            return True
    later = [m for m in markers if m.start >= run[-1].end and m.sign == sign]
    again = later[:2]
    return (
        [m.index for m in again] == [0, 1]
        and not _is_mentioned(text, again)
        and all(text[m.start - 1 : m.start] in _EDGES for m in again)
    )


def _last_run(markers: Sequence[Marker]) -> list[Marker]:
    run: list[Marker] = []
    for marker in markers:
        if marker.index == 0:
            run = [marker]
        elif run and marker.index == len(run):
            run.append(marker)
    return run


def _is_mentioned(text: str, run: Sequence[Marker]) -> bool:
    return _are_joined([text[first.end : other.start] for first, other in itertools.pairwise(run)])
