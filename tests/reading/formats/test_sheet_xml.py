"""Rows of a worksheet's XML, compared with what openpyxl and the format say."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.errors import ReadError
from zhmcq.reading._formats.cells import cell_text
from zhmcq.reading._formats.sheet_xml import SheetRows, merged_ranges
from zhmcq.reading._formats.table import CellRow, MergedRange
from zhmcq.reading._formats.workbook_parts import (
    MAIN_NAMESPACES,
    CellFormats,
    SharedTexts,
    open_workbook,
)

FORMATS = CellFormats(["General", "0%", "yyyy/m/d", "[h]:mm:ss"], dates={2, 3}, durations={3})
TEXTS = SharedTexts(["甲\n", "_x000D_"], ["甲", "\r"])


def rows_of(
    cells: str, namespace: str = MAIN_NAMESPACES[0], encoding: str = "utf-8"
) -> list[CellRow]:
    xml = f'<worksheet xmlns="{namespace}"><sheetData>{cells}</sheetData></worksheet>'
    declared = f'<?xml version="1.0" encoding="{encoding}"?>{xml}'
    return list(SheetRows(io.BytesIO(declared.encode(encoding)), FORMATS, TEXTS, "here"))


@pytest.mark.parametrize(
    ("cell", "value", "text", "note"),
    [
        ('<c t="s"><v>0</v></c>', "甲\n", "甲", ""),
        ('<c t="str"><f>A1</f><v> 甲 </v></c>', " 甲 ", "甲", ""),
        ('<c t="inlineStr"><is><t>甲</t></is></c>', "甲", "甲", ""),
        ('<c t="inlineStr"><is><r><t>甲</t></r><r><t>乙</t></r></is></c>', "甲乙", "甲乙", ""),
        (
            '<c t="inlineStr"><is><t>漢</t><rPh sb="0" eb="1"><t>かん</t></rPh></is></c>',
            "漢", "漢", "",
        ),
        ("<c><is><t>甲</t></is></c>", "甲", "甲", ""),
        ("<c><v>15</v></c>", 15, "15", ""),
        ("<c><v>1.5E1</v></c>", 15.0, "15", ""),
        ('<c s="1"><v>0.15</v></c>', 0.15, "15%", ""),
        ('<c s="2"><v>45000</v></c>', dt.datetime(2023, 3, 15), "2023/3/15", ""),
        ('<c s="3"><v>1.5</v></c>', dt.timedelta(hours=36), "36:00:00", ""),
        ('<c s="2"><v>99999999</v></c>', "#VALUE!", "#VALUE!", "error_value"),
        ('<c s="99"><v>1</v></c>', 1, "1", ""),
        ('<c t="b"><v>1</v></c>', True, "TRUE", ""),
        ('<c t="e"><v>#REF!</v></c>', "#REF!", "#REF!", "error_value"),
        ('<c t="d"><v>2023-03-15</v></c>', dt.date(2023, 3, 15), "2023/3/15", ""),
        ("<c><f>1+1</f></c>", None, "", "formula_without_value"),
        ("<c><f>1+1</f><v/></c>", None, "", "formula_without_value"),
        (f"<c><v>{'9' * 400}</v></c>", float("inf"), "inf", "error_value"),
        ("<c><v>NaN</v></c>", None, "nan", "error_value"),
    ],
)  # fmt: skip
def test_a_cell_is_read_by_its_type_and_format(cell: str, value: Any, text: str, note: str) -> None:
    (row,) = rows_of(f'<row r="7">{cell}<c><v>0</v></c></row>')
    assert (row.number, row.texts[0], row.notes.get(0, "")) == (7, text, note)
    assert row.values[0] == value or text == "nan"


@pytest.mark.parametrize("namespace", MAIN_NAMESPACES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_namespaces_and_encodings_that_workbooks_may_have(namespace: str, encoding: str) -> None:
    rows = rows_of("<row><c><v>1</v></c></row>", namespace, encoding)
    assert [row.texts for row in rows] == [["1"]]


def test_rows_and_cells_without_numbers_follow_each_other() -> None:
    rows = rows_of(
        '<row/><row><c><v>1</v></c><c r="D2"><v>2</v></c><c><v>3</v></c></row>'
        '<row r="5"><c r="B5"><v>4</v></c></row><row><c><v>5</v></c></row>'
    )
    assert [(row.number, row.texts) for row in rows] == [
        (2, ["1", "", "", "2", "3"]),
        (5, ["", "4"]),
        (6, ["5"]),
    ]


def test_elements_of_other_namespaces_are_passed_over() -> None:
    other = '<x:row xmlns:x="urn:other" r="1"><x:c><x:v>1</x:v></x:c></x:row>'
    assert rows_of(f"{other}<row><c><v>2</v></c></row>")[0].texts == ["2"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("ref", ['"A2:B4"', "'$a$2:$b$4'", '" A2:B4\n"', '"&#65;2:B4"'])
def test_merged_ranges_are_seen_however_they_are_spelled(ref: str, encoding: str) -> None:
    xml = (
        f'<?xml version="1.0" encoding="{encoding}"?><m:worksheet xmlns:m="{MAIN_NAMESPACES[0]}">'
        f"<m:sheetData/><m:mergeCells><m:mergeCell\tref\n=\n{ref}/></m:mergeCells></m:worksheet>"
    )
    ranges, _ = merged_ranges(io.BytesIO(xml.encode(encoding)), "here")
    assert ranges == [MergedRange(1, 2, 4)]


def test_a_word_that_two_chunks_share_is_seen() -> None:
    head = f'<worksheet xmlns="{MAIN_NAMESPACES[0]}"><!--'
    tail = '--><mergeCells><mergeCell ref="A1:A2"/></mergeCells></worksheet>'
    for split in range(1, 20):
        filling = "x" * (2**16 - len(head) - tail.index("mergeCells") - split)
        ranges, _ = merged_ranges(io.BytesIO(f"{head}{filling}{tail}".encode()), "here")
        assert ranges == [MergedRange(1, 1, 2)]


values = st.one_of(
    st.none(),
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=6),
    st.integers(-(10**14), 10**14),
    st.floats(-1e9, 1e9),
    st.booleans(),
    st.dates(dt.date(1901, 1, 1), dt.date(2100, 1, 1)),
    st.datetimes(dt.datetime(1901, 1, 1), dt.datetime(2100, 1, 1)),
    st.times(),
)
codes = st.sampled_from(["General", "0%", "0.00", "#,##0", "yyyy/m/d", "h:mm", "@", "[h]:mm"])


@pytest.mark.filterwarnings("ignore:Cell .* is marked as a date:UserWarning")
@settings(derandomize=True, max_examples=100, deadline=None)
@given(table=st.lists(st.lists(st.tuples(values, codes), max_size=4), max_size=4))
def test_what_is_read_is_what_openpyxl_reads(table: list[list[tuple[Any, str]]]) -> None:
    book = openpyxl.Workbook()
    for number, cells in enumerate(table, 1):
        for column, (value, code) in enumerate(cells, 1):
            cell = book.worksheets[0].cell(number, column, value)
            if isinstance(value, int | float):
                cell.number_format = code
    stream = io.BytesIO()
    book.save(stream)
    expected = {}
    for row in openpyxl.load_workbook(stream, data_only=True).worksheets[0]:
        for cell in row:
            text = cell_text(cell.value, cell.number_format)[0]
            if text:
                expected[cell.row, cell.column] = text
    archive = zipfile.ZipFile(stream)
    parts = open_workbook(archive, "here")
    with archive.open(parts.sheets[0].part) as part:
        rows = list(SheetRows(part, parts.formats, parts.texts, "here"))
    assert expected == {
        (row.number, column): text
        for row in rows
        for column, text in enumerate(row.texts, 1)
        if text
    }


def test_a_damaged_number_names_its_cell() -> None:
    with pytest.raises(ReadError, match="here: the cell B3 is damaged: expected a value of type"):
        rows_of('<row r="3"><c r="B3"><v>eins</v></c></row>')


def test_a_row_of_long_cells_is_refused_before_it_is_held_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zhmcq.reading._formats.sheet_xml.LONGEST_ROW", 10)
    cell = '<c t="str"><v>12345</v></c>'
    assert len(rows_of(f"<row>{cell * 2}</row>" * 3)) == 3
    with pytest.raises(ReadError, match="the cell C2 ends more than 10 characters of one row"):
        rows_of(f"<row>{cell * 2}</row><row>{cell * 3}</row>")
