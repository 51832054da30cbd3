"""A checkpoint is resumed from only if it is complete and as it was written."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from zhmcq.errors import CheckpointError, OutputExistsError
from zhmcq.training._checkpoints import HASHES, NEEDED, Budgets, Checkpoints

BUDGETS = Budgets(512, 2048)


def make(folder: Path, step: int, *, whole: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in NEEDED:
        (path / name).write_text(f"{name} of {step}", encoding="utf-8")
    if whole:
        Checkpoints(folder).mark_complete(step, BUDGETS)
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


def test_a_part_of_an_older_one_whose_removal_was_killed_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2, 3):
        make(tmp_path, step)

    def killed(path: Path) -> None:
        (path / "optimizer.pt").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        Checkpoints(tmp_path).remove_older(2)
    monkeypatch.undo()
    assert Checkpoints(tmp_path).newest() == tmp_path / "checkpoint-3"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2", "checkpoint-3"}


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


@pytest.mark.skipif(os.name == "nt", reason="needs modes")
def test_weights_of_a_checkpoint_have_the_mode_of_its_other_files(tmp_path: Path) -> None:
    checkpoint = make(tmp_path, 1, whole=False)
    weights = checkpoint / "adapter_model.safetensors"
    weights.chmod(0o600)
    (checkpoint / "trainer_state.json").chmod(0o640)
    Checkpoints(tmp_path).mark_complete(1, BUDGETS)
    assert weights.stat().st_mode & 0o777 == 0o640


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


def test_what_is_resumed_from_is_not_counted_as_an_older_one(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        make(tmp_path, step)
    Checkpoints(tmp_path).remove_older(1, tmp_path / "checkpoint-2")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2", "checkpoint-3"}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "{}", '{"files": [], "best": null}', '{"files": {}, "best": 1}', "[" * 100_000],
)
def test_a_list_of_hashes_that_is_none_is_a_damaged_checkpoint(tmp_path: Path, text: str) -> None:
    checkpoint = make(tmp_path, 1)
    (checkpoint / HASHES).write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoints(tmp_path).newest()


def test_a_list_that_names_files_elsewhere_is_a_damaged_checkpoint(tmp_path: Path) -> None:
    checkpoint = make(tmp_path, 1)
    record = json.loads((checkpoint / HASHES).read_text(encoding="utf-8"))
    record["files"]["../other"] = "0"
    (checkpoint / HASHES).write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"\.\./other is missing"):
        Checkpoints(tmp_path).newest()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_links_and_pipes_in_a_damaged_checkpoint_are_gone_before_it_is_written_again(
    tmp_path: Path,
) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine", encoding="utf-8")
    folder = tmp_path / "checkpoints"
    first, damaged = make(folder, 1), make(folder, 2)
    for name in ("optimizer.pt", "scheduler.pt"):
        (damaged / name).unlink()
    (damaged / "optimizer.pt").symlink_to(mine)
    os.mkfifo(damaged / "scheduler.pt")
    (damaged / "notes.txt").write_text("mine", encoding="utf-8")
    assert Checkpoints(folder).newest() == first
    names = {path.name for path in damaged.iterdir()}
    assert names == {"adapter_model.safetensors", "trainer_state.json", HASHES, "notes.txt"}
    assert mine.read_text(encoding="utf-8") == "mine"


def test_an_unfinished_one_with_a_file_of_others_is_kept(tmp_path: Path) -> None:
    make(tmp_path, 1)
    note = make(tmp_path, 99, whole=False) / "notes.txt"
    note.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputExistsError, match=r"checkpoint-99 holds .*\(notes\.txt\)"):
        Checkpoints(tmp_path).newest()
    assert note.read_text(encoding="utf-8") == "mine"
