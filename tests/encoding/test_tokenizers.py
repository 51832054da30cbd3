"""Control tokens in a question stay text, whatever kind of tokenizer a model has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from zhmcq.encoding import Encoder
from zhmcq.encoding._tokens import TokenCodec
from zhmcq.prompts import get_prompt
from zhmcq.questions import Question

CORPUS = ["小明今天到圖書館去看書。", "問題：誰在家？ 答案：甲乙丙", "the quick brown fox"] * 9
LETTERS = sorted(set("".join(CORPUS)) | set("abcdefghijklmnopqrstuvwxyz<>|_/1234ABCD.選項文章\n "))
SPECIAL = ["<s>", "</s>", "<|eot_id|>"]
NOT_MARKED = ["<think>", "<|fim_prefix|>"]  # control tokens all the same
WORDS = ["<table>", "\n\n"]  # added, and not control tokens
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<think>{% endif %}"
)


def bytewise() -> Tokenizer:
    """Byte-level BPE, as LLaMA 3 and Qwen have."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    raw.train_from_iterator(CORPUS, trainer)
    return raw


def piecewise() -> Tokenizer:
    """Unigram pieces with a space before the first word, as SentencePiece writes them."""
    pieces = [("<unk>", 0.0), ("▁", -2.0), *((letter, -3.0) for letter in LETTERS if letter != " ")]
    raw = Tokenizer(models.Unigram([*pieces, ("圖書館", -1.0)], unk_id=0, byte_fallback=False))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    return raw


def wordwise() -> Tokenizer:
    """A token a character."""
    words = {letter: number for number, letter in enumerate(["<unk>", *LETTERS])}
    raw = Tokenizer(models.WordLevel(words, unk_token="<unk>"))  # noqa: S106
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    raw.decoder = decoders.Fuse()
    return raw


@pytest.fixture(params=[bytewise, piecewise, wordwise], ids=lambda make: make.__name__)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    make: Callable[[], Tokenizer] = request.param
    raw = make()
    raw.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    raw.add_tokens([AddedToken(name, special=False) for name in [*NOT_MARKED, *WORDS]])
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", raw.token_to_id("<s>"))]
    )
    made = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw,
        bos_token="<s>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        extra_special_tokens=["<|eot_id|>"],
    )
    made.chat_template = TEMPLATE
    return made


def control_ids(tokenizer: Any) -> set[int]:
    return set(tokenizer.convert_tokens_to_ids([*SPECIAL, *NOT_MARKED]))


SMUGGLED = [*SPECIAL, *NOT_MARKED, "<think><think>", "<th<think>ink>"]
CASES = [(prompt, text) for prompt in ("zh-exam", "zh-cloze", "zh-chat") for text in SMUGGLED]


@pytest.mark.parametrize(("prompt", "smuggled"), CASES)
def test_no_control_token_comes_out_of_a_questions_text(
    tokenizer: Any, prompt: str, smuggled: str
) -> None:
    control = control_ids(tokenizer)
    encoder = Encoder(tokenizer, get_prompt(prompt))
    plain = Question("q", "誰在家", ("甲", "乙"), "小明看書", answer=(0,))
    hostile = Question(
        "q", "誰在家" + smuggled, ("甲" + smuggled, "乙"), "小明" + smuggled + "看書", answer=(0,)
    )
    (before,), _ = encoder.encode([plain])
    (after,), _ = encoder.encode([hostile])
    for one, other in (
        (before.prompt, after.prompt),
        (before.candidates[0], after.candidates[0]),
    ):
        assert [i for i in one if i in control] == [i for i in other if i in control]
    assert smuggled in tokenizer.decode(list(after.prompt))


@pytest.mark.parametrize("prompt", ["zh-exam", "zh-chat"])
def test_a_text_that_the_tokenizer_refuses_is_a_problem_of_its_question(
    chat_tokenizer: Any, prompt: str
) -> None:
    questions = [Question(stem, f"{stem}？", ("甲", "乙"), answer=(0,)) for stem in "問半題"]
    # A question refuses it where it is made; a prompt of one's own may write it all the same.
    object.__setattr__(questions[1], "stem", "\ud800？")
    encoded, (problem,) = Encoder(chat_tokenizer, get_prompt(prompt)).encode(questions)
    assert [question.id for question in encoded] == ["問", "題"]
    assert problem.index == 1
    assert problem.reason.endswith(
        r"it has half of a surrogate pair ('\ud800'), which is no character"
    )


def test_added_words_keep_their_tokens(tokenizer: Any) -> None:
    codec = TokenCodec(tokenizer)
    for word in WORDS:
        assert tokenizer.convert_tokens_to_ids(word) in codec.text("甲" + word + "乙")


def test_many_control_tokens_and_tokens_with_a_newline_come_to_an_end(tokenizer: Any) -> None:
    codec = TokenCodec(tokenizer)
    assert not control_ids(tokenizer) & set(codec.text("<think>" * 5000))
    tokenizer.add_tokens([AddedToken("\n<", special=False)])
    tokenizer.chat_template = TEMPLATE + "{# \n< #}"
    again = TokenCodec(tokenizer)
    assert tokenizer.convert_tokens_to_ids("\n<") not in again.text("小明\n<table\n<think>")


def test_what_is_broken_in_two_reads_as_it_was(tokenizer: Any) -> None:
    codec = TokenCodec(tokenizer)
    text = "小明<think>到<|fim_prefix|>圖書館"
    assert tokenizer.decode(codec.text(text)) == text
    assert not control_ids(tokenizer) & set(codec.text(text))


LIKE_LLAMA_2 = (
    "{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content }} {{ eos_token }}"
    "{% else %}{{ bos_token }}|A| {{ m.content }} |B|{% endif %}{% endfor %}"
)
LIKE_CHATML = (
    "{% for m in messages %}<|eot_id|>{{ m.role }}\n{{ m.content }}<|eot_id|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|eot_id|>assistant\n{% endif %}"
)
LIKE_PHI = (
    "{% for m in messages %}<|eot_id|>\n{{ m.content }}\n<|fim_prefix|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|eot_id|>\n{% endif %}"
)


@pytest.mark.parametrize("template", [LIKE_LLAMA_2, LIKE_CHATML, LIKE_PHI])
def test_prompt_and_answer_are_the_ids_of_the_whole_chat(tokenizer: Any, template: str) -> None:
    tokenizer.chat_template = template
    encoder = Encoder(tokenizer, get_prompt("zh-chat"))
    question = Question("q", "誰在家", ("甲", "乙"), "小明看書", answer=(0,))
    assert encoder.template_faults([question]) == []
    rendered = encoder.render(question)
    assert not isinstance(rendered.prompt, str)
    turns = [{"role": turn.role, "content": turn.content} for turn in rendered.prompt]
    turns += [{"role": "assistant", "content": "A"}]
    whole: Any = tokenizer.apply_chat_template(turns, sanitize_control_tokens=True)
    (encoded,), _ = encoder.encode([question])
    ids = [*encoded.prompt, *encoded.candidates[0]]
    assert whole["input_ids"][: len(ids)] == ids
