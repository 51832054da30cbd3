"""One table of words for true and false, for keys, options and replies."""

from __future__ import annotations

from typing import Any

import pytest

from zhmcq.zh._truth import (
    FALSE_WORDS,
    TRUE_WORDS,
    is_negative,
    is_no_key,
    true_false_options,
    truth_of,
)


@pytest.mark.parametrize("word", [*"是对對真√○OVTY✓✔☑〇◯Ｏ", "正確", "True", "yes", "（對）"])
def test_words_for_true(word: str) -> None:
    assert truth_of(word) is True


@pytest.mark.parametrize("word", [*"否错錯假×XFN✗✘╳✕✖非", "錯誤", "False", "不正確", "有誤"])
def test_words_for_false(word: str) -> None:
    assert truth_of(word) is False


@pytest.mark.parametrize("word", ["沒錯", "不", "A", "", None, 1, 0])
def test_what_only_a_reply_says_is_no_key(word: Any) -> None:
    assert truth_of(word) is None


def test_no_word_says_both() -> None:
    assert not set(TRUE_WORDS) & set(FALSE_WORDS)
    assert len(set(TRUE_WORDS)) == len(TRUE_WORDS)
    assert len(set(FALSE_WORDS)) == len(FALSE_WORDS)


@pytest.mark.parametrize(
    "answer",
    ["送分", "一律給分", "略", "詳見解析", "答案略。", "none", "—", "", None, [], float("nan")],
)
def test_what_says_that_there_is_no_key(answer: Any) -> None:
    assert is_no_key(answer)


@pytest.mark.parametrize(("answer", "negative"), [(-1, True), ("-1", True), ("-1.5", False)])
def test_negative_numbers_mark_what_has_no_label(answer: Any, negative: bool) -> None:
    assert is_negative(answer) is negative


@pytest.mark.parametrize(
    ("answer", "stem", "texts", "labels"),
    [
        ("O", "對嗎", ("正確", "錯誤"), ("O", "X")),
        ("x", "对吗", ("正确", "错误"), ("O", "X")),
        ("×", "對嗎", ("正確", "錯誤"), ("○", "×")),
        ("◯", "對嗎", ("正確", "錯誤"), ("○", "×")),
        ("✗", "對嗎", ("正確", "錯誤"), ("○", "×")),
        ("✓", "對嗎", ("正確", "錯誤"), ("✓", "✗")),
        ("√", "對嗎", ("正確", "錯誤"), ("√", "×")),
        ("錯", "對嗎", ("對", "錯"), ("對", "錯")),
        ("否", "對嗎", ("是", "否"), ("是", "否")),
        ("TRUE", "right?", ("True", "False"), ("True", "False")),
        ("n", "right?", ("True", "False"), ("Y", "N")),
        (True, "對嗎", ("正確", "錯誤"), ("TRUE", "FALSE")),
        (None, "對嗎", ("正確", "錯誤"), ("正確", "錯誤")),
    ],
)
def test_the_two_options_of_a_question_that_lists_none(
    answer: object, stem: str, texts: tuple[str, str], labels: tuple[str, str]
) -> None:
    assert true_false_options(answer, stem) == (texts, labels)
