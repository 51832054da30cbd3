from __future__ import annotations

import importlib.util
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from zhmcq.errors import ReadError
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank, stream_bank

docx = pytest.importorskip("docx", reason="needs the extra 'docx'")

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


PIXEL = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(b"\0\0"))
    + chunk(b"IEND", b"")
)


class Paper:
    """A document as a word processor writes it."""

    def __init__(self) -> None:
        self.document: Any = docx.Document()

    def lists(self, abstracts: Sequence[Sequence[tuple[str, str]]], nums: Sequence[int]) -> None:
        """Define lists: the levels of each abstract one, then the abstract one of each list."""
        from docx.oxml import parse_xml

        root = self.document.part.numbering_part.element
        for element in list(root):
            root.remove(element)
        for number, levels in enumerate(abstracts):
            inner = "".join(
                f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>'
                f'<w:lvlText w:val="{text}"/></w:lvl>'
                for level, (form, text) in enumerate(levels)
            )
            root.append(
                parse_xml(f'<w:abstractNum {W} w:abstractNumId="{number}">{inner}</w:abstractNum>')
            )
        for number, abstract in enumerate(nums, 1):
            root.append(
                parse_xml(
                    f'<w:num {W} w:numId="{number}"><w:abstractNumId w:val="{abstract}"/>'
                    '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
                )
            )

    def add(self, text: str, number: int = 0, level: int = 0) -> Any:
        from docx.oxml import parse_xml

        paragraph = self.document.add_paragraph(text)
        if number:
            paragraph._p.get_or_add_pPr().append(
                parse_xml(
                    f'<w:numPr {W}><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
                )
            )
        return paragraph

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        table = self.document.add_table(len(rows), len(rows[0]))
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                table.cell(row, column).text = text

    def read(self, folder: Path) -> QuestionBank:
        path = folder / "paper.docx"
        self.document.save(path)
        return read_bank(path)


def shown(bank: QuestionBank) -> list[tuple[str, tuple[str, ...], str]]:
    return [(q.stem, q.options, q.answer_label) for q in bank]


def codes(bank: QuestionBank) -> list[tuple[int, str]]:
    return [(p.row, p.code) for p in bank.problems]


def test_automatic_numbers_of_questions_and_options_are_worked_out(tmp_path: Path) -> None:
    paper = Paper()
    paper.lists([[("decimal", "%1."), ("upperLetter", "(%2)")]], [0])
    paper.add("期中考")
    for stem, options, key in (("第一？", "甲乙", "答案：B"), ("第二？", "丙丁", "正確答案：(A)")):
        paper.add(stem, 1)
        for option in options:
            paper.add(option, 1, 1)
        paper.add(key)
    bank = paper.read(tmp_path)
    assert shown(bank) == [("第一？", ("甲", "乙"), "B"), ("第二？", ("丙", "丁"), "A")]
    assert [q.source_id for q in bank] == [1, 2]
    assert [q.origin and q.origin.row for q in bank] == [2, 6]
    assert codes(bank) == [(1, "skipped_row")]


@pytest.mark.parametrize(
    ("numbers", "labels"),
    [
        (("taiwaneseCountingThousand", "%1、"), ("ideographTraditional", "%1、")),
        (("chineseCounting", "第%1題"), ("lowerLetter", "%1)")),
        (("decimal", "%1)"), ("decimalEnclosedCircle", "%1")),
        (("decimalFullWidth", "%1．"), ("upperLetter", "%1.")),
    ],
)
def test_lists_may_count_in_many_forms_and_count_anew(
    tmp_path: Path, numbers: tuple[str, str], labels: tuple[str, str]
) -> None:
    paper = Paper()
    paper.lists([[numbers], [labels]], [0, 1, 1])
    paper.add("第一？", 1)
    paper.add("春", 2)
    paper.add("夏", 2)
    paper.add("第二？", 1)
    paper.add("秋", 3)
    paper.add("冬", 3)
    bank = paper.read(tmp_path)
    assert [(q.stem, q.options) for q in bank] == [
        ("第一？", ("春", "夏")),
        ("第二？", ("秋", "冬")),
    ]


def test_options_may_share_a_paragraph_or_stand_in_cells(tmp_path: Path) -> None:
    paper = Paper()
    paragraph = paper.add("( B ) 1. 甲？")
    paragraph.add_run().add_break()
    paragraph.add_run("(A) 春\t(B) 夏")
    paper.add("( A ) 2. 乙？")
    paper.table([["(A) 秋", "(B) 冬"], ["(C) 雨", "(D) 雪"]])
    assert shown(paper.read(tmp_path)) == [
        ("甲？", ("春", "夏"), "B"),
        ("乙？", ("秋", "冬", "雨", "雪"), "A"),
    ]


def test_cells_that_lay_out_a_paper_are_read_across(tmp_path: Path) -> None:
    paper = Paper()
    paper.table([["B", "1.", "甲？\n(A)春\n(B)夏"], ["A", "2.", "乙？\n(A)秋\n(B)冬"]])
    bank = paper.read(tmp_path)
    assert shown(bank) == [("甲？", ("春", "夏"), "B"), ("乙？", ("秋", "冬"), "A")]


def test_a_table_of_questions_is_read_by_its_header(tmp_path: Path) -> None:
    paper = Paper()
    paper.add("題庫")
    paper.table(
        [
            ["題號", "題目", "選項A", "選項B", "答案"],
            ["1", "天空是什麼顏色？", "藍", "紅", "A"],
            ["2", "草是什麼顏色？", "黑", "綠", "B"],
        ]
    )
    bank = paper.read(tmp_path)
    assert shown(bank) == [
        ("天空是什麼顏色？", ("藍", "紅"), "A"),
        ("草是什麼顏色？", ("黑", "綠"), "B"),
    ]
    assert codes(bank) == [(1, "skipped_row")]


def test_a_table_of_keys_at_the_end_gives_them_to_their_questions(tmp_path: Path) -> None:
    paper = Paper()
    for number in (1, 2):
        paper.add(f"{number}. 哪一個季節比較熱{number}？")
        paper.add("(A) 春天的時候 (B) 夏天的時候")
    paper.add("參考答案")
    paper.table([["題號", "1", "2"], ["答案", "B", "A"]])
    bank = paper.read(tmp_path)
    assert [q.answer_label for q in bank] == ["B", "A"]
    assert bank.problems == []


@pytest.mark.parametrize("style", ["bold", "underline", "colour"])
def test_options_that_are_formatted_are_keys_and_the_reader_is_told(
    tmp_path: Path, style: str
) -> None:
    from docx.shared import RGBColor

    paper = Paper()
    for number in (1, 2, 3):
        paper.add(f"{number}. 哪個{number}？")
        paragraph = paper.add("(A) 甲 ")
        run = paragraph.add_run("(B) 乙")
        if style == "colour":
            run.font.color.rgb = RGBColor(255, 0, 0)
        else:
            setattr(run, style, True)
    bank = paper.read(tmp_path)
    assert [q.answer_label for q in bank] == ["B", "B", "B"]
    assert codes(bank) == [(1, "key_by_format")]
    word = {"bold": "bold", "underline": "underlined", "colour": "coloured ff0000"}[style]
    assert word in bank.problems[0].message


def test_pictures_are_reported_where_they_stand(tmp_path: Path) -> None:
    paper = Paper()
    paper.add("( A ) 1. 下圖是？").add_run().add_picture(io.BytesIO(PIXEL))
    paper.add("(A) 甲 (B) 乙")
    paper.add("( A ) 2. 哪個圖？")
    for label in "AB":
        paper.add(f"({label}) ").add_run().add_picture(io.BytesIO(PIXEL))
    bank = paper.read(tmp_path)
    assert [q.stem for q in bank] == ["下圖是？![picture](media/image1.png)"]
    assert codes(bank) == [(1, "picture"), (3, "image_options")]


def test_raised_digits_stay_raised_and_deleted_and_hidden_text_is_left_out(tmp_path: Path) -> None:
    from docx.oxml import parse_xml

    paper = Paper()
    paragraph = paper.add("1. 10")
    paragraph.add_run("2").font.superscript = True
    paragraph.add_run("隱藏").font.hidden = True
    paragraph._p.append(parse_xml(f"<w:del {W}><w:r><w:delText>刪除</w:delText></w:r></w:del>"))
    paragraph.add_run(" 是？")
    paper.add("(A) 百 (B) 十")
    paper.document.sections[0].header.paragraphs[0].text = "9. 頁首 (A)x (B)y"
    assert [q.stem for q in paper.read(tmp_path)] == ["10² 是？"]


def test_a_fraction_does_not_become_another_number(tmp_path: Path) -> None:
    from docx.oxml import parse_xml

    paper = Paper()
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    part = "<m:{0}><m:r><m:t>{1}</m:t></m:r></m:{0}>"
    formula = f"<m:oMath {math}><m:f>{part.format('num', 1)}{part.format('den', 2)}</m:f></m:oMath>"
    paragraph = paper.add("1. 哪個大於 ")
    paragraph._p.append(parse_xml(formula))
    paper.add("(A) 一 (B) 零")
    assert [q.stem for q in paper.read(tmp_path)] == ["哪個大於 (1)/(2)"]


def test_the_text_of_a_box_is_read_once(tmp_path: Path) -> None:
    from docx.oxml import parse_xml

    paper = Paper()
    paragraph = paper.add("1. 哪個？")
    box = "<w:txbxContent><w:p><w:r><w:t>(A) 甲 (B) 乙</w:t></w:r></w:p></w:txbxContent>"
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    paragraph._p.append(
        parse_xml(
            f"<w:r {W} {mc}><mc:AlternateContent>"
            f"<mc:Choice><w:drawing>{box}</w:drawing></mc:Choice>"
            f"<mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r>"
        )
    )
    bank = paper.read(tmp_path)
    assert [(q.stem, q.options) for q in bank] == [("哪個？", ("甲", "乙"))]


def test_a_document_is_streamed_as_it_is_read(tmp_path: Path) -> None:
    paper = Paper()
    paper.add("1. 哪個？(A)甲 (B)乙 答案：B")
    bank = paper.read(tmp_path)
    assert [*bank.problems, *bank] == list(stream_bank(tmp_path / "paper.docx"))


def test_running_text_is_refused_as_what_it_is(tmp_path: Path) -> None:
    paper = Paper()
    paper.add("今天天氣很好。")
    with pytest.raises(ReadError, match="running text") as refused:
        paper.read(tmp_path)
    assert "columns=" not in str(refused.value)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper()
    paper.add("1. 哪個？(A)甲 (B)乙")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ReadError, match=r"pip install 'zhmcq\[docx\]'"):
        paper.read(tmp_path)


def with_part(name: str, content: bytes) -> bytes:
    """A small document with one of its parts replaced or added."""
    whole = io.BytesIO()
    docx.Document().save(whole)
    target = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
        if name not in old.namelist():
            new.writestr(name, content)
    return target.getvalue()


BODY = f"<w:document {W}><w:body>%s</w:body></w:document>"


@pytest.mark.parametrize(
    "content",
    [
        b"no zip at all",
        b"\xd0\xcf\x11\xe0" + b"\x00" * 600,
        with_part("word/document.xml", b"<broken"),
        with_part(
            "word/document.xml",
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + (BODY % "&x;").encode(),
        ),
        with_part("word/styles.xml", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'),
        with_part("word/document.xml", (BODY % ("<w:p>" * 300 + "</w:p>" * 300)).encode()),
        with_part("word/document.xml", (BODY % "").encode() + b" " * 2**25),
        with_part("word/extra.xml", b"<a>" + b"<b/>" * (2**25) + b"</a>"),
        with_part("word/document.xml", b"<a/>"),
    ],
    ids=[
        "no zip",
        "doc",
        "broken",
        "entity",
        "entity in styles",
        "deep",
        "bomb",
        "bomb 2",
        "empty",
    ],
)
def test_damaged_and_hostile_documents_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "paper.docx"
    path.write_bytes(content)
    with pytest.raises(ReadError):
        read_bank(path)
