"""Html and pictures in the texts of files of any kind."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank


def read_json(tmp_path: Path, *records: dict[str, Any]) -> QuestionBank:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return read_bank(path)


def read_csv(tmp_path: Path, text: str) -> QuestionBank:
    path = tmp_path / "bank.csv"
    path.write_text(text, encoding="utf-8")
    return read_bank(path)


def test_html_in_a_table_and_in_json_is_the_same_text(tmp_path: Path) -> None:
    record = {
        "題目": "<p>水是？</p>",
        "選項A": "H<sub>2</sub>O",
        "選項B": "<p>CO&nbsp;</p>",
        "答案": "A",
    }
    text = ",".join(record) + "\n" + ",".join(record.values()) + "\n"
    for bank in (read_json(tmp_path, record), read_csv(tmp_path, text)):
        assert [(q.stem, q.options, q.answer) for q in bank] == [("水是？", ("H₂O", "CO"), (0,))]
        assert bank.problems == []


def test_a_key_that_is_a_text_is_read_as_the_options_are(tmp_path: Path) -> None:
    options = ["<p>x &lt; 1</p>", "<p>x &gt; 1</p>"]
    bank = read_json(tmp_path, {"question": "何者？", "options": options, "answer": "x < 1"})
    assert (bank[0].options, bank[0].answer) == (("x < 1", "x > 1"), (0,))


def test_options_in_html_in_one_field_are_told_apart(tmp_path: Path) -> None:
    bank = read_json(
        tmp_path,
        {"question": "甲？", "options": "<p>A. 春</p><p>B. 夏</p>", "answer": "B"},
        {"question": "<p>乙？</p><p>(A) 春</p><p>(B) 夏</p>", "answer": "A"},
        {"question": "丙？", "options": "&nbsp;春;夏", "answer": "夏"},
    )
    assert [(q.stem, q.options, q.answer) for q in bank] == [
        ("甲？", ("春", "夏"), (1,)),
        ("乙？", ("春", "夏"), (0,)),
        ("丙？", ("春", "夏"), (1,)),
    ]


def test_sub_questions_in_html_are_told_apart(tmp_path: Path) -> None:
    text = "<p>1. 甲 &amp;lt;？</p><p>A. 一 B. 二</p><p>2. 乙？</p><p>A. 三 B. 四</p>"
    bank = read_json(tmp_path, {"question": text, "answer": ["B", "A"]})
    assert [(q.stem, q.options, q.answer) for q in bank] == [
        ("1. 甲 &lt;？", ("一", "二"), (1,)),
        ("2. 乙？", ("三", "四"), (0,)),
    ]


def test_many_questions_about_one_long_text_in_html_take_linear_time(tmp_path: Path) -> None:
    two = {"question": "甲？", "options": ["一", "二"], "answer": "A"}
    passage = "<p>文</p>" * 20_000 + '<img src="a.png">'
    start = time.process_time()
    bank = read_json(tmp_path, {"passage": passage, "questions": [two] * 1000})
    assert len(bank) == 1000
    assert time.process_time() - start < 20


def test_html_whose_signs_were_escaped_is_html(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, "題目,A,B,答案\n&lt;p&gt;甲？&lt;/p&gt;,一,二,A\n")
    assert bank[0].stem == "甲？"


def test_tags_that_a_question_is_about_stay(tmp_path: Path) -> None:
    bank = read_json(
        tmp_path,
        {"question": "HTML 的換行是哪個標籤？", "options": ["<br>", "<b>粗</b>"], "answer": "A"},
        {"question": "換行是哪個？", "options": ["<br>", "<hr>", "<p>"], "answer": "<br>"},
        {"question": "<p>HTML 的 &lt;br&gt; 是？</p>", "options": ["換行", "換頁"], "answer": "A"},
    )
    assert [(q.stem, q.options) for q in bank] == [
        ("HTML 的換行是哪個標籤？", ("<br>", "<b>粗</b>")),
        ("換行是哪個？", ("<br>", "<hr>", "<p>")),
        ("HTML 的 <br> 是？", ("換行", "換頁")),
    ]


def test_an_empty_paragraph_is_no_option(tmp_path: Path) -> None:
    options = ["<p>春</p>", "<p>夏</p>", "<p><br></p>"]
    bank = read_json(tmp_path, {"question": "甲？", "options": options, "answer": "B"})
    assert [(q.options, q.answer) for q in bank] == [(("春", "夏"), (1,))]


def test_underlined_words_stay_marked_where_the_stem_asks_about_them(tmp_path: Path) -> None:
    two = {"options": ["一", "二"], "answer": "A"}
    bank = read_json(
        tmp_path,
        {"question": "<p>「他<u>走</u>了」中畫線的字？</p>", **two},
        {"question": "<p>他<u>走</u>了？</p>", **two},
    )
    assert [q.stem for q in bank] == ["「他<u>走</u>了」中畫線的字？", "他走了？"]


def test_pictures_are_reported_where_they_are(tmp_path: Path) -> None:
    two = {"options": ["一", "二"], "answer": "A"}
    bank = read_json(
        tmp_path,
        {"question": '<p>如圖？<img src="a.png"></p>', **two},
        {"question": "如圖？![](b.png)", **two},
        {"question": "如圖？ https://example.org/c.jpg", **two},
        {"question": "文？", "passage": '<img src="d.png">文', **two},
        {"question": "何者？", "options": ["一", "二", '三<img src="e.png">'], "answer": "A"},
        {"question": "無圖？", **two},
    )
    assert len(bank) == 6
    assert bank[0].stem == "如圖？![](a.png)"
    assert [(p.row, p.column, p.code, p.severity) for p in bank.problems] == [
        (1, "question", "picture", "warning"),
        (2, "question", "picture", "warning"),
        (3, "question", "picture", "warning"),
        (4, "passage", "picture", "warning"),
        (5, "options", "picture", "warning"),
    ]


def test_a_field_or_column_of_pictures_parts_questions_with_one_stem(tmp_path: Path) -> None:
    two = {"question": "如圖？", "options": ["一", "二"]}
    bank = read_json(
        tmp_path,
        {**two, "image": "a.png", "answer": "A"},
        {**two, "image": {"url": "b.png"}, "answer": "B"},
        {**two, "image": ["data:image/png;base64,AAAA", "c.png"], "answer": "B"},
        {**two, "image": None, "answer": "A"},
        {**two, "question": "另一題？", "image": "無", "answer": "A"},
    )
    stems = ["如圖？\n![](a.png)", "如圖？\n![](b.png)"]
    stems += ["如圖？\n![](data:sha256-bde6da8e9d3902a8)\n![](c.png)", "如圖？", "另一題？"]
    assert [q.stem for q in bank] == stems
    assert [(p.row, p.column, p.code) for p in bank.problems] == [
        (1, "image", "picture"),
        (2, "image", "picture"),
        (3, "image", "picture"),
    ]
    table = read_csv(tmp_path, "題目,圖片,A,B,答案\n如圖？,a.png,一,二,A\n如圖？,b.png,一,二,B\n")
    assert [q.stem for q in table] == stems[:2]
    assert [(p.row, p.column, p.code) for p in table.problems] == [
        (2, "圖片", "picture"),
        (3, "圖片", "picture"),
    ]


def test_options_that_are_pictures_in_fields_are_an_error(tmp_path: Path) -> None:
    options = [{"text": "", "image": f"{n}.png", "correct": n == 1} for n in range(3)]
    bank = read_json(tmp_path, {"question": "哪張？", "options": options})
    assert [(p.code, p.severity) for p in bank.problems] == [("image_options", "error")]
