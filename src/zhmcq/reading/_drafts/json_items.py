"""Json records of any usual shape → drafts."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import Origin
from zhmcq.reading._drafts.draft import (
    Columns,
    Draft,
    DraftItem,
    Heading,
    ReadRequest,
    labels_marked_right,
)
from zhmcq.reading._drafts.headers import HeaderLayout, find_layout, recognise
from zhmcq.reading._drafts.ids import given_id
from zhmcq.reading._drafts.json_options import options_of, text_of
from zhmcq.reading._drafts.sub_questions import split_item
from zhmcq.reading._formats import JsonDocument, JsonLines
from zhmcq.reading._formats.json_files import (
    RepeatedNameError,
    repeated_message,
    repeated_names,
)
from zhmcq.reading._formats.table import tracked
from zhmcq.zh._fold import fold_name

__all__ = ["ItemReader", "record_drafts", "top_items"]

_MAX_DEPTH = 6
_LONGEST_ID = 40


def record_drafts(
    contents: JsonDocument | JsonLines, request: ReadRequest
) -> Generator[DraftItem, None, None]:
    """The drafts of json records; what is no question gives a draft with a note.

    Raises:
        ReadError: If the json holds no list of records; ColumnsError if none of them is
            recognised as a question.
    """
    reader = ItemReader(request.columns, request.name)
    failure: ReadError | None = None
    heading: Heading | None = None
    for number, item in _numbered_items(contents, request):
        try:
            if isinstance(item, ReadError):
                raise item
            for draft in reader.drafts(item, number):
                if draft.heading is not heading:
                    heading = draft.heading
                    yield heading
                yield draft
        except ReadError as error:
            failure = failure or error
            origin = Origin(request.name, "", number)
            yield Draft(origin, "", notes=_notes(error))
    if failure and heading is None:
        raise ReadError(str(failure)) if isinstance(failure, RepeatedNameError) else failure


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
    """The records with their numbers: lines, or positions in the document's list from 1."""
    what = f"Reading {request.path.name}"
    if isinstance(contents, JsonLines):
        return tracked(contents.lines, contents.expected, what)
    items = top_items(contents.value)
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
    return enumerate(tracked(items, len(items), what), 1)


@functools.lru_cache(maxsize=1024)
def _recognised(names: tuple[str, ...]) -> HeaderLayout:
    return recognise(0, names)


def _names(record: Iterable[Any]) -> HeaderLayout:
    """What the names of a record say; cached, since a file has few sets of names."""
    names = tuple(map(str, record))
    return _recognised(names) if sum(map(len, names)) < 1000 else recognise(0, names)


def top_items(data: Any, depth: int = 0) -> list[Any]:
    """The items of a whole json document: its list, or the lists inside its object."""
    if isinstance(data, list):
        return data
    if not isinstance(data, dict):
        return []
    objects = bool(data) and all(isinstance(value, dict) for value in data.values())
    if _names(data).score:
        return _named_items(data, objects=objects)
    if lists := _listed_items(data):
        return lists
    if not objects:
        return []
    records = [{"id": key, **value} for key, value in data.items()]
    if any(_names(record).score for record in records):
        return records
    if depth < _MAX_DEPTH:
        return [item for value in data.values() for item in top_items(value, depth + 1)]
    return []


def _from_columns(data: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """What pandas writes by default: a mapping of rows for each column."""
    rows = dict.fromkeys(row for column in data.values() for row in column)
    return [{name: column.get(row) for name, column in data.items()} for row in rows]


def _named_items(data: Mapping[str, Any], *, objects: bool) -> list[Any]:
    """The items of an object whose own names say what is what."""
    if _is_item(data):
        return [data]
    if objects and len(data) > 1:
        return _from_columns(data)
    return _from_lists(data) or _listed_items(data) or [data]


def _listed_items(data: Mapping[str, Any]) -> list[Any]:
    """What the lists of records inside an object hold."""
    common = _common_fields(data)
    return [
        {**common, **item} if isinstance(item, dict) else item
        for value in data.values()
        if isinstance(value, list) and any(map(_is_record, value))
        for item in value
    ]


def _from_lists(data: Mapping[str, Any]) -> list[Any]:
    """A table stored by columns: lists of one length, one of them the stems."""
    lengths = {len(value) if isinstance(value, list) else -1 for value in data.values()}
    stem = _names(data).first("stem")
    if stem is None or len(lengths) != 1 or min(lengths) < 2:
        return []
    if not all(isinstance(text, str) for text in list(data.values())[stem]):
        return []
    return [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]


def _is_item(data: Mapping[str, Any]) -> bool:
    """Whether an object has a stem or a passage itself, beyond a title."""
    layout, pairs = _names(data), list(data.items())
    indexes = [*layout.fields.get("passage", ()), *layout.fields.get("stem", ())]
    return any(
        isinstance(value, str) and not _is_title(name)
        for name, value in (pairs[index] for index in indexes)
    )


def _is_title(name: str) -> bool:
    return fold_name(name) in ("title", "questiontitle")


def _common_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """What an object says of all its questions: subject, source, kind."""
    fields = _names(record).fields
    indexes = {index for name in ("subject", "source", "kind") for index in fields.get(name, ())}
    return {k: v for i, (k, v) in enumerate(record.items()) if i in indexes and isinstance(v, str)}


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(part, list | dict) for part in value)
    )


class ItemReader:
    """Turns records into drafts; the fields of each set of names are recognised once.

    Args:
        columns: The caller's own mapping of field to record name.
        file: The file's name as it was given.
    """

    def __init__(self, columns: Columns | None, file: str) -> None:
        self._columns = columns
        self.file = file
        self._layouts: dict[tuple[str, ...], tuple[HeaderLayout, Heading]] = {}

    def drafts(self, item: Any, number: int) -> list[Draft]:
        """The questions of one item; several where it has sub-questions.

        Raises:
            ColumnsError: If its record has no recognisable question.
        """
        records = list(self._records(item, {}, 0))
        drafts = [draft for record in records for draft in self._of_record(record, number)]
        if len(drafts) > 1:
            _group(drafts, number)
        return drafts

    def _records(
        self, item: Any, inherited: dict[str, Any], depth: int
    ) -> Iterator[dict[str, Any]]:
        """Flat records: sub-questions take over what their parent says."""
        if depth > _MAX_DEPTH:
            return
        if isinstance(item, list):
            item = _named_parts(item)
        if not isinstance(item, dict):
            yield {**inherited, "?": item}
            return
        flat = _flattened(item)
        children = [
            (name, value)
            for name, value in flat.items()
            if isinstance(value, list)
            and value
            and all(isinstance(part, dict) for part in value)
            and any(self._has_stem(part) for part in value)
        ]
        if children:
            names = {name for name, _ in children}
            record = {k: v for k, v in flat.items() if k not in names}
            record = _as_passage(record)
            for _, parts in children:
                for part in parts:
                    yield from self._records(part, _merged(inherited, record), depth + 1)
            return
        yield from _parallel(_merged(inherited, flat))

    def _has_stem(self, part: Mapping[str, Any], depth: int = 0) -> bool:
        if "stem" in _names(part).fields and not (
            set(part) <= {"text", "label", "content", "key", "value", "option"}
        ):
            return True
        return depth < _MAX_DEPTH and any(
            isinstance(value, list)
            and any(isinstance(p, dict) and self._has_stem(p, depth + 1) for p in value)
            for value in part.values()
        )

    def _layout(self, record: Mapping[str, Any], where: Origin) -> tuple[HeaderLayout, Heading]:
        """What the names of a record say; recognised once for all records with these names."""
        names = tuple(record)
        recognised = self._layouts.get(names)
        if recognised is None:
            layout = find_layout([(0, list(names))], self._columns, str(where))
            first = (layout.headers[column] for column in layout.options)
            options = layout.header("options") or next(first, "")
            recognised = layout, Heading(layout.as_columns(), options)
            if len(self._layouts) < 1000:
                self._layouts[names] = recognised
        return recognised

    def _of_record(self, record: dict[str, Any], number: int) -> list[Draft]:
        origin = Origin(self.file, "", number)
        layout, heading = self._layout(record, origin)
        values = list(record.values())
        draft = Draft(origin, "", heading=heading, has_key_field=True)
        for name in ("stem", "passage", "kind", "subject", "explanation", "source", "group"):
            for column in layout.fields.get(name, ()):
                if text := text_of(values[column]):
                    setattr(draft, name, text)
                    break
        _take_id(draft, values, layout)
        answers = [values[column] for column in layout.fields.get("answer", ())]
        draft.has_key_field = bool(answers or layout.rights)
        draft.answer = next((a for a in answers if a not in (None, "", [])), None)
        if layout.options:
            draft.options = [text_of(values[column]) for column in layout.options]
            draft.labels = layout.labels
        else:
            _take_options(draft, values, layout)
        if not draft.options and isinstance(draft.answer, list) and len(draft.answer) > 1:
            return split_item(draft)
        if draft.answer is None:
            rights = layout.rights.items()
            draft.answer = labels_marked_right(
                {label: text_of(values[column]) for label, column in rights}
            )
        return [draft]


def _group(drafts: Sequence[Draft], number: int) -> None:
    """Number the sub-questions of one item; those that share a text or an id share a group."""
    first = drafts[0].source_id
    group = next((str(d.source_id) for d in drafts if d.source_id is not None), f"item{number}")
    ids = Counter(draft.source_id for draft in drafts)
    one_id = first is not None and len(ids) == 1
    passages = list(dict.fromkeys(draft.passage for draft in drafts))
    for sub, draft in enumerate(drafts, 1):
        cut = bool(draft.sub)
        draft.sub = sub if ids[draft.source_id] > 1 else 0
        if one_id or cut or draft.passage:
            part = passages.index(draft.passage) + 1
            several = part > 1 and not one_id
            draft.group = draft.group or (f"{group}-{part}" if several else group)


def _named_parts(item: list[Any]) -> Any:
    """``[passages, [questions], id]``, the shape of C3, as a record."""
    record: dict[str, Any] = {}
    alone: list[str | int] = []
    for part in item:
        if isinstance(part, list) and part and all(isinstance(p, dict) for p in part):
            record["questions"] = part
        elif isinstance(part, list) and part and all(isinstance(p, str) for p in part):
            record["passage"] = part
        elif isinstance(part, str | int):
            alone.append(part)
    texts = [text for text in alone if isinstance(text, str)]
    if "passage" not in record and texts and (len(alone) > 1 or len(texts[0]) > _LONGEST_ID):
        record["passage"] = max(texts, key=len)
        alone.remove(record["passage"])
    if alone:
        record["id"] = alone[-1]
    return record if "questions" in record else item


def _flattened(item: Mapping[Any, Any]) -> dict[str, Any]:
    """A record with what its objects hold added to its fields; choices stay as they are."""
    flat: dict[str, Any] = {}
    nested: list[Mapping[Any, Any]] = []
    for name, value in item.items():
        known = _names([name]).fields if isinstance(value, dict) else {}
        if isinstance(value, dict) and ("stem" in known or not known):
            nested.append(value)
        else:
            flat[str(name)] = value
    for inner in nested:
        for name, value in inner.items():
            flat.setdefault(str(name), value)
    return flat


def _merged(inherited: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """A record with what its parents say; its own passage comes instead of theirs."""
    if not inherited:
        return record
    record = {k: v for k, v in record.items() if v not in (None, "", []) or k not in inherited}
    names, fields = list(record), _names(record).fields
    if any(record[names[index]] for index in fields.get("passage", ())):
        theirs = _names(inherited).fields.get("passage", ())
        inherited = {k: v for i, (k, v) in enumerate(inherited.items()) if i not in theirs}
    return {**inherited, **record}


def _as_passage(record: dict[str, Any]) -> dict[str, Any]:
    """A parent's 'question' or 'content' is what its sub-questions are about."""
    layout = _names(record)
    stems = [name for i, name in enumerate(record) if i in layout.fields.get("stem", ())]
    name = next((name for name in stems if not _is_title(name)), "")
    if "passage" not in layout.fields and name:
        record = {("passage" if key == name else key): value for key, value in record.items()}
    parent_fields = ("passage", "id", "subject", "source", "kind", "group")
    fields = _names(record).fields
    indexes = {index for name in parent_fields for index in fields.get(name, ())}
    return {key: value for index, (key, value) in enumerate(record.items()) if index in indexes}


def _parallel(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """RACE's shape: lists of questions, options and answers side by side."""
    layout = _names(record)
    names = list(record)
    column = layout.first("stem")
    stems = record[names[column]] if column is not None else None
    options = layout.first("options")
    if (
        not isinstance(stems, list)
        or options is None
        or not isinstance(record[names[options]], list)
        or len(record[names[options]]) != len(stems)
        or not all(isinstance(choice, list | dict) for choice in record[names[options]])
    ):
        yield record
        return
    for index in range(len(stems)):
        yield {
            name: value[index] if isinstance(value, list) and len(value) == len(stems) else value
            for name, value in record.items()
        }


def _take_id(draft: Draft, values: Sequence[Any], layout: HeaderLayout) -> None:
    for column in layout.fields.get("id", ()):
        value = values[column]
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            draft.source_id, rounded = given_id(value)
            if draft.source_id is not None:
                draft.notes += [(layout.headers[column], "rounded_id")] if rounded else []
                return


def _take_options(draft: Draft, values: Sequence[Any], layout: HeaderLayout) -> None:
    for column in layout.fields.get("options", ()):
        draft.options, draft.labels, right = options_of(values[column])
        draft.options_in_text = isinstance(values[column], str) and not draft.labels
        if draft.options:
            if right is not None and draft.answer is None:
                draft.answer, draft.has_key_field = right, True
            return
