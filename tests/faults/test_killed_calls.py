"""Calls that were killed: the next call of the same output ends as the first, and nothing stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zhmcq
from conftest import unseen
from zhmcq._files import LOCK, OLD
from zhmcq.errors import OutputExistsError
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama

BANK = QuestionBank(
    [
        Question(f"q{n}", f"第{n}題在哪裡？", ("甲", "乙", "丙"), f"第{n}篇文章。", answer=(0,))
        for n in range(4)
    ]
)

# A child does it once more over what is there, and ends itself at the n-th change of a name, by
# SIGKILL or SIGTERM in turn.
KILLED = """
import os, signal, sys, tempfile
from pathlib import Path
from zhmcq.dataset import Splits
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import save_bank
from zhmcq.reports import write_problems
from zhmcq.reports._new_workbook import Sheet, write_xlsx

root = Path(sys.argv[1])
tempfile.tempdir = str(root / "system")
(root / "system").mkdir(parents=True)
bank = QuestionBank([Question("1", "誰？", ("甲", "乙"), answer=(0,))])
ways = {
    "data": lambda path: Splits(bank, bank).save(path, overwrite=True),
    "bank.json": lambda path: save_bank(bank, path),
    "a.xlsx": lambda path: write_xlsx(path, {"S": Sheet(("x",), [{"x": 1}])}),
    "problems.xlsx": lambda path: write_problems(bank, path),
}

def killed(write, path, point, number):
    count = 0
    def watch(event, arguments):
        nonlocal count
        changes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")
        if event == "open" and isinstance(arguments[1], str):
            changes = bool(set(arguments[1]) & set("wax"))
        count += changes
        if changes and count == point:
            os.kill(os.getpid(), number)
    pid = os.fork()
    if not pid:
        sys.addaudithook(watch)
        write(path)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -number

def contents():
    # openpyxl writes the time of day into workbooks.
    read = lambda p: p.is_file() and p.name != "problems.xlsx" and p.read_bytes()
    return {str(p): read(p) for p in root.rglob("*")}

for name, write in ways.items():
    write(root / name)
    wanted, point = contents(), 1
    while killed(write, root / name, point, (signal.SIGKILL, signal.SIGTERM)[point % 2]):
        write(root / name)
        assert contents() == wanted, (name, point, contents().keys() ^ wanted.keys())
        point += 1
    print(point - 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_is_killed_at_any_change_of_a_name_is_written_by_the_next_call(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "root")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    points = [int(line) for line in done.stdout.split()]
    assert len(points) == 4
    assert min(points) >= 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``base``, ``run`` and ``merged``; tests work on copies."""
    folder = tmp_path_factory.mktemp("trained")
    base = tiny_llama(folder / "base")
    train(folder)
    zhmcq.Merger().merge(folder / "run", folder / "merged", base_model=base)
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "work"))


def train(folder: Path) -> None:
    settings = zhmcq.TrainingSettings(max_steps=1, use_cpu=True)
    trainer = zhmcq.LoraTrainer(folder / "base", lora=zhmcq.LoraSettings(r=2), training=settings)
    trainer.train(BANK, unseen(BANK[:2]), folder / "run")


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_run_that_was_killed_when_it_was_finished_is_tidied_up_when_it_is_refused(
    folder: Path,
) -> None:
    before = names(folder)
    (folder / "run" / ".lock").touch()
    (folder / "run" / ".adapter").mkdir()
    (folder / "run" / "..adapter-abcdefgh").mkdir()
    (folder / "run" / "..adapter-abcdefgh" / LOCK).touch()
    with pytest.raises(OutputExistsError, match="finished adapter already"):
        train(folder)
    assert names(folder) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_merged_model_that_a_killed_merge_had_moved_away_is_put_back_first(
    folder: Path, overwrite: bool
) -> None:
    before = names(folder)
    scratch = folder / ".merged-abcdefgh"
    scratch.mkdir()
    (scratch / LOCK).touch()
    (folder / "merged").rename(scratch / OLD)
    shutil.copytree(folder / "run", scratch / "merged")
    merge = zhmcq.Merger().merge
    if overwrite:
        merge(folder / "run", folder / "merged", base_model=folder / "base", overwrite=True)
    else:
        with pytest.raises(OutputExistsError, match="already holds something"):
            merge(folder / "run", folder / "merged", base_model=folder / "nowhere")
    assert names(folder) == before
