"""Answers that do not hang on the order of the options: means over orders, and the label prior.

Why the mean of log-probabilities, and not of probabilities: Zheng et al. (2024, "Large Language
Models Are Not Robust Multiple Choice Selectors", ICLR) take what is observed for a label as the
product of a prior of the label and the model's belief in the option behind it. Over all cyclic
shifts each option meets each label once, so that in the mean of the logarithms the prior is the
same for all options and falls out exactly. In the mean of the probabilities, which that paper takes
for its cyclic baseline, it does not. Nor does it matter to the mean of the logarithms whether the
scores were normalised, or divided by a temperature, before or after.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhmcq._phrases import records
from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._orders import Order, aligned, in_original_terms
from zhmcq.evaluation import OrderedAnswer
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.prediction._engines import EngineStep, PreparedQuestion, Record, best_candidate
from zhmcq.prediction._order_plan import LEAST_QUESTIONS, order_fields
from zhmcq.prediction._predictions import Prediction, PredictionStats
from zhmcq.settings import ScoreSettings

__all__ = ["OrderEngine"]

logger = logging.getLogger(__name__)

LOGGED_LABELS = 10  # of which a log line shows the prior

Candidates = tuple[tuple[int, ...], ...]  # the token ids of each


@dataclass(frozen=True, slots=True)
class OrderEngine:
    """Takes the candidate with the highest mean of its log-probabilities over orders.

    A record of a question in one order is that of ``ScoreEngine``. In several orders it has the
    scores of each, in the order of that prompt's candidates. With a prior, a record also has the
    logarithms of what is divided out, so that it can be read by itself. Questions that the prior is
    estimated on have a record without it first, so that a journal keeps their scores, and one with
    it once it is known.

    Attributes:
        scoring: Scores the candidates.
        settings: How many orders there are, or that a prior is estimated first.
        questions: All questions of the run, those that a journal has records of as well.
        finished: The journal's records, by the question's id: the prior is estimated from them and
            from those that are still to be computed.
    """

    scoring: ScoringEngine
    settings: ScoreSettings
    questions: Sequence[PreparedQuestion] = ()
    finished: Mapping[str, Record] = field(default_factory=dict)

    def journal_fields(self) -> dict[str, Any]:
        """The mode, and how orders are chosen."""
        return {"mode": "score", **order_fields(self.settings)}

    def phases(self, questions: Sequence[PreparedQuestion]) -> list[list[PreparedQuestion]]:
        """With a prior, first what it is estimated on."""
        if self.settings.orders != "prior":
            return [list(questions)]
        return [[q for q in questions if q.others], [q for q in questions if not q.others]]

    def stream(self, questions: Sequence[PreparedQuestion]) -> Iterator[EngineStep]:
        """Score every candidate in every order; with a prior, first what it is estimated on."""
        if self.settings.orders != "prior":
            yield from self._scored(questions, {}, 0)
            return
        first = [question for question in questions if question.others]
        records = dict(self.finished)
        for step in self._scored(first, {}, 0):
            records.update((record["id"], record) for record in step.records)
            yield step
        sample = [question for question in self.questions if question.others]
        if not all(item.id in records for item in sample):
            return  # other processes compute them: the next phase has them all
        priors = label_priors([(item.encoded, records[item.id]["orders"]) for item in sample])
        _log_priors(sample, priors)
        known = [
            {**records[item.id], "prior": priors[item.encoded.candidates]}
            for item in sample
            if item.encoded.candidates in priors and "prior" not in records[item.id]
        ]
        if known:
            yield EngineStep(known, self._stats(len(first)))
        rest = [question for question in questions if not question.others]
        yield from self._scored(rest, priors, len(first))

    def _scored(
        self,
        questions: Sequence[PreparedQuestion],
        priors: Mapping[Candidates, list[float]],
        answered: int,
    ) -> Iterator[EngineStep]:
        """Score questions, those of one passage in all their orders in the same rows."""
        owners = [
            (number, turn)
            for number, question in enumerate(questions)
            for turn in range(len(question.encodings))
        ]
        rows: list[list[list[float]]] = [[[]] * len(item.encodings) for item in questions]
        missing = [len(question.encodings) for question in questions]
        encodings = [encoded for question in questions for encoded in question.encodings]
        for finished in self.scoring.stream(encodings):
            records = []
            for index, scores in finished:
                number, turn = owners[index]
                rows[number][turn] = scores.tolist()
                missing[number] -= 1
                if not missing[number]:
                    records.append(_record(questions[number], rows[number], priors))
            answered += len(records)
            if records:
                yield EngineStep(records, self._stats(answered))

    def _stats(self, answered: int) -> PredictionStats:
        stats = self.scoring.stats
        return PredictionStats(
            answered, stats.seconds, stats.given, stats.computed, stats.questions
        )

    def fault(self, question: PreparedQuestion, record: Record) -> str | None:
        """A record has finite scores of each candidate, in each order if there are several."""
        count, orders = len(question.encoded.candidates), len(question.encodings)
        if orders > 1:
            rows, prior = record.get("orders"), record.get("prior")
            fields = (
                {"id", "orders", "prior"} if self.settings.orders == "prior" else {"id", "orders"}
            )
            right = isinstance(rows, list) and len(rows) == orders and record.keys() <= fields
            scores = [*(rows or ()), *([] if prior is None else [prior])] if right else []
            if right and all(_finite(row, count) for row in scores):
                return None
            return f"expected finite scores of {count} candidates in {orders} orders"
        prior = record.get("prior")
        known = record.keys() <= {"id", "scores", "prior"}
        if (
            known
            and _finite(record.get("scores"), count)
            and (prior is None or _finite(prior, count))
        ):
            return None
        return f"expected finite scores of {count} candidates"

    def prediction(self, question: PreparedQuestion, record: Record) -> Prediction:
        """The best candidate; its confidence is its share of the candidates' mean likelihoods."""
        if "orders" in record:
            return _of_several_orders(question, record["orders"], record.get("prior"))
        if "prior" not in record:
            return best_candidate(question, np.array(record["scores"], dtype=np.float64))
        prior = np.array(record["prior"], dtype=np.float64)
        scores = np.array(record["scores"], dtype=np.float64)
        alone = best_candidate(question, scores)
        unchanged = OrderedAnswer(_given_order(question), alone.answer or ())
        best = best_candidate(question, log_shares(log_shares(scores) - prior))
        return replace(best, by_order=(unchanged,), label_prior=_shares(prior))


def label_priors(
    sample: Sequence[tuple[EncodedQuestion, Sequence[Sequence[float]]]],
) -> dict[Candidates, list[float]]:
    """The prior of each label, from questions shown in the given order and shifted by one.

    As in PriDe (Zheng et al., 2024), the log-probability of a label is taken as the sum of a prior
    of the label and a belief in the option behind it, and the prior of all questions is the mean of
    theirs. PriDe shows all cyclic shifts, in whose mean the belief is the same for all labels.
    Two orders say as much: an option that has moved from one label to the next shows the difference
    of the two labels' priors. For 158 questions of a reading test with the demo model, the means of
    the labels' priors by two orders and by four differ by at most 0.005, and their standard
    deviations are 0.35 to 0.50 and 0.34 to 0.49; two orders are a third of the added cost.

    For a question with several right options the candidates are sets of labels. In cyclic shifts
    the same options meet ``AB``, ``BC``, ``CD`` and ``AD``, and never ``AC``: only candidates that
    cyclic shifts turn into each other are compared, and what a model thinks of how many options
    are right is left to it.

    Args:
        sample: Questions with the scores of their candidates in the given order and shifted by one.

    Returns:
        For the candidates of at least 20 of the questions the logarithms of their priors, whose
        mean among those that are compared is 0.
    """
    by_candidates: dict[Candidates, list[NDArray[np.float64]]] = {}
    cycles: dict[Candidates, list[list[int]]] = {}
    for question, rows in sample:
        if len(rows) != 2:
            continue  # the other order of it did not fit
        if question.candidates not in cycles:
            options = len({index for answer in question.answers for index in answer})
            cycles[question.candidates] = _cycles(question.answers, options)
        given, shifted = (np.array(row, dtype=np.float64) for row in rows)
        prior = np.zeros(len(given))
        for group in cycles[question.candidates]:
            # The options of a candidate are those of the one before it once all are shifted.
            falls = np.roll(shifted[group], 1) - given[group]
            prior[group] = log_shares(np.cumsum(falls.mean() - falls))
        by_candidates.setdefault(question.candidates, []).append(prior)
    priors = {}
    for candidates, by_question in by_candidates.items():
        if len(by_question) < LEAST_QUESTIONS:
            continue
        # The logarithm of the mean of the shares, but for a constant.
        prior = np.logaddexp.reduce(by_question, axis=0)
        for group in cycles[candidates]:
            prior[group] -= prior[group].mean()
        priors[candidates] = [float(value) for value in prior]
    return priors


def _log_priors(
    sample: Sequence[PreparedQuestion], priors: Mapping[Candidates, list[float]]
) -> None:
    for candidates, prior in priors.items():
        of_these = [item for item in sample if item.encoded.candidates == candidates]
        labels = [of_these[0].question.label_of(answer) for answer in of_these[0].encoded.answers]
        shares = np.exp(log_shares(np.array(prior)))
        shown = [f"{label}: {share:.1%}" for label, share in zip(labels, shares, strict=True)]
        more = " …" if len(shown) > LOGGED_LABELS else ""
        logger.info(
            "%s", records.label_prior(len(of_these), ", ".join(shown[:LOGGED_LABELS]) + more)
        )


def _cycles(answers: Sequence[tuple[int, ...]], options: int) -> list[list[int]]:
    """The candidates, by their indexes, in groups that cyclic shifts turn into each other.

    In a group each candidate stands before the one that a shift by one turns it into.
    """
    index_of = {answer: index for index, answer in enumerate(answers)}
    groups = []
    while index_of:
        answer, group = next(iter(index_of)), []
        while answer in index_of:
            group.append(index_of.pop(answer))
            answer = tuple(sorted((index + 1) % options for index in answer))
        groups.append(group)
    return groups


def _of_several_orders(
    question: PreparedQuestion,
    rows: Sequence[Sequence[float]],
    prior: Sequence[float] | None = None,
) -> Prediction:
    """The answer by the mean over orders, and how many orders agree with it by themselves."""
    answers = question.encoded.answers
    means = np.zeros(len(answers), dtype=np.float64)
    by_order = []
    orders = [_given_order(question), *(other.order for other in question.others)]
    for order, encoded, row in zip(orders, question.encodings, rows, strict=True):
        shares = log_shares(np.array(row, dtype=np.float64))
        corrected = shares if prior is None else log_shares(shares - prior)
        means += corrected[aligned(answers, encoded.answers, order) or []] / len(rows)
        answer = in_original_terms(encoded.answers[int(np.argmax(shares))], order)
        by_order.append(OrderedAnswer(order, answer))
    best = best_candidate(question, means)
    agreeing = sum(item.answer == best.answer for item in by_order)
    return replace(
        best,
        agreement=agreeing / len(by_order),
        by_order=tuple(by_order),
        label_prior=() if prior is None else _shares(prior),
    )


def _shares(prior: Sequence[float] | NDArray[np.float64]) -> tuple[float, ...]:
    values = log_shares(np.array(prior, dtype=np.float64))
    return tuple(float(share) for share in np.exp(values))


def _given_order(question: PreparedQuestion) -> Order:
    return tuple(range(len(question.question.options)))


def _record(
    question: PreparedQuestion,
    rows: list[list[float]],
    priors: Mapping[Candidates, list[float]],
) -> Record:
    if len(rows) > 1:
        return {"id": question.id, "orders": rows}
    record: Record = {"id": question.id, "scores": rows[0]}
    if prior := priors.get(question.encoded.candidates):
        record["prior"] = prior
    return record


def _finite(values: object, count: int) -> bool:
    """Whether these are so many finite numbers."""
    if not isinstance(values, list) or len(values) != count:
        return False
    return all(isinstance(value, float) and math.isfinite(value) for value in values)


def log_shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithms of the candidates' shares of their likelihoods: log-softmax."""
    shifted: NDArray[np.float64] = scores - scores.max()
    shifted -= np.log(np.exp(shifted).sum())
    return shifted
