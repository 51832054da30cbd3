"""Chat templates of many kinds: each is written right, or refused by the name of its fault."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import pytest
from chat_templates import BOS, KINDS, OPEN, TURNS, USUAL, Kind

from zhmcq.encoding import Encoder, _chat
from zhmcq.errors import EncodingError
from zhmcq.prompts import ChatPrompt, Message, RenderedPrompt, get_prompt
from zhmcq.questions import Question

DAY = datetime.date(2026, 11, 26)
QUESTION = Question("q", "誰在家？", ("小明", "小華"), "小明在家。", answer=(0,))
MakeEncoder = Callable[..., Encoder]


@pytest.fixture
def encoder_of(chat_tokenizer: Any) -> MakeEncoder:
    """An encoder of ``zh-chat`` whose tokenizer has the template."""

    def make(template: str, date: datetime.date = DAY, **options: Any) -> Encoder:
        tokenizer = copy.deepcopy(chat_tokenizer)
        tokenizer.chat_template = template
        prompt = options.pop("prompt", None) or ChatPrompt(system="只答代號。", **options)
        return Encoder(tokenizer, prompt, date=date)

    return make


def rules(encoder: Encoder) -> list[str]:
    return [fault.rule for fault in encoder.template_faults([QUESTION])]


def texts(encoder: Encoder) -> tuple[str, list[str]]:
    """The prompt and the candidates that the model is given, as text."""
    (encoded,), _ = encoder.encode([QUESTION])
    prompt, *candidates = (
        str(encoder.codec.tokenizer.decode(list(ids)))
        for ids in (encoded.prompt, *encoded.candidates)
    )
    return prompt, candidates


ASKED = "文章：小明在家。\n問題：誰在家？\n選項：\nA. 小明\nB. 小華"
USUAL_PROMPT = f"<s><|system|>只答代號。<|end|><|user|>{ASKED}<|end|><|assistant|>"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_a_template_is_right_or_refused_by_its_rules_name(
    encoder_of: MakeEncoder, kind: Kind
) -> None:
    assert rules(encoder_of(kind.template)) == ([kind.rule] if kind.rule else [])
    if kind.remedy is not None:
        assert rules(encoder_of(kind.template, template_arguments=kind.remedy)) == []


RIGHT = {
    "usual": (USUAL_PROMPT, "A<|end|>"),
    "date": (
        USUAL_PROMPT.replace("<s>", "<s><|system|>今天是2026-11-26。<|end|>"),
        "A<|end|>",
    ),
    "a block in the generation prompt alone": (USUAL_PROMPT + "<think></think>", "A<|end|>"),
    "the end of a block in the generation prompt alone": (USUAL_PROMPT + "</think>", "A<|end|>"),
    "no system role": (
        f"<s><|user|>只答代號。\n\n{ASKED}<|end|><|assistant|>",
        "A<|end|>",
    ),
    "text stripped": (USUAL_PROMPT, "A<|end|>"),
    "generation prompt always": (USUAL_PROMPT, "A<|end|>"),
    "one token for every end": (USUAL_PROMPT.replace("<|end|>", "</s>"), "A</s>"),
    "answer after the user's turn": (
        f"<s>[INST] 只答代號。 [/INST][INST] {ASKED} [/INST]",
        " A</s>",
    ),
    "newline before the end": (
        USUAL_PROMPT.replace("<|end|>", "\n<|end|>\n"),
        "A\n<|end|>",
    ),
    "BOS beside the tokenizer's": (USUAL_PROMPT, "A<|end|>"),
}


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.rule])
def test_what_the_model_is_given_is_what_its_template_says(
    encoder_of: MakeEncoder, name: str
) -> None:
    prompt, candidates = texts(encoder_of(KINDS[name].template))
    assert (prompt, candidates[0]) == RIGHT[name]
    assert candidates[1] == RIGHT[name][1].replace("A", "B")


def test_an_argument_of_the_prompt_closes_the_thinking(encoder_of: MakeEncoder) -> None:
    template = KINDS["hybrid thinking"].template
    encoder = encoder_of(template, template_arguments={"enable_thinking": False})
    prompt, candidates = texts(encoder)
    assert prompt.endswith("<|end|>\n<|assistant|><think>\n\n</think>\n\n")
    assert candidates == ["A<|end|>", "B<|end|>"]


def test_the_message_names_the_argument_that_helps(encoder_of: MakeEncoder) -> None:
    hybrid = KINDS["hybrid thinking"].template
    for arguments in ({}, {"enable_thinking": True}):
        (fault,) = encoder_of(hybrid, template_arguments=arguments).template_faults([QUESTION])
        assert "template_arguments={'enable_thinking': False}" in fault.reason
    (fault,) = encoder_of(KINDS["thinking only"].template).template_faults([QUESTION])
    assert "use a plain-text prompt, such as 'zh-exam'" in fault.reason


def test_the_end_of_a_hybrid_templates_turn_is_known(encoder_of: MakeEncoder) -> None:
    encoder = encoder_of(KINDS["hybrid thinking"].template)
    encoder.encode([QUESTION])
    tokenizer: Any = encoder.codec.tokenizer
    assert encoder.ends == {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|end|>")}


def test_bos_stands_once_whether_the_tokenizer_adds_one_or_not(encoder_of: MakeEncoder) -> None:
    encoder = encoder_of(USUAL)
    assert encoder.codec.prefix == [1]  # the tokenizer adds one to a text
    (encoded,), _ = encoder.encode([QUESTION])
    assert encoded.prompt.count(1) == 1


def test_the_date_that_is_given_stands_in_the_chat(
    encoder_of: MakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = KINDS["date"].template
    assert "今天是2026-11-26。" in texts(encoder_of(template))[0]
    monkeypatch.setattr(_chat, "today", lambda: datetime.date(2031, 2, 3))
    encoder = Encoder(encoder_of(template).codec.tokenizer, ChatPrompt())
    assert "今天是2031-02-03。" in texts(encoder)[0]
    assert encoder.template_date == "2031-02-03"


@pytest.mark.parametrize(
    ("template", "date"),
    [
        (USUAL, ""),
        (KINDS["date"].template, "2026-11-26"),
        ("{% set unused = strftime_now('%d %b %Y') %}" + USUAL, ""),
        ("{% if messages[0].role != 'system' %}{{ strftime_now('%B') }}{% endif %}" + USUAL, ""),
        (USUAL + "{{ strftime_now('%m') }}", "2026-11-26"),
        (USUAL + "{{ strftime_now('%A') }}", "2026-11-26"),
        (USUAL + "{% if strftime_now('%w') in '06' %}休假{% endif %}", "2026-11-26"),
        (USUAL + "{{ strftime_now('%m') | int > 3 }}", "2026-11-26"),
    ],
)
def test_a_date_is_remembered_only_where_the_text_depends_on_it(
    encoder_of: MakeEncoder, template: str, date: str
) -> None:
    encoder = encoder_of(template)
    encoder.encode([QUESTION])
    assert encoder.template_date == date


def test_a_date_that_is_an_argument_is_no_date_to_remember(encoder_of: MakeEncoder) -> None:
    template = (
        "{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}"
        "{% endif %}{{ date_string }}" + USUAL
    )
    encoder = encoder_of(template, template_arguments={"date_string": "26 Jul 2024"})
    assert texts(encoder)[0].startswith("26 Jul 2024<s>")
    assert encoder.template_date == ""


def test_control_tokens_in_an_argument_stay_text(encoder_of: MakeEncoder) -> None:
    encoder = encoder_of("{{ note }}" + USUAL, template_arguments={"note": "<|user|>好"})
    (encoded,), _ = encoder.encode([QUESTION])
    user = encoder.codec.tokenizer.convert_tokens_to_ids("<|user|>")
    assert list(encoded.prompt).count(user) == 1  # type: ignore[arg-type]
    assert texts(encoder)[0].startswith("<|user|>好<s>")


def test_a_template_that_alters_one_question_is_found_out_there(encoder_of: MakeEncoder) -> None:
    template = BOS + TURNS.replace("m.content", "m.content.replace('小華', '')") + OPEN
    encoder = encoder_of(template)
    assert rules(encoder) == []
    other = Question("r", "誰？", ("小美", "小文"), answer=(0,))
    encoded, problems = encoder.encode([QUESTION, other])
    assert [item.id for item in encoded] == ["r"]
    assert problems[0].reason.startswith("the chat template leaves out or changes the text of the")
    assert problems[0].by_template


class Example:
    """A chat with an example before the question."""

    def render(self, question: Question) -> RenderedPrompt:
        rendered = get_prompt("zh-chat").render(question)
        assert not isinstance(rendered.prompt, str)
        example = (Message("user", "1＋1？\nA. 2\nB. 3"), Message("assistant", "A"))
        return RenderedPrompt(
            question, (*example, rendered.prompt[-1]), rendered.candidates, rendered.normalization
        )


def test_a_chat_of_other_roles_is_probed_with_those(encoder_of: MakeEncoder) -> None:
    dropped = KINDS["system turn dropped"].template
    assert rules(encoder_of(dropped, prompt=Example())) == []
    one_user = "{% if messages | length > 2 %}{{ raise_exception('one turn') }}{% endif %}" + USUAL
    assert rules(encoder_of(one_user, prompt=Example())) == ["template_fails"]


def test_a_faulty_template_is_one_error_and_a_reply_may_think(encoder_of: MakeEncoder) -> None:
    thinking = encoder_of(KINDS["thinking only"].template)
    thinking.refuse_faulty_template([QUESTION], scoring=False)
    with pytest.raises(EncodingError, match=r"^thinking_open: expected .* or let the model reply"):
        thinking.refuse_faulty_template([QUESTION])
    with pytest.raises(EncodingError, match=r"^template_missing: expected a tokenizer with a chat"):
        encoder_of("").refuse_faulty_template([QUESTION], scoring=False)


def test_the_message_says_where_an_answer_would_stand(encoder_of: MakeEncoder) -> None:
    prefixed = KINDS["usual"].template.replace("<|assistant|>{%", "<|assistant|>答案：{%")
    (fault,) = encoder_of(prefixed).template_faults([QUESTION])
    assert "found that a chat with an answer has '' where the prompt has '答案：'" in fault.reason
    (fault,) = encoder_of(KINDS["channels"].template).template_faults([QUESTION])
    assert "found 'final：' between them" in fault.reason


def test_named_templates_without_a_default_are_named(encoder_of: MakeEncoder) -> None:
    encoder = encoder_of("")
    encoder.codec.tokenizer.chat_template = {"rag": "", "tool_use": ""}
    (fault,) = encoder.template_faults([QUESTION])
    assert fault.rule == "template_missing"
    assert "named 'default', found 'rag', 'tool_use': set tokenizer.chat_template" in fault.reason


def test_a_template_that_is_no_text_is_refused(encoder_of: MakeEncoder) -> None:
    encoder = encoder_of("")
    encoder.codec.tokenizer.chat_template = 5
    (fault,) = encoder.template_faults([QUESTION])
    assert fault.rule == "template_fails"
    assert "expected a text, found 5" in fault.reason


@pytest.mark.parametrize(
    "shown", [(), ({"role": "user", "content": "？"},), (Message("user", cast("str", None)),), None]
)
def test_a_prompt_that_is_neither_text_nor_messages_is_refused(
    encoder_of: MakeEncoder, shown: Any
) -> None:
    class Odd:
        def render(self, question: Question) -> RenderedPrompt:
            return replace(ChatPrompt().render(question), prompt=shown)

    _, (problem,) = encoder_of(USUAL, prompt=Odd()).encode([QUESTION])
    assert "expected of the prompt Odd a text, or one or more Message" in problem.reason


def test_an_argument_of_each_question_is_warned_of_once(
    encoder_of: MakeEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    class Numbered:
        def render(self, question: Question) -> RenderedPrompt:
            rendered = ChatPrompt().render(question)
            return replace(rendered, template_arguments={"number": question.id})

    encoder = encoder_of(KINDS["usual"].template, prompt=Numbered())
    assert encoder.template_faults([replace(QUESTION, id=name) for name in "abc"]) == []
    assert caplog.text.count("does not read 'number'") == 1


def test_a_plain_text_asks_nothing_of_a_template(encoder_of: MakeEncoder) -> None:
    encoder = encoder_of("", prompt=get_prompt("zh-exam"))
    assert rules(encoder) == []
    assert encoder.template_date == ""


def test_a_chat_is_encoded_as_transformers_encodes_it(chat_tokenizer: Any) -> None:
    rendered = ChatPrompt().render(QUESTION)
    messages = [{"role": turn.role, "content": turn.content} for turn in rendered.prompt]  # type: ignore[union-attr]
    expected = chat_tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    assert Encoder(chat_tokenizer, ChatPrompt()).prompt_ids(rendered) == expected["input_ids"]


def test_threads_encode_chats_as_one_thread_does(chat_tokenizer: Any) -> None:
    bank = [
        Question(
            f"q{n}", f"第{n}題<|end|>？" if n % 3 else f"第{n}題？", ("甲", "乙</s>"), "文" * n
        )
        for n in range(40)
    ]
    encoder = Encoder(chat_tokenizer, ChatPrompt())
    expected = Encoder(chat_tokenizer, ChatPrompt()).encode(bank)
    with ThreadPoolExecutor(8) as pool:
        assert all(result == expected for result in pool.map(encoder.encode, [bank] * 16))


def test_an_argument_that_the_template_does_not_read_is_warned_of(
    encoder_of: MakeEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    template = KINDS["hybrid thinking"].template
    rules(encoder_of(template, template_arguments={"enable_thinkng": False}))
    assert "does not read 'enable_thinkng', which template_arguments gives it; it reads" in (
        caplog.text
    )
    caplog.clear()
    rules(encoder_of(template, template_arguments={"enable_thinking": False}))
    assert caplog.text == ""
