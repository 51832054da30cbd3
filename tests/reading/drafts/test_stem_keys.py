"""Keys that stand inside stems are read, and taken out of what a model is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank, stream_bank
from zhmcq.reading._drafts.stem_keys import cut_trailing_key, find_stem_key

HEAD = "題目,A,B,C"


def read(tmp_path: Path, *lines: str) -> QuestionBank:
    path = tmp_path / "bank.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    bank = read_bank(path)
    assert [item for item in stream_bank(path) if isinstance(item, Question)] == list(bank)
    return bank


def shown(bank: QuestionBank) -> list[tuple[str, str]]:
    return [(question.stem, question.answer_label) for question in bank]


def codes(bank: QuestionBank) -> list[tuple[int, str]]:
    return [(problem.row, problem.code) for problem in bank.problems]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1. (3) 何者最長？①甲河②乙河③丙河", "2. (12) 哪些是山？①甲山②乙山③丙河"),
        ("1. (3) 何者最長？(1)甲河(2)乙河(3)丙河", "2.(12)哪些是山？(1)甲山(2)乙山(3)丙河"),
        (
            "( C ) 1. 何者最長？(A)甲河(B)乙河(C)丙河",
            "( AB ) 2. 哪些是山？(A)甲山(B)乙山(C)丙河",
        ),
        (
            "（Ｃ）何者最長？A.甲河 B.乙河 C.丙河",
            "（Ａ、Ｂ）哪些是山？A.甲山 B.乙山 C.丙河",
        ),
        ("[C] 何者最長？(A)甲河(B)乙河(C)丙河", "[AB]哪些是山？(A)甲山(B)乙山(C)丙河"),
    ],
)
def test_a_key_before_a_stem_is_read_and_taken_out(tmp_path: Path, first: str, second: str) -> None:
    bank = read(tmp_path, "題目", first, second)
    assert [(q.stem, q.answer, q.kind) for q in bank] == [
        ("何者最長？", (2,), "single"),
        ("哪些是山？", (0, 1), "multiple"),
    ]
    assert codes(bank) == []


def test_true_and_false_before_stems_are_keys_of_questions_without_options(tmp_path: Path) -> None:
    bank = read(tmp_path, "題目", "(Ｏ)1.地球是圓的", "(X) 2.太陽繞地球", "（×）3. 月亮自己發光")
    assert [(q.stem, q.answer, q.kind) for q in bank] == [
        ("地球是圓的", (0,), "true_false"),
        ("太陽繞地球", (1,), "true_false"),
        ("月亮自己發光", (1,), "true_false"),
    ]


def test_a_key_that_fills_a_blank_leaves_it_empty(tmp_path: Path) -> None:
    rows = [
        "最長的河是（ B ）。,甲河,乙河,丙河",
        "最高的山是（Ａ）。,甲,乙,丙",
        "最大的是__C__,甲,乙,丙",
    ]
    assert shown(read(tmp_path, HEAD, *rows)) == [
        ("最長的河是（　）。", "B"),
        ("最高的山是（　）。", "A"),
        ("最大的是（　）", "C"),
    ]
    in_stem = read(
        tmp_path, "題目", "何者最長（ 3 ）？(1)甲(2)乙(3)丙", "何者最短（ 1 ）？(1)甲(2)乙(3)丙"
    )
    assert shown(in_stem) == [("何者最長（　）？", "3"), ("何者最短（　）？", "1")]
    assert in_stem[0].options == ("甲", "乙", "丙")


def test_true_and_false_may_fill_blanks(tmp_path: Path) -> None:
    bank = read(tmp_path, "題目", "地球是圓的（√）", "太陽繞地球。（ × ）", "月亮是方的（錯）")
    assert [(q.stem, q.answer) for q in bank] == [
        ("地球是圓的（　）", (0,)),
        ("太陽繞地球。（　）", (1,)),
        ("月亮是方的（　）", (1,)),
    ]


def test_one_bracket_among_many_stems_is_no_key(tmp_path: Path) -> None:
    rows = ["(A) 與 (B) 的關係？,甲,乙,丙", "維生素（A）？,甲,乙,丙", *("何者？,子,丑,寅",) * 8]
    bank = read(tmp_path, HEAD, *rows)
    assert [q.stem for q in bank[:2]] == ["(A) 與 (B) 的關係？", "維生素（A）？"]
    assert {q.answer for q in bank} == {None}
    assert {code for _, code in codes(bank)} == {"duplicate"}


@pytest.mark.parametrize("key", ["", "D"])
def test_numbers_of_questions_are_no_keys(tmp_path: Path, key: str) -> None:
    rows = [f"({n}) 第{n}題？,甲,乙,丙,丁,{key}" for n in (1, 2, 3, 4)]
    bank = read(tmp_path, f"{HEAD},D,答案", *rows)
    assert [q.stem for q in bank] == ["(1) 第1題？", "(2) 第2題？", "(3) 第3題？", "(4) 第4題？"]
    assert {q.answer_label for q in bank} == {key}


def test_brackets_in_half_of_the_stems_are_reported(tmp_path: Path) -> None:
    rows = ["(A) 一？,甲,乙,丙", "二？,甲,乙,丙", "(B) 三？,甲,乙,丙", "四？,甲,乙,丙"]
    bank = read(tmp_path, HEAD, *rows)
    assert [q.stem for q in bank] == ["二？", "四？"]
    assert codes(bank) == [(2, "unclear_key"), (4, "unclear_key")]
    assert "'(A)'" in bank.problems[0].message


def test_brackets_that_agree_with_the_keys_go_and_others_are_errors(tmp_path: Path) -> None:
    rows = [
        "( B ) 一？,甲,乙,丙,2",
        "( A ) 二？,甲,乙,丙,1",
        "( C ) 三？,甲,乙,丙,1",
        "( C ) 四？,甲,乙,丙,3",
    ]
    bank = read(tmp_path, f"{HEAD},答案", *rows)
    assert shown(bank) == [("一？", "2"), ("二？", "1"), ("四？", "3")]
    assert codes(bank) == [(4, "two_keys_in_row")]
    texts = ["( B ) 一？,甲河,乙河,丙河,乙河", "( A ) 二？,甲山,乙山,丙山,甲山"]
    assert shown(read(tmp_path, f"{HEAD},答案", *texts)) == [("一？", "B"), ("二？", "A")]


def test_brackets_that_do_not_follow_the_keys_are_text(tmp_path: Path) -> None:
    rows = [f"（A）第{n}段的主旨？,甲,乙,丙,{key}" for n, key in enumerate("BCBCB")]
    bank = read(tmp_path, f"{HEAD},答案", *rows)
    assert [q.stem for q in bank] == [f"（A）第{n}段的主旨？" for n in range(5)]


def test_a_stem_without_the_mark_of_the_others_has_no_key(tmp_path: Path) -> None:
    rows = [f"({key}) 第{n}題？,甲,乙,丙" for n, key in enumerate("BACB")]
    bank = read(tmp_path, HEAD, *rows, "( ) 沒有答案？,甲,乙,丙")
    assert [q.answer_label for q in bank] == ["B", "A", "C", "B", ""]
    assert codes(bank) == [(6, "no_key")]


def test_choices_and_statements_of_one_file_are_looked_at_apart(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        HEAD,
        "(Ｏ)1.地球是圓的,,,",
        "(X)2.月亮發光,,,",
        "何者？,甲,乙,丙",
        "誰？,甲,乙,丙",
    )
    assert shown(bank) == [("地球是圓的", "O"), ("月亮發光", "X"), ("何者？", ""), ("誰？", "")]


def test_a_key_after_the_options_is_no_part_of_the_last_one(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "題目",
        "最長的河？A.甲河 B.乙河 答案：B",
        "最高的山？A.甲 B.乙（答案：A）",
        '"何者最大？\nA.甲\nB.乙\n【答案】B\n【解析】因為乙大。"',
        "下列何者？①甲②乙③丙 答案：③",
    )
    assert [(q.stem, q.options, q.answer) for q in bank] == [
        ("最長的河？", ("甲河", "乙河"), (1,)),
        ("最高的山？", ("甲", "乙"), (0,)),
        ("何者最大？", ("甲", "乙"), (1,)),
        ("下列何者？", ("甲", "乙", "丙"), (2,)),
    ]
    assert bank[2].explanation == "因為乙大。"


def test_a_key_after_a_stem_must_agree_with_the_rows_key(tmp_path: Path) -> None:
    rows = ["一？答案：B,甲,乙,丙,B", "二？ 答案：A,甲,乙,丙,B", "何者是答案：,甲,乙,丙,C"]
    bank = read(tmp_path, f"{HEAD},答案", *rows)
    assert shown(bank) == [("一？", "B"), ("何者是答案：", "C")]
    assert codes(bank) == [(3, "two_keys_in_row")]


@pytest.mark.parametrize(
    "stem", ["何者？", "(109年) 何者？", "(複選) 何者？", "甲（1）乙（2）何者？", "", "(", "(A"]
)
def test_other_brackets_are_no_keys(stem: str) -> None:
    assert find_stem_key(stem) is None


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text("(（)）[]AＡ1３①OＸ甲、 \u3000.。_12答案：是B\n解析", max_size=60))
def test_nothing_but_the_mark_is_taken_out_of_any_stem(stem: str) -> None:
    found = find_stem_key(stem)
    if found is not None:
        assert found.text in found.mark
        assert found.marked(found.stem) == stem or found.form == "blank"
    text, key, explanation = cut_trailing_key(stem)
    assert stem.startswith(text)
    assert key in stem
    assert explanation in stem


def test_a_hostile_stem_takes_no_time() -> None:
    for text in ("(" * 100_000, "（ " * 50_000, "_" * 100_000, "答案：" * 50_000, "(A" * 50_000):
        assert find_stem_key(text + "A") is None
        assert cut_trailing_key(text)[1] == ""


def test_a_few_brackets_that_repeat_the_keys_of_their_rows_go(tmp_path: Path) -> None:
    rows = ["首都是（ A ）,甲,乙,丙,A", *(f"第{n}題？,甲,乙,丙,B" for n in range(8))]
    assert shown(read(tmp_path, f"{HEAD},答案", *rows))[0] == ("首都是（　）", "A")
    rows[1] = "文中（ C ）處應填入？,甲,乙,丙,B"
    assert [stem for stem, _ in shown(read(tmp_path, f"{HEAD},答案", *rows))[:2]] == [
        "首都是（ A ）",
        "文中（ C ）處應填入？",
    ]


def test_a_statement_and_its_row_may_both_hold_the_key(tmp_path: Path) -> None:
    bank = read(tmp_path, "題目,答案", "（O）地球是圓的。,O", "（X）月亮發光。,X", "(X) 三,對")
    assert shown(bank) == [("地球是圓的。", "O"), ("月亮發光。", "X")]
    assert codes(bank) == [(4, "two_keys_in_row")]


def test_a_series_of_figures_is_reported_where_it_may_be_keys(tmp_path: Path) -> None:
    rows = [f"圖({letter})中何者最高？,甲{letter},乙,丙" for letter in "ABC"]
    assert codes(read(tmp_path, HEAD, *rows)) == [(n, "unclear_key") for n in (2, 3, 4)]
    keyed = [f"{row},{key}" for row, key in zip(rows, "BBB", strict=True)]
    bank = read(tmp_path, f"{HEAD},答案", *keyed)
    assert shown(bank) == [(f"圖({letter})中何者最高？", "B") for letter in "ABC"]


@pytest.mark.parametrize(
    "stem", ["答案：B 何者？", "【答案】(B) 何者？", "1. 正確答案：（Ｂ）、何者？"]
)
def test_a_key_after_its_word_is_read_wherever_it_stands(tmp_path: Path, stem: str) -> None:
    assert shown(read(tmp_path, HEAD, f"{stem},甲,乙,丙")) == [("何者？", "B")]


def test_a_key_after_the_last_option_is_no_part_of_it(tmp_path: Path) -> None:
    rows = ["何者？,甲,乙,丙 答案：B", "誰？,甲,乙,丙（答案：A）", "何者是？,甲,乙,沒有答案"]
    bank = read(tmp_path, HEAD, *rows)
    assert [(q.options[-1], q.answer_label) for q in bank] == [
        ("丙", "B"),
        ("丙", "A"),
        ("沒有答案", ""),
    ]


STYLES = {
    "{n}. ({key}) {name}的答案？": "{name}的答案？",
    "({n}) ({key}) {name}的答案？": "{name}的答案？",
    "第{n}題（{key}）{name}的答案？": "{name}的答案？",
    "{n}) [{key}] {name}的答案？": "{name}的答案？",
    "（{key}）{n}. {name}的答案？": "{name}的答案？",
    "{name}的答案是（ {key} ）。": "{name}的答案是（　）。",
    "{name}的答案？ 答案：{key}": "{name}的答案？",
}


@pytest.mark.parametrize("style", STYLES)
@settings(
    derandomize=True,
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    keys=st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=1, max_size=7),
    labels=st.sampled_from(["ABCD", "1234", "ＡＢＣＤ"]),
)
def test_keys_in_stems_read_back(
    tmp_path: Path, style: str, keys: list[set[int]], labels: str
) -> None:
    rows, stems = [], []
    for n, (key, name) in enumerate(zip(keys, "子丑寅卯辰巳午", strict=False), 1):
        written = "".join(labels[index] for index in sorted(key))
        rows.append(style.format(n=n, key=written, name=name) + ",東,南,西,北")
        stems.append(STYLES[style].format(name=name))
    bank = read(tmp_path, "題目,A,B,C,D", *rows)
    assert [(q.stem, q.answer) for q in bank] == [
        (stem, tuple(sorted(key))) for stem, key in zip(stems, keys, strict=True)
    ]


def test_a_label_that_begins_a_list_in_the_stem_is_no_key() -> None:
    assert find_stem_key("(A)甲 (B)乙 (C)丙，何者為是？") is None
    assert find_stem_key("(1) 先加水 (2) 再加熱，何者先做？") is None
    key = find_stem_key("(B) 甲與(C)乙何者為是？")
    assert key is not None
    assert (key.text, key.stem) == ("B", "甲與(C)乙何者為是？")
