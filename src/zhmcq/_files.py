"""Write under a temporary name, then rename: no half-written file or folder is ever seen."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zhmcq.errors import OutputError, OutputExistsError

__all__ = ["atomic_folder", "atomic_write", "locked"]


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path in the folder of ``path`` to write to; rename it at the end.

    When the block raises, the temporary file is removed and what was at ``path`` stays as it was.
    The temporary name keeps the suffix, because some writers look at it.

    Args:
        path: The file to write. Its folder is made where it is missing.

    Raises:
        OutputError: If the file cannot be written (no space, no permission, a folder in the way).
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; give the name of a file")
    with _as_output_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _new_file(target)
    try:
        with _as_output_error(target):
            yield temporary
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o777)
            _sync(temporary)
            temporary.replace(target)
            _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder next to ``path`` to fill; rename it to ``path`` at the end.

    When the block raises, the temporary folder is removed and what was at ``path`` stays.

    Args:
        path: The folder to write.
        overwrite: Whether a folder that is not empty may be replaced, as a whole.

    Raises:
        OutputExistsError: If ``path`` is a file, or a folder with something in it and
            ``overwrite`` is false. Looked at before the block runs and again before the rename.
        OutputError: If the folder cannot be written.
    """
    target = Path(path)
    _refuse_existing(target, overwrite)
    with _as_output_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}-", dir=target.parent))
    try:
        with _as_output_error(target):
            yield temporary
            temporary.chmod(_new_folder_mode(temporary))
            for file in temporary.rglob("*"):
                _sync(file)
            _sync(temporary)
            _refuse_existing(target, overwrite)
            _swap(temporary, target)
            _sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path, taken: str) -> Iterator[None]:
    """Hold a lock file while the block runs; the system releases it if the process dies.

    Args:
        path: The lock file; its folder is made where it is missing.
        taken: What to say if another process holds it.

    Raises:
        OutputError: If another process holds it, or the file cannot be made.
    """
    from filelock import FileLock, Timeout

    with _as_output_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    with _as_output_error(path):
        try:
            lock.acquire(blocking=False)
        except Timeout as error:  # an OSError too
            raise OutputError(taken) from error
    try:
        yield
    finally:
        # Removed while it is held: a process that opened it meanwhile finds it gone and refuses.
        if os.name != "nt":
            path.unlink(missing_ok=True)
        lock.release()


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise OutputExistsError(f"cannot write the folder {target}: a file of that name is there")
    if not overwrite and target.is_dir() and any(target.iterdir()):
        raise OutputExistsError(
            f"the folder {target} already holds something; "
            "choose another folder, or pass overwrite=True to replace it"
        )


def _swap(temporary: Path, target: Path) -> None:
    """Rename over ``target``; the old folder is moved away first and put back if that fails."""
    if not target.exists():
        temporary.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}-old-", dir=target.parent))
    old.rmdir()
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _as_output_error(target: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        remedy = {
            errno.ENOSPC: "free some space and run it again",
            errno.EDQUOT: "free some space and run it again",
            errno.EACCES: "choose a folder that you may write to",
            errno.EPERM: "choose a folder that you may write to",
            errno.EROFS: "choose a folder that you may write to",
        }.get(error.errno or 0, "check the path")
        raise OutputError(
            f"cannot write {target}: {error.strerror or error}; {remedy} "
            "(what was there before is unchanged)"
        ) from error


# os.umask tells the mask only by setting another one, and would do that for all threads. A file or
# folder that is made without a mode has the one that the mask leaves it.


def _new_file(target: Path) -> Path:
    """Make a file to write in the folder of ``target``, private if ``target`` exists already."""
    prefix, suffix = f".{target.stem[:40]}-", f".tmp{target.suffix}"
    if target.exists():
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=target.parent)
        os.close(handle)
        return Path(name)
    path = target.with_name(f"{prefix}{secrets.token_hex(4)}{suffix}")
    path.touch(exist_ok=False)
    return path


def _new_folder_mode(folder: Path) -> int:
    """The permissions of a new folder in this one."""
    new = folder / f".{secrets.token_hex(8)}"
    new.mkdir()
    try:
        return new.stat().st_mode & 0o777
    finally:
        new.rmdir()


def _sync(path: Path) -> None:
    """Flush a file or folder to the disk, where the system can."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
