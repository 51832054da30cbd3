"""What reading a passage once is worth: this engine beside its peers, on the same questions.

Needs the extra ``bench``. From the root of the repository::

    python tests/benchmarks/bench_prefix_tree.py --model FOLDER --train AI.xlsx

Every measurement has a process of its own, so that its peak memory is its own. First each side
finds its fastest batch size in each dtype; then all take turns, round by round, each round with
questions of its own. ``docs/en/benchmarks.md`` says what each side does and how to read the tables.
Leave the machine alone meanwhile. Several runs are shown as one by ``--join``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zhmcq
from page_blocks import rewritten
from prefix_tree import machine
from prefix_tree.bench import Bench
from prefix_tree.estimate import Measurement, remaining_minutes
from prefix_tree.page import page
from prefix_tree.plan import (
    DTYPES,
    QUESTIONS_PER_STEP,
    SIDES,
    USUAL_SIDES,
    Job,
    Side,
    Variant,
    draw,
    variants,
)
from prefix_tree.runs import Record, Run, read_run
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank

DEFAULT_ROWS = 512  # of the plain matmuls, where no side of this engine was measured
AUDIT_BATCH = 4


def calibrate(
    bench: Bench,
    measured: Sequence[Variant],
    sizes: Sequence[int],
    banks: Mapping[str, QuestionBank],
) -> dict[Variant, list[int]]:
    """For each side in each dtype the batch sizes to use in rounds: the fastest, and smaller ones.

    The smaller ones are there for a round whose questions are longer than those of the trials, so
    that the fastest does not fit in memory.
    """
    chosen = {}
    for variant in measured:
        tried = {}
        batches = variant.side.batches(sizes)
        for batch in batches if len(batches) > 1 else ():
            record = bench.turn(variant, batch, banks[variant.side.kind], {"stage": "trial"})
            if record is not None and "failed" not in record:
                tried[batch] = record["seconds"]
        best = min(tried, key=tried.__getitem__) if tried else batches[0]
        smaller = sorted((batch for batch in tried if batch < best), reverse=True)
        chosen[variant] = [best, *smaller]
        if best in tried:
            bench.seconds[variant] = tried[best] / len(banks[variant.side.kind])
    return chosen


def measure_round(
    bench: Bench,
    turns: Sequence[Variant],
    chosen: Mapping[Variant, Sequence[int]],
    banks: Mapping[str, QuestionBank],
    number: int,
) -> None:
    """One turn of every side in every dtype on the same questions, plain matmuls and audits."""
    labels = {"stage": "round", "round": number}
    done: dict[tuple[str, str], Record] = {}
    for variant in turns:
        for batch in chosen[variant]:
            record = bench.turn(variant, batch, banks[variant.side.kind], labels)
            if record is None:
                break
            if "failed" not in record:
                done[variant.side.name, variant.dtype] = record
                break
        else:
            bench.failed.append(f"round {number}, {variant.side.name}, {variant.dtype}: memory")
    # llama.cpp alone has a format of its own: it is compared with fp32.
    dtypes = [dtype for dtype in DTYPES if any(one.dtype == dtype for one in turns)] or DTYPES[:1]
    for dtype in dtypes:
        rows = [_mean_rows(done.get((tree, dtype))) for tree in ("train-tree", "labels-tree")]
        bench.run(
            f"round {number}, plain matmuls, {dtype}",
            "matmul.measure",
            None,
            {"model": bench.model, "tokens": rows, "dtype": dtype},
            {"stage": "matmul", "round": number, "dtype": dtype},
        )
    for candidates, prompt in (("labels", "zh-exam"), ("texts", "zh-cloze")):
        if not any(one.side.prompt == prompt and _is_scored_by_a_peer(one.side) for one in turns):
            continue
        theirs = next(
            (done[key] for key in ((f"{candidates}-harness", d) for d in dtypes) if key in done),
            None,
        )
        bench.run(
            f"round {number}, audit of {candidates}",
            "engine.audit",
            Job(bench.model, "predict", prompt, AUDIT_BATCH, dtypes[0], tuple(banks["predict"])),
            {"sequences": theirs and theirs["sequences"]},
            {"stage": "audit", "round": number, "candidates": candidates, "dtype": dtypes[0]},
        )


def _is_scored_by_a_peer(side: Side) -> bool:
    return side.kind == "predict" and not side.run.startswith("engine.")


def _mean_rows(record: Record | None) -> int:
    """Positions of this side's mean forward pass: as many rows a plain matmul gets."""
    if record is None:
        return DEFAULT_ROWS
    positions = sum(int(count * width) for count, width in record["rows"])
    return round(positions / len(record["rows"]))


def pending(
    bench: Bench, measured: Iterable[Variant], parsed: argparse.Namespace, *, trials: bool
) -> list[Measurement]:
    """What is still to be measured: trials if wanted, and all rounds.

    The matmuls and the audits are not in it: they take seconds. Nor is what the results hold.
    """
    known = [record for record in bench.records if record["stage"] in ("trial", "round")]
    rest = []
    for variant in measured:
        side, dtype = variant.side, variant.dtype
        mine = [one for one in known if (one["side"], one["dtype"]) == (side.name, dtype)]
        rounds = {one["round"] for one in mine if one["stage"] == "round"}
        questions = parsed.train_questions if side.kind == "train" else parsed.questions
        rest += [Measurement(variant, questions)] * (parsed.rounds - len(rounds))
        batches = side.batches(parsed.batch_sizes)
        if trials and len(batches) > 1:
            tried = sum(one["stage"] == "trial" for one in mine)
            rest += [Measurement(variant, parsed.trial_questions)] * (len(batches) - tried)
    return rest


def runnable(sides: Sequence[Side], model: str) -> list[Side]:
    """The sides that can run here; says why one can't."""
    if not any(side.name == "llama-cpp" for side in sides):
        return list(sides)
    problem = ""
    if importlib.util.find_spec("xllamacpp") is None:
        problem = "xllamacpp is not installed: pip install xllamacpp"
    elif Path(model) != zhmcq.demo_model().resolve():
        problem = "it has a GGUF of the demo model only: give that as --model"
    if problem:
        print(f"llama-cpp is left out; {problem}", file=sys.stderr)
    return [side for side in sides if not problem or side.name != "llama-cpp"]


def measure(parsed: argparse.Namespace) -> tuple[Run, list[str]]:
    """Measure what the arguments ask for; the run, and what failed."""
    model = str(Path(parsed.model).resolve())
    wanted = [side for side in SIDES if side.name in parsed.sides or "all" in parsed.sides]
    measured = variants(runnable(wanted, model), parsed.dtypes)
    counts = [parsed.trial_questions] + [parsed.questions, parsed.train_questions] * parsed.rounds
    trial_bank, *drawn = draw(read_bank(parsed.train), counts)
    bench = Bench(model, parsed.results, os.environ.get("OMP_NUM_THREADS", str(os.cpu_count())))
    setup: dict[str, Any] = {
        "machine": machine.describe(bench.threads),
        "model": Path(model).name,
        "questions": parsed.questions,
        "train_questions": parsed.train_questions,
        "trial_questions": parsed.trial_questions,
    }
    bench.begin(setup)
    _say_rest(pending(bench, measured, parsed, trials=True), bench)
    chosen = calibrate(
        bench, measured, parsed.batch_sizes, {"train": trial_bank, "predict": trial_bank}
    )
    for number in range(1, parsed.rounds + 1):
        _say_rest(pending(bench, measured, parsed, trials=False), bench)
        banks = {"predict": drawn[2 * number - 2], "train": drawn[2 * number - 1]}
        # There and back, so that no side always has the machine at its warmest.
        turns = measured if number % 2 else measured[::-1]
        measure_round(bench, turns, chosen, banks, number)
    return Run.from_records(bench.records), bench.failed


def _say_rest(rest: Sequence[Measurement], bench: Bench) -> None:
    minutes = remaining_minutes(rest, bench.seconds)
    print(f"{len(rest)} measurements, about {minutes:.0f} minutes", file=sys.stderr, flush=True)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", help="the folder of a causal language model")
    parser.add_argument("--train", help="a workbook of questions with keys")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=60, help="of each round, to answer")
    parser.add_argument(
        "--train-questions", type=int, default=24, help="of each round, to train on"
    )
    parser.add_argument("--trial-questions", type=int, default=24, help="of each trial")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES, metavar="DTYPE")
    parser.add_argument(
        "--results",
        type=Path,
        help="a file to keep every record in, as JSON lines; what it holds is not measured again",
    )
    parser.add_argument(
        "--batch-sizes",
        type=int,
        nargs="+",
        choices=(1, 2, 4, 8, 16),
        default=[1, 4, 8, 16],
        metavar="SIZE",
        help="to choose from for each side; with one, nothing is tried first",
    )
    parser.add_argument(
        "--sides",
        nargs="+",
        choices=[*(side.name for side in SIDES), "all"],
        default=USUAL_SIDES,
        metavar="SIDE",
    )
    parser.add_argument(
        "--join", type=Path, nargs="+", metavar="RESULTS", help="measure nothing, show these runs"
    )
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page")
    return parser


def main() -> int:
    """Measure or read, print, and write; 1 if a measurement failed."""
    parser = arguments()
    parsed = parser.parse_args()
    failed: list[str] = []
    if parsed.join:
        runs = [read_run(path) for path in parsed.join]
    elif not (parsed.model and parsed.train):
        parser.error("expected --model and --train, or --join with files of results")
    elif parsed.train_questions % QUESTIONS_PER_STEP or parsed.trial_questions % QUESTIONS_PER_STEP:
        parser.error(
            f"expected --train-questions and --trial-questions in whole steps of "
            f"{QUESTIONS_PER_STEP}, found {parsed.train_questions} and {parsed.trial_questions}"
        )
    else:
        run, failed = measure(parsed)
        runs = [run]
    block = page(runs)
    print(block)
    if parsed.write:
        text = parsed.write.read_text(encoding="utf-8")
        parsed.write.write_text(rewritten(text, block, "speed"), encoding="utf-8")
    for what in failed:
        print(f"failed: {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
