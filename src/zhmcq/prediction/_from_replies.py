"""Replies that a model gave elsewhere → predictions for the questions of a bank."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhmcq.encoding._encode import render_prompt
from zhmcq.errors import ColumnsError, PredictionError, ReadError
from zhmcq.parsers import Parser, get_parser
from zhmcq.prediction._arguments import as_bank
from zhmcq.prediction._engines import parsed_reply
from zhmcq.prediction._hosted import cell_text, failure, id_text, reply_text
from zhmcq.prediction._predictions import Prediction, Predictions
from zhmcq.prompts import Prompt, get_prompt
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading._formats import JsonDocument, JsonLines, Sheets, open_file
from zhmcq.reading._formats.json_files import repeated_message, repeated_names
from zhmcq.zh._fold import fold_name

__all__ = ["predictions_from_replies"]

# Names of the two fields, as fold_name() leaves them. Of replies the first group is tried first:
# a table of questions has a column of answers, too, and there it is the key.
_ID_NAMES = (
    frozenset(("customid",)),  # beside it, "id" is that of the request
    frozenset(("id", "questionid", "qid", "题号", "题目编号", "题目id", "编号", "序号")),
    frozenset(("sourceid", "key", "no", "number", "name", "index")),
)
_REPLY_NAMES = (
    frozenset(
        (
            *("reply", "response", "output", "completion", "generatedtext", "modeloutput"),
            *("modelreply", "modelresponse", "modelanswer", "rawoutput", "answertext"),
            *("outputtext", "回复", "回应", "回覆", "输出", "作答", "生成结果"),
            *("模型回答", "模型回复", "模型输出", "模型回应", "模型回覆"),
        )
    ),
    frozenset(
        ("回答", "text", "content", "message", "result", "prediction", "messages", "回答内容")
    ),
    frozenset(("answer", "答案")),
)
# How many names an error shows.
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Given:
    """What was given for one question.

    Attributes:
        key: The id it was given under.
        text: The reply; ``None`` where there is none.
        reason: Why there is none.
    """

    key: Any
    text: str | None
    reason: str = "no reply was given"


@dataclass(slots=True)
class _Received:
    """The replies by question, and what does not belong to any.

    Attributes:
        bank: The questions.
    """

    bank: QuestionBank
    replies: dict[str, _Given] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    unknown_count: int = 0
    _names: dict[str, list[str]] = field(init=False)
    _unusable: set[str] = field(init=False)

    def __post_init__(self) -> None:
        """Questions are known by their ids, and by the ids that their source has for them."""
        self._names = {}
        for question in self.bank:
            if question.source_id is not None:
                self._names.setdefault(id_text(question.source_id), []).append(question.id)
        self._names.update({question.id: [question.id] for question in self.bank})
        ids = (problem.source_id for problem in self.bank.problems)
        self._unusable = {id_text(name) for name in ids if name is not None}

    def add(self, given: _Given) -> None:
        """Take a reply.

        Raises:
            PredictionError: If the question has one already, or the id is that of several.
        """
        name = id_text(given.key)
        if not name and not (given.text or "").strip():
            return  # a row that holds neither, as results have it for an unusable question
        ids = self._names.get(name, [])
        if not ids:
            if name not in self._unusable:
                self.unknown_count += 1
                self.unknown += [name] * (len(self.unknown) < _SHOWN)
            return
        if len(ids) > 1:
            raise PredictionError(
                f"replies: {name!r} is the source's id of {len(ids)} questions, "
                f"{', '.join(map(repr, ids[:_SHOWN]))}; give each reply under its question's own id"
            )
        if ids[0] in self.replies:
            raise PredictionError(
                f"replies: expected one reply for each question, found a second one for {name!r}; "
                "keep the one that counts"
            )
        self.replies[ids[0]] = given

    def refuse_unknown(self) -> None:
        """Raise the error that names the ids of no question."""
        if not self.unknown_count:
            return
        more = self.unknown_count - len(self.unknown)
        shown = ", ".join(map(repr, self.unknown)) + (f" and {more} more" if more else "")
        expected = ", ".join(repr(question.id) for question in self.bank[:_SHOWN])
        raise PredictionError(
            f"replies: expected ids of the bank's {len(self.bank)} questions ({expected} …), found "
            f"{shown}; give the bank that was answered, or take those replies out"
        )


def predictions_from_replies(
    bank: QuestionBank | Sequence[Question] | str | Path,
    replies: Any,
    parser: str | Parser = "zh",
    *,
    columns: Mapping[str, str] | None = None,
    prompt: str | Prompt | None = None,
) -> Predictions:
    """Read replies and give the predictions; see :meth:`Predictions.from_replies`."""
    questions = as_bank(bank)
    reader = get_parser(parser)
    shown = None if prompt is None else get_prompt(prompt)
    received = _Received(questions)
    for given in _given(replies, questions, _Fields(columns)):
        received.add(given)
    received.refuse_unknown()
    items = []
    for question in questions:
        given = received.replies.get(question.id, _Given(question.id, None))
        items.append(_prediction(question, given, reader, shown))
    return Predictions(questions, tuple(items))


def _prediction(
    question: Question, given: _Given, parser: Parser, prompt: Prompt | None
) -> Prediction:
    if given.text is None:
        return Prediction(question.id, None, "", status="missing", reason=given.reason)
    if not given.text.strip():
        reason = "the reply is empty"
        return Prediction(question.id, None, "", status="none", reply=given.text, reason=reason)
    labelled = question if prompt is None else render_prompt(prompt, question).question
    parsed = parsed_reply(parser, given.text, labelled)
    return Prediction(
        id=question.id,
        answer=parsed.answer,
        label=question.label_of(parsed.answer),
        status=parsed.status,
        reply=given.text,
        reason=parsed.reason,
    )


# --- what may be given: each way to give replies becomes pairs of an id and a text ---------------


class _Fields:
    """Which fields hold the id and the reply.

    Args:
        columns: ``{"id": …, "reply": …}`` as the caller names them.

    Raises:
        ColumnsError: If ``columns`` has other keys.
    """

    def __init__(self, columns: Mapping[str, str] | None) -> None:
        if columns is not None and (
            not isinstance(columns, Mapping) or not set(columns) <= {"id", "reply"}
        ):
            raise ColumnsError(
                f"columns={columns!r:.80}: expected the keys 'id' and 'reply', as in "
                "columns={'id': 'Nr', 'reply': 'GPT'}"
            )
        self._columns = dict(columns or {})

    def find(self, names: Sequence[Any], where: str) -> tuple[Any, Any]:
        """The names of the two fields.

        Raises:
            ColumnsError: If they can't be told.
        """
        return (
            self._find_one("id", _ID_NAMES, names, where),
            self._find_one("reply", _REPLY_NAMES, names, where),
        )

    def _find_one(
        self, role: str, groups: Iterable[frozenset[str]], names: Sequence[Any], where: str
    ) -> Any:
        shown = ", ".join(map(repr, names[: 2 * _SHOWN]))
        if role in self._columns:
            if self._columns[role] in names:
                return self._columns[role]
            raise ColumnsError(
                f"{where}: expected the column {self._columns[role]!r} that columns= names, found "
                f"{shown}"
            )
        for group in groups:
            fitting = [name for name in names if isinstance(name, str) and fold_name(name) in group]
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                raise ColumnsError(
                    f"{where}: expected one column with the {role}, found "
                    f"{', '.join(map(repr, fitting))}; say which by columns={{{role!r}: "
                    f"{fitting[0]!r}}}"
                )
        raise ColumnsError(
            f"{where}: expected a column with the {role}, found {shown}; name it by "
            f"columns={{{role!r}: …}}"
        )


def _given(replies: Any, bank: QuestionBank, fields: _Fields) -> Iterator[_Given]:
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(replies, pandas.DataFrame):
        id_name, reply_name = fields.find(list(replies.columns), "the DataFrame")
        pairs = zip(replies[id_name].tolist(), replies[reply_name].tolist(), strict=True)
        return (_Given(key, cell_text(value)) for key, value in pairs)
    if isinstance(replies, str | Path):
        return _of_file(Path(replies), fields)
    if isinstance(replies, Mapping):
        return _of_mapping(replies)
    if isinstance(replies, Iterable) and not isinstance(replies, bytes):
        return _of_list(list(replies), bank, fields)
    raise PredictionError(
        "replies: expected the path of a file, a DataFrame, a dict of replies by id, or a list of "
        f"replies in the bank's order, found {replies!r:.60}"
    )


def _of_mapping(replies: Mapping[Any, Any]) -> Iterator[_Given]:
    for key, value in replies.items():
        if value is not None and not isinstance(value, str):
            raise PredictionError(
                f"replies[{key!r:.40}]: expected a text, or None where there is no reply, found "
                f"{value!r:.40}"
            )
        yield _Given(key, value)


def _of_list(replies: list[Any], bank: QuestionBank, fields: _Fields) -> Iterator[_Given]:
    if replies and all(isinstance(reply, Mapping) for reply in replies):
        for number, record in enumerate(replies, start=1):
            yield _of_record(record, fields, f"replies, item {number}")
        return
    if len(replies) != len(bank):
        raise PredictionError(
            f"replies: expected a reply for each of the bank's {len(bank)} questions in their "
            f"order (None where there is none), found {len(replies)}; give a dict of replies by id "
            "if some are missing"
        )
    yield from _of_mapping(dict(zip((question.id for question in bank), replies, strict=True)))


def _of_file(path: Path, fields: _Fields) -> Iterator[_Given]:
    name = path.name
    if path.is_file() and path.stat().st_size == 0:
        raise ReadError(f"{name}: expected replies, found an empty file")
    contents = open_file(path, name, as_table=True)
    try:
        if isinstance(contents, Sheets):
            yield from _of_sheets(contents, fields, name)
        elif isinstance(contents, JsonDocument):
            yield from _of_document(contents.value, fields, name)
        elif not isinstance(contents, JsonLines):
            raise ReadError(
                f"{name}: expected replies as a table (csv, xlsx) or json, found questions"
            )
        else:
            for number, value in contents.lines:
                if isinstance(value, ReadError):
                    raise value
                yield _of_record(value, fields, f"{name}, line {number}")
    finally:
        contents.close()


def _of_sheets(contents: Sheets, fields: _Fields, name: str) -> Iterator[_Given]:
    """The rows of every sheet that has the two columns; of the first one they are required."""
    refused: ColumnsError | None = None
    has_table = False
    for sheet in contents.sheets:
        rows = iter(sheet.rows)
        header = next(rows, None)
        if header is None:
            continue
        where = f"{name}, sheet {sheet.name!r}" if sheet.name else name
        try:
            id_name, reply_name = fields.find(header.texts, where)
        except ColumnsError as error:
            refused = refused or error
            continue
        has_table = True
        id_column, reply_column = header.texts.index(id_name), header.texts.index(reply_name)
        for row in rows:
            if row.text(id_column) or row.text(reply_column):
                yield _Given(row.text(id_column), row.text(reply_column))
    if not has_table:
        raise refused or ReadError(f"{name}: expected a table of replies, found no rows")


def _of_document(value: Any, fields: _Fields, name: str) -> Iterator[_Given]:
    if names := repeated_names(value):
        raise ReadError(repeated_message(name, names))
    if isinstance(value, dict) and all(isinstance(item, str | None) for item in value.values()):
        yield from _of_mapping(value)
    elif isinstance(value, list):
        for number, record in enumerate(value, start=1):
            yield _of_record(record, fields, f"{name}, item {number}")
    else:
        raise ReadError(
            f"{name}: expected a list of objects with an id and a reply, or one object of replies "
            f"by id, found {type(value).__name__}"
        )


def _of_record(record: Any, fields: _Fields, where: str) -> _Given:
    """One object with an id and a reply, or one result of a hosted model's batch."""
    if not isinstance(record, Mapping):
        raise ReadError(f"{where}: expected an object with an id and a reply, found {record!r:.40}")
    id_name, reply_name = fields.find(list(record), where)
    key, value = record[id_name], record[reply_name]
    if reason := failure(record, value):
        return _Given(key, None, reason)
    text = cell_text(value) if not isinstance(value, Mapping | list) else reply_text(value)
    return _Given(key, text)
