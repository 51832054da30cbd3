"""The key of a row, and the one that its stem may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from zhmcq.reading._convention import Convention
from zhmcq.reading._drafts.draft import Draft
from zhmcq.reading._drafts.stem_keys import KeyPosition, Reading, StemKey, names_option
from zhmcq.reading._keys import Key, read_key
from zhmcq.zh._truth import is_no_key

__all__ = ["HeldKey", "beside_held_key", "take_held_key"]


class HeldKey(NamedTuple):
    """What counts as a key inside a stem.

    Attributes:
        stem_key: The key and the stem without it.
        reading: ``"key"``; ``"unclear"``; or ``"repeated"``, where it goes only if it says the
            same as the row's key.
        alone: Whether the row has no other key.
    """

    stem_key: StemKey
    reading: Reading
    alone: bool


def take_held_key(draft: Draft, convention: Convention) -> HeldKey | None:
    """The key inside the stem of a draft; if it is the only one, it becomes the draft's key."""
    stem_key = draft.stem_key
    if stem_key is None:
        return None
    reading: Reading = "key"
    if stem_key.form != "trailing":
        if not names_option(stem_key.text, draft):
            return None
        position = KeyPosition(stem_key.form, sum(map(bool, draft.options)) > 1)
        reading = convention.stem_keys.get(position, "text")
    alone = is_no_key(draft.answer)
    if reading == "text" or reading == ("repeated" if alone else "unclear"):
        return None
    if alone and reading == "key":
        draft.answer, draft.stem = stem_key.text, stem_key.stem or draft.stem
    return HeldKey(stem_key, reading, alone)


def beside_held_key(
    key: Key,
    held: HeldKey,
    draft: Draft,
    options: Sequence[str],
    labels: tuple[str, ...],
    convention: Convention,
) -> Key:
    """The row's key beside the one in its stem, which goes out of the stem.

    Args:
        key: The row's key as it was read.
        held: The key in the stem.
        draft: The row.
        options: Its options.
        labels: Their names as the source has them.
        convention: How the file writes its keys.

    Returns:
        The key; one with the code ``two_keys_in_row`` where the two differ.
    """
    # Papers count from 1, and in a stem nobody writes an option's text for its label.
    printed = replace(convention, base=1, style="label", labels="")
    inside = read_key(held.stem_key.text, options, labels, printed, several=True)
    if held.alone:
        return inside
    if inside.indexes is None or key.indexes is None:
        return key
    if set(inside.indexes) == set(key.indexes):
        draft.stem = held.stem_key.stem or draft.stem
        return key
    if held.reading != "key":
        return key
    message = (
        f"the key is {str(draft.answer)[:40]!r}, but the question holds the key "
        f"{held.stem_key.mark.strip()[:40]!r}; keep the right one"
    )
    return Key(None, "two_keys_in_row", message)
