"""The questions in a json document, at any depth and under any names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zhmcq.reading._drafts.records.records import (
    Likeness,
    common_fields,
    layout_of,
    likeness,
    listed_rows,
    own_options,
    own_text,
    section_field,
    unread_texts,
    with_common,
)
from zhmcq.reading._drafts.vocabulary import field_of
from zhmcq.zh._fold import fold_name

__all__ = ["FoundItems", "find_items", "holds_question", "named_parts"]

_LONGEST_ID = 40
_HAN = re.compile(r"[\u4e00-\u9fff]")
# Names of lists in exports that say nothing of what the list holds.
_WORDS_OF_GENERIC = "题库 试题 试卷 题目列表 试题列表 数据 资料 列表 内容 结果 全部"
_GENERIC = frozenset(_WORDS_OF_GENERIC.split())


@dataclass
class FoundItems:
    """The questions that a document holds, and what it holds beside them.

    Attributes:
        items: Records, each with what the objects around it say of it. What is no object but
            stands in a list of questions is among them.
        skipped: Other lists of records: where they are, and how many records they hold.
        unread: Names of texts beside questions of which it is not known what they are.
        sure: Whether anything was recognised as a question.
    """

    items: list[Any] = field(default_factory=list)
    skipped: list[tuple[str, int]] = field(default_factory=list)
    unread: dict[str, None] = field(default_factory=dict)
    sure: bool = True


def find_items(
    document: Any, stems: Iterable[str] = (), passages: Iterable[str] = ()
) -> FoundItems:
    """The questions of a document: in its list, or in lists inside its objects.

    Pages, chapters and papers around questions say what their questions' subject, source or kind
    is. An object with a text of its own and questions inside is one item. Where nothing is
    recognised as a question, the first list of records is given, so that an error can show it.

    Args:
        document: What the json holds.
        stems: Names that the caller gives for the questions' texts.
        passages: Names that the caller gives for passages.
    """
    named = frozenset(map(fold_name, stems))
    texts = frozenset(map(fold_name, passages))
    for likely in (Likeness.SURE, Likeness.LIKELY, Likeness.PERHAPS):
        least = _Least(likely, named)
        holders = _holders(document, least)
        if holders:
            result = FoundItems()
            _Walk(result, holders, least, texts).run(document)
            return result
    return FoundItems(_first_records(document), sure=False)


def _first_records(document: Any) -> list[Any]:
    """The document's own list, or else the first one in it that holds an object."""
    if isinstance(document, list):
        return document
    waiting = [_parts(document)]
    while waiting:
        part = next(waiting[-1], None)
        if part is None:
            waiting.pop()
        elif isinstance(part, list) and any(isinstance(record, dict) for record in part):
            return part
        else:
            waiting.append(_parts(part))
    return []


def holds_question(value: Any) -> bool:
    """Whether a question is in a value, at any depth."""
    return bool(_holders(value, _Least(Likeness.SURE), first=True))


class _Least(NamedTuple):
    """What an object must be like to be taken for a question.

    Attributes:
        likeness: What its names and values must say, at least.
        stems: Names that the caller gives for the questions' texts; one of them is enough.
    """

    likeness: Likeness
    stems: frozenset[str] = frozenset()

    def fits(self, record: Mapping[Any, Any], likely: Likeness | None = None) -> bool:
        """Whether an object is such, or as likely as another measure says."""
        if self.stems and any(fold_name(str(name)) in self.stems for name in record):
            return True
        return likeness(record) >= (self.likeness if likely is None else likely)


def _is_question(value: Any, least: _Least) -> bool:
    return isinstance(value, dict) and (least.fits(value) or bool(listed_rows(value)))


def _holders(document: Any, least: _Least, *, first: bool = False) -> set[int]:
    """The objects and lists that are or hold a question, by identity; without recursion."""
    holders: set[int] = set()
    if _is_question(document, least):
        return {id(document)}
    path: list[Any] = [document]
    waiting: list[Iterator[Any]] = [_parts(document)]
    while waiting:
        part = next(waiting[-1], None)
        if part is None:
            waiting.pop()
            path.pop()
        elif _is_question(part, least):
            for holder in reversed(path):
                if id(holder) in holders:
                    break
                holders.add(id(holder))
            if first:
                break
        else:
            path.append(part)
            waiting.append(_parts(part))
    return holders


def _parts(value: Any) -> Iterator[Any]:
    """The objects and lists directly inside a value."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (part for part in values if isinstance(part, dict | list))


@dataclass(frozen=True, slots=True)
class _Node:
    """A value on the way, with what is known of where it is.

    Attributes:
        value: The value.
        name: Its name in the object around it; that of the list, for what is in a list.
        common: What the objects around it say of it.
        among_questions: Whether it is in a list of which an element is a question.
        named_object: Whether it is an object among objects that have names, which are ids.
        listed: Whether it is in a list.
        top: Whether it is the whole document.
    """

    value: Any
    name: str = ""
    common: Mapping[str, Any] = field(default_factory=dict)
    among_questions: bool = False
    named_object: bool = False
    listed: bool = False
    top: bool = False


@dataclass
class _Walk:
    """Goes through a document in its order, into all that holds questions."""

    result: FoundItems
    holders: set[int]
    least: _Least
    passages: frozenset[str]

    def run(self, document: Any) -> None:
        """Fill ``result``; without recursion, since a document may nest as deep as it likes."""
        waiting = [iter([_Node(document, top=True)])]
        while waiting:
            node = next(waiting[-1], None)
            if node is None:
                waiting.pop()
            elif inside := self._take(node):
                waiting.append(inside)

    def _take(self, node: _Node) -> Iterator[_Node] | None:
        value = node.value
        if isinstance(value, dict):
            return self._take_object(node)
        if isinstance(value, list) and (id(value) in self.holders or not node.among_questions):
            return self._take_list(node)
        if node.among_questions:
            self.result.items.append(value)
        return None

    def _take_object(self, node: _Node) -> Iterator[_Node] | None:
        value: Mapping[Any, Any] = node.value
        if rows := listed_rows(value):
            self.result.items += [with_common(node.common, row) for row in rows]
            return None
        holds = id(value) in self.holders
        question = self.least.fits(value, Likeness.PERHAPS if node.listed and not holds else None)
        about = holds and (
            own_text(value, self.passages, whole_document=node.top) or own_options(value)
        )
        if question or about or (node.among_questions and not holds):
            record = with_common(node.common, value)
            if node.named_object and "id" not in layout_of(record).fields:
                record = {"id": node.name, **record}
            self.result.items.append(record)
            return None
        if not holds:
            if any(isinstance(v, list) and any(map(_is_record, v)) for v in value.values()):
                self.result.skipped.append((node.name, 1))
            return None
        return self._inside(node)

    def _inside(self, node: _Node) -> Iterator[_Node]:
        """What is in an object that holds questions and is none itself."""
        value: Mapping[Any, Any] = node.value
        if not node.top:
            self.result.unread |= dict.fromkeys(unread_texts(value))
        common = {**node.common, **common_fields(value, named=not node.top)}
        named = sum(_is_question(part, self.least) for part in value.values()) > 1
        for name, part in value.items():
            if isinstance(part, dict):
                yield _Node(part, str(name), common, named_object=named)
            elif isinstance(part, list):
                yield _Node(part, str(name), {**common, **_said_by_name(str(name), common)})

    def _take_list(self, node: _Node) -> Iterator[_Node] | None:
        value: list[Any] = node.value
        if id(value) not in self.holders:
            likely = [part for part in value if isinstance(part, dict)]
            if not likely or any(likeness(part) < Likeness.LIKELY for part in likely):
                if count := sum(map(_is_record, value)):
                    self.result.skipped.append((node.name, count))
                return None
        parts = named_parts(value)
        if isinstance(parts, dict):
            self.result.items.append(value)
            return None
        among = any(_is_question(part, self.least) for part in value) or (
            id(value) not in self.holders
        )
        return (_Node(part, node.name, node.common, among, listed=True) for part in value)


def _said_by_name(name: str, common: Mapping[str, Any]) -> dict[str, Any]:
    """What a list's own name says of its questions: 國文, 單選題."""
    if not _HAN.search(name) or field_of(name) or fold_name(name) in _GENERIC:
        return {}
    return section_field(name, common)


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(part, list | dict) for part in value)
    )


def named_parts(item: list[Any]) -> Any:
    """``[passages, [questions], id]``, the shape of C3, as a record; another list as it is."""
    lists = sum(isinstance(part, list) for part in item)
    if not lists or any(isinstance(part, dict) for part in item):
        return item
    record: dict[str, Any] = {}
    alone: list[str | int] = []
    for part in item:
        if isinstance(part, list) and any(isinstance(p, dict) for p in part):
            record["questions"] = [*record.get("questions", ()), *part]
        elif isinstance(part, list) and any(isinstance(p, list) for p in part):
            return item
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
    return record if "questions" in record and len(record) > 1 else item
