"""What a prompt makes of a question: the text to show, and the candidate answers to it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal, Protocol, runtime_checkable

from zhmcq.errors import PluginError
from zhmcq.questions import Question

__all__ = [
    "Candidate",
    "Message",
    "Normalization",
    "Prompt",
    "RenderedPrompt",
    "answer_sets",
]

Role = Literal["system", "user", "assistant"]
Normalization = Literal["sum", "mean"]

MAX_OPTIONS_OF_SUBSETS = 10  # 1,023 candidates; each further option doubles them


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible answer, as the model would write it.

    Attributes:
        text: The continuation of the prompt (``"2"``, ``"ACD"``, the text of an option).
        answer: The 0-based indexes of the options it stands for, sorted.
    """

    text: str
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A question as a model is asked it: what the trainer supervises and the predictor scores.

    Attributes:
        question: The question, with the labels that the prompt shows.
        prompt: Plain text, or messages for the tokenizer's chat template.
        candidates: Every possible answer.
        normalization: How the log-likelihoods of a candidate's tokens become its score:
            ``"sum"`` (candidates of like length, such as labels) or ``"mean"`` (texts).
    """

    question: Question
    prompt: str | tuple[Message, ...]
    candidates: tuple[Candidate, ...]
    normalization: Normalization = "sum"

    def __post_init__(self) -> None:
        texts = [candidate.text for candidate in self.candidates]
        if len(texts) < 2 or not all(texts):
            raise PluginError(
                f"question {self.question.id!r}: a prompt needs two or more candidates, "
                f"none of them empty, found {texts!r}"
            )

    @property
    def target(self) -> int | None:
        """The index of the candidate that is the key; ``None`` without a key."""
        for index, candidate in enumerate(self.candidates):
            if candidate.answer == self.question.answer:
                return index
        return None

    @property
    def input_text(self) -> str:
        """The prompt as text; messages are joined one a line, with their roles."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n".join(f"{message.role}: {message.content}" for message in self.prompt)

    @property
    def target_text(self) -> str | None:
        """The text of the candidate that is the key; ``None`` without a key."""
        return None if self.target is None else self.candidates[self.target].text


@runtime_checkable
class Prompt(Protocol):
    """A prompt template: anything with this method.

    A prompt that is a dataclass has its fields remembered with an adapter, and one with a
    ``name`` is found again by it when the adapter is used.
    """

    def render(self, question: Question) -> RenderedPrompt:
        """Ask ``question``; the same question always gives the same prompt."""
        ...


def answer_sets(question: Question) -> tuple[tuple[int, ...], ...]:
    """Every answer that ``question`` can have.

    One option each, or for a multiple-answer question every non-empty subset, smaller ones first.

    Args:
        question: Its kind and the number of its options decide.

    Raises:
        PluginError: If a multiple-answer question has more than 10 options.
    """
    count = len(question.options)
    if question.kind != "multiple":
        return tuple((index,) for index in range(count))
    if count > MAX_OPTIONS_OF_SUBSETS:
        raise PluginError(
            f"question {question.id!r}: the subsets of {count} options are too many to score; "
            f"expected {MAX_OPTIONS_OF_SUBSETS} options or fewer in a multiple-answer question"
        )
    sizes = range(1, count + 1)
    return tuple(subset for size in sizes for subset in combinations(range(count), size))
