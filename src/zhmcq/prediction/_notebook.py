"""What a notebook shows of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zhmcq._notebook import html_view, paragraph, table
from zhmcq._phrases import say, summaries
from zhmcq._phrases.labels import label, line

if TYPE_CHECKING:
    from zhmcq.prediction._predictions import Predictions

__all__ = ["predictions_html"]

HEADERS = ("id", "subject", "stem", "answer", "key", "correct", "confidence", "status", "reason")
YES = {True: "yes", False: "no"}


def predictions_html(predictions: Predictions) -> str:
    """The first answers, with how many are right and how many rows could not be used."""
    outcomes, promise = predictions.outcomes(), predictions.promise
    right = sum(outcome.correct for outcome in outcomes)
    unusable = {p.origin for p in predictions.bank.problems if p.severity == "error"}
    counts = [summaries.right_answers(right, len(outcomes))] if outcomes else []
    counts += [summaries.unusable_rows(len(unusable))] if unusable else []
    rows = (
        (
            item.id,
            question.subject,
            question.stem,
            item.label,
            question.answer_label,
            "" if question.answer is None else label(YES[item.answer == question.answer]),
            item.confidence,
            "" if item.status == "answered" else label(item.status),
            item.reason,
        )
        for question, item in zip(predictions.bank, predictions, strict=True)
    )
    return html_view(
        str(predictions).strip("<>"),
        paragraph(say(en="; ", zh="；").join(counts)),
        paragraph(line(label("Promise"), str(promise)) if promise else ""),
        table([label(name) for name in HEADERS], rows, total=len(predictions)),
    )
