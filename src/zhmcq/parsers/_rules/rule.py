"""What a rule is: a way to give an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DECISION", "STRICT", "Rule"]

#: From this weight on a rule is a decision: among several, the last one in the reply counts.
#: Below it, the mentions of the highest weight have to agree.
DECISION = 80
#: From this weight on a rule states a final answer: what the ``strict`` parser reads.
STRICT = 82


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A way to give an answer.

    Attributes:
        name: What ``explain`` and ``reason`` call it.
        position: Where the words stand: before what they lead to, after it, or nowhere.
        words: Words with ``|`` between them; ``""`` for ``form`` rules.
        unless: Characters that the words must not be followed by (``选`` in ``选项``).
        link: What comes between the words and the label: a key of :data:`LINKS`.
        until: Words with ``|`` between them, one of which has to follow the label; ``""`` for none.
        effect: ``"choose"``; ``"reject"``; or ``"false"``, which chooses if the question asks for
            the false option and rejects otherwise.
        weak: Whether the words introduce other things than answers as often, so that a label
            after them has to stand alone (``因此 A，``), in brackets, or with its option text.
        weight: How much the rule counts, 1 to 100.
        example: A reply in which the rule decides.
        answer: The label that the example is read as; ``""`` where it rules an option out.
    """

    name: str
    position: Literal["before", "after", "form"]
    words: str = ""
    unless: str = ""
    link: str = "none"
    until: str = ""
    effect: Literal["choose", "reject", "false"] = "choose"
    weak: bool = False
    weight: int
    example: str
    answer: str = ""
