"""The options of a json record, in whatever shape it keeps them: texts, labels, marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from zhmcq.reading._drafts.embedded import options_of_text
from zhmcq.reading._drafts.vocabulary import option_label
from zhmcq.reading._formats.cells import cell_text
from zhmcq.zh._fold import tidy
from zhmcq.zh._labels import label_index
from zhmcq.zh._truth import truth_of

__all__ = ["options_of", "text_of"]

_MAX_DEPTH = 6


def text_of(value: Any, depth: int = 0) -> str:
    """A scalar as text; a list of texts as its lines, down to six lists inside one another."""
    if isinstance(value, str):
        return tidy(value)
    if isinstance(value, list):
        if depth >= _MAX_DEPTH:
            return ""
        return "\n".join(text for part in value if (text := text_of(part, depth + 1)))
    if isinstance(value, dict) or value is None:
        return ""
    return cell_text(value)[0]


class ListedOptions(NamedTuple):
    """The options of a record.

    Attributes:
        texts: Their texts.
        labels: Their labels; ``()`` where they have none.
        right: Whether each option is right; ``None`` where the options don't say so.
    """

    texts: list[str]
    labels: tuple[str, ...] = ()
    right: list[bool] | None = None


def options_of(value: Any) -> ListedOptions:
    """The options that a field of a record holds, whatever its shape."""
    if isinstance(value, str):
        return ListedOptions(*options_of_text(value))
    if isinstance(value, dict):
        return ListedOptions(*_options_of_object(value))
    if not isinstance(value, list):
        return ListedOptions([])
    if value and all(isinstance(option, list) and len(option) == 2 for option in value):
        if all(isinstance(right, bool) for _, right in value):
            return ListedOptions([text_of(text) for text, _ in value], (), [r for _, r in value])
        labels = [text_of(label) for label, _ in value]
        if all(option_label(label) for label in labels):
            return ListedOptions([text_of(text) for _, text in value], tuple(labels))
        if all(isinstance(right, int | float) and right in (0, 1) for _, right in value):
            return ListedOptions(labels, (), [bool(_right(right)) for _, right in value])
    if value and all(isinstance(option, dict) for option in value):
        return _options_of_objects(value)
    return ListedOptions([text_of(option) for option in value])


def _options_of_object(value: Mapping[Any, Any]) -> tuple[list[str], tuple[str, ...]]:
    texts, labels = value.get("text"), value.get("label")
    if isinstance(texts, list):
        named = isinstance(labels, list) and len(labels) == len(texts)
        return [text_of(t) for t in texts], tuple(map(text_of, labels or ())) if named else ()
    names = [option_label(str(name)) for name in value]
    whole = all(names) and len(set(names)) == len(names)
    if not whole and _is_run([name for name in names if name]):
        # What has another name than A, B, C is no option: an explanation, a note.
        labelled = [(name, text) for name, text in zip(names, value.values(), strict=True) if name]
        return [text_of(text) for _, text in labelled], tuple(name for name, _ in labelled)
    return [text_of(text) for text in value.values()], tuple(names) if whole else ()


def _is_run(labels: Sequence[str]) -> bool:
    """Whether labels follow one another from A, from 1 or from 0."""
    indexes = [label_index(label) for label in labels]
    return len(indexes) > 1 and indexes in (
        list(range(len(indexes))),
        list(range(-1, len(indexes) - 1)),
    )


def _right(value: Any) -> bool | None:
    """Whether an option's own mark says that it is right: true, 1, "true", 對."""
    return bool(value) if value in (0, 1) else truth_of(value)


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
) -> ListedOptions:
    def pick(names: Sequence[str], wanted: type | tuple[type, ...]) -> str | None:
        return next(
            (n for n in names if all(n in o and isinstance(o[n], wanted) for o in value)), None
        )

    text_name = pick(_TEXT_NAMES, (str, int, float))
    if text_name is None:
        return ListedOptions([])
    label_name = pick([n for n in _LABEL_NAMES if n != text_name], (str, int))
    right_name = next(
        (n for n in _RIGHT_NAMES if all(_right(o.get(n)) is not None for o in value)), None
    )
    labels = tuple(text_of(option[label_name]) for option in value) if label_name else ()
    if not all(option_label(label) for label in labels) or len(set(labels)) != len(value):
        labels = ()
    right = [bool(_right(option[right_name])) for option in value] if right_name else None
    return ListedOptions([text_of(option[text_name]) for option in value], labels, right)
