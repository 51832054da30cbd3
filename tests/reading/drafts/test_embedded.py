"""Options written inside a stem are taken out of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import WriteXlsx
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading._drafts.embedded import find_embedded, find_numbered


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
