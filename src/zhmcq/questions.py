"""The types that everything else uses: a question, a bank of questions, a problem of a row."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, overload

from zhmcq._frames import questions_frame
from zhmcq._joining import joined_parts
from zhmcq._notebook import bank_html
from zhmcq._phrases import counted
from zhmcq._phrases.banks import bank_summary
from zhmcq._types import all_of, is_whole, whole_numbers
from zhmcq._visible import visible
from zhmcq.errors import QuestionError, ZhmcqError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Kind",
    "Origin",
    "Question",
    "QuestionBank",
    "RowProblem",
    "Severity",
    "SourceId",
]

Kind = Literal["single", "multiple", "true_false"]
Severity = Literal["error", "warning"]
SourceId = str | int | float | None

MAX_OPTIONS = 26
_TEXTS = ("id", "stem", "passage", "group", "subject", "explanation", "source")
_PROBLEM_TYPES: Mapping[str, type] = {
    "row": int, "column": str, "code": str, "message": str, "file": str, "sheet": str,
    "position": int,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a question or a problem was found.

    Attributes:
        file: The file's name as it was given.
        sheet: The sheet of a workbook, else ``""``.
        row: The 1-based row as the spreadsheet shows it (line or item number elsewhere).
    """

    file: str
    sheet: str = ""
    row: int = 0

    def __str__(self) -> str:
        sheet = f", sheet {self.sheet!r}" if self.sheet else ""
        row = f", row {self.row}" if self.row else ""
        return f"{self.file}{sheet}{row}"


def default_labels(count: int) -> tuple[str, ...]:
    """The labels of ``count`` options where the source has none: ``("A", "B", …)``."""
    return tuple(string.ascii_uppercase[:count])


@dataclass(frozen=True, slots=True)
class Question:
    """One multiple-choice question.

    Options, labels and answer may be given as lists; they are stored as tuples.

    Attributes:
        id: A string that is unique within a bank.
        stem: The question's own text.
        options: The texts of 2 to 26 options, in order.
        passage: The text that the question is about; ``""`` without one.
        labels: One name an option (``("1", "2", "3", "4")``), in the style of the source; letters
            where the source has none. Answers are written with them.
        answer: The key: 0-based indexes of the right options, sorted; ``None`` without a key.
        kind: ``"single"`` (one right option), ``"multiple"`` (one or more) or ``"true_false"``.
        group: The source item that this is a sub-question of, else ``""``.
        subject: The subject or category, as the source names it.
        explanation: Why the key is right, as the source says it.
        source: Where the source took the question from.
        source_id: The source's own id cell, written to results as it is.
        origin: File, sheet and row, where it was read from a file.

    Raises:
        QuestionError: On construction, if the fields contradict each other, or a text holds a lone
            surrogate, which no file could hold.
    """

    id: str
    stem: str
    options: tuple[str, ...]
    passage: str = ""
    labels: tuple[str, ...] = ()
    answer: tuple[int, ...] | None = None
    kind: Kind = "single"
    group: str = ""
    subject: str = ""
    explanation: str = ""
    source: str = ""
    source_id: SourceId = None
    origin: Origin | None = None

    def __post_init__(self) -> None:
        self._check_types()
        count = len(self.options)
        if not self.labels:
            object.__setattr__(self, "labels", default_labels(count))
        if not 2 <= count <= MAX_OPTIONS:
            raise self._error(f"expected 2 to {MAX_OPTIONS} options, found {count}")
        if len(self.labels) != count or len(set(self.labels)) != count or not all(self.labels):
            raise self._error(f"expected {count} different labels, found {self.labels!r}")
        if self.kind not in ("single", "multiple", "true_false"):
            raise self._error(
                f"expected kind 'single', 'multiple' or 'true_false', found {self.kind!r}"
            )
        if self.kind == "true_false" and count != 2:
            raise self._error(f"a true_false question has 2 options, found {count}")
        if self.answer is not None:
            self._check_answer(self.answer, count)

    def _check_types(self) -> None:
        """Catch what a caller easily gives instead: a number as id or key, a string as options."""
        for name in _TEXTS:
            if not isinstance(getattr(self, name), str):
                raise self._error(f"expected a string as {name}, found {getattr(self, name)!r:.80}")
        for name in ("options", "labels", "answer"):
            values = getattr(self, name)
            if values is None and name == "answer":
                continue
            kind, what = (int, "0-based indexes") if name == "answer" else (str, "strings")
            if not isinstance(values, tuple | list) or not all(
                isinstance(value, kind) and not isinstance(value, bool) for value in values
            ):
                raise self._error(f"expected a tuple of {what} as {name}, found {values!r}")
            object.__setattr__(self, name, tuple(values))
        if not isinstance(self.source_id, str | int | float | None):
            raise self._error(
                f"expected a string, a number or None as source_id, found {self.source_id!r:.80}"
            )
        if not isinstance(self.origin, Origin | None):
            raise self._error(f"expected an Origin or None as origin, found {self.origin!r:.80}")
        self._refuse_surrogates()

    def _refuse_surrogates(self) -> None:
        """Half a character, which no file, tokenizer or table could take later."""
        texts = [self.id, self.stem, self.passage, *self.options, *self.labels]
        others = (self.group, self.subject, self.explanation, self.source, self.source_id)
        whole = "".join([*texts, *(text for text in others if isinstance(text, str))])
        if whole.isascii():
            return
        try:
            whole.encode("utf-8")
        except UnicodeEncodeError as error:
            half, before = whole[error.start], whole[max(0, error.start - 10) : error.start]
            raise self._error(
                f"expected text, found half of a surrogate pair, U+{ord(half):04X}, after "
                f"{before!r}; replace it, or decode the text with errors='replace'"
            ) from error

    def _check_answer(self, answer: tuple[int, ...], count: int) -> None:
        if not answer or sorted(set(answer)) != list(answer):
            raise self._error(f"expected sorted, different indexes as answer, found {answer!r}")
        if answer[0] < 0 or answer[-1] >= count:
            raise self._error(
                f"answer {answer!r} points outside the {count} options "
                f"(indexes are 0-based: 0 to {count - 1})"
            )
        if self.kind != "multiple" and len(answer) != 1:
            raise self._error(f"a {self.kind} question has one right option, found {answer!r}")

    def _error(self, message: str) -> QuestionError:
        where = f" ({self.origin})" if isinstance(self.origin, Origin) else ""
        return QuestionError(f"question {self.id!r}{where}: {message}")

    @property
    def answer_label(self) -> str:
        """The key in the style of :attr:`labels` (``"B"``, ``"ACD"``), ``""`` without a key."""
        return self.label_of(self.answer)

    def label_of(self, answer: tuple[int, ...] | None) -> str:
        """Write 0-based indexes in the style of :attr:`labels`.

        Several one-character labels are written together (``"ACD"``), longer ones with a comma.

        Args:
            answer: The indexes; ``None`` or nothing gives ``""``.
        """
        if not answer:
            return ""
        labels = [self.labels[index] for index in answer]
        joint = "" if all(len(label) == 1 for label in self.labels) else ","
        return joint.join(labels)


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Something that is wrong with one row of a source, in plain words.

    Attributes:
        row: The 1-based row as the spreadsheet shows it.
        column: The header of the column concerned, ``""`` for the whole row.
        code: A short stable name for the kind of problem (``"no_key"``).
        message: What was expected and what was found; control characters of what it quotes are
            shown as escapes.
        severity: ``"error"`` excludes the row, ``"warning"`` keeps it.
        file: The file's name as it was given.
        sheet: The sheet of a workbook, else ``""``.
        source_id: The row's own id cell, so that results can name the row.
        position: How many usable questions of the bank come before the row; keeps the order of
            rows where results are written.
    """

    row: int
    column: str
    code: str
    message: str
    severity: Severity = "error"
    file: str = ""
    sheet: str = ""
    source_id: SourceId = None
    position: int = 0

    def __post_init__(self) -> None:
        for name, expected in _PROBLEM_TYPES.items():
            if not isinstance(getattr(self, name), expected):
                raise QuestionError(
                    f"RowProblem({name}={getattr(self, name)!r:.80}): expected "
                    f"{'a whole number' if expected is int else 'a string'}"
                )
        if self.severity not in ("error", "warning"):
            raise QuestionError(
                f"RowProblem(severity={self.severity!r:.80}): expected 'error' or 'warning'"
            )
        if not self.message.isprintable():
            object.__setattr__(self, "message", visible(self.message))

    @property
    def origin(self) -> Origin:
        """File, sheet and row."""
        return Origin(self.file, self.sheet, self.row)


@dataclass(frozen=True, slots=True)
class SourceTable:
    """The cells of the files a bank was read from, so that results can repeat them.

    Attributes:
        headers: All headers, in the order in which the sheets have them.
        rows: For each row that was read, its cells as shown, by header.
        header_rows: The rows that were used as headers.
    """

    headers: tuple[str, ...] = ()
    rows: Mapping[Origin, Mapping[str, Any]] = field(default_factory=dict)
    header_rows: tuple[Origin, ...] = ()

    def __add__(self, other: SourceTable) -> SourceTable:
        headers = dict.fromkeys((*self.headers, *other.headers))
        header_rows = (*self.header_rows, *other.header_rows)
        return SourceTable(tuple(headers), {**self.rows, **other.rows}, header_rows)


class QuestionBank(Sequence[Question]):
    """Questions in the order of their source, with what was wrong with the rest of it.

    A bank is a sequence: slices, :meth:`filter` and ``+`` give banks. It is not changed in place.

    ``bank + other`` joins it with a bank or a list of questions. An id that is taken already by
    another file or sheet gets that row's file or sheet in front (``乙:12``), and ``#2`` … if that
    is taken too; ``source_id`` stays as it is.

    Args:
        questions: The usable questions, with ids that differ.
        problems: Errors (rows left out) and warnings (rows that are questions all the same).
        columns: Which header was read as which field (``{"stem": "問題", …}``).
        table: The source's cells; left out where the bank was not read from a table.

    Raises:
        QuestionError: If two questions have one id, or an argument is of another type.
    """

    def __init__(
        self,
        questions: Iterable[Question],
        problems: Iterable[RowProblem] = (),
        columns: Mapping[str, str] | None = None,
        table: SourceTable | None = None,
    ) -> None:
        self._questions = all_of(Question, questions, "questions")
        self.problems = list(all_of(RowProblem, problems, "problems"))
        if not isinstance(columns, Mapping | None):
            raise QuestionError(
                f"QuestionBank(columns={columns!r:.60}): expected a dictionary of field → header"
            )
        self.columns = dict(columns or {})
        if not isinstance(table, SourceTable | None):
            raise QuestionError(f"QuestionBank(table={table!r:.60}): expected a SourceTable")
        self.table = SourceTable() if table is None else table
        seen: dict[str, Question] = {}
        for question in self._questions:
            if question.id in seen:
                raise QuestionError(
                    f"two questions have the id {question.id!r}: "
                    f"{seen[question.id].stem[:30]!r} and {question.stem[:30]!r}; "
                    "ids must be unique within a bank"
                )
            seen[question.id] = question

    def __len__(self) -> int:
        return len(self._questions)

    def __iter__(self) -> Iterator[Question]:
        return iter(self._questions)

    @overload
    def __getitem__(self, index: int) -> Question: ...
    @overload
    def __getitem__(self, index: slice) -> QuestionBank: ...
    def __getitem__(self, index: int | slice) -> Question | QuestionBank:
        if isinstance(index, slice):
            return self.select(range(*index.indices(len(self))))
        if not hasattr(index, "__index__"):
            raise QuestionError(
                f"bank[{index!r:.60}]: expected an index from 0 or a slice; for an id, "
                "bank.filter(lambda question: question.id == …)"
            )
        return self._questions[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuestionBank):
            return NotImplemented
        return self._questions == other._questions and self.problems == other.problems

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        errors = sum(problem.severity == "error" for problem in self.problems)
        questions, rows = counted(len(self), "question"), counted(errors, "row")
        return f"<QuestionBank: {questions}, {rows} left out>"

    def __str__(self) -> str:  # in the language of the terminal
        errors = sum(problem.severity == "error" for problem in self.problems)
        return f"<{bank_summary(len(self), errors)}>"

    def _repr_html_(self) -> str:  # what a notebook shows
        return bank_html(str(self).strip("<>"), self._questions, self.problems)

    def __add__(self, other: QuestionBank | Question | Iterable[Question]) -> QuestionBank:
        return QuestionBank(*joined_parts([self, _addend(other)]))

    def __radd__(
        self, other: QuestionBank | Question | Iterable[Question] | Literal[0]
    ) -> QuestionBank:
        if other == 0 and isinstance(other, int):  # sum() begins with it
            return self
        return QuestionBank(*joined_parts([_addend(other), self]))

    @property
    def files(self) -> set[str]:
        """The files that its questions and problems were read from."""
        origins = [question.origin for question in self._questions]
        origins += [problem.origin for problem in self.problems]
        return {origin.file for origin in origins if origin is not None}

    def select(self, indexes: Iterable[int]) -> QuestionBank:
        """A bank of the questions at these indexes, in this order.

        A problem goes with the question that follows it in the source (with the last question,
        for rows after it), so that ``bank[:k] + bank[k:]`` is the bank again. A bank without
        questions keeps its problems.

        Args:
            indexes: Indexes in the bank, counted from 0, or from its end if negative.

        Raises:
            IndexError: If there is no such index.
            QuestionError: If they are no indexes.
        """
        chosen = [range(len(self))[index] for index in whole_numbers(indexes)]
        questions = [self._questions[index] for index in chosen]
        by_position: dict[int, list[RowProblem]] = {}
        for problem in self.problems:
            by_position.setdefault(problem.position, []).append(problem)
        problems: list[RowProblem] = []
        for position, index in enumerate(chosen):
            problems += [replace(p, position=position) for p in by_position.get(index, [])]
            if index == len(self) - 1:
                tail = by_position.get(len(self), [])
                problems += [replace(p, position=position + 1) for p in tail]
        if not self._questions:
            problems = list(self.problems)
        return QuestionBank(questions, problems, self.columns, self.table)

    def filter(self, keep: Callable[[Question], bool]) -> QuestionBank:
        """A bank of the questions for which ``keep`` is true.

        Args:
            keep: Given a question, whether to keep it.

        Raises:
            QuestionError: If ``keep`` is no function.
        """
        if not callable(keep):
            raise QuestionError(
                f"bank.filter({keep!r:.60}): expected a function of a question, such as "
                "lambda question: question.subject == …"
            )
        return self.select(i for i, question in enumerate(self._questions) if keep(question))

    def sample(self, count: int, seed: int = 42) -> QuestionBank:
        """A bank of ``count`` questions drawn by chance, in source order (all, if fewer).

        Args:
            count: How many.
            seed: Decides which; the same seed draws the same ones.

        Raises:
            QuestionError: If ``count`` is no whole number of 0 or more, or ``seed`` is none.
        """
        for name, value, least in (("count", count, 0), ("seed", seed, None)):
            if not is_whole(value) or (least is not None and value < least):
                raise QuestionError(
                    f"bank.sample({name}={value!r:.60}): expected a whole number"
                    + (" of 0 or more" if least == 0 else "")
                )
        chosen = random.Random(seed).sample(range(len(self)), min(count, len(self)))
        return self.select(sorted(chosen))

    def to_pandas(self) -> pd.DataFrame:
        """A pandas frame with one line for each question, in their order.

        Returns:
            Columns ``id``, ``passage``, ``stem``, ``labels`` and ``options`` (lists), ``key`` (in
            labels; ``""`` without one), ``kind``, ``subject``, ``group``, ``explanation``,
            ``source``, ``sheet`` and ``row`` (of the sheet; 0 for a question that was made in
            code).
        """
        return questions_frame(self._questions)

    @property
    def answered(self) -> QuestionBank:
        """A bank of the questions that have a key."""
        return self.filter(lambda question: question.answer is not None)


def require_bank(value: object, call: str, error: type[ZhmcqError] = QuestionError) -> QuestionBank:
    """The value, if it is a bank.

    Args:
        value: What a function was given.
        call: The function, for the message.
        error: What to raise.
    """
    if isinstance(value, QuestionBank):
        return value
    raise error(
        f"{call}({value!r:.60}): expected a QuestionBank, such as read_bank(…) returns or "
        f"QuestionBank(questions) makes, found {type(value).__name__}"
    )


def require_questions(value: object, call: str) -> Sequence[Question]:
    """The value, if it is a bank or another sequence of questions.

    Args:
        value: What a function was given.
        call: The function, for the message.

    Raises:
        QuestionError: If it is something else.
    """
    if isinstance(value, QuestionBank):
        return value
    if isinstance(value, Sequence) and all(isinstance(item, Question) for item in value):
        return value
    raise QuestionError(
        f"{call}({value!r:.60}): expected a QuestionBank, such as read_bank(…) returns, or a list "
        f"of Question, found {type(value).__name__}"
    )


def _addend(other: QuestionBank | Question | Iterable[Question]) -> QuestionBank:
    """What is added to a bank, as a bank."""
    if isinstance(other, QuestionBank):
        return other
    if isinstance(other, Question):
        return QuestionBank([other])
    if isinstance(other, str | bytes | Mapping) or not isinstance(other, Iterable):
        raise QuestionError(
            f"bank + {other!r:.60}: expected a QuestionBank or a list of Question, found "
            f"{type(other).__name__}; read_bank([…, …]) reads several files as one bank"
        )
    return QuestionBank(other)
