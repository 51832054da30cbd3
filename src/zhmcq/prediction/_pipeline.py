"""The way from questions to predictions, once for every engine.

questions → encoded questions → (finished ones: from the journal; the others: from the engine)
→ records → journal → predictions, in the order of the questions
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from zhmcq._phrases import records
from zhmcq._progress import Progress
from zhmcq.encoding import Encoder
from zhmcq.encoding._orders import Order, aligned
from zhmcq.errors import EncodingError
from zhmcq.prediction._engines import Engine, OtherOrder, PreparedQuestion, Record
from zhmcq.prediction._predictions import Prediction, Predictions, PredictionStats
from zhmcq.prediction._processes import Team, shared_steps
from zhmcq.questions import QuestionBank
from zhmcq.zh._option_order import reordered

__all__ = [
    "PreparedBank",
    "Records",
    "answer",
    "journal_fields",
    "prepare",
    "question_digest",
    "record_check",
    "refuse_failing_template",
]

logger = logging.getLogger(__name__)

STAGE = "answering"


@dataclass(frozen=True, slots=True)
class PreparedBank:
    """A bank whose questions are encoded.

    Attributes:
        bank: The questions as they were given.
        questions: Those that the model can be given, in the bank's order.
        unusable: A prediction for each of the others, without an answer and with the reason.
        template_fails: Why the chat template refuses them, if it refuses every question; else
            ``""``.
    """

    bank: QuestionBank
    questions: tuple[PreparedQuestion, ...]
    unusable: tuple[Prediction, ...]
    template_fails: str = ""

    @property
    def longest(self) -> int:
        """Tokens of the longest question, with all its candidates and orders; 1 without any."""
        return max((question.length for question in self.questions), default=1)


def prepare(
    bank: QuestionBank, encoder: Encoder, orders: Sequence[Sequence[Order]] | None = None
) -> PreparedBank:
    """Encode the questions of a bank.

    An order in which a question cannot be encoded is left out; if it is the given one, the
    question is unusable. A passage is shortened alike for all orders of all its questions.

    Args:
        bank: The questions.
        encoder: Renders them and turns them into token ids.
        orders: For each question the orders that its options are to be shown in besides the given
            one; by default none.
    """
    added = orders or [()] * len(bank)
    shown = list(bank)
    shown += [reordered(q, order) for q, more in zip(bank, added, strict=True) for order in more]
    encoded, unfit = encoder.encode(shown)
    refused = unfit and not encoded and all(item.by_template for item in unfit)
    left_out = {item.index for item in unfit}
    following = iter(encoded)
    encodings = [None if index in left_out else next(following) for index in range(len(shown))]
    others = iter(encodings[len(bank) :])
    questions, dropped = [], 0
    for question, given, more in zip(bank, encodings, added, strict=False):
        pairs = list(zip(more, others, strict=False))
        if given is None:
            continue
        fitting = [
            OtherOrder(order, other)
            for order, other in pairs
            if other is not None and aligned(given.answers, other.answers, order) is not None
        ]
        dropped += len(pairs) - len(fitting)
        questions.append(PreparedQuestion(question, given, tuple(fitting)))
    if dropped:
        logger.info("%s", records.orders_dropped(dropped))
    return PreparedBank(
        bank,
        tuple(questions),
        tuple(
            Prediction(item.id, None, "", status="unusable", reason=item.reason)
            for item in unfit
            if item.index < len(bank)
        ),
        template_fails=unfit[0].reason if refused else "",
    )


def refuse_failing_template(reason: str) -> None:
    """Refuse a chat template that refuses every question of a bank.

    Args:
        reason: Why, as :attr:`PreparedBank.template_fails` has it; ``""`` if it does not.

    Raises:
        EncodingError: If there is a reason.
    """
    if reason:
        raise EncodingError(f"template_fails: {reason}")


def journal_fields(
    prepared: PreparedBank, engine: Engine, model_fields: Mapping[str, Any]
) -> dict[str, Any]:
    """What the records of a run depend on besides its base model.

    Args:
        prepared: The questions, which are told apart by their token ids.
        engine: How they are answered.
        model_fields: The hashes of the adapter and the prompt.
    """
    digest = hashlib.sha256()
    for item in prepared.questions:  # one at a time: the ids of a large bank fill the memory
        digest.update(_ids(item))
    return {**model_fields, **engine.journal_fields(), "questions": digest.hexdigest()}


def question_digest(item: PreparedQuestion) -> bytes:
    """Tells a question from others, and from what it was with another text: 16 bytes."""
    return hashlib.sha256(_ids(item)).digest()[:16]


def _ids(item: PreparedQuestion) -> bytes:
    """A question's id and token ids, in all its orders, as a line."""
    ids: list[Any] = [item.id, item.encoded.prompt, item.encoded.candidates]
    ids += [[o.order, o.encoded.prompt, o.encoded.candidates] for o in item.others]
    return json.dumps(ids).encode("ascii") + b"\n"


def record_check(prepared: PreparedBank, engine: Engine) -> Callable[[Record], str | None]:
    """What is wrong with a record that was read from a journal, as a function of it.

    Args:
        prepared: The questions that the journal may have records of.
        engine: How they are answered.
    """
    by_id = {question.id: question for question in prepared.questions}

    def fault(record: Record) -> str | None:
        question = by_id.get(record["id"])
        if question is None:
            return "expected the id of one of the questions"
        return engine.fault(question, record)

    return fault


class Records(Protocol):
    """Where finished answers come from and go to: a journal, or what stands for it."""

    @property
    def finished(self) -> dict[str, Record]:
        """The answers that there were at the beginning, by the question's id."""
        ...

    def add(self, records: list[Record]) -> None:
        """Take further answers."""
        ...


def answer(
    prepared: PreparedBank,
    engine: Engine,
    progress: Progress,
    journal: Records | None = None,
    team: Team | None = None,
) -> Predictions:
    """Answer the questions of a bank, those that a journal has already without the model.

    A step's records are in the journal before they are counted or reported.

    Args:
        prepared: The questions.
        engine: How they are answered.
        progress: Called with the number of questions answered, those that can be and
            ``"answering"``: once before the first step, and after each step that answers more.
        journal: Where finished answers are written; ``None`` to write them nowhere.
        team: The processes that share the questions; ``None`` for this one alone.

    Returns:
        The predictions in the order of the bank, with the statistics of this call alone.
    """
    start = time.perf_counter()
    by_id = {question.id: question for question in prepared.questions}
    answers = {prediction.id: prediction for prediction in prepared.unusable}
    finished = {} if journal is None else journal.finished
    total = len(by_id)

    def read(records: Iterable[Record]) -> None:
        predictions = [engine.prediction(by_id[record["id"]], record) for record in records]
        answers.update((prediction.id, prediction) for prediction in predictions)

    read(finished[name] for name in by_id if name in finished)
    done = len(answers) - len(prepared.unusable)
    progress(done, total, STAGE)
    stats = PredictionStats()
    missing = [question for question in prepared.questions if question.id not in finished]
    steps = engine.stream(missing)
    if team is not None:
        steps = shared_steps(team, engine, missing, finished)
    for step in steps:
        stats = step.stats
        if not step.records:
            continue
        if journal is not None:
            journal.add(step.records)
        read(step.records)
        # A question may have another record later on, and counts once.
        before, done = done, len(answers) - len(prepared.unusable)
        if done > before:
            progress(done, total, STAGE)
    seconds = time.perf_counter() - start
    logger.info("%s", records.answered(total, seconds))
    return Predictions(prepared.bank, tuple(answers[q.id] for q in prepared.bank), stats)
