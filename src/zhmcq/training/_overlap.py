"""Validation questions that are training questions too, or are about the same passages."""

from __future__ import annotations

from collections.abc import Sequence

from zhmcq.checks import find_overlap
from zhmcq.encoding._encode import question_name
from zhmcq.questions import Question
from zhmcq.training._preflight import Finding

__all__ = ["check_overlap"]


def check_overlap(
    train: Sequence[Question], valid: Sequence[Question]
) -> tuple[list[Finding], int]:
    """Compare the questions of validation with those to train on.

    Args:
        train: The training questions.
        valid: The validation questions.

    Returns:
        A finding for each validation question that is also a training question, and how many of
        the others share a passage with training questions, or a near-copy or quotation of one.
    """
    findings: list[Finding] = []
    sharing = 0
    for problem in find_overlap(train, valid) if valid else ():
        question = valid[problem.position]
        if problem.code == "overlap_question":
            reason = (
                f"{question_name(question)}: {problem.message}, so that it would measure how well "
                "the model remembers; give questions that are not trained on (DatasetBuilder.split "
                "draws them), or None"
            )
            findings.append(Finding("in_training", question.id, reason))
        else:
            sharing += 1
    return findings, sharing
