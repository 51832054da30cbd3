"""A parser for replies that were asked for as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from zhmcq.parsers.folding import spoken_part
from zhmcq.parsers.protocol import ParsedAnswer
from zhmcq.parsers.registry import register_parser
from zhmcq.parsers.zh import ZhParser
from zhmcq.questions import Question

__all__ = ["JsonParser"]

# The last fields of a reply are tried, the last one first; a reply has no use for more.
_MOST_FIELDS = 16
_LONGEST_VALUE = 10_000
_FIELD = re.compile(
    r"(?<!\\)[\"'](?:(?:final[_ ]?|correct[_ ]?|my[_ ]?)?"
    r"(?:answers?|ans|choices?|options?|labels?)|result"
    r"|(?:正[確确]|最[終终])?(?:答案|[選选][項项])|[選选][擇择])[\"']\s{0,9}[:：]\s{0,9}",
    re.IGNORECASE,
)


@register_parser("json")
class JsonParser:
    """The answer field of a JSON object, bare, in a fenced block or amid other words.

    The field is called ``answer``, ``choice``, ``option``, ``label``, ``result``, ``答案``,
    ``選項``, ``選擇`` or the like; the last one that names an option counts. Its value is a label,
    an option text, both, or a list of them. Objects that were cut off or written with single
    quotes are read as far as the answer. Other words are not looked at.

    Args:
        reasoning: Whether to leave out what a model wrote between ``<think>`` and ``</think>``.
    """

    def __init__(self, *, reasoning: bool = False) -> None:
        self.reasoning = reasoning
        self._value = ZhParser()

    def parse(self, text: str, question: Question) -> ParsedAnswer:
        """Read a reply.

        Args:
            text: The reply as the model wrote it.
            question: The question, with the labels that its prompt showed.
        """
        first, last = spoken_part(text) if self.reasoning else (0, len(text))
        fields = list(_FIELD.finditer(text, first, last))[-_MOST_FIELDS:]
        best: ParsedAnswer | None = None
        for field in reversed(fields):
            if text.rfind("{", first, field.start()) < 0:
                continue
            value, end = _value(text[field.end() : min(last, field.end() + _LONGEST_VALUE)])
            stop = field.end() + end
            read = replace(
                self._read(value, question),
                evidence=text[field.start() : stop],
                span=(field.start(), stop),
            )
            if read.status == "answered":
                return read
            best = best or read
        return best or ParsedAnswer(None, "none", reason="no JSON object with an answer field")

    def _read(self, value: Any, question: Question) -> ParsedAnswer:
        """Read the value of a field, as if it were a reply of its own."""
        if isinstance(value, list):
            if not value or any(isinstance(part, list) for part in value):
                return ParsedAnswer(None, "none", reason="the answer field is no list of options")
            parts = [self._read(part, question) for part in value]
            for part in parts:
                if part.answer is None:
                    return part
            answer = tuple(sorted({index for part in parts for index in part.answer or ()}))
            if len(answer) > 1 and question.kind != "multiple":
                return ParsedAnswer(
                    None, "ambiguous", reason="the answer field lists several options"
                )
            return ParsedAnswer(answer, "answered", reason="decided by the answer field")
        if value is None or isinstance(value, dict):
            return ParsedAnswer(None, "none", reason="the answer field holds no answer")
        said = self._value.parse(str(value), question)
        if said.status == "answered":
            return replace(said, reason="decided by the answer field")
        return replace(said, reason=f"the answer field does not name an option: {said.reason}")


def _value(text: str) -> tuple[Any, int]:
    """The JSON value at the beginning of a text and its length; a word or two of broken JSON."""
    try:
        return json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        found = re.match(r"[\"']?([^\"'\n,}\]]{0,200})[\"']?", text)
        return (found.group(1), found.end()) if found else (None, 0)
