"""The driver that kills the path: a few runs of it, and that it sees what it looks for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kill_path import Attempt, Run, differences, table


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_runs_of_the_path_end_with_the_same_bytes() -> None:
    script = Path(__file__).with_name("kill_path.py")
    done = subprocess.run(
        [sys.executable, str(script), "--runs", "2"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "| runs with other bytes, or anything left at the end | 0 |" in done.stdout


def test_a_file_too_many_too_few_or_of_other_bytes_is_a_difference() -> None:
    actual = {"out/a": "1", "out/b": "2", "out/.a-lock": "3"}
    assert differences({"out/a": "1", "out/b": "x", "out/c": "4"}, actual) == (
        "left behind: out/.a-lock",
        "missing: out/c",
        "other bytes: out/b",
    )


def test_the_table_counts_attempts_that_the_signal_stopped_by_their_stage() -> None:
    killed, interrupted = Attempt(-9, "merge", 1.0), Attempt(130, "train", 1.0)
    runs = [
        Run((killed, killed, Attempt(0, "end", 2.0)), 3, ()),
        Run((interrupted, Attempt(1, "csv", 2.0)), 0, ("ended with status 1",)),
    ]
    lines = table(runs, signal.SIGKILL, 7.2).splitlines()
    assert lines[2:] == [
        "| runs | 2 |",
        "| attempts that SIGKILL stopped | 3 |",
        "| while it was at | train 1, merge 2 |",
        "| most stops of one run | 2 |",
        "| names that stopped attempts left, cleared by the next | 3 |",
        "| runs with other bytes, or anything left at the end | 1 |",
        "| seconds | 7 |",
    ]
