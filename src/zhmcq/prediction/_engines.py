"""Engines: what a mode computes for a question, what it records, and how that is an answer.

The pipeline (:mod:`zhmcq.prediction._pipeline`) does everything else, the same way for every
engine: the journal, resuming, statistics, progress and the order of the answers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.encoding._encode import question_name
from zhmcq.encoding._orders import Order
from zhmcq.errors import PluginError, PredictionError
from zhmcq.evaluation import probabilities
from zhmcq.manifest import Calibration
from zhmcq.modeling._generation import TextGenerator
from zhmcq.modeling._replies import Reply, stream_choices, stream_replies
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.parsers import ParsedAnswer, Parser, ParseStatus
from zhmcq.prediction._predictions import Prediction, PredictionStats
from zhmcq.questions import Question
from zhmcq.settings import GenerateSettings

__all__ = [
    "Engine",
    "EngineStep",
    "GenerateEngine",
    "OtherOrder",
    "PreparedQuestion",
    "Record",
    "ScoreEngine",
    "best_candidate",
    "parsed_reply",
]

# What an engine computed for one question: an object that json can hold, with the question's "id".
# A journal keeps records rather than predictions, so that a better parser reads old replies anew.
Record = dict[str, Any]

ANSWER_CUE = "\n答案："  # between free reasoning and the answer that is limited to candidates


@dataclass(frozen=True, slots=True)
class OtherOrder:
    """A question with its options in another order.

    Attributes:
        order: For each place the 0-based index of the option that is shown there.
        encoded: Its prompt and its candidate answers as token ids.
    """

    order: Order
    encoded: EncodedQuestion


@dataclass(frozen=True, slots=True)
class PreparedQuestion:
    """A question with its token ids.

    Attributes:
        question: The question as it was given, with its own labels.
        encoded: Its prompt and its candidate answers as token ids.
        others: The same with its options in other orders, if they are asked for.
    """

    question: Question
    encoded: EncodedQuestion
    others: tuple[OtherOrder, ...] = ()

    @property
    def id(self) -> str:
        """The question's id."""
        return self.question.id

    @property
    def encodings(self) -> tuple[EncodedQuestion, ...]:
        """Its token ids in each order, the given one first."""
        return (self.encoded, *(other.encoded for other in self.others))

    @property
    def length(self) -> int:
        """Tokens of its prompt with all its candidates, and of what each other order adds."""
        count = len(self.encoded.prompt) + sum(map(len, self.encoded.candidates))
        for other in self.others:
            pairs = zip(self.encoded.prompt, other.encoded.prompt, strict=False)
            shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            count += len(other.encoded.prompt) - shared + sum(map(len, other.encoded.candidates))
        return count


@dataclass(frozen=True, slots=True)
class EngineStep:
    """What an engine has computed at once, in one forward pass or for one batch of replies.

    Attributes:
        records: One record for each question that is finished now, or has a better record now.
        stats: What answering has taken from the first step up to this one.
    """

    records: list[Record]
    stats: PredictionStats


class Engine(Protocol):
    """One mode of answering questions."""

    def journal_fields(self) -> dict[str, Any]:
        """What the records depend on, besides the model, the prompt and the questions."""
        ...

    def phases(self, questions: Sequence[PreparedQuestion]) -> list[list[PreparedQuestion]]:
        """The questions in parts, each of which needs the records of those before it."""
        ...

    def stream(self, questions: Sequence[PreparedQuestion]) -> Iterator[EngineStep]:
        """Compute the records of questions, giving those of each step as soon as it is done."""
        ...

    def fault(self, question: PreparedQuestion, record: Record) -> str | None:
        """What is wrong with a record that was read from a journal; ``None`` if it is right."""
        ...

    def prediction(self, question: PreparedQuestion, record: Record) -> Prediction:
        """The answer that a record amounts to, be it computed now or read from a journal."""
        ...


@dataclass(frozen=True, slots=True)
class ScoreEngine:
    """Takes the candidate answer with the highest log-likelihood; of equal ones the first.

    Attributes:
        scoring: Scores the candidates.
        calibration: What makes probabilities of the scores; ``None`` for a model without one,
            whose confidences are a softmax of its scores.
    """

    scoring: ScoringEngine
    calibration: Calibration | None = None

    def journal_fields(self) -> dict[str, Any]:
        """The mode alone: packing changes no score but by rounding."""
        return {"mode": "score"}

    def phases(self, questions: Sequence[PreparedQuestion]) -> list[list[PreparedQuestion]]:
        """All at once: no question needs another's record."""
        return [list(questions)]

    def stream(self, questions: Sequence[PreparedQuestion]) -> Iterator[EngineStep]:
        """Score every candidate; a record holds the scores in the candidates' order."""
        for finished in self.scoring.stream([question.encoded for question in questions]):
            records = [
                {"id": questions[index].id, "scores": scores.tolist()} for index, scores in finished
            ]
            stats = self.scoring.stats
            yield EngineStep(
                records,
                PredictionStats(stats.questions, stats.seconds, stats.given, stats.computed),
            )

    def fault(self, question: PreparedQuestion, record: Record) -> str | None:
        """A record has a finite score for each candidate, and nothing else."""
        scores, count = record.get("scores"), len(question.encoded.candidates)
        if (
            isinstance(scores, list)
            and len(scores) == count
            and all(isinstance(score, float) and math.isfinite(score) for score in scores)
            and record.keys() == {"id", "scores"}
        ):
            return None
        return f"expected finite scores of {count} candidates"

    def prediction(self, question: PreparedQuestion, record: Record) -> Prediction:
        """The best candidate, with its probability."""
        scores = np.array(record["scores"], dtype=np.float64)
        return best_candidate(question, scores, self.calibration)


def best_candidate(
    question: PreparedQuestion,
    scores: NDArray[np.float64],
    calibration: Calibration | None = None,
) -> Prediction:
    """The answer of a question by the scores of its candidates.

    Args:
        question: The question.
        scores: Logarithms, in the order of its candidates; of equal ones the first is the best.
        calibration: What makes probabilities of the scores of one order of the options; ``None``
            for a softmax of them.
    """
    best = int(np.argmax(scores))
    encoded = question.encoded
    if calibration is None:
        likelihoods = np.exp(scores - scores.max())
        shares = likelihoods / likelihoods.sum()
    else:
        lengths = [len(ids) for ids in encoded.candidates]
        sums = scores * lengths if encoded.normalization == "mean" else scores
        shares = probabilities(calibration, sums.tolist(), lengths)
    of_options = [0.0] * len(question.question.options)
    for indexes, share in zip(encoded.answers, shares.tolist(), strict=True):
        for index in indexes:
            of_options[index] += share
    answer = encoded.answers[best]
    return Prediction(
        id=question.id,
        answer=answer,
        label=question.question.label_of(answer),
        confidence=float(shares[best]),
        scores=tuple(float(score) for score in scores),
        candidates=encoded.answers,
        probabilities=tuple(min(1.0, share) for share in of_options),
        calibrated=calibration is not None,
    )


@dataclass(frozen=True, slots=True)
class GenerateEngine:
    """Lets the model reply and reads the reply.

    Attributes:
        generator: The model, and how its replies end.
        encoder: Renders a question once more, for the labels that its prompt shows.
        parser: Reads free replies.
        settings: How long replies may be, and whether they are limited to the candidates.
    """

    generator: TextGenerator
    encoder: Encoder
    parser: Parser
    settings: GenerateSettings

    def journal_fields(self) -> dict[str, Any]:
        """The mode, its limits and fields; not the parser, since records hold the replies."""
        settings = self.settings
        return {
            "mode": "generate",
            "limit": [settings.max_new_tokens, settings.constrain, settings.reasoning_tokens],
            "fields": settings.generation_fields,
            "ends": sorted(self.generator.ends),
        }

    def phases(self, questions: Sequence[PreparedQuestion]) -> list[list[PreparedQuestion]]:
        """All at once: no question needs another's record.

        Raises:
            PredictionError: If a prompt makes the least likely candidate the answer.
        """
        turned = [question for question in questions if question.encoded.least_likely]
        if turned:
            raise PredictionError(
                f"{question_name(turned[0].question)}: its prompt makes the least likely candidate "
                f"the answer (and that of {len(turned) - 1} others), which a reply cannot be: "
                "answer with mode='score', or give another prompt"
            )
        return [list(questions)]

    def stream(self, questions: Sequence[PreparedQuestion]) -> Iterator[EngineStep]:
        """Let the model reply; a record holds the reply and the candidate it was limited to."""
        start, count = time.perf_counter(), 0
        for replies in self._replies([question.encoded for question in questions]):
            count += len(replies)
            records = [_record(questions[reply.index].id, reply) for reply in replies]
            yield EngineStep(records, PredictionStats(count, time.perf_counter() - start))

    def fault(self, question: PreparedQuestion, record: Record) -> str | None:
        """A record has a reply and, if and only if it was limited, the index of its candidate.

        A record of a question without a reply has the reason instead.
        """
        if record.keys() == {"id", "problem"} and isinstance(record["problem"], str):
            return None
        candidate, count = record.get("candidate"), len(question.encoded.candidates)
        if record.keys() != {"id", "reply", "candidate"} or not isinstance(record["reply"], str):
            return "expected a reply, which is a text, and a candidate"
        if not self.settings.constrain:
            return None if candidate is None else "expected no candidate for a free reply"
        if type(candidate) is int and 0 <= candidate < count:
            return None
        return f"expected the index of one of {count} candidates"

    def prediction(self, question: PreparedQuestion, record: Record) -> Prediction:
        """The candidate of a constrained reply; of a free one, what the parser reads in it."""
        if problem := record.get("problem"):
            return Prediction(question.id, None, "", status="unusable", reason=problem)
        reply: str = record["reply"]
        candidate: int | None = record["candidate"]
        if candidate is not None:
            answer = question.encoded.answers[candidate]
            label = question.question.label_of(answer)
            return Prediction(question.id, answer, label, reply=reply)
        rendered = self.encoder.render(question.question)
        parsed = parsed_reply(self.parser, reply, rendered.question)
        return Prediction(
            id=question.id,
            answer=parsed.answer,
            label=question.question.label_of(parsed.answer),
            status=parsed.status,
            reply=reply,
            reason=parsed.reason,
        )

    def _replies(self, questions: Sequence[EncodedQuestion]) -> Iterator[list[Reply]]:
        settings = self.settings
        if not settings.constrain:
            return stream_replies(self.generator, questions, settings.max_new_tokens)
        cue = self.encoder.codec.text(ANSWER_CUE)
        return stream_choices(self.generator, questions, settings.reasoning_tokens, cue)


def parsed_reply(parser: Parser, reply: str, question: Question) -> ParsedAnswer:
    """What a parser reads in a reply, checked.

    Args:
        parser: The parser.
        reply: The reply.
        question: The question, with the labels that its prompt showed.

    Raises:
        PluginError: If the parser fails, or gives what is no answer to the question.
    """
    name, where = type(parser).__name__, question_name(question)
    try:
        parsed = parser.parse(reply, question)
    except PluginError:
        raise
    except Exception as error:  # a plugin may raise anything
        raise PluginError(
            f"{where}: the parser {name} fails: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(parsed, ParsedAnswer):
        raise PluginError(
            f"{where}: expected a ParsedAnswer of the parser {name}, found {type(parsed).__name__}"
        )
    if problem := _answer_fault(parsed, len(question.options)):
        raise PluginError(f"{where}: expected of the parser {name} {problem}")
    return parsed


def _answer_fault(parsed: ParsedAnswer, count: int) -> str | None:
    """What a parser's answer to a question of ``count`` options should have been, or ``None``."""
    if parsed.status not in get_args(ParseStatus):
        return f"one of the states {', '.join(get_args(ParseStatus))}, found {parsed.status!r:.40}"
    if (parsed.status == "answered") != (parsed.answer is not None):
        return f"an answer where it is answered, found {parsed.answer!r:.40} and {parsed.status!r}"
    if parsed.answer is None:
        return None
    answer: object = parsed.answer
    known = isinstance(answer, tuple) and set(answer) <= set(range(count))
    if not answer or not known or list(parsed.answer) != sorted(set(parsed.answer)):
        return f"sorted indexes from 0 to {count - 1} in a tuple, found {parsed.answer!r:.40}"
    return None


def _record(name: str, reply: Reply) -> Record:
    """The record of one question's reply."""
    if reply.problem:
        return {"id": name, "problem": reply.problem}
    return {"id": name, "reply": reply.text, "candidate": reply.candidate}
