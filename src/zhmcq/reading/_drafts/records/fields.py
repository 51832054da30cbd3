"""One flat json record → the parts of a draft: texts, options, key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from zhmcq.questions import default_labels
from zhmcq.reading._drafts.draft import Draft, is_index, labels_marked_right
from zhmcq.reading._drafts.ids import given_id
from zhmcq.reading._drafts.records.options import (
    ListedOptions,
    TextNames,
    are_option_objects,
    chosen_labels,
    options_of,
    picture_text,
    text_of,
)
from zhmcq.reading._drafts.tables.headers import HeaderLayout
from zhmcq.reading._drafts.vocabulary import FIELDS, names_index, option_label
from zhmcq.zh._fold import fold_name, tidy

__all__ = ["fill_draft", "unread_stems"]

_TEXT_FIELDS = frozenset(("passage", "kind", "subject", "explanation", "source", "group"))
_SAYS_RIGHT = re.compile(r"correct|right|正确|index|idx")
_NAMES_MARKS = re.compile(r"label|correct|right|answer|target|gold|正确|答案")
# Names of keys that were corrected after an examination, of those that may be a student's beside a
# correct one, and of those that may be no keys.
_CORRECTED = frozenset(FIELDS["answer"][: FIELDS["answer"].index("正确答案")])
_WORDS_OF_ANSWERS = "answer answers 答案 ans 答 解答 作答"
_ANSWERS = frozenset(_WORDS_OF_ANSWERS.split())
_WORDS_OF_VAGUE_KEYS = "key label target gold correct"
_VAGUE_KEYS = frozenset(_WORDS_OF_VAGUE_KEYS.split())
_WORDS_OF_LABELS = "labels optionlabels choicelabels answerlabels 选项代号 选项标签 代号"
_LABEL_LISTS = frozenset(_WORDS_OF_LABELS.split())
_VAGUE_STEMS = frozenset(("title", "content", "内容", "description"))
_ASKS = re.compile(r"[?？]|何|哪|下列|_{2,}|[(（]\s*[)）]|是否|多少|什[麼么]")
_LONG_TEXT = 30
_LETTERS = 26
_BETWEEN_IDS = re.compile(r"[\s,;|、，；]+")


def fill_draft(
    draft: Draft, values: Sequence[Any], layout: HeaderLayout, known: TextNames | None = None
) -> None:
    """Give a draft what a record holds.

    Args:
        draft: A draft with an origin and a heading.
        values: The record's values.
        layout: What its names say.
        known: Where other questions of the file keep the texts of their options.
    """
    draft.stem = _stem_of(values, layout)
    for name, columns in layout.fields.items():
        if name in _TEXT_FIELDS:
            setattr(draft, name, next(filter(None, (text_of(values[c]) for c in columns)), ""))
    if pictures := layout.fields.get("picture"):
        draft.picture = picture_text([values[column] for column in pictures])
    _take_id(draft, values, layout)
    keys = [
        (layout.headers[column], values[column])
        for column in layout.fields.get("answer", ())
        if values[column] not in (None, "", [])
    ]
    draft.has_key_field = bool(layout.fields.get("answer") or layout.rights)
    options, keys = _options(values, layout, keys, known)
    draft.options, draft.labels = options.texts, options.labels
    given = next((values[c] for c in layout.fields.get("options", ()) if values[c]), None)
    draft.options_in_text = isinstance(given, str) and not options.labels
    if options.damaged:
        draft.notes.append((draft.heading.header("options"), "damaged_options"))
    if layout.wrong and options.right is not None and fold_name(draft.kind) == "multiple":
        draft.kind = ""  # a choice among several, of which one is right
    _take_key(draft, keys, options)
    if draft.answer is None and layout.rights:
        draft.answer = labels_marked_right(
            {label: text_of(values[column]) for label, column in layout.rights.items()}
        )
    right = options.right
    _take_marks(draft, _listed_marks(draft, values, layout) if right is None else right)
    _drop_last_empty(draft)


def _stem_of(values: Sequence[Any], layout: HeaderLayout) -> str:
    """The question's text; of a title and a content, the one that asks."""
    columns = layout.fields.get("stem", ())
    if len(columns) == 1:
        return text_of(values[columns[0]])
    given = [(column, text) for column in columns if (text := text_of(values[column]))]
    if not given:
        return ""
    vague = [(c, text) for c, text in given if fold_name(layout.headers[c]) in _VAGUE_STEMS]
    if len(vague) == len(given) > 1 and not _ASKS.search(given[0][1]):
        return next((text for _, text in vague if _ASKS.search(text)), given[0][1])
    return given[0][1]


def unread_stems(draft: Draft, values: Sequence[Any], layout: HeaderLayout) -> list[str]:
    """Names of fields that might have been the stem, whose texts are in no part of a draft.

    The title of a question is no loss, unless it is as long as a text that a question is about.

    Args:
        draft: What became of the record.
        values: The record's values.
        layout: What its names say.
    """
    columns = layout.fields.get("stem", ())
    if len(columns) < 2:
        return []
    given = [(column, text_of(values[column])) for column in columns]
    used = next((layout.headers[c] for c, text in given if text == draft.stem), "")
    least = 2 if fold_name(used) in _VAGUE_STEMS else _LONG_TEXT
    return [
        layout.headers[column]
        for column, text in given
        if len(text) >= least and text not in draft.stem and text not in draft.passage
    ]


_Keys = list[tuple[str, Any]]


def _options(
    values: Sequence[Any], layout: HeaderLayout, keys: _Keys, known: TextNames | None
) -> tuple[ListedOptions, _Keys]:
    """The options of a record, and the keys that are none of them."""
    if layout.options:
        columns = [values[column] for column in layout.options]
        if any(isinstance(value, dict) for value in columns):
            named = dict(zip(layout.labels, columns, strict=True))
            return options_of(named, known=known), keys
        names = {layout.headers[c]: index for index, c in enumerate(layout.options)}
        return ListedOptions([text_of(v) for v in columns], layout.labels, ids=names), keys
    for column in layout.fields.get("options", ()):
        options = options_of(values[column], known=known)
        if options.texts:
            return _with_listed_labels(options, layout, values, keys), keys
    if layout.wrong and keys:
        return _joined([values[column] for column in layout.wrong], keys)
    for index, (_, value) in enumerate(keys):
        rest = keys[:index] + keys[index + 1 :]
        if _are_answers_to_choose(value, rest):
            return options_of(value, known=known), rest
    matching = [value for value in values if isinstance(value, list) and are_option_objects(value)]
    if len(matching) != 1:
        return ListedOptions([]), keys
    return options_of(matching[0], known=known), keys


def _are_answers_to_choose(value: Any, others: _Keys) -> bool:
    """Whether a field called answers holds the options: marks, or another field with the key."""
    if isinstance(value, list) and are_option_objects(value):
        return True
    if not others or not isinstance(value, list | dict) or len(value) < 2:
        return False
    if isinstance(value, dict):
        return chosen_labels(value) is None and all(option_label(str(name)) for name in value)
    texts = [text_of(part) for part in value]
    # ["A", "C"] may be two keys, unless another field says that it is the right answer.
    said = any(_SAYS_RIGHT.search(fold_name(name)) for name, _ in others)
    return all(texts) and (said or not all(map(option_label, texts)))


def _joined(wrong: Sequence[Any], keys: _Keys) -> tuple[ListedOptions, _Keys]:
    """The right answer, then the wrong ones; the right one may be missing, and then is a gap."""
    (_, right), *_ = keys
    texts = [text_of(part) for part in (right if isinstance(right, list) else [right])]
    others = [part for value in wrong for part in (value if isinstance(value, list) else [value])]
    rest = [text for part in others if (text := text_of(part))]
    if not rest:
        return ListedOptions([]), keys
    return ListedOptions([*texts, *rest], (), [True] * len(texts) + [False] * len(rest)), []


def _with_listed_labels(
    options: ListedOptions, layout: HeaderLayout, values: Sequence[Any], keys: _Keys
) -> ListedOptions:
    """The options with the labels that a list beside theirs gives them, in their order.

    What frames of zhmcq hold, and some exports: without it a key would be read by the position
    that its label has elsewhere.
    """
    if options.labels:
        return options
    for header, value in zip(layout.headers, values, strict=True):
        # Zeros and ones are marks of what is right, and so is a list that is the only key.
        if (
            fold_name(header) in _LABEL_LISTS
            and isinstance(value, list)
            and not all(part in (0, 1) for part in value)
            and any(name != header for name, _ in keys)
        ):
            labels = tuple(map(text_of, value))
            if len(labels) == len(options.texts) == len(set(labels)) and all(labels):
                return options._replace(labels=labels)
    return options


def _take_key(draft: Draft, keys: _Keys, options: ListedOptions) -> None:
    """The first key that there is, as far as it can be understood without the file's others."""
    if not keys:
        return
    name, value = keys[0]
    draft.answer = answer = _plain_answer(value, options)
    if len(keys) > 1 and not options.shuffled and _take_other_keys(draft, keys, options):
        return
    if names_index(name) and is_index(answer):
        draft.key_is_index = True
        if options.shuffled:
            _reject_key(draft, name)
        return
    indexes = _by_id(answer, options)
    if indexes is None:
        if options.shuffled and not _names_text_or_label(answer, options):
            _reject_key(draft, name)
        return
    if any(_may_be_number(part, options) for part in _parts(answer)):
        _reject_key(draft, name)
        return
    draft.answer = [index in indexes for index in range(len(draft.options))]


def _plain_answer(answer: Any, options: ListedOptions) -> Any:
    """A key without objects: what names an option, or marks."""
    if isinstance(answer, dict):
        chosen = chosen_labels(answer)
        answer = _named_option(answer, options) if chosen is None else chosen
    elif isinstance(answer, list) and answer and all(isinstance(part, dict) for part in answer):
        answer = [_named_option(part, options) for part in answer]
    if _are_marks(answer, len(options.texts)):
        answer = [bool(part) for part in answer]
    return answer


def _take_other_keys(draft: Draft, keys: _Keys, options: ListedOptions) -> bool:
    """Hold several keys of one record against one another; whether nothing else is to be done.

    An index counts from 0 or from 1, as the whole file tells; it becomes the key, and what a text
    or a label says is what it must not contradict. An answer beside a correct one may be somebody's
    own, and one that was corrected replaces the others.
    """
    first = fold_name(keys[0][0])
    if first in _CORRECTED:
        return False
    plain: list[list[bool]] = []
    indexes: list[Any] = []
    for name, value in keys:
        folded = fold_name(name)
        if folded in _VAGUE_KEYS or (_SAYS_RIGHT.search(first) and folded in _ANSWERS):
            continue
        if names_index(name) and is_index(value):
            indexes.append(value)
        elif right := _plainly_right(value, options):
            plain.append(right)
    if any(right != plain[0] for right in plain):
        _reject_key(draft, keys[0][0])
        return True
    if not plain or not indexes:
        return False
    draft.answer, draft.key_is_index, draft.right = indexes[0], True, plain[0]
    return True


def _plainly_right(value: Any, options: ListedOptions) -> list[bool] | None:
    """The options that a key names by their whole texts or by letters; ``None`` if it doesn't."""
    parts = value if isinstance(value, list) else [value]
    texts = options.texts
    if not texts or not parts or not all(isinstance(part, str) and part for part in parts):
        return None
    named = [tidy(part) for part in parts]
    labels = options.labels or default_labels(min(len(texts), _LETTERS))
    for names, others in ((list(texts), labels), (list(labels), texts)):
        if all(names.count(part) == 1 and part not in others for part in named):
            if any(part.isdecimal() for part in named):
                return None
            return [name in named for name in names]
    return None


def _reject_key(draft: Draft, name: str) -> None:
    """Note that a key may name two options; what it is tells nothing of the file's other keys."""
    draft.notes.append((name, "ambiguous_answer"))
    draft.answer, draft.key_is_index = None, False


def _listed_marks(draft: Draft, values: Sequence[Any], layout: HeaderLayout) -> list[bool] | None:
    """The marks that a record without a key lists beside its options: ``"labels": [0, 1]``."""
    if draft.answer is not None or len(draft.options) < 2:
        return None
    known = {column for columns in layout.fields.values() for column in columns}
    matching = [
        value
        for column, (name, value) in enumerate(zip(layout.headers, values, strict=True))
        if column not in known
        and isinstance(value, list)
        and len(value) == len(draft.options)
        and _NAMES_MARKS.search(fold_name(name))
        and all(isinstance(mark, bool | int) and mark in (0, 1) for mark in value)
    ]
    return [bool(mark) for mark in matching[0]] if len(matching) == 1 else None


def _are_marks(answer: Any, count: int) -> bool:
    """Whether a key is a 0 or 1 for each option: more of them than numbers of two options."""
    return (
        isinstance(answer, list)
        and len(answer) == count > 2
        and all(type(part) is int and part in (0, 1) for part in answer)
    )


def _named_option(answer: Mapping[Any, Any], options: ListedOptions) -> Any:
    """The id, label or text of an option that a key is an object of."""
    for value in answer.values():
        if text_of(value) in options.ids:
            return value
    names = ("label", "key", "letter", "text", "value", "content", "answer", "id", "index")
    matching = (answer[name] for name in names if answer.get(name) is not None)
    return next(matching, list(answer.values()))


def _parts(answer: Any) -> list[str]:
    if isinstance(answer, list):
        return [text_of(part) for part in answer]
    return [text_of(answer)]


def _by_id(answer: Any, options: ListedOptions) -> set[int] | None:
    """The options that a key names by their ids; ``None`` where it does not."""
    if not options.ids or isinstance(answer, bool | dict):
        return None
    parts = _parts(answer)
    if len(parts) == 1 and parts[0] not in options.ids:
        parts = [part for part in _BETWEEN_IDS.split(parts[0]) if part]
    if not parts or not all(part in options.ids for part in parts):
        return None
    named = {text for text in parts if text in options.labels or text in options.texts}
    return None if named else {options.ids[part] for part in parts}


def _names_text_or_label(answer: Any, options: ListedOptions) -> bool:
    """Whether a key is plain whatever order the options are in."""
    if isinstance(answer, bool | dict):
        return True
    return all(part in options.labels or part in options.texts for part in _parts(answer))


def _may_be_number(part: str, options: ListedOptions) -> bool:
    """Whether the id of one option is the number of another."""
    if not part.isdecimal():
        return False
    index = options.ids.get(part, -1)
    return int(part) <= len(options.texts) and int(part) - 1 != index


def _take_marks(draft: Draft, right: list[bool] | str | None) -> None:
    """What the options themselves say; it must not contradict a key that there is besides."""
    if right is None:
        return
    draft.has_key_field = True
    if isinstance(right, str):
        draft.answer = right if draft.answer is None else draft.answer
        return
    if draft.answer is None:
        draft.answer = right
    elif any(right):
        draft.right = right


def _drop_last_empty(draft: Draft) -> None:
    """Leave out empty options at the end, with the marks that say that they are wrong."""
    answer = draft.answer
    marks = isinstance(answer, list) and len(answer) == len(draft.options) and bool(answer)
    marks = marks and all(isinstance(mark, bool) for mark in answer)
    while draft.options and not draft.options[-1] and not (marks and answer[-1]):
        draft.options = draft.options[:-1]
        draft.answer = answer = answer[:-1] if marks else answer
        if draft.right is not None:
            draft.right = draft.right[:-1]


def _take_id(draft: Draft, values: Sequence[Any], layout: HeaderLayout) -> None:
    for column in layout.fields.get("id", ()):
        value = values[column]
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            draft.source_id, rounded = given_id(value)
            if draft.source_id is not None:
                draft.notes += [(layout.headers[column], "rounded_id")] if rounded else []
                return
