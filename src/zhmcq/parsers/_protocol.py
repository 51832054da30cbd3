"""What a parser is, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from zhmcq.questions import Question

__all__ = ["Mention", "ParseStatus", "ParsedAnswer", "Parser"]

ParseStatus = Literal["answered", "none", "ambiguous", "out_of_range"]


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What a reply was read as.

    Attributes:
        answer: 0-based indexes of the options chosen, sorted; ``None`` unless ``status`` is
            ``"answered"``.
        status: ``"answered"``; ``"none"``, the reply commits to nothing; ``"ambiguous"``, it
            commits to several options where the question asks for one; ``"out_of_range"``, it
            names a label that the question does not have.
        evidence: The part of the reply that was relied on, as it stands there; ``""`` if none.
        reason: Which rule decided, or why there is no answer, in a sentence.
        span: Where ``evidence`` stands in the reply (start, end), if it does.
    """

    answer: tuple[int, ...] | None
    status: ParseStatus
    evidence: str = ""
    reason: str = ""
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """One part of a reply that may be its answer: what a rule found, and what it counts.

    Attributes:
        answer: 0-based indexes of the options named, sorted; empty where ``status`` is
            ``"none"`` or ``"out_of_range"``.
        status: What the reply would be read as, if this mention decided.
        weight: How much the mention counts, 0 to 100; 0 means that it was seen and ruled out.
        rule: The name of the rule that found it.
        evidence: The part of the reply it stands on.
        span: Where that part is (start, end).
    """

    answer: tuple[int, ...]
    status: ParseStatus
    weight: int
    rule: str
    evidence: str
    span: tuple[int, int]


@runtime_checkable
class Parser(Protocol):
    """A reader of replies: any object with this method."""

    def parse(self, text: str, question: Question) -> ParsedAnswer:
        """Read the reply ``text`` to ``question``; the same reply is always read alike."""
        ...
