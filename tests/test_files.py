from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from zhmcq._files import atomic_folder, atomic_write
from zhmcq.errors import OutputError, OutputExistsError


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
    with atomic_folder(target, overwrite=True) as temporary:
        (temporary / "b.txt").write_text("2", encoding="utf-8")
    assert names(target) == ["b.txt"]
    assert names(tmp_path) == ["out"]


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as temporary:
        (temporary / "a.txt").write_text("1", encoding="utf-8")
    with pytest.raises(ZeroDivisionError), atomic_folder(target, overwrite=True) as temporary:
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


def test_the_temporary_name_keeps_the_suffix_and_is_hidden(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "答案.xlsx") as temporary:
        assert temporary.suffix == ".xlsx"
        assert temporary.name.startswith(".")
        assert temporary.parent == tmp_path


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
        atomic_folder(target, overwrite=True) as temporary,
    ):
        (temporary / "new").touch()
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]
