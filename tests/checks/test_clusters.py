"""What a split keeps together, whatever the order of the rows and however the bank grows."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.checks import question_clusters
from zhmcq.questions import Origin, Question

STORY = "從前有一個老人住在山腳下，他每天早上都要走很遠的路到河邊去打水，村裡的人都很尊敬他。"
OTHER = "城裡有兩隻貓，一隻黑一隻白，整天在屋頂上追來追去；對面住著一位畫家，總在窗邊畫牠們。"
POEM = "白日依山盡，黃河入海流。"
BOOK = "".join(random.Random(0).choices("山河日月風雨雷電花鳥魚蟲", k=2000))
TEXTS = ["".join(random.Random(n).choices("山河日月風雨雷電花鳥魚蟲", k=40)) for n in range(5)]
LONG_OPTIONS = ("作者認為山比海更高", "作者認為海比山更深")


def question(stem: str, passage: str = "", **fields: object) -> Question:
    values: dict[str, object] = {"options": ("甲", "乙")} | fields
    return Question("q", stem, passage=passage, **values)  # type: ignore[arg-type]


def together(*questions: Question) -> bool:
    (sizes,) = {len(question_clusters([*questions[::order]])) for order in (1, -1)}
    return sizes == 1


@pytest.mark.parametrize(
    "quoting",
    [
        question(f"讀「{STORY}」，主旨為何？"),
        question(f"讀「{STORY}」，主旨為何？", OTHER),
        question("哪一段是這篇文章的開頭？", options=("以上皆非", STORY)),
        question("哪一段是這篇文章的開頭？", OTHER, options=("以上皆非", STORY)),
        question("主旨為何？", OTHER + STORY),
        question("主旨為何？", BOOK + STORY),
        question("主旨為何？", STORY[:30]),
        question("主旨為何？", STORY.replace("，", " ").replace("裡", "里").replace("從", "从")),
    ],
    ids=[
        "in a stem without a passage",
        "in a stem with another passage",
        "in an option without a passage",
        "in an option with another passage",
        "in a longer passage",
        "in a far longer passage",
        "an excerpt",
        "in other characters",
    ],
)
def test_a_passage_stays_with_what_quotes_it(quoting: Question) -> None:
    assert together(question("老人住在哪裡？", STORY), quoting)


def test_a_short_passage_is_quoted_where_it_stands_as_a_whole() -> None:
    about = question("詩中的太陽怎麼了？", POEM)
    assert together(about, question(f"「{POEM}」押什麼韻？", OTHER))
    assert together(about, question("「白日依山盡黃河入海流」的下一句是什麼？"))
    assert not together(about, question("「白日依山盡」的下一句是什麼？", OTHER))


def test_a_name_is_no_quotation() -> None:
    assert not together(
        question("誰寫的？", "赤壁賦"), question("「赤壁賦」是哪一朝的作品？", OTHER)
    )


def test_repeated_questions_stay_together_whatever_the_order_of_their_options() -> None:
    first = question("作者怎麼看？", STORY, options=LONG_OPTIONS)
    assert together(first, question("作者怎麼看?", OTHER, options=LONG_OPTIONS[::-1]))
    # 臺 comes after 桃 among the characters, and 台, to which it folds, before it.
    traditional = question("哪裡？", options=("桃園", "臺北", "乙"))
    assert together(traditional, question("哪里？", options=("乙", "台北", "桃園")))


def test_the_same_short_question_about_several_passages_does_not_join_them() -> None:
    stem = "根據上面這篇文章，下列哪一個選項最能說明作者的主旨？"
    assert not together(question(stem, STORY), question(stem, OTHER))
    assert together(question(stem), question(stem))


def test_an_item_is_that_of_one_file() -> None:
    first = question("一？", STORY, group="3", origin=Origin("a.xlsx", row=2))
    second = question("二？", OTHER, group="3", origin=Origin("a.xlsx", row=3))
    assert together(first, second)
    assert not together(first, replace(second, origin=Origin("b.xlsx", row=3)))


def test_a_cluster_names_its_questions_and_what_they_are_about() -> None:
    clusters = question_clusters(
        [question("甲？", "東南。"), question("西 北？"), question("乙？", "東 南")]
    )
    assert [(c.indexes, c.texts) for c in clusters] == [
        ((0, 2), frozenset(["东南"])),
        ((1,), frozenset(["西北"])),
    ]


def test_a_family_of_copies_too_large_to_be_compared_in_pairs_is_one_cluster() -> None:
    stem = "小明有{}個蘋果，小華又給了他{}個，請問小明現在一共有幾個蘋果，他又能分給幾個人？"
    bank = [question(stem.format(n, n + 1)) for n in range(1, 400)]
    assert len(question_clusters(bank)) == 1


PARTS = st.lists(st.sampled_from([*TEXTS, TEXTS[0][:36], "短文", "赤壁賦"]), min_size=0, max_size=2)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    return question(
        "？".join(["問", *draw(PARTS)]),
        "。".join(draw(PARTS)),
        options=("甲", draw(st.sampled_from(["乙", *TEXTS]))),
        group=draw(st.sampled_from(["", "", "", "g"])),
    )


def pairs(bank: list[Question]) -> set[frozenset[Question]]:
    """Which different questions are together."""
    clusters = [[bank[index] for index in cluster.indexes] for cluster in question_clusters(bank)]
    return {frozenset((a, b)) for cluster in clusters for a in cluster for b in cluster}


@settings(max_examples=60, deadline=None)
@given(st.lists(questions(), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_further_rows_part_questions(
    bank: list[Question], rng: random.Random
) -> None:
    joined = pairs(bank)
    shuffled = rng.sample(bank, len(bank))
    assert pairs(shuffled) == joined
    fewer = shuffled[: rng.randint(1, len(bank))]
    assert pairs(fewer) <= joined
