"""Steps of the recipe with compiled layers and without, in both dtypes, in alternating rounds.

``python tests/benchmarks/bench_compiled.py --workbook AI.xlsx`` prints the table of
docs/en/training.md. Each run has a process of its own, and compiles without what an earlier one
left in torch's cache. The first step is not counted. The peak is that of the whole process, where
``/proc`` gives it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from transformers import TrainerCallback

import zhmcq

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

import recipe  # the examples are scripts; their folder was put on the path above

DTYPES = ("bfloat16", "float32")
QUESTIONS = 5800  # of the recipe's; so many are drawn from


class Steps(TrainerCallback):
    """The seconds of each step, and its loss."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.losses: list[float] = []
        self._start = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop it."""
        self.seconds.append(time.perf_counter() - self._start)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the loss."""
        if "loss" in kwargs["logs"]:
            self.losses.append(kwargs["logs"]["loss"])


def main() -> int:
    """Run all, or the one that a process of its own is for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--workbook", type=Path, required=True, help="what the recipe trains on")
    add("--questions", type=int, default=90, help="about how many a run trains on")
    add("--rounds", type=int, default=2)
    add("--run", nargs=2, metavar=("DTYPE", "COMPILED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(run(options, options.run[0], compiled=options.run[1] == "True")))
        return 0
    records: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for number in range(options.rounds):
        for dtype in DTYPES:
            for compiled in (False, True) if number % 2 == 0 else (True, False):
                record = in_a_process(options, dtype, compiled=compiled)
                print(dtype, compiled, record, file=sys.stderr)
                records.setdefault((dtype, compiled), []).append(record)
    print("| dtype | as it is, seconds | compiled, seconds | faster by | peak, GB | compiled, GB |")
    print("|---|---|---|---|---|---|")
    for dtype in DTYPES:
        plain, compiled_ones = records[dtype, False], records[dtype, True]
        pairs = zip(plain, compiled_ones, strict=True)
        ratios = [before["steps"] / after["steps"] for before, after in pairs]
        print(
            f"| {dtype} | {median(r['steps'] for r in plain):.1f} "
            f"| {median(r['steps'] for r in compiled_ones):.1f} | {median(ratios):.2f} "
            f"({min(ratios):.2f}–{max(ratios):.2f}) | {max(r['peak'] for r in plain):.2f} "
            f"| {max(r['peak'] for r in compiled_ones):.2f} |"
        )
    return 0


def in_a_process(options: argparse.Namespace, dtype: str, *, compiled: bool) -> dict[str, Any]:
    """What a run in a process of its own came to."""
    command = [sys.executable, __file__, "--workbook", str(options.workbook)]
    command += ["--questions", str(options.questions), "--run", dtype, str(compiled)]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    record: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return record


def run(options: argparse.Namespace, dtype: str, *, compiled: bool) -> dict[str, Any]:
    """Train on some of the recipe's questions by its settings."""
    rest, *_ = recipe.draw(options.workbook)
    questions = recipe.cheapest(rest, QUESTIONS)
    passages = recipe.group(questions)[:: max(1, len(questions) // options.questions)]
    drawn = questions.select(sorted(index for passage in passages for index in passage))
    chosen = argparse.Namespace(objective="contrastive", prompt="zh-affirmative")
    trainer = recipe.trainer_of(chosen, str(zhmcq.demo_model()), epochs=1)
    changes = {"dtype": dtype, "torch_compile": compiled, "logging_steps": 1, "disable_tqdm": True}
    trainer.training = zhmcq.TrainingSettings(**{**trainer.training.model_dump(), **changes})
    steps = Steps()
    trainer.callbacks.append(steps)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        trainer.train(drawn, None, Path(folder) / "adapter")
    return {
        "questions": len(drawn),
        "before_steps": time.perf_counter() - start - sum(steps.seconds),
        "first": steps.seconds[0],
        "steps": sum(steps.seconds[1:]),
        "losses": steps.losses,
        "peak": peak_of_process(),
    }


def peak_of_process() -> float:
    """The most memory that this process had, in GB; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e9


if __name__ == "__main__":
    sys.exit(main())
