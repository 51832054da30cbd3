"""The options of a json record, in whatever shape it keeps them: texts, labels, ids, marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from zhmcq.questions import default_labels
from zhmcq.reading._drafts.embedded import options_of_text
from zhmcq.reading._drafts.html_text import picture_link
from zhmcq.reading._drafts.vocabulary import FIELDS, option_label, right_label
from zhmcq.reading._drafts.weights import right_by_weight
from zhmcq.reading._formats.cells import cell_text
from zhmcq.zh._fold import fold_name, tidy
from zhmcq.zh._labels import label_index
from zhmcq.zh._truth import truth_of

__all__ = [
    "ListedOptions",
    "TextNames",
    "are_option_objects",
    "chosen_labels",
    "has_mark",
    "learn_text_names",
    "mark_of",
    "options_of",
    "picture_text",
    "text_of",
]

_MAX_DEPTH = 6
_LETTERS = 26
_MOST_OPTIONS = 100
_LETTERED = re.compile(r"[(（]?(?P<label>[A-Za-z])(?:[)）、．]|[.:：](?!\w))\s*(?=\S)")
_MARKS = {"0": False, "1": True}
# What a field of any other name may say of an option.
_VERDICTS = {"correct": True, "incorrect": False, "right": True, "wrong": False}
_VERDICTS |= {"正確": True, "錯誤": False, "正确": True, "错误": False}

# Spelled as fold_name() leaves them, the preferred ones first.
_WORDS_OF_TEXTS = (
    "text content value optiontext optioncontent choicetext choicecontent answertext "
    "option body html title choice answer 选项 选项内容 内容 文字 description statement"
)
_TEXTS = _WORDS_OF_TEXTS.split()
# Where there are labels in these, they may be labels indeed.
_WORDS_OF_VAGUE_TEXTS = "value option choice answer title"
_VAGUE_TEXTS = frozenset(_WORDS_OF_VAGUE_TEXTS.split())
# What holds a text only where nothing else does: mostly these are labels.
_PERHAPS_TEXTS = ("label", "name", "key")
_WORDS_OF_LABELS = (
    "label key letter name tag optionlabel optionkey choicelabel prefix option identifier code "
    "id value index no num number 标号 选项标号 序号 编号"
)
_LABELS = _WORDS_OF_LABELS.split()
# An id is a label only where the ids of all options run from the first label on.
_WORDS_OF_IDS = "id optionid choiceid answerid oid uuid guid key value code identifier name index"
_IDS = _WORDS_OF_IDS.split()
_RIGHT = re.compile(
    r"(?:is|was)?(?:the)?(?:correct|right|true|solution)(?:answer|option|choice|flag)?|iskey|"
    r"(?:is)?(?:answer|ans)(?:flag|correct|right)?|"
    r"(?:answer|option|choice)?is(?:correct|right|true|answer)|"
    r"是否(?:为)?(?:正确|正解|答案|正确答案)?|(?:是)?(?:正确|正解|答案|正确答案|标准答案)"
)
_WORDS_OF_WEIGHTS = "fraction weight answerweight"
_WEIGHTS = _WORDS_OF_WEIGHTS.split()
_WORDS_OF_ORDERS = "sort order position seq sequence sortorder displayorder"
_ORDERS = _WORDS_OF_ORDERS.split()
_PICTURES = frozenset(FIELDS["picture"])
_OF_OPTION = re.compile(r"^(?:option|choice|answer|选项)(?=.)")
# Not of the option itself.
_NOTES = re.compile(
    r"feedback|comment|explan|rationale|reason|解析|说明|type|format|created|updated"
)


def text_of(value: Any, depth: int = 0) -> str:
    """A scalar as text; a list of texts as its lines, down to six lists inside one another."""
    if isinstance(value, str):
        return tidy(value)
    if isinstance(value, list):
        if depth >= _MAX_DEPTH:
            return ""
        return "\n".join(text for part in value if (text := text_of(part, depth + 1)))
    if isinstance(value, dict):
        texts = (value.get(name) for name in ("text", "html", "content"))
        return next((tidy(text) for text in texts if isinstance(text, str)), "")
    if value is None:
        return ""
    return cell_text(value)[0]


def picture_text(value: Any, depth: int = 0) -> str:
    """Where the pictures of a field are: their addresses, one a line."""
    if isinstance(value, list):
        parts = value if depth < _MAX_DEPTH else []
        return "\n".join(text for part in parts if (text := picture_text(part, depth + 1)))
    if isinstance(value, dict):
        names = ("url", "src", "path", "file", "filename", "href", "link", "name", "bytes", "data")
        return next((text for name in names if (text := text_of(value.get(name)))), "")
    return "" if value is False else text_of(value)


class ListedOptions(NamedTuple):
    """The options of a record.

    Attributes:
        texts: Their texts.
        labels: Their labels; ``()`` where they have none.
        right: Whether each option is right; ``None`` where the options don't say so. A text where
            they say it in a way that can't be read.
        ids: For each name other than its label by which a key may call an option, its index.
        damaged: Whether the labels begin again, so that these are the options of two questions.
        shuffled: Whether they say that they are shown in another order.
    """

    texts: list[str]
    labels: tuple[str, ...] = ()
    right: list[bool] | str | None = None
    ids: Mapping[str, int] = {}
    damaged: bool = False
    shuffled: bool = False


#: For a set of names that the objects of options have: which of them is that of the texts. In
#: ``{"label": "4", "value": "A"}`` either may be it, and only the other questions tell.
TextNames = dict[frozenset[str], str]


def learn_text_names(value: Any, known: TextNames, most: int = 500) -> None:
    """Learn from the lists of objects in a value where they keep their texts.

    Args:
        value: Records, at any depth.
        known: What is known, which is added to.
        most: How many lists are looked at.
    """
    waiting = [value]
    while waiting and most > 0:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [inner for inner in part.values() if isinstance(inner, dict | list)]
        elif isinstance(part, list):
            waiting += [inner for inner in part[:most] if isinstance(inner, dict | list)]
            most -= 1
            if 1 < len(part) <= _MOST_OPTIONS and all(isinstance(o, dict) for o in part):
                objects = [{str(name): v for name, v in option.items()} for option in part]
                names = _names_of(objects)
                if name := _plain_text_name(objects, names):
                    known.setdefault(frozenset(names), name)


def options_of(value: Any, depth: int = 0, known: TextNames | None = None) -> ListedOptions:
    """The options that a field of a record holds, whatever its shape.

    Args:
        value: What the field holds.
        depth: How many objects it is inside of.
        known: Where other questions of the file keep the texts of their options.
    """
    if isinstance(value, str):
        return ListedOptions(*options_of_text(value))
    if isinstance(value, dict):
        return _options_of_object(value, depth, known)
    if not isinstance(value, list):
        return ListedOptions([])
    if value and all(isinstance(option, list) and len(option) == 2 for option in value):
        if all(isinstance(right, bool) for _, right in value):
            return ListedOptions([text_of(text) for text, _ in value], (), [r for _, r in value])
        labels = [text_of(label) for label, _ in value]
        if all(option_label(label) for label in labels):
            names = _distinct(labels)
            texts = [text_of(text) for _, text in value]
            return ListedOptions(texts, names, damaged=not names and _begin_again(labels))
        if all(isinstance(right, int | float) and right in (0, 1) for _, right in value):
            return ListedOptions(labels, (), [bool(mark_of(right)) for _, right in value])
    if value and all(isinstance(option, dict) for option in value):
        return _options_of_objects(value, known)
    return _labelled_otherwise([text_of(option) for option in value])


def _labelled_otherwise(texts: list[str]) -> ListedOptions:
    """Texts, without labels of theirs that are in another order: ``["B. 春天", "A. 夏天"]``."""
    matches = [_LETTERED.match(text) for text in texts]
    labels = tuple(match.group("label").upper() for match in matches if match)
    run = default_labels(len(texts)) if len(texts) <= _LETTERS else ()
    if len(labels) < max(len(texts), 2) or labels == run or sorted(labels) != list(run):
        return ListedOptions(texts)
    return ListedOptions(
        [text[m.end() :] for text, m in zip(texts, matches, strict=True) if m], labels
    )


def _options_of_object(
    value: Mapping[Any, Any], depth: int, known: TextNames | None
) -> ListedOptions:
    texts, labels = value.get("text"), value.get("label")
    if isinstance(texts, list):
        named = isinstance(labels, list) and len(labels) == len(texts)
        names = tuple(map(text_of, labels or ())) if named else ()
        return ListedOptions([text_of(t) for t in texts], names)
    if len(value) == 1 and isinstance(inner := next(iter(value.values())), list | dict):
        return options_of(inner, depth + 1, known) if depth < _MAX_DEPTH else ListedOptions([])
    if value and all(isinstance(option, dict) for option in value.values()):
        return _options_of_objects([{"id": n, "key": n, **o} for n, o in value.items()], known)
    if depth < _MAX_DEPTH and (inner := _listed_within(value)) is not None:
        return options_of(inner, depth + 1, known)
    options = [option_label(str(name)) for name in value]
    whole = all(options) and len(set(options)) == len(options)
    ids = {str(name): index for index, name in enumerate(value)}
    if not whole and _is_run([name for name in options if name]):
        # What has another name than A, B, C is no option: an explanation, a note.
        labelled = {str(name): text for name, text in value.items() if option_label(str(name))}
        return ListedOptions(
            [text_of(text) for text in labelled.values()],
            tuple(map(option_label, labelled)),
            ids={name: index for index, name in enumerate(labelled)},
        )
    texts = [text_of(text) for text in value.values()]
    return ListedOptions(texts, tuple(options) if whole else (), ids=ids)


def _listed_within(value: Mapping[Any, Any]) -> Any:
    """The options in an object that also says how they are shown: ``{"single": 1, "answers": …}``.

    ``None`` where the object has labels as names, or several lists.
    """
    if any(option_label(str(n)) and not isinstance(o, list | dict) for n, o in value.items()):
        return None
    lists = [
        part
        for part in value.values()
        if (isinstance(part, list) and len(part) > 1)
        or (isinstance(part, dict) and part and all(isinstance(o, dict) for o in part.values()))
    ]
    return lists[0] if len(lists) == 1 else None


def _distinct(labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(labels) if len(set(labels)) == len(labels) else ()


def _is_run(labels: Sequence[str]) -> bool:
    """Whether labels follow one another from A, from 1 or from 0."""
    indexes = [label_index(label) for label in labels]
    return len(indexes) > 1 and indexes in (
        list(range(len(indexes))),
        list(range(-1, len(indexes) - 1)),
    )


def _begin_again(labels: Sequence[str]) -> bool:
    """Whether labels that are there twice are A, B, C and once more A, B."""
    indexes = [label_index(option_label(label)) for label in labels]
    return indexes.count(0) > 1 and indexes[:2] == [0, 1]


def mark_of(value: Any) -> bool | None:
    """Whether an option's own mark says that it is right: true, 1, "true", 對; else None."""
    if isinstance(value, bool | int | float):
        return bool(value) if value in (0, 1) else None
    return _MARKS.get(value.strip(), truth_of(value)) if isinstance(value, str) else None


def has_mark(record: Mapping[Any, Any]) -> bool:
    """Whether an object bears a mark of being right, as an option does."""
    return any(
        _RIGHT.fullmatch(fold_name(str(name))) and mark_of(value) is not None
        for name, value in record.items()
    )


def are_option_objects(values: Sequence[Any]) -> bool:
    """Whether a list holds options that bear marks of being right, or labels in order."""
    if len(values) < 2 or not all(isinstance(value, dict) for value in values):
        return False
    if any(
        isinstance(v, list) and v and isinstance(v[0], dict) for o in values for v in o.values()
    ):
        return False
    options = _options_of_objects(values)
    letters = bool(options.labels) and _are_letters(options.labels) and _is_run(options.labels)
    sure = isinstance(options.right, list) or letters
    return sure and sum(map(bool, options.texts)) > 1 and not options.damaged


def chosen_labels(answer: Mapping[Any, Any]) -> list[str] | None:
    """The labels that a key marks as right: ``{"answer_a_correct": "true", …}``; else ``None``."""
    marks = {str(name): mark_of(value) for name, value in answer.items()}
    labels = {name: option_label(name) or right_label(name) for name in marks}
    if not marks or not all(labels.values()) or any(mark is None for mark in marks.values()):
        return None
    return [labels[name] for name, mark in marks.items() if mark]


def _options_of_objects(
    given: Sequence[Mapping[str, Any]], known: TextNames | None = None
) -> ListedOptions:
    if plain := _plain_objects(given):
        return plain
    objects = [{str(name): value for name, value in option.items()} for option in given]
    if all(len(option) == 1 and option_label(next(iter(option))) for option in objects):
        single = [option_label(next(iter(option))) for option in objects]
        texts = [text_of(next(iter(option.values()))) for option in objects]
        return ListedOptions(texts, _distinct(single), damaged=_begin_again(single))
    names = _names_of(objects)
    text_name = _text_name(objects, names, known)
    texts = [text_of(option.get(text_name)) if text_name else "" for option in objects]
    for index, option in enumerate(objects):
        links = [
            link for name in option if fold_name(name) in _PICTURES for link in _links(option[name])
        ]
        texts[index] = "\n".join([texts[index], *links] if texts[index] else links)
    if not any(texts):
        return ListedOptions([])
    right = _right_of(objects, names, text_name)
    labels, damaged = _labels_of(objects, names, text_name)
    if isinstance(right, list) and not _are_letters(labels):
        labels = ()  # the key needs no numbers, and these may be ids
    ids = _ids_of(objects, names, text_name, labels)
    return ListedOptions(texts, labels, right, ids, damaged, _is_shuffled(objects, names))


def _names_of(objects: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The names that objects have: as they are folded → as they are."""
    names: dict[str, str] = {}
    for option in objects:
        for name in option:
            names.setdefault(fold_name(name), name)
    for folded, name in list(names.items()):  # optionTag is a tag
        names.setdefault(_OF_OPTION.sub("", folded), name)
    return names


def _plain_objects(given: Sequence[Mapping[str, Any]]) -> ListedOptions | None:
    """Quickly: objects that have a label and a text each, and nothing else."""
    if any(len(option) != 2 or "text" not in option for option in given):
        return None
    texts = [option["text"] for option in given]
    labels = [option.get("label", option.get("key")) for option in given]
    if not all(isinstance(text, str) for text in texts) or all(map(option_label, texts)):
        return None
    if labels != list(default_labels(len(labels))):
        return None
    return ListedOptions([tidy(text) for text in texts], tuple(map(str, labels)))


def _links(value: Any) -> list[str]:
    return [picture_link(line) for line in picture_text(value).split("\n") if line.strip()]


def _are_letters(labels: Iterable[str]) -> bool:
    return not any(label.isdecimal() for label in labels)


def _is_shuffled(objects: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> bool:
    """Whether the options say that they are shown in another order than they are listed in."""
    for name in (names[folded] for folded in _ORDERS if folded in names):
        order = _values(objects, name)
        if all(type(number) is int for number in order) and len(set(order)) == len(order):
            return order != sorted(order)
    return False


def _values(objects: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [option.get(name) for option in objects]


def _are_texts(values: Sequence[Any]) -> bool:
    """Whether all values may be texts of options; an option in the middle may be empty."""
    if not all(isinstance(v, str | int | float | None) and not isinstance(v, bool) for v in values):
        return sum(isinstance(v, dict | list) and bool(text_of(v)) for v in values) == len(values)
    return sum(value not in (None, "") for value in values) * 2 >= len(values)


def _text_name(
    objects: Sequence[Mapping[str, Any]], names: Mapping[str, str], known: TextNames | None
) -> str | None:
    """The name of the options' texts: a usual one, else the only one that can be it.

    Where every field holds what may be labels, it is the one of the file's other questions, else
    one that doesn't run from A, or from 1.
    """
    if plain := _plain_text_name(objects, names):
        if known is not None:
            known.setdefault(frozenset(names), plain)
        return plain
    other = known.get(frozenset(names)) if known else None
    if other and _are_texts(_values(objects, other)):
        return other
    usual = [name for name in _in_order(names, _TEXTS) if _are_texts(_values(objects, name))]
    free = _free_names(objects, names)
    if not usual:
        return free[0] if len(free) == 1 else None
    vague = fold_name(usual[0]) in _VAGUE_TEXTS
    rank = _rank_as_labels(_values(objects, usual[0]))
    if not vague or not rank:
        return usual[0]
    if len(free) == 1 and rank > 1 and len(set(_values(objects, free[0]))) == len(objects):
        return free[0]
    others = [
        name
        for name in _in_order(names, (*_TEXTS, *_PERHAPS_TEXTS))
        if _are_texts(_values(objects, name)) and _rank_as_labels(_values(objects, name)) < rank
    ]
    return others[0] if others else usual[0]


def _plain_text_name(objects: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str | None:
    """A usual name of texts, where these are more than labels."""
    for name in _in_order(names, (*_TEXTS, *_PERHAPS_TEXTS)):
        values = _values(objects, name)
        if _are_texts(values) and not _are_labels(values):
            return name
    return None


def _in_order(names: Mapping[str, str], folded: Iterable[str]) -> list[str]:
    return [names[name] for name in folded if name in names]


def _rank_as_labels(values: Sequence[Any]) -> int:
    """How much like labels values are: 2 for A, B, C, 1 for 1, 2, 3, 0 for what is no run."""
    labels = [option_label(text_of(value)) for value in values]
    if not all(labels) or not _is_run(labels):
        return 0
    return 2 if _are_letters(labels) else 1


def _free_names(objects: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[str]:
    """Names that are not known, of what may be texts."""
    free: dict[str, None] = {}
    for folded, name in names.items():
        values = _values(objects, name)
        known = folded in _IDS or folded in _LABELS or folded in _ORDERS or folded in _PICTURES
        known = known or folded in _TEXTS
        texts = all(isinstance(value, str) and value for value in values)
        marks = all(mark_of(value) is not None for value in values)
        if texts and not known and not marks and not _NOTES.search(folded):
            free[name] = None
    return list(free)


def _are_labels(values: Sequence[Any]) -> bool:
    return all(option_label(text_of(value)) for value in values)


def _labels_of(
    objects: Sequence[Mapping[str, Any]], names: Mapping[str, str], text_name: str | None
) -> tuple[tuple[str, ...], bool]:
    """The options' labels, and whether they begin again."""
    for folded in _LABELS:
        name = names.get(folded)
        if name is None or name == text_name:
            continue
        values = _values(objects, name)
        if not all(isinstance(v, str | int) and not isinstance(v, bool) for v in values):
            continue
        labels = [text_of(value) for value in values]
        if not all(option_label(label) for label in labels):
            continue
        if len(set(labels)) == len(labels):
            labels = [option_label(label) for label in labels]
            if _is_run(labels) or (_are_letters(labels) and _distinct(labels)):
                return tuple(labels), False
        elif _are_letters(labels) and _begin_again(labels):
            return (), True
    return (), False


def _right_of(
    objects: Sequence[Mapping[str, Any]], names: Mapping[str, str], text_name: str | None
) -> list[bool] | str | None:
    """Which options are marked as right; ``None`` where none of their fields is a mark."""
    for folded, name in names.items():
        values = _values(objects, name)
        are_booleans = folded == "value" and all(isinstance(value, bool) for value in values)
        if name == text_name or not (_RIGHT.fullmatch(folded) or are_booleans):
            continue
        marks = [mark_of(value) for value in values]
        given = [value for value in values if value not in (None, "")]
        # Only the right ones may bear the mark.
        some = any(marks) and all(mark_of(value) is not None for value in given)
        if some or all(mark is not None for mark in marks):
            return [bool(mark) for mark in marks]
    for name in names.values():
        words = [value for value in _values(objects, name) if isinstance(value, str)]
        verdicts = [_VERDICTS.get(word) for word in words]
        if name != text_name and len(verdicts) == len(objects) and None not in verdicts:
            return [bool(verdict) for verdict in verdicts]
    for name in (names[folded] for folded in _WEIGHTS if folded in names):
        weights = [_number(value) for value in _values(objects, name)]
        numbers = [weight for weight in weights if weight is not None]
        if len(numbers) == len(objects):
            scale = 100.0 if max(numbers) <= 1 else 1.0
            return right_by_weight([number * scale for number in numbers])
    return None


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None


def _ids_of(
    objects: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    text_name: str | None,
    labels: Sequence[str],
) -> dict[str, int]:
    """What else a key may call the options by; nothing that two of them have."""
    ids: dict[str, int] = {}
    for folded in _IDS:
        name = names.get(folded)
        if name is None or name == text_name:
            continue
        values = _values(objects, name)
        if not all(isinstance(v, str | int) and not isinstance(v, bool) for v in values):
            continue
        texts = [text_of(value) for value in values]
        if len(set(texts)) == len(texts) and tuple(texts) != tuple(labels):
            for index, text in enumerate(texts):
                ids.setdefault(text, index)
    return ids
