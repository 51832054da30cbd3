"""An evaluation or a comparison in one sentence, in each language of the report page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zhmcq.evaluation._statistics import Interval

if TYPE_CHECKING:
    from zhmcq.evaluation._comparison import Comparison
    from zhmcq.evaluation._evaluation import Evaluation

__all__ = ["comparison_sentence", "evaluation_sentence", "interval_text"]


def evaluation_sentence(evaluation: Evaluation, words: Mapping[str, str]) -> str:
    """Accuracy with its interval, and coverage where not every question is answered.

    Args:
        evaluation: The figures.
        words: Those of a language in :data:`zhmcq.reports._page.WORDS`.
    """
    text = words["summary.evaluated"].format(
        accuracy=f"{evaluation.accuracy:.1%}",
        correct=f"{evaluation.correct:,}",
        count=f"{evaluation.count:,}",
        interval=interval_text(evaluation.interval),
    )
    if evaluation.accuracy_answered is None or evaluation.coverage == 1:
        return text
    return text + words["summary.answered"].format(
        coverage=f"{evaluation.coverage:.1%}", accuracy=f"{evaluation.accuracy_answered:.1%}"
    )


def comparison_sentence(comparison: Comparison, words: Mapping[str, str]) -> str:
    """Both accuracies, their difference with its interval, and the p-value.

    Args:
        comparison: The figures.
        words: Those of a language in :data:`zhmcq.reports._page.WORDS`.
    """
    return words["summary.compared"].format(
        base=f"{comparison.base.accuracy:.1%}",
        tuned=f"{comparison.tuned.accuracy:.1%}",
        count=f"{comparison.base.count:,}",
        difference=f"{comparison.difference:+.1%}",
        interval=interval_text(comparison.interval, signed=True),
        p_value=f"{comparison.p_value:.2g}",
    )


def interval_text(interval: Interval, *, signed: bool = False) -> str:
    """An interval as the page has it in every language: ``"46.0% – 64.8%"``.

    Args:
        interval: Both ends, 0 to 1.
        signed: Whether it is one of a difference.
    """
    low, high = interval
    return f"{low:+.1%} – {high:+.1%}" if signed else f"{low:.1%} – {high:.1%}"
