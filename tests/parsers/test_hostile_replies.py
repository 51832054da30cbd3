"""A megabyte of anything is read in bounded time."""

import time

import pytest

from zhmcq.parsers import get_parser
from zhmcq.questions import Question

QUESTION = Question("q", "最熱？", ("春天", "夏天", "秋天", "冬天"))
LETTERS = Question("q", "最熱？", tuple("水火木金土日月風雨雪"), kind="multiple")
ITEMS = Question("q", "何者錯誤？", ("促進光合作用" * 9, "①③", "②④", "氣孔"), labels=tuple("①②③④"))
SIZE = 1_000_000
# Seconds of one core, ten times what the benchmark measures. Time that grows with the square of
# the length would be hours for a megabyte.
LIMIT = 5.0
HOSTILE = {
    piece: (piece * (SIZE // len(piece) + 1))[:SIZE]
    for piece in (
        *(
            "答案是",
            "((((",
            "A",
            "A ",
            "A、",
            "選",
            "答案是A。",
            "A項正確，",
            "因此,",
            "如果",
            "不",
        ),
        *("(A)春天 (B)夏天 ", "夏天", "<think>", "<think></think>", "\\boxed{", '{"answer":', "\n"),
        *(
            "1",
            "1. ",
            "\u200b",
            "İ",
            "第",
            "[",
            '"answer": "',
            "\n問題：",
            "<|im_end|>",
            "answer is ",
        ),
        *(
            "A比B",
            "A嗎？",
            "是B嗎？不，",
            "| A | × |\n",
            "A：10%\n",
            "不是不",
            "小明選A",
            "第一項、",
        ),
        *(
            "選促進",
            "選①",
            "除了A",
            "以為A",
            "A: ",
            "√A",
            "是、",
            "A是春天，",
            "選B，A",
            "the first ",
        ),
        *("夏", "：", "**", "選項", "①", "{", "(A", "A或", " "),
    )
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=[repr(piece) for piece in HOSTILE])
@pytest.mark.parametrize(
    "question", [QUESTION, LETTERS, ITEMS], ids=["single", "multiple", "numbered"]
)
def test_a_megabyte_is_read_in_bounded_time(text: str, question: Question) -> None:
    parser = get_parser("cascade", reasoning=True)
    start = time.process_time()
    parser.parse(text, question)
    assert time.process_time() - start < LIMIT


def test_the_end_of_a_very_long_reply_is_still_read() -> None:
    for name in ("zh", "strict", "cascade"):
        text = "天氣很好。" * 200_000 + "\n答案：B"
        parsed = get_parser(name).parse(text, QUESTION)
        assert parsed.answer == (1,)
        assert parsed.span is not None
        assert text[slice(*parsed.span)] == parsed.evidence == "答案：B"


def test_the_beginning_of_a_very_long_reply_is_still_read() -> None:
    parsed = get_parser("zh").parse("答案：B\n" + "天氣很好。" * 200_000, QUESTION)
    assert parsed.answer == (1,)
    assert parsed.span == (0, 4)
