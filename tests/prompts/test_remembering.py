from __future__ import annotations

from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field
from typing import Any, ClassVar

import pytest

from conftest import BUILT_IN_PROMPTS
from zhmcq.errors import PluginError, PromptMismatchError, UnknownNameError
from zhmcq.manifest import PromptRecord
from zhmcq.prompts import (
    AffirmativePrompt,
    Candidate,
    ChatPrompt,
    ClozePrompt,
    ExamPrompt,
    Prompt,
    RenderedPrompt,
    SimplifiedAffirmativePrompt,
    SimplifiedClozePrompt,
    SimplifiedExamPrompt,
    answer_sets,
    describe_prompt,
    get_prompt,
    prompt_names,
    recall_prompt,
    register_prompt,
)
from zhmcq.questions import Question
from zhmcq.testing import isolated_plugins

QUESTION = Question("q", "？", ("甲", "乙"))


@dataclass(frozen=True)
class Plain:
    mark: str = "："
    examples: list[Any] = field(default_factory=list)

    def render(self, question: Question) -> RenderedPrompt:
        return rendered_with(question, self.mark)


def rendered_with(question: Question, mark: str) -> RenderedPrompt:
    candidates = [Candidate(question.label_of(a), a) for a in answer_sets(question)]
    return RenderedPrompt(question, f"{question.stem}{mark}", tuple(candidates))


def read_back(record: PromptRecord) -> PromptRecord:
    """The record as a manifest gives it back."""
    return PromptRecord.model_validate_json(record.model_dump_json())


@pytest.fixture(autouse=True)
def isolated() -> Iterator[None]:
    with isolated_plugins():
        yield


@pytest.fixture
def registered(isolated: None) -> None:
    register_prompt("tiny-plain")(Plain)


def test_the_built_in_prompts_are_known_by_name() -> None:
    assert set(prompt_names()) >= BUILT_IN_PROMPTS


@pytest.mark.parametrize("name", sorted(BUILT_IN_PROMPTS))
def test_what_is_described_is_recalled(name: str) -> None:
    record = read_back(describe_prompt(name))
    assert record.name == name
    assert recall_prompt(record) == get_prompt(name)
    assert describe_prompt(get_prompt(name)) == record


def test_the_options_are_remembered() -> None:
    record = describe_prompt(ExamPrompt(labels="甲乙丙丁"))
    assert record.name == "zh-exam"
    assert record.options == {"labels": "甲乙丙丁"}
    assert recall_prompt(record) == ExamPrompt(labels="甲乙丙丁")


def test_descriptions_differ_where_the_questions_look_different() -> None:
    hashes = [describe_prompt(name).sha256 for name in ("zh-exam", "zh-exam-hans", "zh-cloze")]
    hashes.append(describe_prompt(ExamPrompt(labels="甲乙丙丁")).sha256)
    assert len(set(hashes)) == 4


@pytest.mark.usefixtures("registered")
def test_a_registered_prompt_is_recalled_with_its_options() -> None:
    record = describe_prompt(Plain(mark="？？", examples=["甲"]))
    assert record.options == {"mark": "？？", "examples": ["甲"]}
    assert recall_prompt(record) == Plain(mark="？？", examples=["甲"])


def test_a_prompt_that_is_not_registered_here_is_refused_with_the_remedy() -> None:
    with isolated_plugins():
        register_prompt("tiny-plain")(Plain)
        record = describe_prompt(Plain())
    with pytest.raises(PromptMismatchError, match="'tiny-plain', which is not registered here: im"):
        recall_prompt(record)


def test_a_prompt_without_a_name_has_to_be_given_again() -> None:
    class Nameless:
        def render(self, question: Question) -> RenderedPrompt:
            return ExamPrompt().render(question)

    record = describe_prompt(Nameless())
    assert (record.name, record.options) == ("", {})
    with pytest.raises(PromptMismatchError, match=r"has no name: give it again \(prompt=…\)"):
        recall_prompt(record)


def test_a_prompt_that_was_never_recorded_has_to_be_given() -> None:
    message = r"made by another tool, .*: give the prompt that it was trained with \(prompt=…\)"
    with pytest.raises(PromptMismatchError, match=message):
        recall_prompt(PromptRecord(name="", sha256=""))


def test_a_prompt_need_not_render_every_made_up_question_but_one() -> None:
    @dataclass(frozen=True)
    class Four(Plain):
        def render(self, question: Question) -> RenderedPrompt:
            if len(question.options) != 4:
                raise ValueError("four options, please")
            return super().render(question)

    class Five:
        def render(self, question: Question) -> RenderedPrompt:
            raise ValueError(f"{len(question.options)} are not 5")

    assert describe_prompt(Four()).sha256 != describe_prompt(Four("…")).sha256
    with pytest.raises(
        PluginError, match=r"prompt Five to render at least one .*3 are not 5.*4 are"
    ):
        describe_prompt(Five())


@pytest.mark.usefixtures("registered")
def test_options_are_remembered_as_json_gives_them_back() -> None:
    record = describe_prompt(Plain(examples=[("甲", "乙")]))
    assert record == read_back(record)
    assert record.options["examples"] == [["甲", "乙"]]


@pytest.mark.usefixtures("registered")
def test_a_template_that_changed_since_is_refused() -> None:
    record = describe_prompt("tiny-plain")
    register_prompt("tiny-plain", replace=True)(lambda **_options: Plain(mark="…"))
    with pytest.raises(PromptMismatchError, match=r"renders differently than when.*now.*then"):
        recall_prompt(record)


@pytest.mark.usefixtures("registered")
def test_an_option_that_is_gone_since_is_refused() -> None:
    record = describe_prompt("tiny-plain")
    with pytest.raises(PromptMismatchError, match=r"cannot be made as when.*'old'"):
        recall_prompt(record.model_copy(update={"options": {"old": 1}}))


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("examples", [[QUESTION], [float("nan")], [{1}]])
def test_an_option_that_is_no_json_is_refused_before_any_training(examples: list[Any]) -> None:
    with pytest.raises(PluginError, match=r"options of prompt 'tiny-plain'.*use texts, numbers"):
        describe_prompt(Plain(examples=examples))


@pytest.mark.parametrize(
    "candidates",
    [(), (Candidate("A", (0,)),), (Candidate("A", (0,)), Candidate("", (1,)))],
)
def test_a_prompt_needs_two_candidates_that_say_something(
    candidates: tuple[Candidate, ...],
) -> None:
    with pytest.raises(PluginError, match="question 'q': a prompt needs two or more candidates"):
        RenderedPrompt(QUESTION, "？", candidates)


@pytest.mark.parametrize(
    ("prompt", "name", "sha256"),
    [
        (ExamPrompt(), "zh-exam", "dcba04e86d33b842"),
        (SimplifiedExamPrompt(), "zh-exam-hans", "9cfc1173df4b4dcc"),
        (ClozePrompt(), "zh-cloze", "b2942712dacd0b60"),
        (SimplifiedClozePrompt(), "zh-cloze-hans", "3d1e218879ee7e47"),
        (ChatPrompt(), "zh-chat", "9d3b914f0412bf1b"),
        (AffirmativePrompt(), "zh-affirmative", "85966cd47875d454"),
        (SimplifiedAffirmativePrompt(), "zh-affirmative-hans", "592069283a0b02b2"),
    ],
)
def test_the_built_in_prompts_render_as_they_did_when_adapters_were_trained(
    prompt: Prompt, name: str, sha256: str
) -> None:
    record = describe_prompt(prompt)
    assert (record.name, record.sha256[:16]) == (name, sha256)


def test_an_instance_is_found_by_its_class_and_a_subclass_inherits_no_name() -> None:
    @register_prompt("tiny-one")
    @dataclass(frozen=True)
    class First(Plain):
        pass

    @dataclass(frozen=True)
    class Second(First):
        pass

    assert describe_prompt(First()).name == "tiny-one"
    assert describe_prompt(Second()).name == ""
    assert describe_prompt(ExamPrompt()).name == "zh-exam"


def test_an_attribute_called_name_names_nothing() -> None:
    @dataclass(frozen=True)
    class Named(Plain):
        name: ClassVar[str] = "zh-exam"

    assert describe_prompt(Named()).name == ""


def test_a_class_without_constructor_arguments_is_remembered_without_options() -> None:
    @register_prompt("tiny-bare")
    class Bare(Prompt):
        def render(self, question: Question) -> RenderedPrompt:
            return rendered_with(question, "：")

    record = describe_prompt(Bare())
    assert (record.name, record.options) == ("tiny-bare", {})
    assert isinstance(recall_prompt(record), Bare)


class Marked:
    """Its constructor takes an argument that nothing shows."""

    def __init__(self, mark: str = "：", *more: str) -> None:
        self._mark = mark + "".join(more)

    def render(self, question: Question) -> RenderedPrompt:
        return rendered_with(question, self._mark)


def test_arguments_that_cannot_be_seen_are_refused_with_the_remedy() -> None:
    register_prompt("tiny-marked")(Marked)
    with pytest.raises(
        PluginError,
        match=r"prompt 'tiny-marked' .* Marked was given for mark, more cannot be seen: make "
        r"Marked a dataclass with these fields, or give it a method remembered_options\(\)",
    ):
        describe_prompt(Marked("？"))


def test_a_name_alone_is_remembered_whatever_the_class_looks_like() -> None:
    register_prompt("tiny-marked")(Marked)
    record = describe_prompt("tiny-marked")
    assert (record.name, record.options) == ("tiny-marked", {})
    assert isinstance(recall_prompt(record), Marked)


def test_arguments_that_cannot_be_seen_do_not_matter_without_a_name() -> None:
    record = describe_prompt(Marked("？"))
    assert (record.name, record.options) == ("", {})


def test_arguments_of_a_dataclass_that_are_no_fields_are_refused() -> None:
    @register_prompt("tiny-doubled")
    @dataclass
    class Doubled:
        mark: str
        times: InitVar[int]

        def __post_init__(self, times: int) -> None:
            self.mark *= times

        def render(self, question: Question) -> RenderedPrompt:
            return rendered_with(question, self.mark)

    with pytest.raises(PluginError, match=r"Doubled was given for times cannot be seen"):
        describe_prompt(Doubled("？", 2))


def test_a_class_can_say_which_options_make_it_again() -> None:
    @register_prompt("tiny-saying")
    class Saying(Marked):
        def remembered_options(self) -> dict[str, Any]:
            return {"mark": self._mark}

    record = read_back(describe_prompt(Saying("？", "！")))
    assert (record.name, record.options) == ("tiny-saying", {"mark": "？！"})
    assert recall_prompt(record).render(QUESTION).prompt == "？？！"


def test_remembered_options_have_to_be_a_dictionary() -> None:
    @register_prompt("tiny-listing")
    class Listing(Marked):
        def remembered_options(self) -> list[str]:
            return [self._mark]

    with pytest.raises(PluginError, match=r"remembered_options\(\) of .*Listing to return a dict"):
        describe_prompt(Listing())


def test_a_function_is_remembered_by_its_name_and_what_it_made_has_none() -> None:
    register_prompt("tiny-made")(lambda: Plain(mark="…"))
    record = describe_prompt("tiny-made")
    assert (record.name, record.options) == ("tiny-made", {})
    assert recall_prompt(record) == Plain(mark="…")
    assert describe_prompt(get_prompt("tiny-made")).name == ""


@pytest.mark.parametrize("wrong", [123, None, ("zh-exam",), Plain])
def test_what_is_neither_name_nor_prompt_is_refused(wrong: Any) -> None:
    for function in (get_prompt, describe_prompt):
        with pytest.raises(PluginError, match="expected the prompt to be an object with a render"):
            function(wrong)
    with pytest.raises(UnknownNameError, match="no prompt is named ''"):
        get_prompt("")


def test_the_arguments_of_a_chat_template_are_remembered() -> None:
    prompt = ChatPrompt(template_arguments={"enable_thinking": False})
    record = describe_prompt(prompt)
    assert record.options["template_arguments"] == {"enable_thinking": False}
    assert recall_prompt(record) == prompt
    thinking = describe_prompt(ChatPrompt(template_arguments={"enable_thinking": True}))
    assert len({record.sha256, thinking.sha256, describe_prompt(ChatPrompt()).sha256}) == 3
    both = [{"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}]
    assert len({describe_prompt(ChatPrompt(template_arguments=a)).sha256 for a in both}) == 1
