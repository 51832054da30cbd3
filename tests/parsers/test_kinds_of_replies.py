"""Kinds of replies that are easily misread; the replies are in ``kinds_of_replies.tsv``."""

from __future__ import annotations

import pytest
from kinds_of_replies import QUESTIONS, Case, count_by_kind, load_cases
from opencc import OpenCC

from zhmcq.parsers import get_parser

CASES = load_cases()
KINDS = sorted({case.kind for case in CASES})


def mistaken(cases: list[Case]) -> list[tuple[str, str, str]]:
    """Replies that are not read as expected, with what is expected and what is read."""
    read = [(case, case.read()) for case in cases]
    return [(case.reply, case.expected, label) for case, label in read if label != case.expected]


@pytest.mark.parametrize("kind", KINDS)
def test_what_only_looks_like_the_kind_is_read_as_before(kind: str) -> None:
    ordinary = [case for case in CASES if case.kind == kind and not case.fires]
    assert len(ordinary) >= 4
    assert mistaken(ordinary) == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ordinary"])
def test_each_kind_is_read_right_and_hardly_ever_wrong(kind: str) -> None:
    cases = [case for case in CASES if case.kind == kind and case.fires]
    assert len(cases) >= 12
    counts = count_by_kind(cases)[kind, True]
    assert counts["right"] >= 0.9 * len(cases), mistaken(cases)
    assert counts["wrong"] == 0, mistaken(cases)


@pytest.mark.parametrize("convert", [OpenCC("t2s").convert, OpenCC("s2t").convert])
def test_the_script_of_a_reply_makes_no_difference(convert: object) -> None:
    parser = get_parser("zh")
    for case in CASES:
        if case.question.endswith("_en"):
            continue
        question = QUESTIONS[case.question]
        other = parser.parse(convert(case.reply), question)  # type: ignore[operator]
        assert question.label_of(other.answer) == case.read(), case.reply
