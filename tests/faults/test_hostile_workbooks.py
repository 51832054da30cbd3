"""Small workbooks that would take hours or gigabytes: refused or read in seconds."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest

from zhmcq.errors import ReadError
from zhmcq.reading import read_bank
from zhmcq.reports._workbook import (
    AddedCell,
    EditedWorkbook,
    SheetEdit,
    covered_cells,
    edit_workbook,
    first_free_columns,
)

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONSHIPS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
)
ROWS = "".join(
    f'<row r="{number}">'
    + "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in row)
    + "</row>"
    for number, row in [(1, ["題目", "A", "B", "答案"]), (2, ["哪個？", "甲", "乙", "A"])]
)
TEXT = "<is><t>x</t></is></c></row>"


def relationship(name: str, kind: str, target: str) -> str:
    return f'<Relationship Id="{name}" Type="{OFFICE}/{kind}" Target="{target}"/>'


def workbook(
    path: Path,
    rows: str = "",
    *,
    before: str = "",
    after: str = "",
    parts: dict[str, str] | None = None,
) -> Path:
    """One question, then these rows; parts are written instead of the usual ones."""
    sheet = (
        f'<worksheet xmlns="{MAIN}">{before}<sheetData>{ROWS}{rows}</sheetData>{after}</worksheet>'
    )
    usual = {
        "_rels/.rels": RELATIONSHIPS
        + relationship("a", "officeDocument", "xl/workbook.xml")
        + "</Relationships>",
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="b"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": RELATIONSHIPS
        + relationship("b", "worksheet", "worksheets/s.xml")
        + "</Relationships>",
        "xl/worksheets/s.xml": sheet,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**usual, **(parts or {})}.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "rows",
    [
        f'<row r="9"><c r="XFD9" t="inlineStr">{TEXT}',
        f"<row r='9'><c r='XFD9' t='inlineStr'>{TEXT}",
        f'<row r="9"><c r = "XFD9" t = "inlineStr">{TEXT}',
        f'<row r="9"><c\n\tr\n=\n" xfd9 "\n t="inlineStr">{TEXT}',
        f'<row r="9"><c r="&#88;FD9" t="inlineStr">{TEXT}',
        f'<row r="9"><c t="inlineStr" zz="{"z" * 999}" r="XFD9">{TEXT}',
        f'<x:row xmlns:x="{MAIN}" r="9"><x:c r="XFD9" t="str"><x:v>x</x:v></x:c></x:row>',
        f'<row r="9"><c r="XFC9"/><c t="inlineStr">{TEXT}',
        '<row r="9"><c r="XFD9"><f>1+1</f></c></row>',
    ],
)
def test_a_cell_beyond_column_zz_is_refused_however_it_is_spelled(
    tmp_path: Path, rows: str
) -> None:
    with pytest.raises(ReadError, match="the cell XFD9 holds something beyond column ZZ"):
        read_bank(workbook(tmp_path / "bank.xlsx", rows))


@pytest.mark.parametrize("number", ["1048577", "2147483647", "9" * 400, "0", "-1", "１２", "x"])
@pytest.mark.parametrize("form", ['<row r="{}"/>', "<row r = '{}'><c><v>1</v></c></row>"])
def test_a_row_that_no_workbook_has_is_refused(tmp_path: Path, number: str, form: str) -> None:
    with pytest.raises(ReadError, match="expected rows from 1 to 1,048,576"):
        read_bank(workbook(tmp_path / "bank.xlsx", form.format(number)))


def test_more_rows_than_a_workbook_has_are_refused_if_they_bear_no_numbers(tmp_path: Path) -> None:
    path = workbook(tmp_path / "bank.xlsx", "<row/>" * 1_048_576)
    start = time.process_time()
    with pytest.raises(ReadError, match="found row '1048577'"):
        read_bank(path)
    assert time.process_time() - start < 12


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        ("<row r='2'><c><v>1</v></c></row>", 2),
        ("<row r='9'><c><v>1</v></c></row><row r='5'><c><v>1</v></c></row>", 5),
    ],
)
def test_rows_out_of_order_are_refused_instead_of_dropped(
    tmp_path: Path, rows: str, number: int
) -> None:
    with pytest.raises(ReadError, match=f"row {number} comes after row"):
        read_bank(workbook(tmp_path / "bank.xlsx", rows))


def test_a_cell_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    row = '<row r="3"><c r="A3"><v>1</v></c><c r="A3"><v>2</v></c></row>'
    with pytest.raises(ReadError, match="the cell A3 occurs twice"):
        read_bank(workbook(tmp_path / "bank.xlsx", row))


PEAK = (
    "import sys, time; from zhmcq.reading import read_bank\n"
    "print(len(read_bank(sys.argv[1])), time.process_time())\n"
    "peak = [l for l in open('/proc/self/status') if l.startswith('VmHWM')]\n"
    "print(int(peak[0].split()[1]) // 1024)"
)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "rows",
    [
        "".join(
            f'<row r="{n}" spans="1:5" s="0" customFormat="1" ht="15"/>'
            for n in range(3, 1_048_577)
        ),
        "".join(f'<row r="{n}">{"<c/>" * 16_384}</row>' for n in (*range(3, 20), 1_048_576)),
    ],
    ids=["rows", "columns"],
)
def test_formats_on_empty_rows_and_columns_to_the_end_of_the_sheet_cost_little(
    tmp_path: Path, rows: str
) -> None:
    path = workbook(tmp_path / "bank.xlsx", rows)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, timeout=120
    )
    questions, seconds, megabytes = done.stdout.split()
    assert (questions, float(seconds) < 20, int(megabytes) < 100) == ("1", True, True)


def repeated(text: str, size: int = 20_000_000) -> str:
    return text * (size // len(text))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("<a>" * 300_000, "nested 256 deep"),
        (f'<row r="{"1" * 6_000_000}"/>', "one of its tags is longer"),
        ("<row " + " ".join(f'a{n}=""' for n in range(700_000)) + "/>", "tags is longer"),
        ("<!--" + " " * 6_000_000 + "-->", "tags is longer"),
        ("".join(f"<a{n}/>" for n in range(50_000)), "names of elements"),
        (f'<row r="9"><c t="str"><v>{"x" * 17_000_000}</v></c></row>', "holds more than 16,777,"),
        ('<row r="9"><c><v>1_0</v></c></row>', "the cell A9 is damaged"),
        ('<row r="9"><c t="s"><v>-1</v></c></row>', "the cell A9 is damaged"),
        ('<row r="9"><c r="9A"><v>1</v></c></row>', "expected a cell such as B7, found '9A'"),
    ],
)
def test_xml_that_is_built_to_take_memory_is_refused(
    tmp_path: Path, rows: str, reason: str
) -> None:
    path = workbook(tmp_path / "bank.xlsx", rows)
    start = time.process_time()
    with pytest.raises(ReadError, match=reason):
        read_bank(path)
    assert time.process_time() - start < 8


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<dimension ref="A1:XFD1048576"/>', ""),
        ("<cols>" + repeated('<col min="1" max="16384" width="9"/>') + "</cols>", ""),
        (
            "",
            "<dataValidations>"
            + repeated('<dataValidation sqref="A:XFD"/>')
            + "</dataValidations>",
        ),
        ("", repeated('<conditionalFormatting sqref="A1:XFD1048576"/>')),
        ("", '<mergeCells count="4294967295"><mergeCell ref="A2:XFD1048576"/></mergeCells>'),
        ("", "<mergeCells>" + '<mergeCell ref="A2:A1048576"/>' * 100_000 + "</mergeCells>"),
    ],
    ids=["dimension", "columns", "validations", "formats", "merge", "merges"],
)
def test_what_is_said_of_whole_columns_costs_nothing(
    tmp_path: Path, before: str, after: str
) -> None:
    path = workbook(tmp_path / "bank.xlsx", before=before, after=after)
    start = time.process_time()
    assert len(read_bank(path)) == 1
    assert time.process_time() - start < 8


def test_merged_cells_that_multiply_a_text_are_refused_when_they_show_too_much(
    tmp_path: Path,
) -> None:
    long = f'<row r="3"><c t="str"><v>{"長" * 30_000}</v></c></row>'
    rows = "".join(f'<row r="{n}"><c r="B{n}"><v>1</v></c></row>' for n in range(4, 9000))
    merge = "<mergeCells><mergeCell ref = '$A$3:$A$1048576'/></mergeCells>"
    path = workbook(tmp_path / "bank.xlsx", long + rows, after=merge)
    start = time.process_time()
    with pytest.raises(ReadError, match="out of proportion to the file's size"):
        read_bank(path)
    assert time.process_time() - start < 20


@pytest.mark.parametrize(
    ("part", "content", "reason"),
    [
        (
            "xl/styles.xml",
            f'<styleSheet xmlns="{MAIN}"><cellXfs>{"<xf/>" * 3_000_000}</cellXfs></styleSheet>',
            "more than 100,000 formats",
        ),
        (
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
            + '<sheet name="S" r:id="b"/>' * 2
            + "</sheets></workbook>",
            "has no content of its own",
        ),
        ("xl/workbook.xml", f'<workbook xmlns="{MAIN}"><sheets><sheet/></sheets></workbook>', "''"),
        ("xl/workbook.xml", "<document/>", "a document of another kind"),
        ("xl/workbook.xml", "not xml", "its XML is damaged"),
    ],
)
def test_a_part_beside_the_sheets_is_bounded_too(
    tmp_path: Path, part: str, content: str, reason: str
) -> None:
    path = workbook(tmp_path / "bank.xlsx", parts={part: content})
    start = time.process_time()
    with pytest.raises(ReadError, match=reason):
        read_bank(path)
    assert time.process_time() - start < 8


def test_a_drawing_that_many_sheets_share_is_looked_at_once(tmp_path: Path) -> None:
    count = 60
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{ROWS}</sheetData></worksheet>'
    drawing = relationship("d", "drawing", "../drawings/d.xml")
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        + "".join(f'<sheet name="S{n}" r:id="b{n}"/>' for n in range(count))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": RELATIONSHIPS
        + "".join(relationship(f"b{n}", "worksheet", f"worksheets/{n}.xml") for n in range(count))
        + "</Relationships>",
        "xl/drawings/d.xml": "</xdr:twoCellAnchor><xdr:from>" * 1_000_000,
    }
    for number in range(count):
        parts[f"xl/worksheets/{number}.xml"] = sheet
        relations = f"{RELATIONSHIPS}{drawing * 20}</Relationships>"
        parts[f"xl/worksheets/_rels/{number}.xml.rels"] = relations
    path = workbook(tmp_path / "bank.xlsx", parts=parts)
    start = time.process_time()
    assert len(read_bank(path)) == count
    assert time.process_time() - start < 10


ODS = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body>'
    '<office:spreadsheet><table:table table:name="S">{}</table:table></office:spreadsheet>'
    "</office:body></office:document-content>"
)


def ods_row(texts: list[str], repeated: int = 1, columns: int = 1) -> str:
    cells = "".join(
        '<table:table-cell office:value-type="string" '
        f'table:number-columns-repeated="{columns}"><text:p>{text}</text:p></table:table-cell>'
        if text
        else f'<table:table-cell table:number-columns-repeated="{columns}"/>'
        for text in texts
    )
    return f'<table:table-row table:number-rows-repeated="{repeated}">{cells}</table:table-row>'


def ods(path: Path, row: str) -> Path:
    pytest.importorskip("python_calamine")
    rows = ods_row(["題目", "A", "B", "答案"]) + ods_row(["哪個？", "甲", "乙", "A"]) + row
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", ODS.format(rows))
    return path


@pytest.mark.parametrize(
    "row",
    [
        ods_row(["x"], repeated=1_048_574),
        ods_row(["x"], repeated=4_294_967_295),
        ods_row(["x"], columns=16_384),
        ods_row(["x"], columns=4_294_967_295),
        ods_row(["x"], repeated=1_048_574, columns=700),
    ],
)
def test_repeated_cells_of_an_ods_are_refused_when_they_are_too_many(
    tmp_path: Path, row: str
) -> None:
    path = ods(tmp_path / "bank.ods", row)
    start = time.process_time()
    with pytest.raises(ReadError, match=r"too large|out of proportion"):
        read_bank(path)
    assert time.process_time() - start < 10  # before a row is looked at: 0.1


@pytest.mark.parametrize(
    "row",
    [
        ods_row([""], repeated=1_048_574, columns=16_384),
        ods_row([" "], repeated=1_048_574),
    ],
    ids=["empty", "spaces"],
)
def test_blank_rows_and_columns_of_an_ods_to_the_end_of_the_sheet_cost_nothing(
    tmp_path: Path, row: str
) -> None:
    assert len(read_bank(ods(tmp_path / "bank.ods", row))) == 1


ENTITIES = (
    '<!DOCTYPE styleSheet [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c SYSTEM "file:///etc/hostname">]>'
)


@pytest.mark.parametrize(
    ("before", "inside", "edited"),
    [
        ("", "", True),
        (ENTITIES, "<x>&b;&c;</x>", False),
        ("<!DOCTYPE styleSheet>", "", False),
        ("", "<x>" * 300 + "</x>" * 300, False),
        ("", "<x>", False),
    ],
    ids=["honest", "entities", "document type", "deep", "damaged"],
)
def test_a_workbook_with_a_hostile_part_is_not_edited(
    tmp_path: Path, before: str, inside: str, edited: bool
) -> None:
    openpyxl.Workbook().save(tmp_path / "honest.xlsx")
    path = tmp_path / "bank.xlsx"
    with (
        zipfile.ZipFile(tmp_path / "honest.xlsx") as honest,
        zipfile.ZipFile(path, "w") as archive,
    ):
        for name in honest.namelist():
            part = honest.read(name).decode()
            if name == "xl/styles.xml":
                part = before + part.replace("</styleSheet>", inside + "</styleSheet>")
            archive.writestr(name, part)
    mark = SheetEdit({(1, 1): AddedCell(None, colour="error")})
    result = edit_workbook(path, tmp_path / "marked.xlsx", {"Sheet": mark}, {})
    assert isinstance(result, EditedWorkbook) is edited
    assert (tmp_path / "marked.xlsx").exists() is edited


MERGES = '<mergeCell ref="A1:XFD1048576"/>' * 20_000


@pytest.mark.parametrize(
    ("before", "rows", "after", "edited"),
    [
        ("", "", f"<mergeCells>{MERGES}</mergeCells>", False),
        (
            "",
            "",
            "<hyperlinks>" + '<hyperlink ref="A1:XFD1048576"/>' * 20_000 + "</hyperlinks>",
            True,
        ),
        ("<cols>" + '<col min="1" max="16384" width="9"/>' * 20_000 + "</cols>", "", "", False),
        ("<cols>" + '<col min="700" max="16384" width="9"/>' * 20_000 + "</cols>", "", "", True),
        ("", '<row r="9">' + "<c/>" * 50_000 + "</row>", "", True),
        ("", '<row r="9"><c r="J9">' + " " * 3_000_000 + "</c></row>", "", False),
        ("", '<row r="9"><c r="J9"><v>' + "<!-- -->" * 300_000 + "</v></c></row>", "", False),
        ("", f'<row r="9" x="{"y" * 5_000_000}"/>', "", False),
        ("", '<row r="99999999999"/>', "", False),
        ("", '<row r="9"><c r="ZZZZZZ9"/></row>', "", False),
    ],
    ids=["merges", "links", "cols", "far cols", "cells", "spaces", "notes", "tag", "row", "column"],
)
def test_cells_are_put_into_a_hostile_sheet_or_not_in_seconds(
    tmp_path: Path, before: str, rows: str, after: str, edited: bool
) -> None:
    types = {"[Content_Types].xml": "<Types/>"}
    path = workbook(tmp_path / "bank.xlsx", rows, before=before, after=after, parts=types)
    cells = {(row, column): AddedCell("x") for row in range(3, 2_000) for column in (10, 11)}
    start = time.process_time()
    first_free_columns(path, ["S"])
    covered_cells(path, {"S": cells})
    result = edit_workbook(path, tmp_path / "marked.xlsx", {"S": SheetEdit(cells, {10: 9})}, {})
    assert time.process_time() - start < 20
    assert isinstance(result, EditedWorkbook) is edited, result
