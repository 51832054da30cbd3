"""Answers as a pandas frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zhmcq._frames import TEXT_COLUMNS, question_cells
from zhmcq.questions import Question, RowProblem, SourceId

if TYPE_CHECKING:
    import pandas as pd

    from zhmcq.prediction._predictions import Prediction

__all__ = ["answers_frame"]

COLUMNS = (
    "id", "passage", "stem", "labels", "options", "answer", "key", "correct", "confidence",
    "calibrated", "probabilities", "status", "reason", "kind", "subject", "sheet", "agreement",
)  # fmt: skip


def answers_frame(
    rows: Iterable[tuple[SourceId, Question | RowProblem, Prediction]], *, with_agreement: bool
) -> pd.DataFrame:
    """A frame with one line for each row of the input.

    Args:
        rows: For each row its id as it is written, what was read there, and the answer.
        with_agreement: Whether there is a column of how far several orders agree.
    """
    import pandas as pd  # here alone: importing it takes half a second

    names = [name for name in COLUMNS if with_agreement or name != "agreement"]
    frame = pd.DataFrame([_cells(*row) for row in rows], columns=names)
    # Said for each column, so that a frame without lines has the types of others.
    texts = dict.fromkeys((*TEXT_COLUMNS, "answer", "status", "reason"), "str")
    numbers = {name: "float64" for name in ("confidence", "agreement") if name in names}
    return frame.astype({**texts, **numbers, "calibrated": "bool", "correct": "boolean"})


def _cells(name: SourceId, source: Question | RowProblem, item: Prediction) -> dict[str, Any]:
    cells: dict[str, Any] = {**dict.fromkeys(TEXT_COLUMNS, ""), "labels": [], "options": []}
    correct = None
    if isinstance(source, Question):
        cells.update(question_cells(source))
        correct = None if source.answer is None else item.answer == source.answer
    else:
        cells["sheet"] = source.sheet
    # As many as there are options, so that explode() takes both columns apart together.
    shares = list(item.probabilities) or [math.nan] * len(cells["options"])
    return {
        **cells,
        "id": name,
        "answer": item.label,
        "correct": correct,
        "confidence": item.confidence,
        "calibrated": item.calibrated,
        "probabilities": shares,
        "status": item.status,
        "reason": item.reason,
        "agreement": item.agreement,
    }
