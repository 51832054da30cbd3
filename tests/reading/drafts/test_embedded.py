"""Options written inside a stem are taken out of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import WriteXlsx
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading._drafts.embedded import find_embedded, find_numbered, options_of_text


def codes(bank: QuestionBank) -> list[str]:
    return [problem.code for problem in bank.problems]


def read_json(tmp_path: Path, data: Any) -> QuestionBank:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return read_bank(path)


def test_a_missing_label_inside_a_text_is_reported(tmp_path: Path) -> None:
    bank = read_json(tmp_path, [{"question": "問？\nA. 一 B. 二 C三 D. 四", "answer": "A"}])
    assert [problem.code for problem in bank.problems] == ["damaged_options"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("已知A、B、C三點，何者對？ A. 甲 B. 乙 C. 丙", ("甲", "乙", "丙")),
        ("問？(A)x(B)y(C)z(D)w", ("x", "y", "z", "w")),
        ("問？\nＡ．1.5\nＢ．2.5", ("1.5", "2.5")),
        ("問？(A) .5 (B) .6 (C) .75", (".5", ".6", ".75")),
        ("問？A. 6;B. 12;C. 24", ("6", "12", "24")),
        ("問？(A)6；(B)12； (C)24。", ("6", "12", "24。")),
        ("問？(A)6；(B)12；(C)24；", ("6", "12", "24")),
        ("問？A. 6, B. 7, C. 8", ("6", "7", "8")),
        ("問？A. 甲；乙 B. 丙；丁 C. 戊", ("甲；乙", "丙；丁", "戊")),
        ("問？A. int a; B. int b; C. int c;", ("int a;", "int b;", "int c;")),
        ("問？A. int a;\nB. int b;\nC. 無", ("int a;", "int b;", "無")),
        ("問？A. 1&lt; B. 2&lt; C. 3", ("1&lt;", "2&lt;", "3")),
        ("維他命A、B何者重要？", None),
        ("U.S.A. is a country.", None),
    ],
)
def test_options_inside_a_stem_are_found(text: str, options: tuple[str, ...] | None) -> None:
    embedded = find_embedded(text)
    assert (embedded.options if embedded and len(embedded.options) > 1 else None) == options or (
        options is None and embedded is not None and not embedded.options[-1]
    )


@pytest.mark.parametrize(
    ("stem", "key", "options"),
    [
        ("何者錯誤？①山②水③火④土", "③", ("山", "水", "火", "土")),
        ("何者錯誤？(1)山(2)水(3)火", 3, ("山", "水", "火")),
        ("何者錯誤？ 1.山 2.水 3.火", "3.", ("山", "水", "火")),
        ("何者錯誤？（甲）山（乙）水（丙）火", "丙", ("山", "水", "火")),
    ],
)
def test_a_stem_may_number_its_options(
    write_xlsx: WriteXlsx, stem: str, key: Any, options: tuple[str, ...]
) -> None:
    bank = read_bank(write_xlsx([["題目", "答案"], [stem, key]]))
    assert [(q.stem, q.options, q.answer) for q in bank] == [("何者錯誤？", options, (2,))]


@pytest.mark.parametrize(
    ("stem", "key"),
    [
        ("何者正確？①山②水③火", "B"),
        ("何者正確？①山②水③火", "24"),
        ("何者正確？①山②水③火", "33"),
        ("何者正確？①山②水③火", "1.3"),
        ("(1)山高？(2)水深？(3)火熱？", "2"),
        ("山①____水②____火③____", "2"),
        ("計算 1.5 與 2.5", "2"),
    ],
)
def test_numbers_in_a_stem_need_not_be_options(stem: str, key: str) -> None:
    assert find_numbered(stem, key, has_key_field=True) is None


@pytest.mark.parametrize(
    ("stem", "is_choice"),
    [
        ("請依序說明：1. 春天 2. 夏天 3. 秋天", False),
        ("請說明下列名詞：1. 蒸散 2. 光合作用 3. 呼吸作用", False),
        ("试述下列概念：①蒸散②光合作用③呼吸作用", False),
        ("請解釋後回答，下列何者為真？1. 蒸散 2. 光合作用 3. 呼吸作用", True),
        ("下列說明正確的是 1. 蒸散 2. 光合作用 3. 呼吸作用", True),
        ("請抄寫（甲）春天（乙）夏天（丙）秋天", False),
        ("請選一個 ①春天②夏天③秋天", True),
        ("何者最熱 1. 春天 2. 夏天 3. 秋天", True),
        ("Which is the hottest: 1. spring 2. summer 3. autumn", True),
        ("最熱的是？1. 春天 2. 夏天 3. 秋天", True),
    ],
)
def test_without_keys_a_numbered_list_is_options_only_where_a_choice_is_asked_for(
    write_xlsx: WriteXlsx, stem: str, is_choice: bool
) -> None:
    bank = read_bank(write_xlsx([["題目"], [stem]]))
    assert (len(bank), codes(bank)) == ((1, []) if is_choice else (0, ["no_options"]))


@pytest.mark.parametrize("key", ["134", "(134)", "(1)(3)(4)", "1,3,4", "①③④", "1、3、4", "1;3;4"])
@pytest.mark.parametrize("kind", ["", "複選題"])
def test_digits_name_several_options_that_the_stem_numbers(
    tmp_path: Path, key: str, kind: str
) -> None:
    items = [
        {"題型": kind, "題目": "哪些是山？①甲山②乙河③丙山④丁山", "答案": key},
        {"題型": "", "題目": "哪個是河？①甲山②乙河③丙山④丁山", "答案": "(2)"},
    ]
    bank = read_json(tmp_path, items)
    assert [(q.kind, q.answer, q.answer_label) for q in bank] == [
        ("multiple", (0, 2, 3), "134"),
        ("single", (1,), "2"),
    ]


def test_text_after_digits_for_several_options_is_reported(tmp_path: Path) -> None:
    bank = read_json(tmp_path, [{"題目": "哪些是山？①甲②乙③丙", "答案": "13\n解析：略"}])
    assert (bank[0].answer, codes(bank)) == ((0, 2), ["key_with_text"])


@pytest.mark.parametrize(
    ("stem", "rest"),
    [
        ("維生素 A、B、C、D 中，何者可溶於水？", "(A)甲(B)乙(C)丙"),
        ("維生素 A、B、C、D、E 中，何者可溶於水？", "(A)甲(B)乙(C)丙"),
        ("維生素 A、B、C、D 中，何者可溶於水？", "A.甲 B.乙 C.丙"),
        ("成績分為 A. 優 B. 良 C. 可，何者最好？", "(A)甲(B)乙(C)丙"),
        ("反應 (A)→(B)→(C) 中何者為氧化？", "(A)甲(B)乙(C)丙"),
        ("A、B 兩點的距離為何？", "(A)甲(B)乙(C)丙"),
        ("H2O、CO2、O2 何者最重？", "A.甲 B.乙 C.丙"),
        ("(A) 與 (B) 的關係為何？", "(A)甲(B)乙(C)丙"),
        ("Ⅰ、Ⅱ、Ⅲ 何者最高？", "A.甲 B.乙 C.丙"),
        ("I、II、III 何者最高？", "A.甲 B.乙 C.丙"),
        ("5.甲乙丙三人，何者最高？", "A.甲 B.乙 C.丙"),
        ("已知 A:B:C = 1:2:3，何者最大？", "A.甲 B.乙 C.丙"),
        ("A＋B、A-B 何者最大？", "A.甲 B.乙 C.丙"),
        ("下圖(A)(B)(C)三點，何者最高？", "(A)甲(B)乙(C)丙"),
        ("Part A: 讀。Part B: 寫。下列何者為是？", "(A)甲(B)乙(C)丙"),
    ],
)
def test_labels_in_a_sentence_are_no_options_beside_real_ones_or_alone(
    stem: str, rest: str
) -> None:
    found = find_embedded(stem + rest)
    assert found is not None
    assert (found.stem, found.options, found.damaged) == (stem, ("甲", "乙", "丙"), False)
    assert find_embedded(stem) is None


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("大小關係為何？(A)＞(B)＜(C)＝", ("＞", "＜", "＝")),
        ("大小關係為何？(A)＞(B)＜(C)＝(D)無法比較", ("＞", "＜", "＝", "無法比較")),
        ("最長的河是 A. 甲河 B. 乙河", ("甲河", "乙河")),
        ("何者正確？(A)甲 (B)乙 (C)(A)與(B)", ("甲", "乙", "(A)與(B)")),
        ("太陽會發光嗎 A.是 B.否", ("是", "否")),
        ("兩者的關係 A.＞ B.＜", ("＞", "＜")),
        ("填入哪個連接詞？(A)和(B)或(C)因為", ("和", "或", "因為")),
        ("下列何圖為是 A. 甲圖 B. 乙圖", ("甲圖", "乙圖")),
        ("(a) 甲式 (b) 乙式 相加後為何？(A)一(B)二", ("一", "二")),
    ],
)
def test_options_that_look_like_a_sentence_are_options(text: str, options: tuple[str, ...]) -> None:
    found = find_embedded(text)
    assert found is not None
    assert (found.options, found.damaged) == (options, False)


@pytest.mark.parametrize(
    ("stem", "key"),
    [
        ("成績分為 A. 優 B. 良 C. 可 D. 劣，小明得 A，是指什麼？", "優等"),
        ("成績分為 A. 優 B. 良 C. 可。", None),
        ("寫出反應 (A)→(B) 的產物", "水"),
        ("建議 A.說明甲與乙的關係。 B.舉例分析。", "略"),
        ("比較(A)和(B)的大小", "大"),
    ],
)
def test_a_stem_that_only_mentions_labels_has_no_options(
    tmp_path: Path, stem: str, key: str | None
) -> None:
    bank = read_json(tmp_path, [{"question": stem, "answer": key}])
    assert len(bank) == 0
    assert set(codes(bank)) <= {"no_options", "fill_in"}


def test_a_question_with_options_in_its_stem_may_have_no_key(tmp_path: Path) -> None:
    items = [
        {"question": "哪條最長？A.甲河 B.乙河", "answer": "略"},
        {"question": "最高的山是 A.甲山 B.乙山", "answer": "送分"},
    ]
    bank = read_json(tmp_path, items)
    assert [(q.options, q.answer) for q in bank] == [
        (("甲河", "乙河"), None),
        (("甲山", "乙山"), None),
    ]
    assert codes(bank) == ["no_key", "no_key"]


def test_a_statement_about_labels_is_judged(tmp_path: Path) -> None:
    bank = read_json(tmp_path, [{"question": "順序為 A. 甲 B. 乙，是對的。", "answer": "O"}])
    assert [(q.stem, q.kind) for q in bank] == [("順序為 A. 甲 B. 乙，是對的。", "true_false")]


SEVEN = ["A.甲", "B.乙", "C.丙", "A.力氣", "B.脾氣", "C.天氣", "D.空氣"]


@pytest.mark.parametrize(
    "item",
    [
        {"question": "何者？", "options": SEVEN},
        {"question": "何者？", "options": ["1.甲", "2.乙", "1.丙", "2.丁"]},
        {"question": "何者？", "options": "\n".join(SEVEN)},
        {"question": "何者？", "options": " ".join(SEVEN)},
        {"question": "何者？" + " ".join(SEVEN)},
        {"question": "何者？" + "".join(f"({text[0]}){text[2:]}" for text in SEVEN)},
        {"question": "何者？" + " ".join([*SEVEN[3:], *SEVEN[:3]])},
        {"question": "一？A.甲 B.乙\n二？A.力 B.脾 C.天"},
    ],
)
def test_labels_that_begin_again_are_two_questions(tmp_path: Path, item: dict[str, Any]) -> None:
    bank = read_json(tmp_path, [{**item, "answer": "A"}])
    assert len(bank) == 0
    assert "damaged_options" in codes(bank)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text("ABCDab(（)）.、：→？甲乙 \n，", max_size=60))
def test_stem_and_options_are_parts_of_the_text(text: str) -> None:
    found = find_embedded(text)
    if found is None:
        return
    assert text.strip().startswith(found.stem)
    assert list(found.labels) == list("ABCDEFGH"[: len(found.labels)]) or found.labels[0] in "甲乙"
    parts = [line.strip() for option in found.options for line in option.split("\n")]
    assert all(part in text for part in parts)


@pytest.mark.parametrize(
    ("text", "key", "options", "answer"),
    [
        ("包括()&甲&乙&丙", "甲&丙", ("甲", "乙", "丙"), (0, 2)),
        ("何者最大？|甲 | 乙 | 丙", "乙", ("甲", "乙", "丙"), (1,)),
        ("何者最大？#甲#乙", "乙", ("甲", "乙"), (1,)),
        ("R&D 是研究&發展嗎", "研究", None, None),
        ("何者最大？&甲&甲&乙", "乙", None, None),
        ("何者最大？&甲&乙&丙", "丁", None, None),
    ],
)
def test_options_joined_by_one_sign_are_taken_where_the_key_repeats_them(
    tmp_path: Path, text: str, key: str, options: tuple[str, ...] | None, answer: Any
) -> None:
    bank = read_json(tmp_path, [{"question": text, "answer": key}])
    assert [(q.options, q.answer) for q in bank] == ([(options, answer)] if options else [])
    assert bool(codes(bank)) == (options is None)


@pytest.mark.parametrize(
    ("cell", "options", "labels"),
    [
        ("a) 甲 b) 乙 c) 丙", ["甲", "乙", "丙"], ("A", "B", "C")),
        ("1.甲 2.乙 3.丙", ["甲", "乙", "丙"], ("1", "2", "3")),
        ("1.甲；2.乙；3.丙", ["甲", "乙", "丙"], ("1", "2", "3")),
        ('{"A": "甲", "B": "乙"}', ["甲", "乙"], ("A", "B")),
        ('{"A": "甲", "A": "乙"}', ['{"A": "甲", "A": "乙"}'], ()),
        ("True/False", ["True", "False"], ()),
        ("對、錯", ["對", "錯"], ()),
        ("1.5 公斤 2.5 公斤", ["1.5 公斤 2.5 公斤"], ()),
        ("甲 1. 乙 2. 丙", ["甲 1. 乙 2. 丙"], ()),
        ('{"x": "甲", "y": "乙"}', ['{"x": "甲", "y": "乙"}'], ()),
        ("{甲}", ["{甲}"], ()),
    ],
)
def test_options_that_share_a_cell_are_told_apart(
    cell: str, options: list[str], labels: tuple[str, ...]
) -> None:
    assert options_of_text(cell) == (options, labels)
