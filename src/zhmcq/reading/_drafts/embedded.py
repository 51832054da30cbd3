"""Options written inside a text: one question with its options, or several one after another."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from zhmcq.reading._drafts.draft import Draft
from zhmcq.reading._drafts.key_text import key_and_page_text
from zhmcq.reading._drafts.label_runs import (
    ASKS,
    ASKS_CHOICE,
    Marker,
    begins_again,
    best_run,
    is_asking,
    markers_of,
)
from zhmcq.reading._drafts.stem_keys import StemKey, cut_trailing_key, find_stem_key
from zhmcq.zh._fold import normal_text, tidy
from zhmcq.zh._kinds import CHOICE_KINDS, kind_of
from zhmcq.zh._labels import (
    HEAVENLY_STEMS,
    LABEL_MARK,
    LETTERS,
    label_at,
    label_index,
    label_pattern,
)
from zhmcq.zh._truth import is_no_key, is_open_key, truth_of

__all__ = [
    "Embedded",
    "cut_run",
    "find_embedded",
    "find_numbered",
    "options_of_text",
    "take_embedded",
]

_SIGNS = (
    re.compile(rf"(?P<label>{label_pattern('bare')})\s*[.．、]?"),
    re.compile(
        rf"[(（]\s*(?P<label>[1-9１-９]|[{HEAVENLY_STEMS.characters[:6]}])\s*[)）]\s*{LABEL_MARK}?"
    ),
    re.compile(r"(?<![\d.$^_])(?P<label>[1-9])\s*[.．、](?!\d)"),
)
_LEAST, _MOST = 3, 6
_MAY_ASK_CHOICE = re.compile(r"[?？]|下列")
# 「請說明下列名詞：1. 光合作用 2. 蒸散」 wants text.
_ASKS_TEXT = re.compile(
    r"[請请試试](?:[簡简略分]?[述論论]|[簡简]?[說说]明|解[釋释]|比[較较]|翻[譯译]|列[舉举]|[寫写造])"
    r"|[簡简]述|申[論论]|名[詞词]解[釋释]"
)
# 「成績分為 A. 優 B. 良」 without a key lists what there is.
_LISTS = re.compile(
    r"(?:分為|分为|分成|包括|包含|區分為|区分为|依序為|依次为|例如|諸如|诸如|等級為|等级为)[:：]?$"
)
_LABEL_BREAKS = re.compile(r"[\s()\[\]、,;/&]+|[和與与及]|\.$")
_LONGEST_LIST = 10_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENTITY = re.compile(r"&(?:#\w{1,8}|[A-Za-z]{2,8});")
_JOINTS = ("&", "|", "###", "#", "$")
_CELL_JOINTS = (*_JOINTS, "、", ",", "，", "/", "／")
# Labels that a cell of options may have, though a stem has them for other things.
_CELL_SIGNS = (
    re.compile(r"(?:^|(?<=[\s;；,，、|]))[(（]?(?P<label>[1-9])\s?[.．、)）](?!\d)"),
    re.compile(r"(?:^|(?<=[\s;；,，、|]))[(（]?(?P<label>[a-h])\s?[.．、)）]"),
)
_EITHER = re.compile(r"[/／,，、]|\s+")
_LONGEST_PAIR = 20
_SEPARATORS = tuple(";,、|/&")  # in half width
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


def find_embedded(text: str) -> Embedded | None:
    """The question of a text that carries its options: ``…？(A)甲(B)乙(C)丙(D)丁``.

    The longest run of labels A, B, C … of one style is taken. Where another one stands before or
    after it, the question is damaged: it is two.
    """
    markers = markers_of(text)
    run = best_run(text, markers)
    if len(run) < 2:
        return None
    embedded = cut_run(text, 0, run, len(text), markers)
    return replace(embedded, damaged=True) if begins_again(text, markers, run) else embedded


def cut_run(
    text: str, start: int, run: list[Marker], end: int, markers: Sequence[Marker]
) -> Embedded:
    """The question whose options begin with a run of labels, between two places of a text."""
    edges = [*(marker.start for marker in run[1:]), end]
    parts = [text[marker.end : edge] for marker, edge in zip(run, edges, strict=True)]
    options = tuple(
        "\n".join(line.strip() for line in tidy(part).split("\n"))
        for part in _without_separators(parts)
    )
    following = [m for m in markers if run[-1].end <= m.start < end]
    missing = label_at(len(run), LETTERS) if run[0].alphabet is LETTERS else ""
    glued = missing and re.search(rf"\n[ \t]*{missing}(?=[A-Z][a-z])", text[run[-1].end : end])
    damaged = bool(glued) or any(m.sign == run[-1].sign and m.index >= len(run) for m in following)
    labels = tuple(marker.label for marker in run)
    return Embedded(tidy(text[start : run[0].start]), options, labels, damaged)


def _without_separators(parts: Sequence[str]) -> list[str]:
    """Labelled options without what only parts them: ``A. 6; B. 12; C. 24``.

    It is one mark after all options but the last, on the line of the next label. After all of them,
    a semicolon in half width may be code: ``A. int a; B. int b;``.
    """
    texts = [part.rstrip() for part in parts]
    marks = {normal_text(text[-1:]) for text in texts[:-1]}
    mark = marks.pop() if len(marks) == 1 else ""
    one_line = not any("\n" in part[len(text) :] for part, text in zip(parts, texts, strict=True))
    if not mark or mark not in _SEPARATORS or not one_line:
        return list(parts)
    if texts[-1].endswith(";") or any(_ENTITY.search(text[-10:]) for text in texts):
        return list(parts)
    last = texts[-1]
    if normal_text(last[-1:]) == mark:
        last = last[:-1]
    shorter = [*(text[:-1] for text in texts[:-1]), last]
    return shorter if all(map(str.strip, shorter)) else list(parts)


def take_embedded(draft: Draft) -> None:
    """Give a draft without option columns the options that its stem, or its one cell, holds.

    What may be a key inside the stem is noted too.
    """
    if kind_of(draft.kind) in ("", "cloze", *CHOICE_KINDS):
        _take_trailing_key(draft)
        _take_options(draft)
        if draft.stem_key is None and draft.stem:
            draft.stem_key = find_stem_key(draft.stem)


def _take_trailing_key(draft: Draft) -> None:
    """A key after the word 答案 at the end of the question is no part of it."""
    filled = [index for index, option in enumerate(draft.options) if option]
    last = draft.options[filled[-1]] if filled else ""
    text, key, explanation = cut_trailing_key(last if len(filled) > 1 else draft.stem)
    if not key and len(filled) > 1:
        text, key, explanation = cut_trailing_key(draft.stem)
        last = ""
    if not key:
        return
    if last and len(filled) > 1:
        mark = last[len(text) :]
        draft.options[filled[-1]] = text
    else:
        mark = draft.stem[len(text) :]
        draft.stem = text
    draft.stem_key = StemKey(key, "", mark, "trailing", sure=True)
    draft.explanation = draft.explanation or explanation


def _take_options(draft: Draft) -> None:
    filled = [option for option in draft.options if option]
    if len(filled) >= 2 or (not filled and not draft.stem):
        return
    embedded = find_embedded(filled[0] if filled else draft.stem)
    if embedded is None and _take_joined(draft, filled):
        return
    if embedded is None and not filled:
        _take_numbered(draft)
    if embedded is None:
        return
    if filled and embedded.stem and embedded.damaged:
        draft.notes.append(("", "damaged_options"))
    if bool(embedded.stem) == bool(filled) or (not filled and _is_no_choice(draft, embedded)):
        return
    draft.options, draft.labels = list(embedded.options), embedded.labels
    draft.options_in_text = True
    reported = any(code == "sub_questions" for _, code in draft.notes)
    if not any(embedded.options):
        draft.notes.append(("", "image_options"))
    elif embedded.damaged and not reported:
        draft.notes.append(("", "damaged_options"))
    if not filled:
        draft.stem = embedded.stem


def _take_joined(draft: Draft, filled: Sequence[str]) -> bool:
    """Take options that one sign joins, ``甲&乙&丙``, where the key proves it by repeating some."""
    text, key = filled[0] if filled else draft.stem, draft.answer
    if not isinstance(key, str) or not key.strip() or len(text) > _LONGEST_LIST:
        return False
    for sign in _CELL_JOINTS if filled else _JOINTS:
        parts = [tidy(part) for part in text.split(sign)]
        stem, options = ("", parts) if filled else (parts[0], parts[1:])
        keys = [tidy(part) for part in key.split(sign)]
        whole = all(parts) and len(parts) > 2 and len(set(options)) == len(options)
        if whole and set(keys) <= set(options):
            draft.options, draft.labels, draft.answer = options, (), keys
            draft.stem = stem or draft.stem
            draft.options_in_text = True
            return True
    return False


def _is_no_choice(draft: Draft, embedded: Embedded) -> bool:
    """Whether a stem with labels is a statement to be judged, or a list without a question."""
    answer = draft.answer
    if truth_of(answer) is not None:
        label = normal_text(str(answer)).strip("()[]. ").upper()
        judged = {truth_of(option) for option in embedded.options} & {True, False}
        return label not in embedded.labels and not judged
    if not is_no_key(answer) or is_asking(embedded.stem):
        return False
    return is_open_key(answer) or bool(_LISTS.search(embedded.stem))


def _take_numbered(draft: Draft) -> None:
    """Options that the stem numbers, as it is or after a key that stands before it or in it."""
    trailing = draft.stem_key
    given = None if is_no_key(draft.answer) else draft.answer
    answer = trailing.text if given is None and trailing is not None else draft.answer
    has_key = draft.has_key_field or trailing is not None
    numbered = find_numbered(draft.stem, answer, has_key_field=has_key)
    key = None
    if numbered is None:
        key = find_stem_key(draft.stem, before_options=True)
        if key is None or trailing is not None:
            return
        numbered = find_numbered(key.stem, key.text if given is None else given, has_key_field=True)
        if numbered is None:
            return
    draft.stem, draft.labels = numbered.stem, numbered.labels
    draft.options, draft.options_in_text = list(numbered.options), True
    if key is not None:
        draft.stem = key.marked(numbered.stem)
        draft.stem_key = replace(key, stem=numbered.stem)
    named = _named_labels(draft.answer, numbered.labels)
    if len(named) > 1:
        # 134 beside four numbers is three of them, whatever the file's other keys are.
        if key_and_page_text(draft.answer)[1]:
            draft.notes.append((draft.heading.header("answer"), "key_with_text"))
        draft.answer = named


def options_of_text(text: str) -> tuple[list[str], tuple[str, ...]]:
    """Options that share one cell: ``A. 甲 B. 乙``, lines, or parts between bars."""
    if text.startswith("[") and text.endswith("]") and (parts := _listed(text)):
        return parts, ()
    if text.startswith("{") and text.endswith("}") and (pairs := _named(text)):
        return list(pairs.values()), tuple(pairs)
    inside = find_embedded(text)
    if inside and not inside.stem and not inside.damaged:
        return list(inside.options), inside.labels
    if (numbered := _numbered_cell(text)) is not None:
        return list(numbered.options), numbered.labels
    # The semicolon of &nbsp; parts nothing; html is read later.
    for separator in _LINE_SPLITS[:1] if _ENTITY.search(text) else _LINE_SPLITS:
        parts = [tidied for part in separator.split(text) if (tidied := tidy(part))]
        if len(parts) >= 2:
            return parts, ()
    judged = [tidy(part) for part in _EITHER.split(text)] if len(text) < _LONGEST_PAIR else []
    if len(judged) == 2 and {truth_of(part) for part in judged} == {True, False}:
        return judged, ()
    return [text] if text else [], ()


def _numbered_cell(text: str) -> Embedded | None:
    """The options of a cell that begins with ``1.`` or ``a)`` and goes on with the next ones."""
    for sign in _CELL_SIGNS:
        marks: list[re.Match[str]] = []
        for mark in sign.finditer(text):
            if label_index(normal_text(mark.group("label")).upper()) == len(marks):
                marks.append(mark)
        if len(marks) < 2 or marks[0].start():
            continue
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        parts = [text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
        options = tuple(map(tidy, _without_separators(parts)))
        if all(options):
            labels = tuple(normal_text(mark.group("label")).upper() for mark in marks)
            return Embedded("", options, labels)
    return None


def _named(text: str) -> dict[str, str]:
    """The texts of an object in json, ``{"A": "甲", "B": "乙"}``, by their labels in order."""
    if len(text) > _LONGEST_LIST:
        return {}
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return {}
    whole = all(isinstance(value, str) and value for _, value in pairs)
    if not whole or len(pairs) < 2 or [label_index(n) for n, _ in pairs] != list(range(len(pairs))):
        return {}
    return {name.upper(): tidy(value) for name, value in pairs}


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
        parts = [text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
        options = tuple(map(tidy, _without_separators(parts)))
        stem = tidy(text[: marks[0].start()])
        if not stem or not all(options) or any(map(ASKS.search, options)):
            continue
        if has_key_field:
            fits = bool(_named_labels(answer, labels))
        else:
            fits = answer is None and _chooses(stem, circled=sign is _SIGNS[0])
        if fits:
            return Embedded(stem, options, tuple(labels))
    return None


def _chooses(stem: str, *, circled: bool) -> bool:
    """Whether a stem without a key asks to choose among what it numbers."""
    if ASKS_CHOICE.search(stem):
        return True
    return not _ASKS_TEXT.search(stem) and (circled or bool(_MAY_ASK_CHOICE.search(stem)))


def _named_labels(answer: Any, labels: Sequence[str]) -> list[str]:
    """What a key made of these labels only names: ``③``, ``(3)``, ``134``, ``(1)(3)``, ``[1, 3]``.

    Nothing if it holds anything else, or a label twice.
    """
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)
    head, _ = key_and_page_text(answer)
    keys = answer if isinstance(answer, list) else [head or answer]
    texts = [text for key in keys for text in _LABEL_BREAKS.split(normal_text(str(key))) if text]
    if len(texts) == 1 and len(texts[0]) <= _MOST and list(texts[0]) == sorted(set(texts[0])):
        texts = list(texts[0])
    whole = all(text in labels for text in texts) and len(set(texts)) == len(texts)
    return texts if whole else []
