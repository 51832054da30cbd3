"""Records of all rounds → the tables that are printed."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from prefix_tree.answers import (
    best,
    harness_differences,
    pipeline_differences,
    plain_differences,
)
from prefix_tree.arithmetic import ModelShape, forward_operations, training_operations
from prefix_tree.plan import SIDES, Side

__all__ = [
    "audit_lines",
    "calibration_table",
    "orders_line",
    "prediction_table",
    "spread",
    "training_table",
    "write_table",
]

Record = dict[str, Any]
# For each round its sides' records by name, and with them "questions", "keys" and "matmul".
Rounds = Sequence[Record]


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """The median, and the lowest and highest: ``"1.20 (1.00–1.40)"``."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}}–{high:{form}})"


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def calibration_table(trials: Sequence[tuple[str, int, Record]], questions: int) -> str:
    """Questions a second and memory of each batch size tried.

    Args:
        trials: The side's name, the batch size and the record.
        questions: How many questions each trial had.
    """
    rows = [
        [
            name,
            str(batch),
            f"{questions / record['seconds']:.2f}",
            f"{widest(record):,}" if record["rows"] else "",
            memory([record]),
        ]
        for name, batch, record in trials
    ]
    head = ["side", "batch", "questions/s", "most tokens of a forward pass", "peak memory"]
    return write_table(head, rows)


def training_table(rounds: Rounds) -> str:
    """Every training side: speed, tokens, arithmetic rate, memory and loss."""
    head = [
        *("side", "batch", "questions/s", "this engine is faster by"),
        *("tokens given", "computed, with padding", "of a plain matmul's rate"),
        *("peak memory", "mean loss"),
    ]
    rows = []
    for side, records in _measured(rounds, "train"):
        loss = statistics.mean(record["loss"] for record in records)
        rows.append(
            [
                *_speed(rounds, side, records),
                *_tokens(records),
                _rate(rounds, side),
                memory(records),
                f"{loss:.3f}",
            ]
        )
    return write_table(head, rows)


def prediction_table(rounds: Rounds) -> str:
    """Every predicting side: speed, tokens, arithmetic rate, memory and answers."""
    head = [
        *("side", "batch", "questions/s", "this engine is faster by"),
        *("tokens given", "computed, with padding", "of a plain matmul's rate"),
        *("peak memory", "right", "answers that differ from this engine's"),
    ]
    rows = []
    for side, records in _measured(rounds, "predict"):
        if side.name == "orders":
            continue
        answered = [_answers(record) for record in records]
        keys = [done["keys"] for done in rounds if side.name in done]
        right = sum(
            one == key
            for found, gold in zip(answered, keys, strict=True)
            for one, key in zip(found, gold, strict=True)
        )
        rows.append(
            [
                *_speed(rounds, side, records),
                *_tokens(records),
                _rate(rounds, side),
                memory(records),
                f"{right} of {sum(map(len, keys))}",
                _differences(rounds, side),
            ]
        )
    return write_table(head, rows)


def orders_line(rounds: Rounds) -> str:
    """What four orders of the options cost, in terms of one."""
    records = [done["orders"] for done in rounds if "orders" in done]
    if not records:
        return ""
    times = [record["seconds_four"] / record["seconds_one"] for record in records]
    tokens = [record["computed_four"] / record["computed_one"] for record in records]
    return (
        f"Four option orders cost {spread(times)} times one order "
        f"({spread(tokens)} times the tokens computed).\n"
    )


def audit_lines(rounds: Rounds) -> str:
    """How close the harness's log-likelihoods are to this engine's on the harness's own tokens."""
    lines = ""
    for kind in ("labels", "texts"):
        pairs = [
            (done[f"{kind}-harness"]["scores"], done[f"{kind}-audit"])
            for done in rounds
            if f"{kind}-audit" in done and f"{kind}-harness" in done
        ]
        if not pairs:
            continue
        gaps = [
            abs(one - other)
            for theirs, audit in pairs
            for row, same in zip(theirs, audit["their_tokens"], strict=True)
            for one, other in zip(row, same, strict=True)
        ]
        flips = sum(
            sum(plain_differences(audit["their_tokens"], theirs).values())
            for theirs, audit in pairs
        )
        seams = sum(not same for _, audit in pairs for same in audit["same_tokens"])
        total = sum(len(theirs) for theirs, _ in pairs)
        lines += (
            f"{kind}: given the harness's own tokens, this engine's scores are within "
            f"{max(gaps):.2g} of the harness's, and {flips} of {total} answers differ; {seams} of "
            f"{total} questions have other tokens at a seam.\n"
        )
    return lines


def widest(record: Record) -> int:
    """The most positions of a forward pass."""
    return max(int(count * width) for count, width in record["rows"])


def memory(records: Sequence[Record]) -> str:
    """The highest peak; marked where it was reached before the measured part."""
    top = max(records, key=lambda record: int(record["peak"]))
    mark = " (while loading)" if top["peak"] == top["peak_before"] else ""
    return f"{top['peak'] / 2**30:.2f} GiB{mark}"


def _measured(rounds: Rounds, kind: str) -> list[tuple[Side, list[Record]]]:
    found = []
    for side in SIDES:
        records = [done[side.name] for done in rounds if side.name in done]
        if side.kind == kind and records:
            found.append((side, records))
    return found


def _speed(rounds: Rounds, side: Side, records: Sequence[Record]) -> list[str]:
    speeds = [
        done["questions"] / done[side.name]["seconds"] for done in rounds if side.name in done
    ]
    ratios = [
        done[side.name]["seconds"] / done[side.against]["seconds"]
        for done in rounds
        if side.name in done and side.against in done
    ]
    return [side.name, str(records[0]["batch"]), spread(speeds), spread(ratios) if ratios else "–"]


def _tokens(records: Sequence[Record]) -> list[str]:
    given = sum(record["given"] for record in records)
    computed = sum(count * width for record in records for count, width in record["rows"])
    return [f"{given:,}", f"{computed:,} ({given / computed:.2f} given for one)"]


def _rate(rounds: Rounds, side: Side) -> str:
    """Arithmetic rate over computed tokens, as a share of the matmuls' of the same round."""
    operations = training_operations if side.kind == "train" else forward_operations
    shares = []
    for done in rounds:
        record = done.get(side.name)
        if record is None or record["tokens"] is None or "matmul" not in done:
            continue
        shape = ModelShape(**done["matmul"]["shape"])
        counted = operations(shape, record["tokens"], record["projected"], record["rows"])
        reference = done["matmul"]["rates"][0 if side.kind == "train" else 1]
        shares.append(100 * counted / record["seconds"] / reference)
    return f"{spread(shares, '.0f')} %" if shares else "–"


def _answers(record: Record) -> list[int | None]:
    return record["answers"] if "answers" in record else [*best(record["scores"])]


def _differences(rounds: Rounds, side: Side) -> str:
    if not side.against:
        return "–"
    reasons: Counter[str] = Counter()
    total = 0
    for done in rounds:
        if side.name not in done or side.against not in done:
            continue
        ours, record = done[side.against]["scores"], done[side.name]
        total += len(ours)
        audit = done.get(f"{side.name.partition('-')[0]}-audit")
        if side.name.endswith("-flat"):
            reasons += plain_differences(ours, record["scores"])
        elif audit is None:
            return "not compared: the audit is missing"
        elif "answers" in record:
            reasons += pipeline_differences(ours, record["answers"], audit)
        else:
            reasons += harness_differences(ours, record["scores"], audit)
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return f"{reasons.total()} of {total}" + (f": {why}" if why else "")
