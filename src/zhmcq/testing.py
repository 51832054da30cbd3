"""For the tests of plugins: checks of what zhmcq expects of them, isolation, and a tiny model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from zhmcq._files import atomic_folder
from zhmcq.questions import Question

if TYPE_CHECKING:
    from zhmcq.parsers import Parser
    from zhmcq.prompts import Prompt, RenderedPrompt

__all__ = ["check_parser", "check_prompt", "isolated_plugins", "tiny_llama"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MARKS = "，。、：；？！「」（）《》…—,.:;?!()[]{}<>|_-+*/=\"'\n 　①②③④⑤⑥⑦⑧⑨⑩"
# The block of CJK Unified Ideographs; every character of Big5 and GB2312 is in it.
CJK = range(0x4E00, 0xA000)


def tiny_llama(folder: str | Path, *, seed: int = 0, chat: bool = False, **config: Any) -> Path:
    """Write a tiny random LLaMA with a tokenizer that knows Chinese.

    The tokenizer makes one token of each character, so that tests can spell out token ids
    (``tokenizer.convert_tokens_to_ids`` gives them). The beginning of a text is ``<s>`` (1), its
    end ``</s>`` (2), padding ``<pad>`` (0), an unknown character ``<unk>`` (3).

    Args:
        folder: Where to write it: a folder that is empty or does not exist yet.
        seed: The seed of the random weights.
        chat: Whether the tokenizer gets a chat template, with ``<|user|>``, ``<|assistant|>``,
            ``<|system|>`` and ``<|end|>``.
        config: Fields of ``LlamaConfig`` to change; by default 64 wide, 2 layers, 4 heads.

    Returns:
        The folder, which loads like any base model.

    Raises:
        OutputExistsError: If the folder holds something.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from zhmcq.modeling._library_bars import reported_bars

    tokenizer = _character_tokenizer(chat=chat)
    values = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "vocab_size": tokenizer.backend_tokenizer.get_vocab_size(),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        **config,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(**values))
    with atomic_folder(folder) as temporary:
        with reported_bars():
            model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
    return Path(folder)


def _character_tokenizer(*, chat: bool) -> Any:
    """A tokenizer of one token a character; see :func:`tiny_llama`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = ["<pad>", "<s>", "</s>", "<unk>"]
    turns = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    characters = [*LETTERS, *MARKS, *map(chr, CJK)]
    words = [*specials, *turns, *dict.fromkeys(characters)]
    ids = {word: i for i, word in enumerate(words)}
    backend = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))  # noqa: S106
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.decoder = decoders.Fuse()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
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
    return tokenizer


@contextmanager
def isolated_plugins() -> Iterator[None]:
    """Undo at the end of a ``with`` block what was registered in it, prompts and parsers alike.

    Inside the block every plugin is there that was known before. What is registered or replaced
    inside is forgotten at the end, as are plugins of installed packages that were loaded inside.
    A module that registers plugins when it is imported is best imported before.
    """
    from zhmcq.parsers._registry import PARSERS
    from zhmcq.prompts._registry import PROMPTS

    with PROMPTS.isolated(), PARSERS.isolated():
        yield


def check_prompt(prompt: str | Prompt) -> None:
    """Assert what zhmcq expects of a prompt, on made-up questions of every kind.

    Args:
        prompt: A registered name, or an instance.

    Raises:
        AssertionError: If the prompt does not do what is expected; the message names the question
            and the expectation.
        UnknownNameError: If no prompt has the name.
        PluginError: If it is no prompt at all.
    """
    from zhmcq.prompts import get_prompt

    instance = get_prompt(prompt)
    for question in _made_up_questions():
        rendered = instance.render(question)
        _check_rendered(rendered, question)
        _expect(rendered == instance.render(question), question, "render() is deterministic")
        unanswered = instance.render(replace(question, answer=None, explanation=""))
        _expect(
            (unanswered.prompt, unanswered.candidates) == (rendered.prompt, rendered.candidates),
            question,
            "it renders alike without key and explanation",
        )


def _check_rendered(rendered: RenderedPrompt, question: Question) -> None:
    from zhmcq.prompts import Message, RenderedPrompt, answer_sets

    is_rendered = isinstance(rendered, RenderedPrompt)
    _expect(is_rendered, question, "render() returns a RenderedPrompt")
    shown = rendered.prompt
    is_chat = isinstance(shown, tuple) and all(isinstance(turn, Message) for turn in shown)
    _expect(isinstance(shown, str) or is_chat, question, "a prompt is text or a tuple of Messages")
    same = replace(rendered.question, labels=question.labels) == question
    _expect(same, question, "the rendered question differs in its labels only")
    answers = [candidate.answer for candidate in rendered.candidates]
    complete = sorted(answers) == sorted(answer_sets(question))
    _expect(complete, question, "the candidates have every answer once")
    texts = {candidate.text for candidate in rendered.candidates}
    _expect(len(texts) == len(answers), question, "the candidates differ in text")
    _expect(question.stem in rendered.input_text, question, "the stem is shown")
    _expect(question.passage in rendered.input_text, question, "the passage is shown")


def check_parser(parser: str | Parser) -> None:
    """Assert what zhmcq expects of a parser, on plain and hostile replies.

    Args:
        parser: A registered name, or an instance.

    Raises:
        AssertionError: If the parser does not do what is expected; the message names the question
            and the expectation.
        UnknownNameError: If no parser has the name.
        PluginError: If it is no parser at all.
    """
    from zhmcq.parsers import ParsedAnswer, ParseStatus, get_parser
    from zhmcq.prompts import answer_sets

    instance = get_parser(parser)
    statuses = get_args(ParseStatus)
    for question in _made_up_questions():
        answer = f"答案：{question.labels[-1]}"
        for reply in ("", question.labels[0], answer, "\x00" * 10, "（" * 999):
            parsed = instance.parse(reply, question)
            is_parsed = isinstance(parsed, ParsedAnswer)
            _expect(is_parsed, question, f"parse({reply[:9]!r}) returns a ParsedAnswer")
            again = instance.parse(reply, question)
            _expect(parsed == again, question, "parse() is deterministic")
            known = parsed.status in statuses
            _expect(known, question, f"the status is one of {', '.join(statuses)}")
            answered = parsed.status == "answered"
            _expect(
                answered == (parsed.answer is not None),
                question,
                "there is an answer if and only if the status is 'answered'",
            )
            allowed = parsed.answer is None or parsed.answer in answer_sets(question)
            _expect(allowed, question, "an answer is sorted indexes that its kind allows")


def _made_up_questions() -> list[Question]:
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


def _expect(holds: bool, question: Question, expectation: str) -> None:
    if not holds:
        raise AssertionError(f"question {question.id!r}: expected that {expectation}")
