"""What a parser is, what it returns, and the registry of parsers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from zhmcq.questions import Question
from zhmcq.registry import Registry

__all__ = [
    "Candidate",
    "ParsedAnswer",
    "Parser",
    "Status",
    "get_parser",
    "parser_names",
    "register_parser",
]

Status = Literal["answered", "none", "ambiguous", "out_of_range"]
Factory = TypeVar("Factory", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What a reply was read as.

    Attributes:
        answer: 0-based indexes of the options chosen, sorted; ``None`` unless ``status`` is
            ``"answered"``.
        status: ``"answered"``; ``"none"``, the reply commits to nothing; ``"ambiguous"``, it
            commits to several options where one was asked for; ``"out_of_range"``, it names a
            label that the question does not have.
        evidence: The part of the reply that was relied on, as it stands there; ``""`` if none.
        reason: Which rule decided, or why there is no answer, in a sentence.
        span: Where ``evidence`` stands in the reply (start, end), if it does.
    """

    answer: tuple[int, ...] | None
    status: Status
    evidence: str = ""
    reason: str = ""
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that a reply may be answering.

    Attributes:
        answer: 0-based indexes of the options named, sorted; empty where ``status`` is
            ``"none"`` or ``"out_of_range"``.
        status: What the reply would be read as, if this candidate decided.
        weight: How much the candidate counts, 0 to 100; 0 means that it was seen and ruled out.
        rule: The name of the rule that found it.
        evidence: The part of the reply it stands on.
        span: Where that part is (start, end).
    """

    answer: tuple[int, ...]
    status: Status
    weight: int
    rule: str
    evidence: str
    span: tuple[int, int]


@runtime_checkable
class Parser(Protocol):
    """Anything with this method is a parser."""

    def parse(self, text: str, question: Question) -> ParsedAnswer:
        """Read the reply ``text`` to ``question``."""
        ...


_PARSERS: Registry[Parser] = Registry("parser", "zhmcq.parsers", "parse")


def register_parser(name: str, *, replace: bool = False) -> Callable[[Factory], Factory]:
    """Return a decorator that registers a parser class or function under ``name``.

    Args:
        name: The name for :func:`get_parser`.
        replace: Whether a parser of the same name may be replaced.

    Raises:
        PluginError: If the name is taken and ``replace`` is false.
    """
    return _PARSERS.register(name, replace=replace)


def get_parser(name_or_instance: str | Parser = "zh", **options: Any) -> Parser:
    """Build the parser of that name, or hand an instance back as it is.

    Args:
        name_or_instance: A name of :func:`parser_names`, or an object with a ``parse`` method.
        options: Keyword arguments for the parser (``reasoning=True``).

    Raises:
        UnknownNameError: If no parser has the name.
        PluginError: If the parser cannot be made with these options.
    """
    return _PARSERS.get(name_or_instance, **options)


def parser_names() -> list[str]:
    """The names of all parsers, those of installed packages included, sorted."""
    return _PARSERS.names()
