"""Folding keeps positions, and thinking is left out."""

import pytest

from zhmcq.parsers import get_parser
from zhmcq.parsers.folding import fold, spoken_part
from zhmcq.questions import Question

QUESTION = Question("q", "一年中哪個季節最熱？", ("春天", "夏天", "秋天", "冬天"))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("選項（Ｂ）：正確答案", "选项(B):正确答案"),
        ("【答案】Ｂ．", "[答案]B."),
        ("「甲」\u3000『乙』\u00a0丙", '"甲" "乙" 丙'),
        ("①②", "①②"),
        ("⒝Ⓑ𝐁", "BBB"),
        ("為爲麼麽着著", "为为么么着着"),
        ("→✓✗", ">√×"),
    ],
)
def test_a_text_is_folded_character_by_character(text: str, folded: str) -> None:
    assert fold(text).text == folded
    assert len(fold(text).text) == len(text)


def test_positions_lead_back_past_invisible_characters() -> None:
    text = "\ufeff答\u200b案是\u200dB"
    folded = fold(text)
    assert folded.text == "答案是B"
    start, end = folded.span(0, 4)
    assert text[start:end] == "答\u200b案是\u200dB"
    assert text[slice(*folded.span(3, 4))] == "B"


@pytest.mark.parametrize(
    ("text", "spoken"),
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
def test_the_spoken_part_is_what_follows_the_thinking(text: str, spoken: str) -> None:
    start, end = spoken_part(text)
    assert text[start:end].strip() == spoken.strip()


def test_reasoning_is_an_option_and_spans_stay_those_of_the_whole_reply() -> None:
    text = "<think>答案是A</think>想好了，選B。"
    assert get_parser("zh").parse("<think>答案是A", QUESTION).answer == (0,)
    assert get_parser("zh", reasoning=True).parse("<think>答案是A", QUESTION).status == "none"
    for name in ("zh", "strict", "cascade"):
        parsed = get_parser(name, reasoning=True).parse(text, QUESTION)
        assert parsed.answer == (1,)
        assert parsed.span is not None
        assert text[slice(*parsed.span)] == parsed.evidence == "選B"
