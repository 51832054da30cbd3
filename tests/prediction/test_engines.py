from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.errors import PluginError, PredictionError
from zhmcq.modeling._generation import TextGenerator
from zhmcq.modeling._memory import Budget
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.parsers import ParsedAnswer, get_parser
from zhmcq.prediction._engines import GenerateEngine, PreparedQuestion, ScoreEngine
from zhmcq.prompts import get_prompt
from zhmcq.questions import Question
from zhmcq.settings import GenerateSettings

QUESTION = Question("q", "誰？", ("甲", "乙", "丙"), labels=("1", "2", "3"))
ENCODED = EncodedQuestion(
    id="q",
    passage="",
    prompt=(1, 5),
    candidates=((6, 2), (7, 2), (8, 2)),
    answers=((0,), (1,), (2,)),
    target=None,
    normalization="sum",
)
PREPARED = PreparedQuestion(QUESTION, ENCODED)


def test_the_highest_score_is_the_answer_and_its_share_of_likelihood_the_confidence() -> None:
    engine = ScoreEngine(ScoringEngine(None))
    record = {"id": "q", "scores": [math.log(0.1), math.log(0.3), math.log(0.1)]}
    prediction = engine.prediction(PREPARED, record)
    assert (prediction.id, prediction.answer, prediction.label) == ("q", (1,), "2")
    assert prediction.confidence == pytest.approx(0.6)
    assert prediction.scores == tuple(record["scores"])
    assert (prediction.status, prediction.reply) == ("answered", "")


def test_of_equal_scores_the_first_candidate_is_the_answer() -> None:
    engine = ScoreEngine(ScoringEngine(None))
    prediction = engine.prediction(PREPARED, {"id": "q", "scores": [-2.0, -1.0, -1.0]})
    assert prediction.answer == (1,)


def test_scores_far_below_zero_still_have_a_confidence() -> None:
    engine = ScoreEngine(ScoringEngine(None))
    prediction = engine.prediction(PREPARED, {"id": "q", "scores": [-9000.0, -9001.0, -9002.0]})
    assert prediction.confidence == pytest.approx(1 / (1 + math.exp(-1) + math.exp(-2)))


def generate_engine(tokenizer: Any, **settings: Any) -> GenerateEngine:
    return GenerateEngine(
        TextGenerator(None, tokenizer, frozenset({2}), Budget(4)),
        Encoder(tokenizer, get_prompt("zh-exam")),
        get_parser("zh"),
        GenerateSettings(**settings),
    )


def test_a_reply_cannot_be_the_least_likely_candidate(tokenizer: Any) -> None:
    turned = PreparedQuestion(QUESTION, replace(ENCODED, least_likely=True))
    with pytest.raises(PredictionError, match=r"'q': its prompt makes the least likely candidate"):
        generate_engine(tokenizer).phases([PREPARED, turned])
    assert generate_engine(tokenizer).phases([PREPARED]) == [[PREPARED]]


def test_a_free_reply_is_read_by_the_parser(tokenizer: Any) -> None:
    engine = generate_engine(tokenizer)
    record = {"id": "q", "reply": "答案是 3", "candidate": None}
    prediction = engine.prediction(PREPARED, record)
    assert (prediction.answer, prediction.label, prediction.status) == ((2,), "3", "answered")
    record = {"id": "q", "reply": "不知道", "candidate": None}
    prediction = engine.prediction(PREPARED, record)
    assert (prediction.answer, prediction.label, prediction.status) == (None, "", "none")
    assert prediction.reply == "不知道"
    assert prediction.reason


def test_a_reply_limited_to_candidates_needs_no_parser(tokenizer: Any) -> None:
    engine = generate_engine(tokenizer, constrain=True)
    record = {"id": "q", "reply": "想一想\n答案：2", "candidate": 1}
    prediction = engine.prediction(PREPARED, record)
    assert (prediction.answer, prediction.label, prediction.status) == ((1,), "2", "answered")
    assert (prediction.reply, prediction.confidence) == ("想一想\n答案：2", None)


def test_a_journal_depends_on_how_replies_are_written_and_not_on_packing_or_parser(
    tokenizer: Any,
) -> None:
    tree, flat = (ScoreEngine(ScoringEngine(None, name)) for name in ("tree", "flat"))
    assert tree.journal_fields() == flat.journal_fields() == {"mode": "score"}
    strict = generate_engine(tokenizer, parser="strict")
    assert strict.journal_fields() == generate_engine(tokenizer).journal_fields()
    assert generate_engine(
        tokenizer, max_new_tokens=9, constrain=True, reasoning_tokens=5, suppress_tokens=(3, 4)
    ).journal_fields() == {
        "mode": "generate",
        "limit": [9, True, 5],
        "fields": {"suppress_tokens": [3, 4]},
        "ends": [2],
    }


def test_a_question_that_leaves_no_room_for_a_reply_is_unusable_and_says_why(
    tokenizer: Any,
) -> None:
    engine, record = generate_engine(tokenizer), {"id": "q", "problem": "no room"}
    assert engine.fault(PREPARED, record) is None
    prediction = engine.prediction(PREPARED, record)
    assert (prediction.answer, prediction.status, prediction.reason) == (
        None,
        "unusable",
        "no room",
    )


class BrokenParser:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def parse(self, _text: str, _question: Question) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (KeyError("x"), "^question 'q': the parser BrokenParser fails: KeyError: 'x'"),
        (None, "^question 'q': expected a ParsedAnswer of the parser BrokenParser, found NoneType"),
        (ParsedAnswer((9,), "answered"), r"BrokenParser sorted indexes from 0 to \d+ .*\(9,\)"),
        (ParsedAnswer((-1,), "answered"), r"BrokenParser sorted indexes from 0 to \d+ .*\(-1,\)"),
        (ParsedAnswer((1, 0), "answered"), r"sorted indexes from 0 to \d+ .*\(1, 0\)"),
        (ParsedAnswer((), "answered"), r"sorted indexes from 0 to \d+ .*\(\)"),
        (ParsedAnswer("0", "answered"), "sorted indexes from 0 to"),  # type: ignore[arg-type]
        (ParsedAnswer(None, "answered"), "an answer where it is answered"),
        (ParsedAnswer((0,), "none"), "an answer where it is answered"),
        (ParsedAnswer(None, "unsure"), "one of the states answered, none"),  # type: ignore[arg-type]
    ],
)
def test_a_parser_that_fails_is_a_plugin_error(tokenizer: Any, answer: Any, message: str) -> None:
    engine = replace(generate_engine(tokenizer), parser=BrokenParser(answer))
    with pytest.raises(PluginError, match=message):
        engine.prediction(PREPARED, {"id": "q", "reply": "3", "candidate": None})
