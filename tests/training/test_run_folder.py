"""A checkpoint is resumed from only if it is complete; a run killed anywhere ends the same."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zhmcq.errors import CheckpointError, OutputExistsError
from zhmcq.testing import tiny_llama
from zhmcq.training._run_folder import NEEDED, Checkpoints, RunFolder


def make(folder: Path, step: int, *, whole: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in NEEDED:
        (path / name).write_text(f"{name} of {step}", encoding="utf-8")
    if whole:
        Checkpoints(folder).mark_complete(step)
    return path


def test_the_newest_whole_checkpoint_is_found(tmp_path: Path) -> None:
    make(tmp_path, 9)
    newest = make(tmp_path, 10)
    assert Checkpoints(tmp_path).newest() == newest


def test_an_unfinished_one_is_removed_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = make(tmp_path, 1)
    half = make(tmp_path, 2, whole=False)
    assert Checkpoints(tmp_path).newest() == first
    assert not half.exists()
    assert "checkpoint-2 was not finished" in caplog.text


@pytest.mark.parametrize("name", NEEDED)
def test_a_truncated_missing_or_changed_file_is_noticed(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = make(tmp_path, 1)
    text = (make(tmp_path, 2) / name).read_text(encoding="utf-8")
    for spoilt in (text[:-1], text.replace("2", "3"), None):
        path = tmp_path / "checkpoint-2" / name
        path.unlink() if spoilt is None else path.write_text(spoilt, encoding="utf-8")
        assert Checkpoints(tmp_path).newest() == first
        assert (
            f"{name} is {'missing' if spoilt is None else 'not as it was written'}" in caplog.text
        )


def test_if_all_are_damaged_the_run_is_not_started_over_silently(tmp_path: Path) -> None:
    (make(tmp_path, 1) / "optimizer.pt").unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint-1: optimizer.pt is missing.*overwrite"):
        Checkpoints(tmp_path).newest()


def test_without_any_the_run_starts_at_the_beginning(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "nothing").newest() is None
    make(tmp_path, 1, whole=False)
    assert Checkpoints(tmp_path).newest() is None


def test_older_ones_are_removed_and_unfinished_ones_do_not_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for step in (1, 2, 3):
        make(tmp_path, step)
    make(tmp_path, 4, whole=False)
    Checkpoints(tmp_path).remove_older(2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-2",
        "checkpoint-3",
        "checkpoint-4",
    ]


@pytest.mark.parametrize(
    ("overwrite", "resume", "expected"),
    [
        (False, "auto", "the same call resumes from it (resume='auto')"),
        (False, True, "the same call resumes from it (resume='auto')"),
        (True, "auto", "the same call without overwrite=True resumes from it"),
        (False, False, "the same call with resume='auto' resumes from it"),
        (
            True,
            False,
            "the same call without overwrite=True and with resume='auto' resumes from it",
        ),
    ],
)
def test_a_folder_says_how_its_run_is_resumed(
    tmp_path: Path, overwrite: bool, resume: str | bool, expected: str
) -> None:
    folder = RunFolder(tmp_path, overwrite=overwrite, resume=resume)
    assert folder.resume_instruction == expected


def test_a_new_folder_gets_the_record_and_the_same_record_resumes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert RunFolder(out).begin({"seed": 1}) is None
    assert (out / "run.json").read_text(encoding="utf-8") == '{\n  "seed": 1\n}'
    newest = make(out / "checkpoints", 3)
    assert RunFolder(out).begin({"seed": 1}) == newest
    with pytest.raises(CheckpointError, match="interrupted run with other seed"):
        RunFolder(out).begin({"seed": 2})
    with pytest.raises(OutputExistsError, match="pass resume='auto' to resume it"):
        RunFolder(out, resume=False).begin({"seed": 1})


BASE: dict[str, Any] = {
    "config": {"model_type": "llama", "hidden_size": 64},
    "weights_sha256": "ww",
    "tokenizer_sha256": "tt",
    "chat_template_sha256": "cc",
}


@pytest.mark.parametrize(
    ("changes", "chat", "message"),
    [
        ({"config": {"model_type": "llama", "hidden_size": 32}}, False, "hidden_size: expected 64"),
        (
            {"tokenizer_sha256": "uu"},
            False,
            r"in the tokenizer \(SHA-256: expected tt…, found uu…\)",
        ),
        ({"chat_template_sha256": "dd"}, True, "base model, which differs in the chat template"),
        ({"chat_template_sha256": "dd"}, False, None),
        ({"config": {**BASE["config"], "rms_norm_eps": 1e-6}}, False, None),  # the default
    ],
)
def test_another_base_model_is_another_run_by_what_differs(
    tmp_path: Path, changes: dict[str, Any], chat: bool, message: str | None
) -> None:
    record = {"base": BASE, "prompt": {"chat": chat}}
    RunFolder(tmp_path / "run").begin(record)
    other = {**record, "base": {**BASE, **changes}}
    if message is None:
        assert RunFolder(tmp_path / "run").begin(other) is None
        return
    with pytest.raises(CheckpointError, match=message):
        RunFolder(tmp_path / "run").begin(other)


@pytest.mark.parametrize("base", [None, 3, [], {}, {"config": 1}])
def test_a_record_of_no_base_model_is_another_run(tmp_path: Path, base: Any) -> None:
    RunFolder(tmp_path / "run").begin({"base": base, "prompt": {"chat": True}})
    with pytest.raises(CheckpointError, match="interrupted run with other base model"):
        RunFolder(tmp_path / "run").begin({"base": BASE, "prompt": {"chat": True}})


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no run that could be resumed"):
        RunFolder(tmp_path / "run", resume=True).begin({})
    assert not (tmp_path / "run").exists()


# One process imports everything once; its children are the runs, and kill themselves as the
# n-th file below the output folder is opened for writing, renamed or removed. That sees Python's
# writes only. What torch and safetensors write by themselves is cut off by a limit to the size of
# files: the system kills the process in the middle of the first file that grows beyond it.
KILLED_RUNS = """
import gc, os, resource, signal, sys
from dataclasses import replace
from pathlib import Path
import zhmcq, torch
from zhmcq.questions import Question
import zhmcq.training, zhmcq.training._loop, peft
torch.set_num_threads(1)

base, root = Path(sys.argv[1]), Path(sys.argv[2])
root.mkdir()
places = ("山上", "海邊", "家裡", "學校")
bank = [Question(f"q{i}", f"{who}在哪裡？", places, f"{who}在{places[i % 4]}。", answer=(i % 4,))
        for i, who in enumerate("甲乙丙丁戊己庚辛")]
valid = [replace(q, id="v-" + q.id, stem="請問，" + q.stem) for q in bank[:2]]

def train(out, kill_at, limit):
    events = 0
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    def watch(event, arguments):
        nonlocal events
        target = str(arguments[0]) if arguments else ""
        mode = arguments[1] if event == "open" else ""
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        moves = event in ("os.rename", "os.remove", "shutil.rmtree")
        if target.startswith(str(out)) and (writes or moves):
            events += 1
            if events == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    zhmcq.LoraTrainer(base, lora=zhmcq.LoraSettings(r=128), training=zhmcq.TrainingSettings(
        gradient_accumulation_steps=4, num_train_epochs=3, save_steps=2, eval_steps=2,
        save_total_limit=2, learning_rate=1e-3, use_cpu=True)).train(bank, valid, out)
    return events

def child(out, kill_at=0, limit=0):
    pid = os.fork()
    if not pid:
        try:
            events = train(out, kill_at, limit)
            (root / "events").write_text(str(events))
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(pid, 0)[1]

# What is imported, compiled and built on first use is there before the first child.
train(root / "first", 0, 0)
gc.collect()
gc.freeze()
assert child(root / "straight") == 0
total = int((root / "events").read_text())
wanted = (root / "straight" / "adapter_model.safetensors").read_bytes()
points = sorted({1, 2, 3, *(round(total * share / 9.5) for share in (2, 3, 5, 7, 9))})
killed = 0
for point in points:
    out = root / f"killed-{point}"
    status = child(out, point)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (point, status)
    killed += 1
    assert child(out) == 0, point
    assert (out / "adapter_model.safetensors").read_bytes() == wanted, point
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")], point

checkpoint = root / "straight" / "checkpoints" / "checkpoint-6"
cut = set()
for name in ("run.json", "adapter_model.safetensors", "optimizer.pt"):
    path = root / "straight" / name if name == "run.json" else checkpoint / name
    limit = path.stat().st_size - 100
    out = root / f"cut-{limit}"
    status = child(out, limit=limit)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXFSZ, (name, status)
    cut |= {p.name for p in out.rglob("*") if p.is_file() and p.stat().st_size == limit}
    assert child(out) == 0, name
    assert (out / "adapter_model.safetensors").read_bytes() == wanted, name
print("killed", killed, "of", total)
print(*sorted(cut))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_at_any_write_ends_with_the_same_adapter(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base")
    script = tmp_path / "killed.py"
    script.write_text(KILLED_RUNS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(base), str(tmp_path / "runs")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts, cut = done.stdout.splitlines()
    killed, total = (int(word) for word in counts.split() if word.isdigit())
    assert killed == 8
    assert total > 20
    # The names differ for what is written under another one first, as safetensors may.
    assert "optimizer.pt" in cut.split()
