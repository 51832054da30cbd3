"""Banks in shapes that differ a little from the usual: other orders, other names, odd keys."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from conftest import WriteXlsx
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading.build import UniqueIds
from zhmcq.reading.drafts.embedded import find_numbered
from zhmcq.reading.drafts.headers import field_of, option_label


def read_json(tmp_path: Path, data: Any) -> QuestionBank:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return read_bank(path)


def read_csv(tmp_path: Path, text: str, encoding: str = "utf-8") -> QuestionBank:
    path = tmp_path / "bank.csv"
    path.write_bytes(text.encode(encoding))
    return read_bank(path)


def codes(bank: QuestionBank) -> list[str]:
    return [problem.code for problem in bank.problems]


def two(stem: str, **more: Any) -> dict[str, Any]:
    return {"question": stem, "options": ["一", "二"], "answer": "B", **more}


# Tables


@pytest.mark.parametrize("order", ["DCBA", "ACBD", "BADC"])
def test_options_may_stand_in_any_order(tmp_path: Path, order: str) -> None:
    texts = {"A": "甲", "B": "乙", "C": "丙", "D": "丁"}
    cells = ",".join(texts[label] for label in order)
    bank = read_csv(tmp_path, f"題目,{','.join(order)},答案\n何者？,{cells},D\n")
    assert (bank[0].options, bank[0].answer) == (("甲", "乙", "丙", "丁"), (3,))


@pytest.mark.parametrize(
    ("header", "label"),
    [("選項A（必填）", "A"), ("Answer 1 - max 75 characters", "1"), ("選項B*", "B"), ("(C)", "C")],
)
def test_a_note_in_an_options_header_does_not_matter(header: str, label: str) -> None:
    assert option_label(header) == label


def test_headers_of_a_quiz_template_are_recognised() -> None:
    assert field_of("Question - max 120 characters") == ("stem", field_of("question")[1])  # type: ignore[index]
    assert field_of("Correct answer(s) - choose at least one") == field_of("correct answer")


def test_chinese_numbers_in_headers_prove_that_keys_count_from_one(tmp_path: Path) -> None:
    head = "題型,題目,選項一,選項二,選項三,選項四,答案\n"
    text = f"{head}複選題,哪些？,東,南,西,北,13\n單選題,哪個？,東,南,西,北,1\n"
    bank = read_csv(tmp_path, text, "cp950")
    assert [(q.answer, q.kind) for q in bank] == [((0, 2), "multiple"), ((0,), "single")]


def test_columns_may_say_of_each_option_whether_it_is_right(write_xlsx: WriteXlsx) -> None:
    path = write_xlsx(
        [
            ["題目", "選項A", "選項A是否正確", "選項B", "選項B是否正確"],
            ["甲？", "一", False, "二", True],
            ["乙？", "一", "是", "二", "否"],
            ["丙？", "一", None, "二", "也許"],
        ]
    )
    bank = read_bank(path)
    assert [q.answer for q in bank] == [(1,), (0,)]
    assert codes(bank) == ["unreadable_answer"]


def test_a_line_with_more_cells_than_headers_is_reported(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,A,B,答案\n甲？,一,二,B\n乙,問？,一,二,B\n")
    assert [q.stem for q in bank] == ["甲？"]
    assert codes(bank) == ["extra_cells"]


def test_the_rule_under_a_header_is_no_row(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目|A|B|答案\n---|:--|---|---\n甲？|一|二|B\n")
    assert (len(bank), bank.problems) == (1, [])


def test_labels_are_letters_where_the_keys_are_whatever_the_headers_say(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,選項一,選項二,答案\n甲？,a) 左,b) 右,b\n")
    assert (bank[0].options, bank[0].answer_label) == (("左", "右"), "B")


def test_a_letter_is_no_sure_label_where_labels_are_numbers(write_xlsx: WriteXlsx) -> None:
    head = ["題目", "選項1", "選項2", "選項3", "答案"]
    rows = [
        ["甲？", "B", "A", "C", "A"],
        ["乙？", "一", "二", "三", 2],
        ["丙？", "一", "二", "三", 3],
    ]
    bank = read_bank(write_xlsx([head, *rows]))
    assert [q.stem for q in bank] == ["乙？", "丙？"]
    assert codes(bank) == ["ambiguous_answer"]


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
        ("(1)山高？(2)水深？(3)火熱？", "2"),
        ("山①____水②____火③____", "2"),
        ("計算 1.5 與 2.5", "2"),
    ],
)
def test_numbers_in_a_stem_need_not_be_options(stem: str, key: str) -> None:
    assert find_numbered(stem, key, asks_key=True) is None


@pytest.mark.parametrize(
    ("stem", "found"),
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
    write_xlsx: WriteXlsx, stem: str, found: bool
) -> None:
    bank = read_bank(write_xlsx([["題目"], [stem]]))
    assert (len(bank), codes(bank)) == ((1, []) if found else (0, ["no_options"]))


# Json


def test_a_json_table_by_columns_is_read_by_rows(tmp_path: Path) -> None:
    data = {
        "question": ["甲？", "乙？"],
        "A": ["一", "三"],
        "B": ["二", "四"],
        "answer": ["A", "B"],
    }
    bank = read_json(tmp_path, data)
    assert [(q.stem, q.options, q.answer) for q in bank] == [
        ("甲？", ("一", "二"), (0,)),
        ("乙？", ("三", "四"), (1,)),
    ]


def test_a_paper_with_a_title_is_no_passage_and_no_group(tmp_path: Path) -> None:
    bank = read_json(
        tmp_path, {"title": "期中考", "subject": "國文", "questions": [two("甲？"), two("乙？")]}
    )
    assert [(q.stem, q.passage, q.group, q.subject) for q in bank] == [
        ("甲？", "", "", "國文"),
        ("乙？", "", "", "國文"),
    ]


def test_the_nearest_passage_counts_and_makes_the_group(tmp_path: Path) -> None:
    parts = [
        {"context": "文一", "qas": [two("甲？"), two("乙？", context=None)]},
        {"context": "文二", "qas": [two("丙？"), two("丁？")]},
    ]
    bank = read_json(tmp_path, {"data": [{"title": "題", "paragraphs": parts}]})
    assert [q.passage for q in bank] == ["文一", "文一", "文二", "文二"]
    groups = [q.group for q in bank]
    assert groups[0] == groups[1] != groups[2] == groups[3]


def test_sections_without_a_text_are_no_groups(tmp_path: Path) -> None:
    bank = read_json(
        tmp_path, [{"name": "單選", "questions": [two("甲？", id=1), two("乙？", id=2)]}]
    )
    assert [(q.id, q.group) for q in bank] == [("1", ""), ("2", "")]


@pytest.mark.parametrize(
    "item",
    [
        ["c-1", ["男：好。", "女：不好。"], [two("誰？")]],
        [[two("誰？")], "c-1", ["男：好。", "女：不好。"]],
        ["男：好。\n女：不好。", [two("誰？")], "c-1"],
    ],
)
def test_the_parts_of_a_dialogue_item_may_come_in_any_order(tmp_path: Path, item: Any) -> None:
    bank = read_json(tmp_path, [item])
    assert [(q.id, q.passage) for q in bank] == [("c-1", "男：好。\n女：不好。")]


@pytest.mark.parametrize("right", [("false", "true"), (0, 1), ("錯", "對"), (False, True)])
def test_options_may_bear_the_mark_of_being_right(tmp_path: Path, right: tuple[Any, Any]) -> None:
    options = [{"text": t, "isCorrect": r} for t, r in zip(["一", "二"], right, strict=True)]
    assert read_json(tmp_path, [{"stem": "甲？", "options": options}])[0].answer == (1,)


def test_pairs_with_ones_and_zeros_say_which_option_is_right(tmp_path: Path) -> None:
    pairs = [["春", 1], ["夏", 0]]
    labelled = [["A", 1], ["B", 0]]
    bank = read_json(
        tmp_path,
        [{"question": "何時？", "options": pairs}, {"question": "多少？", "options": labelled}],
    )
    assert [(q.options, q.answer) for q in bank] == [(("春", "夏"), (0,)), (("1", "0"), None)]


def test_what_stands_beside_labelled_options_is_no_option(tmp_path: Path) -> None:
    options = {"A": "春", "B": "夏", "explanation": "天冷"}
    free = {"春": "甲", "夏": "乙", "C": "丙"}
    bank = read_json(tmp_path, [two("何時？", options=options), two("何人？", options=free)])
    assert [(q.options, q.answer) for q in bank] == [
        (("春", "夏"), (1,)),
        (("甲", "乙", "丙"), (1,)),
    ]


@pytest.mark.parametrize("right", [True, 1, "true", "對"])
def test_a_field_for_each_option_may_say_whether_it_is_right(tmp_path: Path, right: Any) -> None:
    record = {"question": "何時？", "A": "春", "B": "夏", "A_correct": 0, "B_correct": right}
    other = {**record, "question": "何地？", "B_correct": None}
    bank = read_json(tmp_path, [record, other])
    assert [q.answer for q in bank] == [(1,), None]
    assert [(p.row, p.code) for p in bank.problems] == [(2, "no_key")]


@pytest.mark.parametrize("base", [0, 1])
def test_minus_one_is_no_key_in_a_file_of_either_base(tmp_path: Path, base: int) -> None:
    keys = [base, base + 1, base + 2, base, base + 1, -1, -1]
    options = ["春", "夏", "秋", "冬"] if base == 0 else ["春", "夏", "秋"]
    items = [
        {"question": f"問{place}？", "options": options, "answer": key}
        for place, key in enumerate(keys)
    ]
    bank = read_json(tmp_path, items)
    assert [q.answer for q in bank] == [(0,), (1,), (2,), (0,), (1,), None, None]
    assert [(p.row, p.code, p.severity) for p in bank.problems] == [
        (6, "no_key", "warning"),
        (7, "no_key", "warning"),
    ]


def test_a_number_among_options_is_no_pair_of_labels_beside_label_keys(tmp_path: Path) -> None:
    lines = [f"問{n}？,春,夏,秋,冬,{n % 4 + 1}" for n in range(40)]
    lines += [
        "幾個？,12,13,14,23,12",
        "幾天？,12個,13個,14個,23個,12",
        "(複選)何者？,春,夏,秋,冬,12",
    ]
    bank = read_csv(tmp_path, "\n".join(["題目,A,B,C,D,答案", *lines]))
    assert [(q.stem, q.kind, q.answer) for q in bank[40:]] == [
        ("幾個？", "single", (0,)),
        ("(複選)何者？", "multiple", (0, 1)),
    ]
    assert [(p.row, p.code) for p in bank.problems] == [(43, "answer_out_of_range")]


def test_each_question_keeps_the_labels_its_own_key_uses(tmp_path: Path) -> None:
    def item(labels: str, key: str) -> dict[str, Any]:
        return {
            "stem": f"{key}？",
            "choices": {"text": ["一", "二"], "label": list(labels)},
            "key": key,
        }

    bank = read_json(tmp_path, [item("AB", "A"), item("12", "2"), item("AB", "B")])
    assert [q.answer_label for q in bank] == ["A", "2", "B"]


def test_ids_of_options_are_not_counted(tmp_path: Path) -> None:
    options = [{"id": 11, "text": "一"}, {"id": 12, "text": "二"}]
    assert read_json(tmp_path, [{"stem": "甲？", "options": options, "answer": 12}])[0].answer == (
        1,
    )


def test_lists_that_were_written_out_as_text_are_read(tmp_path: Path) -> None:
    by_python = """甲？,"['一', '二', '三']","['一', '三']"\n"""
    by_json = """乙？,"[""一"", ""二""]",B\n"""
    text = f"question,choices,answer\n{by_python}{by_json}"
    found = [(q.options, q.answer) for q in read_csv(tmp_path, text)]
    assert found == [(("一", "二", "三"), (0, 2)), (("一", "二"), (1,))]


# Ids


def test_a_list_whose_backslashes_were_lost_is_reported(tmp_path: Path) -> None:
    bank = read_json(
        tmp_path,
        [
            two("何者？", options=r"['\alpha', '\beta', '\frac{1}{2}']"),
            two("何字？", options=r"['\\alpha', '\\beta']"),
        ],
    )
    assert [q.options for q in bank] == [(r"\alpha", r"\beta")]
    assert [(p.row, p.code) for p in bank.problems] == [(1, "one_option")]


def test_a_repeated_id_gets_the_first_free_suffix() -> None:
    ids = UniqueIds()
    taken = [ids.take(wanted) for wanted in ("7", "7", "7#2", "7", "8")]
    assert taken == ["7", "7#2", "7#2#2", "7#3", "8"]


def test_a_repeated_id_keeps_the_cell_of_the_source(tmp_path: Path) -> None:
    bank = read_json(tmp_path, [two("甲？", id="a"), two("乙？", id="a")])
    assert [(q.id, q.source_id) for q in bank] == [("a", "a"), ("a#2", "a")]


# Pictures and escapes


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cf500f0003860180b5e7a4de0000000049454e44ae426082"
)


def write_pictured(path: Path) -> Path:
    """A workbook in which the options of row 3 are pictures, and one lies over a text of row 2."""
    import xlsxwriter

    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("題")
    rows = [["題目", "A", "B", "答案"], ["甲？", "一", "二", "B"], ["乙？", "", "", "A"], ["丙？"]]
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    for cell in ("B2", "B3", "C3"):
        sheet.insert_image(cell, f"{cell}.png", {"image_data": BytesIO(PNG)})
    book.close()
    return path


def test_pictures_in_place_of_options_are_reported_as_such(tmp_path: Path) -> None:
    bank = read_bank(write_pictured(tmp_path / "bank.xlsx"))
    assert [q.stem for q in bank] == ["甲？"]
    found = [(p.row, p.column, p.code) for p in bank.problems]
    assert found == [(3, "A", "image_options"), (3, "B", "image_options"), (4, "A", "no_options")]


def test_a_picture_over_a_merged_passage_hides_nothing(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "bank.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["文章", "題目", "A", "B", "答案"])
    for row in (1, 2, 3):
        sheet.write_row(row, 1, [f"問{row}？", "春", "夏", "B"])
    sheet.merge_range("A2:A4", "某文章。")
    sheet.insert_image("A3", "a.png", {"image_data": BytesIO(PNG)})
    book.close()
    bank = read_bank(path)
    assert (codes(bank), [q.passage for q in bank]) == ([], ["某文章。"] * 3)


@pytest.mark.parametrize("labels", ["A．  B．\nC．  D．\n", "(A) (B) (C) (D)", "A. B. C."])
def test_labels_without_texts_are_reported_as_pictures(tmp_path: Path, labels: str) -> None:
    bank = read_json(tmp_path, [{"question": f"哪個圖？{labels}", "answer": ["B"]}])
    assert codes(bank) == ["image_options"]


def test_a_text_that_looks_like_an_escape_is_read_as_it_was_typed(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "bank.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["題目", "A", "B", "答案"])
    sheet.write_row(1, 0, ["哪個是\rA？", "_x0041_", "a\x0bb", "A"])
    book.close()
    bank = read_bank(path)
    assert [(q.stem, q.options) for q in bank] == [("哪個是\nA？", ("_x0041_", "ab"))]
