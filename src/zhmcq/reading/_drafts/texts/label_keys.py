"""A key written in labels → which options it marks, so that nothing else can be read in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from zhmcq.zh._fold import normal_text
from zhmcq.zh._labels import ENCLOSED, plain_label

__all__ = ["key_of_labels"]

_ENCLOSED = re.compile(ENCLOSED)
_PARTING = re.compile(r"[\s()\[\]【】「」,，、;；/&+.。和與与及]+")
_LONGEST = 120


def key_of_labels(key: str, labels: Sequence[str]) -> Any:
    """A list of booleans, one an option, where a key is made of their labels only; else the key.

    ``"134"`` stays as it is: it may be a number.

    Args:
        key: As the source writes it: ``"B"``, ``"(B)"``, ``"A, C"``, ``"ABD"``, ``"①③"``.
        labels: The options' labels, in upper case.
    """
    if len(key) > _LONGEST:
        return key
    spread = _ENCLOSED.sub(lambda match: f" {plain_label(match.group())} ", key)
    parts = [part for part in _PARTING.split(normal_text(spread).upper()) if part]
    if len(parts) == 1 and parts[0].isalpha():
        parts = list(parts[0])
    if not parts or len(set(parts)) < len(parts) or not set(parts) <= set(labels):
        return key
    return [label in parts for label in labels]
