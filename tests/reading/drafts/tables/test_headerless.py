"""Tables without a header: columns worked out from the rows, or asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zhmcq.errors import ColumnsError
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank

ROWS = "1,最長的河是？,甲河,乙河,丙河,B\n2,最高的山是？,甲山,乙山,丙山,A\n3,誰？,甲,乙,丙,C\n"


def read_csv(tmp_path: Path, text: str, **arguments: Any) -> QuestionBank:
    path = tmp_path / "bank.csv"
    path.write_text(text, encoding="utf-8")
    return read_bank(path, **arguments)


def test_columns_are_worked_out_where_all_rows_agree(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, ROWS, header=False)
    assert [(q.source_id, q.stem, q.options, q.answer) for q in bank] == [
        ("1", "最長的河是？", ("甲河", "乙河", "丙河"), (1,)),
        ("2", "最高的山是？", ("甲山", "乙山", "丙山"), (0,)),
        ("3", "誰？", ("甲", "乙", "丙"), (2,)),
    ]
    assert (bank.problems, bank.table.header_rows) == ([], ())
    assert bank.table.headers[:2] == ("column A", "column B")


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ("最長的河是？,B,甲河,乙河,丙河", 1),
        ("B,最長的河是？,甲河,乙河,丙河", 1),
        ("最長的河是？,甲河,乙河,丙河,(3)", 2),
        ("最長的河是？,甲河,乙河,丙河,丁河,134", (0, 2, 3)),
        ("下列何者正確？,這是很長的一個選項文字,另一個也很長的選項,第三個選項文字也很長,C", 2),
        ("全國最長的河流的名稱,甲河,乙河,丙河,A", 0),
    ],
)
def test_the_key_may_stand_before_the_options(tmp_path: Path, row: str, key: Any) -> None:
    bank = read_csv(tmp_path, f"{row}\n", header=False, answer_base=1)
    if isinstance(key, tuple):
        assert [p.code for p in bank.problems] == [
            "answer_out_of_range"
        ]  # one such key proves little
    else:
        assert [q.answer for q in bank] == [(key,)]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("地球是圓的。,O\n太陽繞地球。,X\n", ["O", "X"]),
        ("1,地球是圓的。,對\n2,太陽繞地球。,錯\n", ["對", "錯"]),
        ("1,誰最長？(A)甲(B)乙(C)丙,B\n2,誰最高？(A)甲(B)乙,A\n", ["B", "A"]),
    ],
)
def test_a_stem_may_hold_all_but_the_key(tmp_path: Path, text: str, keys: list[str]) -> None:
    assert [q.answer_label for q in read_csv(tmp_path, text, header=False)] == keys
    with pytest.raises(
        ColumnsError, match=r"header=False reads it: .*column . as stem, column . as"
    ):
        read_csv(tmp_path, text)


def test_options_that_are_numbers_are_told_from_the_key(tmp_path: Path) -> None:
    text = "最小的數是多少？,0,4,2,6,A\n最大的數是多少呢？,8,2,24,120,D\n"
    bank = read_csv(tmp_path, text, header=False)
    assert [(q.options, q.answer) for q in bank] == [
        (("0", "4", "2", "6"), (0,)),
        (("8", "2", "24", "120"), (3,)),
    ]


@pytest.mark.parametrize(
    "row",
    [
        "閱讀文章一大段。,最長的河是？,甲河,乙河,丙河,B",  # a passage
        "最長的河是？,甲河,乙河,丙河,B,因為乙河有一百公里長",  # an explanation
        "最長的河是？,甲河,乙河,丙河,因為乙河比其他的河都要長得多,B",
        "最長的河是？,甲河,乙河,丙河",  # no key
        "最長的河是？,甲河,乙河,丙河,E",  # a key beyond the options
        "最長的河是？,1,2,3,2",  # the first option may be the key
        "甲河,乙河,丙河,B",  # no stem
        "最長的河是？,甲河,B",  # one option
    ],
)
def test_where_another_reading_is_possible_positions_are_asked_for(
    tmp_path: Path, row: str
) -> None:
    with pytest.raises(ColumnsError, match="positions of its columns"):
        read_csv(tmp_path, f"{row}\n", header=False)


def test_positions_count_from_1_and_no_row_is_lost(tmp_path: Path) -> None:
    for arguments in ({}, {"header": False}):
        for options in ({"options": [3, 4, 5]}, {"option1": 3, "option2": 4, "option3": 5}):
            columns = {"stem": 2, "answer": 6, **options}
            bank = read_csv(tmp_path, ROWS, columns=columns, **arguments)
            assert [q.answer for q in bank] == [(1,), (0,), (2,)]
            assert [q.stem for q in bank] == ["最長的河是？", "最高的山是？", "誰？"]


def test_the_refusal_names_header_false_and_no_question_as_a_header(tmp_path: Path) -> None:
    with pytest.raises(ColumnsError) as caught:
        read_csv(tmp_path, ROWS)
    message = str(caught.value)
    assert "row 1 looks like a question" in message
    assert (
        "header=False reads it: column 1 as id, column 2 as stem, columns 3 to 5 as options, "
        "column 6 as key"
    ) in message
    assert "columns=" not in message


@pytest.mark.parametrize(
    "columns",
    [
        {"stem": "最長的河是？", "option1": "甲河", "option2": "乙河", "answer": "B"},
        {"stem": "最長的河是？"},
    ],
)
def test_a_question_is_not_accepted_as_the_header_either(
    tmp_path: Path, columns: dict[str, str]
) -> None:
    with pytest.raises(ColumnsError, match="row 1, which columns= names as a header, looks like"):
        read_csv(tmp_path, ROWS, columns=columns)


def test_a_first_row_that_may_be_a_header_is_asked_about(tmp_path: Path) -> None:
    text = "內文,一號,二號,鍵\n最長的河？,甲河,乙河,B\n"
    columns = {"stem": 1, "options": [2, 3], "answer": 4}
    with pytest.raises(ColumnsError, match="row 1 may be the header or a question"):
        read_csv(tmp_path, text, columns=columns)
    assert [q.stem for q in read_csv(tmp_path, text, columns=columns, header=True)] == [
        "最長的河？"
    ]


@pytest.mark.parametrize("columns", [{"stem": 9}, {"stem": "題目"}])
def test_a_place_that_the_table_lacks_is_refused(tmp_path: Path, columns: dict[str, Any]) -> None:
    with pytest.raises(ColumnsError, match=r"no column (9|'題目')"):
        read_csv(tmp_path, ROWS, columns=columns, header=False)


def test_header_true_takes_the_first_row_whatever_it_looks_like(tmp_path: Path) -> None:
    columns = {"stem": "哪一段？", "option1": "A1", "option2": "B2", "answer": "Z"}
    text = "哪一段？,A1,B2,Z\n題目,甲,乙,A\n"
    bank = read_csv(tmp_path, text, columns=columns, header=True)
    assert [(q.stem, q.answer) for q in bank] == [("題目", (0,))]
    with pytest.raises(ColumnsError, match="no column of questions was recognised"):
        read_csv(tmp_path, "甲,乙\n題目,A\n", header=True)


def test_a_section_in_a_table_without_a_header_is_skipped_with_a_word(tmp_path: Path) -> None:
    bank = read_csv(tmp_path, f"一、單選題,,,,,\n{ROWS}", header=False)
    assert len(bank) == 3
    assert [(p.row, p.code) for p in bank.problems] == [(1, "skipped_row")]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keys=st.lists(st.sampled_from("ABCD"), min_size=1, max_size=8),
    key_first=st.booleans(),
    with_ids=st.booleans(),
)
def test_what_is_worked_out_is_what_was_written(
    tmp_path: Path, keys: list[str], key_first: bool, with_ids: bool
) -> None:
    lines = []
    for number, key in enumerate(keys, 7):
        options = [f"第{number}{name}河" for name in "子丑寅卯"]
        cells = [
            f"第 {number} 條最長的河是？",
            *([key, *options] if key_first else [*options, key]),
        ]
        lines.append(",".join([str(number), *cells] if with_ids else cells))
    bank = read_csv(tmp_path, "\n".join(lines), header=False)
    assert [q.answer_label for q in bank] == keys
    assert [q.options[0][-2:] for q in bank] == ["子河"] * len(keys)
