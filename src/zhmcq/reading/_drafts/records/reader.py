"""One json item → drafts: its own question, or its sub-questions with what they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from zhmcq.errors import ColumnsError
from zhmcq.questions import Origin
from zhmcq.reading._drafts.draft import Columns, Draft, Heading, named_headers
from zhmcq.reading._drafts.markup import take_markup
from zhmcq.reading._drafts.records.fields import fill_draft, unread_stems
from zhmcq.reading._drafts.records.options import TextNames, learn_text_names
from zhmcq.reading._drafts.records.records import (
    Likeness,
    common_fields,
    flattened,
    is_title,
    layout_of,
    likeness,
    own_options,
)
from zhmcq.reading._drafts.records.tree import holds_question, named_parts
from zhmcq.reading._drafts.sub_questions import split_item
from zhmcq.reading._drafts.tables.headers import HeaderLayout, find_layout
from zhmcq.reading._drafts.vocabulary import FIELDS
from zhmcq.zh._fold import fold_name

__all__ = ["ItemReader", "SeveralItems"]

_MAX_DEPTH = 50


class SeveralItems(list[Any]):
    """The items of one line."""


class ItemReader:
    """Turns records into drafts; the fields of each set of names are recognised once.

    Args:
        columns: The caller's own mapping of field to record name.
        file: The file's name as it was given.

    Attributes:
        failure: Why the first record that was not recognised is no question.
        joined: The name of the first field of wrong answers that options were made of.
        unread: Names of texts of the last item that became no part of a question.
    """

    def __init__(self, columns: Columns | None, file: str) -> None:
        self._columns = columns
        self.file = file
        self.failure: ColumnsError | None = None
        self.joined = ""
        self.unread: dict[str, None] = {}
        self._passages = frozenset(map(fold_name, named_headers(columns, "passage")))
        self._text_names: TextNames = {}
        self._layouts: dict[tuple[str, ...], tuple[HeaderLayout, Heading]] = {}

    def learn(self, items: Sequence[Any]) -> None:
        """Look at the first items, to know which field of their options is the text."""
        learn_text_names(list(items), self._text_names)

    def drafts(self, item: Any, number: int) -> list[Draft]:
        """The questions of one item; several where it has sub-questions.

        A part of it that is no question gives a draft with a note.
        """
        drafts = []
        self.unread = {}
        for part in item if isinstance(item, SeveralItems) else (item,):
            for record in self._records(part, {}, 0):
                drafts += self._of_record(record, number)
        if len(drafts) > 1:
            _group(drafts, number)
        return drafts

    def _records(
        self, item: Any, inherited: dict[str, Any], depth: int
    ) -> Iterator[dict[str, Any] | None]:
        """Flat records: sub-questions take over what their parent says; ``None`` where too deep."""
        if depth > _MAX_DEPTH:
            yield None
            return
        if isinstance(item, list):
            item = named_parts(item)
        if isinstance(item, dict):
            records, parts, above = self._parts(item, inherited)
            for record in records:
                yield from _parallel(record)
        elif isinstance(item, list) and holds_question(item):
            parts, above = item, inherited
        else:
            yield {**inherited, "?": item}
            return
        for part in parts:
            yield from self._records(part, above, depth + 1)

    def _parts(
        self, item: dict[Any, Any], inherited: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], list[Any], dict[str, Any]]:
        """An object's own question, the sub-questions in it, and what it says of them."""
        if several := _several_questions(item):
            return [], several, {**inherited, **common_fields(item, named=False)}
        flat = flattened(item)
        children = [
            name
            for name, value in flat.items()
            if isinstance(value, dict | list) and _holds_children(name, value)
        ]
        if not children:
            return [_merged(inherited, flat)], [], {}
        lists = [flat[name] for name in children]
        parts = [p for value in lists for p in (value if isinstance(value, list) else [value])]
        record = {name: value for name, value in flat.items() if name not in children}
        if own_options(record) and likeness(record) >= Likeness.SURE and _has_key(record):
            # A question beside which others are listed is no passage.
            return [_merged(inherited, record)], parts, inherited
        return [], parts, _merged(inherited, _as_passage(record, self._passages))

    def _layout(self, record: dict[str, Any], where: Origin) -> tuple[HeaderLayout, Heading]:
        """What the names of a record say; recognised once for all records with these names."""
        names = tuple(record)
        recognised = self._layouts.get(names)
        if recognised is None:
            if self._columns:
                layout = find_layout([(-1, list(names))], self._columns, str(where))
            else:
                layout = layout_of(names)
            if "stem" not in layout.fields:
                raise _unrecognised(names, str(where))
            first = (layout.headers[column] for column in layout.options)
            options = layout.header("options") or next(first, "")
            recognised = layout, Heading(layout.as_columns(), options)
            if len(self._layouts) < 1000:
                self._layouts[names] = recognised
        return recognised

    def _of_record(self, record: dict[str, Any] | None, number: int) -> list[Draft]:
        origin = Origin(self.file, "", number)
        if record is None:
            return [Draft(origin, "", notes=[("", "nested_questions")])]
        try:
            if len(record) == 1 and "?" in record:
                kind = type(record["?"]).__name__
                raise ColumnsError(
                    f"{origin}: no column of questions: expected an object, found {kind}"
                )
            layout, heading = self._layout(record, origin)
        except ColumnsError as error:
            self.failure = self.failure or error
            return [Draft(origin, "", notes=[("", "no_question")])]
        draft = Draft(origin, "", heading=heading)
        values = list(record.values())
        fill_draft(draft, values, layout, self._text_names)
        self.unread |= dict.fromkeys(unread_stems(draft, values, layout))
        if layout.wrong and draft.options and not self.joined:
            self.joined = layout.headers[layout.wrong[0]]
        if not draft.options and isinstance(draft.answer, list) and len(draft.answer) > 1:
            take_markup(draft)
            return split_item(draft)
        return [draft]


def _unrecognised(names: Sequence[str], where: str) -> ColumnsError:
    """What a record without a question's text has in its place."""
    shown = ", ".join(repr(name[:30]) for name in names[:30]) or "an object without names"
    first = next((name[:30] for name in names if name), "…")
    return ColumnsError(
        f"{where}: no column of questions was recognised. Expected a field such as question, stem "
        f'or 題目; found {shown}. Name it: columns={{"stem": "{first}"}} '
        f"(fields: {', '.join(FIELDS)}, option1, option2, …)"
    )


def _holds_children(name: str, value: Any) -> bool:
    """Whether a field of an item holds questions, and not the item's options."""
    if isinstance(value, dict):
        return "options" not in layout_of([name]).fields and holds_question(value)
    if not isinstance(value, list):
        return False
    dicts = [part for part in value if isinstance(part, dict | list)]
    if not dicts:
        return False
    if "options" in layout_of([name]).fields:
        return holds_question(dicts[0])
    if any(holds_question(part) for part in dicts):
        return True
    # Questions of which nothing but a text is known, in a list that is called questions.
    named = "stem" in layout_of([name]).fields
    return named and any(
        isinstance(part, dict) and likeness(part) >= Likeness.PERHAPS for part in dicts
    )


def _several_questions(item: dict[Any, Any]) -> list[Any]:
    """The objects and lists in an item that is no question itself but has several questions."""
    objects = [value for value in item.values() if isinstance(value, dict)]
    if len(objects) < 2:
        return []
    if sum(map(holds_question, objects)) < 2:
        return []
    return [
        part
        for name, value in item.items()
        for part in (value if isinstance(value, list) else [value])
        if isinstance(value, dict | list) and (holds_question(part) or _holds_children(name, value))
    ]


def _has_key(record: dict[str, Any]) -> bool:
    layout, values = layout_of(record), list(record.values())
    return any(values[c] not in (None, "", []) for c in layout.fields.get("answer", ()))


def _group(drafts: Sequence[Draft], number: int) -> None:
    """Number the sub-questions of one item; those that share a text or an id share a group."""
    first = drafts[0].source_id
    group = next((str(d.source_id) for d in drafts if d.source_id is not None), f"item{number}")
    ids = Counter(draft.source_id for draft in drafts)
    one_id = first is not None and len(ids) == 1
    passages = list(dict.fromkeys(draft.passage for draft in drafts))
    numbers = {passage: part for part, passage in enumerate(passages, 1)}
    for sub, draft in enumerate(drafts, 1):
        cut = bool(draft.sub)
        draft.sub = sub if ids[draft.source_id] > 1 else 0
        if one_id or cut or draft.passage:
            part = numbers[draft.passage]
            several = part > 1 and not one_id
            draft.group = draft.group or (f"{group}-{part}" if several else group)


def _merged(inherited: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """A record with what its parents say; its own passage and options come instead of theirs."""
    if not inherited:
        return record
    record = {k: v for k, v in record.items() if v not in (None, "", []) or k not in inherited}
    names, fields = list(record), layout_of(record).fields
    theirs = layout_of(inherited)
    dropped: set[int] = set()
    if any(record[names[index]] for index in fields.get("passage", ())):
        dropped |= set(theirs.fields.get("passage", ()))
    if own_options(record):
        dropped |= {*theirs.fields.get("options", ()), *theirs.options}
    if dropped:
        inherited = {k: v for i, (k, v) in enumerate(inherited.items()) if i not in dropped}
    return {**inherited, **record}


def _as_passage(record: dict[str, Any], passages: frozenset[str]) -> dict[str, Any]:
    """What an item says of its sub-questions; its 'question' or 'content' is their passage."""
    layout = layout_of(record)
    stems = [name for i, name in enumerate(record) if i in layout.fields.get("stem", ())]
    name = next((name for name in stems if not is_title(name)), "")
    if "passage" not in layout.fields and name:
        record = {("passage" if key == name else key): value for key, value in record.items()}
    parent_fields = ("passage", "id", "subject", "source", "kind", "group", "options", "picture")
    layout = layout_of(record)
    indexes = {index for name in parent_fields for index in layout.fields.get(name, ())}
    indexes |= set(layout.options)
    indexes |= {index for index, name in enumerate(record) if fold_name(name) in passages}
    return {key: value for index, (key, value) in enumerate(record.items()) if index in indexes}


def _parallel(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """RACE's shape: lists of questions, options and answers side by side."""
    layout = layout_of(record)
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
