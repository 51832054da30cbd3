"""What an object in json is: a question, perhaps one, an option of one, or something else."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from typing import Any

from zhmcq.reading._drafts.records.options import (
    are_option_objects,
    has_mark,
    options_of,
    text_of,
)
from zhmcq.reading._drafts.tables.headers import HeaderLayout, recognise
from zhmcq.reading._drafts.vocabulary import is_given_answer
from zhmcq.zh._fold import fold_name
from zhmcq.zh._kinds import kind_of

__all__ = [
    "Likeness",
    "common_fields",
    "flattened",
    "is_title",
    "layout_of",
    "likeness",
    "listed_rows",
    "own_options",
    "own_text",
    "unread_texts",
    "with_common",
]

# Names that a question's text may have, and the text of an option or a comment as well.
_WORDS_OF_VAGUE_STEMS = "description title content 内容 sentence prompt query text"
_VAGUE_STEMS = frozenset(_WORDS_OF_VAGUE_STEMS.split())
# Names of a question's text only where no other field can be it, beside options.
_OTHER_STEMS = ("body", "text", "name", "q", "statement", "header")
_OF_QUESTIONS = ("answer", "kind", "explanation")
# Names of keys that are names of labels as well.
_WORDS_OF_VAGUE_KEYS = "label key correct target ans gold"
_VAGUE_KEYS = frozenset(_WORDS_OF_VAGUE_KEYS.split())
_TITLES = frozenset(("title", "questiontitle", "name", "header"))
_WORDS_OF_TEXT_NAMES = "text html content value format lang language type markdown images image"
_TEXT_NAMES = frozenset(_WORDS_OF_TEXT_NAMES.split())
_WORDS_OF_SECTION_NAMES = (
    "name title chapter chaptername chaptertitle section sectionname sectiontitle unit "
    "unitname topicname categoryname 名称 标题 章节名称 大题"
)
_SECTION_NAMES = _WORDS_OF_SECTION_NAMES.split()


_LONG_TEXT = 30


class Likeness(IntEnum):
    """How sure it is that an object is a question."""

    NONE = 0
    PERHAPS = 1  # a text that a question may have
    LIKELY = 2  # and a key or a kind beside it
    SURE = 3


@functools.lru_cache(maxsize=1024)
def _recognised(names: tuple[str, ...]) -> HeaderLayout:
    layout = recognise(0, names)
    fields = layout.fields
    if "stem" not in fields and "options" in fields and any(map(fields.get, _OF_QUESTIONS)):
        folded = list(map(fold_name, names))
        column = next((folded.index(name) for name in _OTHER_STEMS if name in folded), None)
        if column is not None:
            if "passage" in fields:
                fields["passage"] = [c for c in fields["passage"] if c != column]
            fields["stem"] = [column]
            layout.fields = {name: columns for name, columns in fields.items() if columns}
    return layout


# An object with very many names is looked at from several sides, and then let go of.
_recognised_long = functools.lru_cache(maxsize=2)(_recognised.__wrapped__)


def layout_of(record: Iterable[Any]) -> HeaderLayout:
    """What the names of a record say; cached, since a file has few sets of names."""
    names: tuple[str, ...] = tuple(record)
    try:
        size = len("".join(names))
    except TypeError:
        names = tuple(map(str, names))
        size = len("".join(names))
    return _recognised(names) if size < 1000 else _recognised_long(names)


def flattened(item: Mapping[Any, Any]) -> dict[str, Any]:
    """A record with what its objects hold added to its fields; choices stay as they are."""
    if not _holds_objects(item):
        return dict(item)
    flat: dict[str, Any] = {}
    nested: list[Mapping[Any, Any]] = []
    for name, value in item.items():
        known = layout_of([name]).fields if isinstance(value, dict) else {}
        if isinstance(value, dict) and ("stem" in known or not known):
            if "stem" in known and _is_text_object(value):
                flat[str(name)] = text_of(value)
            elif "stem" in known and _is_text_with_more(value):
                flat[str(name)] = text_of(value)
                nested.append({n: v for n, v in value.items() if n not in _TEXT_NAMES})
            else:
                nested.append(_with_names_of_given(str(name), value))
        else:
            flat[str(name)] = value
    for inner in nested:
        for name, value in inner.items():
            is_text = isinstance(value, dict) and _is_text_object(value)
            key = str(name)
            if flat.get(key) in (None, "", []):
                flat[key] = text_of(value) if is_text else value
            elif isinstance(value, dict | list):  # there may be questions in it
                flat[f"{key} ({len(flat)})"] = value
    return flat


def _holds_objects(record: Mapping[Any, Any]) -> bool:
    return dict in map(type, record.values())  # json has no others; any() takes twice the time


def _with_names_of_given(name: str, value: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """An object in which an answer of a user's is called so: it is no key."""
    given = [inner for inner in value if is_given_answer(f"{name} {inner}")]
    if not given:
        return value
    return {(f"{name} {inner}" if inner in given else inner): v for inner, v in value.items()}


def _is_text_object(value: Mapping[Any, Any]) -> bool:
    """Whether an object is a text and how it is written: ``{"text": …, "format": "html"}``."""
    return set(value) <= _TEXT_NAMES and any(
        isinstance(value.get(name), str) for name in ("text", "html", "content")
    )


def _is_text_with_more(value: Mapping[Any, Any]) -> bool:
    """Whether an object is a text and what is shown beside it: ``{"text": …, "media": […]}``."""
    layout = layout_of(value)
    if layout.options or any(name in layout.fields for name in ("options", "answer", "stem")):
        return False
    return bool(text_of(value)) and not any(map(_has_stem, value.values()))


def is_title(name: str) -> bool:
    """Whether a name is that of a title, which may be a paper's."""
    return fold_name(name) in _TITLES


def likeness(record: Mapping[Any, Any]) -> Likeness:
    """How sure it is that an object is a question, by its names and their values."""
    flat: Mapping[Any, Any] = record
    if _holds_objects(record):
        if sum(map(_has_stem, record.values())) > 1:
            return Likeness.NONE  # several questions by their names
        flat = flattened(record)
    layout = layout_of(flat)
    pairs = list(flat.items())
    stems = [pairs[c] for c in layout.fields.get("stem", ()) if _holds_text(pairs[c][1])]
    if not stems:
        return Likeness.NONE
    if all(fold_name(str(name)) in _OTHER_STEMS for name, _ in stems):
        return Likeness.SURE if _has_key_and_options(flat, layout) else Likeness.NONE
    if any(fold_name(str(name)) not in _VAGUE_STEMS for name, _ in stems):
        return Likeness.SURE
    if layout.options or layout.wrong or _offers_options(flat, layout):
        return Likeness.SURE
    keys = [pairs[c] for c in layout.fields.get("answer", ()) if pairs[c][1] not in (None, "", [])]
    if any(fold_name(str(name)) not in _VAGUE_KEYS and _is_key(value) for name, value in keys):
        return Likeness.SURE
    if all(is_title(str(name)) for name, _ in stems):
        return Likeness.NONE
    kinds = [pairs[c][1] for c in layout.fields.get("kind", ())]
    if keys or any(isinstance(kind, str) and kind_of(kind) for kind in kinds):
        return Likeness.LIKELY
    return Likeness.PERHAPS


def _offers_options(record: Mapping[Any, Any], layout: HeaderLayout) -> bool:
    """Whether a record has a field of options, or a list of what can only be options."""
    pairs = list(record.items())
    for name, value in (pairs[column] for column in layout.fields.get("options", ())):
        if isinstance(value, list | dict):
            return True
        if isinstance(value, str) and value and fold_name(str(name)) not in ("option", "choice"):
            return not has_mark(record)
    return any(isinstance(value, list) and are_option_objects(value) for _, value in pairs)


def _has_key_and_options(record: Mapping[Any, Any], layout: HeaderLayout) -> bool:
    """Whether a record has several options, and a key or marks of the right ones."""
    values = list(record.values())
    if layout.options:
        return any(values[c] not in (None, "", []) for c in layout.fields.get("answer", ()))
    for options in (options_of(values[column]) for column in layout.fields.get("options", ())):
        if len(options.texts) > 1:
            keys = [values[column] for column in layout.fields.get("answer", ())]
            return options.right is not None or any(key not in (None, "", []) for key in keys)
    return False


def _has_stem(value: Any) -> bool:
    """Whether a value is an object with a text that may be a question's."""
    if not isinstance(value, dict):
        return False
    values = list(value.values())
    return any(_holds_text(values[column]) for column in layout_of(value).fields.get("stem", ()))


def _holds_text(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, list) and bool(value) and all(isinstance(t, str) for t in value)


def _is_key(value: Any) -> bool:
    """Whether a value is a key, rather than the mark of an option."""
    return not isinstance(value, bool | dict) and value not in (0, 1)


def own_text(
    record: Mapping[Any, Any], passages: Collection[str] = (), *, whole_document: bool = False
) -> bool:
    """Whether an object that holds questions has a text that they are about.

    A title is none, nor is the description that a whole document has beside its title.

    Args:
        record: The object.
        passages: Names, folded, that the caller gives for such texts.
        whole_document: Whether it is the whole document.
    """
    if passages and any(fold_name(str(name)) in passages for name in record):
        return True
    layout, pairs = layout_of(record), list(record.items())
    titled = any(fold_name(str(name)) in _SECTION_NAMES for name in record)
    columns = [*layout.fields.get("passage", ()), *layout.fields.get("stem", ())]
    for name, value in (pairs[column] for column in columns):
        if not _holds_text(value) or is_title(str(name)):
            continue
        if whole_document and titled and fold_name(str(name)) == "description":
            continue
        return True
    return False


def unread_texts(record: Mapping[Any, Any]) -> list[str]:
    """Names of an object whose texts may be what the questions in it are about."""
    layout = layout_of(record)
    known = {column for columns in layout.fields.values() for column in columns}
    return [
        str(name)
        for column, (name, value) in enumerate(record.items())
        if column not in known and isinstance(value, str) and len(value) >= _LONG_TEXT
        and fold_name(str(name)) not in _SECTION_NAMES
        and not value.startswith(("http:", "https:", "data:"))
    ]  # fmt: skip


def own_options(record: Mapping[Any, Any]) -> bool:
    """Whether a record has options itself."""
    layout, values = layout_of(record), list(record.values())
    if any(values[column] not in (None, "", [], {}) for column in layout.fields.get("options", ())):
        return True
    return bool(layout.options or layout.wrong)


def common_fields(record: Mapping[Any, Any], *, named: bool) -> dict[str, Any]:
    """What an object says of all its questions: subject, source, kind.

    Args:
        record: The object.
        named: Whether its name or title is a subject (a chapter's), or a kind (單選題).
    """
    fields = layout_of(record).fields
    indexes = {index for name in ("subject", "source", "kind") for index in fields.get(name, ())}
    common = {
        str(name): value
        for index, (name, value) in enumerate(record.items())
        if index in indexes and isinstance(value, str) and value.strip()
    }
    if named and not any(name in layout_of(common).fields for name in ("subject",)):
        for name, value in record.items():
            if fold_name(str(name)) in _SECTION_NAMES and isinstance(value, str) and value.strip():
                return common | section_field(value, common)
    return common


def section_field(name: str, common: Mapping[str, Any]) -> dict[str, Any]:
    """A section's name as the kind or the subject of its questions."""
    if kind_of(name):
        return {} if "kind" in layout_of(common).fields else {"kind": name}
    return {"subject": name}


def with_common(common: Mapping[str, Any], record: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """A record with what the objects around it say, where it says nothing of it itself."""
    if not common:
        return record
    fields, theirs = layout_of(record).fields, layout_of(common).fields
    values = list(record.values())
    stated = {name for name, columns in fields.items() if any(values[c] for c in columns)}
    names = list(common)
    taken = {names[column] for name in theirs.keys() - stated for column in theirs[name]}
    taken -= {name for name in record if record[name]}
    return {**record, **{name: common[name] for name in taken}} if taken else record


def listed_rows(data: Mapping[Any, Any]) -> list[dict[Any, Any]]:
    """The rows of a table stored by columns; none where an object is no such table.

    The columns are lists of one length, one of them the stems, or (as pandas writes them) objects
    with one set of names.
    """
    values = list(data.values())
    stem = layout_of(data).first("stem") if len(values) > 1 else None
    if stem is None:
        return []
    if all(isinstance(value, dict) for value in values):
        rows = list(values[stem])
        same = all(value.keys() == values[stem].keys() for value in values)
        if same and all(isinstance(text, str) for text in values[stem].values()):
            return [{name: data[name][row] for name in data} for row in rows]
        return []
    if not all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        return []
    if len(values[0]) < 2 or not all(isinstance(text, str) for text in values[stem]):
        return []
    return [dict(zip(data, row, strict=True)) for row in zip(*values, strict=True)]
