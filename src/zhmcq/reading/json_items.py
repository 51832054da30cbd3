"""Json records of any usual shape → drafts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zhmcq.questions import Origin, SourceId
from zhmcq.reading.cells import cell_text
from zhmcq.reading.drafts import Draft
from zhmcq.reading.embedded import options_of_text, split_item
from zhmcq.reading.fold import tidy
from zhmcq.reading.headers import Columns, Layout, find_layout, option_label, recognise

__all__ = ["ItemReader", "top_items"]

_MAX_DEPTH = 6


def top_items(data: Any, depth: int = 0) -> list[Any]:
    """The items of a whole json document: its list, or the lists inside its object."""
    if isinstance(data, list):
        return data
    if not isinstance(data, dict):
        return []
    named = recognise(0, [str(key) for key in data]).score
    objects = bool(data) and all(isinstance(value, dict) for value in data.values())
    if named:
        return _from_columns(data) if objects and len(data) > 1 else [data]
    lists = [v for v in data.values() if isinstance(v, list) and any(map(_is_record, v))]
    if lists:
        return [item for values in lists for item in values]
    if not objects:
        return []
    records = [{"id": key, **value} for key, value in data.items()]
    if any(recognise(0, [str(key) for key in record]).score for record in records):
        return records
    if depth < _MAX_DEPTH:
        return [item for value in data.values() for item in top_items(value, depth + 1)]
    return []


def _from_columns(data: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """What pandas writes by default: a mapping of rows for each column."""
    rows = dict.fromkeys(row for column in data.values() for row in column)
    return [{name: column.get(row) for name, column in data.items()} for row in rows]


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
        self._layouts: dict[tuple[str, ...], Layout] = {}
        self.columns: dict[str, str] = {}

    def drafts(self, item: Any, number: int) -> list[Draft]:
        """The questions of one item; several where it has sub-questions.

        Raises:
            ColumnsError: If its record has no recognisable question.
        """
        records = list(self._records(item, {}, 0))
        found = [draft for record in records for draft in self._of_record(record, number)]
        if len(found) > 1:
            group = next((str(d.source_id) for d in found if d.source_id is not None), "")
            for place, draft in enumerate(found, 1):
                same_id = draft.source_id == found[0].source_id
                draft.sub = place if same_id else 0
                draft.group = draft.group or group or f"item{number}"
        return found

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
            own = {k: v for k, v in flat.items() if k not in names}
            own = _as_passage(own)
            for _, parts in children:
                for part in parts:
                    yield from self._records(part, {**inherited, **own}, depth + 1)
            return
        yield from _parallel({**inherited, **flat})

    def _has_stem(self, part: Mapping[str, Any], depth: int = 0) -> bool:
        if "stem" in recognise(0, [str(key) for key in part]).fields and not (
            set(part) <= {"text", "label", "content", "key", "value", "option"}
        ):
            return True
        return depth < _MAX_DEPTH and any(
            isinstance(value, list)
            and any(isinstance(p, dict) and self._has_stem(p, depth + 1) for p in value)
            for value in part.values()
        )

    def _layout(self, record: Mapping[str, Any], where: str) -> Layout:
        names = tuple(record)
        layout = self._layouts.get(names)
        if layout is None:
            layout = find_layout([(0, list(names))], self._columns, where)
            if len(self._layouts) < 1000:
                self._layouts[names] = layout
            self.columns = layout.as_columns() | self.columns
        return layout

    def _of_record(self, record: dict[str, Any], number: int) -> list[Draft]:
        origin = Origin(self.file, "", number)
        layout = self._layout(record, str(origin))
        values = list(record.values())
        draft = Draft(origin, "", names=layout.as_columns(), asks_key=True)
        draft.names["options"] = layout.header("options") or next(
            (layout.headers[column] for column in layout.options), ""
        )
        for name in ("stem", "passage", "kind", "subject", "explanation", "source", "group"):
            columns = layout.fields.get(name, ())
            text = next((t for c in columns if (t := _text(values[c]))), "")
            setattr(draft, name, text)
        draft.source_id = _source_id(values, layout)
        answers = [values[column] for column in layout.fields.get("answer", ())]
        draft.asks_key = bool(answers)
        draft.answer = next((a for a in answers if a not in (None, "", [])), None)
        if layout.options:
            draft.options = [_text(values[column]) for column in layout.options]
            draft.labels = layout.labels
        else:
            _take_options(draft, values, layout)
        if not draft.options and isinstance(draft.answer, list) and len(draft.answer) > 1:
            return split_item(draft)
        return [draft]


def _named_parts(item: list[Any]) -> Any:
    """``[passages, [questions], id]``, the shape of C3, as a record."""
    record: dict[str, Any] = {}
    for part in item:
        if isinstance(part, list) and part and all(isinstance(p, dict) for p in part):
            record["questions"] = part
        elif isinstance(part, list) and part and all(isinstance(p, str) for p in part):
            record["passage"] = part
        elif isinstance(part, str | int) and "questions" in record:
            record["id"] = part
    return record if "questions" in record else item


def _flattened(item: Mapping[Any, Any]) -> dict[str, Any]:
    """A record with what its objects hold beside its own fields; choices stay as they are."""
    flat: dict[str, Any] = {}
    nested: list[Mapping[Any, Any]] = []
    for name, value in item.items():
        known = recognise(0, [str(name)])
        if isinstance(value, dict) and ("stem" in known.fields or not known.fields):
            nested.append(value)
        else:
            flat[str(name)] = value
    for inner in nested:
        for name, value in inner.items():
            flat.setdefault(str(name), value)
    return flat


def _as_passage(own: dict[str, Any]) -> dict[str, Any]:
    """A parent's 'question' or 'content' is what its sub-questions are about."""
    layout = recognise(0, list(own))
    if "passage" not in layout.fields and "stem" in layout.fields:
        name = list(own)[layout.fields["stem"][0]]
        own = {("passage" if key == name else key): value for key, value in own.items()}
    kept = ("passage", "id", "subject", "source", "kind", "group")
    fields = recognise(0, list(own)).fields
    places = {place for name in kept for place in fields.get(name, ())}
    return {key: value for place, (key, value) in enumerate(own.items()) if place in places}


def _parallel(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """RACE's shape: lists of questions, options and answers side by side."""
    layout = recognise(0, list(record))
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
    for place in range(len(stems)):
        yield {
            name: value[place] if isinstance(value, list) and len(value) == len(stems) else value
            for name, value in record.items()
        }


def _text(value: Any) -> str:
    """A scalar as text; a list of texts as its lines."""
    if isinstance(value, list):
        return "\n".join(text for part in value if (text := _text(part)))
    if isinstance(value, dict) or value is None:
        return ""
    return tidy(value) if isinstance(value, str) else cell_text(value)[0]


def _source_id(values: Sequence[Any], layout: Layout) -> SourceId:
    for column in layout.fields.get("id", ()):
        value = values[column]
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            return tidy(value) if isinstance(value, str) else value
    return None


def _take_options(draft: Draft, values: Sequence[Any], layout: Layout) -> None:
    for column in layout.fields.get("options", ()):
        draft.options, draft.labels, right = _options(values[column])
        if draft.options:
            if right is not None and draft.answer is None:
                draft.answer, draft.asks_key = right, True
            return


def _options(value: Any) -> tuple[list[str], tuple[str, ...], list[bool] | None]:
    """Texts, labels and, where each option says whether it is right, those booleans."""
    if isinstance(value, str):
        return *options_of_text(value), None
    if isinstance(value, dict):
        return *_options_of_object(value), None
    if not isinstance(value, list):
        return [], (), None
    if value and all(isinstance(option, list) and len(option) == 2 for option in value):
        if all(isinstance(right, bool) for _, right in value):
            return [_text(text) for text, _ in value], (), [right for _, right in value]
        labels = [_text(label) for label, _ in value]
        if all(option_label(label) for label in labels):
            return [_text(text) for _, text in value], tuple(labels), None
    if value and all(isinstance(option, dict) for option in value):
        return _options_of_objects(value)
    return [_text(option) for option in value], (), None


def _options_of_object(value: Mapping[Any, Any]) -> tuple[list[str], tuple[str, ...]]:
    texts, labels = value.get("text"), value.get("label")
    if isinstance(texts, list):
        named = isinstance(labels, list) and len(labels) == len(texts)
        return [_text(t) for t in texts], tuple(map(_text, labels or ())) if named else ()
    names = [option_label(str(name)) for name in value]
    whole = all(names) and len(set(names)) == len(names)
    return [_text(text) for text in value.values()], tuple(names) if whole else ()


_TEXT_NAMES = (
    "text",
    "content",
    "value",
    "option_text",
    "option",
    "body",
    "title",
    "answer",
    "选项",
)
_LABEL_NAMES = ("label", "key", "name", "id", "letter", "option", "prefix", "order", "index")
_RIGHT_NAMES = (
    "is_correct", "isCorrect", "correct", "is_right", "isRight", "right", "is_answer", "isAnswer",
    "answer", "checked",
)  # fmt: skip


def _options_of_objects(
    value: Sequence[Mapping[str, Any]],
) -> tuple[list[str], tuple[str, ...], list[bool] | None]:
    def pick(names: Sequence[str], wanted: type | tuple[type, ...]) -> str | None:
        return next(
            (n for n in names if all(n in o and isinstance(o[n], wanted) for o in value)), None
        )

    text_name = pick(_TEXT_NAMES, (str, int, float))
    if text_name is None:
        return [], (), None
    label_name = pick([n for n in _LABEL_NAMES if n != text_name], (str, int))
    right_name = pick(_RIGHT_NAMES, bool)
    labels = tuple(_text(option[label_name]) for option in value) if label_name else ()
    if not all(option_label(label) for label in labels) or len(set(labels)) != len(value):
        labels = ()
    right = [option[right_name] for option in value] if right_name else None
    return [_text(option[text_name]) for option in value], labels, right
