from __future__ import annotations

from pathlib import Path

import pytest

from conftest import WriteXlsx
from zhmcq.errors import ReadError
from zhmcq.questions import Question, RowProblem
from zhmcq.reading import read_bank, stream_bank
from zhmcq.reports._tables import write_csv

TABLE = (
    "題號,題目,A,B,C,D,答案\n"
    "1,中央銀行利用何種工具來影響貨幣供給？,公開市場操作,徵稅,發行通貨,沒有工具,A\n"
    '2," 當物價居高不下時,央行應採取什麼政策？", 擴張信用　, 降低利率　, 提高準備率　,, C\n'
)
SIMPLIFIED = (
    "题号,题目,A,B,答案\n1,中央银行利用何种工具来影响货币供给？,公开市场操作,征税,A\n"
    "2,当国内物价居高不下时，应采取什么政策？,扩张信用,提高准备率,B\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp950", "gb18030", "utf-16"])
def test_traditional_tables_are_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "bank.csv"
    path.write_bytes(TABLE.encode(encoding))
    bank = read_bank(path)
    assert [question.stem for question in bank] == [
        "中央銀行利用何種工具來影響貨幣供給？",
        "當物價居高不下時,央行應採取什麼政策？",
    ]
    assert bank[1].options == ("擴張信用", "降低利率", "提高準備率")
    assert bank[1].answer == (2,)


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "gb18030", "utf-16-le", "utf-16-be"])
def test_simplified_tables_are_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "bank.csv"
    path.write_bytes(SIMPLIFIED.encode(encoding))
    assert read_bank(path)[0].stem == "中央银行利用何种工具来影响货币供给？"


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode("utf-8") + SIMPLIFIED.encode("gb18030"),
        b"\xef\xbb\xbf" + TABLE.encode("cp950"),
        b"\xff\xfe" + TABLE.encode("utf-8") + b"x",
    ],
)
def test_mixed_bytes_are_refused_not_turned_into_mojibake(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bank.csv"
    path.write_bytes(content)
    with pytest.raises(ReadError):
        read_bank(path)


@pytest.mark.parametrize("delimiter", ["\t", ";", "|"])
def test_other_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "bank.tsv"
    rows = [["題目", "A", "B", "答案"], ["一，二？", "甲", "乙", "B"], ["三？", "甲", "乙", "A"]]
    path.write_text("\n".join(delimiter.join(row) for row in rows), encoding="utf-8")
    assert [question.answer for question in read_bank(path)] == [(1,), (0,)]


def test_rows_are_numbered_by_line_and_may_span_several(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text('題目,A,B,答案\n"一\n行？",甲,乙,A\n二？,甲,乙,A\n', encoding="utf-8")
    bank = read_bank(path)
    assert bank[0].stem == "一\n行？"
    assert [q.origin.row for q in bank if q.origin] == [2, 4]


def test_a_cell_quoted_against_formulas_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,A,B,C\n哪個？,'=1+1,'-3,'好\n", encoding="utf-8")
    assert read_bank(path)[0].options == ("=1+1", "-3", "'好")


def test_a_stream_gives_what_the_bank_holds(tmp_path: Path, write_xlsx: WriteXlsx) -> None:
    rows = [[n % 3, f"問題{n}？", "甲", "乙", n % 4] for n in range(40)]
    path = write_xlsx([["id", "題目", "A", "B", "答案"], *rows])
    bank = read_bank(path, answer_base=1)
    streamed = list(stream_bank(path, answer_base=1))
    assert [x for x in streamed if isinstance(x, Question)] == list(bank)
    assert [x for x in streamed if isinstance(x, RowProblem)] == bank.problems
    assert len(bank.problems) == 20


def test_a_line_that_is_not_json_is_a_problem_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "bank.jsonl"
    first = '{"question": "一？", "A": "甲", "B": "乙", "answer": "B"}'
    third = first.replace("一", "三")
    path.write_text(f'{first}\n{{"question": "二\n{third}\n', encoding="utf-8")
    bank = read_bank(path)
    assert len(bank) == 2
    assert [(problem.row, problem.code) for problem in bank.problems] == [(2, "bad_json")]
    path.write_text('{"question": "二\n', encoding="utf-8")
    with pytest.raises(ReadError, match="line 1: expected json"):
        read_bank(path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("題目,A,B\n一？,甲\x00,乙\n".encode(), 2),
        (b"question,A,B\n\nwhat\x00?,x,y\n", 3),
        ("題目,A,B\n一？,甲\x00,乙\n".encode("utf-16"), 2),
        ("題目,A,B\n".encode() + "一？,甲,乙\n".encode() * 20_000 + b"\x00\n", 20_002),
    ],
)
def test_a_zero_byte_is_named_with_its_line(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "bank.csv"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=rf"bank\.csv, line {line}: it holds a zero byte \(NUL\)"):
        read_bank(path)


@pytest.mark.parametrize(
    "text", ["=1", "'=1", "''+1", "\n甲", "'\n甲", "＝1", "'甲'=乙", "'a'", "'"]
)
def test_the_apostrophe_that_exports_put_before_a_text_is_taken_off(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "bank.csv"
    write_csv(path, ["題目", "A", "B"], [{"題目": "哪個？", "A": text, "B": "乙"}])
    assert read_bank(path)[0].options == (text.strip(), "乙")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a," * 1_000_000, "the limit is 702"),
        ("a," * 20_000_000, "is longer than 33,554,432 characters"),
        ('"\n",' * 12_000_000, "is longer than 33,554,432 characters"),
    ],
)
def test_a_row_without_end_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,A,B\n" + text, encoding="utf-8")
    with pytest.raises(ReadError, match=reason):
        read_bank(path)
