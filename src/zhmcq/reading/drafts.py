"""A source item with its parts told apart, before its key is worked out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from zhmcq.questions import Origin, SourceId

__all__ = ["Draft"]


@dataclass(slots=True)
class Draft:
    """The parts of one row or record.

    Attributes:
        origin: File, sheet and row.
        stem: What is asked, options embedded in it included.
        options: Option texts in order; ``""`` where one is empty.
        labels: The options' names as headers or records say them; ``()`` where they don't.
        answer: The key as the source has it: text, number, list, booleans …; None without one.
        asks_key: Whether the source has a place for the key, so that a missing one is reported.
        kind: The source's word for the kind of question.
        names: The header (or record field) of each field, for messages.
        notes: What the cells left in doubt, as (header, code).
        sub: The place of a sub-question within its item, from 1; 0 for an item of its own.
    """

    origin: Origin
    stem: str
    options: list[str] = field(default_factory=list)
    passage: str = ""
    labels: tuple[str, ...] = ()
    answer: Any = None
    asks_key: bool = True
    kind: str = ""
    group: str = ""
    subject: str = ""
    explanation: str = ""
    source: str = ""
    source_id: SourceId = None
    sub: int = 0
    names: dict[str, str] = field(default_factory=dict)
    option_names: tuple[str, ...] = ()
    notes: list[tuple[str, str]] = field(default_factory=list)
