"""What a prompt is, and what it makes of a question: a text, and the candidate answers to it."""

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

# 1,023 candidates; each further option doubles them.
MAX_OPTIONS_OF_SUBSETS = 10


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
    """A question as the model sees it: what the trainer supervises and the predictor scores.

    Attributes:
        question: The question, with the labels that the prompt shows.
        prompt: Plain text, or messages for the tokenizer's chat template.
        candidates: Every possible answer, two or more.
        normalization: How the log-likelihoods of a candidate's tokens become its score:
            ``"sum"`` for candidates of similar length, such as labels, ``"mean"`` for texts.

    Raises:
        PluginError: If there are fewer than two candidates, or one is empty.
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
        """The prompt as text; of messages, one line each with its role."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n".join(f"{message.role}: {message.content}" for message in self.prompt)

    @property
    def target_text(self) -> str | None:
        """The text of the candidate that is the key; ``None`` without a key."""
        return None if self.target is None else self.candidates[self.target].text


@runtime_checkable
class Prompt(Protocol):
    """A prompt template: any object with this method.

    An adapter remembers the name under which the prompt's class is registered, and its options.
    These are the init fields of a dataclass. A class of another shape whose constructor takes
    arguments needs a second method, ``remembered_options()``, which returns the keyword arguments
    that make the prompt again, as a dictionary of JSON values.
    """

    def render(self, question: Question) -> RenderedPrompt:
        """Render ``question``; the same question always gives the same prompt."""
        ...


def answer_sets(question: Question) -> tuple[tuple[int, ...], ...]:
    """Every answer that ``question`` can have: what a prompt makes its candidates from.

    Args:
        question: A question of any kind.

    Returns:
        Sorted 0-based indexes. Each option by itself, or for a multiple-answer question every
        non-empty subset of the options, smaller ones first.

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
