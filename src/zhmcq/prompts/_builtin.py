"""The prompts that come with zhmcq."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from zhmcq.errors import PluginError
from zhmcq.prompts._protocol import (
    Candidate,
    Message,
    RenderedPrompt,
    answer_sets,
    checked_template_arguments,
)
from zhmcq.prompts._registry import register_prompt
from zhmcq.questions import Question
from zhmcq.zh import affirmative_stem, fixed_order_reason

__all__ = [
    "AffirmativePrompt",
    "ChatPrompt",
    "ClozePrompt",
    "ExamPrompt",
    "SimplifiedAffirmativePrompt",
    "SimplifiedClozePrompt",
    "SimplifiedExamPrompt",
]


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that a prompt puts around the text of a question."""

    passage: str
    stem: str
    options: str
    answer: str
    multiple: str
    system: str


TRADITIONAL = Wording(
    passage="文章：",
    stem="問題：",
    options="選項：",
    answer="答案：",
    multiple="（複選）",
    system="你會看到一題選擇題。請只回答正確選項的代號，不要解釋。",
)
SIMPLIFIED = Wording(
    passage="文章：",
    stem="问题：",
    options="选项：",
    answer="答案：",
    multiple="（多选）",
    system="你会看到一道选择题。请只回答正确选项的代号，不要解释。",
)


def _check_labels(labels: str) -> None:
    if not isinstance(labels, str) or len(set(labels)) != len(labels):
        raise PluginError(
            f"expected labels as different characters in a text, such as 'ABCD', found {labels!r}"
        )


def _relabelled(question: Question, labels: str) -> Question:
    """The question labelled with ``labels``, or as it is if these are empty or too few."""
    if not labels or len(labels) < len(question.options):
        return question
    return replace(question, labels=tuple(labels[: len(question.options)]))


def _passage_and_stem(question: Question, words: Wording) -> str:
    # The passage stands first, so that all its questions share it as one prefix.
    passage = f"{words.passage}{question.passage}\n" if question.passage else ""
    multiple = words.multiple if question.kind == "multiple" else ""
    return f"{passage}{words.stem}{multiple}{question.stem}\n"


def _with_options(question: Question, words: Wording) -> str:
    pairs = zip(question.labels, question.options, strict=True)
    lines = "".join(f"{label}. {option}\n" for label, option in pairs)
    return f"{_passage_and_stem(question, words)}{words.options}\n{lines}"


def _label_candidates(question: Question) -> tuple[Candidate, ...]:
    return tuple(Candidate(question.label_of(answer), answer) for answer in answer_sets(question))


@register_prompt("zh-exam")
@dataclass(frozen=True, slots=True)
class ExamPrompt:
    """Options listed with their labels; the answer is a label.

    Suits instruction-tuned models and larger base models, after training.

    Args:
        labels: Characters to label the options with (``"ABCD"``). If there are none, or fewer
            than the question has options, the question's labels are shown.
    """

    labels: str = ""
    words: ClassVar[Wording] = TRADITIONAL

    def __post_init__(self) -> None:
        _check_labels(self.labels)

    def render(self, question: Question) -> RenderedPrompt:
        """Render ``question`` with its options listed."""
        shown = _relabelled(question, self.labels)
        text = _with_options(shown, self.words) + self.words.answer
        return RenderedPrompt(shown, text, _label_candidates(shown), "sum")


@register_prompt("zh-exam-hans")
@dataclass(frozen=True, slots=True)
class SimplifiedExamPrompt(ExamPrompt):
    """:class:`ExamPrompt` in Simplified Chinese."""

    words: ClassVar[Wording] = SIMPLIFIED


@register_prompt("zh-cloze")
@dataclass(frozen=True, slots=True)
class ClozePrompt:
    """Options not listed; the answer is an option's text, scored as a continuation.

    Scores are means over a candidate's tokens, so that long options are not at a disadvantage.
    Suits small base models, which can continue a text but do not know what a label is.
    """

    words: ClassVar[Wording] = TRADITIONAL

    def render(self, question: Question) -> RenderedPrompt:
        """Render ``question`` without its options."""
        candidates = tuple(
            # The end of the line is part of the answer, so that an option with which another one
            # begins differs from it.
            Candidate("、".join(question.options[index] for index in answer) + "\n", answer)
            for answer in answer_sets(question)
        )
        text = _passage_and_stem(question, self.words) + self.words.answer
        return RenderedPrompt(question, text, candidates, "mean")


@register_prompt("zh-cloze-hans")
@dataclass(frozen=True, slots=True)
class SimplifiedClozePrompt(ClozePrompt):
    """:class:`ClozePrompt` in Simplified Chinese."""

    words: ClassVar[Wording] = SIMPLIFIED


@register_prompt("zh-affirmative")
@dataclass(frozen=True, slots=True)
class AffirmativePrompt(ClozePrompt):
    """:class:`ClozePrompt` that asks negative stems affirmatively.

    A stem such as 下列何者不是水果？ is shown as 下列何者是水果？, and the least likely option is
    the answer. All options but the key hold, so that a model that compares how likely texts are has
    only to tell what holds, by the same preferences as in other questions. Stems of single choice
    in Traditional or Simplified Chinese are recognised where it is certain; others, and those with
    an option that speaks of others (以上皆非), stay as they are.

    It goes with scores and the ``contrastive`` objective, not with replies or ``next_token``.
    """

    def render(self, question: Question) -> RenderedPrompt:
        """Render ``question`` without its options."""
        stem = affirmative_stem(question.stem) if question.kind == "single" else None
        if stem is None or fixed_order_reason(question) is not None:
            return ClozePrompt.render(self, question)
        turned = ClozePrompt.render(self, replace(question, stem=stem))
        return replace(turned, question=question, least_likely=True)


@register_prompt("zh-affirmative-hans")
@dataclass(frozen=True, slots=True)
class SimplifiedAffirmativePrompt(AffirmativePrompt):
    """:class:`AffirmativePrompt` in Simplified Chinese."""

    words: ClassVar[Wording] = SIMPLIFIED


@register_prompt("zh-chat")
@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Options listed with their labels, as a chat; for models whose tokenizer has a template.

    Args:
        labels: As in :class:`ExamPrompt`.
        system: The system message; if empty, a short instruction to answer with a label.
        template_arguments: Variables for the tokenizer's chat template, as JSON values. Models
            that think unless they are told not to need ``{"enable_thinking": False}``.
    """

    labels: str = ""
    system: str = ""
    template_arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    words: ClassVar[Wording] = TRADITIONAL

    def __post_init__(self) -> None:
        _check_labels(self.labels)
        arguments = checked_template_arguments(self.template_arguments)
        object.__setattr__(self, "template_arguments", arguments)

    def render(self, question: Question) -> RenderedPrompt:
        """Render ``question`` as a system message and a user message."""
        shown = _relabelled(question, self.labels)
        messages = (
            Message("system", self.system or self.words.system),
            Message("user", _with_options(shown, self.words).rstrip("\n")),
        )
        candidates = _label_candidates(shown)
        return RenderedPrompt(shown, messages, candidates, "sum", self.template_arguments)
