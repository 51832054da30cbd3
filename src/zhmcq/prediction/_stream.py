"""A bank that need not fit in memory: answered window by window, into a journal and a csv file."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from zhmcq._files import real_path, refuse_inputs
from zhmcq.errors import PredictionError
from zhmcq.prediction._engines import Engine, PreparedQuestion, Record
from zhmcq.prediction._journal import Journal
from zhmcq.prediction._pipeline import PreparedBank, question_digest, refuse_failing_template
from zhmcq.prediction._predictions import Predictions, PredictionStats
from zhmcq.prediction._processes import launched
from zhmcq.prediction._results.rows import TakenNames, result_rows, written_id
from zhmcq.questions import Question, QuestionBank, RowProblem
from zhmcq.reading._ids import Hashes
from zhmcq.settings import GenerateSettings, ScoreSettings

__all__ = [
    "WINDOW",
    "StreamCounts",
    "StreamJournal",
    "StreamStats",
    "WindowRecords",
    "csv_rows",
    "refuse_stream",
    "windows",
]

# Questions that are in memory at once, with their token ids; of a longer passage, up to twice as
# many. Longer rows first, as passes are made up, wants a window much larger than a forward pass.
WINDOW = 2000
MAX_HEAD = 1_000_000  # bytes of a journal's first line
ANSWERED_AGAIN = "remove the line and those below it to have their questions answered again"
ANOTHER_FILE = "give another file, or remove this one to start anew"
BLOCK = 65_536  # bytes that are looked through for the last line's end


@dataclass(frozen=True, slots=True)
class StreamStats:
    """Counts and time of answering a stream.

    Attributes:
        questions: The questions of the bank, whether or not they could be answered.
        rows: Lines of the csv file below its header: the questions, and the rows that are none.
        statuses: How many rows have each status, as in :attr:`Prediction.status`.
        keyed: How many questions have a key.
        correct: How many of these are answered by their key.
        answering: Counts and time of this call alone: what the journal had is not among them.
    """

    questions: int = 0
    rows: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    keyed: int = 0
    correct: int = 0
    answering: PredictionStats = field(default_factory=PredictionStats)


def windows(items: Iterable[Question | RowProblem], size: int = WINDOW) -> Iterator[QuestionBank]:
    """The parts of a stream that are answered at once.

    Questions of one passage that stand together stay together, up to twice the size.

    Args:
        items: Problems and questions, as ``stream_bank`` gives them.
        size: How many questions or problems a part has at least, but for the last.
    """
    questions: list[Question] = []
    problems: list[RowProblem] = []  # those of a bank in memory come before all its questions
    before = due = 0
    for item in items:
        if isinstance(item, Question):
            many = len(questions) >= 2 * size
            full = len(questions) >= size and not (
                item.passage and item.passage == questions[-1].passage
            )
        else:  # a row may have several problems, and is one row in the results
            many = due >= 2 * size and item.origin != problems[-1].origin
            full = False
        if many or full:
            yield _part(questions, problems, before)
            before += len(questions)
            problems = [problem for problem in problems if problem.position > before]
            questions, due = [], 0
        if isinstance(item, Question):
            questions.append(item)
        else:
            problems.append(item)
            due += item.position <= before + len(questions)
    if questions or problems:
        yield _part(questions, problems, before)


def _part(
    questions: Sequence[Question], problems: Iterable[RowProblem], before: int
) -> QuestionBank:
    """The questions with the problems that stand among them."""
    end = before + len(questions)
    return QuestionBank(
        questions,
        [
            replace(problem, position=max(0, problem.position - before))
            for problem in problems
            if problem.position <= end
        ],
    )


class StreamCounts:
    """Adds up the figures of a stream's windows."""

    def __init__(self) -> None:
        self._statuses: Counter[str] = Counter()
        self._questions = self._keyed = self._correct = 0
        self._answering = PredictionStats()
        self._template_fails = ""
        self._template_works = False

    @property
    def questions(self) -> int:
        """The questions so far."""
        return self._questions

    @property
    def stats(self) -> StreamStats:
        """The figures so far."""
        return StreamStats(
            self._questions,
            self._statuses.total(),
            dict(sorted(self._statuses.items())),
            self._keyed,
            self._correct,
            self._answering,
        )

    def prepared(self, window: PreparedBank) -> None:
        """Note whether the chat template refuses every question of a window."""
        if window.template_fails:
            self._template_fails = self._template_fails or window.template_fails
        elif len(window.bank):
            self._template_works = True

    def refuse_failing_template(self) -> None:
        """Refuse a chat template that has refused every question of the stream.

        Raises:
            EncodingError: If it has.
        """
        if not self._template_works:
            refuse_failing_template(self._template_fails)

    def add(self, predictions: Predictions) -> None:
        """Count the answers of a window."""
        self._questions += len(predictions)
        outcomes = predictions.outcomes()
        self._keyed += len(outcomes)
        self._correct += sum(item.question.answer == item.answer for item in outcomes)
        before, more = astuple(self._answering), astuple(predictions.stats)
        self._answering = PredictionStats(*map(sum, zip(before, more, strict=True)))

    def add_row(self, status: str) -> None:
        """Count a line of the csv file."""
        self._statuses[status] += 1


def refuse_stream(
    source: object,
    output_csv: str | Path,
    settings: ScoreSettings | GenerateSettings,
    journal: str | Path | None,
) -> None:
    """Refuse what cannot be answered as a stream, before anything is read or written.

    Raises:
        PredictionError: If the mode needs the whole bank first; if several processes come here;
            if the journal is the csv file.
        OutputExistsError: If the output is a source.
    """
    if isinstance(settings, ScoreSettings) and settings.orders == "prior":
        raise PredictionError(
            "orders='prior' needs the whole bank, of which it takes a part to estimate the prior "
            "on: give a number of orders, or answer with predict"
        )
    if launched():
        raise PredictionError(
            "predict_stream was called under a launcher: one process answers a stream. Run it "
            "without, or answer with predict, which shares the questions out"
        )
    refuse_inputs(output_csv, _files_of(source))
    if journal is not None and real_path(journal) == real_path(output_csv):
        raise PredictionError(
            f"output_csv and journal are both {str(journal)!r}: give two different files"
        )


def _files_of(source: object) -> Iterator[str | os.PathLike[str]]:
    """The files that a source is read from, or was, as far as it says so."""
    for item in source if isinstance(source, list | tuple) else [source]:
        if isinstance(item, QuestionBank):
            yield from item.files
        elif isinstance(item, str | os.PathLike):
            yield item
        elif isinstance(name := getattr(item, "name", None), str):  # of an open file
            yield name


def csv_rows(
    answered: Iterable[Predictions],
    counts: StreamCounts,
    journal: Callable[[], StreamJournal | None],
) -> Iterator[dict[str, Any]]:
    """The lines of ``ID,Answer``, as ``Predictions.to_csv`` writes them.

    Args:
        answered: The answers, window by window.
        counts: Where they are counted.
        journal: Gives the journal at the end, which is to hold no answers of further questions.
    """
    taken: TakenNames = Hashes()
    for predictions in answered:
        counts.add(predictions)
        for row in result_rows(predictions, taken):
            counts.add_row(row.prediction.status)
            yield {"ID": written_id(row.prediction), "Answer": row.prediction.label}
    counts.refuse_failing_template()
    book = journal()
    if book is not None:
        book.refuse_rest()


class StreamJournal(Journal):
    """A journal whose answers are read window by window, each checked against its own question.

    The first line knows nothing of the questions, so that a journal can be begun before the last
    of them is read. Instead each answer has a digest of its question's token ids, and the answers
    of a window come before those of the next.
    """

    _lines: BinaryIO | None = None
    _line: bytes = b""
    _number = 1
    _end = 0

    def _read(self, fault: Callable[[Record], str | None]) -> None:  # noqa: ARG002
        """Read the first line; a last line that an interruption left incomplete is cut off."""
        lines = self._path.open("rb")
        try:
            head = lines.readline(MAX_HEAD)
            self._read_head(head)
            self._end = _end_of_lines(self._path)
            if self._end != self._path.stat().st_size:
                os.truncate(self._path, self._end)
        except BaseException:
            lines.close()
            raise
        self._lines = lines

    def __exit__(self, *error: Any) -> None:
        if self._lines is not None:
            self._lines.close()
        super().__exit__(*error)

    def window(self, questions: Iterable[PreparedQuestion], engine: Engine) -> WindowRecords:
        """What the journal has of the next window.

        Args:
            questions: The window's questions that the model can be given.
            engine: How they are answered.

        Raises:
            PredictionError: If an answer is damaged, or belongs to another question.
        """
        by_id = {question.id: question for question in questions}
        digests = {name: question_digest(question).hex() for name, question in by_id.items()}
        finished: dict[str, Record] = {}
        while line := self._next_line():
            try:
                record = json.loads(line)
                name, digest = record["id"], record.pop("question")
                question = by_id.get(name)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise self._refused("expected an answer as json", ANSWERED_AGAIN) from None
            if question is None and len(finished) == len(by_id):
                break  # of the next window
            if question is None or digest != digests[name]:
                raise self._refused(
                    "expected the answer to a question that the bank has here, as it is now",
                    ANOTHER_FILE,
                )
            if problem := engine.fault(question, record):
                raise self._refused(problem, ANSWERED_AGAIN)
            finished[name] = record
            self._line = b""
        return WindowRecords(self, digests, finished)

    def refuse_rest(self) -> None:
        """Refuse answers that come after those of the bank's last question.

        Raises:
            PredictionError: If there are any.
        """
        if self._next_line():
            raise self._refused(
                "expected no answer after that to the bank's last question",
                ANOTHER_FILE,
            )

    def _next_line(self) -> bytes:
        """The line that was not used yet, of those that were there at the beginning."""
        if not self._line and self._lines is not None and self._lines.tell() < self._end:
            self._line = self._lines.readline()
            self._number += 1
        return self._line

    def _refused(self, problem: str, remedy: str) -> PredictionError:
        shown = self._line[:60]
        return PredictionError(
            f"{self._path}, line {self._number}: {problem}, found {shown!r}: {remedy}"
        )


@dataclass(frozen=True, slots=True)
class WindowRecords:
    """The answers of one window, in place of a journal.

    Attributes:
        journal: Where they are written; ``None`` to write them nowhere.
        digests: The digest of each question, by its id.
        finished: The answers that the journal had.
    """

    journal: StreamJournal | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    finished: dict[str, Record] = field(default_factory=dict)

    def add(self, records: list[Record]) -> None:
        """Write answers with the digests of their questions."""
        if self.journal is not None:
            self.journal.add([{**r, "question": self.digests[r["id"]]} for r in records])


def _end_of_lines(path: Path) -> int:
    """The size of a file without a last line that has no end."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        for start in itertools.chain(range(end - BLOCK, 0, -BLOCK), [0]):
            file.seek(start)
            last = file.read(min(BLOCK, end - start)).rfind(b"\n")
            if last >= 0:
                return start + last + 1
    return 0
