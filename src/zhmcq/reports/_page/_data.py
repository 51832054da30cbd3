"""The questions and answers of the report page as JSON that its script reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zhmcq._visible import visible
from zhmcq.questions import Question
from zhmcq.reports._page._content import ListedAnswer, ListedQuestion, Page
from zhmcq.reports._page._words import WORDS
from zhmcq.zh._language import Language

__all__ = ["page_json", "script_text"]

# Nothing in a script element may end it or begin a comment, and older scripts end a line at the
# line separators.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def script_text(value: object) -> str:
    """A value as JSON that may stand in a script element of an html page."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


@dataclass(slots=True)
class _Shared:
    """Texts that many questions share, each written once.

    Attributes:
        numbers: The number of each text, in the order in which they came.
    """

    numbers: dict[Any, int] = field(default_factory=dict)

    def number(self, value: Any) -> int:
        return self.numbers.setdefault(value, len(self.numbers))

    def texts(self) -> list[Any]:
        return list(self.numbers)


@dataclass(slots=True)
class _Tables:
    passages: _Shared = field(default_factory=_Shared)
    labels: _Shared = field(default_factory=_Shared)


def page_json(page: Page, content_language: Language) -> str:
    """The JSON that the page's script reads.

    A field that has its usual value is left out, and passages and labels are written once, so that
    20,000 questions are a few megabytes.

    Args:
        page: What is shown.
        content_language: The language that the questions are in.
    """
    tables = _Tables()
    rows = [_row(listed, answers, tables) for listed, answers in page.questions]
    value = {
        "title": "title.compared" if len(page.sides) > 1 else "title.answers",
        "files": [visible(name) for name in page.files],
        "sides": list(page.sides),
        "contentLanguage": content_language,
        "words": {language: dict(words) for language, words in WORDS.items()},
        "passages": [visible(passage) for passage in tables.passages.texts()],
        "labels": [[visible(label) for label in labels] for labels in tables.labels.texts()],
        "rows": rows,
    }
    return script_text(value)


def _row(
    listed: ListedQuestion, answers: Sequence[ListedAnswer | None], tables: _Tables
) -> dict[str, Any]:
    source = listed.source
    fields: dict[str, Any] = {"id": visible(listed.id)}
    if isinstance(source, Question):
        fields |= _question(source, tables)
    origin = source.origin
    if origin is not None:
        fields |= _without_usual({"sheet": visible(origin.sheet), "row": origin.row})
    fields["answers"] = [_answer(answer) for answer in answers]
    return fields


def _question(question: Question, tables: _Tables) -> dict[str, Any]:
    fields = {
        "stem": visible(question.stem),
        "options": [visible(option) for option in question.options],
        "labels": tables.labels.number(question.labels),
    }
    if question.passage:
        fields["passage"] = tables.passages.number(question.passage)
    others = ("subject", "group", "source", "explanation")
    texts = {name: visible(getattr(question, name)) for name in others}
    key = {} if question.answer is None else {"key": list(question.answer)}
    return {**fields, "kind": question.kind, **key, **_without_usual(texts)}


def _answer(answer: ListedAnswer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    status = "" if answer.status == "answered" else answer.status
    fields = {
        "answer": list(answer.answer or ()),
        "status": status,
        "probabilities": [round(share, 4) for share in answer.probabilities],
        "reason": _reason(answer.reason),
        "reply": visible(answer.reply),
        "set": list(answer.option_set),
    }
    numbers = {
        # As exact as thresholds of confidence are: trained models are often surer than 0.999.
        "confidence": _rounded(answer.confidence, 6),
        "agreement": _rounded(answer.agreement, 4),
    }
    calibrated = {"calibrated": True} if answer.calibrated else {}
    there = {name: number for name, number in numbers.items() if number is not None}
    return {**_without_usual(fields), **there, **calibrated}


def _reason(reason: str | Mapping[Language, str]) -> str | dict[str, str]:
    """A reason by language; as one text where it is the same in each."""
    texts = {"": reason} if isinstance(reason, str) else reason
    shown = {language: visible(text) for language, text in texts.items()}
    first, *others = set(shown.values())
    return shown if others else first


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)


def _without_usual(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
