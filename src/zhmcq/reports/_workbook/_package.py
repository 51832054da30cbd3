"""A workbook as a package: its members, what they refer to, and a copy of it with other members."""

from __future__ import annotations

import contextlib
import copy
import itertools
import posixpath
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from zhmcq.errors import ReadError
from zhmcq.reading._formats.archive import check_archive
from zhmcq.reading._formats.workbook_parts import folded_name, relations, workbook_sheets
from zhmcq.reading._formats.xlsx import refuse_other_kinds
from zhmcq.reports._workbook._xml import LARGEST_PART

__all__ = ["Package", "Written", "open_package", "rels_of"]

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1
_DESCRIPTOR = 0x8
_CHUNK = 2**20
# Members that are new have the date that a zip begins to count from: none of this machine.
_NO_DATE = (1980, 1, 1, 0, 0, 0)
# What libraries raise over damaged archives.
_DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeError,
    LookupError,
    ValueError,
)


class Package(NamedTuple):
    """A workbook that can be edited.

    Attributes:
        archive: Its archive; its parts are found by names in lower case.
        name: How messages call it.
        book: The name of the part that lists the sheets.
        sheets: The part of each worksheet, by its title.
    """

    archive: zipfile.ZipFile
    name: str
    book: str
    sheets: dict[str, str]

    def read(self, part: str) -> bytes:
        """A part that is held in memory; empty if there is none.

        Raises:
            ReadError: If it is too large for that.
        """
        if part not in self.archive.NameToInfo:
            return b""
        size = self.archive.getinfo(part).file_size
        if size > LARGEST_PART:
            raise ReadError(
                f"{self.name}: its part {part} has {size:,} bytes; one that is changed may have "
                f"{LARGEST_PART:,}"
            )
        return self.archive.read(part)

    def where(self, part: str) -> str:
        """How messages call a part."""
        return f"{self.name}, its part {part}"

    def subtree(self, part: str, without: Collection[str] = ()) -> set[str]:
        """A part with what it refers to, and so on, and the parts that say so.

        Args:
            part: The part; ``""`` is the package itself.
            without: Parts that are not followed.
        """
        reached: set[str] = set()
        waiting = [part]
        while waiting:
            current = waiting.pop()
            if current in reached or current in without:
                continue
            reached.add(current)
            waiting += [r.part for r in relations(self.archive, current, self.name).values()]
        return (reached | {rels_of(each) for each in reached}) & self.archive.NameToInfo.keys()

    def unused(self, pattern: str, taken: Collection[str] = ()) -> str:
        """A name that no part has yet: ``"xl/comments{}.xml"`` with a number in it."""
        names = {*self.archive.NameToInfo, *map(str.lower, taken)}
        numbered = map(pattern.format, itertools.count(1))
        return next(name for name in numbered if name.lower() not in names)


def rels_of(part: str) -> str:
    """The name of the part that says what a part refers to."""
    folder, base = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{base}.rels")


@contextlib.contextmanager
def damage_as_read_errors(name: str) -> Iterator[None]:
    """Whatever a library raises over a damaged file, the caller gets a ReadError."""
    try:
        yield
    except _DAMAGE as error:
        detail = f"{type(error).__name__}: {error}"[:300]
        raise ReadError(f"{name}: it is damaged or of another kind ({detail})") from error


@contextlib.contextmanager
def open_package(path: Path) -> Iterator[Package]:
    """Open a workbook to edit it.

    Args:
        path: The file.

    Raises:
        ReadError: If it is none that can be edited: of another kind, with a password, damaged or
            hostile.
    """
    name = str(path)
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise ReadError(f"{name}: it can't be opened ({error})") from error
    with file, damage_as_read_errors(name):
        refuse_other_kinds(file.read(8), name)
        archive = zipfile.ZipFile(file)
        check_archive(archive, name)
        _check_members(archive, name)
        book, sheets, _ = workbook_sheets(archive, name)
        yield Package(archive, name, book, {sheet.title: sheet.part for sheet in sheets})


def _check_members(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse what could not be copied member by member."""
    members = archive.infolist()
    names = [folded_name(m.filename) for m in members if not m.is_dir()]
    if len(set(names)) < len(names):
        twice, _ = Counter(names).most_common(1)[0]
        raise ReadError(f"{name}: refused: its part {twice} is there twice")
    if bad := [part for part in names if ".." in part.split("/")]:
        raise ReadError(f"{name}: refused: its part {bad[0]} lies outside the archive")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise ReadError(f"{name}: its parts are encrypted")
    if any(not 0 <= member.header_offset < archive.start_dir for member in members):
        raise ReadError(f"{name}: its archive is damaged: a part lies outside the file")
    if sum(member.compress_size for member in members) > archive.start_dir:
        raise ReadError(f"{name}: refused: its parts lie over each other")


class Written:
    """The members of an edited workbook that are not the source's.

    Args:
        path: A file for them, which is an archive by itself.
    """

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)

    def write(self, part: str, data: bytes) -> None:
        """Write a part."""
        with self.open(part) as stream:
            stream.write(data)

    def open(self, part: str) -> IO[bytes]:
        """Write a part as a stream."""
        if part in self._archive.NameToInfo:
            raise ReadError(f"two of its sheets share the part {part}, which would be changed")
        info = zipfile.ZipInfo(part, _NO_DATE)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        return self._archive.open(info, "w")

    def close(self) -> None:
        """No more is written."""
        self._archive.close()

    def assemble(self, package: Package, target: Path, dropped: Collection[str]) -> None:
        """Write the workbook: the source's members in their order, then those that are new.

        Members are copied as they are stored, without being inflated.

        Args:
            package: The source.
            target: The file to write.
            dropped: Parts of the source that are left out.
        """
        changed = {name.lower(): info for name, info in self._archive.NameToInfo.items()}
        with (
            zipfile.ZipFile(target, "w") as result,
            zipfile.ZipFile(str(self._archive.filename)) as written,
        ):
            for member in package.archive.infolist():
                part = folded_name(member.filename)
                if part in dropped:
                    continue
                if part in changed and not member.is_dir():
                    replaced = copy.copy(changed.pop(part))
                    replaced.filename, replaced.date_time = member.filename, member.date_time
                    _copy_member(written, replaced, result)
                else:
                    _copy_member(package.archive, copy.copy(member), result)
            for info in changed.values():
                _copy_member(written, copy.copy(info), result)


def _copy_member(source: zipfile.ZipFile, info: zipfile.ZipInfo, result: zipfile.ZipFile) -> None:
    """Copy a member as it is stored; ``zipfile`` has no function for it, but all its parts."""
    file = source.fp
    assert file is not None and result.fp is not None  # noqa: S101, PT018
    file.seek(info.header_offset)
    signature, name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    if signature != zipfile.stringFileHeader:  # type: ignore[attr-defined]
        raise ReadError(f"{info.filename}: its archive is damaged")
    file.seek(name_length + extra_length, 1)
    # Sizes are in the header now and not behind the data; extra fields hold times and such.
    info.flag_bits &= ~_DESCRIPTOR
    info.extra = b""
    result.fp.seek(result.start_dir)
    info.header_offset = result.fp.tell()
    result.fp.write(info.FileHeader())
    left = info.compress_size
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk:
            raise ReadError(f"{info.filename}: its archive ends too early")
        result.fp.write(chunk)
        left -= len(chunk)
    result.filelist.append(info)
    result.NameToInfo[info.filename] = info
    result.start_dir = result.fp.tell()
