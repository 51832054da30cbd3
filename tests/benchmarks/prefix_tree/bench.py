"""Measurements, each in a process of its own, and their records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from prefix_tree.child import NO_ROOM
from prefix_tree.plan import Job, Variant
from prefix_tree.runs import Record, check_same_run, read_records
from zhmcq.questions import QuestionBank

__all__ = ["Bench"]

HERE = Path(__file__).parents[1]
MEMORY = 0.9  # of the machine's memory: what a measurement may reserve at most


class Bench:
    """Runs measurements, each in a process of its own, and keeps their records.

    Args:
        model: The model's folder.
        results: A file to add every record to, one JSON object a line; ``None`` for none. What it
            holds already is not measured again, so that a run that was cut off can go on.
        threads: Threads of each measurement.

    Attributes:
        records: All records, in the order in which they were measured.
        failed: What could not be measured, other than for lack of memory.
        seconds: Seconds a question of each variant that was measured, the latest figure.
    """

    def __init__(self, model: str, results: Path | None, threads: str = "1") -> None:
        self.model = model
        self.results = results
        self.threads = threads
        self.failed: list[str] = []
        self.records: list[Record] = read_records(results) if results is not None else []
        self.known = {record["what"]: record for record in self.records}
        self.seconds: dict[Variant, float] = {}

    def begin(self, setup: Record) -> None:
        """Say what is run, or check that the results so far are of the same run.

        Raises:
            ValueError: If they are of another one.
        """
        if self.records:
            check_same_run(self.records[0], setup)
        else:
            self._keep({"what": "run", "stage": "run", **setup})

    def turn(
        self,
        variant: Variant,
        batch: int,
        bank: QuestionBank,
        labels: Record,
        options: dict[str, Any] | None = None,
    ) -> Record | None:
        """Measure one side in one dtype.

        Args:
            variant: The side and the dtype.
            batch: Its batch size.
            bank: Its questions.
            labels: What the record says besides: ``stage``, and ``round`` in a round.
            options: Further options of the side.

        Returns:
            Its record, with ``failed`` if it does not fit in memory; ``None`` if it failed
            otherwise.
        """
        side = variant.side
        job = Job(self.model, side.kind, side.prompt, batch, variant.dtype, tuple(bank))
        keys = [question.answer[0] if question.answer else None for question in bank]
        record = self.run(
            f"{_where(labels)}, {side.name}, {variant.dtype}, batch {batch}",
            side.run,
            job,
            {**dict(side.options), **(options or {})},
            {
                **labels,
                "side": side.name,
                "dtype": variant.dtype,
                "batch": batch,
                "questions": len(bank),
                "keys": keys,
            },
        )
        if record is not None and "failed" not in record:
            self.seconds[variant] = record["seconds"] / len(bank)
        return record

    def run(
        self, what: str, function: str, job: Job | None, options: dict[str, Any], labels: Record
    ) -> Record | None:
        """Run a function of ``prefix_tree`` in a process of its own; its record with the labels."""
        if what in self.known:
            return self.known[what]
        print(f"{what} …", file=sys.stderr, flush=True)
        request = {
            "run": function,
            "job": job.to_record() if job else None,
            "options": options,
            "memory": int(MEMORY * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        }
        measured = self._measure(what, request)
        if measured is None:
            return None
        return self._keep({"what": what, **labels, **measured})

    def _measure(self, what: str, request: dict[str, Any]) -> Record | None:
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
            if done.returncode == 0:
                record: Record = json.loads(result.read_text(encoding="utf-8"))
                return record
        if done.returncode == -signal.SIGKILL:  # by the system, when memory runs out
            return {"failed": NO_ROOM}
        self.failed.append(what)
        print(done.stderr[-3000:], f"FAILED: {what}", sep="\n", file=sys.stderr)
        return None

    def _keep(self, record: Record) -> Record:
        self.records.append(record)
        self.known[record["what"]] = record
        if self.results is not None:
            with self.results.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record) + "\n")
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


def _where(labels: Record) -> str:
    return f"round {labels['round']}" if "round" in labels else str(labels["stage"])
