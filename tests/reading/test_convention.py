"""How a file writes its keys is worked out from all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import WriteXlsx
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank


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


def test_labels_follow_the_way_keys_are_written(write_xlsx: WriteXlsx) -> None:
    letters = ["題目", "A", "B", "答案"]
    numbers = ["題目", "選項1", "選項2", "答案"]
    rows: dict[str, list[list[Any]]] = {
        "a": [letters, ["一？", "甲", "乙", 2]],
        "b": [numbers, ["一？", "甲", "乙", "B"]],
        "c": [numbers[:3], ["一？", "甲", "乙"]],
        "d": [letters, ["一？", "甲", "乙", 0], ["二？", "甲", "乙", 0]],
    }
    shown = {
        name: read_bank(write_xlsx(sheet, name=f"{name}.xlsx"))[0] for name, sheet in rows.items()
    }
    assert {name: (q.labels, q.answer_label) for name, q in shown.items()} == {
        "a": (("1", "2"), "2"),
        "b": (("A", "B"), "B"),
        "c": (("1", "2"), ""),
        "d": (("0", "1"), "0"),
    }


def test_chinese_numbers_in_headers_prove_that_keys_count_from_one(tmp_path: Path) -> None:
    head = "題型,題目,選項一,選項二,選項三,選項四,答案\n"
    text = f"{head}複選題,哪些？,東,南,西,北,13\n單選題,哪個？,東,南,西,北,1\n"
    bank = read_csv(tmp_path, text, "cp950")
    assert [(q.answer, q.kind) for q in bank] == [((0, 2), "multiple"), ((0,), "single")]


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


@pytest.mark.parametrize("base", [0, 1])
def test_minus_one_is_no_key_in_a_file_of_either_base(tmp_path: Path, base: int) -> None:
    keys = [base, base + 1, base + 2, base, base + 1, -1, -1]
    options = ["春", "夏", "秋", "冬"] if base == 0 else ["春", "夏", "秋"]
    items = [
        {"question": f"問{index}？", "options": options, "answer": key}
        for index, key in enumerate(keys)
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


def test_keys_before_page_text_show_how_the_file_writes_its_keys(tmp_path: Path) -> None:
    rows = [f'問{n}？,春,夏,秋,"{n}\n已完成"' for n in (1, 2, 3)]
    bank = read_csv(tmp_path, "\n".join(["題目,A,B,C,答案", *rows, "幾個？,3,1,2,2"]))
    assert [q.answer_label for q in bank] == ["1", "2", "3", "2"]
    assert codes(bank) == ["key_with_text"] * 3


def test_a_few_numbers_among_letters_are_an_error_of_their_rows_alone(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    rows = ["A", "B", "C", "2", "D", "②", "1,3"]
    lines = [f'第 {n} 題？,甲,乙,丙,丁,"{key}"' for n, key in enumerate(rows)]
    path.write_text("題目,A,B,C,D,答案\n" + "\n".join(lines), encoding="utf-8")
    bank = read_bank(path)
    assert [q.answer for q in bank] == [(0,), (1,), (2,), (3,), (1,)]
    assert [(p.row, p.code) for p in bank.problems] == [
        (5, "ambiguous_answer"),
        (8, "ambiguous_answer"),
    ]
    assert [q.answer for q in read_bank(path, answer_base=1)][3] == (1,)
