"""A tokenizer that threads share encodes for each of them as for one alone."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.encoding._tokenizer_copy import tokenizer_copy
from zhmcq.errors import EncodingError
from zhmcq.prompts import get_prompt
from zhmcq.questions import Question

THREADS = 8
QUESTIONS = [
    Question(
        f"q{number}",
        f"第{number}題，誰？" + ("</s><|end|><s>" if number % 3 == 0 else ""),
        ("甲", "乙</s>" if number % 5 == 0 else "乙"),
        f"文{number // 4}<|user|>",
        answer=(0,),
    )
    for number in range(250)
]


@pytest.mark.parametrize("prompt", ["zh-exam", "zh-chat"])
def test_threads_that_share_an_encoder_encode_as_one(chat_tokenizer: Any, prompt: str) -> None:
    encoder = Encoder(chat_tokenizer, get_prompt(prompt))
    expected, unfit = encoder.encode(QUESTIONS)
    assert not unfit
    with ThreadPoolExecutor(THREADS) as pool:
        for encoded, _ in pool.map(encoder.encode, [QUESTIONS] * THREADS):
            assert encoded == expected


def test_threads_that_share_a_tokenizer_encode_as_one(chat_tokenizer: Any) -> None:
    def work(prompt: str) -> list[EncodedQuestion]:
        """With an encoder for each part, as each prediction has one."""
        parts = [QUESTIONS[start : start + 25] for start in range(0, len(QUESTIONS), 25)]
        return [
            item
            for part in parts
            for item in Encoder(chat_tokenizer, get_prompt(prompt)).encode(part)[0]
        ]

    expected = {prompt: work(prompt) for prompt in ("zh-exam", "zh-chat")}
    prompts = list(expected) * (THREADS // 2)
    with ThreadPoolExecutor(THREADS) as pool:
        for prompt, encoded in zip(prompts, pool.map(work, prompts), strict=True):
            assert encoded == expected[prompt]


def test_what_others_set_in_the_tokenizer_changes_no_ids(chat_tokenizer: Any) -> None:
    tokenizer = copy.deepcopy(chat_tokenizer)
    encoder = Encoder(tokenizer, get_prompt("zh-chat"))
    expected, _ = encoder.encode(QUESTIONS[:9])
    tokenizer("字", truncation=True, padding="max_length", max_length=3, split_special_tokens=True)
    tokenizer.split_special_tokens = True
    assert encoder.encode(QUESTIONS[:9])[0] == expected
    again = Encoder(tokenizer, get_prompt("zh-chat"))
    assert again.encode(QUESTIONS[:9])[0] == expected
    assert tokenizer.backend_tokenizer.truncation["max_length"] == 3  # left as it was set


def with_added(*words: AddedToken) -> Any:
    raw = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1, "b": 2}, unk_token="<unk>"))  # noqa: S106
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    raw.decoder = decoders.Fuse()
    raw.add_tokens(list(words))
    return PreTrainedTokenizerFast(tokenizer_object=raw)  # type: ignore[no-untyped-call]


def test_a_copy_has_the_same_ids_and_its_own_switch() -> None:
    words = [AddedToken("<x>", special=True), AddedToken("b"), AddedToken("<y>", lstrip=True)]
    tokenizer = with_added(*words)
    before = tokenizer.backend_tokenizer.to_str()
    as_text = tokenizer_copy(tokenizer, split_special_tokens=True)
    as_tokens = tokenizer_copy(tokenizer, split_special_tokens=False)
    assert as_text("a<x>b <y>").input_ids == [1, 0, 0, 0, 2, 4]
    assert as_tokens("a<x>b <y>").input_ids == [1, 3, 2, 4]
    assert as_text("a<x>b <y>").input_ids == [1, 0, 0, 0, 2, 4]
    assert as_text.get_vocab() == tokenizer.get_vocab()
    assert tokenizer.backend_tokenizer.to_str() == before


def test_ids_that_a_copy_would_lose_are_refused() -> None:
    tokenizer = with_added(AddedToken("<x>"))
    larger = {"<unk>": 0, "a": 1, "b": 2, "c": 3, "d": 4}
    tokenizer.backend_tokenizer.model = models.WordLevel(larger, unk_token="<unk>")  # noqa: S106
    with pytest.raises(EncodingError, match="save it, and use the one"):
        tokenizer_copy(tokenizer, split_special_tokens=True)


def test_a_copy_shares_the_vocabulary(tokenizer: Any) -> None:
    """A vocabulary of 262,000 tokens takes tens of megabytes, and half a second to be copied."""
    model = tokenizer.backend_tokenizer.model
    made: Any = tokenizer_copy(tokenizer, split_special_tokens=True)
    known, model.unk_token = model.unk_token, "?"
    try:
        assert made.backend_tokenizer.model.unk_token == "?"  # noqa: S105
    finally:
        model.unk_token = known


def test_a_slow_tokenizer_has_no_switch_to_keep() -> None:
    from transformers import CanineTokenizer

    slow = CanineTokenizer()  # type: ignore[no-untyped-call]
    assert tokenizer_copy(slow, split_special_tokens=True) is slow
