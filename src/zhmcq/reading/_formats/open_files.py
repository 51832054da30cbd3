"""An open file, an upload or a member of an archive → a temporary copy that the readers open."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from zhmcq.errors import ReadError

__all__ = ["copied_file", "file_name"]

# It is copied to the disk before it is read; a jsonl of a million questions has 430 MB.
MAX_BYTES = 2**31
_CHUNK = 2**20
_HEAD = 2**22
_LONGEST_NAME = 200
_KNOWN = re.compile(
    r"\.(?:xlsx|xlsm|xltx|xltm|xls|xlsb|ods|csv|tsv|tab|txt|json|jsonl|ndjson|docx|xml|gift|md)",
    re.IGNORECASE,
)
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "lzma", b"7z\xbc\xaf": "7-zip"}


def file_name(file: Any) -> str:
    """How messages and origins call an open file.

    That is the path that it was opened by, where it is the file of that path; the plain name of an
    upload or a member of an archive, whatever folders it names; else ``"<file>"``.

    Args:
        file: The open file.
    """
    for attribute in ("filename", "name"):  # an upload of werkzeug calls its form field "name"
        name = getattr(file, attribute, None)
        if not isinstance(name, str) or not name.strip():
            continue
        if _is_file_of(name, file):
            return name
        last = PurePath(name.replace("\\", "/")).name
        if plain := "".join(filter(str.isprintable, last)).strip():
            return plain[-_LONGEST_NAME:]
    return "<file>"


def _is_file_of(name: str, file: Any) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(name))  # noqa: PTH116
    except Exception:  # no descriptor, a closed file, no such path: whatever the object raises
        return False


@contextlib.contextmanager
def copied_file(file: Any, name: str) -> Iterator[Path]:
    """A copy of an open file while the block runs, with a suffix that says what it is.

    It is read from its beginning where it can be rewound, and afterwards stands where it stood;
    else it is read from where it stands to its end. It is not closed.

    Args:
        file: What has ``read(size)``.
        name: How messages call it.

    Raises:
        ReadError: If it gives text in place of bytes, fails, or is too large.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="zhmcq-"))
            path = Path(folder) / "content"
            with path.open("wb") as copy:
                _copy(file, copy, name)
            suffix = PurePath(name).suffix
            if not _KNOWN.fullmatch(suffix):
                suffix = _kind_of_content(path, name)
            path = path.rename(path.with_suffix(suffix.lower()))
        except OSError as error:
            raise ReadError(
                f"{name}: it can't be copied to a temporary file: {error.strerror or error}"
            ) from error
        yield path


def _copy(file: Any, copy: Any, name: str) -> None:
    position = _rewound(file)
    size = 0
    try:
        while True:
            chunk = _read(file, name)
            if not chunk:
                return
            size += len(chunk)
            if size > MAX_BYTES:
                raise ReadError(
                    f"{name}: more than {MAX_BYTES:,} bytes; save it to a file and give its path"
                )
            copy.write(chunk)
    finally:
        if position is not None:
            with contextlib.suppress(Exception):  # what was raised meanwhile says more
                file.seek(position)


def _rewound(file: Any) -> int | None:
    """Where a file stood that is now at its beginning; ``None`` if it can't be rewound."""
    try:
        seekable = getattr(file, "seekable", None)
        if seekable is not None and not seekable():
            return None
        position = file.tell()
        file.seek(0)
    except Exception:  # pipes, sockets and uploads raise what they like
        return None
    return position if isinstance(position, int) else None


def _read(file: Any, name: str) -> bytes:
    """The next bytes, ``b""`` at the end."""
    try:
        chunk = file.read(_CHUNK)
    except Exception as error:
        raise ReadError(
            f"{name}: reading the open file failed ({type(error).__name__}: {error}); give one "
            "that is open for reading, as open(path, 'rb') is"
        ) from error
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    if isinstance(chunk, str):
        raise ReadError(
            f"{name}: expected a binary file, found one that is open as text: open(path, 'rb')"
        )
    if inspect.isawaitable(chunk):
        if inspect.iscoroutine(chunk):
            chunk.close()
        raise ReadError(
            f"{name}: its read() must be awaited: give the plain file in it (upload.file), or "
            "io.BytesIO(await upload.read())"
        )
    raise ReadError(f"{name}: expected bytes from read(), found {type(chunk).__name__}")


def _kind_of_content(path: Path, name: str) -> str:
    """A suffix for a file whose name has none that is known."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_archive(path, name)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return ".xls"
    packed = next((kind for start, kind in _PACKED.items() if head.startswith(start)), "")
    if packed:
        raise ReadError(f"{name}: expected a question bank, found a file packed with {packed}")
    if head.startswith(b"%PDF"):
        raise ReadError(f"{name}: expected a question bank, found a PDF; export it as text or xlsx")
    start = _text_start(head)
    if re.match(r"<\?xml\b|<quiz\b", start):
        return ".xml"
    if start.startswith(("{", "[")):
        return ".jsonl" if _has_json_lines(start) else ".json"
    return ".txt"


def _kind_of_archive(path: Path, name: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return ".xlsx"  # whose reader says what is damaged
    for member, suffix in (
        ("xl/workbook.bin", ".xlsb"),
        ("word/document.xml", ".docx"),
        ("content.xml", ".ods"),
    ):
        if member in names:
            return suffix
    if any(member.startswith("xl/") for member in names):
        return ".xlsx"
    shown = ", ".join(sorted(names)[:5]) or "nothing in it"
    raise ReadError(
        f"{name}: expected a question bank, found a zip with {shown}: give "
        "a file in it, as in zipfile.ZipFile(…).open(name)"
    )


def _text_start(head: bytes) -> str:
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n")


def _has_json_lines(start: str) -> bool:
    """Whether the first line is a whole value, and another comes after it."""
    first, _, rest = start.partition("\n")
    if not rest.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True
