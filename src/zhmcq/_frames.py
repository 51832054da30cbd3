"""Questions as columns of a pandas frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from zhmcq.questions import Question

__all__ = ["TEXT_COLUMNS", "question_cells", "questions_frame"]

#: Columns of texts, ``""`` where there is none.
TEXT_COLUMNS = ("passage", "stem", "key", "kind", "subject", "sheet")


def questions_frame(questions: Sequence[Question]) -> pd.DataFrame:
    """A frame with one line for each question.

    Args:
        questions: The questions; their order is that of the lines.
    """
    import pandas as pd  # here alone: importing it takes half a second

    rows = [
        {
            "id": question.id,
            **question_cells(question),
            "group": question.group,
            "explanation": question.explanation,
            "source": question.source,
            "row": question.origin.row if question.origin else 0,
        }
        for question in questions
    ]
    columns = [
        "id", "passage", "stem", "labels", "options", "key", "kind", "subject", "group",
        "explanation", "source", "sheet", "row",
    ]  # fmt: skip
    # Said for each column, so that a frame without lines has the types of others.
    texts = dict.fromkeys((*TEXT_COLUMNS, "id", "group", "explanation", "source"), "str")
    return pd.DataFrame(rows, columns=columns).astype({**texts, "row": "int64"})


def question_cells(question: Question) -> Mapping[str, Any]:
    """The cells of a question that a frame of answers has as well."""
    return {
        "passage": question.passage,
        "stem": question.stem,
        "labels": list(question.labels),
        "options": list(question.options),
        "key": question.answer_label,
        "kind": str(question.kind),
        "subject": question.subject,
        "sheet": question.origin.sheet if question.origin else "",
    }
