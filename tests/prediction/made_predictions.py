"""Predictions that no model made, for the tests of what is written of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl

from zhmcq.prediction import Prediction, Predictions
from zhmcq.questions import Question, QuestionBank


def answered(bank: QuestionBank, *labels: str, **fields: Any) -> Predictions:
    """Predictions with these labels; ``""`` for a reply that committed to nothing."""
    items = []
    for question, label in zip(bank, labels, strict=True):
        index = question.labels.index(label) if label else None
        answer = None if index is None else (index,)
        status: Any = "answered" if label else "none"
        reason = "" if label else "the reply names no option"
        items.append(Prediction(question.id, answer, label, status=status, reason=reason, **fields))
    return Predictions(bank, tuple(items))


def made_in_code() -> QuestionBank:
    return QuestionBank(
        [
            Question("a", "誰？", ("甲", "乙"), "文。", answer=(0,)),
            Question("b", "=1+1", ("二", "三", "四"), labels=("1", "2", "3"), answer=(1,)),
        ]
    )


def sheets_of(path: Path) -> dict[str, list[list[Any]]]:
    """The values of a workbook, by sheet and row."""
    book = openpyxl.load_workbook(path)
    return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}


def columns_of(path: Path, *headers: str, sheet: str | None = None) -> list[tuple[Any, ...]]:
    """The columns of these headers in a sheet whose first row is the header; by default all."""
    sheets = sheets_of(path)
    rows = sheets[sheet] if sheet else next(iter(sheets.values()))
    indexes = [rows[0].index(header) for header in headers]
    return [tuple(row[index] for index in indexes) for row in rows[1:]]
