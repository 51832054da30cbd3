"""Label prefixes inside option cells, and options that are pictures."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from zhmcq.zh._fold import normal_text, tidy
from zhmcq.zh._labels import (
    CLOSING_BRACKET,
    DIGITS,
    LABEL_MARK,
    LETTERS,
    OPENING_BRACKET,
    alphabet_of,
    label_index,
    label_pattern,
    plain_label,
)

__all__ = [
    "is_image_only",
    "labels_begin_again",
    "misprinted_prefix",
    "prefix_label",
    "prefix_of",
    "reordered_labels",
    "strip_prefixes",
    "without_prefixes",
]

# A number followed by a mark and another digit is a number: 1.5公厘, 3:8; so is .5 after a blank.
_PREFIX = re.compile(
    rf"\s*(?:"
    rf"{OPENING_BRACKET}\s*(?P<bracketed>{label_pattern('bracketed')})\s*{CLOSING_BRACKET}"
    rf"(?:\s+(?=[.．][0-9])|\s*{LABEL_MARK}?)|"
    rf"(?P<bare>{label_pattern('bare')})\s*{LABEL_MARK}?|"
    rf"(?P<marked>{label_pattern('marked')})\s*(?:[.．、:：)）](?![0-9０-９])|[.．、](?=\s))|"
    rf"(?P<letter_marked>{label_pattern('marked_number')})(?:\s*[、:：)）]|[.．])(?=[0-9０-９])|"
    rf"(?P<spaced>{label_pattern('spaced')})(?=[\s\u3000]+\S)"
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


# What relates one label to the next one: 「(A)→(B)」, 「A＋B」. A minus before a digit is a sign.
_LINK = r"(?:[→⇒↔⇌=＝+＋–—×÷/<>＜＞≥≤~～-]|與|与|和|及|且|或)"
_ENGLISH = re.compile(rf"\s*(?:{label_pattern('spaced')})\s+[A-Za-z]")


def strip_prefixes(options: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Take label prefixes off, only when all options carry one consistent sequence.

    Args:
        options: Option texts; empty ones are left out of account.

    Returns:
        The texts, and the labels that they carried; the same texts and ``()`` where they carry
        none, or where a text would be left empty.
    """
    indexes = [index for index, option in enumerate(options) if option]
    matches = _prefixes(options)
    labels = [prefix_label(match) for match in matches]
    if not matches or [label_index(label) for label in labels] != indexes:
        return list(options), ()
    if all(match.lastgroup == "spaced" for match in matches) and not _plainly_labels(options):
        return list(options), ()
    stripped = _without(options, matches)
    if not stripped or _are_pairs(labels, matches, stripped):
        return list(options), ()
    return stripped, tuple(labels)


def labels_begin_again(options: Sequence[str]) -> bool:
    """Whether the labels of the options start over: A B C A B C D is two questions."""
    matches = _prefixes(options)
    labels = [prefix_label(match) for match in matches]
    alphabet = alphabet_of(labels)
    if alphabet not in (LETTERS, DIGITS) or {m.lastgroup for m in matches} & {"spaced", "bare"}:
        return False
    indexes = [label_index(label) for label in labels]
    starts = [start for start, index in enumerate(indexes) if index == 0]
    if len(starts) < 2 or starts[0] or _are_pairs(labels, matches, _without(options, matches)):
        return False
    runs = [indexes[a:b] for a, b in itertools.pairwise([*starts, len(indexes)])]
    return all(len(run) > 1 and run == list(range(len(run))) for run in runs)


def _are_pairs(
    labels: Sequence[str], matches: Sequence[re.Match[str]], stripped: Sequence[str]
) -> bool:
    """Whether options such as 「A、B」 and 「(A)→(B)」 are made of labels, which must stay."""
    alphabet = alphabet_of(labels)
    texts = [text for text in stripped if text]
    if alphabet is None or not texts:
        return False
    letters = f"[{alphabet.characters}]"
    if all(re.match(rf"{_LINK}\s*{OPENING_BRACKET}?\s*{letters}(?![a-z])", text) for text in texts):
        return True
    texts = [normal_text(text) for text in texts]
    listed = all(match.group().rstrip()[-1:] in "、:：" for match in matches)
    several = rf"{letters}(?:[、:,\s]*{letters}){{0,9}}"
    bracketed = rf"(?:[、,\s]*[(\[]\s*{letters}\s*[)\]]){{1,9}}"
    pattern = f"{several}|{bracketed}" if listed else bracketed
    return all(re.fullmatch(pattern, text) for text in texts)


def misprinted_prefix(options: Sequence[str]) -> int | None:
    """The index of the only option whose prefix breaks the sequence, as in (A) (B) (C) (C).

    ``None`` where all are in order, or where the letters are no labels at all.
    """
    matches = _prefixes(options)
    labels = [label_index(prefix_label(match)) for match in matches]
    wrong = [index for index, label in enumerate(labels) if index != label]
    bracketed = all(match.lastgroup in ("bracketed", "marked") for match in matches)
    letters = all(prefix_label(match).isalpha() for match in matches)
    if len(matches) >= 4 and len(wrong) == 1 and bracketed and letters:
        return wrong[0]
    return None


def reordered_labels(options: Sequence[str]) -> tuple[str, ...]:
    """The letters that options bear in another order: ``(A) x``, ``(C) y``, ``(B) z``.

    So they come from pages that were printed in two columns. Nothing where they are in order, or
    not the first letters, each once.
    """
    matches = _prefixes(options)
    labels = tuple(prefix_label(match) for match in matches)
    indexes = [label_index(label) for label in labels]
    marked = all(match.lastgroup in ("bracketed", "marked") for match in matches)
    whole = alphabet_of(labels) is LETTERS and sorted(indexes) == list(range(len(indexes)))
    moved = len(matches) == len(options) and whole and indexes != sorted(indexes)
    return labels if moved and marked and _without(options, matches) else ()


def without_prefixes(options: Sequence[str]) -> list[str]:
    """The texts without what the functions above looked at."""
    return _without(options, _prefixes(options)) or list(options)


def _prefixes(options: Sequence[str]) -> list[re.Match[str]]:
    """A prefix for each option that holds a text; none unless all have one."""
    matches = []
    for option in options:
        if not option:
            continue
        match = _PREFIX.match(option)
        if match is None:
            return []
        matches.append(match)
    return matches if len(matches) >= 2 else []


def _without(options: Sequence[str], matches: Sequence[re.Match[str]]) -> list[str]:
    """The options after their prefixes; ``[]`` if one would be left empty."""
    ends = iter(matches)
    stripped = [tidy(option[next(ends).end() :]) if option else "" for option in options]
    whole = all(text for text, option in zip(stripped, options, strict=True) if option)
    return stripped if whole else []


def _plainly_labels(options: Sequence[str]) -> bool:
    """``A 没有党参`` has a label, ``A cat`` … ``B movie`` may not: the rest must be Chinese."""
    return all(not _ENGLISH.match(option) for option in options if option)


def prefix_label(match: re.Match[str]) -> str:
    """The label that a prefix or marker carries, upper case and half width."""
    kind = match.lastgroup or ""
    return plain_label(match.group(kind))


def prefix_of(option: str) -> str:
    """The label that an option bears, ``""`` without one."""
    match = _PREFIX.match(option)
    return prefix_label(match) if match else ""


def is_image_only(option: str) -> bool:
    """Whether an option is nothing but a picture, its name or a word that points at one."""
    return bool(option) and len(option) < 300 and bool(_IMAGE.fullmatch(option.strip()))
