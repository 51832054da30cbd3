"""A job's questions as text and as tokens, shortened alike for every side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from prefix_tree.plan import MAX_LENGTH, Job
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.encoding._encode import encode_all
from zhmcq.prompts import RenderedPrompt, get_prompt
from zhmcq.questions import Question

__all__ = ["JobQuestion", "candidate_tokens", "job_questions", "supervised_tokens"]


@dataclass(frozen=True, slots=True)
class JobQuestion:
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


def job_questions(job: Job, tokenizer: Any) -> list[JobQuestion]:
    """Render and encode a job's questions.

    Peers cut a sequence that is too long at its end, which would cut off the answer: they get
    the passages as this engine shortened them, so that all sides read the same text.
    """
    encoder = Encoder(tokenizer, get_prompt(job.prompt), MAX_LENGTH[job.kind])
    questions = []
    for question, encoded in zip(job.questions, encode_all(encoder, job.questions), strict=True):
        kept = len(question.passage) - encoded.cut
        shown = replace(question, passage=question.passage[:kept])
        questions.append(JobQuestion(shown, encoder.render(shown), encoded))
    return questions


def supervised_tokens(questions: list[JobQuestion]) -> int:
    """Tokens of the prompts with their right answers, in rows of their own."""
    return sum(
        len(one.encoded.prompt) + len(one.encoded.candidates[one.encoded.key_index])
        for one in questions
    )


def candidate_tokens(questions: list[JobQuestion]) -> int:
    """Tokens of all candidates with their prompts, in rows of their own."""
    return sum(
        len(one.encoded.prompt) + len(ids) for one in questions for ids in one.encoded.candidates
    )
