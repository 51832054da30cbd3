"""Texts that are copies but for small changes."""

from __future__ import annotations

from zhmcq.checks import (
    near_copy_clusters,
)

LONG = "從前有一個老人住在山腳下，他每天早上都要走很遠的路到河邊去打水，村裡的人都很尊敬他。"


def test_near_copies_are_found() -> None:
    texts = [
        LONG,
        "別的故事：城裡有兩隻貓，一隻黑一隻白，牠們整天在屋頂上追來追去，從不下來吃飯。",
        LONG.replace("老人", "老婦"),
        "",
        LONG[:30],
        LONG.replace("，", ""),
        "",
    ]
    assert near_copy_clusters(texts) == [0, 1, 0, 3, 0, 0, 6]


def test_an_excerpt_far_shorter_than_its_source_is_found() -> None:
    other = "城裡有兩隻貓，一隻黑一隻白，整天在屋頂上追來追去；對面住著一位畫家，總在窗邊畫牠們。"
    story = LONG + other + "後來河水乾了，村民們商量著要挖一口井，誰也不知道該挖在哪裡才好。"
    assert near_copy_clusters([story, other, "完全無關的一段話，說的是數學與物理的關係。"]) == [
        0,
        0,
        2,
    ]


def test_short_texts_are_copies_only_when_equal() -> None:
    assert near_copy_clusters(["3+5等於多少？", "3+6等於多少？", "3+5等於多少"]) == [0, 1, 0]
