"""A job's questions as text and as tokens, shortened alike for every side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from prefix_tree.plan import MAX_LENGTH, Job
from zhmcq.encoding import EncodedQuestion, Encoder, encode_all
from zhmcq.prompts import RenderedPrompt, get_prompt
from zhmcq.questions import Question

__all__ = ["Asked", "ask", "candidate_tokens", "supervised_tokens"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in every form a side may want.

    Attributes:
        question: Its passage shortened where the length limit asks for it.
        rendered: Its prompt and candidates as text.
        encoded: The same as this engine's token ids.
    """

    question: Question
    rendered: RenderedPrompt
    encoded: EncodedQuestion

    @property
    def prompt(self) -> str:
        """The prompt's text."""
        return self.rendered.input_text

    @property
    def answer(self) -> str:
        """The right candidate's text."""
        return self.rendered.target_text or ""


def ask(job: Job, tokenizer: Any) -> list[Asked]:
    """Render and encode a job's questions.

    Peers cut a sequence that is too long at its end, which would cut off the answer: they get
    the passages as this engine shortened them, so that all sides read the same text.
    """
    encoder = Encoder(tokenizer, get_prompt(job.prompt), MAX_LENGTH[job.kind])
    asked = []
    for question, encoded in zip(job.questions, encode_all(encoder, job.questions), strict=True):
        kept = len(question.passage) - encoded.cut
        shown = replace(question, passage=question.passage[:kept])
        asked.append(Asked(shown, encoder.render(shown), encoded))
    return asked


def supervised_tokens(asked: list[Asked]) -> int:
    """Tokens of the prompts with their right answers, in rows of their own."""
    return sum(
        len(one.encoded.prompt) + len(one.encoded.candidates[one.encoded.key_index])
        for one in asked
    )


def candidate_tokens(asked: list[Asked]) -> int:
    """Tokens of all candidates with their prompts, in rows of their own."""
    return sum(
        len(one.encoded.prompt) + len(ids) for one in asked for ids in one.encoded.candidates
    )
