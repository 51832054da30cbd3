"""What a prompt is, and what it makes of a question: a text, and the candidate answers to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal, Protocol, runtime_checkable

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

# What a template is given by zhmcq, and what apply_chat_template of transformers takes by these
# names, so that a template could never have them.
RESERVED_ARGUMENTS = frozenset(
    {
        "add_generation_prompt",
        "chat_template",
        "continue_final_message",
        "conversation",
        "documents",
        "max_length",
        "messages",
        "padding",
        "return_assistant_tokens_mask",
        "return_dict",
        "return_tensors",
        "sanitize_control_tokens",
        "strftime_now",
        "tokenize",
        "tokenizer_kwargs",
        "tools",
        "truncation",
    }
)

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
        template_arguments: Variables for the tokenizer's chat template, as JSON values
            (``{"enable_thinking": False}``).
        least_likely: Whether the answer is the candidate that the model finds least likely: its
            score is then minus what ``normalization`` says. For a prompt that turns the stem
            around. It works with scores and the ``contrastive`` objective alone: a reply would
            answer the other stem, and so would a target text.

    Raises:
        PluginError: If there are fewer than two candidates, or one is empty; if the template's
            arguments are no JSON values, have a name that is taken, or go with a plain text.
    """

    question: Question
    prompt: str | tuple[Message, ...]
    candidates: tuple[Candidate, ...]
    normalization: Normalization = "sum"
    template_arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    least_likely: bool = False

    def __post_init__(self) -> None:
        arguments = checked_template_arguments(self.template_arguments)
        object.__setattr__(self, "template_arguments", arguments)
        if arguments and isinstance(self.prompt, str):
            raise PluginError(
                f"question {self.question.id!r}: template_arguments go with chat messages, which "
                "a template writes; expected none with a plain text"
            )
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


def checked_template_arguments(arguments: object) -> dict[str, Any]:
    """A copy of the arguments for a chat template, with lists where there were tuples.

    Raises:
        PluginError: If they are not JSON values by their names, or a name is taken.
    """
    expected = "expected template_arguments as JSON values by their names, such as"
    example = "{'enable_thinking': False}"
    if not isinstance(arguments, Mapping):
        raise PluginError(f"{expected} {example}, found {arguments!r:.80}")
    for name in arguments:
        if not isinstance(name, str) or not name.isidentifier():
            raise PluginError(f"{expected} {example}, found the name {name!r:.80}")
        if name in RESERVED_ARGUMENTS:
            raise PluginError(
                f"template_arguments={{{name!r}: …}}: zhmcq gives the template {name!r} itself; "
                f"expected variables of the template's own, such as {example}"
            )
    try:
        copied: dict[str, Any] = json.loads(json.dumps(dict(arguments), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise PluginError(f"{expected} {example}, found {arguments!r:.80} ({error})") from error
    return copied


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
