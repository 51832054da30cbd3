"""Fingerprints of questions: to know a question again without keeping it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from zhmcq.questions import Question
from zhmcq.zh._fold import fold_texts

__all__ = ["fingerprints"]

LENGTH = 16  # hexadecimal digits: of a million questions, one in 30 million is mistaken for another


def fingerprints(questions: Iterable[Question]) -> list[str]:
    """A fingerprint of each question: equal for questions that repeat one another.

    It is made of passage, stem and options, in any order of the options, after folding width,
    script, case, whitespace and punctuation.
    """
    marks = []
    for question in questions:
        passage, stem, *options = fold_texts([question.passage, question.stem, *question.options])
        text = "\n".join([passage, stem, *sorted(options)])
        marks.append(hashlib.sha256(text.encode("utf-8")).hexdigest()[:LENGTH])
    return marks
