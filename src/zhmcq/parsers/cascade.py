"""A parser that tries others in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zhmcq.errors import SettingsError
from zhmcq.parsers.folding import spoken_part
from zhmcq.parsers.protocol import ParsedAnswer, Parser
from zhmcq.parsers.registry import get_parser, register_parser
from zhmcq.questions import Question

__all__ = ["CascadeParser"]


@register_parser("cascade")
class CascadeParser:
    """The first of several parsers that finds an answer.

    Where none does, the first that found something else than nothing is heard (``ambiguous`` or
    ``out_of_range``), else the last.

    Args:
        parsers: Names or parsers, in the order in which to try them.
        reasoning: Whether to leave out what a model wrote between ``<think>`` and ``</think>``
            before any of them reads the reply.

    Raises:
        SettingsError: If ``parsers`` is empty or one string.
    """

    def __init__(
        self, parsers: Sequence[str | Parser] = ("json", "zh"), *, reasoning: bool = False
    ) -> None:
        if isinstance(parsers, str) or not parsers:
            raise SettingsError(
                f"expected the parsers of a cascade as a sequence of one or more names or parsers, "
                f"found {parsers!r}; pass for example parsers=('json', 'zh')"
            )
        self.parsers = tuple(get_parser(parser) for parser in parsers)
        self.reasoning = reasoning

    def parse(self, text: str, question: Question) -> ParsedAnswer:
        """Read a reply.

        Args:
            text: The reply as the model wrote it.
            question: The question, with the labels that its prompt showed.
        """
        first, last = spoken_part(text) if self.reasoning else (0, len(text))
        tried = []
        for parser in self.parsers:
            read = parser.parse(text[first:last], question)
            if read.span:
                read = replace(read, span=(read.span[0] + first, read.span[1] + first))
            if read.status == "answered":
                return read
            tried.append(read)
        return next((read for read in tried if read.status != "none"), tried[-1])
