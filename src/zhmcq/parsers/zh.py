"""The default parser: find every candidate in a reply, then let the weightiest decide."""

from __future__ import annotations

from zhmcq.parsers.candidates import LEAST, find_candidates
from zhmcq.parsers.protocol import Candidate, ParsedAnswer
from zhmcq.parsers.registry import register_parser
from zhmcq.parsers.rules import DECISION, STRICT
from zhmcq.questions import Question

__all__ = ["StrictParser", "ZhParser", "explain"]


def _decide(candidates: list[Candidate]) -> ParsedAnswer:
    live = [candidate for candidate in candidates if candidate.weight >= LEAST]
    if not live:
        reason = "the reply commits to no option"
        if candidates:
            reason += f"; what was found ({candidates[-1].evidence!r}) is ruled out or supposed"
        return ParsedAnswer(None, "none", reason=reason)
    decisions = [candidate for candidate in live if candidate.weight >= DECISION]
    if decisions:
        best = max(decisions, key=lambda candidate: (candidate.span[1], candidate.weight))
    else:
        top = max(candidate.weight for candidate in live)
        equals = [candidate for candidate in live if candidate.weight == top]
        best = equals[-1]
        if len({candidate.answer for candidate in equals}) > 1:
            return ParsedAnswer(
                None,
                "ambiguous",
                best.evidence,
                f"{best.rule} finds {len(equals)} candidates that disagree",
                best.span,
            )
    why = {
        "answered": f"decided by {best.rule}",
        "none": f"{best.rule} says that there is no answer",
        "ambiguous": f"{best.rule} names several options, but one was asked for",
        "out_of_range": f"{best.rule} names a label that the question does not have",
    }[best.status]
    answer = best.answer if best.status == "answered" else None
    return ParsedAnswer(answer, best.status, best.evidence, why, best.span)


@register_parser("zh")
class ZhParser:
    """The default: every rule of the table.

    Args:
        reasoning: Whether to leave out what a model wrote between ``<think>`` and ``</think>``.
    """

    threshold = 0

    def __init__(self, *, reasoning: bool = False) -> None:
        self.reasoning = reasoning

    def parse(self, text: str, question: Question) -> ParsedAnswer:
        """Read a reply.

        Args:
            text: The reply as the model wrote it.
            question: The question, with the labels that its prompt showed.
        """
        return _decide(self._candidates(text, question))

    def explain(self, text: str, question: Question) -> list[Candidate]:
        """Every candidate in the reply, the weightiest first; among equals, the last first."""
        found = self._candidates(text, question, everything=True)
        return sorted(found, key=lambda candidate: (-candidate.weight, -candidate.span[1]))

    def _candidates(
        self, text: str, question: Question, *, everything: bool = False
    ) -> list[Candidate]:
        found = find_candidates(text, question, reasoning=self.reasoning, everything=everything)
        return [candidate for candidate in found if candidate.weight >= self.threshold]


@register_parser("strict")
class StrictParser(ZhParser):
    """Only an explicit final answer: the rules of weight 82 and more.

    Args:
        reasoning: Whether to leave out what a model wrote between ``<think>`` and ``</think>``.
    """

    threshold = STRICT


def explain(text: str, question: Question, *, reasoning: bool = False) -> list[Candidate]:
    """Every candidate that the ``zh`` parser sees in a reply, with its weight.

    The decisions among them (weight 80 and more) are compared by where they stand, the last one
    counting; without a decision the heaviest decide, if they agree.

    Args:
        text: The reply as the model wrote it.
        question: The question, with the labels that its prompt showed.
        reasoning: Whether to leave out what a model wrote between ``<think>`` and ``</think>``.

    Returns:
        The weightiest first; among equals, the last in the reply first.
    """
    return ZhParser(reasoning=reasoning).explain(text, question)
