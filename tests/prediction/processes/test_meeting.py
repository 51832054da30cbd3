"""Processes of a launcher meet in torch's store, and none waits for one that is no more."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from zhmcq.errors import PredictionError
from zhmcq.prediction._processes import joined, launched, meeting

# Forks, for each of several cases, two processes that meet.
SCRIPT = """
import atexit, json, multiprocessing, os, signal, socket, sys
from pathlib import Path
import torch.distributed
from zhmcq.errors import PredictionError
from zhmcq.prediction._processes import joined, meeting, team

team.SILENCE = 4.0
team.BETWEEN_BEATS = meeting.BETWEEN_BEATS = 0.5
CASES = ["whole", "killed 1", "killed 0", "raised", "absent", "group"]


def call(case, rank, result):
    if case == "group":
        torch.distributed.init_process_group("gloo")
    with joined() as together:
        result["first"] = together.gathered(rank)
        if case == f"killed {rank}":
            os.kill(os.getpid(), signal.SIGKILL)
        if case == "raised" and rank:
            raise KeyError("mine")
        result["same"] = together.same(rank)
    if case != "absent" or not rank:
        with joined() as together:
            result["second"] = together.gathered("value of %d" % rank)
            result["more"] = together.gathered("long" * 3_000_000 * rank)[1][-8:]


def run(case, rank, port, folder):
    os.environ.update(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1")
    os.environ["MASTER_PORT"] = str(port)
    result = {}
    try:
        call(case, rank, result)
    except (PredictionError, KeyError) as error:
        result["error"] = f"{type(error).__name__}: {error}"
    (folder / f"{case} {rank}").write_text(json.dumps(result))
    atexit._run_exitfuncs()


def free_port():
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return there.getsockname()[1]


if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")
    running = []
    for case in CASES:
        port = free_port()
        for rank in (0, 1):
            running.append(fork.Process(target=run, args=(case, rank, port, Path(sys.argv[1]))))
            running[-1].start()
    for process in running:
        process.join()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each process of each case has written."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork")
    folder = tmp_path_factory.mktemp("meeting")
    script = folder / "meet.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def result(folder: Path, name: str) -> dict[str, object]:
    value: dict[str, object] = json.loads((folder / name).read_text(encoding="utf-8"))
    return value


@pytest.mark.parametrize("case", ["whole", "group"])
def test_all_values_come_to_all_also_where_a_process_group_is(folder: Path, case: str) -> None:
    expected = {
        "first": [0, 1],
        "same": 0,
        "second": ["value of 0", "value of 1"],
        "more": "longlong",
    }
    assert result(folder, f"{case} 0") == expected
    assert result(folder, f"{case} 1") == expected


def test_a_process_that_was_killed_is_given_up(folder: Path) -> None:
    error = str(result(folder, "killed 1 0")["error"])
    assert error.startswith("PredictionError: process 1 of 2 has given no sign of life for 4 sec")
    assert not (folder / "killed 1 1").exists()


def test_none_waits_for_a_first_process_that_was_killed(folder: Path) -> None:
    error = str(result(folder, "killed 0 1")["error"])
    assert error.startswith("PredictionError: another process cannot be reached: it has ended")
    assert not (folder / "killed 0 0").exists()


def test_the_error_of_one_process_is_that_of_all(folder: Path) -> None:
    assert result(folder, "raised 1")["error"] == "KeyError: 'mine'"
    assert result(folder, "raised 0")["error"] == (
        "PredictionError: process 1 of 2 failed, which ends the prediction of all: KeyError: 'mine'"
    )


def test_a_process_that_ends_without_a_second_call_is_named(folder: Path) -> None:
    assert result(folder, "absent 1") == {"first": [0, 1], "same": 0}
    error = str(result(folder, "absent 0")["error"])
    assert error.startswith("PredictionError: process 1 of 2 has ended without making this call")


@pytest.mark.parametrize(
    ("size", "expected"), [("2", True), ("1", False), ("", False), ("two", False)]
)
def test_processes_share_a_bank_only_under_a_launcher(
    monkeypatch: pytest.MonkeyPatch, size: str, expected: bool
) -> None:
    monkeypatch.setenv("WORLD_SIZE", size)
    assert launched() is expected


def test_this_process_is_alone_without_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as team:
        assert team is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"RANK": ""},
        {"RANK": "2"},
        {"RANK": "-1"},
        {"MASTER_ADDR": ""},
        {"MASTER_PORT": ""},
        {"MASTER_PORT": "65536"},
        {"MASTER_PORT": "9" * 5000},
        {"MASTER_PORT": "\x1b[31m"},
    ],
)
def test_variables_that_a_launcher_left_half_set_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    whole = {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for name, value in {**whole, **wrong}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PredictionError, match="or unset WORLD_SIZE") as caught, joined():
        pass
    assert "\x1b" not in str(caught.value)


def test_a_port_that_another_program_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        variables = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"}
        for name, value in {**variables, "MASTER_PORT": str(port)}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(PredictionError, match=f"127.0.0.1:{port} .* no other program"):
            joined().__enter__()


def test_a_stranger_at_the_port_that_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(meeting, "FIRST_CALL", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        variables = {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "127.0.0.1"}
        port = str(silent.getsockname()[1])
        for name, value in {**variables, "MASTER_PORT": port}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(PredictionError, match="process 1 of 2 cannot reach the others"):
            joined().__enter__()
