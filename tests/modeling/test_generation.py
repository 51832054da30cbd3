from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from zhmcq.encoding import EncodedQuestion
from zhmcq.modeling import ModelSource, load_model
from zhmcq.modeling._generation import TextGenerator
from zhmcq.modeling._memory import Budget
from zhmcq.modeling._replies import stream_choices, stream_replies
from zhmcq.testing import tiny_llama


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> TextGenerator:
    folder = tiny_llama(tmp_path_factory.mktemp("generation") / "base")
    model, tokenizer = load_model(ModelSource(str(folder)))
    return TextGenerator(model, tokenizer, frozenset({2}), batch_size=Budget(2))


def encoded(generator: TextGenerator, *prompts: str, end: int = 2) -> list[EncodedQuestion]:
    def ids(text: str) -> tuple[int, ...]:
        tokens: Any = generator.tokenizer(text, add_special_tokens=False)["input_ids"]
        return tuple(tokens)

    return [
        EncodedQuestion(
            id=prompt,
            passage="",
            prompt=(1, *ids(prompt)),
            candidates=tuple((*ids(text), end) for text in ("甲", "甲乙", "丙")),
            answers=((0,), (1,), (2,)),
            target=None,
            normalization="sum",
        )
        for prompt in prompts
    ]


def test_batches_take_prompts_of_like_length_together(generator: TextGenerator) -> None:
    questions = encoded(generator, "四個字的", "一", "三個字", "二個")
    batches = [[reply.index for reply in b] for b in stream_replies(generator, questions, 2)]
    assert batches == [[1, 3], [2, 0]]


def test_padding_changes_no_reply(generator: TextGenerator) -> None:
    questions = encoded(generator, "一", "這一題要長得多了")
    together = next(iter(stream_replies(generator, questions, 6)))
    alone = [next(iter(stream_replies(generator, [question], 6)))[0] for question in questions]
    assert [reply.text for reply in together] == [reply.text for reply in alone]


def test_a_constrained_reply_is_one_of_the_candidates(generator: TextGenerator) -> None:
    questions = encoded(generator, "一", "二二", "三三三")
    replies = [r for batch in stream_choices(generator, questions, 0, ()) for r in batch]
    assert [reply.index for reply in replies] == [0, 1, 2]
    for reply in replies:
        assert reply.candidate is not None
        assert reply.text == ("甲", "甲乙", "丙")[reply.candidate]


def test_a_candidate_may_end_in_another_id_than_a_free_reply(generator: TextGenerator) -> None:
    other_end = generator.tokenizer.convert_tokens_to_ids("\n")
    assert isinstance(other_end, int)
    (batch,) = stream_choices(generator, encoded(generator, "一", end=other_end), 0, ())
    assert batch[0].text in ("甲", "甲乙", "丙")


def test_free_reasoning_and_the_cue_come_before_the_candidate(generator: TextGenerator) -> None:
    questions = encoded(generator, "一", "二二")
    cue: Any = generator.tokenizer("答：", add_special_tokens=False)["input_ids"]
    free = next(iter(stream_replies(generator, questions, 3)))
    (batch,) = stream_choices(generator, questions, 3, cue)
    for reply, before in zip(batch, free, strict=True):
        assert reply.candidate is not None
        assert reply.text == f"{before.text}答：{('甲', '甲乙', '丙')[reply.candidate]}"


def test_a_reply_stops_after_a_stop_string(generator: TextGenerator) -> None:
    (question,) = encoded(generator, "一")
    ((free,),) = stream_replies(generator, [question], 6)
    stopping = replace(generator, fields={"stop_strings": [free.text[2]]})
    ((stopped,),) = stream_replies(stopping, [question], 6)
    assert stopped.text == free.text[: free.text.index(free.text[2]) + 1]
    assert len(stopped.text) < len(free.text)
