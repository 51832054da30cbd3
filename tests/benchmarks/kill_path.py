"""Kill the whole path at random times, call it again until it ends, and compare what it wrote.

From the root of the repository, on a system that can fork::

    python tests/benchmarks/kill_path.py --runs 200

The path is: read a workbook, split and save, train with checkpoints, merge and verify, answer a
second workbook with a journal, write xlsx, csv, json and html. One process loads everything once;
its children are the attempts. The first attempt of each run gets the signal at a time of its own,
and these times are spread evenly over the path; a later attempt gets it as often as not. ``TERM``
in place of ``KILL`` is how a system ends a process that it will soon kill; training then saves a
checkpoint of that step, so that other checkpoints are there at the end, which are not compared.

A run is good if, at its end, each file has the bytes that an undisturbed run writes, and no name is
there that the undisturbed run does not have: not in the output folder, nor in the temporary folder
or the working directory, which each run has for itself.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import zhmcq
from zhmcq.errors import OutputExistsError
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama

STAGES = ("start", "split", "train", "merge", "answer", "xlsx", "csv", "json", "html", "end")
PLACES = ("山上", "海邊", "家裡", "學校")
INTERRUPTED = 130  # the exit status of an attempt that a signal stopped with a KeyboardInterrupt
FIRST_CHARACTER = 0x4E00
TRIES = 3  # of a run whose first attempt ended before its signal


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of the path.

    Attributes:
        status: 0 if it ended, the negative number of the signal that ended it, else its exit
            status.
        stage: The stage that it had begun.
        seconds: How long it ran.
    """

    status: int
    stage: str
    seconds: float

    @property
    def stopped(self) -> bool:
        """Whether the signal stopped it."""
        return self.status < 0 or self.status == INTERRUPTED


@dataclass(frozen=True, slots=True)
class Run:
    """The attempts of one run, and what was wrong at its end.

    Attributes:
        attempts: In their order; the last one was left alone, or ended before its signal.
        left: How many names the stopped attempts had left that an undisturbed run does not have.
        faults: What differs from the undisturbed run at the end.
    """

    attempts: tuple[Attempt, ...]
    left: int
    faults: tuple[str, ...]


def write_workbooks(folder: Path) -> None:
    """A workbook with keys, ``train.xlsx``, and one to answer, ``second.xlsx``."""
    import openpyxl

    header = ["題號", "文章", "問題", *(f"選項{number}" for number in range(1, 5))]
    for name, first, count in (("train", 0, 24), ("second", 100, 12)):
        book = openpyxl.Workbook()
        sheet = book.worksheets[0]
        sheet.append([*header, "正確答案"] if name == "train" else header)
        for number in range(first, first + count):
            who = chr(FIRST_CHARACTER + 40 * number)
            key = number * 7 % 4
            cells = [number, f"{who}在{PLACES[key]}。", f"{who}在哪裡？", *PLACES]
            sheet.append([*cells, key + 1] if name == "train" else cells)
        sheet.append([999, "短文", "沒有選項的問題"])
        book.save(folder / f"{name}.xlsx")


def whole_path(inputs: Path, out: Path, reached: Callable[[str], None]) -> None:
    """The path as a user's script has it, which is called again after whatever stopped it."""
    builder = zhmcq.DatasetBuilder(valid_fraction=0.3)
    splits = builder.split(builder.read(inputs / "train.xlsx"))
    reached("split")
    splits.save(out / "data", overwrite=True)
    reached("train")
    settings = zhmcq.TrainingSettings(
        gradient_accumulation_steps=4,
        num_train_epochs=2,
        save_steps=2,
        eval_steps=2,
        save_total_limit=2,
        learning_rate=1e-3,
        use_cpu=True,
    )
    trainer = zhmcq.LoraTrainer(inputs / "base", lora=zhmcq.LoraSettings(r=4), training=settings)
    with contextlib.suppress(OutputExistsError):  # if an earlier attempt finished it
        trainer.train(splits.train, splits.valid, out / "adapter")
    reached("merge")
    zhmcq.Merger().merge(out / "adapter", out / "merged", verify_with=splits.valid, overwrite=True)
    reached("answer")
    predictor = zhmcq.MCQPredictor(out / "merged")
    answers = predictor.predict(inputs / "second.xlsx", journal=out / "journal.jsonl")
    reached("xlsx")
    answers.to_xlsx(out / "answers.xlsx")
    reached("csv")
    answers.to_csv(out / "answers.csv")
    reached("json")
    answers.to_json(out / "answers.json")
    reached("html")
    base = zhmcq.MCQPredictor(inputs / "base").predict(splits.valid)
    zhmcq.compare(base, predictor.predict(splits.valid)).to_html(out / "report.html")
    reached("end")


def attempt(
    inputs: Path, folder: Path, number: signal.Signals = signal.SIGKILL, after: float | None = None
) -> Attempt:
    """Call the path in a child process, and send it a signal.

    Args:
        inputs: The folder of the workbooks and the base model.
        folder: The run's folder, which becomes the working directory.
        number: The signal.
        after: Seconds from the start to the signal; ``None`` for none.
    """
    stage = mmap.mmap(-1, 1)  # shared with the child
    for name in ("out", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    pid = os.fork()
    if not pid:
        os._exit(_child(inputs, folder, stage))
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        seconds = time.perf_counter() - start
        if ended:
            return Attempt(os.waitstatus_to_exitcode(status), STAGES[stage[0]], seconds)
        if after is not None and seconds >= after:
            os.kill(pid, number)
            after = None
        time.sleep(0.001)


def _child(inputs: Path, folder: Path, stage: mmap.mmap) -> int:
    def reached(name: str) -> None:
        stage[0] = STAGES.index(name)

    log = (folder.parent / f"{folder.name}.log").open("a", encoding="utf-8")
    os.dup2(log.fileno(), 2)
    os.chdir(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
    try:
        whole_path(inputs, Path("out"), reached)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException:
        traceback.print_exc(file=log)
        log.flush()
        return 1
    return 0


def contents(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file below a folder, ``"folder"`` for each folder, by its path."""
    return {
        str(path.relative_to(folder)): (
            "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        for path in sorted(folder.rglob("*"))
    }


def differences(expected: dict[str, str], actual: dict[str, str]) -> tuple[str, ...]:
    """What is left over, missing or other than in an undisturbed run."""
    faults = [f"left behind: {name}" for name in actual.keys() - expected.keys()]
    faults += [f"missing: {name}" for name in expected.keys() - actual.keys()]
    common = expected.keys() & actual.keys()
    faults += [f"other bytes: {name}" for name in common if expected[name] != actual[name]]
    return tuple(sorted(faults))


def without_checkpoints(names: dict[str, str]) -> dict[str, str]:
    """All but the checkpoints of training."""
    return {name: value for name, value in names.items() if "/checkpoint-" not in name}


def killed_run(
    inputs: Path,
    folder: Path,
    expected: dict[str, str],
    first: float,
    later: Callable[[], float | None],
    number: signal.Signals,
) -> Run:
    """Call the path until it ends.

    Args:
        inputs: The folder of the workbooks and the base model.
        folder: The run's folder.
        expected: What an undisturbed run leaves in its folder.
        first: Seconds until the first attempt gets the signal.
        later: The same for each later attempt; ``None`` leaves it alone.
        number: The signal.
    """
    attempts = [attempt(inputs, folder, number, first)]
    left = 0
    while attempts[-1].stopped:
        left += len(contents(folder).keys() - expected.keys())
        attempts.append(attempt(inputs, folder, number, later()))
    actual = contents(folder)
    if number == signal.SIGTERM:
        # It saves a checkpoint of its own step, for which an older one may have been removed.
        expected, actual = map(without_checkpoints, (expected, actual))
    faults = differences(expected, actual)
    if attempts[-1].status:
        faults = (f"ended with status {attempts[-1].status}", *faults)
    return Run(tuple(attempts), left, faults)


def warm_up(root: Path) -> tuple[Path, dict[str, str], float]:
    """Load everything, and run the path undisturbed.

    Returns:
        The folder of the inputs, what the path leaves, and the seconds it takes.
    """
    torch.set_num_threads(1)
    inputs = root / "inputs"
    tiny_llama(inputs / "base")
    write_workbooks(inputs)
    bank = zhmcq.DatasetBuilder().read(inputs / "train.xlsx")
    _load(inputs / "base", bank, root / "warm")
    gc.collect()
    gc.freeze()
    expected: dict[str, str] = {}
    seconds = []
    # All runs have one folder, one after another: torch notes its name in checkpoints.
    for _ in range(2):
        shutil.rmtree(root / "run", ignore_errors=True)
        straight = attempt(inputs, root / "run")
        if straight.status:
            raise SystemExit((root / "run.log").read_text(encoding="utf-8"))
        seconds.append(straight.seconds)
        actual = contents(root / "run")
        if expected and (faults := differences(expected, actual)):
            raise SystemExit(f"two undisturbed runs differ: {faults}")
        expected = actual
    return inputs, expected, min(seconds)


def _load(base: Path, bank: Sequence[Question], folder: Path) -> None:
    """What is imported, compiled and built on first use is there before the first child."""
    settings = zhmcq.TrainingSettings(max_steps=1, use_cpu=True)
    questions = QuestionBank(list(bank)[:4])
    zhmcq.LoraTrainer(base, training=settings).train(questions, None, folder / "adapter")
    zhmcq.Merger().merge(folder / "adapter", folder / "merged", verify_with=questions)
    answers = zhmcq.MCQPredictor(folder / "merged").predict(questions)
    answers.to_xlsx(folder / "a.xlsx")
    zhmcq.compare(answers, answers).to_html(folder / "a.html")


def table(runs: Sequence[Run], number: signal.Signals, seconds: float) -> str:
    """What was done and seen, as lines of markdown."""
    stopped = [item for run in runs for item in run.attempts if item.stopped]
    stages = Counter(item.stage for item in stopped)
    by_stage = ", ".join(f"{name} {stages[name]}" for name in STAGES if stages[name])
    rows = {
        "runs": len(runs),
        f"attempts that SIG{number.name.removeprefix('SIG')} stopped": len(stopped),
        "while it was at": by_stage,
        "most stops of one run": max(sum(item.stopped for item in run.attempts) for run in runs),
        "names that stopped attempts left, cleared by the next": sum(run.left for run in runs),
        "runs with other bytes, or anything left at the end": sum(bool(r.faults) for r in runs),
        "seconds": round(seconds),
    }
    return "\n".join(["| what | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())])


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print the table; 1 if a run was not good."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--signal", default="KILL", choices=("KILL", "TERM"))
    parser.add_argument("--seed", type=int, default=0, help="of the times")
    options = parser.parse_args(argv)
    number = signal.Signals[f"SIG{options.signal}"]
    rng = random.Random(options.seed)
    start = time.perf_counter()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="kill-path-") as name:
        inputs, expected, usual = warm_up(Path(name))

        def later() -> float | None:
            return rng.uniform(0, usual) if rng.random() < 0.5 else None

        for index in range(options.runs):
            folder = Path(name) / "run"
            for _ in range(TRIES):
                first = (index + rng.random()) / options.runs * usual
                shutil.rmtree(folder)
                run = killed_run(inputs, folder, expected, first, later, number)
                if run.faults or run.attempts[0].stopped:
                    break
                usual = run.attempts[0].seconds  # the machine has become faster
            runs.append(run)
            if runs[-1].faults:
                print(f"run {index}, {runs[-1].attempts}: {runs[-1].faults}", flush=True)
                print(folder.with_name(f"{folder.name}.log").read_text(encoding="utf-8")[-3000:])
    print(table(runs, number, time.perf_counter() - start))
    return int(any(run.faults for run in runs))


if __name__ == "__main__":
    sys.exit(main())
