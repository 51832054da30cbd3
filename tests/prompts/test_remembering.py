from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from zhmcq import prompts
from zhmcq.errors import PluginError, PromptMismatchError
from zhmcq.prompts import (
    Candidate,
    ExamPrompt,
    RenderedPrompt,
    describe_prompt,
    get_prompt,
    prompt_names,
    recall_prompt,
    register_prompt,
)
from zhmcq.prompts.rendered import answer_sets
from zhmcq.questions import Question

NAMES = ["zh-chat", "zh-cloze", "zh-cloze-hans", "zh-exam", "zh-exam-hans"]
QUESTION = Question("q", "？", ("甲", "乙"))


@dataclass(frozen=True)
class Plain:
    mark: str = "："
    examples: list[Any] = field(default_factory=list)
    name: ClassVar[str] = "tiny-plain"

    def render(self, question: Question) -> RenderedPrompt:
        candidates = [Candidate(question.label_of(a), a) for a in answer_sets(question)]
        return RenderedPrompt(question, f"{question.stem}{self.mark}", tuple(candidates))


@pytest.fixture
def registered() -> Iterator[None]:
    register_prompt("tiny-plain")(Plain)
    yield
    prompts._registry._factories.pop("tiny-plain")


def test_the_prompts_that_come_along() -> None:
    assert {"zh-chat", "zh-cloze", "zh-cloze-hans", "zh-exam", "zh-exam-hans"} <= set(
        prompt_names()
    )


@pytest.mark.parametrize(
    "name", ["zh-chat", "zh-cloze", "zh-cloze-hans", "zh-exam", "zh-exam-hans"]
)
def test_what_is_described_is_recalled(name: str) -> None:
    record = json.loads(json.dumps(describe_prompt(name)))
    assert record["name"] == name
    assert recall_prompt(**record) == get_prompt(name)
    assert describe_prompt(get_prompt(name)) == record


def test_the_options_are_remembered() -> None:
    record = describe_prompt(ExamPrompt(labels="甲乙丙丁"))
    assert record["name"] == "zh-exam"
    assert record["options"] == {"labels": "甲乙丙丁"}
    assert recall_prompt(**record) == ExamPrompt(labels="甲乙丙丁")


def test_descriptions_differ_where_the_questions_look_otherwise() -> None:
    shown = [describe_prompt(name)["sha256"] for name in ("zh-exam", "zh-exam-hans", "zh-cloze")]
    shown.append(describe_prompt(ExamPrompt(labels="甲乙丙丁"))["sha256"])
    assert len(set(shown)) == 4


@pytest.mark.usefixtures("registered")
def test_a_registered_prompt_of_ones_own_is_recalled_with_its_options() -> None:
    record = describe_prompt(Plain(mark="？？", examples=["甲"]))
    assert record["options"] == {"mark": "？？", "examples": ["甲"]}
    assert recall_prompt(**record) == Plain(mark="？？", examples=["甲"])


def test_a_prompt_that_is_not_registered_here_is_refused_with_the_remedy() -> None:
    record = describe_prompt(Plain())
    with pytest.raises(PromptMismatchError, match="'tiny-plain', which is not registered here: im"):
        recall_prompt(**record)


def test_a_prompt_without_a_name_has_to_be_given_again() -> None:
    class Nameless:
        def render(self, question: Question) -> RenderedPrompt:
            return ExamPrompt().render(question)

    record = describe_prompt(Nameless())
    assert (record["name"], record["options"]) == ("", {})
    with pytest.raises(PromptMismatchError, match=r"has no name: give it again \(prompt=…\)"):
        recall_prompt(**record)


def test_a_prompt_need_not_take_every_question_but_one() -> None:
    @dataclass(frozen=True)
    class Four(Plain):
        def render(self, question: Question) -> RenderedPrompt:
            if len(question.options) != 4:
                raise ValueError("four options, please")
            return super().render(question)

    class Five:
        def render(self, question: Question) -> RenderedPrompt:
            raise ValueError(f"{len(question.options)} are not 5")

    assert describe_prompt(Four())["sha256"] != describe_prompt(Four("…"))["sha256"]
    with pytest.raises(PluginError, match=r"'Five' to render at least one .*3 are not 5.*4 are"):
        describe_prompt(Five())


@pytest.mark.usefixtures("registered")
def test_options_are_remembered_as_json_gives_them_back() -> None:
    record = describe_prompt(Plain(examples=[("甲", "乙")]))
    assert record == json.loads(json.dumps(record))
    assert record["options"]["examples"] == [["甲", "乙"]]


@pytest.mark.usefixtures("registered")
def test_a_template_that_changed_since_is_refused() -> None:
    record = describe_prompt("tiny-plain")
    register_prompt("tiny-plain", replace=True)(lambda **_options: Plain(mark="…"))
    with pytest.raises(PromptMismatchError, match=r"asks otherwise than when.*now.*then"):
        recall_prompt(**record)


@pytest.mark.usefixtures("registered")
def test_an_option_that_is_gone_since_is_refused() -> None:
    record = describe_prompt("tiny-plain")
    with pytest.raises(PromptMismatchError, match=r"cannot be made as when.*'old'"):
        recall_prompt(record["name"], {"old": 1}, record["sha256"])


def test_an_option_that_json_cannot_keep_is_refused_before_any_training() -> None:
    with pytest.raises(PluginError, match=r"options of prompt 'tiny-plain'.*use texts, numbers"):
        describe_prompt(Plain(examples=[QUESTION]))


@pytest.mark.parametrize(
    "candidates",
    [(), (Candidate("A", (0,)),), (Candidate("A", (0,)), Candidate("", (1,)))],
)
def test_a_prompt_needs_two_candidates_that_say_something(
    candidates: tuple[Candidate, ...],
) -> None:
    with pytest.raises(PluginError, match="question 'q': a prompt needs two or more candidates"):
        RenderedPrompt(QUESTION, "？", candidates)
