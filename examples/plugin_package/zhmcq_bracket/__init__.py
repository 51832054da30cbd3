"""A prompt and a parser by the name of ``bracket``: answers are labels in full-width brackets.

Install it beside zhmcq, and both are known by name::

    pip install examples/plugin_package
    python -c 'import zhmcq; print(zhmcq.get_prompt("bracket"), zhmcq.get_parser("bracket"))'
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zhmcq.parsers import ParsedAnswer
from zhmcq.prompts import Candidate, RenderedPrompt, answer_sets
from zhmcq.questions import Question

__all__ = ["BracketParser", "BracketPrompt"]


@dataclass(frozen=True, slots=True)
class BracketPrompt:
    """Options in brackets; the answer is its labels in brackets.

    Args:
        lead: What stands before the answer. An adapter remembers it with the name of the prompt.
    """

    lead: str = "答案是"

    def render(self, question: Question) -> RenderedPrompt:
        """Render ``question``; its passage stands first, so that questions can share it."""
        passage = f"{question.passage}\n" if question.passage else ""
        pairs = zip(question.labels, question.options, strict=True)
        listed = "".join(f"（{label}）{option}\n" for label, option in pairs)
        candidates = tuple(
            Candidate(f"（{question.label_of(answer)}）", answer)
            for answer in answer_sets(question)
        )
        text = f"{passage}{question.stem}\n{listed}{self.lead}"
        return RenderedPrompt(question, text, candidates, normalization="sum")


@dataclass(frozen=True, slots=True)
class BracketParser:
    """Reads the last brackets of a reply that hold labels, and guesses nothing."""

    def parse(self, text: str, question: Question) -> ParsedAnswer:
        """Read a reply; the pattern takes time in proportion to its length."""
        labels = re.findall(r"（([A-Z0-9,]{1,60})）", text)
        if not labels:
            return ParsedAnswer(None, "none", reason="no label in brackets")
        for answer in answer_sets(question):
            if question.label_of(answer) == labels[-1]:
                return ParsedAnswer(answer, "answered", labels[-1], "the last label in brackets")
        return ParsedAnswer(None, "out_of_range", labels[-1], "brackets hold no label of an option")
