"""Each process answers whole passages, and about as many tokens as the others."""

from __future__ import annotations

from zhmcq.encoding import EncodedQuestion
from zhmcq.prediction._engines import PreparedQuestion
from zhmcq.prediction._processes import share_out
from zhmcq.questions import Question


def prepared(name: str, passage: str, tokens: int) -> PreparedQuestion:
    encoded = EncodedQuestion(
        name, passage, (7,) * tokens, ((1,), (2,)), ((0,), (1,)), None, normalization="sum"
    )
    return PreparedQuestion(Question(name, "問？", ("甲", "乙"), passage), encoded)


def test_shares_hold_whole_passages_and_are_alike_in_tokens() -> None:
    questions = [
        prepared("a1", "長", 100),
        prepared("b", "", 60),
        prepared("a2", "長", 100),
        prepared("c", "", 30),
        prepared("d", "短", 10),
    ]
    shares = share_out(questions, 2)
    assert [[item.id for item in share] for share in shares] == [["a1", "a2"], ["b", "c", "d"]]
    assert share_out(questions, 2) == shares


def test_more_processes_than_passages_leave_some_without_questions() -> None:
    shares = share_out([prepared("a", "文", 5), prepared("b", "文", 5)], 3)
    assert [len(share) for share in shares] == [2, 0, 0]
