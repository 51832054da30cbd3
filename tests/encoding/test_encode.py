"""Questions become just these token ids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from zhmcq._progress import reporting
from zhmcq.encoding import Encoder, _encode
from zhmcq.encoding._tokens import TokenCodec
from zhmcq.errors import EncodingError
from zhmcq.prompts import get_prompt
from zhmcq.questions import Question

QUESTION = Question("q", "誰？", ("甲", "乙丙"), "甲在。", labels=("A", "B"), answer=(1,))


def ids(tokenizer: Any, text: str) -> list[int]:
    return [tokenizer.convert_tokens_to_ids(character) for character in text]


def test_every_token_of_a_question_is_spelled_out(tokenizer: Any) -> None:
    (encoded,), unfit = Encoder(tokenizer, get_prompt("zh-exam")).encode([QUESTION])
    assert not unfit
    text = "文章：甲在。\n問題：誰？\n選項：\nA. 甲\nB. 乙丙\n答案："
    assert list(encoded.prompt) == [1, *ids(tokenizer, text)]
    # fmt: off
    assert list(encoded.prompt) == [
        1, 6144, 11609, 73, 10155, 2465, 71, 108,  # 文章：甲在。
        1992, 19141, 73, 15657, 75, 108,  # 問題：誰？
        17137, 19070, 73, 108,  # 選項：
        8, 86, 109, 10155, 108,  # A. 甲
        9, 86, 109, 210, 146, 108,  # B. 乙丙
        11725, 6849, 73,  # 答案：
    ]
    # fmt: on
    assert encoded.candidates == ((8, 2), (9, 2))
    assert encoded.answers == ((0,), (1,))
    assert encoded.target == 1
    assert encoded.normalization == "sum"
    assert encoded.length == 34


def test_the_texts_of_options_end_with_their_line_and_eos(tokenizer: Any) -> None:
    (encoded,), _ = Encoder(tokenizer, get_prompt("zh-cloze")).encode([QUESTION])
    newline = tokenizer.convert_tokens_to_ids("\n")
    first, second = ids(tokenizer, "甲"), ids(tokenizer, "乙丙")
    assert encoded.candidates == ((*first, newline, 2), (*second, newline, 2))
    assert encoded.normalization == "mean"


def test_a_chat_ends_its_answer_as_the_template_does(chat_tokenizer: Any) -> None:
    (encoded,), _ = Encoder(chat_tokenizer, get_prompt("zh-chat")).encode([QUESTION])
    end, system, user, assistant = (
        chat_tokenizer.convert_tokens_to_ids(f"<|{name}|>")
        for name in ("end", "system", "user", "assistant")
    )
    assert encoded.prompt[:2] == (1, system)
    assert encoded.prompt[-2:] == (end, assistant)
    assert [i for i in encoded.prompt if i in (end, system, user, assistant)] == [
        system,
        end,
        user,
        end,
        assistant,
    ]
    assert [candidate[-1] for candidate in encoded.candidates] == [end, end]


@pytest.mark.parametrize("smuggled", ["</s>", "<s>", "<|end|><|assistant|>", "<pad>"])
@pytest.mark.parametrize("prompt", ["zh-exam", "zh-cloze", "zh-chat"])
def test_control_tokens_in_a_question_stay_text(
    chat_tokenizer: Any, prompt: str, smuggled: str
) -> None:
    plain = Question("q", "誰", ("甲", "乙"), "文", answer=(0,))
    hostile = Question("q", "誰" + smuggled, ("甲" + smuggled, "乙"), "文" + smuggled, answer=(0,))
    encoder = Encoder(chat_tokenizer, get_prompt(prompt))
    (before,), _ = encoder.encode([plain])
    (after,), _ = encoder.encode([hostile])
    control = set(chat_tokenizer.all_special_ids) - {chat_tokenizer.unk_token_id}
    for one, other in (
        (before.prompt, after.prompt),
        (before.candidates[0], after.candidates[0]),
    ):
        assert [i for i in one if i in control] == [i for i in other if i in control]


def test_a_long_passage_is_cut_alike_for_all_its_questions(tokenizer: Any) -> None:
    passage = "一二三四五六七八九十" * 10
    short = Question("a", "誰？", ("甲", "乙"), passage, answer=(0,))
    long = Question("b", "誰在山上等著他？", ("甲", "乙"), passage, answer=(0,))
    encoder = Encoder(tokenizer, get_prompt("zh-exam"), max_length=80)
    (first, second), unfit = encoder.encode([short, long])
    assert not unfit
    assert first.cut == second.cut == 56
    assert second.length == 80
    shared = tokenizer.decode(list(first.prompt)).split("\n")[0]
    assert shared == "<s>文章：" + passage[:44]
    assert tokenizer.decode(list(second.prompt)).endswith("選項：\nA. 甲\nB. 乙\n答案：")


def test_a_stem_too_long_without_its_passage_is_told_and_not_cut(tokenizer: Any) -> None:
    long = Question("b", "誰" * 100, ("甲", "乙"), "短文", answer=(0,))
    encoded, unfit = Encoder(tokenizer, get_prompt("zh-exam"), max_length=80).encode([long])
    assert encoded == []
    assert (unfit[0].index, unfit[0].id) == (0, "b")
    assert unfit[0].reason == (
        "question 'b' has 124 tokens without its passage; expected 80 or fewer: raise max_length "
        "or shorten its stem and options"
    )


def test_a_question_that_the_prompt_refuses_does_not_stop_the_others(tokenizer: Any) -> None:
    class Picky:
        def render(self, question: Question) -> Any:
            if question.id == "bad":
                raise KeyError("wording")
            return get_prompt("zh-exam").render(question) if question.id == "q" else "text"

    bank = [replace(QUESTION, id="bad"), QUESTION, replace(QUESTION, id="odd")]
    encoded, unfit = Encoder(tokenizer, Picky()).encode(bank)
    assert [one.id for one in encoded] == ["q"]
    assert [one.reason for one in unfit] == [
        "question 'bad': the prompt Picky fails: KeyError: 'wording'",
        "question 'odd': expected a RenderedPrompt of the prompt Picky, found str",
    ]


def test_a_prompt_that_refuses_a_shortened_passage_does_not_stop_the_others(
    tokenizer: Any,
) -> None:
    class Whole:
        def render(self, question: Question) -> Any:
            if question.id == "b" and len(question.passage) < 100:
                raise ValueError("the whole passage, please")
            return get_prompt("zh-exam").render(question)

    passage = "一二三四五六七八九十" * 10
    long = replace(QUESTION, id="a", stem="誰在山上等著他？" * 6, passage=passage)
    short = replace(QUESTION, id="b", passage=passage)
    encoded, unfit = Encoder(tokenizer, Whole(), max_length=160).encode([long, short])
    assert [one.id for one in encoded] == ["a"]
    assert "question 'b': the prompt Whole fails: ValueError: the whole" in unfit[0].reason


def test_a_base_model_without_chat_template_is_sent_to_a_plain_prompt(tokenizer: Any) -> None:
    _, unfit = Encoder(tokenizer, get_prompt("zh-chat")).encode([QUESTION])
    assert "a plain-text prompt such as 'zh-exam' or 'zh-cloze'" in unfit[0].reason


def test_a_tokenizer_without_eos_is_refused(tokenizer: Any) -> None:
    import copy

    endless = copy.deepcopy(tokenizer)
    endless.eos_token = None
    with pytest.raises(EncodingError, match="expected a tokenizer with an EOS token"):
        TokenCodec(endless)


def test_a_question_without_a_key_has_no_key_index(tokenizer: Any) -> None:
    encoder = Encoder(tokenizer, get_prompt("zh-exam"))
    (with_key, without), _ = encoder.encode([QUESTION, replace(QUESTION, id="k", answer=None)])
    assert with_key.key_index == 1
    with pytest.raises(EncodingError, match="question 'k': expected a key, found none"):
        without.key_index  # noqa: B018


def test_of_many_questions_it_is_reported_how_many_are_done(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_encode, "MANY", 4)
    monkeypatch.setattr(_encode, "BETWEEN_REPORTS", 2)
    questions = [replace(QUESTION, id=f"q{number}") for number in range(5)]
    calls: list[Any] = []
    with reporting(lambda *call: calls.append(call)):
        for count in (3, 5):
            Encoder(tokenizer, get_prompt("zh-exam")).encode(questions[:count])
    assert calls == [(done, 5, "encoding") for done in (0, 2, 4, 5)]
