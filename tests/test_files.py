from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zhmcq._files import atomic_folder, atomic_write, clear_abandoned, leads_out, refuse_inputs
from zhmcq.errors import OutputError, OutputExistsError
from zhmcq.training._run_folder import RunFolder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("新", encoding="utf-8")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "新"
    assert names(path.parent) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError), atomic_write(path) as temporary:
        temporary.write_text("half\ud800", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["a.txt"]


def test_no_space_is_an_output_error_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(OutputError, match="free some space"), atomic_write(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text(encoding="utf-8") == "old"


def test_a_folder_in_the_way_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"), atomic_write(tmp_path):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_or_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for path in (pipe, tmp_path / "link"):
        with pytest.raises(OutputError, match="a device or a pipe"), atomic_write(path):
            pass
    assert pipe.is_fifo()
    assert names(tmp_path) == ["link", "pipe"]


def test_a_folder_is_written_beside_and_renamed(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as temporary:
        (temporary / "a").mkdir()
        (temporary / "a" / "b.txt").write_text("b", encoding="utf-8")
        assert not target.exists()
    assert (target / "a" / "b.txt").read_text(encoding="utf-8") == "b"
    assert names(tmp_path) == ["out"]


def test_a_folder_that_holds_something_is_kept_unless_told(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    with atomic_folder(target) as temporary:
        (temporary / "a.txt").write_text("1", encoding="utf-8")
    with pytest.raises(OutputExistsError, match="overwrite=True"), atomic_folder(target):
        pytest.fail("the block must not run")
    with atomic_folder(target, overwrite=True, ours=["a.txt"]) as temporary:
        (temporary / "b.txt").write_text("2", encoding="utf-8")
    assert names(target) == ["b.txt"]
    assert names(tmp_path) == ["out"]


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as temporary:
        (temporary / "a.txt").write_text("1", encoding="utf-8")
    with pytest.raises(ZeroDivisionError), atomic_folder(target, overwrite=True, ours=["a.txt"]):
        raise ZeroDivisionError
    assert names(target) == ["a.txt"]
    assert names(tmp_path) == ["out"]


def test_a_new_file_has_the_usual_mode_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    fresh, old = tmp_path / "fresh.txt", tmp_path / "old.txt"
    plain = tmp_path / "plain.txt"
    plain.touch()
    old.touch()
    old.chmod(0o640)
    for path in (fresh, old):
        with atomic_write(path) as temporary:
            temporary.write_text("x", encoding="utf-8")
    assert fresh.stat().st_mode == plain.stat().st_mode
    assert old.stat().st_mode & 0o777 == 0o640


def test_the_temporary_file_has_the_name_and_is_on_the_same_disk(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "答案.xlsx") as temporary:
        temporary.touch()
        assert temporary.name == "答案.xlsx"
        assert temporary.parent.name.startswith(".答案.xlsx-")
        assert temporary.parent.parent == tmp_path


def test_a_long_chinese_name_still_finds_room_for_its_temporary(tmp_path: Path) -> None:
    path = tmp_path / ("題" * 80 + ".csv")
    with atomic_write(path) as temporary:
        temporary.write_text("x", encoding="utf-8")
    with atomic_folder(tmp_path / ("題" * 80)) as folder:
        (folder / "a").touch()
    assert len(names(tmp_path)) == 2


def test_a_file_in_the_way_of_a_folder_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("mine", encoding="utf-8")
    with (
        pytest.raises(OutputExistsError, match="a file of that name is there"),
        atomic_folder(path, overwrite=True),
    ):
        pytest.fail("the block must not run")
    assert path.read_text(encoding="utf-8") == "mine"


def test_the_current_folder_is_not_replaced_and_one_that_is_gone_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(OutputError, match="current folder or a mount point"), atomic_folder("."):
        pass
    assert folder.samefile(".")
    folder.rmdir()
    with pytest.raises(OutputError, match="No such file or directory"), atomic_write("a.txt"):
        pass
    with pytest.raises(OutputError, match="No such file or directory"):
        RunFolder("run")


def test_what_zhmcq_did_not_write_is_not_removed_even_when_told(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    for name in ("ours.txt", "a.xlsx", "b", "c", "d", "e", "f"):
        (target / name).touch()
    with (
        pytest.raises(OutputExistsError, match=r"\(a\.xlsx, b, c, d, e and 1 more\), which is not"),
        atomic_folder(target, overwrite=True, ours=["ours.txt"]),
    ):
        pytest.fail("the block must not run")
    assert len(names(target)) == 7


def test_what_came_in_while_the_new_folder_was_written_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as temporary:
        (temporary / "ours").touch()
    real = Path.rename

    def rename(self: Path, other: Path) -> Path:
        if self == target:
            (target / "theirs").touch()
        return real(self, other)

    monkeypatch.setattr(Path, "rename", rename)
    with (
        pytest.raises(OutputExistsError, match="theirs"),
        atomic_folder(target, overwrite=True, ours=["ours"]) as temporary,
    ):
        (temporary / "ours").write_text("new", encoding="utf-8")
    assert names(target) == ["ours", "theirs"]
    assert (target / "ours").read_text(encoding="utf-8") == ""
    assert names(tmp_path) == ["out"]


def test_a_folder_filled_by_another_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "out"

    def fill(temporary: Path) -> None:
        (temporary / "mine").touch()
        target.mkdir()
        (target / "theirs").touch()

    with pytest.raises(OutputExistsError), atomic_folder(target) as temporary:
        fill(temporary)
    assert names(target) == ["theirs"]
    assert names(tmp_path) == ["out"]


def test_the_old_folder_is_put_back_when_the_new_one_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as temporary:
        (temporary / "old").touch()
    real = Path.rename

    def rename(self: Path, other: Path) -> Path:
        if (self / "new").exists():
            raise OSError(errno.EACCES, "Permission denied")
        return real(self, other)

    monkeypatch.setattr(Path, "rename", rename)
    with (
        pytest.raises(OutputError, match="choose a folder that you may write to"),
        atomic_folder(target, overwrite=True, ours=["old"]) as temporary,
    ):
        (temporary / "new").touch()
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]


def test_links_stay_links_and_what_they_name_is_written(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    (disk / "data").mkdir(parents=True)
    folder, file = tmp_path / "data", tmp_path / "a.csv"
    folder.symlink_to(disk / "data")
    file.symlink_to(disk / "a.csv")
    with atomic_folder(folder) as temporary:
        assert temporary.parent.parent == disk
        (temporary / "x").touch()
    with atomic_write(file) as temporary:
        temporary.write_text("1", encoding="utf-8")
    assert folder.is_symlink()
    assert file.is_symlink()
    assert names(disk) == ["a.csv", "data"]
    assert names(disk / "data") == ["x"]
    assert names(tmp_path) == ["a.csv", "data", "disk"]


def test_files_in_a_folder_have_the_usual_mode_whoever_wrote_them(tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.touch()
    with atomic_folder(tmp_path / "out") as temporary:
        private = temporary / "model.safetensors"
        private.touch(mode=0o600)
    assert (tmp_path / "out" / "model.safetensors").stat().st_mode == plain.stat().st_mode


def test_the_mask_of_the_process_holds_and_is_never_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that read it by setting it, one within the other, would leave it at 0."""
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.delattr(os, "umask")
            with atomic_write(tmp_path / "file") as file:
                file.write_text("x", encoding="utf-8")
            with atomic_folder(tmp_path / "folder") as folder:
                (folder / "file").touch()
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750
    assert names(tmp_path / "folder") == ["file"]


def test_writers_of_one_folder_at_once_leave_one_whole_result(tmp_path: Path) -> None:
    target = tmp_path / "data"
    ours = ["first", "second"]

    def write(number: int) -> None:
        with atomic_folder(target, overwrite=True, ours=ours) as temporary:
            for name in ours:
                (temporary / name).write_text(str(number), encoding="utf-8")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    assert names(tmp_path) == ["data"]
    first, second = ((target / name).read_text(encoding="utf-8") for name in ours)
    assert first == second


def test_a_writer_that_died_before_it_locked_leaves_nothing_for_good(tmp_path: Path) -> None:
    (tmp_path / ".a.txt-ab12cd34").mkdir()
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.touch()
    assert names(tmp_path) == ["a.txt"]


KILLED = """
import os, signal, sys
from pathlib import Path
from zhmcq import _files
real = Path.rename
def rename(self, other):
    result = real(self, other)
    if sys.argv[2] == "swap" and self.name == "out":
        os.kill(os.getpid(), signal.SIGKILL)
    return result
Path.rename = rename
with _files.atomic_folder(sys.argv[1], overwrite=True, ours=["a"]) as temporary:
    (temporary / "a").write_text("new")
    if sys.argv[2] == "block":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("moment", ["block", "swap"])
def test_what_a_killed_writer_left_is_cleared_and_what_it_moved_is_put_back(
    tmp_path: Path, moment: str
) -> None:
    target, stranger = tmp_path / "out", tmp_path / ".out-ab12cd34"
    for folder in (target, stranger):
        folder.mkdir()
    (stranger / "mine").touch()
    (target / "a").write_text("old", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), moment])
    assert done.returncode == -signal.SIGKILL
    left = [name for name in names(tmp_path) if name not in ("out", stranger.name)]
    assert len(left) == 1
    assert target.exists() == (moment == "block")
    clear_abandoned(target)
    assert names(tmp_path) == [stranger.name, "out"]
    assert (target / "a").read_text(encoding="utf-8") == "old"


def test_what_a_living_writer_writes_in_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with atomic_write(target) as first:
        first.write_text("first", encoding="utf-8")
        with atomic_write(target) as second:
            second.write_text("second", encoding="utf-8")
        clear_abandoned(target)
    assert target.read_text(encoding="utf-8") == "first"


@pytest.mark.parametrize(
    ("output", "source"),
    [("data", "data"), ("data", "data/base"), ("data/../data", "data"), ("link", "data/base")],
)
def test_what_a_call_reads_is_not_written_over(tmp_path: Path, output: str, source: str) -> None:
    (tmp_path / "data" / "base").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    with pytest.raises(OutputExistsError, match=r"this call reads .*, which would be replaced"):
        refuse_inputs(tmp_path / output, [tmp_path / source])


def test_what_lies_beside_or_within_an_input_may_be_written(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    refuse_inputs(tmp_path / "base" / "adapter", [tmp_path / "base"])
    refuse_inputs(tmp_path / "base2", [tmp_path / "base", "owner/model"])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("../../blobs/a", False),
        ("../../../blobs/ab/a", False),  # beside all models, as later versions share files
        ("../../refs/a", True),
        ("b", True),
        ("../../../../secret", True),
        ("../../blobs/out", True),  # a link in its turn
        ("../../elsewhere/a", True),  # a folder that is a link
    ],
)
def test_a_link_leads_out_unless_it_is_of_the_hubs_cache(
    tmp_path: Path, target: str, expected: bool
) -> None:
    model = tmp_path / "hub" / "models--a--b"
    snapshot = model / "snapshots" / "1"
    for folder in (snapshot, model / "blobs", model / "refs", tmp_path / "hub" / "blobs" / "ab"):
        folder.mkdir(parents=True)
    for file in ("models--a--b/blobs/a", "models--a--b/refs/a", "blobs/ab/a", "../secret"):
        (tmp_path / "hub" / file).touch()
    (snapshot / "b").touch()
    (model / "blobs" / "out").symlink_to(tmp_path / "secret")
    (model / "elsewhere").symlink_to(tmp_path)
    (tmp_path / "a").touch()
    (snapshot / "file").symlink_to(target)
    assert leads_out(snapshot / "file") is expected
    assert leads_out(snapshot / "b") is False
    assert leads_out(snapshot / "nothing") is False
