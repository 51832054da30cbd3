"""The parsers that come with zhmcq."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from zhmcq.errors import SettingsError
from zhmcq.parsers._layout import without_reasoning
from zhmcq.parsers._mentions import LEAST, find_mentions
from zhmcq.parsers._protocol import Mention, ParsedAnswer, Parser
from zhmcq.parsers._registry import get_parser, register_parser
from zhmcq.parsers._rules import DECISION, STRICT
from zhmcq.questions import Question

__all__ = ["CascadeParser", "JsonParser", "StrictParser", "ZhParser", "explain"]


@register_parser("zh")
class ZhParser:
    """The default: every rule of the table.

    Args:
        reasoning: Whether to leave out what a model wrote between ``<think>`` and ``</think>``.
    """

    least_weight: ClassVar[int] = 0

    def __init__(self, *, reasoning: bool = False) -> None:
        self.reasoning = reasoning

    def parse(self, text: str, question: Question) -> ParsedAnswer:
        """Read a reply.

        Args:
            text: The reply as the model wrote it.
            question: The question, with the labels that its prompt showed.
        """
        return _decide(self._mentions(text, question))

    def explain(self, text: str, question: Question) -> list[Mention]:
        """Every mention in the reply, the weightiest first; among equals, the last one first."""
        mentions = self._mentions(text, question, everything=True)
        return sorted(mentions, key=lambda mention: (-mention.weight, -mention.span[1]))

    def _mentions(
        self, text: str, question: Question, *, everything: bool = False
    ) -> list[Mention]:
        mentions = find_mentions(text, question, reasoning=self.reasoning, everything=everything)
        return [mention for mention in mentions if mention.weight >= self.least_weight]


@register_parser("strict")
class StrictParser(ZhParser):
    """Only an explicit final answer: the rules of weight 82 and more.

    Args:
        reasoning: Whether to leave out what a model wrote between ``<think>`` and ``</think>``.
    """

    least_weight: ClassVar[int] = STRICT


def explain(text: str, question: Question, *, reasoning: bool = False) -> list[Mention]:
    """Every mention of an answer that the ``zh`` parser sees in a reply, with its weight.

    The decisions among them (weight 80 and more) are compared by where they stand, and the last
    one counts; without a decision the weightiest decide, if they agree.

    Args:
        text: The reply as the model wrote it.
        question: The question, with the labels that its prompt showed.
        reasoning: Whether to leave out what a model wrote between ``<think>`` and ``</think>``.

    Returns:
        The weightiest first; among equals, the last in the reply first.
    """
    return ZhParser(reasoning=reasoning).explain(text, question)


def _decide(mentions: Sequence[Mention]) -> ParsedAnswer:
    live = [mention for mention in mentions if mention.weight >= LEAST]
    if not live:
        reason = "the reply commits to no option"
        if mentions:
            reason += f"; what was found ({mentions[-1].evidence!r}) is ruled out or supposed"
        return ParsedAnswer(None, "none", reason=reason)
    decisions = [mention for mention in live if mention.weight >= DECISION]
    if decisions:
        best = max(decisions, key=lambda mention: (mention.span[1], mention.weight))
    else:
        top = max(mention.weight for mention in live)
        equals = [mention for mention in live if mention.weight == top]
        best = equals[-1]
        if len({mention.answer for mention in equals}) > 1:
            return ParsedAnswer(
                None,
                "ambiguous",
                best.evidence,
                f"the rule {best.rule!r} finds {len(equals)} mentions that disagree",
                best.span,
            )
    reason = {
        "answered": f"decided by the rule {best.rule!r}",
        "none": f"the rule {best.rule!r} says that there is no answer",
        "ambiguous": f"the rule {best.rule!r} names several options, but one is right",
        "out_of_range": f"the rule {best.rule!r} names a label that the question does not have",
    }[best.status]
    answer = best.answer if best.status == "answered" else None
    return ParsedAnswer(answer, best.status, best.evidence, reason, best.span)


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
        self._value_parser = ZhParser()

    def parse(self, text: str, question: Question) -> ParsedAnswer:
        """Read a reply.

        Args:
            text: The reply as the model wrote it.
            question: The question, with the labels that its prompt showed.
        """
        start, end = without_reasoning(text) if self.reasoning else (0, len(text))
        fields = list(_FIELD.finditer(text, start, end))[-_MOST_FIELDS:]
        best: ParsedAnswer | None = None
        for field in reversed(fields):
            if text.rfind("{", start, field.start()) < 0:
                continue
            value, length = _json_value(text[field.end() : min(end, field.end() + _LONGEST_VALUE)])
            stop = field.end() + length
            parsed = replace(
                self._parse_value(value, question),
                evidence=text[field.start() : stop],
                span=(field.start(), stop),
            )
            if parsed.status == "answered":
                return parsed
            best = best or parsed
        return best or ParsedAnswer(None, "none", reason="no JSON object with an answer field")

    def _parse_value(self, value: Any, question: Question) -> ParsedAnswer:
        """Read the value of a field, as if it were a reply by itself."""
        if isinstance(value, list):
            return self._parse_list(value, question)
        if value is None or isinstance(value, dict):
            return ParsedAnswer(None, "none", reason="the answer field holds no answer")
        parsed = self._value_parser.parse(str(value), question)
        if parsed.status == "answered":
            return replace(parsed, reason="decided by the answer field")
        reason = f"the answer field does not name an option: {parsed.reason}"
        return replace(parsed, reason=reason)

    def _parse_list(self, values: list[Any], question: Question) -> ParsedAnswer:
        if not values or any(isinstance(value, list) for value in values):
            return ParsedAnswer(None, "none", reason="the answer field is no list of options")
        parts = [self._parse_value(value, question) for value in values]
        for part in parts:
            if part.answer is None:
                return part
        answer = tuple(sorted({index for part in parts for index in part.answer or ()}))
        if len(answer) > 1 and question.kind != "multiple":
            return ParsedAnswer(None, "ambiguous", reason="the answer field lists several options")
        return ParsedAnswer(answer, "answered", reason="decided by the answer field")


def _json_value(text: str) -> tuple[Any, int]:
    """The JSON value at the beginning of a text and its length; a word or two of broken JSON."""
    try:
        return json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        match = re.match(r"[\"']?([^\"'\n,}\]]{0,200})[\"']?", text)
        return (match.group(1), match.end()) if match else (None, 0)


@register_parser("cascade")
class CascadeParser:
    """The first of several parsers that finds an answer.

    Where none does, the result is the first that is more than ``none`` (``ambiguous`` or
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
        start, end = without_reasoning(text) if self.reasoning else (0, len(text))
        results = []
        for parser in self.parsers:
            parsed = parser.parse(text[start:end], question)
            if parsed.span:
                parsed = replace(parsed, span=(parsed.span[0] + start, parsed.span[1] + start))
            if parsed.status == "answered":
                return parsed
            results.append(parsed)
        return next((parsed for parsed in results if parsed.status != "none"), results[-1])
