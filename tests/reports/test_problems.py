"""A bank's problems in its own workbook."""

from __future__ import annotations

import contextlib
import re
import time
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import openpyxl
import pytest
from xlsxwriter import Workbook

from conftest import WriteXlsx
from zhmcq.errors import OutputError
from zhmcq.questions import Origin, QuestionBank, RowProblem, SourceTable
from zhmcq.reading import read_bank
from zhmcq.reading._formats.xlsx import xlsx_sheets
from zhmcq.reports import write_problems

HEADER = ["ID", "文章", "問題", "選項1", "選項2", "選項3", "正確答案"]


def marked(path: Path) -> dict[str, tuple[str, str]]:
    """Colour and comment of each marked cell of the first sheet."""
    sheet = openpyxl.load_workbook(path).worksheets[0]
    return {
        cell.coordinate: (cell.fill.start_color.rgb[2:], cell.comment.text)
        for row in sheet.iter_rows()
        for cell in row
        if cell.comment
    }


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["題號", "題目", "A", "B"], "[no_stem] 沒有題幹（the stem is empty）"),
        (["题号", "题目", "A", "B"], "[no_stem] 没有题干（the stem is empty）"),
        (["ID", "Question", "A", "B"], "[no_stem] the stem is empty"),
    ],
)
def test_comments_are_in_the_language_of_the_workbook(
    write_xlsx: WriteXlsx, tmp_path: Path, header: list[str], said: str
) -> None:
    bank = read_bank(write_xlsx([header, [1, "Which?", "x", "y"], [2, None, "x", "y"]]))
    write_problems(bank, tmp_path / "marked.xlsx")
    assert marked(tmp_path / "marked.xlsx")["B3"] == ("FFC7CE", said)


def test_a_workbook_is_written_back_with_its_problems_marked(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    path = write_xlsx(
        [
            ["題庫"],
            HEADER,
            [1, "文一。", "問一？", "甲", "乙", "甲", 1],
            [2, None, "問二？", "甲", "乙", "丙", "送分"],
            [3, "文三。", None, "甲", "乙", "丙", 1],
        ],
        merges=["B3:B4"],
    )
    write_problems(read_bank(path), tmp_path / "marked.xlsx")
    comments = marked(tmp_path / "marked.xlsx")
    assert {reference: colour for reference, (colour, _) in comments.items()} == {
        "A1": "FFEB9C",
        "D3": "FFC7CE",
        "G4": "FFEB9C",
        "C5": "FFC7CE",
    }
    assert comments["D3"][1].startswith(
        "[equal_options] 有相同的選項（the options 1 and 3 have the same text"
    )
    copy = openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets[0]
    assert copy["A1"].value == "題庫"
    assert [str(merged) for merged in copy.merged_cells.ranges] == ["B3:B4"]


def test_everything_else_in_the_workbook_stays(tmp_path: Path) -> None:
    path = tmp_path / "bank.xlsx"
    with Workbook(str(path)) as book:
        sheet = book.add_worksheet("題庫")
        sheet.write_row("A1", ["題目", "A", "B", "答案"])
        sheet.write_row("A2", ["一？", "甲", "乙", "Z"])
        sheet.write_row("A3", ["二？", "甲", "乙", "A"])
        sheet.write_formula("F3", "=1+1", None, 2)
        sheet.write_comment("D2", "老師的註解")
        chart = book.add_chart({"type": "column"})
        chart.add_series({"values": "=題庫!$F$3"})
        sheet.insert_chart("H2", chart)
        sheet.insert_textbox("H20", "文字方塊")
    write_problems(read_bank(path), tmp_path / "marked.xlsx")
    contents = []
    for name in ("bank.xlsx", "marked.xlsx"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            contents.append({part: archive.read(part) for part in archive.namelist()})
    before, after = contents
    assert before.keys() == after.keys()
    assert {part for part in before if before[part] != after[part]} == {
        "xl/worksheets/sheet1.xml",
        "xl/styles.xml",
        "xl/comments1.xml",
    }
    assert b"<f>1+1</f><v>2</v>" in after["xl/worksheets/sheet1.xml"]
    colour, comment = marked(tmp_path / "marked.xlsx")["D2"]
    assert colour == "FFC7CE"
    assert comment.startswith("老師的註解\n[answer_out_of_range]")


def test_a_workbook_without_problems_is_copied_part_by_part(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    path = write_xlsx([["題目", "A", "B", "答案"], ["一？", "甲", "乙", "A"]], merges=["A5:C5"])
    write_problems(read_bank(path), tmp_path / "marked.xlsx")
    contents = []
    for name in (path, tmp_path / "marked.xlsx"):
        with zipfile.ZipFile(name) as archive:
            contents.append({part: archive.read(part) for part in archive.namelist()})
    assert contents[0] == contents[1]


def test_the_log_says_that_macros_are_left_out(
    write_xlsx: WriteXlsx, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_xlsx([["題目", "A", "B", "答案"], ["一？", "甲", "乙", "Z"]])
    path = tmp_path / "bank.xlsm"
    kind = "http://schemas.microsoft.com/office/2006/relationships/vbaProject"
    macros = f'<Relationship Id="m" Type="{kind}" Target="vbaProject.bin"/></Relationships>'
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name).decode()
            if name == "xl/_rels/workbook.xml.rels":
                content = content.replace("</Relationships>", macros)
            new.writestr(name, content)
        new.writestr("xl/vbaProject.bin", b"macros")
    write_problems(read_bank(path), tmp_path / "marked.xlsx")
    assert list(marked(tmp_path / "marked.xlsx")) == ["D2"]
    assert "Its macros are left out" in caplog.text


def test_a_workbook_that_changed_since_is_written_with_the_rows_that_were_read(
    write_xlsx: WriteXlsx, tmp_path: Path
) -> None:
    path = write_xlsx([["題目", "A", "B", "答案"], ["一？", "甲", "乙", "Z"]])
    bank = read_bank(path)
    write_xlsx([["別的"], ["表格"]])
    write_problems(bank, tmp_path / "marked.xlsx")
    assert openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets[0]["A2"].value == "一？"
    assert list(marked(tmp_path / "marked.xlsx")) == ["D2"]


def test_a_csv_is_written_back_as_a_workbook(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,A,B,答案\n一？,=1+1,乙,Z\n", encoding="utf-8")
    write_problems(read_bank(path), tmp_path / "marked.xlsx")
    assert list(marked(tmp_path / "marked.xlsx")) == ["D2"]
    sheet = openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets[0]
    assert (sheet["B2"].value, sheet["B2"].data_type) == ("=1+1", "s")


def test_problems_of_several_files_or_another_suffix_are_refused(tmp_path: Path) -> None:
    problems = [RowProblem(1, "", "x", "x", file="a.xlsx"), RowProblem(1, "", "x", "x", file="b")]
    with pytest.raises(OutputError, match="2 files"):
        write_problems(QuestionBank([], problems), tmp_path / "out.xlsx")
    with pytest.raises(OutputError, match=r"\.xlsx"):
        write_problems(QuestionBank([]), tmp_path / "out.csv")


ODD = [
    "甲\uffff乙",
    "a\ufffeb",
    "a\x00\x0b\x1fb",
    "a\rb",
    "_x000D_",
    "_x005F_x0041_",
    "#N/A",
    "=1+1",
    "一\n二",
]


def test_cells_hold_what_xml_forbids_and_the_workbook_can_be_read(tmp_path: Path) -> None:
    table = SourceTable(
        tuple("ABCDEFGHI"), {Origin("a.csv", "", 2): dict(zip("ABCDEFGHI", ODD, strict=True))}
    )
    problem = RowProblem(2, "A", "x", "found \uffff and _x000D_", file="a.csv")
    write_problems(QuestionBank([], [problem], table=table), tmp_path / "marked.xlsx")
    with zipfile.ZipFile(tmp_path / "marked.xlsx") as archive:
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(archive.read(name))  # noqa: S314 - written just now
        root = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))  # noqa: S314
    texts = "".join(root.itertext())  # lxml, where it is installed, writes other characters so
    sheet = openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets[0]
    assert all(cell.data_type == "s" for cell in sheet[2])
    assert "甲_xFFFF_乙" in texts
    assert "_x005F_x000D_" in texts
    path = tmp_path / "marked.xlsx"
    with contextlib.closing(xlsx_sheets(path, "x")) as sheets:
        rows = list(next(sheets).rows)
    assert rows[1].values == [
        "甲_xFFFF_乙",
        "a_xFFFE_b",
        "a_x0000__x000B__x001F_b",
        "a_x000D_b",
        "_x005F_x000D_",
        "_x005F_x005F_x005F_x0041_",
        "#N/A",
        "=1+1",
        "一\n二",
    ]
    assert marked(path)["A2"][1] == r"[x] found \uffff and _x005F_x000D_"


def test_a_file_of_odd_cells_comes_back_with_the_same_texts(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,A,B,答案\n哪個\uffff？,_x0041_,_x005F_x0041_,Z\n", encoding="utf-8")
    bank = read_bank(path)
    write_problems(bank, tmp_path / "marked.xlsx")
    again = read_bank(tmp_path / "marked.xlsx")
    assert [list(cells.values()) for cells in again.table.rows.values()] == [
        list(cells.values()) for cells in bank.table.rows.values()
    ]
    write_problems(again, tmp_path / "twice.xlsx")
    assert [list(c.values()) for c in read_bank(tmp_path / "twice.xlsx").table.rows.values()] == [
        list(cells.values()) for cells in bank.table.rows.values()
    ]


@pytest.mark.parametrize("name", ["bank.json", "bank.jsonl"])
def test_the_problems_of_json_are_listed_with_their_rows(tmp_path: Path, name: str) -> None:
    records = [
        '{"id": "七", "question": "一？", "A": "甲", "answer": "A"}',
        '{"question": "二？", "A": "甲", "B": "乙", "answer": "=Z"}',
    ]
    text = "\n".join(records) if name.endswith("l") else f"[{','.join(records)}]"
    (tmp_path / name).write_text(text, encoding="utf-8")
    write_problems(read_bank(tmp_path / name), tmp_path / "marked.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets[0]
    rows = list(sheet.iter_rows(values_only=True))
    assert sheet.title == "Problems"
    assert rows[0] == ("row", "id", "field", "severity", "code", "message")
    assert [row[:5] for row in rows[1:]] == [
        (1, "七", None, "error", "no_options"),
        (2, None, "answer", "error", "unreadable_answer"),
    ]


def test_sheets_whose_names_begin_alike_stay_apart(tmp_path: Path) -> None:
    long = "一" * 31
    rows = {
        Origin("a.ods", f"{long}甲/", 2): {"題目": "甲？"},
        Origin("a.ods", f"{long}乙", 2): {"題目": "乙？"},
    }
    problems = [RowProblem(2, "題目", "x", "x", file="a.ods", sheet=f"{long}乙")]
    bank = QuestionBank([], problems, table=SourceTable(("題目",), rows))
    write_problems(bank, tmp_path / "marked.xlsx")
    book = openpyxl.load_workbook(tmp_path / "marked.xlsx")
    assert [sheet["A2"].value for sheet in book] == ["甲？", "乙？"]
    assert [sheet["A2"].comment is not None for sheet in book] == [False, True]


def test_rows_of_a_long_table_are_written_in_time_that_grows_with_them(tmp_path: Path) -> None:
    rows = {Origin("a.csv", "", n): {"題目": f"{n}？"} for n in range(2, 30_000)}
    problem = RowProblem(29_999, "題目", "x", "x", file="a.csv")
    bank = QuestionBank([], [problem], table=SourceTable(("題目",), rows))
    start = time.process_time()
    write_problems(bank, tmp_path / "marked.xlsx")
    assert time.process_time() - start < 10
    assert list(marked(tmp_path / "marked.xlsx")) == ["A29999"]


@pytest.mark.parametrize(
    ("after", "marked_cell"),
    [
        ('<mergeCells><mergeCell ref="A2:XFD1048576"/></mergeCells>', "A2"),
        ('<hyperlinks><hyperlink ref="A1:XFD1048576" location="A1"/></hyperlinks>', "D2"),
        ("<cols>" + '<col min="1" max="2" width="9"/>' * 50_000 + "</cols>", "D2"),
    ],
    ids=["merge", "link", "tags"],
)
def test_ranges_over_the_whole_sheet_cost_nothing(
    write_xlsx: WriteXlsx, tmp_path: Path, after: str, marked_cell: str
) -> None:
    source = write_xlsx([["題目", "A", "B", "答案"], ["一？", "甲", "乙", "Z"]])
    path = tmp_path / "hostile.xlsx"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"</sheetData>", b"</sheetData>" + after.encode()))
    start = time.process_time()
    write_problems(read_bank(path), tmp_path / "marked.xlsx")
    assert time.process_time() - start < 20
    with zipfile.ZipFile(tmp_path / "marked.xlsx") as archive:
        comments = archive.read("xl/comments1.xml").decode()
        assert after in archive.read("xl/worksheets/sheet1.xml").decode()
    assert re.findall('<comment ref="([A-Z0-9]+)"', comments) == [marked_cell]
