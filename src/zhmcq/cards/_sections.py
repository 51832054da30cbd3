"""The sections of a model card that evaluations change: its accuracy, and the hub's metadata."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from zhmcq._visible import visible
from zhmcq.cards._records import EvaluationRecord
from zhmcq.manifest import Manifest

__all__ = ["ACCURACY", "METADATA", "accuracy_section", "metadata_section"]

#: The first and the last line of what is written anew.
ACCURACY = (
    "<!-- zhmcq: accuracy. From here to the end mark, zhmcq writes it anew. -->",
    "<!-- zhmcq: end of accuracy -->",
)
METADATA = (
    "# zhmcq: evaluations. From here to the end mark, zhmcq writes it anew.",
    "# zhmcq: end of evaluations",
)

RULES = (
    "Right is what is exactly the key; a question without an answer is not right. Intervals (95 %) "
    "and p-values (sign-flip test) take questions about one passage as alike as their answers are."
)

UNVERIFIED = (
    "The adapter was made by another tool, so that nothing but names and shapes says that base "
    "model and prompt are those of its training."
)


def accuracy_section(manifest: Manifest, records: Sequence[EvaluationRecord]) -> str:
    """The text of the section, between its marks.

    Args:
        manifest: The manifest of the folder.
        records: The evaluations that were added.
    """
    parts = [_table(records), _notes(records, manifest.kind)] if records else []
    if manifest.unverified:
        parts.append(f"{'' if records else 'Not measured. '}{UNVERIFIED}")
    else:
        parts.append(_training(manifest.training, measured=bool(records), kind=manifest.kind))
    return "\n\n".join([ACCURACY[0], *parts, ACCURACY[1]])


def metadata_section(name: str, records: Sequence[EvaluationRecord]) -> str:
    """The evaluations for the hub, as lines of the card's head, between their marks.

    Args:
        name: What the model is called.
        records: The evaluations that were added.
    """
    if not records:
        return "\n".join(METADATA)
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="multiple-choice",
            task_name="Multiple choice",
            dataset_name=visible(record.data),
            dataset_type=visible(record.data),
            metric_type="accuracy",
            metric_name="Accuracy",
            metric_value=round(record.accuracy, 4),
        )
        for record in records
    ]
    block = ModelCardData(model_name=visible(name), eval_results=results).to_yaml()
    return "\n".join([METADATA[0], block.rstrip("\n"), METADATA[1]])


def _table(records: Sequence[EvaluationRecord]) -> str:
    compared = any(record.base for record in records)
    headers = ["Data", "Right", "Accuracy", "95 % interval", "Answered", "By chance"]
    headers += ["Base model", "Difference", "p"] if compared else []
    rows = [headers, ["---", *["--:"] * (len(headers) - 1)]]
    for record in records:
        row = [
            _in_markdown(record.data),
            f"{record.correct:,} of {record.questions:,}",
            f"**{record.accuracy:.1%}**",
            _interval(record.interval),
            f"{record.coverage:.1%}",
            f"{record.chance:.1%}",
        ]
        if record.base:
            low, high = record.base.difference_interval
            row += [
                f"{record.base.accuracy:.1%} ({_interval(record.base.interval)})",
                f"{record.base.difference:+.1%} ({low:+.1%} to {high:+.1%})",
                f"{record.base.p_value:.2g}",
            ]
        elif compared:
            row += ["", "", ""]
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _notes(records: Sequence[EvaluationRecord], kind: str) -> str:
    """What the figures are, and what is to be known of single ones."""
    notes = [RULES]
    for record in records:
        text = "Answers by the scores of the options"
        if record.method == "replies":
            text = "Answers read from replies"
        if len(records) > 1:
            text = f"{_in_markdown(record.data)}: {text[0].lower()}{text[1:]}"
        if record.measured != kind:
            text += " of the adapter, before merging" if kind == "merged" else " after merging"
        if record.passages < record.questions:
            text += f"; {record.questions:,} questions about {record.passages:,} passages"
        if record.accuracy_answered is not None and record.coverage < 1:
            text += f"; {record.accuracy_answered:.1%} right of what was answered"
        notes.append(f"{text}.")
        if record.trained_on:
            notes[-1] += (
                f" **{record.trained_on:,} of these questions were trained on**, so that the "
                "figure is too high."
            )
        if record.validated_on:
            notes[-1] += (
                f" {record.validated_on:,} of these questions were the validation questions of "
                "the training, which chose the step or fitted the confidences."
            )
    return "\n".join(f"- {note}" for note in notes)


def _training(training: Mapping[str, Any], *, measured: bool, kind: str) -> str:
    """What was measured in training; of a manifest from elsewhere it may be anything."""
    metrics = training.get("metrics")
    count, step, steps = (
        _number(training.get(name)) for name in ("validation_questions", "best_step", "steps")
    )
    share, low, high = (
        _number(metrics.get(name)) if isinstance(metrics, Mapping) else None
        for name in ("accuracy", "accuracy_low", "accuracy_high")
    )
    if not count or share is None:
        start = "In training nothing was measured" if measured else "Not measured"
        return f"{start}: there were no validation questions. Step {step} was saved."
    interval = ""
    if low is not None and high is not None:
        interval = f"; 95 % interval {low:.1%} to {high:.1%}"
    start = "The adapter in training: " if kind == "merged" else "In training: " if measured else ""
    return (
        f"{start}{share:.1%} of {count} validation questions ({round(share * count)} right"
        f"{interval}), exact, at step {step} of {steps}. The step was chosen by these same "
        "questions, so the figure is a little too high."
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.1%} to {ends[1]:.1%}"


def _in_markdown(text: str) -> str:
    """A text that Markdown takes for nothing but text, in one line."""
    one_line = escape(" ".join(visible(text).split()))
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", one_line)
