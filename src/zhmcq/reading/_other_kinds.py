"""Questions that are no choice by their word for a kind: what they are called, and exceptions."""

from __future__ import annotations

from zhmcq.reading._drafts.draft import Draft
from zhmcq.reading._keys import Key

__all__ = ["DOUBTFUL", "NEVER_CHOICES", "is_plainly_choice"]

#: What kinds that are never a choice are called, by the code of their error.
NEVER_CHOICES = {
    "ordering": "an ordering question, which has no option that is right",
    "matching": "a matching question, which has no option that is right",
    "essay": "an essay question, which is not answered with an option",
    "hotspot": "a hotspot question, which is answered on a picture",
    "upload": "a question that is answered with a file or a recording",
    "survey": "a question of a survey, which has no right answer",
}
#: Kinds that may be one all the same: the code of their error, and what they are called.
DOUBTFUL = {
    "fill_in": ("fill_in", "a fill-in question"),
    "cloze": ("fill_in", "a cloze question"),
    "numerical": ("numerical", "a question that is answered with a number"),
    "open": ("essay", "an open question"),
}


def is_plainly_choice(stated: str, draft: Draft, key: Key) -> bool:
    """Whether a question of a doubtful kind is one of choice.

    It must have options of its own and a key that names one. A cloze may have them in its text,
    and none of its options need be right where the source has no keys.

    Args:
        stated: The kind, one of :data:`DOUBTFUL`.
        draft: The row.
        key: Its key as it was read.
    """
    if key.indexes is None and key.code not in (
        "no_key",
        "unreadable_answer",
        "answer_out_of_range",
    ):
        return True  # the error is in the key
    if stated != "cloze":
        return key.indexes is not None and not draft.options_in_text
    listed = bool(draft.labels) or not draft.options_in_text
    keyless = key.code == "no_key" and not draft.has_key_field and listed
    return key.indexes is not None or keyless
