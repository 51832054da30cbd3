"""What reading a passage once is worth: this engine beside its peers, on the same questions.

Needs the extra ``bench``. From the root of the repository::

    python tests/benchmarks/bench_prefix_tree.py --model FOLDER --train AI.xlsx

Every measurement has a process of its own, so that its peak memory is its own. First each side
finds its fastest batch size; then all sides take turns, round by round, each round with questions
of its own. ``docs/benchmarks.md`` says what each side does and how to read the tables. With the
demo model on two cores a whole run takes an hour or two: leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from prefix_tree import report
from prefix_tree.plan import CALIBRATION_QUESTIONS, SIDES, Job, Side, draw
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank

HERE = Path(__file__).parent
DEFAULT_ROWS = 512  # of the plain matmuls, where no side of this engine was measured


class Bench:
    """Runs measurements, each in a process of its own, and keeps their records.

    Args:
        model: The model's folder.
        results: A file to add every record to, one JSON object a line; ``None`` for none. What it
            holds already is not measured again, so that a run that was cut off can go on.
    """

    def __init__(self, model: str, results: Path | None) -> None:
        self.model = model
        self.results = results
        self.failed: list[str] = []
        self.known: dict[str, dict[str, Any]] = {}
        if results is not None and results.exists():
            lines = results.read_text(encoding="utf-8").splitlines()
            self.known = {record.pop("what"): record for record in map(json.loads, lines)}
        self.threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count() or 1))

    def side(self, side: Side, batch: int, bank: QuestionBank, what: str) -> dict[str, Any] | None:
        """Measure one side; its record, or ``None`` if it failed."""
        job = Job(self.model, side.kind, side.prompt, batch, tuple(bank))
        record = self.run(f"{what}, {side.name}, batch {batch}", side.run, job, dict(side.options))
        return None if record is None else {**record, "batch": batch}

    def run(
        self, what: str, function: str, job: Job | None, options: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Run a function of ``prefix_tree`` in a process of its own."""
        if what in self.known:
            return self.known[what]
        request = {"run": function, "job": job.to_record() if job else None, "options": options}
        print(f"{what} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            given, result = Path(folder) / "job.json", Path(folder) / "result.json"
            given.write_text(json.dumps(request), encoding="utf-8")
            done = subprocess.run(
                [sys.executable, "-m", "prefix_tree.child", str(given), str(result)],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            if done.returncode != 0:
                self.failed.append(what)
                print(done.stderr[-3000:], f"FAILED: {what}", sep="\n", file=sys.stderr)
                return None
            record: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        if self.results is not None:
            with self.results.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps({"what": what, **record}) + "\n")
        return record

    def _environment(self) -> dict[str, str]:
        path = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "OMP_NUM_THREADS": self.threads,
            "MKL_NUM_THREADS": self.threads,
            "TOKENIZERS_PARALLELISM": "false",
            "CUDA_VISIBLE_DEVICES": "",  # every side on the CPU
            "HF_HUB_OFFLINE": "1",
        }


def calibrate(
    bench: Bench, sides: list[Side], sizes: list[int], bank: QuestionBank
) -> dict[str, int]:
    """For each side its fastest batch size; prints what was tried."""
    chosen = {side.name: side.batch or sizes[0] for side in sides}
    if len(sizes) == 1:
        return chosen
    trials = []
    for side in sides:
        tried = {}
        for batch in () if side.batch else sizes:
            record = bench.side(side, batch, bank, "calibration")
            if record is not None:
                tried[batch] = record["seconds"]
                trials.append((side.name, batch, record))
        if tried:
            chosen[side.name] = min(tried, key=tried.__getitem__)
    print(f"\n## Batch sizes, on {len(bank)} questions\n")
    print(report.calibration_table(trials, len(bank)))
    return chosen


def measure_round(
    bench: Bench, sides: list[Side], chosen: dict[str, int], bank: QuestionBank, name: str
) -> dict[str, Any]:
    """One turn of every side on the same questions."""
    keys = [question.answer[0] if question.answer else None for question in bank]
    done: dict[str, Any] = {"questions": len(bank), "keys": keys}
    for side in sides:
        record = bench.side(side, chosen[side.name], bank, name)
        if record is not None:
            done[side.name] = record
    sizes = {
        "model": bench.model,
        "tokens": [_mean_rows(done.get(tree)) for tree in ("train-tree", "labels-tree")],
    }
    matmul = bench.run(f"{name}, plain matmuls", "matmul.measure", None, sizes)
    if matmul is not None:
        done["matmul"] = matmul
    for side in sides:
        kind = side.name.partition("-")[0]
        if side.run == "peer_scoring.harness" and side.name in done:
            job = Job(bench.model, "predict", side.prompt, 4, tuple(bank))
            options = {"sequences": done[side.name]["sequences"]}
            audit = bench.run(f"{name}, audit of {kind}", "engine.audit", job, options)
            if audit is not None:
                done[f"{kind}-audit"] = audit
    return done


def _mean_rows(record: dict[str, Any] | None) -> int:
    """Positions of this side's mean forward pass: as many rows a plain matmul gets."""
    if record is None:
        return DEFAULT_ROWS
    positions = sum(int(count * width) for count, width in record["rows"])
    return round(positions / len(record["rows"]))


def main() -> int:
    """Measure and print; 1 if a measurement failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True, help="the folder of a causal language model")
    parser.add_argument("--train", required=True, help="a workbook of questions with keys")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=40, help="of each round")
    parser.add_argument(
        "--results",
        type=Path,
        help="a file to keep every record in, as JSON lines; what it holds is not measured again",
    )
    parser.add_argument(
        "--batch-sizes",
        type=int,
        nargs="+",
        choices=(1, 2, 4, 8),
        default=[1, 4, 8],
        metavar="SIZE",
        help="to choose from for each side; with one, nothing is tried first",
    )
    names = [side.name for side in SIDES]
    parser.add_argument("--sides", nargs="+", choices=names, default=names, metavar="SIDE")
    parsed = parser.parse_args()
    counts = [min(CALIBRATION_QUESTIONS, parsed.questions), *[parsed.questions] * parsed.rounds]
    first, *banks = draw(read_bank(parsed.train), counts)
    sides = [side for side in SIDES if side.name in parsed.sides]
    bench = Bench(str(Path(parsed.model).resolve()), parsed.results)
    print(
        f"{parsed.rounds} rounds of {parsed.questions} questions, {bench.threads} threads, "
        f"{platform.machine()}, Python {platform.python_version()}"
    )
    chosen = calibrate(bench, sides, parsed.batch_sizes, first)
    rounds = []
    for number, bank in enumerate(banks, start=1):
        # There and back, so that no side always has the machine at its warmest.
        turn = sides if number % 2 else sides[::-1]
        rounds.append(measure_round(bench, turn, chosen, bank, f"round {number}"))
    print(f"## Training\n\n{report.training_table(rounds)}")
    print(f"## Prediction\n\n{report.prediction_table(rounds)}")
    print(report.audit_lines(rounds), report.orders_line(rounds), sep="\n")
    for what in bench.failed:
        print(f"failed: {what}")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
