"""Option shuffling keeps the key's text, and leaves alone what speaks of the order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhmcq.questions import Kind, Question
from zhmcq.zh import fixed_order_reason, shuffle_options

FREE = ("山上", "海邊", "家裡", "學校")


def made(*options: str, stem: str = "誰在哪裡？", **fields: Any) -> Question:
    return Question("q", stem, options, **{"answer": (0,), **fields})


@st.composite
def questions(draw: st.DrawFn) -> Question:
    text = st.text(st.sampled_from("山海A1①和以上皆非選項（）\u3000 b"), min_size=1, max_size=8)
    options = draw(st.lists(text, min_size=2, max_size=6))
    kinds: list[Kind] = ["single", "multiple"]
    kind = draw(st.sampled_from(kinds))
    indexes = st.sampled_from(range(len(options)))
    count = 1 if kind == "single" else len(options)
    answer = draw(st.sets(indexes, min_size=1, max_size=count))
    return Question(
        draw(st.text(max_size=3)),
        "問？",
        tuple(options),
        answer=draw(st.sampled_from([None, tuple(sorted(answer))])),
        kind=kind,
    )


@given(questions(), st.integers())
def test_the_key_keeps_its_texts_and_the_options_theirs(question: Question, seed: int) -> None:
    shuffled = shuffle_options(question, seed)

    def key(shown: Question) -> list[str] | None:
        return None if shown.answer is None else sorted(shown.options[i] for i in shown.answer)

    assert key(shuffled) == key(question)
    assert Counter(shuffled.options) == Counter(question.options)
    assert replace(shuffled, options=question.options, answer=question.answer) == question
    assert shuffle_options(question, seed) == shuffled
    if fixed_order_reason(question) is not None:
        assert shuffled == question


def test_the_order_depends_on_seed_and_id_and_every_place_is_reached() -> None:
    question = made(*FREE)
    keys = Counter(shuffle_options(question, seed).answer for seed in range(400))
    assert keys.keys() == {(0,), (1,), (2,), (3,)}
    assert min(keys.values()) > 60
    shuffled = shuffle_options(question, "42-0")
    assert shuffled.options == ("海邊", "家裡", "學校", "山上")
    assert (shuffled.answer, shuffled.labels) == ((3,), ("A", "B", "C", "D"))
    other = shuffle_options(replace(question, id="r"), "42-0")
    assert other.options != shuffled.options


def test_a_multiple_key_is_moved_along_and_sorted() -> None:
    question = made(*FREE, answer=(0, 3), kind="multiple")
    assert shuffle_options(question, "42-0").answer == (2, 3)


def test_an_explanation_that_names_labels_is_left_out() -> None:
    for explanation, remaining in (
        ("見第二段。", "見第二段。"),
        ("故選B。", ""),
        ("選項一見文末。", ""),
    ):
        assert shuffle_options(made(*FREE, explanation=explanation), 1).explanation == remaining


REFERRING = """
以上皆是 以上皆非 皆是 皆非 都對 都不是 全部皆是 兩者皆非 以上都对 上述选项均不正确 全部 以上三者
以上皆有可能 没有正确答案 其他選項皆錯 A和B Ａ、Ｃ ①和③ ①③ 「A」與「C」 甲、乙皆是 只有A AB ACD
1和3 (1)(3) （１）、（２） 除A以外 僅① A与B皆正确 選項A和選項C 選項2 选项一 前兩項 第一項 三和四
全都是 全都對 全都不對 通通都是 統統都對 三者皆具備 無一正確 都錯誤 皆為真 與前一項相同 只有1
第一個和第二個 1號和2號 前列三項 上面都對 上面三者都對 前面兩個都對 同上 同(A) 與A相同 選A和C
"""
NOT_REFERRING = """
12 1/3 3.5 A型 65歲以上 甲 DNA 皆大歡喜 都市 全國 是 不是 他們全都去了海邊 C語言 a 兩項獎 第一名
無一例外 第一個到的人 1號和平路 只有10個 全都在家 與前一年相同 三者合作
和平 第一個矩陣的行數 前列腺 5/1、5/2 1D
"""
REFERRING_ENGLISH = [
    "All of the above",
    "none of the above.",
    "None of these",
    "None is correct",
    "None of them",
    "All of them",
    "None",
    "Both A and B",
    "A and C only",
    "neither A nor B",
    "I and II",
    "option B",
]


@pytest.mark.parametrize("option", [*REFERRING.split(), *REFERRING_ENGLISH])
def test_options_that_speak_of_others_stay_in_their_places(option: str) -> None:
    question = made("山上", "海邊", "家裡", option)
    assert fixed_order_reason(question) == f"an option speaks of others: {_half(option)!r}"
    assert all(shuffle_options(question, seed) == question for seed in range(5))


def _half(text: str) -> str:
    return text.translate(str.maketrans("ＡＣ（）１２", "AC()12"))


@pytest.mark.parametrize(
    "option",
    [
        *NOT_REFERRING.split(),
        "CAB driver",
        "All men are mortal",
        "A friend of mine",
        "above the door",
    ],
)
def test_options_that_only_look_like_it_are_shuffled(option: str) -> None:
    assert fixed_order_reason(made("山上", "海邊", "家裡", option)) is None


@pytest.mark.parametrize(
    "text",
    [
        "選項2說了什麼？",
        "选项B正确吗？",
        "選項（Ｃ）為何？",
        "甲選項為何不對？",
        "第一個選項是什麼？",
        "第2个选项是什么？",
        "最後一個選項",
        "Why is option B wrong?",
        "the first option",
        "何處可填（B）？",
        "請選擇A",
        "選項一的意思",
    ],
)
def test_a_stem_or_passage_that_names_options_keeps_their_order(text: str) -> None:
    assert fixed_order_reason(made(*FREE, stem=text)) == "its stem names options"
    assert fixed_order_reason(made(*FREE, passage=text)) == "its passage names options"


@pytest.mark.parametrize(
    "stem",
    [
        "哪一個選項正確？",
        "從以下選項中選出一個。",
        "下列选项何者正确？",
        "請選擇一個選項。",
        "最佳選項一定是？",
        "answer a question",
        "Which answer is right?",
        "(1)和(2)何者為是？",
    ],
)
def test_a_stem_that_speaks_of_options_in_general_does_not(stem: str) -> None:
    assert fixed_order_reason(made(*FREE, stem=stem)) is None


def test_true_or_false_and_options_with_their_own_labels_keep_their_order() -> None:
    truth = made("對", "錯", labels=("O", "X"), kind="true_false")
    assert fixed_order_reason(truth) == "true or false"
    labelled = made("(A) 山上", "（Ｂ）海邊", "C. 家裡", "D、學校")
    assert fixed_order_reason(labelled) == "options begin with their labels"
    assert fixed_order_reason(made("山上", "B．海邊")) == "options begin with their labels"
    numbers = [str(index) for index in (1, 2)]
    assert fixed_order_reason(made("1.5", "3.5", labels=numbers)) is None
    assert fixed_order_reason(made("1. 山上", "2. 海邊", labels=numbers)) is not None


def test_a_long_run_of_spaces_does_not_stall() -> None:
    question = made(*FREE, passage="選項" + " " * 100_000 + "第" + "\u3000" * 100_000)
    assert fixed_order_reason(question) is None
