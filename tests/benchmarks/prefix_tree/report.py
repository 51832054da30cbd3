"""One run → its tables."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from prefix_tree.answers import (
    TIES,
    best,
    harness_differences,
    llama_cpp_differences,
    pipeline_differences,
    plain_differences,
)
from prefix_tree.arithmetic import ModelShape, forward_operations, training_operations
from prefix_tree.plan import Side
from prefix_tree.runs import Key, Record, Round, Run

__all__ = [
    "agreement_table",
    "audit_lines",
    "best_table",
    "best_variants",
    "matmul_shares",
    "orders_line",
    "prediction_table",
    "spread",
    "training_table",
    "trials_table",
    "write_table",
]


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """The median, and the lowest and highest: ``"1.20 (1.00–1.40)"``."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}}–{high:{form}})"


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def trials_table(run: Run) -> str:
    """Questions a second and memory of each batch size tried; the fastest of each side in bold."""
    speeds = {
        (trial["side"], trial["dtype"], trial["batch"]): trial["questions"] / trial["seconds"]
        for trial in run.trials
        if "failed" not in trial
    }
    rows = []
    for trial in run.trials:
        named = [f"`{trial['side']}`", trial["dtype"], str(trial["batch"])]
        if "failed" in trial:
            rows.append([*named, trial["failed"], "", ""])
            continue
        key = (trial["side"], trial["dtype"], trial["batch"])
        mark = "**" if speeds[key] == max(v for k, v in speeds.items() if k[:2] == key[:2]) else ""
        widest = max(int(count * width) for count, width in trial["rows"])
        rows.append([*named, f"{mark}{speeds[key]:.2f}{mark}", f"{widest:,}", _memory([trial])])
    head = ["side", "dtype", "batch", "questions/s", "most tokens of a forward pass"]
    return write_table([*head, "peak memory"], rows)


def training_table(run: Run) -> str:
    """Every training side in every dtype: speed, tokens, arithmetic rate, memory and loss."""
    head = [
        *("side", "dtype", "batch", "questions/s", "this engine is faster by"),
        *("tokens given", "computed, with padding", "of a plain matmul's rate"),
        *("peak memory", "mean loss"),
    ]
    rows = []
    for side, dtype in run.keys("train"):
        records = run.turns((side.name, dtype))
        loss = statistics.mean(record["loss"] for record in records)
        rows.append([*_common(run, side, dtype), f"{loss:.3f}"])
    return write_table(head, rows)


def prediction_table(run: Run) -> str:
    """Every predicting side in every dtype: speed, tokens, arithmetic rate, memory and answers."""
    head = [
        *("side", "dtype", "batch", "questions/s", "this engine is faster by"),
        *("tokens given", "computed, with padding", "of a plain matmul's rate"),
        *("peak memory", "right", "answers that differ from this engine's"),
    ]
    rows = []
    for side, dtype in run.keys("predict"):
        if side.name == "orders":
            continue
        records = run.turns((side.name, dtype))
        right = sum(
            one == key
            for record in records
            for one, key in zip(_answers(record), record["keys"], strict=True)
        )
        asked = sum(record["questions"] for record in records)
        cells = [f"{right} of {asked}", _differences(run, side, dtype)]
        rows.append([*_common(run, side, dtype), *cells])
    return write_table(head, rows)


def best_variants(run: Run) -> dict[str, tuple[Side, str]]:
    """Each side in the dtype in which its median speed is the highest, by its name."""
    chosen: dict[str, tuple[Side, str]] = {}
    for kind in ("train", "predict"):
        for side, dtype in run.keys(kind):
            if side.name == "orders":
                continue
            speed = statistics.median(run.speeds((side.name, dtype)))
            known = chosen.get(side.name)
            if known is None or speed > statistics.median(run.speeds((side.name, known[1]))):
                chosen[side.name] = (side, dtype)
    return chosen


def best_table(run: Run) -> str:
    """Each side in its fastest dtype, against this engine in its fastest."""
    chosen = best_variants(run)
    rows = []
    for side, dtype in chosen.values():
        key, ratios = (side.name, dtype), best_ratios(run, side.name, chosen)
        rows.append(
            [
                *(f"`{side.name}`", dtype, spread(run.speeds(key))),
                spread(ratios) if ratios else "–",
            ]
        )
    return write_table(["side", "its best dtype", "questions/s", "this engine is faster by"], rows)


def best_ratios(run: Run, name: str, chosen: dict[str, tuple[Side, str]]) -> list[float]:
    """How many times as fast this engine was, both in their best dtypes, of each round."""
    side, dtype = chosen[name]
    against = chosen.get(side.against)
    return run.ratios((name, dtype), (side.against, against[1])) if against else []


def agreement_table(run: Run, candidates: str) -> str:
    """How many answers each two sides have in common; empty with fewer than two sides.

    Args:
        run: The run.
        candidates: ``"labels"`` or ``"texts"``.
    """
    prompt = {"labels": "zh-exam", "texts": "zh-cloze"}[candidates]
    keys = [
        (side.name, dtype)
        for side, dtype in run.keys("predict")
        if side.prompt == prompt and side.name != "orders"
    ]
    if len(keys) < 2:
        return ""
    names = [f"`{name}`, {dtype}" for name, dtype in keys]
    rows = [
        [name, *(_common_answers(run, one, other) if other != one else "–" for other in keys)]
        for name, one in zip(names, keys, strict=True)
    ]
    return write_table(["answers in common", *names], rows)


def _common_answers(run: Run, one: Key, other: Key) -> str:
    pairs = [
        pair
        for done in run.rounds.values()
        if one in done.turns and other in done.turns
        for pair in zip(_answers(done.turns[one]), _answers(done.turns[other]), strict=True)
    ]
    return f"{sum(a == b for a, b in pairs)} of {len(pairs)}"


def orders_line(run: Run) -> str:
    """What four orders of the options cost, in terms of one; empty if it was not measured."""
    lines = ""
    for side, dtype in run.keys("predict"):
        if side.name != "orders":
            continue
        records = run.turns((side.name, dtype))
        times = [record["seconds_four"] / record["seconds_one"] for record in records]
        tokens = [record["computed_four"] / record["computed_one"] for record in records]
        lines += (
            f"Four option orders in {dtype} cost {spread(times)} times one order "
            f"({spread(tokens)} times the tokens computed).\n"
        )
    return lines


def audit_lines(run: Run) -> str:
    """How close the harness's log-likelihoods are to this engine's on the harness's own tokens."""
    lines = ""
    for candidates in ("labels", "texts"):
        pairs = []
        for done in run.rounds.values():
            audit = done.audits.get(candidates)
            theirs = audit and done.turns.get((f"{candidates}-harness", audit["dtype"]))
            if audit is not None and theirs and audit["their_tokens"] is not None:
                pairs.append((theirs["scores"], audit))
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
            f"{candidates}, {pairs[0][1]['dtype']}: given the harness's own tokens, this engine's "
            f"scores are within {max(gaps):.2g} of the harness's, and {flips} of {total} answers "
            f"differ; {seams} of {total} questions have other tokens at a seam.\n"
        )
    return lines


def _common(run: Run, side: Side, dtype: str) -> list[str]:
    """The cells that training and prediction have in common."""
    key = (side.name, dtype)
    records = run.turns(key)
    batches = ", ".join(map(str, dict.fromkeys(record["batch"] for record in records)))
    ratios = run.ratios(key, (side.against, dtype)) if side.against else []
    given = sum(record["given"] for record in records)
    computed = sum(count * width for record in records for count, width in record["rows"])
    shares = matmul_shares(run, side, dtype)
    return [
        *(f"`{side.name}`", dtype, batches, spread(run.speeds(key))),
        spread(ratios) if ratios else "–",
        *(f"{given:,}", f"{computed:,} ({given / computed:.2f} given for one)"),
        f"{spread(shares, '.0f')} %" if shares else "–",
        _memory(records),
    ]


def _memory(records: Sequence[Record]) -> str:
    """The highest peak; marked where it was reached before the measured part."""
    top = max(records, key=lambda record: int(record["peak"]))
    mark = " (while loading)" if top["peak"] == top["peak_before"] else ""
    return f"{top['peak'] / 2**30:.2f} GiB{mark}"


def matmul_shares(run: Run, side: Side, dtype: str) -> list[float]:
    """The arithmetic rate over computed tokens, in percent of the matmuls' in the same dtype.

    One figure for each round; none for a side whose tokens cannot be told from padding.
    """
    operations = training_operations if side.kind == "train" else forward_operations
    shares = []
    for done in run.rounds.values():
        record, matmul = done.turns.get((side.name, dtype)), done.matmuls.get(dtype)
        if record is None or record["tokens"] is None or matmul is None:
            continue
        shape = ModelShape(**matmul["shape"])
        counted = operations(shape, record["tokens"], record["projected"], record["rows"])
        reference = matmul["rates"][0 if side.kind == "train" else 1]
        shares.append(100 * counted / record["seconds"] / reference)
    return shares


def _answers(record: Record) -> list[int | None]:
    return record["answers"] if "answers" in record else [*best(record["scores"])]


def _differences(run: Run, side: Side, dtype: str) -> str:
    """How many answers differ from this engine's in the same dtype, and why each does."""
    if not side.against:
        return "–"
    total, reasons = 0, Counter[str]()
    for done in run.rounds.values():
        record = done.turns.get((side.name, dtype))
        ours = _engine_record(done, side, dtype)
        if record is None or ours is None:
            continue
        total += len(ours["scores"])
        audit = done.audits.get("texts" if side.prompt == "zh-cloze" else "labels")
        if side.run == "engine.score":
            reasons += plain_differences(ours["scores"], record["scores"], TIES[dtype])
        elif audit is None:
            return "not compared: the audit is missing"
        elif side.name == "llama-cpp":
            reasons += llama_cpp_differences(ours["scores"], record["answers"], audit)
        elif "answers" in record:
            reasons += pipeline_differences(ours["scores"], record["answers"], audit)
        elif audit["their_tokens"] is None:
            return "not compared: the audit is of another run"
        else:
            reasons += harness_differences(ours["scores"], record["scores"], audit, TIES[dtype])
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return f"{reasons.total()} of {total}" + (f": {why}" if why else "")


def _engine_record(done: Round, side: Side, dtype: str) -> Record | None:
    """This engine's record in the same dtype; of a side with a format of its own in fp32."""
    return done.turns.get((side.against, "float32" if side.dtype else dtype))
