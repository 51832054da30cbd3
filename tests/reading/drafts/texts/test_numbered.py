from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.errors import ReadError
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank, stream_bank


def read(folder: Path, text: str, name: str = "paper.txt") -> QuestionBank:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_bank(path)


def shown(bank: QuestionBank) -> list[tuple[str, tuple[str, ...], str]]:
    return [(q.stem, q.options, q.answer_label) for q in bank]


def codes(bank: QuestionBank) -> list[tuple[int, str]]:
    return [(p.row, p.code) for p in bank.problems]


PAPER = """\
112學年度 期中考
班級：____ 姓名：____

一、是非題：每題2分
( O ) 1. 太陽從東邊升起。
( X ) 2. 月亮會自己發光。

二、單選題（每題4分）
( B ) 3. 下列何者是臺灣最高的山？
(A)雪山 (B)玉山 (C)合歡山 (D)大霸尖山
(Ｃ) 4. 下列敘述何者正確？
①水是乾的 ②火是熱的
③冰是冷的
(A)①② (B)①③ (C)②③ (D)①②③
第1頁，共2頁
閱讀下文，回答5-6題：
從前有一座山，
山裡有一座廟。
( A ) 5. 文中的山裡有什麼？
(A) 廟
(B) 塔
解析：文中說有廟。
出處：自編
難易度：易
( D ) 6. 本文寫什麼？ (A)甲 (B)乙 (C)丙 (D)(A)與(B)皆是
三、多選題
( AC ) 7. 何者是水果？
(A)蘋果 (B)石頭 (C)香蕉
"""


def test_a_paper_is_read_with_its_sections_keys_and_passages(tmp_path: Path) -> None:
    bank = read(tmp_path, PAPER)
    assert shown(bank) == [
        ("太陽從東邊升起。", ("正確", "錯誤"), "O"),
        ("月亮會自己發光。", ("正確", "錯誤"), "X"),
        ("下列何者是臺灣最高的山？", ("雪山", "玉山", "合歡山", "大霸尖山"), "B"),
        (
            "下列敘述何者正確？\n①水是乾的 ②火是熱的\n③冰是冷的",
            ("①②", "①③", "②③", "①②③"),
            "C",
        ),
        ("文中的山裡有什麼？", ("廟", "塔"), "A"),
        ("本文寫什麼？", ("甲", "乙", "丙", "(A)與(B)皆是"), "D"),
        ("何者是水果？", ("蘋果", "石頭", "香蕉"), "AC"),
    ]
    kinds = ["true_false", "true_false", "single", "single", "single", "single", "multiple"]
    assert [q.kind for q in bank] == kinds
    passage = "從前有一座山，\n山裡有一座廟。"
    assert [q.passage for q in bank] == ["", "", "", "", passage, passage, ""]
    assert [q.group for q in bank] == ["", "", "", "", "5-6", "5-6", ""]
    assert (bank[4].explanation, bank[4].source) == ("文中說有廟。", "自編")
    assert [q.origin and q.origin.row for q in bank] == [5, 6, 9, 11, 19, 25, 27]


def test_every_line_that_is_no_part_of_a_question_is_said_to_be_skipped(tmp_path: Path) -> None:
    bank = read(tmp_path, PAPER)
    assert codes(bank) == [(row, "skipped_row") for row in (1, 8, 15, 24, 26)]
    assert "lines 1 to 4" in bank.problems[0].message
    assert "'第1頁，共2頁'" in bank.problems[2].message


@pytest.mark.parametrize(
    "number", ["{}.", "{}、", "({})", "（{}）", "第{}題", "Q{}.", "題目{}：", "{})", "【{}】"]
)
@pytest.mark.parametrize(
    "options",
    [
        "(A)甲 (B)乙",
        "A. 甲\nB. 乙",
        "Ａ．甲\tＢ．乙",
        "（Ａ）甲（Ｂ）乙",
        "a) 甲\nb) 乙",
        "A 甲\nB 乙",
    ],
)
def test_numbers_and_labels_may_be_written_in_many_ways(
    tmp_path: Path, number: str, options: str
) -> None:
    text = "".join(f"{number.format(n)} 哪個{n}？\n{options}\n答案：B\n" for n in (1, 2, 3))
    bank = read(tmp_path, text)
    assert shown(bank) == [(f"哪個{n}？", ("甲", "乙"), "B") for n in (1, 2, 3)]
    assert bank.problems == []


@pytest.mark.parametrize(
    ("options", "key", "label"),
    [
        ("(1)甲 (2)乙 (3)丙", "2", "2"),
        ("①甲 ②乙 ③丙", "②", "2"),
        ("甲、紅\n乙、黃\n丙、藍", "乙", "乙"),
        ("(甲)紅 (乙)黃 (丙)藍", "(乙)", "乙"),
    ],
)
def test_options_may_bear_other_labels_than_letters(
    tmp_path: Path, options: str, key: str, label: str
) -> None:
    bank = read(
        tmp_path, f"1. 哪個？\n{options}\n答案：{key}\n2. 又哪個？\n{options}\n答案：{key}\n"
    )
    assert [q.answer_label for q in bank] == [label, label]
    assert [len(q.options) for q in bank] == [3, 3]


@pytest.mark.parametrize(
    "key",
    ["答案：B", "正確答案：(B)", "Ans: B", "解答：B", "【答案】B", "【答案】Ｂ【解析】因為",
     "答：B", "ANSWER: b", "答案：(B)。因為"],
)  # fmt: skip
def test_a_key_may_be_written_in_many_ways(tmp_path: Path, key: str) -> None:
    bank = read(tmp_path, f"1. 哪個？\n(A)甲 (B)乙\n{key}\n2. 又哪個？\n(A)丙 (B)丁\n{key}\n")
    assert [q.answer_label for q in bank] == ["B", "B"]
    assert [q.explanation for q in bank] == ["因為" if "因為" in key else ""] * 2


@pytest.mark.parametrize(
    "question",
    [
        "{n}. 哪個？（答案：B）\n(A)甲 (B)乙",
        "{n}. 哪個？\n(A)甲 (B)乙 答案：B",
        "{n}. (B) 哪個？\n(A)甲 (B)乙",
        "( B ) {n}. 哪個？\n(A)甲 (B)乙",
        "B\t{n}.\t哪個？\n(A)甲 (B)乙",
        "{n}. 哪個？\nA. 甲\n*B. 乙",
    ],
)
def test_a_key_beside_the_text_is_taken_out_of_it(tmp_path: Path, question: str) -> None:
    bank = read(tmp_path, "\n".join(question.format(n=n) for n in (1, 2)))
    assert shown(bank) == [("哪個？", ("甲", "乙"), "B")] * 2


def test_keys_in_the_brackets_of_stems_are_read_where_all_have_them(tmp_path: Path) -> None:
    bank = read(tmp_path, "1、首都是（ B ）。\nA、上海　B、北京\n2、水是（A）\nA. 濕的 B. 乾的\n")
    assert shown(bank) == [
        ("首都是（　）。", ("上海", "北京"), "B"),
        ("水是（　）", ("濕的", "乾的"), "A"),
    ]


def test_signs_at_the_ends_of_statements_are_their_keys(tmp_path: Path) -> None:
    bank = read(tmp_path, "一、判断题\n1. 地球是圆的。（√）\n2. 太阳是方的。（ × ）\n")
    assert [(q.stem, q.answer) for q in bank] == [("地球是圆的。", (0,)), ("太阳是方的。", (1,))]


@pytest.mark.parametrize(
    "keys",
    ["答案：1.B 2.A 3.B", "參考答案\n1-3 BAB", "解答\n1. B\n2. A\n3. B", "題號 1 2 3\n答案 B A B",
     "1.B 2.A 3.B", "答案\n1~2：BA；3~3：B", "解答\n1. (B) 因為\n2. (A)\n3. (B)",
     "解答：1（B）2（A）3（B）", "題號\t答案\n1\tB\n2\tA\n3\tB"],
)  # fmt: skip
def test_keys_that_stand_together_are_given_to_their_questions(tmp_path: Path, keys: str) -> None:
    text = "".join(f"{n}. 哪個{n}？\n(A)甲 (B)乙\n" for n in (1, 2, 3))
    bank = read(tmp_path, text + "\n" + keys)
    assert [q.answer_label for q in bank] == ["B", "A", "B"]
    assert bank.problems == []


def test_a_list_of_keys_for_sections_that_count_anew_is_matched_run_by_run(tmp_path: Path) -> None:
    sections = (
        "一、單選題\n1. 甲？\n(A)x (B)y\n2. 乙？\n(A)x (B)y\n二、多選題\n1. 丙？\n(A)x (B)y\n"
    )
    bank = read(tmp_path, sections + "答案\n一、單選題\n1.A 2.B\n二、多選題\n1.AB\n")
    assert [q.answer_label for q in bank] == ["A", "B", "AB"]


@pytest.mark.parametrize(
    "keys", ["答案：1.A 2.B", "答案：1.A 2.B 3.A 4.B", "答案：1.A 2.B 2.A 3.A"]
)
def test_a_list_of_keys_that_does_not_fit_is_an_error_and_not_used(
    tmp_path: Path, keys: str
) -> None:
    text = "".join(f"{n}. 哪個{n}？\n(A)甲 (B)乙\n" for n in (1, 2, 3))
    bank = read(tmp_path, text + keys)
    assert [q.answer for q in bank] == [None, None, None]
    assert (7, "key_list") in [(p.row, p.code) for p in bank.problems if p.severity == "error"]


def test_letters_that_may_be_the_keys_of_all_questions_are_an_error(tmp_path: Path) -> None:
    bank = read(tmp_path, "1. 甲？\n(A)x (B)y\n2. 乙？\n(A)x (B)y\n答案：BA\n")
    assert [q.answer for q in bank] == [None, None]
    errors = [(p.row, p.code) for p in bank.problems if p.severity == "error"]
    assert errors == [(5, "key_list")]


def test_answers_of_other_questions_in_a_list_do_not_spoil_it(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "一、選擇題\n1. 甲？\n(A)x (B)y\n2. 乙？\n(A)x (B)y\n二、填充題\n3. 首都是____。\n"
        "解答：\n（一）1．B　2．A　3．臺北\n",
    )
    assert [q.answer_label for q in bank] == ["B", "A"]
    assert [(p.row, p.code) for p in bank.problems if p.severity == "error"] == [(7, "fill_in")]


def test_digits_in_brackets_before_numbered_options_are_keys(tmp_path: Path) -> None:
    bank = read(tmp_path, "1. (2) 何者？①甲②乙③丙④丁。\n2. (34) 哪些？①甲②乙③丙④丁。\n")
    assert [(q.stem, q.options, q.answer_label) for q in bank] == [
        ("何者？", ("甲", "乙", "丙", "丁"), "2"),
        ("哪些？", ("甲", "乙", "丙", "丁"), "34"),
    ]


def test_a_key_may_stand_below_the_word_for_it(tmp_path: Path) -> None:
    bank = read(tmp_path, "1. 甲？\n(A)x\n(B)y\n答案：\nB\n解析：\n因為\n2. 乙？\n(A)x\n(B)y\n")
    assert [(q.answer_label, q.explanation) for q in bank] == [("B", "因為"), ("", "")]


def test_a_stem_that_holds_the_next_question_is_an_error(tmp_path: Path) -> None:
    bank = read(tmp_path, "1. 甲？ 2. 乙？\n(A) x (B) y\n(C) v (D) w\n答案：A\n")
    assert codes(bank) == [(1, "sub_questions")]


def test_numbers_in_stems_and_options_begin_no_question(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "( A ) 31. 甲？\n(A)3.5 (B)4.6\n( B ) 32. 營收\n33.6億元，何者？\n(A) 33、34\n(B) 35、36\n"
        "( A ) 33. 丙？\n(A) 8.6\n(B) -26.8\n",
    )
    assert shown(bank) == [
        ("甲？", ("3.5", "4.6"), "A"),
        ("營收\n33.6億元，何者？", ("33、34", "35、36"), "B"),
        ("丙？", ("8.6", "-26.8"), "A"),
    ]


@pytest.mark.parametrize(
    ("first", "stem"), [("1. 誰？", "（　）是首都。"), ("1. ( A ) 誰？", "是首都。")]
)
def test_empty_brackets_before_a_stem_go_only_where_others_hold_keys(
    tmp_path: Path, first: str, stem: str
) -> None:
    bank = read(tmp_path, f"{first}\n(A)x (B)y\n2. （　）是首都。\n(A)x (B)y\n")
    assert [q.stem for q in bank] == ["誰？", stem]


def test_signs_of_functions_are_no_labels(tmp_path: Path) -> None:
    bank = read(tmp_path, "1. 若 f(x)=x，求 f(a)？\n(A) f(a)-f(b) (B) f(b)-f(a)\n答案：A\n")
    assert shown(bank) == [("若 f(x)=x，求 f(a)？", ("f(a)-f(b)", "f(b)-f(a)"), "A")]


def test_two_keys_that_differ_are_an_error(tmp_path: Path) -> None:
    bank = read(tmp_path, "( A ) 1. 甲？\n(A)x (B)y\n答案：B\n( A ) 2. 乙？\n(A)x (B)y\n")
    assert codes(bank) == [(1, "contradicting_keys")]


@pytest.mark.parametrize(
    "question",
    [
        "1. 甲？ (A)x (B)y (C)z (A)v (B)w",
        "1. 甲？ (A)x (B)y (D)z",
        "1. 甲？\n(A)x\n(B)y\n二題沒有號碼\n(A)v\n(B)w",
        "1. 甲？(A)x(B)y 2. 乙？(A)v(B)w",
        "1. 甲？\nA. x\nB. y\n(A)v (B)w (C)u",
        "1. 下列敘述\n①甲在 ②乙在 ③丙在",
        "1\t甲？\t(A)x\t(B)y\tB",
    ],
)
def test_labels_that_leave_two_readings_are_an_error(tmp_path: Path, question: str) -> None:
    bank = read(tmp_path, f"{question}\n答案：B\n")
    assert len(bank) == 0
    assert codes(bank) == [(1, "damaged_options")]


def test_labels_that_name_options_are_no_options(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "1. 圖中(A)、(B)兩點何者高？\n(A)甲 (B)乙 (C)只有(A) (D)(A)和(B)\n答案：D\n"
        "2. 敘述：\nA. 甲說\nB. 乙說\n何者正確？\n(A)只有A (B)只有B (C)A、B皆是\n答案：C\n",
    )
    assert shown(bank) == [
        ("圖中(A)、(B)兩點何者高？", ("甲", "乙", "只有(A)", "(A)和(B)"), "D"),
        ("敘述：\nA. 甲說\nB. 乙說\n何者正確？", ("只有A", "只有B", "A、B皆是"), "C"),
    ]


def test_a_list_inside_a_stem_or_an_explanation_begins_no_question(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "1. 順序？\n1. 起床\n2. 吃飯\n3. 上學\n(A)123 (B)321\n答案：A\n"
        "解析：\n1. 先起床\n2. 再吃飯\n"
        "2. 下一題？\n(A)甲 (B)乙\n答案：B\n",
    )
    assert shown(bank) == [
        ("順序？\n1. 起床\n2. 吃飯\n3. 上學", ("123", "321"), "A"),
        ("下一題？", ("甲", "乙"), "B"),
    ]
    assert bank[0].explanation == "1. 先起床\n2. 再吃飯"


def test_a_number_that_vanishes_in_a_list_is_an_error(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "1. 說明：\n1. 甲\n2. 寫出兩種水果。\n3. 哪個？\n(A)甲 (B)乙\n答案：A\n"
        "4. 又哪個？\n(A)丙 (B)丁\n答案：B\n",
    )
    assert [q.stem for q in bank] == ["又哪個？"]
    assert [(p.row, p.code) for p in bank.problems] == [(1, "sub_questions")]


def test_the_last_option_goes_on_where_its_line_was_broken_and_nowhere_else(tmp_path: Path) -> None:
    wide = "這個選項很長" * 6
    bank = read(
        tmp_path,
        f"1. 甲？\n(A)短\n(B){wide}\n到這裡\n答案：A\n"
        "2. 乙？\n(A)短\n(B)也短\n這行不是選項\n答案：A\n",
    )
    assert [q.options[1] for q in bank] == [f"{wide}\n到這裡", "也短"]
    assert codes(bank) == [(9, "skipped_row")]


def test_questions_that_are_no_choice_are_errors_of_their_rows(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "一、選擇題\n1. 哪個？\n(A)甲 (B)乙\n答案：A\n"
        "二、填充題\n1. 最高的山是____。\n三、問答題\n1. 請說明。\n",
    )
    errors = [(p.row, p.code) for p in bank.problems if p.severity == "error"]
    assert errors == [(6, "fill_in"), (8, "essay")]


def test_a_blank_of_a_passage_is_asked_for_by_its_number(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "請閱讀下文，回答第21-22題\nI ( 21 ) a cat. You ( 22 ) a dog.\n"
        "21. (A) am (B) are\n22. (A) am (B) are\n答案：21.A 22.B\n",
    )
    assert shown(bank) == [("21", ("am", "are"), "A"), ("22", ("am", "are"), "B")]
    assert bank[0].passage == "I ( 21 ) a cat. You ( 22 ) a dog."


def test_a_heading_without_numbers_gives_its_passage_to_what_follows(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "【題組】\n山裡有廟。\n1. 甲？\n(A)x (B)y\n2. 乙？\n(A)x (B)y\n"
        "【題組】\n海裡有魚。\n3. 丙？\n(A)x (B)y\n一、單選題\n4. 丁？\n(A)x (B)y\n",
    )
    assert [q.passage for q in bank] == ["山裡有廟。", "山裡有廟。", "海裡有魚。", ""]


def test_a_passage_whose_questions_are_missing_is_said_to_be_skipped(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "1. 甲？\n(A)x (B)y\n答案：A\n第7至8題為題組\n海裡有魚。\n9. 乙？\n(A)x (B)y\n答案：B\n",
    )
    assert [q.passage for q in bank] == ["", ""]
    assert codes(bank) == [(4, "skipped_row")]


def test_markdown_is_read_as_its_reader_sees_it(tmp_path: Path) -> None:
    text = (
        "# 題庫\n\n## 1. 哪個？\n- A. 甲\n- **B. 乙**\n\n**答案：B**\n\n"
        "2. 又哪個？\n\n- (A) 丙\n- (B) 丁\n\n> 答案：A\n"
    )
    bank = read(tmp_path, text, "bank.md")
    assert shown(bank) == [("哪個？", ("甲", "乙"), "B"), ("又哪個？", ("丙", "丁"), "A")]
    assert codes(bank) == [(1, "skipped_row")]


def test_bold_options_are_keys_where_nothing_else_is_and_the_reader_is_told(tmp_path: Path) -> None:
    text = "".join(f"{n}. 哪個{n}？\n- A. 甲\n- **B. 乙**\n" for n in (1, 2))
    bank = read(tmp_path, text, "bank.md")
    assert [q.answer_label for q in bank] == ["B", "B"]
    assert codes(bank) == [(1, "key_by_format")]
    assert "bold" in bank.problems[0].message


def test_options_that_are_bold_in_few_questions_are_no_keys(tmp_path: Path) -> None:
    text = "1. 哪個？\n- A. 甲\n- **B. 乙**\n" + "".join(
        f"{n}. 哪個{n}？\n- A. 甲\n- B. 乙\n" for n in (2, 3)
    )
    assert [q.answer for q in read(tmp_path, text, "bank.md")] == [None, None, None]


TEXTS = st.text("山水火土木金日月星", min_size=1, max_size=12)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    questions=st.lists(
        st.tuples(TEXTS, st.lists(TEXTS, min_size=2, max_size=6), st.integers(0, 5)),
        min_size=1,
        max_size=6,
    ),
    number=st.sampled_from(["{}. ", "({}) ", "第{}題 ", "{}、"]),
    label=st.sampled_from(["({}) ", "{}. ", "（{}）"]),
    inline=st.booleans(),
    listed=st.booleans(),
)
def test_a_paper_that_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    questions: list[tuple[str, list[str], int]],
    number: str,
    label: str,
    inline: bool,
    listed: bool,
) -> None:
    text, expected, keys = "", [], []
    for position, (stem, options, chosen) in enumerate(questions, 1):
        key = chosen % len(options)
        labelled = [f"{label.format('ABCDEF'[i])}{o}" for i, o in enumerate(options)]
        text += number.format(position) + stem + "\n" + ("  " if inline else "\n").join(labelled)
        text += "\n" if listed else f"\n答案：{'ABCDEF'[key]}\n"
        keys.append(f"{position}.{'ABCDEF'[key]}")
        expected.append((position, stem, tuple(options), (key,)))
    text += "參考答案\n" + " ".join(keys) if listed else ""
    path = tmp_path_factory.mktemp("paper") / "paper.txt"
    path.write_text(text, encoding="utf-8")
    found = [item for item in stream_bank(path) if isinstance(item, Question)]
    different = [e for e in expected if len(set(e[2])) == len(e[2])]
    assert [
        (q.source_id, q.stem, q.options, q.answer)
        for q in found
        if len(set(q.options)) == len(q.options)
    ] == different


HEAD = "某某高中 第一次段考 國文科試題"


def test_the_running_head_of_a_page_is_skipped_wherever_the_page_break_is(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        f"{HEAD}\n1. 何者正確？\n(A)甲\n(B)乙\n{HEAD}\n(C)丙\n答案：A\n2. 何者為非，\n{HEAD}\n"
        f"請選出？\n(A)甲\n(B)乙\n(C)丙\n{HEAD}\n答案：B\n",
    )
    assert shown(bank) == [
        ("何者正確？", ("甲", "乙", "丙"), "A"),
        ("何者為非，\n請選出？", ("甲", "乙", "丙"), "B"),
    ]
    assert codes(bank) == [(n, "skipped_row") for n in (1, 5, 9, 14)]


def test_a_sentence_that_many_stems_share_is_no_running_head(tmp_path: Path) -> None:
    text = "".join(
        f"{n}. 關於{n}，\n請選出敘述正確的選項\n(A)x (B)y\n答案：A\n" for n in range(1, 5)
    )
    assert [q.stem for q in read(tmp_path, text)] == [
        f"關於{n}，\n請選出敘述正確的選項" for n in range(1, 5)
    ]


def test_labels_in_lines_of_their_own_stand_before_their_texts(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "【第 1 題】\n1.單選題 (1分)\n核心是（）。\nA\n合作\nB\n對抗\n正確答案： B\n"
        "【第 2 題】\n2.多選題 (2分)\n哪些是？\nA\n甲\nB\n乙\nC\n丙\n正確答案： A,C (少選不得分)\n",
    )
    assert shown(bank) == [
        ("核心是（）。", ("合作", "對抗"), "B"),
        ("哪些是？", ("甲", "乙", "丙"), "AC"),
    ]
    assert [q.kind for q in bank] == ["single", "multiple"]


@pytest.mark.parametrize(
    ("front", "kind"),
    [
        ("【單選題】", "single"),
        ("(多选题, 1.0 分) (1分) ", "multiple"),
        ("[複選題]（2分）", "multiple"),
        ("(2分)", "single"),
    ],
)
def test_kind_and_points_before_a_stem_are_no_part_of_it(
    tmp_path: Path, front: str, kind: str
) -> None:
    bank = read(tmp_path, f"1. {front}何者？\nA. 甲\nB. 乙\n答案：A\n")
    assert [(q.stem, q.kind) for q in bank] == [("何者？", kind)]


def test_a_kind_before_a_stem_begins_no_section(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "1.（判断题）地球是圆的。\n答案：对\n2.【单选题】何者？\nA. 甲\nB. 乙\n答案：B\n",
    )
    assert [(q.stem, q.kind, q.answer_label) for q in bank] == [
        ("地球是圆的。", "true_false", "对"),
        ("何者？", "single", "B"),
    ]


def test_keys_after_the_last_options_are_read_where_nearly_all_have_one(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "1 何者為非？(A)甲(B)乙(C)丙 A\n2 何者為是？(A)甲(B)乙(C)丙\nC\n"
        "3 何者？(A)甲(B)乙(C)丁\u3000B\n",
    )
    assert [(q.options[-1], q.answer_label) for q in bank] == [
        ("丙", "A"),
        ("丙", "C"),
        ("丁", "B"),
    ]


def test_a_letter_at_the_end_of_one_option_is_no_key(tmp_path: Path) -> None:
    bank = read(tmp_path, "1. 何者？\n(A)鈣\n(B)維生素 A\n2. 何者？\n(A)鐵\n(B)鈉\n")
    assert [(q.options[-1], q.answer) for q in bank] == [("維生素 A", None), ("鈉", None)]
    bank = read(tmp_path, "1. 何者？\n(A)血型 B\n(B)血型 A\n2. 何者？\n(A)血型 A\n(B)血型 B\n")
    assert [(q.options[-1], q.answer) for q in bank] == [("血型 A", None), ("血型 B", None)]


def test_ticked_boxes_of_markdown_are_keys_by_format(tmp_path: Path) -> None:
    text = "## 1. 何者？\n- [ ] A. 甲\n- [x] B. 乙\n## 2. 何者呢？\n- [x] A. 丙\n- [ ] B. 丁\n"
    bank = read(tmp_path, text, "paper.md")
    assert shown(bank) == [("何者？", ("甲", "乙"), "B"), ("何者呢？", ("丙", "丁"), "A")]
    assert codes(bank) == [(1, "key_by_format")]


def test_statements_with_a_word_for_the_stem_need_no_numbers(tmp_path: Path) -> None:
    bank = read(tmp_path, "题目：水是湿的。  答案：正确\n题目：火是冷的。  答案：错误\n")
    assert [(q.stem, q.answer) for q in bank] == [("水是湿的。", (0,)), ("火是冷的。", (1,))]
    assert [q.source_id for q in bank] == [None, None]


def test_the_two_options_of_a_statement_are_no_part_of_its_stem(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "1. 水是湿的。( )\n  true. 正确\n  false. 错误\n参考答案：✔\n"
        "3. 火是冷的。\n  true. 正确\n  false. 错误\n参考答案：❌\n",
    )
    assert [(q.stem, q.kind, q.answer) for q in bank] == [
        ("水是湿的。( )", "true_false", (0,)),
        ("火是冷的。", "true_false", (1,)),
    ]


def test_headings_of_markdown_divide_a_paper_with_tables_of_keys(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "# 模擬考\n> 1. 請依題號作答。\n> 2. 不可看書。\n\n## 國語科\n### (一) 字形\n"
        "1. 何者為鳥？\n   (A) 鴨\n   (B) 魚\n### (二) 閱讀\n"
        "2. \\_\\_ 何者為魚？\n   (A) 鴨\n   (B) 魚\n"
        "## 數學科\n1. 何者為偶數？\n   (A) 1\n   (B) 2\n---\n"
        "## 參考答案 (Answers)\n### 國語科答案\n"
        "| 題號 | 答案 | 考點 |\n|:---:|:---:|:---|\n| 1 | A | 鳥類 (A 級) |\n| 2 | B | 魚類 |\n"
        "### 數學科答案\n| 題號 | 答案 | 考點 |\n|:---:|:---:|:---|\n| 1 | B | 偶數 |\n",
        "paper.md",
    )
    assert shown(bank) == [
        ("何者為鳥？", ("鴨", "魚"), "A"),
        ("__ 何者為魚？", ("鴨", "魚"), "B"),
        ("何者為偶數？", ("1", "2"), "B"),
    ]
    assert {p.code for p in bank.problems} == {"skipped_row"}


def test_keys_of_a_section_may_stand_in_the_line_with_its_kind(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "一、是非題\n( )1. 水是濕的。\n二、選擇題\n( )1. 何者？(A)甲 (B)乙\n"
        "解答\n是非題：1.×\n選擇題：1.B\n",
    )
    assert [q.answer for q in bank] == [(1,), (1,)]


@pytest.mark.parametrize(
    "text",
    [
        "第1條\n下列：\n1. 公司法\n (A) 股東會\n (B) 董事會\n2. 證券法\n (A) 上市\n (B) 上櫃\n",
        "炒蛋\n1. 準備番茄。\n2. 切塊。\n3. 下鍋：\nA. 大火 3 分鐘\nB. 小火 5 分鐘\n4. 起鍋。\n",
        "目錄\n1. 緒論 .... 1\n2. 文獻 .... 5\n A. 國內 .... 6\n B. 國外 .... 9\n",
        "紀錄\n1. 主席致詞。\n2. 報告事項：\n(A) 經費。\n(B) 人事異動。\n3. 散會。\n",
    ],
    ids=["law", "recipe", "contents", "minutes"],
)
def test_a_text_with_numbered_points_that_ask_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ReadError, match="they don't look like questions"):
        read(tmp_path, text)


def test_columns_side_by_side_and_missing_labels_are_errors(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        "1. 何者是水果？      3. 何者是狗？\n(A) 蘋果            (A) 柴犬\n"
        "(B) 石頭            (B) 樹\n"
        "2. 何者是花？\n(A) 玫瑰\n(C) 石頭\n(D) 桌子\n4. 何者？\n(A) 甲\n(B) 乙\n",
    )
    assert shown(bank) == [("何者？", ("甲", "乙"), "")]
    assert codes(bank)[:2] == [(1, "damaged_options"), (4, "damaged_options")]


def test_wide_blanks_take_time_in_proportion(tmp_path: Path) -> None:
    blanks = " \u3000" * 100_000
    bank = read(
        tmp_path, f"1. 何者？\n(A)甲{blanks}丁\n(B)乙{blanks}丙\n2. 何者？\n(A)甲 (B)乙 A\n"
    )
    assert len(bank) == 2


@pytest.mark.parametrize(
    "table",
    [
        "題號\t答案\t題號\t答案\n1\tA\t2\tB\n",
        "題號\t答案\t配分\n1\tA\t2 分\n2\tB\t3 分\n",
        "| 題號 | 答案 | 考點 |\n| 1 | A | 三民主義 |\n| 2 | B | 第 2 冊 |\n",
    ],
)
def test_a_table_of_keys_may_have_other_columns(tmp_path: Path, table: str) -> None:
    bank = read(tmp_path, f"1. 何者？\n(A)甲 (B)乙\n2. 何者呢？\n(A)甲 (B)乙\n參考答案\n{table}")
    assert [q.answer_label for q in bank] == ["A", "B"]
