"""Predictions: one for each question, written to files together with the input's other rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from zhmcq._files import refuse_inputs
from zhmcq._phrases import counted
from zhmcq._phrases.summaries import answers_summary
from zhmcq._visible import visible
from zhmcq.errors import PredictionError
from zhmcq.evaluation import (
    Evaluation,
    OrderedAnswer,
    OrderReport,
    Outcome,
    Promise,
    evaluate_outcomes,
)
from zhmcq.evaluation._order_report import AnswerInOrders, report_orders
from zhmcq.evaluation._report import write_answers_page
from zhmcq.manifest import Calibration, SeenQuestions
from zhmcq.parsers import Parser
from zhmcq.prompts import Prompt
from zhmcq.questions import Question, QuestionBank, SourceId
from zhmcq.reports._page import AnswerList, ListedAnswer, ListedQuestion, PromiseFigures
from zhmcq.reports._tables import write_csv, write_json
from zhmcq.zh._language import Language

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AnsweredBy", "Prediction", "PredictionStats", "PredictionStatus", "Predictions"]

PredictionStatus = Literal[
    "answered", "none", "ambiguous", "out_of_range", "unusable", "withheld", "missing"
]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one question.

    Attributes:
        id: The question's id.
        answer: 0-based indexes of the chosen options, sorted; ``None`` without an answer.
        label: The answer in the style of the question's labels; ``""`` without an answer.
        confidence: The answer's share of the candidates' likelihoods, 0 to 1, or its probability
            where :attr:`calibrated` is true; ``None`` for generated replies, which have none.
        scores: The candidates' log-likelihoods, in the prompt's order; in several orders of the
            options the means of their log-probabilities; with a label prior, log-probabilities
            that it is divided out of. Empty for generated replies.
        probabilities: For each option the probability that it is right, alike; of questions with
            several right options they need not sum to 1. Empty for generated replies.
        calibrated: Whether these were fitted to how often other answers were right, in training
            or by :meth:`Predictions.calibrate`; else they only say which answers the model is
            surer of.
        status: ``"answered"``; ``"none"``, ``"ambiguous"`` or ``"out_of_range"`` where a reply
            commits to no option (see ``ParsedAnswer``); ``"unusable"`` where the question could
            not be put to the model; ``"withheld"`` where the answer was not sure enough
            (:meth:`Predictions.withhold`); ``"missing"`` where replies from elsewhere have none
            for it.
        option_set: 0-based indexes of the options that hold the key as often as was asked for;
            empty unless :meth:`Predictions.withhold` was called with ``sets=True``.
        reply: What the model wrote; ``""`` if the candidates were scored.
        reason: Why there is no answer; for a reply that has one, which rule of the parser read it.
            Control characters of what it quotes are shown as escapes.
        source_id: The id cell of the question's source, as it is there.
        agreement: The share of the orders whose own answer is this one, 0 to 1; ``None`` where the
            question was answered in one order.
        by_order: The orders that the options were shown in, the given one first, each with the
            answer by itself; empty where that is the answer.
        label_prior: For each candidate the probability that it has by its label alone, where that
            was divided out of the scores, else empty.
        candidates: For each of the scores, the 0-based indexes of the options that its candidate
            stands for.

    Raises:
        PredictionError: If the confidence or a score is not finite: that is no answer.
    """

    id: str
    answer: tuple[int, ...] | None
    label: str
    confidence: float | None = None
    scores: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()
    calibrated: bool = False
    option_set: tuple[int, ...] = ()
    status: PredictionStatus = "answered"
    reply: str = ""
    reason: str = ""
    source_id: SourceId = None
    agreement: float | None = None
    by_order: tuple[OrderedAnswer, ...] = ()
    label_prior: tuple[float, ...] = ()
    candidates: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        numbers = [
            *self.scores,
            *self.probabilities,
            *([] if self.confidence is None else [self.confidence]),
        ]
        if not all(map(math.isfinite, numbers)):
            raise PredictionError(
                f"question {self.id!r}: expected finite scores and a finite confidence, found "
                f"{self.scores} and {self.confidence}: answer it with dtype='float32', or with "
                "another base model if it was computed in that"
            )
        object.__setattr__(self, "reason", visible(self.reason))


@dataclass(frozen=True, slots=True)
class PredictionStats:
    """Counts and time of answering.

    Attributes:
        questions: Questions answered in this call.
        seconds: Wall-clock time spent in the model.
        tokens_given: Tokens of all candidates with their prompts, if each had a row of its own;
            0 for generated replies.
        tokens_computed: Tokens that went through the model; 0 for generated replies.
        orders: Orders of options that were scored, of all questions together; 0 where each
            question was answered in one order.
    """

    questions: int = 0
    seconds: float = 0.0
    tokens_given: int = 0
    tokens_computed: int = 0
    orders: int = 0

    @property
    def questions_per_second(self) -> float:
        """Questions answered in a second; 0.0 if none were."""
        return self.questions / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """What answered.

    Attributes:
        sha256: Tells base model, adapter, prompt and mode apart from others.
        seen: The questions that the adapter has seen.
        model: The base model or merged folder, as the predictor was given it; ``""`` if unknown.
        adapter: The adapter's folder, likewise; ``""`` without one.
        unverified: Whether the adapter was made by another tool, so that nothing but names and
            shapes says that base model and prompt are those of its training.
    """

    sha256: str
    seen: SeenQuestions
    model: str = ""
    adapter: str = ""
    unverified: bool = False


@dataclass(frozen=True)
class Predictions(Sequence[Prediction]):
    """Predictions for a bank's questions, in their order.

    Attributes:
        bank: The questions; its unusable rows appear in every file that is written.
        stats: Counts and time of answering.
        answered_by: What answered, where that is known.
        promise: What is promised of the answers; ``None`` unless :meth:`withhold` made it.
        calibration: What makes confidences of the scores, a score being the sum of one token;
            ``None`` unless :meth:`calibrate` fitted it.
    """

    bank: QuestionBank
    _items: tuple[Prediction, ...]
    stats: PredictionStats = field(default_factory=PredictionStats)
    answered_by: AnsweredBy | None = None
    promise: Promise | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        pairs = zip(self.bank, self._items, strict=True)
        items = tuple(replace(item, source_id=question.source_id) for question, item in pairs)
        object.__setattr__(self, "_items", items)

    @classmethod
    def from_replies(
        cls,
        bank: QuestionBank | Sequence[Question] | str | Path,
        replies: Any,
        parser: str | Parser = "zh",
        *,
        columns: Mapping[str, str] | None = None,
        prompt: str | Prompt | None = None,
    ) -> Predictions:
        """Read what a model said elsewhere, to evaluate, compare and report it like our own.

        Replies belong to questions by their ids, or by the ids that the questions' source has for
        them. A question without a reply has the status ``"missing"``, an empty reply ``"none"``;
        neither counts as right.

        Args:
            bank: The questions, or the file that they are in.
            replies: A dict of replies by id; a list of replies in the bank's order (``None`` where
                there is none); a pandas DataFrame; or the path of a table (csv, xlsx …) or json
                file with an id and a reply in each row, line or object, or of the results of a
                batch from a hosted model (``custom_id`` and ``response``).
            parser: The name of a parser, or a parser, that reads the replies.
            columns: ``{"id": …, "reply": …}``: the names of the two columns or fields, where they
                have other names than usual (id, 題號, custom_id …; reply, response, 回覆 …).
            prompt: The prompt that the model was given, by its name or itself, if it shows other
                labels than the questions have.

        Raises:
            PredictionError: If there are two replies for a question, or some for no question.
            ColumnsError: If the two columns can't be told.
            ReadError: If the file can't be read.
            PluginError: If the parser fails.
        """
        # Here, since that module makes values of this class.
        from zhmcq.prediction._from_replies import predictions_from_replies

        return predictions_from_replies(bank, replies, parser, columns=columns, prompt=prompt)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self._items)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Predictions: ...
    def __getitem__(self, index: int | slice) -> Prediction | Predictions:
        if isinstance(index, slice):
            return replace(self, bank=self.bank[index], _items=self._items[index])
        return self._items[index]

    def __repr__(self) -> str:
        answered = sum(item.status == "answered" for item in self._items)
        uncalibrated = "" if self.calibrated else ", uncalibrated"
        questions = counted(len(self), "question")
        return f"<Predictions: {answered:,} of {questions} answered{uncalibrated}>"

    def __str__(self) -> str:  # in the language of the terminal
        answered = sum(item.status == "answered" for item in self._items)
        return f"<{answers_summary(answered, len(self), calibrated=self.calibrated)}>"

    def _repr_html_(self) -> str:  # what a notebook shows
        from zhmcq.prediction._notebook import predictions_html

        return predictions_html(self)

    @property
    def calibrated(self) -> bool:
        """Whether the confidences are probabilities (:attr:`Prediction.calibrated`).

        Also true where there is no confidence that could mislead.
        """
        return all(item.calibrated for item in self._items if item.confidence is not None)

    def outcomes(self) -> list[Outcome]:
        """The outcome of each question that has a key."""
        return [
            Outcome(
                question,
                item.answer,
                item.confidence,
                calibrated=item.calibrated,
                withheld=item.status == "withheld",
            )
            for question, item in zip(self.bank, self._items, strict=True)
            if question.answer is not None
        ]

    def evaluate(self) -> Evaluation:
        """Accuracy, interval and calibration on the questions that have a key.

        Raises:
            PredictionError: If none has.
        """
        return evaluate_outcomes(self.outcomes())

    def calibrate(self, *, calibrated_on: Predictions) -> Predictions:
        """Make probabilities of the confidences, by answers whose keys are known.

        For models without an adapter, adapters trained without validation questions, several
        orders of the options and a label prior, whose confidences are uncalibrated. It fits the
        weights of :class:`zhmcq.manifest.Calibration`; answers stay as they are. It holds for
        questions drawn like those.

        Args:
            calibrated_on: Answers of the same predictor in the same mode to 50 questions with keys
                or more, which were neither trained on nor are among these.

        Returns:
            The predictions with other ``confidence`` and ``probabilities``, which are
            :attr:`calibrated`.

        Raises:
            PredictionError: If the calibration answers can't be used: too few, without keys or
                confidences, by another model or mode, trained on, or among these questions; if
                answers were withheld already.
        """
        from zhmcq.prediction._calibrate import calibrate

        return calibrate(self, calibrated_on)

    def withhold(
        self,
        max_error: float = 0.05,
        certainty: float = 0.9,
        *,
        calibrated_on: Predictions,
        sets: bool = False,
    ) -> Predictions:
        """Keep the answers of which at most a given share is wrong, and withhold the others.

        The confidence from which on answers are kept is found on answers to questions whose keys
        are known (:func:`zhmcq.evaluation.certify`). The promise is about questions drawn like
        those; of other subjects, sources or difficulties it says nothing. Where nothing can be
        certified, everything is withheld.

        Args:
            max_error: The share of wrong answers that is not to be exceeded, say 0.05.
            certainty: How sure that is to be, say 0.9.
            calibrated_on: Answers of the same predictor to questions with keys, which were neither
                trained on nor are among these.
            sets: Withhold nothing, and give every question the set of options that holds the key
                in all but ``max_error`` of such questions, on average
                (:attr:`Prediction.option_set`, by conformal risk control); ``certainty`` is not
                used.

        Returns:
            Predictions with the status ``"withheld"`` in place of an answer, and the
            :attr:`promise`.

        Raises:
            PredictionError: If the calibration answers can't be used: without keys or confidences,
                by another model, trained on, or among these questions.
            SettingsError: If ``max_error`` or ``certainty`` is no number between 0 and 1.
        """
        from zhmcq.prediction._withhold import give_option_sets, withhold

        if sets:
            return give_option_sets(self, calibrated_on, max_error=max_error)
        return withhold(self, calibrated_on, max_error=max_error, certainty=certainty)

    def order_report(self) -> OrderReport:
        """What the order of the options does: accuracy by position, spread, answers that change.

        Raises:
            PredictionError: If no question was answered by scores.
        """
        return report_orders(
            [
                AnswerInOrders(question, item.answer, item.by_order)
                for question, item in zip(self.bank, self._items, strict=True)
                if item.answer is not None and item.scores
            ]
        )

    def answer_counts(self) -> dict[str, int]:
        """How often each label was answered; ``""`` counts rows without an answer."""
        from zhmcq.prediction._results.rows import result_rows

        labels = [row.prediction.label for row in result_rows(self)]
        return dict(sorted(Counter(labels).items()))

    def to_csv(self, path: str | Path, *, encoding: str = "utf-8") -> None:
        """Write ``ID,Answer``: one line for each row of the input, in its order, usable or not.

        UTF-8 without a byte-order mark is what systems take that submissions are handed in to.
        Excel takes such a file for one in the system's own encoding, and shows 亂碼 in place of
        Chinese ids and answers: for Excel, write it with ``encoding="utf-8-sig"``.

        Args:
            path: The file; an older one is replaced, but for one that the questions came from.
            encoding: The encoding, by one of Python's names: ``"utf-8-sig"`` for Excel, or an older
                one such as ``"cp950"``.

        Raises:
            OutputExistsError: If the questions were read from that file.
            OutputError: If it cannot be written, there is no such encoding, or the encoding lacks
                a character: nothing is left out or replaced.
        """
        from zhmcq.prediction._results.rows import result_rows, written_id

        refuse_inputs(path, self.bank.files)
        items = (row.prediction for row in result_rows(self))
        rows = [{"ID": written_id(item), "Answer": item.label} for item in items]
        write_csv(path, ("ID", "Answer"), rows, encoding)

    def to_xlsx(
        self, path: str | Path, *, language: Language | None = None, unsure_below: float = 0.5
    ) -> None:
        """Write a workbook: the one that the questions came from, with the answers beside them.

        Questions that came from one xlsx workbook go back into a copy of it, in which everything
        else stays as it is. To the right of each table are added: the answer, written as the
        table's keys are; its confidence, whose header says so where it is not calibrated; right or
        wrong, where there are keys; the status; the probability of each option; the reason why
        there is no answer; where they exist, the agreement of orders and the
        :attr:`Prediction.option_set`. A sheet with a summary comes last. Rows that are not among
        these stay as they are.

        Other questions get a new workbook of the same columns with a sheet for each sheet of their
        source: those of several files, of other kinds of files or of none, and those of a workbook
        that was moved or changed since it was read. The log says why. The same answers give the
        same bytes.

        Args:
            path: The ``.xlsx`` file; an older one is replaced, but for one that the questions came
                from. ``.xlsm`` for a copy of such a workbook.
            language: The language of what is added: ``"zh-Hant"``, ``"zh-Hans"`` or ``"en"``. By
                default that of the headers and the questions.
            unsure_below: Answers with a lower confidence, from 0 to 1, are coloured. By default
                0.5: where confidences are calibrated, such an answer is wrong more often than
                right.

        Raises:
            OutputExistsError: If the questions were read from that file.
            OutputError: If it cannot be written, its name ends in another way, or there are more
                rows than Excel takes.
            SettingsError: If ``language`` is another one, or ``unsure_below`` no number from 0 to
                1.
        """
        from zhmcq.prediction._results.workbook import write_workbook

        refuse_inputs(path, self.bank.files)
        write_workbook(self, path, language, unsure_below)

    def to_html(self, path: str | Path, *, language: Language | None = None) -> None:
        """Write every question with its answer as one html page, which needs no network.

        The page filters questions by right and wrong, confidence, status, subject, kind and sheet,
        searches and sorts them, and opens each with its passage, options and probabilities. Rows
        of the input that could not be used are listed with the reason. Keys are not needed.

        Args:
            path: The file; an older one is replaced, but for one that the questions came from.
            language: The language that the page starts in, ``"zh-Hant"``, ``"zh-Hans"`` or
                ``"en"``; it has a switch. ``None`` for the language of the questions.

        Raises:
            OutputExistsError: If the questions were read from that file.
            OutputError: If it cannot be written.
            SettingsError: If the language is none of these.
        """
        has_keys = any(question.answer is not None for question in self.bank)
        evaluation = self.evaluate() if has_keys else None
        write_answers_page(path, self._answer_list(), evaluation, language)

    def _answer_list(self) -> AnswerList:
        """The answers and the rows without, as a report page lists them."""
        from zhmcq.prediction._results.columns import reason_text
        from zhmcq.prediction._results.rows import result_rows
        from zhmcq.prediction._results.words import WORDS

        promise, rows = self.promise, []
        for row in result_rows(self):
            reason = {code: reason_text(row, words, promise) for code, words in WORDS.items()}
            listed = _listed(row.prediction, reason)
            rows.append(ListedQuestion(row.prediction.id, row.source, listed))
        return AnswerList(
            rows=rows,
            headers=self.bank.table.headers,
            promise=None
            if promise is None
            else PromiseFigures(promise.max_error, promise.certainty, promise.threshold),
        )

    def to_json(self, path: str | Path) -> None:
        """Write every prediction with all its fields.

        Args:
            path: The file; an older one is replaced, but for one that the questions came from.

        Raises:
            OutputExistsError: If the questions were read from that file.
            OutputError: If it cannot be written.
        """
        from zhmcq.prediction._results.rows import result_rows

        refuse_inputs(path, self.bank.files)
        write_json(path, [_json_fields(row.prediction) for row in result_rows(self)])

    def to_pandas(self) -> pd.DataFrame:
        """A pandas frame with one line for each row of the input, in its order, usable or not.

        ``frame.explode(["labels", "options", "probabilities"])`` has one line for each option.

        Returns:
            Columns ``id`` (the source's own), ``passage``, ``stem``, ``labels`` and ``options``
            (lists), ``answer`` (a label; ``""`` without an answer), ``key`` (likewise),
            ``correct`` (``<NA>`` where there is no key; no answer is not correct),
            ``confidence``, ``calibrated`` (whether that is a probability), ``probabilities`` (a
            list with a number for each option, NaN for generated replies), ``status``,
            ``reason``, ``kind``, ``subject`` and ``sheet``; ``agreement`` where questions were
            answered in several orders. Of a row that is unusable, the texts and lists of the
            question are empty.
        """
        from zhmcq.prediction._frames import answers_frame
        from zhmcq.prediction._results.rows import result_rows, written_id

        rows = (
            (written_id(row.prediction), row.source, row.prediction) for row in result_rows(self)
        )
        return answers_frame(rows, with_agreement=self._has_agreement)

    @property
    def _has_agreement(self) -> bool:
        return any(item.agreement is not None for item in self._items)


def _listed(item: Prediction, reason: Mapping[Language, str]) -> ListedAnswer:
    return ListedAnswer(
        answer=item.answer,
        confidence=item.confidence,
        calibrated=item.calibrated,
        probabilities=item.probabilities,
        status=item.status,
        reason=reason,
        reply=item.reply,
        agreement=item.agreement,
        option_set=item.option_set,
    )


def _json_fields(item: Prediction) -> dict[str, Any]:
    """All fields. An id cell that is no finite number, which json files may have, becomes text."""
    fields = asdict(item)
    if isinstance(item.source_id, float) and not math.isfinite(item.source_id):
        fields["source_id"] = str(item.source_id)
    return fields
