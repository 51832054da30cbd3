"""Save a bank to json or jsonl, and read it back without loss."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from zhmcq._files import atomic_write, path_to_write, refuse_inputs
from zhmcq.errors import OutputError, QuestionError, ReadError
from zhmcq.questions import (
    Origin,
    Question,
    QuestionBank,
    RowProblem,
    SourceTable,
    require_bank,
)
from zhmcq.reading._formats import Contents, JsonDocument, JsonLines
from zhmcq.reading._formats.json_files import repeated_message, repeated_names

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "SPLITS_FORMAT",
    "bank_from_record",
    "bank_to_record",
    "question_from_record",
    "question_to_record",
    "save_bank",
    "saved_bank",
    "to_json",
]

FORMAT = "zhmcq-bank"
#: What zhmcq.dataset.Splits.save writes: two banks, "train" and "valid".
SPLITS_FORMAT = "zhmcq-splits"
VERSION = 1

T = TypeVar("T", Question, RowProblem)
_QUESTION_DEFAULTS = {
    field.name: field.default for field in fields(Question) if field.default is not MISSING
}
_PROBLEM_DEFAULTS = {
    field.name: field.default for field in fields(RowProblem) if field.default is not MISSING
}


def save_bank(bank: QuestionBank, path: str | os.PathLike[str]) -> None:
    """Write a bank so that :func:`zhmcq.reading.read_bank` gives it back equal.

    Args:
        bank: Questions, problems, columns and source cells are all written.
        path: ``.json`` for one document, ``.jsonl`` for one question a line.

    Raises:
        OutputExistsError: If the bank was read from that file.
        OutputError: If the suffix is another one, the file can't be written, or there is no bank.
    """
    require_bank(bank, "save_bank", OutputError)
    suffix = path_to_write(path).suffix.lower()
    if suffix not in (".json", ".jsonl"):
        raise OutputError(f"cannot save a bank as {path}: expected a name in .json or .jsonl")
    refuse_inputs(path, bank.files)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        if suffix == ".json":
            file.write(to_json(bank_to_record(bank), indent=1) + "\n")
        else:
            file.writelines(line + "\n" for line in _lines(bank))


def to_json(value: Any, indent: int | None = None) -> str:
    """Json in readable characters; escaped only where UTF-8 can't hold them."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, default=str)
    return text


def bank_to_record(bank: QuestionBank) -> dict[str, Any]:
    """The whole bank as one json object."""
    return {
        **_head(bank),
        "questions": [question_to_record(question) for question in bank],
        "problems": [_without_defaults(problem, _PROBLEM_DEFAULTS) for problem in bank.problems],
        "rows": list(_rows(bank)),
    }


def _head(bank: QuestionBank) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "columns": bank.columns,
        "headers": list(bank.table.headers),
        "header_rows": [_origin_to_record(origin) for origin in bank.table.header_rows],
    }


def _lines(bank: QuestionBank) -> Iterator[str]:
    yield to_json(_head(bank))
    for question in bank:
        yield to_json(question_to_record(question))
    for problem in bank.problems:
        yield to_json({"problem": _without_defaults(problem, _PROBLEM_DEFAULTS)})
    for row in _rows(bank):
        yield to_json({"row": row})


def _rows(bank: QuestionBank) -> Iterator[dict[str, Any]]:
    for origin, cells in bank.table.rows.items():
        yield {"origin": _origin_to_record(origin), "cells": dict(cells)}


def question_to_record(question: Question) -> dict[str, Any]:
    """A question as a json object, without the fields that hold their defaults."""
    record = _without_defaults(question, _QUESTION_DEFAULTS)
    if question.origin is not None:
        record["origin"] = _origin_to_record(question.origin)
    return record


def _without_defaults(value: Question | RowProblem, defaults: Mapping[str, Any]) -> dict[str, Any]:
    values = {field.name: getattr(value, field.name) for field in fields(value)}
    return {
        name: value
        for name, value in values.items()
        if name not in defaults
        or value != defaults[name]
        or type(value) is not type(defaults[name])
    }


def _origin_to_record(origin: Origin) -> list[Any]:
    return [origin.file, origin.sheet, origin.row]


def saved_bank(contents: Contents, where: str) -> QuestionBank | None:
    """The bank of a file that :func:`save_bank` or ``Splits.save()`` wrote; else ``None``.

    Args:
        contents: What the file holds. Lines are taken only if they are those of a saved bank.
        where: The file's name, for messages.

    Raises:
        ReadError: If it is a saved bank of another version, or a damaged one.
    """
    if isinstance(contents, JsonLines):
        head = contents.head
        if isinstance(head, Mapping) and head.get("format") == FORMAT:
            return _bank_from_lines((line for _, line in contents.lines), where)
    if isinstance(contents, JsonDocument) and isinstance(contents.value, Mapping):
        form = contents.value.get("format")
        if form in (FORMAT, SPLITS_FORMAT) and (names := repeated_names(contents.value)):
            raise ReadError(repeated_message(where, names))
        if form == FORMAT:
            return bank_from_record(contents.value, where)
        if form == SPLITS_FORMAT:
            train, valid = (
                bank_from_record(contents.value.get(part) or {}, where)
                for part in ("train", "valid")
            )
            return train + valid
    return None


def bank_from_record(record: Mapping[str, Any], where: str) -> QuestionBank:
    """The bank that :func:`bank_to_record` wrote.

    Args:
        record: What it wrote.
        where: The file's name, for messages.

    Raises:
        ReadError: If a part is missing or of the wrong type.
    """
    lines: list[Any] = [dict(record), *_list(record, "questions", where)]
    lines += [{"problem": problem} for problem in _list(record, "problems", where)]
    lines += [{"row": row} for row in _list(record, "rows", where)]
    return _bank_from_lines(lines, where)


def _list(record: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = record.get(name, [])
    if not isinstance(value, list):
        raise ReadError(f"{where}: expected a list as {name!r}, found {type(value).__name__}")
    return value


def _bank_from_lines(lines: Iterable[Any], where: str) -> QuestionBank:
    """The bank whose head, questions, problems and rows come one after another.

    Args:
        lines: What each line holds, as json has it, or the error that it holds none.
        where: The file's name, for messages.

    Raises:
        ReadError: If a line is an error, of another version, or damaged.
    """
    head: Mapping[str, Any] = {}
    questions: list[Question] = []
    problems: list[RowProblem] = []
    rows: dict[Origin, Mapping[str, Any]] = {}
    number = 0
    try:
        for number, line in enumerate(lines):
            if isinstance(line, ReadError):
                raise ReadError(str(line)) from line
            if number == 0:
                head = line
                if head.get("version") != VERSION:
                    raise ReadError(
                        f"{where}: a bank of version {head.get('version')!r}; this release reads "
                        f"version {VERSION}"
                    )
            elif "problem" in line:
                problems.append(_validated(RowProblem, line["problem"]))
            elif "row" in line:
                rows[_origin(line["row"]["origin"])] = line["row"]["cells"]
            else:
                questions.append(question_from_record(line))
        header_rows = tuple(map(_origin, head.get("header_rows", ())))
        table = SourceTable(tuple(head.get("headers", ())), rows, header_rows)
        return QuestionBank(questions, problems, head.get("columns"), table)
    except (TypeError, KeyError, ValueError, AttributeError, QuestionError) as error:
        raise ReadError(
            f"{where}: expected a saved bank, but its part {number} is damaged "
            f"({type(error).__name__}: {error}); save it again"
        ) from error


def question_from_record(record: Mapping[str, Any]) -> Question:
    """The question that :func:`question_to_record` wrote.

    Raises:
        ValueError: If a field is unknown or of another type: a damaged bank must not become odd
            questions.
        TypeError: If a field is missing.
        QuestionError: If the fields contradict each other.
    """
    values = dict(record)
    for name in ("options", "labels", "answer"):
        if isinstance(values.get(name), list):
            values[name] = tuple(values[name])
    if values.get("origin") is not None:
        values["origin"] = _origin(values["origin"])
    return _validated(Question, values)


def _origin(record: Any) -> Origin:
    file, sheet, row = record
    return Origin(str(file), str(sheet), int(row))


@functools.cache
def _adapters(kind: Any) -> dict[str, TypeAdapter[Any]]:
    """For each field of a question or problem, what checks its declared type strictly.

    Of the whole dataclass pydantic would take instances only in strict mode, and would let
    unknown fields pass in the other one.
    """
    from pydantic import ConfigDict, TypeAdapter

    strict = ConfigDict(strict=True)
    return {name: TypeAdapter(hint, config=strict) for name, hint in get_type_hints(kind).items()}


def _validated(kind: type[T], values: Mapping[str, Any]) -> T:
    from pydantic import ValidationError

    # mypy takes __hash__ of the instances for that of the class.
    adapters = _adapters(kind)  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in adapters:
            raise ValueError(f"it has the unknown field {name!r}")
        try:
            adapters[name].validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(f"{name}: {first['msg']}, found {first['input']!r:.80}") from error
    return kind(**values)
