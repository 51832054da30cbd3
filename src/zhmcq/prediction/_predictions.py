"""Predictions: one for each question, written to files together with the input's other rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from zhmcq._files import refuse_inputs
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
from zhmcq.manifest import Calibration, SeenQuestions
from zhmcq.parsers import Parser
from zhmcq.prompts import Prompt
from zhmcq.questions import Origin, Question, QuestionBank, RowProblem, SourceId
from zhmcq.reports._tables import Sheet, write_csv, write_json, write_xlsx
from zhmcq.zh._fold import tidy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AnsweredBy", "Prediction", "PredictionStats", "PredictionStatus", "Predictions"]

PredictionStatus = Literal[
    "answered", "none", "ambiguous", "out_of_range", "unusable", "withheld", "missing"
]

ADDED_HEADERS = ("Predicted", "Confidence", "Status", "Reason")
AGREEMENT_HEADER = "Agreement"  # added where questions were answered in several orders


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
        candidates: For each of these the 0-based indexes of the options that the candidate stands
            for.
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

    Raises:
        PredictionError: If the confidence or a score is not finite: that is no answer.
    """

    id: str
    answer: tuple[int, ...] | None
    label: str
    confidence: float | None = None
    scores: tuple[float, ...] = ()
    candidates: tuple[tuple[int, ...], ...] = ()
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
    """

    sha256: str
    seen: SeenQuestions


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
        return f"<Predictions: {answered} of {len(self)} questions answered{uncalibrated}>"

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
        orders of the options and a label prior, whose confidences are uncalibrated. It fits a
        temperature and a correction of the answers' log-odds
        (:class:`zhmcq.manifest.Calibration`); answers stay as they are. It holds for questions
        drawn like those.

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
        labels = [item.label for _, item in self._rows()]
        return dict(sorted(Counter(labels).items()))

    def to_csv(self, path: str | Path) -> None:
        """Write ``ID,Answer``: one line for each row of the input, in its order, usable or not.

        Args:
            path: The file; an older one is replaced, but for one that the questions came from.

        Raises:
            OutputExistsError: If the questions were read from that file.
            OutputError: If it cannot be written.
        """
        refuse_inputs(path, self.bank.files)
        rows = [{"ID": _written_id(item), "Answer": item.label} for _, item in self._rows()]
        write_csv(path, ("ID", "Answer"), rows)

    def to_xlsx(self, path: str | Path) -> None:
        """Write the input's columns with answer, confidence, status and reason added.

        The confidence's header says so where it is not calibrated. Where questions were answered
        in several orders, the agreement of the orders is added.

        Args:
            path: The file; an older one is replaced, but for one that the questions came from.

        Raises:
            OutputExistsError: If the questions were read from that file.
            OutputError: If it cannot be written, or there are more rows than Excel takes.
        """
        refuse_inputs(path, self.bank.files)
        sources = [source for source, _ in self._rows()]
        table = self.bank.table
        headers = list(table.headers)
        if not headers or any(source.origin not in table.rows for source in sources):
            # Questions made in code or read from json have no cells: they get plain ones.
            headers += [name for name in _plain_headers(self.bank) if name not in headers]
        added = _distinct_from(headers, self._added_headers())
        rows = []
        for source, item in self._rows():
            values = (item.label, item.confidence, item.status, item.reason, item.agreement)
            cells = self._cells(source, _written_id(item))
            rows.append({**cells, **dict(zip(added, values, strict=False))})
        write_xlsx(path, {"Predictions": Sheet([*headers, *added], rows)})

    def _added_headers(self) -> tuple[str, ...]:
        headers = (*ADDED_HEADERS, *((AGREEMENT_HEADER,) if self._has_agreement else ()))
        if self.calibrated:
            return headers
        return tuple(f"{name} (uncalibrated)" if name == "Confidence" else name for name in headers)

    def to_json(self, path: str | Path) -> None:
        """Write every prediction with all its fields.

        Args:
            path: The file; an older one is replaced, but for one that the questions came from.

        Raises:
            OutputExistsError: If the questions were read from that file.
            OutputError: If it cannot be written.
        """
        refuse_inputs(path, self.bank.files)
        write_json(path, [_json_fields(item) for _, item in self._rows()])

    def to_pandas(self) -> pd.DataFrame:
        """A pandas frame with one line for each row of the input, in its order, usable or not.

        Returns:
            Columns ``id`` (the source's own), ``answer`` (a label; ``""`` without an answer),
            ``key`` (likewise), ``confidence``, ``calibrated`` (whether that is a probability),
            ``status`` and ``reason``; ``agreement`` where questions were answered in several
            orders.
        """
        import pandas as pd  # here alone: importing it takes half a second

        rows = [
            {
                "id": _written_id(item),
                "answer": item.label,
                "key": source.answer_label if isinstance(source, Question) else "",
                "confidence": item.confidence,
                "calibrated": item.calibrated,
                "status": item.status,
                "reason": item.reason,
                "agreement": item.agreement,
            }
            for source, item in self._rows()
        ]
        names = ["id", "answer", "key", "confidence", "calibrated", "status", "reason"]
        numbers = {"confidence": "float64"}
        if self._has_agreement:
            names.append("agreement")
            numbers["agreement"] = "float64"
        return pd.DataFrame(rows, columns=names).astype(numbers)

    @property
    def _has_agreement(self) -> bool:
        return any(item.agreement is not None for item in self._items)

    def _cells(self, source: Question | RowProblem, name: SourceId) -> dict[str, Any]:
        origin = source.origin
        cells = self.bank.table.rows.get(origin) if origin else None
        return _plain_cells(source, name) if cells is None else dict(cells)

    def _rows(self) -> Iterator[tuple[Question | RowProblem, Prediction]]:
        """Answers and unusable rows, in the order of the input; a row with two problems once."""
        unusable: dict[int, dict[Origin, list[RowProblem]]] = {}
        for problem in self.bank.problems:
            if problem.severity == "error" and problem.row:
                by_row = unusable.setdefault(problem.position, {})
                by_row.setdefault(problem.origin, []).append(problem)
        pairs = list(zip(self.bank, self._items, strict=True))
        taken = {str(_written_id(item)) for item in self._items}
        for position in range(len(pairs) + 1):
            for problems in unusable.get(position, {}).values():
                reason = "; ".join(problem.message for problem in problems)
                name = problems[0].source_id
                written = _row_name(problems[0])
                if _is_blank(name):
                    written = _free_name(written, problems[0], taken)
                    taken.add(written)
                empty = Prediction(
                    written, None, "", status="unusable", reason=reason, source_id=name
                )
                yield problems[0], empty
            if position < len(pairs):
                question, item = pairs[position]
                yield question, item


def _json_fields(item: Prediction) -> dict[str, Any]:
    """All fields. An id cell that is no finite number, which json files may have, becomes text."""
    fields = asdict(item)
    if isinstance(item.source_id, float) and not math.isfinite(item.source_id):
        fields["source_id"] = str(item.source_id)
    return fields


def _written_id(item: Prediction) -> SourceId:
    """The source's own id cell, or the question's id where there is none."""
    return item.id if _is_blank(item.source_id) else item.source_id


def _is_blank(value: SourceId) -> bool:
    """Whether an id cell names nothing: it is empty, blank or no number."""
    return value is None or value != value or (isinstance(value, str) and not tidy(value))


def _row_name(problem: RowProblem) -> str:
    """What an unusable row is called: by its own id, else by its row."""
    if _is_blank(problem.source_id):
        return f"row{problem.row}"
    return str(problem.source_id)


def _free_name(name: str, problem: RowProblem, taken: set[str]) -> str:
    """A row's name that no other row has: rows of other sheets have the same numbers."""
    sheet = problem.sheet or Path(problem.file).stem
    names = [name, f"{sheet}:{name}"] if sheet else [name]
    numbered = (f"{names[-1]}#{number}" for number in range(2, len(taken) + 3))
    return next(free for free in (*names, *numbered) if free not in taken)


def _distinct_from(headers: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names, each with a mark where the input has such a column.

    The input may be a file of predictions itself, whose answers are then kept.
    """
    marks = ["", " (zhmcq)", *(f" (zhmcq {number})" for number in range(2, len(headers) + 2))]
    return [next(name + mark for mark in marks if name + mark not in headers) for name in names]


def _plain_headers(bank: QuestionBank) -> list[str]:
    most = max((len(question.options) for question in bank), default=0)
    return ["ID", "文章", "問題", *(f"選項{number}" for number in range(1, most + 1))]


def _plain_cells(source: Question | RowProblem, name: SourceId) -> dict[str, Any]:
    """Cells for what was not read from a table; of a row that is unusable only the id is known."""
    if isinstance(source, RowProblem):
        return {"ID": name}
    options = {f"選項{number}": option for number, option in enumerate(source.options, start=1)}
    return {"ID": name, "文章": source.passage, "問題": source.stem, **options}
