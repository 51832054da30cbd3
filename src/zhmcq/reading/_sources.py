"""What a bank can be read from → what the readers take: files, open files, frames, records."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from zhmcq._joining import distinct_name
from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading._drafts.vocabulary import field_of
from zhmcq.reading._formats import Contents, JsonDocument, JsonLines, Sheets
from zhmcq.reading._formats.frames import (
    frame_columns,
    frame_records,
    frame_sheet,
    holds_lists,
)
from zhmcq.reading._formats.memory import (
    Pictures,
    dataset_rows,
    is_instance,
    plain_record,
    plain_value,
)
from zhmcq.reading._formats.open_files import copied_file, file_name

__all__ = ["BankSource", "Opener", "SourceError", "UnreadSource", "bank_parts", "is_empty_list"]


class BinaryFile(Protocol):
    """An open file, or another object whose ``read(size)`` gives bytes."""

    def read(self, size: int = ..., /) -> bytes:
        """At most ``size`` bytes; ``b""`` at the end."""
        ...


#: What :func:`zhmcq.reading.read_bank` takes: a path; an open binary file; a
#: ``pandas.DataFrame``; a ``datasets.Dataset``; records as dictionaries; a Question, several, or a
#: QuestionBank; a list of any of these, which are joined.
BankSource = (
    str
    | os.PathLike[str]
    | BinaryFile
    | Question
    | QuestionBank
    | Mapping[str, Any]
    | Iterable[Any]
)

TAKEN = (
    "expected questions as a QuestionBank or a list of Question, the path of a file, an open "
    "binary file, a pandas.DataFrame, a datasets.Dataset, a list of dictionaries, or a list of "
    "these"
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/{1,2}(?=\w)")
# Lines, or json: no path.
_TEXT = re.compile(r"\n|^\s*\{.*\}\s*$|^\s*\[.*\]\s*$")
_LONGEST_PATH = 4096

#: A file to be opened by its kind, or what gives the contents of something else.
Opener = Path | Callable[[], Contents]


class SourceError(ReadError):
    """What was given is of a type that no bank is read from; doors raise their own error of it."""


@dataclass(frozen=True, slots=True)
class UnreadSource:
    """Something that a bank is still to be read from.

    Attributes:
        name: How messages and origins call it.
        available: A context in which its contents can be opened, more than once.
        pictures: The pictures of its rows or items, noted while they are read.
    """

    name: str
    available: Callable[[], AbstractContextManager[Opener]]
    pictures: Pictures = field(default_factory=dict)


Part = QuestionBank | UnreadSource


def bank_parts(source: BankSource, *, twice: bool = False) -> list[Part]:
    """The parts of a source in their order: banks, and what is still to be read.

    Args:
        source: What a caller gives.
        twice: Whether it will be read twice, so that no iterator will do.

    Raises:
        SourceError: If it, or something in it, is none of what is taken, or is there twice.
        ReadError: If it is an empty list, or holds values that are no records.
    """
    if twice and isinstance(source, Iterator) and not _is_file(source):
        raise SourceError(
            f"stream_bank({_described(source)}): it reads its source twice, and an iterator gives "
            "its items once: give a list, or use read_bank"
        )
    return _Parts().of(source)


def is_empty_list(source: object) -> bool:
    """Whether a source is a list or another collection without anything in it."""
    return isinstance(source, list | tuple) and not source


class _Parts:
    """Makes parts whose names differ."""

    def __init__(self) -> None:
        self._names: Counter[str] = Counter()
        self._given: dict[object, object] = {}

    def of(self, source: Any, *, inside: bool = False) -> list[Part]:
        """The parts of a source.

        Args:
            source: What was given.
            inside: Whether it is an item of a list.
        """
        part = self._single(source)
        if part is not None:
            self._refuse_repeated(source)
            return [part]
        if not isinstance(source, Iterable):
            raise SourceError(f"{TAKEN}; found {_described(source)}")
        if isinstance(source, Set):
            raise SourceError(f"{TAKEN}; found a set, which has no order: give a list")
        items = _listed(source)
        if not items:
            raise ReadError(
                f"expected questions, or what they can be read from; found an empty "
                f"{type(source).__name__}"
            )
        if inside and not all(isinstance(item, Question | Mapping) for item in items):
            raise SourceError(f"{TAKEN}; found a list with {_described(source)}")
        parts: list[Part] = []
        for kind, group in itertools.groupby(items, _kind_of_item):
            if kind == "record":
                parts.append(self._records(list(group), type(source).__name__))
            elif kind == "question":
                parts.append(QuestionBank(group))
            else:
                for item in group:
                    parts += self.of(item, inside=True)
        return parts

    def _single(self, source: Any) -> Part | None:
        """The part that one object is; ``None`` if it may be a list of them."""
        if isinstance(source, QuestionBank):
            return source
        if isinstance(source, Question):
            return QuestionBank([source])
        if isinstance(source, str | os.PathLike):
            file = _file(source)
            self._names[file.name] += 1
            return file
        if isinstance(source, bytes | bytearray | memoryview):
            raise SourceError(
                f"{TAKEN}; found bytes: give io.BytesIO(…) of them if they are a file's content"
            )
        if is_instance(source, "pandas", "DataFrame"):
            return self._frame(source)
        if is_instance(source, "datasets", "Dataset", "IterableDataset"):
            return self._dataset(source)
        if isinstance(source, zipfile.ZipFile):
            raise SourceError(f"{TAKEN}; found a ZipFile: give a member of it, archive.open(name)")
        if _is_file(source):
            return self._open_file(source)
        _refuse_others(source)
        if isinstance(source, Mapping):
            return self._record(source)
        return None

    def _name(self, wanted: str) -> str:
        self._names[wanted] += 1
        number = self._names[wanted]
        return wanted if number == 1 else distinct_name(wanted, number)

    def _refuse_repeated(self, source: object) -> None:
        """Refuse what is there twice: its questions would all be duplicates."""
        key: object = id(source)
        if isinstance(source, str | os.PathLike):
            key = name = os.fspath(source)
            with contextlib.suppress(OSError, ValueError):  # what opens it says what is wrong
                key = os.path.realpath(name)
        if key in self._given:
            raise SourceError(f"{_described(source)} is given twice; leave it out once")
        self._given[key] = source  # which keeps its id from being given to another object

    def _open_file(self, file: Any) -> UnreadSource:
        name = self._name(file_name(file))

        @contextlib.contextmanager
        def available() -> Iterator[Opener]:
            with copied_file(file, name) as path:
                yield path

        return UnreadSource(name, available)

    def _frame(self, frame: Any) -> UnreadSource:
        name = self._name("<DataFrame>")
        if not len(frame.columns):
            raise ReadError(f"{name}: expected a table of questions, found a DataFrame of nothing")
        headers = frame_columns(frame)
        nested = holds_lists(frame)
        if nested and headers is None:
            raise ColumnsError(
                f"{name}: its cells hold lists, and its columns have no names, only numbers "
                f"({', '.join(map(str, list(frame.columns)[:5]))}): name them, as in "
                'frame.columns = ["question", "options", "answer"]'
            )
        index = _index_headers(frame, headers) if headers else []
        pictures: Pictures = {}

        def contents() -> Contents:
            if nested and headers is not None:
                return JsonDocument(frame_records(frame, headers, index, name, pictures))
            sheet = frame_sheet(frame, headers, index, name)
            return Sheets(item for item in (sheet,))

        return UnreadSource(name, _always(contents), pictures)

    def _dataset(self, dataset: Any) -> UnreadSource:
        name = self._name("<Dataset>")
        pictures: Pictures = {}

        def contents() -> Contents:
            rows = dataset_rows(dataset, name, pictures)
            first = next(rows, None)
            if first is None:
                raise ReadError(f"{name}: expected questions, found a Dataset without rows")
            count = len(dataset) if hasattr(dataset, "__len__") else 0

            def lines() -> Any:
                yield first
                yield from rows

            return JsonLines(first[1], lines(), count)

        return UnreadSource(name, _always(contents), pictures)

    def _records(self, records: list[Any], kind: str) -> UnreadSource:
        name = self._name(f"<{kind}>")
        pictures: Pictures = {}

        def contents() -> Contents:
            return JsonDocument(
                [plain_record(record, n, name, pictures) for n, record in enumerate(records, 1)]
            )

        return UnreadSource(name, _always(contents), pictures)

    def _record(self, record: Mapping[Any, Any]) -> UnreadSource:
        name = self._name(f"<{type(record).__name__}>")
        return UnreadSource(name, _always(lambda: JsonDocument(plain_value(record, name))))


def _listed(source: Iterable[Any]) -> list[Any]:
    try:
        items = iter(source)
    except TypeError as error:  # an array without dimensions says that it can be gone through
        raise SourceError(f"{TAKEN}; found {_described(source)}") from error
    return list(items)


def _always(contents: Opener) -> Callable[[], AbstractContextManager[Opener]]:
    """What is available all the time."""
    return lambda: contextlib.nullcontext(contents)


def _kind_of_item(item: object) -> str:
    """``"record"``, ``"question"`` or ``""``: neighbours of one kind are one part."""
    if isinstance(item, Question):
        return "question"
    is_table = is_instance(item, "datasets", "DatasetDict", "IterableDatasetDict")
    return "record" if isinstance(item, Mapping) and not is_table else ""


def _is_file(source: object) -> bool:
    return callable(getattr(source, "read", None)) and not isinstance(source, Mapping)


def _file(source: str | os.PathLike[str]) -> UnreadSource:
    name = os.fspath(source)
    if not isinstance(name, str):
        raise SourceError(f"{TAKEN}; found a path of bytes: give os.fsdecode(…) of it")
    if not name:
        raise SourceError(f"{TAKEN}; found an empty text as a path")
    is_there = os.path.exists(name)  # noqa: PTH110 - which is false where Path.exists() raises
    if not is_there and (len(name) > _LONGEST_PATH or _TEXT.search(name)):
        raise SourceError(
            f"{name[:40]!r}…: expected the path of a file, found a text; to read what it says, "
            "give io.BytesIO(text.encode())"
        )
    if not is_there and (match := _URL.match(name)):
        raise SourceError(
            f"{name}: expected the path of a file, found an address "
            f"({match.group()}…), which is not fetched: download it and give the file's path"
        )
    return UnreadSource(name, _always(Path(name)))


def _index_headers(frame: Any, headers: Iterable[str]) -> list[str]:
    """Headers for a frame's index where it has names and no column is the id; else none."""
    names = list(frame.index.names)
    if not names or any(not isinstance(name, str) or not name.strip() for name in names):
        return []
    fields = {match[0] for header in headers if header and (match := field_of(header))}
    if "id" in fields or set(names) & set(headers):
        return []
    if len(names) == 1 and not field_of(names[0]):
        return [f"ID ({names[0]})"]
    return names


def _refuse_others(source: object) -> None:
    """Refuse what resembles a table or records, and say how it becomes one."""
    if is_instance(source, "datasets", "DatasetDict", "IterableDatasetDict"):
        splits = ", ".join(map(repr, source))  # type: ignore[call-overload]
        raise SourceError(
            f"found a {type(source).__name__} with the splits {splits}: choose one, as in "
            f"dataset[{splits.partition(', ')[0]}]"
        )
    if is_instance(source, "pandas", "Series", "Index"):
        raise SourceError(f"{TAKEN}; found a {type(source).__name__}: give the whole DataFrame")
    if callable(getattr(source, "read_bytes", None)) and callable(getattr(source, "open", None)):
        raise SourceError(f"{TAKEN}; found {_described(source)}: give its open('rb')")
    package = type(source).__module__.partition(".")[0]
    if callable(getattr(source, "to_pandas", None)):
        raise SourceError(
            f"{TAKEN}; found a {type(source).__name__} of {package}: give its to_pandas()"
        )
    if isinstance(source, Mapping) and any(
        is_instance(value, "pandas", "DataFrame") for value in source.values()
    ):
        raise SourceError(f"{TAKEN}; found a dictionary of DataFrames: give list(frames.values())")


def _described(value: object) -> str:
    """A value for a message; a broken ``__repr__`` must not hide the error."""
    try:
        return f"{' '.join(repr(value).split()):.60} ({type(value).__name__})"
    except Exception:
        return f"a {type(value).__name__}"
