"""What a notebook shows of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zhmcq._notebook import html_view, paragraph, table
from zhmcq._phrases import counted

if TYPE_CHECKING:
    from zhmcq.prediction._predictions import Predictions

__all__ = ["predictions_html"]

HEADERS = ("id", "subject", "stem", "answer", "key", "correct", "confidence", "status", "reason")


def predictions_html(predictions: Predictions) -> str:
    """The first answers, with how many are right and how many rows could not be used."""
    outcomes = predictions.outcomes()
    right = sum(outcome.correct for outcome in outcomes)
    unusable = {p.origin for p in predictions.bank.problems if p.severity == "error"}
    counts = [f"{right:,} of the {len(outcomes):,} with a key are right"] if outcomes else []
    counts += [f"{counted(len(unusable), 'row')} could not be used"] if unusable else []
    rows = (
        (
            item.id,
            question.subject,
            question.stem,
            item.label,
            question.answer_label,
            "" if question.answer is None else "yes" if item.answer == question.answer else "no",
            item.confidence,
            "" if item.status == "answered" else item.status,
            item.reason,
        )
        for question, item in zip(predictions.bank, predictions, strict=True)
    )
    return html_view(
        repr(predictions).strip("<>"),
        paragraph("; ".join(counts)),
        paragraph(f"Promise: {predictions.promise}" if predictions.promise else ""),
        table(HEADERS, rows, total=len(predictions)),
    )
