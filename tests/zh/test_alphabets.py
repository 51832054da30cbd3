"""One table of alphabets: each works as headers, option prefixes, keys and in replies."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from zhmcq.parsers import get_parser
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank
from zhmcq.zh import fixed_order_reason
from zhmcq.zh._labels import (
    ALPHABETS,
    BOPOMOFO,
    CHINESE_NUMERALS,
    DIGITS,
    HEAVENLY_STEMS,
    LETTERS,
    ROMAN_NUMERALS,
    Alphabet,
    alphabet_of,
    label_at,
    label_index,
    plain_label,
)

CITIES = ("台北", "高雄", "花蓮")
PLAIN = [alphabet for alphabet in ALPHABETS if not alphabet.enclosed]
ENCLOSED = [alphabet for alphabet in ALPHABETS if alphabet.enclosed]


def by_name(alphabet: Alphabet) -> str:
    return alphabet.name


def bank_of(folder: Path, *rows: list[str]) -> QuestionBank:
    path = folder / "bank.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return read_bank(path, answer_base=1)


@pytest.mark.parametrize("alphabet", PLAIN, ids=by_name)
@pytest.mark.parametrize("header", ["選項{}", "選項({})", "{}", "答案選項{}"])
def test_each_alphabet_names_options_in_headers(
    tmp_path: Path, alphabet: Alphabet, header: str
) -> None:
    labels = alphabet.characters[:3]
    bank = bank_of(
        tmp_path,
        ["題目", *map(header.format, labels), "答案"],
        ["首都？", *CITIES, labels[1]],
    )
    assert bank[0].options == CITIES
    assert bank[0].labels == tuple(labels)
    assert bank[0].answer == (1,)


@pytest.mark.parametrize(
    "alphabet", [a for a in PLAIN if "bracketed" in a.before_options], ids=by_name
)
@pytest.mark.parametrize("prefix", ["({}) ", "（{}）", "【{}】", "{}. ", "{}、", "{}: "])
def test_each_alphabet_stands_before_options(
    tmp_path: Path, alphabet: Alphabet, prefix: str
) -> None:
    labels = alphabet.characters[:3]
    options = [prefix.format(label) + city for label, city in zip(labels, CITIES, strict=True)]
    bank = bank_of(
        tmp_path,
        ["題目", "選項1", "選項2", "選項3", "答案"],
        ["首都？", *options, f"({labels[1]})"],
    )
    assert bank[0].options == CITIES
    assert bank[0].answer == (1,)


@pytest.mark.parametrize("alphabet", ALPHABETS, ids=by_name)
@pytest.mark.parametrize("key", ["{}", "({})", "（{}）", "答案：{}", "選{}", "「{}」"])
def test_each_alphabet_is_read_as_a_key(tmp_path: Path, alphabet: Alphabet, key: str) -> None:
    label = label_at(1, alphabet)
    bank = bank_of(
        tmp_path,
        ["題目", "選項1", "選項2", "選項3", "答案"],
        ["首都？", *CITIES, key.format(label)],
    )
    assert bank[0].answer == (1,)


@pytest.mark.parametrize("alphabet", [a for a in ALPHABETS if a.in_stems], ids=by_name)
def test_options_inside_a_stem_are_found_by_their_labels(
    tmp_path: Path, alphabet: Alphabet
) -> None:
    first, second, third = tuple(alphabet.characters[:3])
    stem = f"首都是哪裡？({first})台北({second})高雄({third})花蓮"
    bank = bank_of(tmp_path, ["題目", "答案"], [stem, second])
    assert (bank[0].stem, bank[0].options) == ("首都是哪裡？", CITIES)
    assert bank[0].labels == (first, second, third)
    assert bank[0].answer == (1,)


def test_labels_of_two_alphabets_are_not_one_run(tmp_path: Path) -> None:
    bank = bank_of(tmp_path, ["題目", "答案"], ["首都是哪裡？(A)台北(ㄆ)高雄(C)花蓮", "A"])
    assert len(bank) == 0


@pytest.mark.parametrize("alphabet", [*ALPHABETS, ROMAN_NUMERALS], ids=by_name)
@pytest.mark.parametrize("reply", ["答案：{}", "答案是({})。", "我選{}。", "{}"])
def test_each_alphabet_is_read_in_a_reply(alphabet: Alphabet, reply: str) -> None:
    question = Question("q", "首都？", CITIES, labels=tuple(alphabet.characters[:3]))
    label = alphabet.characters[1]
    assert get_parser("zh").parse(reply.format(label), question).answer == (1,)


@pytest.mark.parametrize("alphabet", [a for a in ALPHABETS if a.mentioned], ids=by_name)
def test_an_option_that_names_others_stays_in_its_place(alphabet: Alphabet) -> None:
    first, second, third = tuple(alphabet.characters[:3])
    options = ("台北", "高雄", f"{first}和{second}")
    question = Question("q", "首都？", options, labels=(first, second, third))
    assert fixed_order_reason(question) == f"an option speaks of others: '{first}和{second}'"
    named = Question("q", f"選項{second}為何？", CITIES, labels=(first, second, third))
    assert fixed_order_reason(named) == "its stem names options"


def test_a_sound_that_is_asked_for_is_no_label(tmp_path: Path) -> None:
    # ㄆ is the text of the first option here, though it is the second label of its alphabet.
    bank = bank_of(
        tmp_path,
        ["題目", "選項1", "選項2", "選項3", "答案"],
        ["「怕」的聲母是？", "ㄆ", "ㄅ", "ㄇ", "ㄇ"],
        ["含有ㄅ、ㄆ、ㄇ的是？", "爸", "怕", "媽", "2"],
    )
    assert bank[0].answer == (2,)
    assert bank[0].options == ("ㄆ", "ㄅ", "ㄇ")
    assert bank[1].stem == "含有ㄅ、ㄆ、ㄇ的是？"


@pytest.mark.parametrize(
    ("label", "index"),
    [("A", 0), ("Z", 25), ("1", 0), ("12", 11), ("0", -1), ("甲", 0), ("癸", 9), ("十", 9),
     ("ㄅ", 0), ("ㄇ", 2), ("", -1), ("甲乙", -1), ("子", -1), ("①", -1), ("a", -1)],
)  # fmt: skip
def test_a_label_stands_for_an_index(label: str, index: int) -> None:
    assert label_index(label) == index


@pytest.mark.parametrize(
    ("written", "plain"),
    [("(a)", "A"), ("ａ", "A"), ("⒝", "B"), ("Ⓒ", "C"), ("①", "1"), ("⑿", "12"), ("⒊", "3"),
     ("㊁", "二"), ("（甲）", "甲"), ("ㄆ", "ㄆ")],
)  # fmt: skip
def test_a_label_is_plain_without_its_brackets_and_width(written: str, plain: str) -> None:
    assert plain_label(written) == plain


@pytest.mark.parametrize("alphabet", ENCLOSED, ids=by_name)
def test_enclosed_signs_are_labels_of_a_plain_alphabet_in_the_same_order(
    alphabet: Alphabet,
) -> None:
    indexes = [label_index(plain_label(char)) for char in alphabet.characters]
    assert indexes == list(range(len(alphabet.characters)))


@pytest.mark.parametrize(
    ("labels", "alphabet"),
    [("ABC", LETTERS), ("ba", LETTERS), (["10", "2"], DIGITS), ("甲丙", HEAVENLY_STEMS),
     ("一二", CHINESE_NUMERALS), ("ㄅㄆ", BOPOMOFO), ("A1", None), (["甲乙"], None), ([], None)],
)  # fmt: skip
def test_labels_are_of_one_alphabet_or_of_none(
    labels: list[str], alphabet: Alphabet | None
) -> None:
    assert alphabet_of(labels) is alphabet


def test_no_character_is_in_two_alphabets_and_none_repeats() -> None:
    characters = "".join(alphabet.characters for alphabet in ALPHABETS)
    assert len(characters) == len(set(characters))
