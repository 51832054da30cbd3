"""The records of a run, as they are measured or read back from a file of results.

A file of results has one JSON object a line. The first says what was run and on what (``stage``
``"run"``); each further one is a measurement: a trial of a batch size (``"trial"``), a turn of a
side in a round (``"round"``), plain matmuls (``"matmul"``) or what explains differing answers
(``"audit"``). ``what`` names it, so that a run that was cut off knows what it has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefix_tree.plan import SIDES, Side

__all__ = ["Key", "Record", "Round", "Run", "check_same_run", "read_records", "read_run"]

Record = dict[str, Any]
Key = tuple[str, str]  # the name of a side, and the dtype
SETUP = ("machine", "model", "questions", "train_questions", "trial_questions")


@dataclass(slots=True)
class Round:
    """What one round measured.

    Attributes:
        turns: The record of each side in each dtype.
        matmuls: Plain matmuls by dtype.
        audits: What explains differing answers, by the kind of candidates.
    """

    turns: dict[Key, Record] = field(default_factory=dict)
    matmuls: dict[str, Record] = field(default_factory=dict)
    audits: dict[str, Record] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """One run of the benchmark.

    Attributes:
        setup: What was run, and on what.
        trials: The trials of batch sizes, those that did not fit in memory included.
        rounds: The rounds by number.
    """

    setup: Record
    trials: list[Record] = field(default_factory=list)
    rounds: dict[int, Round] = field(default_factory=dict)

    @classmethod
    def from_records(cls, records: Iterable[Record]) -> Run:
        """Sort records by what they are.

        Raises:
            ValueError: If none says what was run.
        """
        records = list(records)
        setups = [record for record in records if record["stage"] == "run"]
        if not setups:
            raise ValueError(
                "expected a first line that says what was run, found none: the results are of an "
                "older version of the benchmark; measure again"
            )
        run = cls(setups[0])
        for record in records:
            stage = record["stage"]
            if stage == "run":
                continue
            if stage == "trial":
                run.trials.append(record)
                continue
            done = run.rounds.setdefault(record["round"], Round())
            if stage == "matmul":
                done.matmuls[record["dtype"]] = record
            elif stage == "audit":
                done.audits[record["candidates"]] = record
            elif "failed" not in record:
                done.turns[record["side"], record["dtype"]] = record
        return run

    def keys(self, kind: str) -> list[tuple[Side, str]]:
        """The sides of a kind that any round measured, each with its dtype, in the usual order."""
        measured = {key for done in self.rounds.values() for key in done.turns}
        dtypes = list(dict.fromkeys(dtype for _, dtype in sorted(measured, key=_dtype_order)))
        return [
            (side, dtype)
            for side in SIDES
            for dtype in dtypes
            if side.kind == kind and (side.name, dtype) in measured
        ]

    def turns(self, key: Key) -> list[Record]:
        """The records of a side in a dtype, of each round that has it."""
        return [done.turns[key] for done in self.rounds.values() if key in done.turns]

    def speeds(self, key: Key) -> list[float]:
        """Questions a second, of each round."""
        return [record["questions"] / record["seconds"] for record in self.turns(key)]

    def ratios(self, key: Key, against: Key) -> list[float]:
        """How many times as fast another side was on the same questions, of each round."""
        return [
            done.turns[key]["seconds"] / done.turns[against]["seconds"]
            for done in self.rounds.values()
            if key in done.turns and against in done.turns
        ]


def _dtype_order(key: Key) -> tuple[bool, str]:
    return key[1] != "float32", key[1]


def read_records(path: Path) -> list[Record]:
    """The records of a file of results; none if there is no such file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_run(path: Path) -> Run:
    """The run of a file of results.

    Raises:
        ValueError: If the file is missing, or has no run.
    """
    records = read_records(path)
    if not records:
        raise ValueError(f"expected a file of results at {path}, found none")
    return Run.from_records(records)


def check_same_run(recorded: Record, setup: Record) -> None:
    """Refuse to add measurements of another machine, model or size to a file of results.

    Raises:
        ValueError: If what was run, or what it was run on, is something else.
    """
    differences = [
        f"{name}: {recorded.get(name)!r} there, {setup[name]!r} now"
        for name in SETUP
        if recorded.get(name) != setup[name]
    ]
    if differences:
        raise ValueError(
            f"the results are of another run ({'; '.join(differences)}): give another file, or the "
            "arguments that it was begun with"
        )
