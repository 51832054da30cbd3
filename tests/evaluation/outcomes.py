"""Outcomes made by hand, for the tests of evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zhmcq.evaluation import HasOutcomes, Outcome
from zhmcq.questions import Question


@dataclass
class Answers:
    """The least that compare() asks for."""

    rows: list[Outcome]

    def outcomes(self) -> list[Outcome]:
        return self.rows


def outcome(name: str, correct: bool, **fields: Any) -> Outcome:
    """An outcome of a question with the options A to D whose key is A unless said otherwise."""
    label = fields.pop("label", None)
    confidence, withheld = fields.pop("confidence", None), fields.pop("withheld", False)
    calibrated = fields.pop("calibrated", False)
    key = "ABCD".index(fields.pop("key", "A"))
    fields = {"stem": f"{name}？", "options": ("甲", "乙", "丙", "丁"), **fields}
    question = Question(name, answer=(key,), **fields)
    answer: tuple[int, ...] = (key,) if correct else ((key + 1) % 4,)
    if label is not None:
        answer = tuple("ABCD".index(letter) for letter in label)
    return Outcome(question, answer or None, confidence, calibrated=calibrated, withheld=withheld)


def paired(both: int, gained: int, lost: int, neither: int) -> tuple[HasOutcomes, HasOutcomes]:
    """Answers of a base and a tuned model with this table of agreement."""
    cells = [(True, True)] * both + [(False, True)] * gained + [(True, False)] * lost
    cells += [(False, False)] * neither
    base = [outcome(str(number), first) for number, (first, _) in enumerate(cells)]
    tuned = [outcome(str(number), second) for number, (_, second) in enumerate(cells)]
    return Answers(base), Answers(tuned)
