"""The json parser reads an answer field and nothing else."""

import pytest

from zhmcq.parsers import get_parser
from zhmcq.questions import Question

SEASONS = ("春天", "夏天", "秋天", "冬天")
QUESTION = Question("q", "最熱？", SEASONS)
MULTIPLE = Question("q", "不冷？", SEASONS, kind="multiple")
NUMBERED = Question("q", "最熱？", SEASONS, labels=("1", "2", "3", "4"))
YES_NO = Question("q", "夏天熱。", ("對", "錯"), labels=("對", "錯"), kind="true_false")


@pytest.mark.parametrize(
    ("reply", "question", "answer"),
    [
        ('{"answer": "B"}', QUESTION, (1,)),
        ('```json\n{"reason": "A 不熱", "answer": "B. 夏天"}\n```', QUESTION, (1,)),
        ('想了想：{"答案":"夏天"}，就這樣', QUESTION, (1,)),
        ('{"正確答案"： "（Ｂ）"}', QUESTION, (1,)),
        ("{'answer': 'B', }", QUESTION, (1,)),
        ('{"answer": "B', QUESTION, (1,)),
        ('{"answer": "A"}\n更正：{"answer": "B"}', QUESTION, (1,)),
        ('{"final_answer": {"label": "B"}}', QUESTION, (1,)),
        ('{"answer": 2}', NUMBERED, (1,)),
        ('{"answer": ["A", "B"]}', MULTIPLE, (0, 1)),
        ('{"answer": "AB"}', MULTIPLE, (0, 1)),
        ('{"answer": false}', YES_NO, (1,)),
    ],
)
def test_the_answer_field_is_read(reply: str, question: Question, answer: tuple[int, ...]) -> None:
    parsed = get_parser("json").parse(reply, question)
    assert parsed.answer == answer
    assert parsed.span is not None
    assert reply[slice(*parsed.span)] == parsed.evidence


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("答案是B", "none"),
        ('"answer": "B"', "none"),
        ('{"answer": null}', "none"),
        ('{"answer": []}', "none"),
        ('{"answer": [["B"]]}', "none"),
        ('{"reason": "the \\"answer\\": B"}', "none"),
        ('{"answer": "無法確定"}', "none"),
        ('{"answer": ["A", "B"]}', "ambiguous"),
        ('{"answer": "A或B"}', "ambiguous"),
        ('{"answer": "E"}', "out_of_range"),
        ('{"answer": ["A", "E"]}', "out_of_range"),
    ],
)
def test_without_one_option_in_the_field_there_is_no_answer(reply: str, status: str) -> None:
    parsed = get_parser("json").parse(reply, QUESTION)
    assert (parsed.answer, parsed.status) == (None, status)
    assert parsed.reason


def test_thinking_is_left_out_on_request() -> None:
    text = '<think>{"answer": "A"}</think>{"answer": "D"}'
    parsed = get_parser("json", reasoning=True).parse(text, QUESTION)
    assert parsed.answer == (3,)
    assert parsed.span == (31, 44)
