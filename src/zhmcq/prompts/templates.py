"""The prompts that come with zhmcq."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from zhmcq.errors import PluginError
from zhmcq.prompts.rendered import Candidate, Message, RenderedPrompt, answer_sets
from zhmcq.questions import Question

__all__ = [
    "ChatPrompt",
    "ClozePrompt",
    "ExamPrompt",
    "SimplifiedClozePrompt",
    "SimplifiedExamPrompt",
]


@dataclass(frozen=True, slots=True)
class Wording:
    """The words around a question's own text."""

    passage: str
    stem: str
    options: str
    answer: str
    several: str
    system: str


TRADITIONAL = Wording(
    passage="文章：",
    stem="問題：",
    options="選項：",
    answer="答案：",
    several="（複選）",
    system="你會看到一題選擇題。請只回答正確選項的代號，不要解釋。",
)
SIMPLIFIED = Wording(
    passage="文章：",
    stem="问题：",
    options="选项：",
    answer="答案：",
    several="（多选）",
    system="你会看到一道选择题。请只回答正确选项的代号，不要解释。",
)


def _check_labels(labels: str) -> None:
    if not isinstance(labels, str) or len(set(labels)) != len(labels):
        raise PluginError(
            f"expected labels as different characters in a text, such as 'ABCD', found {labels!r}"
        )


def _relabelled(question: Question, labels: str) -> Question:
    """The question with its first characters of ``labels`` as labels, or its own if empty."""
    if not labels or len(labels) < len(question.options):
        return question
    return replace(question, labels=tuple(labels[: len(question.options)]))


def _head(question: Question, words: Wording) -> str:
    # The passage stands first, so that all its questions share it as one prefix.
    passage = f"{words.passage}{question.passage}\n" if question.passage else ""
    several = words.several if question.kind == "multiple" else ""
    return f"{passage}{words.stem}{several}{question.stem}\n"


def _listed(question: Question, words: Wording) -> str:
    pairs = zip(question.labels, question.options, strict=True)
    lines = "".join(f"{label}. {option}\n" for label, option in pairs)
    return f"{_head(question, words)}{words.options}\n{lines}"


def _labels(question: Question) -> tuple[Candidate, ...]:
    return tuple(Candidate(question.label_of(chosen), chosen) for chosen in answer_sets(question))


@dataclass(frozen=True, slots=True)
class ExamPrompt:
    """Options listed with their labels; the answer is a label.

    Suits instruction-tuned models and larger base models, after training.

    Args:
        labels: Characters to label the options with (``"ABCD"``); the question's own if empty,
            or if the question has more options than that.
    """

    labels: str = ""
    name: ClassVar[str] = "zh-exam"
    words: ClassVar[Wording] = TRADITIONAL

    def __post_init__(self) -> None:
        _check_labels(self.labels)

    def render(self, question: Question) -> RenderedPrompt:
        """Ask ``question`` with its options listed."""
        shown = _relabelled(question, self.labels)
        text = _listed(shown, self.words) + self.words.answer
        return RenderedPrompt(shown, text, _labels(shown), "sum")


@dataclass(frozen=True, slots=True)
class SimplifiedExamPrompt(ExamPrompt):
    """:class:`ExamPrompt` in Simplified Chinese."""

    name: ClassVar[str] = "zh-exam-hans"
    words: ClassVar[Wording] = SIMPLIFIED


@dataclass(frozen=True, slots=True)
class ClozePrompt:
    """Options not listed; the answer is an option's text, scored as a continuation.

    Scores are means over a candidate's tokens, so that long options are not put at a
    disadvantage. Suits small base models, which know how texts go on but not what a label is.
    """

    name: ClassVar[str] = "zh-cloze"
    words: ClassVar[Wording] = TRADITIONAL

    def render(self, question: Question) -> RenderedPrompt:
        """Ask ``question`` without naming its options."""
        candidates = tuple(
            # The line's end is part of the answer: an option that is the beginning of another
            # one is then told from it.
            Candidate("、".join(question.options[index] for index in chosen) + "\n", chosen)
            for chosen in answer_sets(question)
        )
        text = _head(question, self.words) + self.words.answer
        return RenderedPrompt(question, text, candidates, "mean")


@dataclass(frozen=True, slots=True)
class SimplifiedClozePrompt(ClozePrompt):
    """:class:`ClozePrompt` in Simplified Chinese."""

    name: ClassVar[str] = "zh-cloze-hans"
    words: ClassVar[Wording] = SIMPLIFIED


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Options listed with their labels, as a chat; for models whose tokenizer has a template.

    Args:
        labels: As in :class:`ExamPrompt`.
        system: The system message; a short instruction of its own if empty.
    """

    labels: str = ""
    system: str = ""
    name: ClassVar[str] = "zh-chat"
    words: ClassVar[Wording] = TRADITIONAL

    def __post_init__(self) -> None:
        _check_labels(self.labels)

    def render(self, question: Question) -> RenderedPrompt:
        """Ask ``question`` as a system and a user message."""
        shown = _relabelled(question, self.labels)
        messages = (
            Message("system", self.system or self.words.system),
            Message("user", _listed(shown, self.words).rstrip("\n")),
        )
        return RenderedPrompt(shown, messages, _labels(shown), "sum")
