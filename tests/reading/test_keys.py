from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.errors import ReadError
from zhmcq.questions import Origin
from zhmcq.reading._convention import Convention, convention_of
from zhmcq.reading._drafts.draft import Draft
from zhmcq.reading._keys import Key, read_key
from zhmcq.zh._truth import truth_of

CITIES = ("台北", "高雄", "台中", "台南", "花蓮", "新竹")
LETTERS = tuple("ABCDEF")
ONE_BASED = Convention(1, "label", "")


def read(answer: Any, options: tuple[str, ...] = CITIES, **more: Any) -> tuple[int, ...] | str:
    key = read_key(answer, options, more.get("labels", ()), more.get("convention", ONE_BASED))
    assert isinstance(key, Key)
    return key.code or tuple(sorted(key.indexes or ()))


@pytest.mark.parametrize(
    "answer",
    [
        2, 2.0, "2", "２", " 2 ", "02", "2.", "(2)", "（２）", "②", "⑵", "選項2", "选项２",
        "選項二", "第2項", "option 2", "Option2", "B", "b", "Ｂ", "ｂ", "(B)", "（B）", "[B]",
        "【B】", "B.", "B、", "B)", "Ⓑ", "乙", "二", "答案：B", "答案是B", "正確答案：(B)", "故選B",
        "Answer: B", "選B", "高雄", " 高雄\u3000", "高\u200b雄", "B. 高雄", "(B)高雄", "2、高雄",
        "B\xa0", ["B"], [2], ["高雄"],
        [False, True, False, False, False, False], {"label": "B"}, "「B」",
    ],
)  # fmt: skip
def test_every_honest_form_of_one_key_is_read(answer: Any) -> None:
    assert read(answer) == (1,)


@pytest.mark.parametrize(
    "answer",
    [
        "A;B;D", "A,B,D", "A、B、D", "A，B，D", "A；B；D", "ABD", "abd", "ＡＢＤ", "A B D", "A/B/D",
        "A|B|D", "(A)(B)(D)", "（A）（B）（D）", "①②④", "1,2,4", "1;2;4", "A和B和D",
        "A, B and D", "DBA",
        ["A", "B", "D"], [1, 2, 4], ["台北", "高雄", "台南"], "台北;高雄;台南", "台北、高雄、台南",
        "台北\n高雄\n台南", [True, True, False, True, False, False], "甲、乙、丁",
    ],
)  # fmt: skip
def test_every_honest_form_of_several_keys_is_read(answer: Any) -> None:
    assert read(answer) == (0, 1, 3)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, "no_key"),
        ("", "no_key"),
        ("送分", "no_key"),
        ("一律給分", "no_key"),
        ("None", "no_key"),
        ("-", "no_key"),
        (float("nan"), "no_key"),
        (-1, "no_key"),
        (-1.0, "no_key"),
        ("-1", "no_key"),
        ("−1", "no_key"),
        ("－2", "no_key"),
        ("(-1)", "no_key"),
        ([-1], "no_key"),
        ("-1,-2", "unreadable_answer"),
        ([2, -1], "unreadable_answer"),
        ("፩፪", "unreadable_answer"),
        ("𐩀𐩁", "unreadable_answer"),
        ([], "no_key"),
        ([False] * 6, "no_key"),
        ("G", "answer_out_of_range"),
        (7, "answer_out_of_range"),
        (0, "answer_out_of_range"),
        ("選項9", "answer_out_of_range"),
        ("ABZ", "unreadable_answer"),
        ("AAB", "unreadable_answer"),
        ("基隆", "unreadable_answer"),
        ("台北或高雄", "unreadable_answer"),
        ("B. 台中", "ambiguous_answer"),
        (["A", None], "unreadable_answer"),
        ([["A"]], "unreadable_answer"),
        (True, "unreadable_answer"),
    ],
)
def test_what_is_no_key_says_why(answer: Any, code: str) -> None:
    assert read(answer) == code


@pytest.mark.parametrize("base", [0, 1])
def test_a_negative_number_is_no_key_whatever_the_first_option_is_called(base: int) -> None:
    assert read(-1, convention=Convention(base, "label", "number")) == "no_key"
    assert read("選項-1", convention=Convention(base, "label", "number")) == (0,)


def test_a_negative_number_may_be_the_text_of_an_option() -> None:
    options = ("-1", "0", "1")
    assert read("-1", options, convention=Convention(1, "text")) == (0,)
    assert read(-1, options, convention=Convention(1, "label")) == "ambiguous_answer"


def test_joined_digits_are_several_labels_only_where_something_says_so() -> None:
    joined = Convention(1, "label", "number", joined=True)
    for answer, expected in ((12, (0, 1)), ("124", (0, 1, 3)), ("(13)", (0, 2))):
        assert read(answer) == "answer_out_of_range"
        assert read_key(answer, CITIES, (), ONE_BASED, several=True).indexes == expected
        assert read(answer, convention=joined) == expected
    ten = tuple("甲乙丙丁戊己庚辛壬癸")
    assert read("15", ten) == "answer_out_of_range"
    assert read_key("⑫", CITIES, (), ONE_BASED, several=True).code == "answer_out_of_range"


def test_the_text_of_an_option_comes_before_joined_digits() -> None:
    numbers = ("12", "13", "14", "23")
    assert read("12", numbers) == (0,)
    assert read("12", ("12個", "13個", "14個", "23個")) == "answer_out_of_range"
    assert read("12", ("12個", "13個"), convention=Convention(1, "text")) == "answer_out_of_range"
    both = read_key("12", numbers, (), ONE_BASED, several=True)
    assert both.code == "ambiguous_answer"
    texts = read_key("12", numbers, (), Convention(1, "text"), several=True)
    assert texts.indexes == (0,)


@pytest.mark.parametrize(
    ("answers", "joined"),
    [
        ([1, 4, 12, 23, 134], True),
        ([1, 4, 12, 23, 34], False),
        ([1, 4, 12, 134], False),
        ([1, 4, 12, 23, 134, 15], False),
        ([1, 4, 12, 23, 134, 21], False),
    ],
)
def test_the_keys_of_a_file_may_prove_that_digits_are_joined(
    answers: list[int], joined: bool
) -> None:
    drafts = [draft(answer, options=CITIES[:4]) for answer in answers]
    assert convention_of(drafts, None, "f").joined is joined


def test_the_text_of_two_options_is_never_guessed() -> None:
    assert read("甲", ("甲", "乙", "甲")) == "ambiguous_answer"
    assert read("Ａ隊", ("A隊", "乙", "A 隊")) == (0,)


def test_an_option_that_says_none_is_an_option() -> None:
    assert read("無", ("甲", "乙", "無")) == (2,)
    assert read("None", ("None", "One")) == (0,)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("正確", 0), ("錯誤", 1), ("对", 0), ("错", 1), ("O", 0), ("X", 1), ("○", 0), ("×", 1),
     ("是", 0), ("否", 1), ("T", 0), ("False", 1), (True, 0), (False, 1), ("A", 0),
     ("B", 1), (2, 1)],
)  # fmt: skip
def test_true_and_false_are_read_in_all_words(answer: Any, expected: int) -> None:
    assert read(answer, ("正确", "错误")) == (expected,)


def test_words_follow_the_options_and_letters_their_order() -> None:
    assert read("正確", ("錯誤", "正確")) == (1,)
    assert read("A", ("錯誤", "正確")) == (0,)
    assert truth_of("可能") is None


def test_a_number_that_is_also_an_options_text_follows_the_file() -> None:
    options = ("3", "4", "1", "2")
    assert read("1", options, convention=Convention(1, "label")) == (0,)
    assert read("1", options, convention=Convention(1, "text")) == (2,)
    assert read("1", options, convention=Convention(1, "unknown")) == "ambiguous_answer"
    assert read("1", ("1", "2"), convention=Convention(1, "unknown")) == (0,)


def draft(answer: Any, labels: tuple[str, ...] = (), options: tuple[str, ...] = CITIES) -> Draft:
    return Draft(Origin("f"), "問？", list(options), labels=labels, answer=answer)


@pytest.mark.parametrize(
    ("answers", "labels", "base"),
    [
        ([0, 1, 5], (), 0),
        ([1, 2, 6], (), 1),
        ([0, 6], (), 1),
        ([1, 2], ("1", "2", "3", "4", "5", "6"), 1),
        ([1, 2], ("0", "1", "2", "3", "4", "5"), 0),
        ([0, 2], ("1", "2", "3", "4", "5", "6"), 0),
        (["A", "B"], (), 1),
        (["台北", "1999"], (), 1),
    ],
)
def test_the_base_of_numbers_is_proven_by_the_data(
    answers: list[Any], labels: tuple[str, ...], base: int
) -> None:
    assert convention_of([draft(a, labels) for a in answers], None, "f").base == base


def test_numbers_that_may_count_from_0_or_1_are_refused_unless_said() -> None:
    drafts = [draft(1), draft(2)]
    with pytest.raises(ReadError, match="answer_base=1"):
        convention_of(drafts, None, "f")
    assert convention_of(drafts, 0, "f").base == 0
    assert read(1, convention=convention_of(drafts, 0, "f")) == (1,)


texts = st.text(st.characters(categories=["Lo"], max_codepoint=0x9FFF), min_size=3, max_size=8)
FORMS: dict[str, Callable[[list[int], list[str]], Any]] = {
    "number": lambda key, _options: ";".join(str(i + 1) for i in key),
    "letters": lambda key, _options: "".join(LETTERS[i] for i in key),
    "wide": lambda key, _options: "、".join("ＡＢＣＤＥＦ"[i] for i in key),
    "bracketed": lambda key, _options: "".join(f"({LETTERS[i]})" for i in key),
    "circled": lambda key, _options: "".join("①②③④⑤⑥"[i] for i in key),
    "named": lambda key, _options: ",".join(f"選項{i + 1}" for i in key),
    "heavenly": lambda key, _options: ",".join("甲乙丙丁戊己"[i] for i in key),
    "texts": lambda key, options: [options[i] for i in key],
    "joined": lambda key, options: ";".join(options[i] for i in key),
    "flags": lambda key, options: [i in key for i in range(len(options))],
    "with text": lambda key, options: [f"{LETTERS[i]}. {options[i]}" for i in key],
}


@pytest.mark.parametrize("form", FORMS)
@settings(derandomize=True, max_examples=60, deadline=None)
@given(data=st.data())
def test_a_key_written_in_any_form_reads_back(form: str, data: st.DataObject) -> None:
    options = data.draw(st.lists(texts, min_size=2, max_size=6, unique=True))
    key = data.draw(st.sets(st.integers(0, len(options) - 1), min_size=1))
    answer = FORMS[form](sorted(key), options)
    assert read(answer, tuple(options)) == tuple(sorted(key))


@pytest.mark.parametrize(
    "answer",
    [
        "B\n答案解析：\n略",
        "B\n章節測驗\n已完成",
        "(B)\n得分：2",
        "正確答案：B\n我的答案：A",
        "B 解析：高雄在南部",
        "B。【解析】略：高雄在南部",
        "B\nB. 高雄\n略",
        "Ｂ\n高雄",
    ],
)
def test_a_key_before_text_of_its_page_is_read_with_a_warning(answer: str) -> None:
    key = read_key(answer, CITIES, (), ONE_BASED)
    assert (key.indexes, key.code) == ((1,), "key_with_text")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("A\nB", (0, 1)),
        ("台北\n高雄\n台南", (0, 1, 3)),
        ("AC\n得分：2", (0, 2)),
        ("A\nB\n解析：略", "unreadable_answer"),
        ("B\n台中", "unreadable_answer"),
        ("台北\n高雄市\n台南", "unreadable_answer"),
        ("高雄\n已完成", "unreadable_answer"),
        ("G\n已完成", "answer_out_of_range"),
    ],
)
def test_lines_that_may_be_keys_are_not_dropped(
    answer: str, expected: tuple[int, ...] | str
) -> None:
    key = read_key(answer, CITIES, (), ONE_BASED)
    assert (key.indexes or key.code) == expected


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text("AB12高雄\n解析：。()答案", max_size=40))
def test_any_text_after_a_key_leaves_the_key_alone(rest: str) -> None:
    alone, followed = read("B"), read_key("B\n" + rest, CITIES, (), ONE_BASED)
    assert followed.indexes is None or followed.indexes[:1] == alone or "A" in rest or "1" in rest


def test_letters_that_are_the_text_of_an_option_are_not_two_labels() -> None:
    blood = ("A", "B", "AB", "O")
    assert read("AB", blood) == "ambiguous_answer"
    assert read("AB", blood, convention=Convention(1, "text")) == (2,)
    assert read("O", blood) == (3,)
    assert read("AB", ("甲型", "乙型", "丙型")) == (0, 1)


def test_page_text_inside_a_list_of_keys_is_reported() -> None:
    key = read_key(["A", "C\n解析：略"], CITIES, (), ONE_BASED)
    assert (key.indexes, key.code) == ((0, 2), "key_with_text")
