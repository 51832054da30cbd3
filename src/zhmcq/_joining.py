"""Banks → one bank: ids stay unique, positions and cells stay those of their questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # questions.py imports this module
    from zhmcq.questions import Origin, Question, QuestionBank, RowProblem, SourceTable

__all__ = ["JoinedParts", "distinct_name", "file_prefix", "joined_parts"]


class JoinedParts(NamedTuple):
    """What a bank that was joined consists of, in the order of its constructor."""

    questions: list[Question]
    problems: list[RowProblem]
    columns: dict[str, str]
    table: SourceTable


def joined_parts(banks: Sequence[QuestionBank]) -> JoinedParts:
    """The parts of all banks, one after another.

    An id that another file or sheet has already gets the name of its own file or sheet in front
    (``乙:12``), and ``#2``, ``#3`` … if that is taken too. Where two banks have other cells for
    the same row of a file of one name, the second is another file, and its name gets a number.

    Args:
        banks: The banks, at least one.
    """
    joined = JoinedParts([], [], {}, type(banks[0].table)())
    ids = _JoinedIds()
    for bank in banks:
        names = _new_names(joined.table, bank.table)
        table = bank.table
        if names:
            rows = {_renamed(origin, names): cells for origin, cells in table.rows.items()}
            header_rows = tuple(_renamed(origin, names) for origin in table.header_rows)
            table = replace(table, rows=rows, header_rows=header_rows)
        count = len(joined.questions)
        for question in bank:
            origin = question.origin and _renamed(question.origin, names)
            unique = ids.take(question.id, origin)
            same = unique == question.id and origin is question.origin
            joined.questions.append(
                question if same else replace(question, id=unique, origin=origin)
            )
        joined.problems.extend(
            replace(p, position=p.position + count, file=names.get(p.file, p.file))
            for p in bank.problems
        )
        joined = joined._replace(
            columns={**bank.columns, **joined.columns}, table=joined.table + table
        )
    return joined


@lru_cache(maxsize=16)
def file_prefix(file: str) -> str:
    """What stands before an id to say which file it is of: its name without folder and suffix."""
    return PurePath(file.strip("<>")).stem


def distinct_name(name: str, number: int) -> str:
    """The name of another file that would be called ``name`` as well: ``bank (2).xlsx``."""
    if name.endswith(">"):
        return f"{name[:-1]} {number}>"
    path = PurePath(name)
    return str(path.with_name(f"{path.stem} ({number}){path.suffix}")) if path.name else name


class _JoinedIds:
    """Remembers who has which id."""

    def __init__(self) -> None:
        self._owners: dict[str, Origin | None] = {}
        self._repeats: dict[str, int] = {}

    def take(self, wanted: str, origin: Origin | None) -> str:
        """The id of a question that its own bank calls ``wanted``."""
        base = wanted
        if wanted in self._owners and (prefix := _prefix(origin, self._owners[wanted])):
            base = f"{prefix}:{wanted}"
        unique, number = base, self._repeats.get(base, 1)
        while unique in self._owners:
            number += 1
            unique = f"{base}#{number}"
        self._repeats[base] = number
        self._owners[unique] = origin
        return unique


def _prefix(origin: Origin | None, owner: Origin | None) -> str:
    """What tells two rows apart that have one id; ``""`` within one sheet, or in no file."""
    if origin is None:
        return ""
    if owner is None or owner.file != origin.file:
        return file_prefix(origin.file)
    return origin.sheet if owner.sheet != origin.sheet else ""


def _new_names(table: SourceTable, other: SourceTable) -> dict[str, str]:
    """New names for files whose rows are other rows in a table than in another."""
    files = {origin.file for origin in table.rows}
    differing = {
        origin.file
        for origin, cells in other.rows.items()
        if origin.file in files and _differ(table.rows.get(origin), cells)
    }
    taken = files | {origin.file for origin in other.rows}
    names: dict[str, str] = {}
    for file in sorted(differing):
        number = 2
        while distinct_name(file, number) in taken:
            number += 1
        names[file] = distinct_name(file, number)
        taken.add(names[file])
    return names


def _differ(cells: Mapping[str, Any] | None, others: Mapping[str, Any]) -> bool:
    return cells is not None and cells is not others and dict(cells) != dict(others)


def _renamed(origin: Origin, names: Mapping[str, str]) -> Origin:
    return replace(origin, file=names[origin.file]) if origin.file in names else origin
