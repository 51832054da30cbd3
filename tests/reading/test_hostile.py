"""Files made to break a reader: each is refused, in bounded time and memory."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conftest import WriteXlsx
from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank

SHEET = "xl/worksheets/sheet1.xml"
SUFFIXES = [".xlsx", ".csv", ".tsv", ".json", ".jsonl"]


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["題目", "A", "B", "答案"], ["哪個？", "甲", "乙", "A"]):
        sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


WORKBOOK = workbook()


def with_part(name: str, content: bytes) -> bytes:
    """The small workbook with one of its parts replaced."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(WORKBOOK)) as source,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for member in source.namelist():
            target.writestr(member, content if member == name else source.read(member))
    return buffer.getvalue()


def part(name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(WORKBOOK)) as source:
        return source.read(name)


def read_bytes(content: bytes, suffix: str) -> QuestionBank | None:
    """The bank, or None where the file was refused as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"bank{suffix}"
        path.write_bytes(content)
        try:
            return read_bank(path)
        except ReadError:
            return None


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(derandomize=True, max_examples=60, deadline=None)
@given(content=st.binary(max_size=300))
@example(content=b"\xff\xfe")
@example(content=b"\xef\xbb\xbf")
@example(content=b"PK\x03\x04")
@example(content=b"[" * 100_000)
@example(content=b'{"question": NaN, "A": 1e999, "B": -1}')
@example(content=b'[{"question": "\\ud800?", "A": "x", "B": "y", "answer": "A"}]')
@example(content=b'"' * 1000)
@example(content=b"1" * 5000)
def test_random_bytes_are_refused_or_read(suffix: str, content: bytes) -> None:
    bank = read_bytes(content, suffix)
    assert bank is None or len(bank) <= 1


@settings(derandomize=True, max_examples=80, deadline=None)
@given(cut=st.integers(0, len(WORKBOOK) - 1))
def test_a_truncated_workbook_is_refused(cut: int) -> None:
    assert read_bytes(WORKBOOK[:cut], ".xlsx") is None


@settings(derandomize=True, max_examples=120, deadline=None)
@given(index=st.integers(0, len(WORKBOOK) - 1), byte=st.integers(0, 255))
def test_a_workbook_with_a_changed_byte_is_refused_or_read(index: int, byte: int) -> None:
    content = WORKBOOK[:index] + bytes([byte]) + WORKBOOK[index + 1 :]
    bank = read_bytes(content, ".xlsx")
    assert bank is None or len(bank) <= 1


@settings(derandomize=True, max_examples=100, deadline=None)
@given(index=st.integers(0, 2000), junk=st.binary(min_size=1, max_size=8))
def test_a_sheet_with_damaged_xml_is_refused_or_read(index: int, junk: bytes) -> None:
    sheet = part(SHEET)
    index %= len(sheet)
    bank = read_bytes(with_part(SHEET, sheet[:index] + junk + sheet[index:]), ".xlsx")
    assert bank is None or len(bank) <= 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["question", "options", "answer", "A", "B", "id", "label", "text"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(value=json_values)
def test_json_of_any_shape_is_refused_or_read(value: object) -> None:
    bank = read_bytes(json.dumps([value]).encode(), ".json")
    assert bank is None or all(len(question.options) >= 2 for question in bank)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "Infinity"),
        ("id", "NaN"),
        ("id", "1e999"),
        ("answer", "Infinity"),
        ("answer", '"፩፪"'),
        ("answer", '"𐩀𐩁"'),
        ("passage", "[" * 400 + '"某文章"' + "]" * 400),
        ("question", "[" * 400 + "]" * 400),
        ("A", "[" * 400 + "]" * 400),
        ("answer", "[" * 400 + "]" * 400),
        ("extra", '{"a":' * 400 + "1" + "}" * 400),
    ],
)
def test_json_with_a_value_that_python_chokes_on_is_read(
    tmp_path: Path, name: str, value: str
) -> None:
    path = tmp_path / "bank.json"
    sound = '{"question": "何時？", "A": "春", "B": "夏", "answer": "A"}'
    odd = f'{sound[:-1]}, "{name}": {value}}}'
    path.write_text(f"[{sound}, {odd}]", encoding="utf-8")
    bank = read_bank(path)
    assert bank[0].answer == (0,)
    assert len(bank) + len(bank.problems) >= 2


def test_a_zip_bomb_is_refused_before_it_inflates() -> None:
    bomb = with_part(SHEET, part(SHEET) + b"<!--" + b" " * 200_000_000 + b"-->")
    assert len(bomb) < 300_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bomb.xlsx"
        path.write_bytes(bomb)
        start = time.process_time()
        with pytest.raises(ReadError, match="refused as a zip bomb"):
            read_bank(path)
        assert time.process_time() - start < 5


ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>"""
EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("head", [ENTITIES, EXTERNAL], ids=["bomb", "external"])
@pytest.mark.parametrize("name", [SHEET, "xl/workbook.xml", "xl/styles.xml"])
def test_declared_entities_are_refused(name: str, head: bytes) -> None:
    xml = part(name)
    body = xml[xml.index(b"?>") + 2 :] if xml.startswith(b"<?xml") else xml
    assert read_bytes(with_part(name, head + body), ".xlsx") is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_cell_at_the_far_corner_is_refused_in_little_memory(tmp_path: Path) -> None:
    cell = b'<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c></row>'
    path = tmp_path / "far.xlsx"
    path.write_bytes(with_part(SHEET, part(SHEET).replace(b"</sheetData>", cell + b"</sheetData>")))
    script = (
        "import sys; from zhmcq.reading import read_bank; from zhmcq.errors import *\n"
        "try: read_bank(sys.argv[1])\n"
        "except ReadError as error: print(error)\n"
        "peak = [l for l in open('/proc/self/status') if l.startswith('VmHWM')]\n"
        "print(int(peak[0].split()[1]) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60
    )
    message, megabytes = done.stdout.strip().splitlines()
    assert "XFD1048576" in message
    assert int(megabytes) < 100


def test_a_far_row_and_far_formats_are_read_all_the_same() -> None:
    far = b'<row r="1048576"><c r="A1048576" t="inlineStr"><is><t>x</t></is></c></row>'
    formats = b'<row r="9"><c r="XFD9" s="0"/></row>' + far
    sheet = part(SHEET).replace(b"</sheetData>", formats + b"</sheetData>")
    bank = read_bytes(with_part(SHEET, sheet), ".xlsx")
    assert bank is not None
    assert len(bank) == 1
    assert [(p.row, p.code) for p in bank.problems] == [(1048576, "no_options")]


def test_a_huge_merged_range_costs_nothing() -> None:
    merges = b'<mergeCells count="1"><mergeCell ref="A2:XFD1048576"/></mergeCells>'
    sheet = part(SHEET).replace(b"</sheetData>", b"</sheetData>" + merges)
    bank = read_bytes(with_part(SHEET, sheet), ".xlsx")
    assert bank is not None
    assert len(bank) == 1


def test_formula_text_stays_text(write_xlsx: WriteXlsx) -> None:
    path = write_xlsx([["題目", "A", "B"], ["哪個？", '\'=HYPERLINK("x")', "@cmd"]])
    assert read_bank(path)[0].options == ('\'=HYPERLINK("x")', "@cmd")


REPEATED = [
    "[",
    "(",
    "A、",
    "(A)",
    " ",
    "\n",
    "( ",
    "；",
    "｜",
    "A.",
    "1.",
    "1",
    "選項",
    "\u3000\n",
]


@pytest.mark.parametrize("unit", REPEATED)
def test_time_grows_with_the_text_only(tmp_path: Path, unit: str) -> None:
    text = unit * 30_000
    path = tmp_path / "bank.jsonl"
    records = [
        {"question": f"一？{text}甲", "A": f"x{text}", "B": f"{text}y", "answer": f"{text}z"},
        {"question": f"一？{text}甲", "options": f"x{text}y", "answer": f"q{text}"},
        {"question": f"一？{text}甲", "answer": [f"q{text}", "B"]},
        {text: f"一？{text}甲"},
    ]
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    start = time.process_time()
    read_bank(path)
    assert time.process_time() - start < 8


def test_a_sheet_of_unclosed_tags_takes_no_longer() -> None:
    start = time.process_time()
    assert read_bytes(with_part(SHEET, b"<c " * 3_000_000), ".xlsx") is None
    assert time.process_time() - start < 8


def test_a_quote_that_never_closes_is_refused_since_it_swallows_rows(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text('題目,A,B\n零？,甲,乙\n"一？,甲,乙\n' + "二？,甲,乙\n" * 3000, encoding="utf-8")
    with pytest.raises(ReadError, match="line 3: a quote opens in this row and is not closed"):
        read_bank(path)


@pytest.mark.parametrize("end", ['"丙"', '"丙"\n', '"丙"\n\n', '"丙\n"', '丙"', '"丙"x', '""'])
def test_a_last_line_with_quotes_that_close_is_read(tmp_path: Path, end: str) -> None:
    path = tmp_path / "bank.csv"
    path.write_text(f"題目,A,B,C\n一？,甲,乙,{end}", encoding="utf-8")
    assert [question.stem for question in read_bank(path)] == ["一？"]


def test_a_record_of_very_many_names_takes_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "bank.json"
    record = {f"欄{n}": n for n in range(60_000)} | {"": 1, " ": 2}
    options = {f"選項{a}A{' ' * n}": "甲" for a in ("", " ", ":") for n in range(500)}
    path.write_text(json.dumps([record | options]), encoding="utf-8")
    start = time.process_time()
    with pytest.raises(ColumnsError, match="no column of questions"):
        read_bank(path)
    assert time.process_time() - start < 8
