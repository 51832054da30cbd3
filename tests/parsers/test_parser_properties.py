"""What holds for all replies, or all replies of a kind."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from zhmcq.parsers import get_parser, parser_names
from zhmcq.questions import Question

OPTIONS = ("光合作用", "呼吸作用", "蒸散作用", "擴散作用")
LABELS = {
    "letters": ("A", "B", "C", "D"),
    "digits": ("1", "2", "3", "4"),
    "circled": ("①", "②", "③", "④"),
    "stems": ("甲", "乙", "丙", "丁"),
    "full-width": ("Ａ", "Ｂ", "Ｃ", "Ｄ"),
    "dressed": ("(A)", "(B)", "(C)", "(D)"),
    "words": ("選項一", "選項二", "選項三", "選項四"),
}
REPLIES = (
    "答案是 ({label}) {text}。",
    "因此，正確答案是{text}。",
    "{label}. {text}",
    "故選{label}。",
    "植物製造養分要靠{text}",
    "排除其他選項後，應選{label}，因為葉綠體行{text}。",
    "【解析】{text}需要光。\n【答案】{label}",
    "The answer is ({label}) {text}.",
    "({label}) {text}。其他選項與題目無關。",
)
SENTENCES = (
    "植物的葉子是綠色的。",
    "A 選項討論了光線。",
    "首先，我們要理解題目中的關鍵資訊。",
    "如果選C，就與題意不符。",
    "選項B看起來也有道理。",
    "Let's think step by step.",
    "根據2023年的研究，溫度為 25.5 度。",
    "\n\n",
    "答案是A嗎？",
    "我無法判斷你的選擇是否正確\n",
    "如果天氣很好 ",
    "(A)光合作用 (B)呼吸作用 (C)蒸散作用 (D)擴散作用",
)
TO_SIMPLIFIED, TO_TRADITIONAL = OpenCC("t2s"), OpenCC("s2t")
PIECES = (
    *(
        "答案",
        "是",
        "為",
        "選",
        "應選",
        "故",
        "因此",
        "正確",
        "錯誤",
        "不",
        "排除",
        "如果",
        "無法確定",
    ),
    *(
        "A",
        "B",
        "C",
        "D",
        "E",
        "(",
        ")",
        "（",
        "）",
        "、",
        "。",
        "，",
        "：",
        "\n",
        " ",
        "1",
        "2",
        "①",
    ),
    *(
        "選項",
        "項",
        "和",
        "或",
        "【答案】",
        "\\boxed{",
        "}",
        "$",
        "**",
        '{"answer":',
        '"',
        "<think>",
    ),
    *(
        "</think>",
        "光合作用",
        "擴散",
        "answer is",
        "the",
        "not",
        "\u200b",
        "\x00",
        "\ud800",
        "İ",
        "²",
    ),
)
hostile = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def question(options: tuple[str, ...], labels: tuple[str, ...] = LABELS["letters"]) -> Question:
    return Question("q", "植物如何製造養分？", options, labels=labels)


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_shuffling_the_options_never_changes_the_text_chosen(
    reply: str, labels: tuple[str, ...]
) -> None:
    for order in itertools.permutations(OPTIONS):
        shuffled = question(order, labels)
        label = labels[order.index("光合作用")]
        bare = label.strip("()")
        parsed = get_parser("zh").parse(reply.format(label=bare, text="光合作用"), shuffled)
        assert parsed.answer is not None, (order, parsed)
        assert order[parsed.answer[0]] == "光合作用"


@settings(derandomize=True, max_examples=200, deadline=None)
@given(before=st.lists(st.sampled_from(SENTENCES), max_size=6).map("".join))
def test_unrelated_sentences_before_a_final_answer_change_nothing(before: str) -> None:
    for final in ("答案：B", "\n答案：B", "【答案】B"):
        parsed = get_parser("zh").parse(before + final, question(OPTIONS))
        assert (parsed.answer, parsed.status) == ((1,), "answered")


ASIDES = (
    "很多同學選 A。",
    "次選是 C。",
    "備選：D",
    "有人認為答案是 C。",
    "我一開始以為是 A。",
    "D 是正確的嗎？不是。",
    "難道選 A 嗎？當然不是。",
    "比 A 更合適。",
    "小明說答案是 D。",
    "My second choice would be C.",
    "Most students pick D.",
    "At first I thought it was A.",
    "A 是春天，C 是秋天。",
    "如果選 D，就錯了。",
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(after=st.lists(st.sampled_from(ASIDES), max_size=4).map("".join))
def test_asides_after_an_answer_change_nothing(after: str) -> None:
    for answer in ("答案是 B。", "故選B。", "The answer is B. "):
        parsed = get_parser("zh").parse(answer + after, question(OPTIONS))
        assert (parsed.answer, parsed.status) == ((1,), "answered"), parsed


@settings(derandomize=True, max_examples=300, deadline=None)
@given(text=hostile)
def test_traditional_or_simplified_makes_no_difference(text: str) -> None:
    clean = text.replace("\ud800", "")
    example = question(OPTIONS)
    expected = get_parser("zh").parse(clean, example)
    for folded in (TO_SIMPLIFIED.convert(clean), TO_TRADITIONAL.convert(clean)):
        parsed = get_parser("zh").parse(folded, example)
        assert (parsed.answer, parsed.status) == (expected.answer, expected.status)


@pytest.mark.parametrize("reply", REPLIES)
def test_replies_in_either_script_are_read_alike(reply: str) -> None:
    text = reply.format(label="D", text="擴散作用")
    for convert in (TO_SIMPLIFIED.convert, TO_TRADITIONAL.convert):
        for options in (OPTIONS, tuple(TO_SIMPLIFIED.convert(option) for option in OPTIONS)):
            assert get_parser("zh").parse(convert(text), question(options)).answer == (3,)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(
    "dress", ["{}", "({})", "（{}）", "{}。", "「{}」", " {}\n", "**{}**", "[{}]"]
)
def test_a_reply_that_is_only_a_label_reads_as_that_label(
    labels: tuple[str, ...], dress: str
) -> None:
    for index, label in enumerate(labels):
        for name in ("zh", "strict", "cascade"):
            parsed = get_parser(name).parse(dress.format(label), question(OPTIONS, labels))
            assert parsed.answer == (index,), (name, label)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(text=hostile, reasoning=st.booleans(), kind=st.sampled_from(["single", "multiple"]))
def test_any_text_gives_a_consistent_answer(text: str, reasoning: bool, kind: str) -> None:
    example = Question("q", "不是？", OPTIONS, kind=kind)  # type: ignore[arg-type]
    for name in ("zh", "strict", "json", "cascade"):
        parsed = get_parser(name, reasoning=reasoning).parse(text, example)
        assert (parsed.answer is not None) == (parsed.status == "answered")
        assert parsed.reason
        if parsed.answer is not None:
            assert list(parsed.answer) == sorted(set(parsed.answer))
            assert 0 <= parsed.answer[0] <= parsed.answer[-1] < 4
            assert kind == "multiple" or len(parsed.answer) == 1
        if parsed.span is not None:
            assert text[slice(*parsed.span)] == parsed.evidence


@settings(derandomize=True, max_examples=50, deadline=None)
@given(text=st.text(max_size=200))
def test_any_unicode_is_read_without_an_error(text: str) -> None:
    for name in sorted({"zh", "strict", "json", "cascade"} & set(parser_names())):
        assert get_parser(name, reasoning=True).parse(text, question(OPTIONS)).status in {
            *("answered", "none", "ambiguous", "out_of_range"),
        }


def test_strict_answers_only_where_zh_does_too() -> None:
    chance = random.Random(7)
    for _ in range(500):
        text = "".join(chance.choices(PIECES, k=12))
        strict = get_parser("strict").parse(text, question(OPTIONS))
        if strict.status == "answered":
            assert get_parser("zh").parse(text, question(OPTIONS)).answer == strict.answer, text
