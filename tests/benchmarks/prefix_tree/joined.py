"""Several runs → tables with the range over them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from prefix_tree.plan import SIDES, Side
from prefix_tree.report import (
    best_ratios,
    best_variants,
    matmul_shares,
    spread,
    write_table,
)
from prefix_tree.runs import Run

__all__ = ["joined_best_table", "joined_table", "run_range"]


def run_range(runs: Sequence[Sequence[float]], form: str = ".2f") -> str:
    """The range of the runs' medians and, in brackets, of all rounds; a dash without any.

    Args:
        runs: For each run its rounds' values; a run without any is left out.
        form: How a number is written.
    """
    there = [values for values in runs if values]
    if not there:
        return "–"
    medians = [statistics.median(values) for values in there]
    rounds = [value for values in there for value in values]
    low, high = f"{min(medians):{form}}", f"{max(medians):{form}}"
    middle = low if low == high else f"{low}–{high}"
    return f"{middle} ({min(rounds):{form}}–{max(rounds):{form}})"


def joined_table(runs: Sequence[Run], kind: str) -> str:
    """Every side of a kind in every dtype: the speed of each run, and ranges over the runs."""
    keys = [key for run in runs for key in run.keys(kind) if key[0].name != "orders"]
    rows = [
        [
            *(f"`{side.name}`", dtype),
            *(_speed(run, side, dtype) for run in runs),
            run_range([run.ratios((side.name, dtype), (side.against, dtype)) for run in runs]),
            _percent(run_range([matmul_shares(run, side, dtype) for run in runs], ".0f")),
        ]
        for side, dtype in sorted(dict.fromkeys(keys), key=lambda key: SIDES.index(key[0]))
    ]
    return write_table(
        [*_head(runs, "dtype"), "this engine is faster by", "of a plain matmul's rate"], rows
    )


def joined_best_table(runs: Sequence[Run]) -> str:
    """Each side in each run's best dtype, against this engine in its best."""
    chosen = [best_variants(run) for run in runs]
    rows = []
    for side in SIDES:
        if not any(side.name in best for best in chosen):
            continue
        dtypes = dict.fromkeys(best[side.name][1] for best in chosen if side.name in best)
        ratios = [
            best_ratios(run, side.name, best)
            for run, best in zip(runs, chosen, strict=True)
            if side.name in best
        ]
        speeds = [
            _speed(run, *best[side.name]) if side.name in best else "–"
            for run, best in zip(runs, chosen, strict=True)
        ]
        rows.append([f"`{side.name}`", ", ".join(dtypes), *speeds, run_range(ratios)])
    return write_table([*_head(runs, "best dtype"), "this engine is faster by"], rows)


def _head(runs: Sequence[Run], dtype: str) -> list[str]:
    return ["side", dtype, *(f"questions/s, run {number}" for number in range(1, len(runs) + 1))]


def _speed(run: Run, side: Side, dtype: str) -> str:
    speeds = run.speeds((side.name, dtype))
    return spread(speeds) if speeds else "–"


def _percent(text: str) -> str:
    return text if text == "–" else f"{text} %"
