"""The language of a workbook's own text."""

from __future__ import annotations

import pytest

from zhmcq.zh._language import language_of


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["題號", "文章", "問題", "選項1", "正確答案"], "zh-Hant"),
        (["题号", "文章", "问题", "选项1", "正确答案"], "zh-Hans"),
        (["ID", "Question", "Option A", "Answer"], "en"),
        ([], "en"),
        (["文章"], "zh-Hant"),  # which both scripts write alike
        (["ID", "Question", "下列何者正確？"], "zh-Hant"),
        (["ID", "Question", "下列哪项正确？"], "zh-Hans"),
    ],
)
def test_the_script_is_that_of_the_characters_only_one_script_has(
    texts: list[str], language: str
) -> None:
    assert language_of(texts) == language


def test_the_first_texts_that_tell_decide() -> None:
    assert language_of(["題號", "選項"], ["下列哪项说法正确？"] * 9) == "zh-Hant"
    assert language_of(["答案", "文章"], ["下列哪项说法正确？"]) == "zh-Hans"
    assert language_of(["ID", "Question"], ["Which is right?"]) == "en"


def test_a_few_foreign_characters_do_not_change_the_language() -> None:
    assert language_of(["這篇文章說明「国学」的學習方法與應用"]) == "zh-Hant"


def test_no_more_than_the_beginning_is_read() -> None:
    def texts() -> object:
        yield "學" * 30_000
        raise AssertionError("read on")

    assert language_of(texts()) == "zh-Hant"  # type: ignore[arg-type]
