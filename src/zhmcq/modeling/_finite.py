"""Scores that are not finite are refused: an answer made of them would look like any other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zhmcq._phrases import counted
from zhmcq.errors import PredictionError
from zhmcq.modeling._forward import model_dtype

__all__ = ["NonFiniteScoresError", "refuse_non_finite"]

MAX_SHOWN = 5


class NonFiniteScoresError(PredictionError):
    """Questions have scores that are not finite.

    Args:
        facts: Which questions, and in which dtype they were computed.
        remedy: What to do about it where questions are answered.

    Attributes:
        facts: The same, for a caller that has another remedy.
    """

    def __init__(self, facts: str, remedy: str) -> None:
        super().__init__(f"{facts}; {remedy}")
        self.facts = facts


def refuse_non_finite(ids: Sequence[str], model: Any) -> None:
    """Raise if there are questions whose scores are not finite.

    Args:
        ids: The ids of the questions whose scores are not finite.
        model: The model that computed them.

    Raises:
        NonFiniteScoresError: If there is an id.
    """
    if not ids:
        return
    dtype = str(model_dtype(model)).removeprefix("torch.")
    more = f" and {len(ids) - MAX_SHOWN} more" if len(ids) > MAX_SHOWN else ""
    raise NonFiniteScoresError(
        f"the scores of {counted(len(ids), 'question')} are not finite "
        f"({', '.join(ids[:MAX_SHOWN])}{more}), computed in {dtype}",
        "the weights are damaged, or their training diverged: use another base model or adapter"
        if dtype == "float32"
        else "numbers in this model exceed that dtype: give dtype='float32'",
    )
