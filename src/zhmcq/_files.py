"""Write under a temporary name, then rename: no half-written file or folder is ever seen.

What is being written lies in a scratch folder beside its target, so that it is on the same disk.
Its writer holds a lock file in it, which the system releases if the process dies: the next writer
of the same target finds the lock free and clears the folder away.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zhmcq.errors import OutputError, OutputExistsError

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = [
    "atomic_folder",
    "atomic_write",
    "clear_abandoned",
    "is_scratch",
    "leads_out",
    "locked",
    "path_to_write",
    "real_path",
    "refuse_inputs",
    "refuse_occupied",
    "refuse_strangers",
    "strange_names",
    "writing",
]

LOCK = ".zhmcq-lock"
LOCK_CONTENT = re.compile(rb"(\d+\n.*)?", re.DOTALL)
OLD = ".zhmcq-old"
SCRATCH = re.compile(r"\..+-[\w-]{8}", re.DOTALL)
# What a rename says if somebody else made or moved the folder since it was looked at.
MEANWHILE = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)
MAX_SHOWN = 5
# Two writers of one folder wait for each other no longer than a rename takes.
MAX_TRIES = 100
BUSY = "others write to it all the time; write elsewhere"


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to ``path`` at the end.

    When the block raises, the temporary file is removed and what was at ``path`` stays as it was.
    The temporary file has the name of ``path`` and is alone in its folder, which the block may
    use for further temporary files. A link is followed: the file that it names is written.

    Args:
        path: The file to write. Its folder is made where it is missing.

    Raises:
        OutputError: If the file cannot be written (no space, no permission, a folder in the way).
    """
    target = real_path(path)
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; give the name of a file")
    if target.exists() and not target.is_file():
        raise OutputError(
            f"cannot write {target}: it is a device or a pipe, which a file would replace; give "
            "the name of a file"
        )
    with writing(target), _scratch(target) as scratch:
        temporary = scratch / target.name
        yield temporary
        usual = _usual_mode(scratch)
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else usual)
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)


@contextlib.contextmanager
def atomic_folder(
    path: str | os.PathLike[str], *, overwrite: bool = False, ours: Collection[str] = ()
) -> Iterator[Path]:
    """Give a temporary folder to fill; rename it to ``path`` at the end.

    When the block raises, the temporary folder is removed and what was at ``path`` stays. A link is
    followed: the folder that it names is replaced.

    Args:
        path: The folder to write.
        overwrite: Whether a folder that is not empty may be replaced, if it holds nothing but
            what is named in ``ours``.
        ours: Names of files in it that zhmcq wrote.

    Raises:
        OutputExistsError: If ``path`` is a file, or holds something that may not be replaced.
            Looked at before the block runs and again before the rename.
        OutputError: If the folder cannot be written.
    """
    target = real_path(path)
    clear_abandoned(target)
    refuse_occupied(target, overwrite=overwrite, ours=ours)
    with writing(target), _scratch(target) as scratch:
        temporary = scratch / target.name
        temporary.mkdir()
        yield temporary
        usual = _usual_mode(scratch)
        for file in temporary.rglob("*"):
            if file.is_file() and not file.is_symlink():
                # Some writers make their files private, whatever the umask says.
                file.chmod(usual)
            _sync(file)
        _sync(temporary)
        _swap(temporary, target, overwrite, ours)
        _sync(target.parent)


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what the system says while something is written into an error that names it.

    Libraries that write with code of their own hand on the system's words in errors of other kinds:
    safetensors and tokenizers with its number, torch without.

    Args:
        target: What is written.

    Raises:
        OutputError: If it cannot be written.
    """
    try:
        yield
    except OutputError:
        raise
    except Exception as error:
        number = _system_error(error)
        if number is None:
            raise
        remedy = {
            errno.ENOSPC: "free some space and run it again",
            errno.EDQUOT: "free some space and run it again",
            errno.EFBIG: "allow larger files, or choose another disk",
            errno.EACCES: "choose a folder that you may write to",
            errno.EPERM: "choose a folder that you may write to",
            errno.EROFS: "choose a folder that you may write to",
            errno.ENAMETOOLONG: "choose a shorter name",
        }.get(number, "check the path and the disk")
        reason = os.strerror(number) if number else str(error)
        raise OutputError(
            f"cannot write {target}: {reason}; {remedy} (what was there before is unchanged)"
        ) from error


def _system_error(error: Exception) -> int | None:
    """The number of the system's error behind a library's, 0 if unknown; ``None`` if it is none."""
    if isinstance(error, OSError):
        return error.errno or 0
    if match := re.search(r"\(os error (\d+)\)", str(error)):
        return int(match.group(1))
    # torch counts the bytes that it could write.
    return errno.ENOSPC if "inline_container.cc" in str(error) else None


def refuse_occupied(
    path: str | os.PathLike[str], *, overwrite: bool, ours: Collection[str] = ()
) -> None:
    """Refuse a folder to write to that holds something which is not to be removed.

    Args:
        path: The folder; it need not exist.
        overwrite: Whether what is named in ``ours`` may be removed.
        ours: Names of files in it that zhmcq wrote.

    Raises:
        OutputExistsError: If there is a file of that name, or the folder holds other things, which
            are named.
        OutputError: If it is the current folder or a mount point.
    """
    target = real_path(path)
    names: list[str] = []
    strangers: list[str] = []
    with writing(target):
        try:
            names += (entry.name for entry in target.iterdir())
            strangers += strange_names(target, ours)
            is_fixed = target.is_mount() or target.samefile(".")
        except FileNotFoundError:  # or moved away by another writer
            return
        except NotADirectoryError:
            raise OutputExistsError(
                f"cannot write the folder {target}: a file of that name is there"
            ) from None
    # The one stays where it is, and who is in the other would be left in a removed folder.
    if is_fixed:
        raise OutputError(
            f"cannot write the folder {target}: it is the current folder or a mount point, which "
            "cannot be replaced by another one; give the name of a folder in it"
        )
    if names and not overwrite:
        raise OutputExistsError(
            f"the folder {target} already holds something; choose another folder, or pass "
            "overwrite=True to replace it"
        )
    refuse_strangers(target, strangers)


def strange_names(folder: Path, ours: Collection[str]) -> list[str]:
    """The names of what lies in a folder and is none of our files.

    Args:
        folder: The folder.
        ours: Names of files in it that zhmcq wrote. A folder of such a name is none of them: what
            is in it is somebody's.
    """
    return [
        path.name
        for path in folder.iterdir()
        if path.name not in ours or (path.is_dir() and not path.is_symlink())
    ]


def refuse_strangers(folder: Path, names: Iterable[str]) -> None:
    """Refuse to remove files that zhmcq did not write.

    Raises:
        OutputExistsError: If there are any names.
    """
    strangers = sorted(names)
    if strangers:
        shown = ", ".join(strangers[:MAX_SHOWN])
        more = f" and {len(strangers) - MAX_SHOWN} more" if len(strangers) > MAX_SHOWN else ""
        raise OutputExistsError(
            f"{folder} holds what zhmcq did not write there ({shown}{more}), which is not removed "
            "even with overwrite=True: move it away, or choose another folder"
        )


def refuse_inputs(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse to write over what a call reads.

    Args:
        path: The file or folder to write.
        inputs: What the call reads. Names that are no paths of this machine may be among them.

    Raises:
        OutputExistsError: If ``path`` is one of them, or a folder that one of them lies in.
    """
    target = real_path(path)
    for name in inputs:
        source = Path(os.path.realpath(name)) if os.path.exists(name) else None  # noqa: PTH110
        if source and target.exists() and (source == target or target in source.parents):
            raise OutputExistsError(
                f"cannot write {target}: this call reads {source}, which would be replaced; choose "
                "another name"
            )


@contextlib.contextmanager
def locked(path: Path, taken: str) -> Iterator[None]:
    """Hold a lock file while the block runs; the system releases it if the process dies.

    Args:
        path: The lock file; its folder is made where it is missing.
        taken: What to say if another process holds it.

    Raises:
        OutputError: If another process holds it, the file cannot be made, or there is another file
            of that name.
    """
    from filelock import FileLock, Timeout

    path = real_path(path.parent) / path.name
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _may_be_lock(path):
            raise OutputError(
                f"{path} is no lock file of zhmcq, which makes one of that name for the time of "
                "this call: move it away, or choose another output"
            )
    lock = FileLock(path)
    with writing(path):
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


def _may_be_lock(path: Path) -> bool:
    """Whether a lock file of zhmcq is there, or nothing: it is removed when it is released."""
    try:
        mode = path.lstat().st_mode
        with path.open("rb") if stat.S_ISREG(mode) else contextlib.nullcontext() as file:
            # Empty, or the process's number where the system cannot lock files.
            return file is not None and LOCK_CONTENT.fullmatch(file.read(1000)) is not None
    except (FileNotFoundError, PermissionError):  # Windows lets nobody read a lock that is held
        return True


def clear_abandoned(path: str | os.PathLike[str]) -> None:
    """Remove what writers of ``path`` left that died while they wrote, and nothing else.

    A folder that such a writer had moved away to put another in its place is put back. So a call
    that looks at what is at ``path``, to refuse it or to list what may be replaced, clears first.

    Args:
        path: A file or folder that :func:`atomic_write` or :func:`atomic_folder` writes.
    """
    from filelock import FileLock, Timeout

    target = real_path(path)
    pattern = re.compile(re.escape(_prefix(target)) + r"[\w-]{8}", re.DOTALL)
    folders: list[Path] = []
    with contextlib.suppress(OSError):  # where nobody may look, nothing can be written either
        folders += target.parent.iterdir()
    for folder in folders:
        # Others clear at the same time, and who is writing there holds the lock.
        with contextlib.suppress(Timeout, OSError):
            if not pattern.fullmatch(folder.name) or not is_scratch(folder):
                continue
            with FileLock(folder / LOCK, blocking=False) as lock:
                old = folder / OLD
                if old.is_dir() and not target.exists():
                    old.rename(target)
                _discard(folder, lock)


def is_scratch(path: Path) -> bool:
    """Whether this is a folder that something is, or was, being written in."""
    if path.is_symlink() or not SCRATCH.fullmatch(path.name) or not path.is_dir():
        return False
    # Its writer may have died before it made the lock.
    return (path / LOCK).is_file() or not any(path.iterdir())


@contextlib.contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` to write in, locked while the block runs and removed after it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    clear_abandoned(target)
    folder, lock = _locked_folder(target)
    try:
        yield folder
    finally:
        _discard(folder, lock)


def _locked_folder(target: Path) -> tuple[Path, BaseFileLock]:
    from filelock import FileLock, Timeout

    for _ in range(MAX_TRIES):
        folder = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
        lock = FileLock(folder / LOCK, blocking=False)
        try:
            lock.acquire()
        except (Timeout, FileNotFoundError, FileExistsError):
            # Before it was locked, another writer took it for the folder of a dead one.
            continue
        except BaseException:
            _discard(folder, lock)
            raise
        if (folder / LOCK).is_file():
            return folder, lock
        lock.release()
    raise OutputError(f"cannot write {target}: {BUSY}")


def _discard(folder: Path, lock: BaseFileLock) -> None:
    """Remove a scratch folder, the lock last: without it nobody knows what the folder is.

    The lock is held until then, or another writer could take it and have its folder removed.
    """
    with contextlib.suppress(FileNotFoundError):
        for path in list(folder.iterdir()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != LOCK:
                path.unlink(missing_ok=True)
    if os.name == "nt":  # where no file is removed that is open
        lock.release()
    with contextlib.suppress(OSError):
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
    lock.release()


def _prefix(target: Path) -> str:
    return f".{target.name[:40]}-"


def _swap(temporary: Path, target: Path, overwrite: bool, ours: Collection[str]) -> None:
    """Rename over ``target``; the old folder is moved away first and put back if that fails."""
    old = temporary.parent / OLD
    for _ in range(MAX_TRIES):
        refuse_occupied(target, overwrite=overwrite, ours=ours)
        try:
            if target.exists() and any(target.iterdir()):
                target.rename(old)
            temporary.rename(target)
        except OSError as error:
            if old.exists():
                with contextlib.suppress(OSError):  # another writer has filled it meanwhile
                    old.rename(target)
                if old.exists() and target.exists():
                    shutil.rmtree(old)  # what the other writer has replaced
            # Another writer of the same folder was a moment earlier: look at what it wrote.
            if error.errno in MEANWHILE:
                continue
            raise
        # What came in between the look and the rename belongs to somebody.
        if strangers := strange_names(old, ours) if old.exists() else []:
            target.rename(temporary)
            old.rename(target)
            refuse_strangers(target, strangers)
        return
    raise OutputError(f"cannot write {target}: {BUSY}")


def leads_out(path: Path) -> bool:
    """Whether a file is a link, other than one of the hub's cache to where it keeps its files.

    The cache has ``models--owner--name/snapshots/REVISION/FILE`` as a link to a file in
    ``models--owner--name/blobs``, or in ``blobs`` beside all models.

    Args:
        path: A file in a folder of somebody else's.
    """
    if not path.is_symlink():
        return False
    folder, real = (Path(os.path.realpath(name)) for name in (path.parent, path))
    for snapshot in (folder, *folder.parents):
        if snapshot.parent.name == "snapshots":
            model = snapshot.parent.parent
            return not {model / "blobs", model.parent / "blobs"} & set(real.parents)
    return True


def path_to_write(path: str | os.PathLike[str]) -> Path:
    """A path that a caller gave to write to.

    Raises:
        OutputError: If it is none.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise OutputError(
            f"cannot write {path!r:.80}: expected a path, found {type(path).__name__}"
        )
    return Path(path)


def real_path(path: str | os.PathLike[str]) -> Path:
    """The path with its links followed, so that a link stays one.

    Raises:
        OutputError: If it is no path, or the system takes no such name.
    """
    if "\0" in os.fspath(path_to_write(path)):
        raise OutputError(f"cannot write {os.fspath(path)!r}: no name holds a null character")
    with writing(Path(path)):  # what is given relative to a folder that is gone leads nowhere
        target = Path(os.path.realpath(path))
    with writing(target), contextlib.suppress(FileNotFoundError):
        target.lstat()
    return target


def _usual_mode(scratch: Path) -> int:
    """The mode that this process gives new files: read from one, since a umask can only be set."""
    probe = scratch / ".mode"
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    return mode


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
