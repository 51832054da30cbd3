"""Checks of the types of what callers give, with errors that say what was expected."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from zhmcq.errors import QuestionError

__all__ = ["all_of", "is_whole", "whole_numbers"]

T = TypeVar("T")


def all_of(kind: type[T], items: Iterable[T], name: str) -> tuple[T, ...]:
    """The items of an argument of QuestionBank.

    Args:
        kind: The type that each has.
        items: What was given.
        name: The argument.

    Raises:
        QuestionError: If one is of another type, or they are no items at all.
    """
    plural = f"{kind.__name__} objects"
    hint = "; read_bank(…) reads files and records" if name == "questions" else ""
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise QuestionError(
            f"QuestionBank({name}={items!r:.60}): expected a list of {plural}, found "
            f"{type(items).__name__}{hint}"
        )
    values = tuple(items)
    for item in values:
        if not isinstance(item, kind):
            raise QuestionError(
                f"QuestionBank({name}=…): expected a list of {plural}, found one with "
                f"{item!r:.60} ({type(item).__name__}){hint}"
            )
    return values


def whole_numbers(indexes: Iterable[int]) -> Iterator[int]:
    """The indexes that ``bank.select`` is given; a mask of True and False is none.

    Args:
        indexes: What was given.

    Raises:
        QuestionError: If one is no whole number, or they are no items at all.
    """
    if isinstance(indexes, str | bytes | Mapping) or not isinstance(indexes, Iterable):
        raise QuestionError(
            f"bank.select({indexes!r:.60}): expected indexes from 0, such as [0, 2], found "
            f"{type(indexes).__name__}"
        )
    for index in indexes:
        if not is_whole(index):
            raise QuestionError(
                f"bank.select(…): expected indexes from 0, such as [0, 2], found {index!r:.60} "
                f"({type(index).__name__})"
            )
        yield operator.index(index)


def is_whole(value: object) -> bool:
    """Whether a value is a whole number, also one of numpy's; True and False are none."""
    return hasattr(value, "__index__") and type(value).__name__ not in ("bool", "bool_")
