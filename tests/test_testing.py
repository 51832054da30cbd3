from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from conftest import BUILT_IN_PROMPTS
from zhmcq.errors import OutputExistsError, PluginError, UnknownNameError
from zhmcq.parsers import ParsedAnswer
from zhmcq.prompts import Candidate, ExamPrompt, RenderedPrompt
from zhmcq.questions import Question
from zhmcq.testing import check_parser, check_prompt, tiny_llama


class Twisted:
    """A good prompt with one thing changed."""

    def __init__(self, twist: Callable[[RenderedPrompt], Any]) -> None:
        self.twist = twist

    def render(self, question: Question) -> Any:
        return self.twist(ExamPrompt().render(question))


class Fixed:
    """A parser that reads every reply the same way."""

    def __init__(self, parsed: Any) -> None:
        self.parsed = parsed

    def parse(self, *_arguments: Any) -> Any:
        return self.parsed


@pytest.mark.parametrize("name", sorted(BUILT_IN_PROMPTS))
def test_the_built_in_prompts_keep_the_contract(name: str) -> None:
    check_prompt(name)


@pytest.mark.parametrize("name", ["cascade", "json", "strict", "zh"])
def test_the_built_in_parsers_keep_the_contract(name: str) -> None:
    check_parser(name)


def with_key_shown(rendered: RenderedPrompt) -> RenderedPrompt:
    return replace(rendered, prompt=f"{rendered.prompt}{rendered.question.answer_label}")


def with_explanation_shown(rendered: RenderedPrompt) -> RenderedPrompt:
    return replace(rendered, prompt=f"{rendered.question.explanation}{rendered.prompt}")


def with_alike_candidates(rendered: RenderedPrompt) -> RenderedPrompt:
    same = tuple(Candidate("A", candidate.answer) for candidate in rendered.candidates)
    return replace(rendered, candidates=same)


def with_turned_options(rendered: RenderedPrompt) -> RenderedPrompt:
    question = rendered.question
    return replace(rendered, question=replace(question, options=question.options[::-1]))


numbers = count()


@pytest.mark.parametrize(
    ("twist", "expectation"),
    [
        (lambda rendered: rendered.prompt, r"'t1': expected that render\(\) returns a RenderedPr"),
        (lambda r: replace(r, prompt=f"{r.prompt}{next(numbers)}"), "deterministic"),
        (
            lambda r: replace(r, prompt=[{"role": "user"}]),
            "a prompt is text or a tuple of Messages",
        ),
        (
            lambda r: replace(r, candidates=r.candidates[:2]),
            "the candidates have every answer once",
        ),
        (with_alike_candidates, "the candidates differ in text"),
        (lambda r: replace(r, prompt="問：" + r.question.passage), "the stem is shown"),
        (lambda r: replace(r, prompt=r.question.stem), "the passage is shown"),
        (with_turned_options, "the rendered question differs in its labels only"),
        (with_key_shown, "it renders alike without key and explanation"),
        (with_explanation_shown, "it renders alike without key and explanation"),
    ],
)
def test_a_prompt_that_breaks_an_expectation_is_caught(
    twist: Callable[[RenderedPrompt], Any], expectation: str
) -> None:
    with pytest.raises(AssertionError, match=expectation):
        check_prompt(Twisted(twist))


@pytest.mark.parametrize(
    ("parsed", "expectation"),
    [
        ("A", r"question 't1': expected that parse\(''\) returns a ParsedAnswer"),
        (ParsedAnswer((0,), "none"), "an answer if and only if the status is 'answered'"),
        (ParsedAnswer(None, "answered"), "an answer if and only if the status is 'answered'"),
        (
            ParsedAnswer(None, "unsure"),  # type: ignore[arg-type]
            "the status is one of answered, none, ambiguous, out_of_range",
        ),
        (ParsedAnswer((7,), "answered"), "sorted indexes that its kind allows"),
        (ParsedAnswer((), "answered"), "sorted indexes that its kind allows"),
        (ParsedAnswer((0, 1), "answered"), "'t1': .* that its kind allows"),
    ],
)
def test_a_parser_that_breaks_an_expectation_is_caught(parsed: Any, expectation: str) -> None:
    with pytest.raises(AssertionError, match=expectation):
        check_parser(Fixed(parsed))


def test_a_parser_that_answers_differently_each_time_is_caught() -> None:
    class Counting:
        def parse(self, *_arguments: Any) -> ParsedAnswer:
            return ParsedAnswer(None, "none", reason=str(next(numbers)))

    with pytest.raises(AssertionError, match=r"parse\(\) is deterministic"):
        check_parser(Counting())


def test_a_parser_that_abstains_from_everything_is_one() -> None:
    check_parser(Fixed(ParsedAnswer(None, "none")))


def test_what_is_no_plugin_at_all_is_refused() -> None:
    nothing: Any = object()
    with pytest.raises(PluginError, match="render"):
        check_prompt(nothing)
    with pytest.raises(UnknownNameError, match="Did you mean 'zh-exam'"):
        check_prompt("zh_exam")
    with pytest.raises(PluginError, match="parse"):
        check_parser(nothing)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("models") / "tiny", chat=True)


def test_the_tiny_tokenizer_gives_one_readable_token_a_character(tiny: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    ids = tokenizer("答案：B")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id == 1
    assert tokenizer.convert_ids_to_tokens(ids[1:]) == ["答", "案", "：", "B"]
    assert tokenizer.decode(ids[1:]) == "答案：B"
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 2, 3)
    assert tokenizer("😀", add_special_tokens=False)["input_ids"] == [3]
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "問"}], tokenize=False, add_generation_prompt=True
    )
    assert chat == "<s><|user|>問<|end|><|assistant|>"


def test_a_folder_that_holds_something_is_kept(tiny: Path) -> None:
    with pytest.raises(OutputExistsError):
        tiny_llama(tiny)
