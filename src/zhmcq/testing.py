"""A tiny model and contract checks, for the tests of those who build on zhmcq."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from zhmcq.files import atomic_folder
from zhmcq.questions import Question

__all__ = ["check_parser", "check_prompt", "isolated_plugins", "tiny_llama"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MARKS = "，。、：；？！「」（）《》…—,.:;?!()[]{}<>|_-+*/=\"'\n 　①②③④⑤⑥⑦⑧⑨⑩"
# Every Big5 and GB2312 character is in the first of these blocks.
CJK = (0x4E00, 0x9FFF)


def tiny_llama(folder: str | Path, *, seed: int = 0, chat: bool = False, **config: Any) -> Path:
    """Write a tiny random LLaMA with a tokenizer that knows Chinese.

    The tokenizer gives one token a character: its id can be told from
    ``tokenizer.convert_tokens_to_ids``, and tests can spell ids out. BOS is ``<s>`` (1) and
    written before a text, EOS is ``</s>`` (2), padding ``<pad>`` (0), unknown ``<unk>`` (3).

    Args:
        folder: Where to write it; it must not hold anything yet.
        seed: Of the random weights.
        chat: Give the tokenizer a chat template with ``<|user|>``, ``<|assistant|>``,
            ``<|system|>`` and ``<|end|>``.
        config: Fields of ``LlamaConfig`` to change (64 wide, 2 layers, 4 heads by default).

    Returns:
        The folder, to be loaded like any base model.

    Raises:
        OutputExistsError: If the folder holds something.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    specials = ["<pad>", "<s>", "</s>", "<unk>"]
    turns = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    characters = [*LETTERS, *MARKS, *map(chr, range(CJK[0], CJK[1] + 1))]
    words = [*specials, *turns, *dict.fromkeys(characters)]
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))  # noqa: S106
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    raw.decoder = decoders.Fuse()
    raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw,
        pad_token="<pad>",  # noqa: S106
        bos_token="<s>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        extra_special_tokens=turns if chat else [],
    )
    if chat:
        tokenizer.chat_template = (
            "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>"
            "{{ message.content }}<|end|>{% endfor %}"
            "{% if add_generation_prompt %}<|assistant|>{% endif %}"
        )
    values = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "vocab_size": len(words),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        **config,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(**values))
    with atomic_folder(folder) as beside:
        model.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
    return Path(folder)


@contextmanager
def isolated_plugins() -> Iterator[None]:
    """Undo at the end of a ``with`` block what was registered in it, prompts and parsers alike.

    Inside the block every plugin that was known before is there. Plugins of installed packages
    that are loaded inside are forgotten with the rest.
    """
    from zhmcq.parsers.registry import PARSERS
    from zhmcq.prompts.registry import PROMPTS

    with PROMPTS.isolated(), PARSERS.isolated():
        yield


def _sample_questions() -> list[Question]:
    return [
        Question(
            "t1",
            "誰去了圖書館？",
            ("小明", "小華", "小美"),
            "小明去了圖書館。",
            answer=(0,),
            explanation="見第一句。",
        ),
        Question("t2", "水的化學式是？", ("CO2", "H2O"), labels=("1", "2")),
        Question("t3", "哪些是水果？", ("蘋果", "桌子", "香蕉"), answer=(0, 2), kind="multiple"),
        Question("t4", "太陽從東邊升起。", ("正確", "錯誤"), labels=("O", "X"), kind="true_false"),
    ]


def check_prompt(prompt: Any) -> None:
    """Assert what zhmcq asks of a prompt plugin, on made-up questions of every kind.

    Args:
        prompt: An instance, or a registered name.

    Raises:
        AssertionError: If a promise is broken; the message names the question.
        ZhmcqError: If it is no prompt at all.
    """
    from zhmcq.prompts import Message, RenderedPrompt, answer_sets, get_prompt

    made = get_prompt(prompt)
    for question in _sample_questions():
        rendered = made.render(question)
        _ensure(isinstance(rendered, RenderedPrompt), question, "render() gives a RenderedPrompt")
        _ensure(rendered == made.render(question), question, "render() is deterministic")
        shown = rendered.prompt
        messages = isinstance(shown, tuple) and all(isinstance(one, Message) for one in shown)
        _ensure(isinstance(shown, str) or messages, question, "a prompt is text or Messages")
        same = replace(rendered.question, labels=question.labels) == question
        _ensure(same, question, "the rendered question differs in its labels only")
        answers = [candidate.answer for candidate in rendered.candidates]
        _ensure(sorted(answers) == sorted(answer_sets(question)), question, "every answer is there")
        texts = {candidate.text for candidate in rendered.candidates}
        _ensure(len(texts) == len(answers), question, "candidates differ in text")
        _ensure(question.stem in rendered.input_text, question, "the stem is shown")
        _ensure(question.passage in rendered.input_text, question, "the passage is shown")
        unanswered = made.render(replace(question, answer=None, explanation=""))
        asked = (unanswered.prompt, unanswered.candidates)
        hidden = asked == (rendered.prompt, rendered.candidates)
        _ensure(hidden, question, "it is asked alike without key and explanation")


def check_parser(parser: Any) -> None:
    """Assert what zhmcq asks of a parser plugin, on plain and hostile replies.

    Args:
        parser: An instance, or a registered name.

    Raises:
        AssertionError: If a promise is broken; the message names the question and reply.
        ZhmcqError: If it is no parser at all.
    """
    from zhmcq.parsers import ParsedAnswer, Status, get_parser
    from zhmcq.prompts import answer_sets

    made = get_parser(parser)
    for question in _sample_questions():
        for reply in (
            "",
            question.labels[0],
            "答案：" + question.labels[-1],
            "\x00" * 10,
            "（" * 999,
        ):
            parsed = made.parse(reply, question)
            _ensure(isinstance(parsed, ParsedAnswer), question, f"parse({reply[:9]!r}) is typed")
            _ensure(parsed == made.parse(reply, question), question, "parse() is deterministic")
            _ensure(parsed.status in get_args(Status), question, f"a status is of {Status}")
            answered = parsed.status == "answered"
            _ensure(answered == (parsed.answer is not None), question, "status fits the answer")
            if parsed.answer is not None:
                allowed = parsed.answer in answer_sets(question)
                _ensure(allowed, question, "an answer is sorted indexes that its kind allows")


def _ensure(holds: bool, question: Question, promise: str) -> None:
    if not holds:
        raise AssertionError(f"question {question.id!r}: expected that {promise}")
