"""Parsers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from zhmcq.parsers._protocol import Parser
from zhmcq.registry import Registry

__all__ = ["PARSERS", "get_parser", "parser_names", "register_parser"]

Factory = TypeVar("Factory", bound=Callable[..., Any])

PARSERS: Registry[Parser] = Registry("parser", "zhmcq.parsers", "parse")


def register_parser(name: str, *, replace: bool = False) -> Callable[[Factory], Factory]:
    """Return a decorator that registers a parser class, or a function that makes a parser.

    Args:
        name: The name by which every argument that takes a parser finds it.
        replace: Whether another parser of the same name may be replaced.

    Raises:
        PluginError: If the name is taken and ``replace`` is false. The decorator raises it for a
            class that has another name already.
    """
    return PARSERS.register(name, replace=replace)


def get_parser(name_or_instance: str | Parser = "zh", **options: Any) -> Parser:
    """Make the parser of that name, or return an instance as it is.

    Args:
        name_or_instance: A name of :func:`parser_names`, or an object with a ``parse`` method.
        options: Keyword arguments for the parser (``reasoning=True``).

    Raises:
        UnknownNameError: If no parser has the name; the message lists the known ones.
        PluginError: If the parser cannot be made with these options, or has no ``parse`` method.
    """
    return PARSERS.get(name_or_instance, **options)


def parser_names() -> list[str]:
    """The names of all parsers, those of installed packages included, sorted."""
    return PARSERS.names()
