"""Json records of any usual shape → drafts."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import Origin, RowProblem
from zhmcq.reading._drafts.draft import Draft, DraftItem, Heading, ReadRequest, named_headers
from zhmcq.reading._drafts.records.reader import ItemReader, SeveralItems
from zhmcq.reading._drafts.records.records import Likeness, likeness
from zhmcq.reading._drafts.records.tree import FoundItems, find_items
from zhmcq.reading._formats import JsonDocument, JsonLines
from zhmcq.reading._formats.json_files import (
    RepeatedNameError,
    repeated_message,
    repeated_names,
)
from zhmcq.reading._formats.table import tracked

__all__ = ["record_drafts"]

_FIRST = 50  # items that are looked at before the first is read


def record_drafts(
    contents: JsonDocument | JsonLines, request: ReadRequest
) -> Generator[DraftItem, None, None]:
    """The drafts of json records; what is no question gives a draft with a note.

    Lists of other records than questions give a problem each.

    Raises:
        ReadError: If the json holds no list of records; ColumnsError if none of them is
            recognised as a question.
    """
    reader = ItemReader(request.columns, request.name)
    failure: ReadError | None = None
    heading: Heading | None = None
    warned = False
    said: set[str] = set()
    items = _numbered_items(contents, request)
    first = list(itertools.islice(items, _FIRST))
    reader.learn([item for _, item in first])
    for number, item in itertools.chain(first, items):
        if isinstance(item, RowProblem):
            yield item
            continue
        try:
            if isinstance(item, ReadError):
                raise item
            drafts = reader.drafts(item, number)
        except ReadError as error:
            failure = failure or error
            origin = Origin(request.name, "", number)
            yield Draft(origin, "", notes=_notes(error))
            continue
        for draft in drafts:
            failure = failure or reader.failure
            if draft.heading is not heading and not _is_unread(draft):
                heading = draft.heading
                yield heading
            yield draft
        yield from _unread(reader.unread, request.name, number, said)
        if reader.joined and not warned:
            warned = True
            yield _key_always_first(request.name, reader.joined)
    if failure and heading is None:
        raise ReadError(str(failure)) if isinstance(failure, RepeatedNameError) else failure


def _is_unread(draft: Draft) -> bool:
    return any(code in ("no_question", "nested_questions") for _, code in draft.notes)


def _key_always_first(file: str, name: str) -> RowProblem:
    message = (
        f"the options were put together of the right answer and the wrong ones ({name}), so that "
        "the key is always the first; a model can learn that, so shuffle the options before "
        "training"
    )
    return RowProblem(0, name, "key_always_first", message, "warning", file)


def _said(result: FoundItems, file: str, row: int, said: set[str]) -> Iterator[RowProblem]:
    """What is skipped beside the questions; each name once."""
    messages = []
    for name, count in result.skipped:
        what = f"the list {name!r}" if name else "a list"
        said_of = f"none of its {count} records was recognised as a question"
        messages.append((name, f"{what} was skipped: {said_of}"))
    for name, message in messages:
        if name not in said and len(said) < 1000:
            said.add(name)
            yield RowProblem(row, name, "skipped_row", message, "warning", file)
    yield from _unread(result.unread, file, row, said)


def _unread(names: Iterable[str], file: str, row: int, said: set[str]) -> Iterator[RowProblem]:
    """Texts beside questions that became no part of them; each name once."""
    for name in names:
        if name not in said and len(said) < 1000:
            said.add(name)
            what = f"the text {name!r} beside questions was skipped; if they are about it, name it"
            message = f'{what}: columns={{"passage": "{name[:40]}"}}'
            yield RowProblem(row, name, "skipped_row", message, "warning", file)


def _or_error(item: Any, where: str) -> Any:
    names = repeated_names(item)
    return RepeatedNameError(where, names) if names else item


def _notes(error: ReadError) -> list[tuple[str, str]]:
    if isinstance(error, RepeatedNameError):
        return [(name, "repeated_name") for name in dict.fromkeys(error.names)]
    return [("", "no_question" if isinstance(error, ColumnsError) else "bad_json")]


def _numbered_items(
    contents: JsonDocument | JsonLines, request: ReadRequest
) -> Iterator[tuple[int, Any]]:
    """The records with their numbers: lines, or positions among the document's items from 1.

    A list that was skipped comes as a problem, a line without any question as it is.
    """
    stage = f"reading {request.path.name}"
    if isinstance(contents, JsonLines):
        lines = tracked(contents.lines, contents.expected, stage)
        yield from _items_of_lines(lines, request)
        return
    result = find_items(
        contents.value,
        named_headers(request.columns, "stem"),
        named_headers(request.columns, "passage"),
    )
    items = result.items
    if names := repeated_names(contents.value):
        items = [_or_error(item, f"{request.name}, item {n}") for n, item in enumerate(items, 1)]
        inside = [name for i in items if isinstance(i, RepeatedNameError) for name in i.names]
        if len(inside) < len(names):  # a name outside the items
            raise ReadError(repeated_message(request.name, names))
    if not items:
        raise ReadError(
            f"{request.name}: expected a list of questions as json, found "
            f"{type(contents.value).__name__} without one"
        )
    yield from enumerate(tracked(items, len(items), stage), 1)
    yield from ((0, problem) for problem in _said(result, request.name, 0, set()))


def _items_of_lines(
    lines: Iterator[tuple[int, Any]], request: ReadRequest
) -> Iterator[tuple[int, Any]]:
    """The lines' values; a page or chapter with questions comes as the list of these."""
    said: set[str] = set()
    stems, passages = (named_headers(request.columns, name) for name in ("stem", "passage"))
    for number, value in lines:
        alone = not isinstance(value, dict | list)
        if alone or (isinstance(value, dict) and likeness(value) >= Likeness.SURE):
            yield number, value
            continue
        result = find_items(value, stems, passages)
        # A line of which nothing is recognised is reported as it is.
        yield number, SeveralItems(result.items) if result.sure else value
        yield from ((number, problem) for problem in _said(result, request.name, number, said))
