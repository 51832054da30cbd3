"""A workbook is edited as a package: what is not changed stays byte for byte."""

from __future__ import annotations

import contextlib
import datetime
import importlib.util
import io
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from xlsxwriter import Workbook

from zhmcq.errors import OutputError
from zhmcq.reading._formats.xlsx import xlsx_sheets
from zhmcq.reports._workbook import (
    AddedCell,
    EditedWorkbook,
    NewSheet,
    NotEditable,
    SheetEdit,
    covered_cells,
    edit_workbook,
)

PIXEL = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc```\0\0"
    b"\0\4\0\1\xf6\x178U\0\0\0\0IEND\xaeB`\x82"
)
EXTRA = {
    "customXml/item1.xml": b"<a>\r\n<b/></a>",
    "xl/printerSettings/printerSettings1.bin": bytes(range(256)),
    "xl/media/raw.jpeg": b"\xff\xd8" * 99,
}
MARK = AddedCell(None, colour="error", comment="[x] 有問題")
ANSWERS = SheetEdit(
    {
        (2, 9): AddedCell("答案", "header"),
        (2, 10): AddedCell("信心", "header"),
        (3, 9): AddedCell("=甲"),
        (3, 10): AddedCell(0.25, "percent", "unsure"),
        (4, 9): AddedCell(2, colour="right"),
        (4, 10): AddedCell(0.75, "percent"),
        (3, 2): MARK,
        (4, 2): MARK,
    },
    {9: 12, 10: 8.5},
)
SUMMARY = NewSheet(
    {(1, 1): AddedCell("正確率", "header"), (2, 1): AddedCell(0.5, "percent")}, {1: 20}, 1
)


def rich_workbook(path: Path) -> Path:
    """Two sheets of questions and one of notes, with much that a workbook can hold."""
    with Workbook(str(path)) as book:
        header = book.add_format({"bold": True, "bg_color": "#1F4E78", "border": 1})
        body = book.add_format({"border": 1, "text_wrap": True})
        percent = book.add_format({"num_format": "0%", "border": 1})
        date = book.add_format({"num_format": "yyyy/m/d", "border": 1})
        for name in ("國文", "自然"):
            sheet = book.add_worksheet(name)
            sheet.merge_range("A1:H1", f"{name}題庫", header)
            sheet.write_row(
                "A2", ["題號", "題目", "選項1", "選項2", "選項3", "答案", "難度", "日期"], header
            )
            for row in range(2, 8):
                sheet.write_row(row, 0, [row, f"第{row}題？", "甲", "乙", "丙", 1], body)
                sheet.write_number(row, 6, row / 10, percent)
                sheet.write_datetime(row, 7, datetime.datetime(2024, 5, row), date)
            sheet.write_formula("G9", "=AVERAGE(G3:G8)", percent, 0.55)
            sheet.set_column("B:B", 30)
            sheet.set_column("J:XFD", None, None, {"hidden": True})
            sheet.conditional_format("G3:G8", {"type": "data_bar"})
            sheet.data_validation("F3:F8", {"validate": "list", "source": [1, 2, 3]})
            sheet.freeze_panes(2, 0)
            sheet.set_row(6, None, None, {"hidden": True})
            sheet.write_comment("B3", "老師的註解")
            sheet.insert_image("B12", "p.png", {"image_data": io.BytesIO(PIXEL)})
            chart = book.add_chart({"type": "column"})
            chart.add_series({"values": f"={name}!$G$3:$G$8"})
            sheet.insert_chart("D12", chart)
            sheet.insert_textbox("B18", "文字方塊")
            sheet.write_url("H10", "https://example.org/")
        notes = book.add_worksheet("說明")
        notes.write("A1", "說明")
        notes.add_table("A3:B6", {"columns": [{"header": "科目"}, {"header": "題數"}]})
        book.define_name("題數", "=國文!$A$3:$A$8")
    with zipfile.ZipFile(path, "a") as archive:
        for part, data in EXTRA.items():
            archive.writestr(part, data)
    return path


def parts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(source: Path, target: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A workbook with its parts changed by hand."""
    content = parts(source)
    change(content)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return target


def small_workbook(path: Path, sheets: Mapping[str, list[list[Any]]] | None = None) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in (sheets or {"S": [["題目", "答案"], ["一？", 1]]}).items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def add(source: Path, target: Path, edit: SheetEdit | None = None) -> EditedWorkbook:
    result = edit_workbook(
        source, target, {"S": edit or SheetEdit({(1, 3): AddedCell("答", "header")})}, {}
    )
    assert isinstance(result, EditedWorkbook)
    return result


def refusal(source: Path, edit: SheetEdit | None = None, suffix: str = ".xlsx") -> str:
    target = source.with_name(f"refused{suffix}")
    cells = edit or SheetEdit({(1, 3): AddedCell("答", "header")})
    result = edit_workbook(source, target, {"S": cells}, {})
    assert isinstance(result, NotEditable)
    assert not target.exists()
    return result.reason


def test_all_parts_but_those_that_change_stay_byte_for_byte_and_in_their_order(
    tmp_path: Path,
) -> None:
    source = rich_workbook(tmp_path / "bank.xlsx")
    target = tmp_path / "answered.xlsx"
    result = edit_workbook(source, target, {"國文": ANSWERS}, {"說明": SUMMARY})
    assert result == EditedWorkbook((), {"說明": "說明 (2)"})
    before, after = parts(source), parts(target)
    assert [name for name in after if name in before] == list(before)
    assert [name for name in after if name not in before] == ["xl/worksheets/sheet4.xml"]
    assert {name for name in before if before[name] != after[name]} == {
        "[Content_Types].xml",
        "xl/workbook.xml",
        "xl/_rels/workbook.xml.rels",
        "xl/styles.xml",
        "xl/worksheets/sheet1.xml",
        "xl/comments1.xml",
        "xl/drawings/vmlDrawing1.vml",
    }
    stored = [
        {i.filename: (i.compress_type, i.compress_size, i.date_time) for i in archive.infolist()}
        for archive in map(zipfile.ZipFile, (source, target))
    ]
    for name in EXTRA:
        assert stored[0][name] == stored[1][name]


def test_of_what_changes_everything_stays_but_what_is_put_in(tmp_path: Path) -> None:
    source = rich_workbook(tmp_path / "bank.xlsx")
    target = tmp_path / "answered.xlsx"
    edit_workbook(source, target, {"國文": ANSWERS}, {"摘要": SUMMARY})
    before, after = (
        {
            name: data.decode()
            for name, data in parts(path).items()
            if name not in EXTRA and "png" not in name
        }
        for path in (source, target)
    )
    sheet = after["xl/worksheets/sheet1.xml"]
    sheet = re.sub(r'<c r="[IJ]\d+".*?(?:/>|</c>)(?=<c|</row)', "", sheet)
    sheet = re.sub(r'(<c r="B[34]") s="\d+"', r'\1 s="2"', sheet)
    sheet = sheet.replace('spans="1:10"', 'spans="1:8"').replace('ref="A1:J10"', 'ref="A1:H10"')
    sheet = re.sub(r'<col min="(9|10)" max="\1"[^>]*>', "", sheet)
    sheet = sheet.replace('<col min="11" max="16384"', '<col min="10" max="16384"')
    assert sheet == before["xl/worksheets/sheet1.xml"]
    for name, pattern in {
        "[Content_Types].xml": r'<Override PartName="/xl/worksheets/sheet4.xml"[^>]*>',
        "xl/workbook.xml": r'<sheet name="摘要"[^>]*>',
        "xl/_rels/workbook.xml.rels": r'<Relationship [^>]*Target="/xl/worksheets/sheet4.xml"/>',
        "xl/comments1.xml": '<author>zhmcq</author>|<comment ref="B4".*?</comment>|'
        r'<r><t xml:space="preserve">\n.*?</r>',
        "xl/drawings/vmlDrawing1.vml": r'<v:shape id="_x0000_s1026".*?</v:shape>',
    }.items():
        assert re.sub(pattern, "", after[name], flags=re.DOTALL) == before[name]


@pytest.mark.parametrize("library", ["openpyxl", "calamine"])
def test_other_programs_read_what_was_written(tmp_path: Path, library: str) -> None:
    source = rich_workbook(tmp_path / "bank.xlsx")
    target = tmp_path / "answered.xlsx"
    edit_workbook(source, target, {"國文": ANSWERS, "自然": ANSWERS}, {"摘要": SUMMARY})
    if library == "calamine":
        if importlib.util.find_spec("python_calamine") is None:
            pytest.skip("needs the extra 'sheets'")
        from python_calamine import CalamineWorkbook

        book = CalamineWorkbook.from_path(target)
        assert book.sheet_names == ["國文", "自然", "說明", "摘要"]
        assert book.get_sheet_by_name("自然").to_python()[1][8:] == ["答案", "信心"]
        assert book.get_sheet_by_name("自然").to_python()[2][6:7] == [0.2]
        assert book.get_sheet_by_name("摘要").to_python() == [["正確率"], [0.5]]
        return
    sheet = openpyxl.load_workbook(target)["自然"]
    assert (sheet["I3"].value, sheet["I3"].data_type, sheet["I3"].quotePrefix) == ("=甲", "s", True)
    assert (sheet["J3"].value, sheet["J3"].number_format) == (0.25, "0.0%")
    assert sheet["J3"].fill.start_color.rgb == "FFFFEB9C"
    assert sheet["I2"].fill.start_color.rgb == "FF1F4E78"
    assert sheet["I4"].border.left.style == "thin"
    assert sheet["G9"].value == "=AVERAGE(G3:G8)"
    assert sheet["B3"].comment is not None
    assert sheet["B3"].comment.text == "老師的註解\n[x] 有問題"
    assert [sheet.column_dimensions[name].hidden for name in "IJK"] == [False, False, True]


def test_the_same_edit_gives_the_same_bytes(tmp_path: Path) -> None:
    source = rich_workbook(tmp_path / "bank.xlsx")
    for name in ("a.xlsx", "b.xlsx"):
        edit_workbook(source, tmp_path / name, {"國文": ANSWERS}, {"摘要": SUMMARY})
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_an_edited_workbook_can_be_edited_again_and_over_itself(tmp_path: Path) -> None:
    path = small_workbook(tmp_path / "bank.xlsx")
    mark = SheetEdit({(2, 2): MARK})
    for count in (1, 2):
        result = edit_workbook(path, path, {"S": mark}, {"摘要": SUMMARY})
        assert isinstance(result, EditedWorkbook)
        assert result.new_sheets["摘要"] == ("摘要" if count == 1 else "摘要 (2)")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["S", "摘要", "摘要 (2)"]
    assert book["S"]["B2"].comment.text == "[x] 有問題\n[x] 有問題"
    with zipfile.ZipFile(path) as archive:
        assert archive.read("xl/worksheets/sheet1.xml").count(b"legacyDrawing") == 1
        assert len([name for name in archive.namelist() if "omments" in name]) == 1


def test_new_sheets_have_names_that_excel_takes(tmp_path: Path) -> None:
    path = small_workbook(tmp_path / "bank.xlsx", {"Summary": [["題目"]], "S": [["題目"]]})
    names = ["summary", "a/b", "x" * 40, "x" * 41, "甲&\x07"]
    result = edit_workbook(path, tmp_path / "new.xlsx", {}, dict.fromkeys(names, SUMMARY))
    assert isinstance(result, EditedWorkbook)
    written = openpyxl.load_workbook(tmp_path / "new.xlsx").sheetnames
    assert written == [
        *("Summary", "S", "summary (2)", "a_b", "x" * 31, "x" * 27 + " (2)", "甲&_x0007_"),
    ]
    assert list(result.new_sheets.values()) == written[2:]


def relationship(kind: str, target: str) -> bytes:
    return f'<Relationship Id="rIdX" Type="{kind}" Target="{target}"/></Relationships>'.encode()


VBA = relationship(
    "http://schemas.microsoft.com/office/2006/relationships/vbaProject", "vbaProject.bin"
)
SIGNED = relationship(
    "http://schemas.openxmlformats.org/package/2006/relationships/digital-signature/origin",
    "_xmlsignatures/origin.sigs",
)
XLSM = b"application/vnd.ms-excel.sheet.macroEnabled.main+xml"
XLSX = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
XLTX = b"application/vnd.openxmlformats-officedocument.spreadsheetml.template.main+xml"


def with_macros(content: dict[str, bytes]) -> None:
    end = b"</Relationships>"
    content["xl/vbaProject.bin"] = b"macros"
    content["xl/_rels/workbook.xml.rels"] = content["xl/_rels/workbook.xml.rels"].replace(end, VBA)
    types = content["[Content_Types].xml"].replace(XLSX, XLSM)
    content["[Content_Types].xml"] = types.replace(
        b"</Types>",
        b'<Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/></Types>',
    )


def test_macros_are_left_out_of_xlsx_and_kept_in_xlsm(tmp_path: Path) -> None:
    source = repacked(small_workbook(tmp_path / "bank.xlsx"), tmp_path / "bank.xlsm", with_macros)
    assert add(source, tmp_path / "with.xlsm").dropped == ()
    kept = parts(tmp_path / "with.xlsm")
    assert kept["xl/vbaProject.bin"] == b"macros"
    assert XLSM in kept["[Content_Types].xml"]
    dropped = add(source, tmp_path / "without.xlsx").dropped
    assert [sentence[:27] for sentence in dropped] == ["Its macros are left out: a "]
    left = parts(tmp_path / "without.xlsx")
    assert "xl/vbaProject.bin" not in left
    assert b"vbaProject" not in b"".join(left.values())
    assert XLSX in left["[Content_Types].xml"]
    openpyxl.load_workbook(tmp_path / "without.xlsx")


def test_other_parts_with_the_ending_of_macros_keep_their_type(tmp_path: Path) -> None:
    def change(content: dict[str, bytes]) -> None:
        with_macros(content)
        content["xl/printerSettings/printerSettings1.bin"] = b"printer"

    source = repacked(small_workbook(tmp_path / "bank.xlsx"), tmp_path / "bank.xlsm", change)
    add(source, tmp_path / "without.xlsx")
    assert b'Extension="bin"' in parts(tmp_path / "without.xlsx")["[Content_Types].xml"]


def test_sheets_of_macros_are_not_put_into_xlsx(tmp_path: Path) -> None:
    def change(content: dict[str, bytes]) -> None:
        with_macros(content)
        rels = content["xl/_rels/workbook.xml.rels"]
        content["xl/_rels/workbook.xml.rels"] = rels.replace(b"vbaProject", b"xlMacrosheet", 1)

    source = repacked(small_workbook(tmp_path / "bank.xlsx"), tmp_path / "bank.xlsm", change)
    assert "it has sheets of macros" in refusal(source)
    add(source, tmp_path / "with.xlsm")


def test_a_template_becomes_a_workbook(tmp_path: Path) -> None:
    def change(content: dict[str, bytes]) -> None:
        content["[Content_Types].xml"] = content["[Content_Types].xml"].replace(XLSX, XLTX)

    source = repacked(small_workbook(tmp_path / "bank.xlsx"), tmp_path / "bank.xltx", change)
    add(source, tmp_path / "a.xlsx")
    assert XLSX in parts(tmp_path / "a.xlsx")["[Content_Types].xml"]
    assert XLTX not in parts(tmp_path / "a.xlsx")["[Content_Types].xml"]


def test_a_signature_is_left_out(tmp_path: Path) -> None:
    def change(content: dict[str, bytes]) -> None:
        content["_xmlsignatures/origin.sigs"] = b""
        content["_xmlsignatures/_rels/origin.sigs.rels"] = (
            b'<Relationships><Relationship Id="a" Type="x/signature" Target="sig1.xml"/>'
            b'<Relationship Id="b" Type="x/worksheet" Target="/xl/worksheets/sheet1.xml"/>'
            b"</Relationships>"
        )
        content["_xmlsignatures/sig1.xml"] = b"<Signature/>"
        content["_rels/.rels"] = content["_rels/.rels"].replace(b"</Relationships>", SIGNED)

    source = repacked(small_workbook(tmp_path / "bank.xlsx"), tmp_path / "signed.xlsx", change)
    assert [sentence[:21] for sentence in add(source, tmp_path / "a.xlsx").dropped] == [
        "Its digital signature"
    ]
    left = parts(tmp_path / "a.xlsx")
    assert not [name for name in left if "sig" in name]
    assert "xl/worksheets/sheet1.xml" in left  # whatever a signature refers to
    assert b"signature" not in left["_rels/.rels"]


def test_what_lies_outside_the_workbook_is_neither_fetched_nor_changed(tmp_path: Path) -> None:
    link = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="rId1" Type="x/hyperlink" TargetMode="External" '
        b'Target="file:///etc/passwd"/></Relationships>'
    )

    def change(content: dict[str, bytes]) -> None:
        content["xl/worksheets/_rels/sheet1.xml.rels"] = link

    source = repacked(small_workbook(tmp_path / "bank.xlsx"), tmp_path / "linked.xlsx", change)
    add(source, tmp_path / "a.xlsx", SheetEdit({(1, 1): MARK}))
    rels = parts(tmp_path / "a.xlsx")["xl/worksheets/_rels/sheet1.xml.rels"]
    assert rels.startswith(link.removesuffix(b"</Relationships>"))
    assert b'Id="rId1"' in rels
    assert b'Id="rId2"' in rels


def test_parts_are_found_however_their_names_are_spelled(tmp_path: Path) -> None:
    def change(content: dict[str, bytes]) -> None:
        content["XL\\Worksheets\\SHEET1.xml"] = content.pop("xl/worksheets/sheet1.xml")

    source = repacked(small_workbook(tmp_path / "bank.xlsx"), tmp_path / "odd.xlsx", change)
    add(source, tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        assert b"inlineStr" in archive.read("XL\\Worksheets\\SHEET1.xml")


class Pipe(io.BytesIO):
    """A stream that can't be sought in: sizes come behind what is written to it."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise OSError

    def tell(self) -> int:
        raise OSError


def test_members_are_copied_however_they_were_stored(tmp_path: Path) -> None:
    content = parts(small_workbook(tmp_path / "bank.xlsx"))
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/", b"")
        for name, data in content.items():
            archive.writestr(name, data)
        archive.writestr("xl/media/a.bin", b"a" * 999, zipfile.ZIP_BZIP2)
        archive.writestr("xl/media/題.bin", b"b" * 999, zipfile.ZIP_STORED)
    (tmp_path / "piped.xlsx").write_bytes(b"PK before the archive" + pipe.getvalue())
    add(tmp_path / "piped.xlsx", tmp_path / "a.xlsx")
    before, after = parts(tmp_path / "piped.xlsx"), parts(tmp_path / "a.xlsx")
    assert list(before) == list(after)
    assert {name for name in before if before[name] != after[name]} == {"xl/worksheets/sheet1.xml"}
    assert openpyxl.load_workbook(tmp_path / "a.xlsx")["S"]["C1"].value == "答"


def test_a_workbook_without_styles_gets_some(tmp_path: Path) -> None:
    def change(content: dict[str, bytes]) -> None:
        del content["xl/styles.xml"]
        for name in ("xl/_rels/workbook.xml.rels", "[Content_Types].xml"):
            content[name] = re.sub(rb"<[^<>]*styles[^<>]*>", b"", content[name])

    source = repacked(small_workbook(tmp_path / "bank.xlsx"), tmp_path / "plain.xlsx", change)
    add(source, tmp_path / "a.xlsx", SheetEdit({(1, 3): AddedCell(0.5, "percent")}))
    assert openpyxl.load_workbook(tmp_path / "a.xlsx")["S"]["C1"].number_format == "0.0%"


def in_utf_16(content: dict[str, bytes]) -> None:
    for name, data in content.items():
        text = re.sub(r"<\?xml.*?\?>\s*", "", data.decode())
        content[name] = f'<?xml version="1.0" encoding="UTF-16"?>{text}'.encode("utf-16")


def test_a_workbook_in_utf_16_stays_in_it(tmp_path: Path) -> None:
    source = repacked(small_workbook(tmp_path / "bank.xlsx"), tmp_path / "wide.xlsx", in_utf_16)
    edit = SheetEdit({(2, 1): MARK, (2, 3): AddedCell(0.5, "percent")}, {3: 9})
    edit_workbook(source, tmp_path / "a.xlsx", {"S": edit}, {"摘要": SUMMARY})
    content = parts(tmp_path / "a.xlsx")
    for name in parts(source):
        assert content[name].decode("utf-16").startswith("<?xml")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["S", "摘要"]
    assert (book["S"]["A2"].value, book["S"]["C2"].number_format) == ("一？", "0.0%")


def in_strict_format(content: dict[str, bytes]) -> None:
    for name, data in content.items():
        content[name] = data.replace(
            b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
            b"http://purl.oclc.org/ooxml/spreadsheetml/main",
        ).replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        )


def test_what_is_added_to_a_strict_workbook_is_strict(tmp_path: Path) -> None:
    source = repacked(
        small_workbook(tmp_path / "bank.xlsx"), tmp_path / "strict.xlsx", in_strict_format
    )
    edit = SheetEdit({(2, 1): MARK, (2, 3): AddedCell(0.5, "percent")})
    result = edit_workbook(source, tmp_path / "a.xlsx", {"S": edit}, {"摘要": SUMMARY})
    assert isinstance(result, EditedWorkbook)
    content = parts(tmp_path / "a.xlsx")
    for name in ("xl/worksheets/sheet2.xml", "xl/comments1.xml", "xl/worksheets/sheet1.xml"):
        assert b"http://purl.oclc.org/ooxml/spreadsheetml/main" in content[name]
    assert b"officeDocument/2006/relationships" not in b"".join(content.values())
    with contextlib.closing(xlsx_sheets(tmp_path / "a.xlsx", "a.xlsx")) as sheets:
        read = {sheet.name: [row.texts for row in sheet.rows] for sheet in sheets}
    assert read == {
        "S": [["題目", "答案"], ["一？", "1", "50.0%"]],
        "摘要": [["正確率"], ["50.0%"]],
    }


def test_cells_that_hold_something_or_are_covered_are_not_written_over(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].title = "S"
    book.worksheets[0]["A1"] = "題目"
    book.worksheets[0].merge_cells("C1:D2")
    book.save(tmp_path / "bank.xlsx")
    path = tmp_path / "bank.xlsx"
    assert "A1 holds something" in refusal(path, SheetEdit({(1, 1): AddedCell("x")}))
    assert "D2 lies within" in refusal(path, SheetEdit({(2, 4): AddedCell("x")}))
    assert "no room for XFE1" in refusal(path, SheetEdit({(1, 16_385): AddedCell("x")}))
    assert "no sheet 'S', but ['T']" in refusal(
        small_workbook(tmp_path / "t.xlsx", {"T": [["題目"]]})
    )
    assert covered_cells(path, {"S": [(1, 1), (1, 3), (1, 4), (2, 3)]}) == {
        "S": {(1, 4): (1, 3), (2, 3): (1, 3)}
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 999, "an old .xls workbook or one with a"),
        (b"a,b\n1,2\n", "expected an xlsx workbook"),
        (b"PK\x03\x04damaged", "damaged"),
        (b"", "expected an xlsx workbook"),
        (None, "can't be opened"),
    ],
    ids=["password", "csv", "cut", "empty", "none"],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "bank.xlsx").write_bytes(content)
    assert reason in refusal(tmp_path / "bank.xlsx")


DOCTYPE = b'<!DOCTYPE a [<!ENTITY b "bbb"><!ENTITY c SYSTEM "file:///etc/hostname">]>'


def before_root(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(content: dict[str, bytes]) -> None:
        content[name] = re.sub(
            rb"(<\?xml.*?\?>)?", lambda m: m.group() + data, content[name], count=1
        )

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *(
            (before_root(name, DOCTYPE), "document type")
            for name in (
                "xl/worksheets/sheet1.xml",
                "xl/styles.xml",
                "xl/workbook.xml",
                "[Content_Types].xml",
                "xl/_rels/workbook.xml.rels",
                "_rels/.rels",
            )
        ),
        (lambda content: content.update({"../x.xml": b""}), "lies outside the archive"),
        (lambda content: content.update({"XL/styles.XML": b""}), "is there twice"),
        (lambda content: content.pop("[Content_Types].xml"), "it is missing"),
        (lambda content: content.pop("xl/workbook.xml"), "is missing in it"),
        (before_root("xl/styles.xml", b"<x>" * 300), "nested"),
    ],
)
def test_hostile_packages_are_refused(
    tmp_path: Path, change: Callable[[dict[str, bytes]], object], reason: str
) -> None:
    source = small_workbook(tmp_path / "bank.xlsx")
    assert reason in refusal(repacked(source, tmp_path / "hostile.xlsx", change))


def test_parts_that_lie_over_each_other_or_are_encrypted_are_refused(tmp_path: Path) -> None:
    source = small_workbook(tmp_path / "bank.xlsx")
    data = source.read_bytes()
    with zipfile.ZipFile(source) as archive:
        first = archive.infolist()[0]
        start = archive.start_dir
    entry = data[start : data.index(b"PK\x01\x02", start + 4)]
    copies = b"".join(
        entry.replace(first.filename.encode(), f"{n:0{len(first.filename)}}".encode())
        for n in range(200)
    )
    end = bytearray(data[data.rindex(b"PK\x05\x06") :])
    count = int.from_bytes(end[10:12], "little") + 200
    end[8:12] = count.to_bytes(2, "little") * 2
    size = int.from_bytes(end[12:16], "little") + len(copies)
    end[12:16] = size.to_bytes(4, "little")
    path = tmp_path / "hostile.xlsx"
    path.write_bytes(data[: data.rindex(b"PK\x05\x06")] + copies + bytes(end))
    assert "lie over each other" in refusal(path)
    moved = bytearray(data)
    moved[data.rindex(b"PK\x05\x06") + 18] += 1  # where the list of parts is said to begin
    path.write_bytes(bytes(moved))
    assert "damaged" in refusal(path)
    flagged = bytearray(data)
    flagged[start + 8] |= 1
    path.write_bytes(bytes(flagged))
    assert "encrypted" in refusal(path)


def test_a_target_that_cannot_be_written_is_an_error_of_the_output(tmp_path: Path) -> None:
    source = small_workbook(tmp_path / "bank.xlsx")
    (tmp_path / "folder.xlsx").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        add(source, tmp_path / "folder.xlsx")
    with pytest.raises(OutputError, match=r"expected a name in \.xlsx or \.xlsm"):
        add(source, tmp_path / "a.xls")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bank.xlsx", "folder.xlsx"]
