"""Ctrl-C while a file is read or written: the process ends, and nothing is left behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_calamine import write_ods

from zhmcq.questions import Question, QuestionBank, RowProblem
from zhmcq.reading import _bank as bank
from zhmcq.reading import read_bank, save_bank, stream_bank
from zhmcq.reports import _problems as problems_module
from zhmcq.reports import write_problems

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends itself SIGINT")


class Interrupting:
    """Presses Ctrl-C when it is written as text."""

    def __str__(self) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return "after"


def a_bank(source_id: Any = None) -> QuestionBank:
    question = Question("1", "甲？", ("一", "二"), answer=(0,))
    object.__setattr__(question, "source_id", source_id)  # of a type that it would refuse
    return QuestionBank([question], [RowProblem(2, "", "no_key", "no key", "warning", "a.csv")])


@pytest.mark.parametrize("name", ["bank.json", "bank.jsonl"])
def test_an_interrupted_save_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, name: str
) -> None:
    save_bank(a_bank(), tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(KeyboardInterrupt):
        save_bank(a_bank(Interrupting()), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


def test_an_interrupted_list_of_problems_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(_book: Any, path: Path) -> None:
        path.write_bytes(b"half a workbook")
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(problems_module, "save_workbook", save)
    with pytest.raises(KeyboardInterrupt):
        write_problems(a_bank(), tmp_path / "marked.xlsx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    importlib.util.find_spec("python_calamine") is None, reason="needs the extra 'sheets'"
)
@pytest.mark.parametrize("read", [read_bank, lambda path: list(stream_bank(path))])
def test_an_interrupted_reading_ends_its_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Spy(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self)

    def interrupt(_draft: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    question: list[str | float] = ["甲？", "一", "二", "A"]
    rows: list[list[str | float]] = [["題目", "A", "B", "答案"], *[question] * 50]
    path = write_ods(tmp_path / "bank.ods", {"甲": rows})
    monkeypatch.setattr(subprocess, "Popen", Spy)
    monkeypatch.setattr(bank, "take_embedded", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        read(path)
    # The traceback still holds the frames, as it does in a notebook.
    assert caught.tb is not None
    assert [child.returncode is None for child in started] == [False]


def test_a_reading_process_ends_at_once_on_ctrl_c(tmp_path: Path) -> None:
    path = tmp_path / "bank.jsonl"
    line = '{"question": "甲？", "options": ["一", "二"], "answer": "A"}\n'
    path.write_text(line * 20_000, encoding="utf-8")
    code = (
        "import sys; from zhmcq.reading import stream_bank\n"
        "for question in stream_bank(sys.argv[1]): print('reading', flush=True)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"reading"
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert child.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    assert b"KeyboardInterrupt" in errors
    assert [entry.name for entry in tmp_path.iterdir()] == ["bank.jsonl"]
