"""Where a reply begins and ends: thinking is left out."""

import pytest

from zhmcq.parsers import get_parser
from zhmcq.parsers._layout import without_reasoning
from zhmcq.questions import Question

QUESTION = Question("q", "一年中哪個季節最熱？", ("春天", "夏天", "秋天", "冬天"))


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("<think>答案是A</think>答案是B", "答案是B"),
        ("答案是A</think>答案是B", "答案是B"),
        ("<THINK>a<think>b</think>c</think>B", "B"),
        ("<thinking>答案是A</thinking>\nB", "\nB"),
        ("答案是B", "答案是B"),
        ("答案是B<think>還是A？", "答案是B"),
        ("<think>答案是A，因為", ""),
        ("<think>先看A。\n再看B。\n答案：B", "\n答案：B"),
        ("", ""),
    ],
)
def test_the_reply_is_what_follows_the_thinking(text: str, reply: str) -> None:
    start, end = without_reasoning(text)
    assert text[start:end].strip() == reply.strip()


def test_reasoning_is_an_option_and_spans_stay_those_of_the_whole_reply() -> None:
    text = "<think>答案是A</think>想好了，選B。"
    assert get_parser("zh").parse("<think>答案是A", QUESTION).answer == (0,)
    assert get_parser("zh", reasoning=True).parse("<think>答案是A", QUESTION).status == "none"
    for name in ("zh", "strict", "cascade"):
        parsed = get_parser(name, reasoning=True).parse(text, QUESTION)
        assert parsed.answer == (1,)
        assert parsed.span is not None
        assert text[slice(*parsed.span)] == parsed.evidence == "選B"
