"""Pictures and escapes in workbooks."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank


def codes(bank: QuestionBank) -> list[str]:
    return [problem.code for problem in bank.problems]


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cf500f0003860180b5e7a4de0000000049454e44ae426082"
)


def write_pictured(path: Path) -> Path:
    """A workbook in which the options of row 3 are pictures, and one lies over a text of row 2."""
    import xlsxwriter

    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("題")
    rows = [["題目", "A", "B", "答案"], ["甲？", "一", "二", "B"], ["乙？", "", "", "A"], ["丙？"]]
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    for cell in ("B2", "B3", "C3"):
        sheet.insert_image(cell, f"{cell}.png", {"image_data": BytesIO(PNG)})
    book.close()
    return path


def test_pictures_in_place_of_options_are_reported_as_such(tmp_path: Path) -> None:
    bank = read_bank(write_pictured(tmp_path / "bank.xlsx"))
    assert [q.stem for q in bank] == ["甲？"]
    problems = [(p.row, p.column, p.code) for p in bank.problems]
    assert problems == [
        (2, "A", "picture"),
        (3, "A", "image_options"),
        (3, "B", "image_options"),
        (4, "A", "no_options"),
    ]


def test_a_picture_over_a_merged_passage_is_reported_with_all_its_rows(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "bank.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["文章", "題目", "A", "B", "答案"])
    for row in (1, 2, 3):
        sheet.write_row(row, 1, [f"問{row}？", "春", "夏", "B"])
    sheet.merge_range("A2:A4", "某文章。")
    sheet.insert_image("A3", "a.png", {"image_data": BytesIO(PNG)})
    book.close()
    bank = read_bank(path)
    assert [(p.row, p.column, p.code) for p in bank.problems] == [
        (2, "文章", "picture"),
        (3, "文章", "picture"),
        (4, "文章", "picture"),
    ]
    assert [q.passage for q in bank] == ["某文章。"] * 3


def test_pictures_are_reported_wherever_they_lie_in_a_question(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "bank.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["題目", "A", "B", "答案", "圖"])
    for row in (1, 2, 3, 7, 8):
        sheet.write_row(row, 0, [f"問{row}？", "春", "夏", "B"])
    sheet.write_row(9, 0, ["", "春", "夏", "B"])
    for cell in ("A2", "E3", "H4", "B6", "A10"):
        sheet.insert_image(cell, "a.png", {"image_data": BytesIO(PNG)})
    book.close()
    bank = read_bank(path)
    assert [(p.row, p.column, p.code, p.severity) for p in bank.problems] == [
        (2, "題目", "picture", "warning"),
        (3, "圖", "picture", "warning"),
        (4, "A", "picture", "warning"),  # below the row, in row 6
        (4, "", "picture", "warning"),  # beside the table
        (10, "題目", "picture", "warning"),
        (10, "題目", "no_stem", "error"),
    ]
    assert len(bank) == 5


def test_one_question_with_two_pictures_and_two_keys_stays(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "bank.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["題目", "A", "B", "答案"])
    for row, key in ((1, "A"), (2, "B")):
        sheet.write_row(row, 0, ["圖中是什麼？", "貓", "狗", key])
        sheet.insert_image(row, 0, "a.png", {"image_data": BytesIO(PNG)})
    book.close()
    bank = read_bank(path)
    assert [q.answer_label for q in bank] == ["A", "B"]
    assert codes(bank) == ["picture", "two_keys", "picture", "two_keys"]
    assert {p.severity for p in bank.problems} == {"warning"}


def test_a_text_that_looks_like_an_escape_is_read_as_it_was_typed(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "bank.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["題目", "A", "B", "答案"])
    sheet.write_row(1, 0, ["哪個是\rA？", "_x0041_", "a\x0bb", "A"])
    book.close()
    bank = read_bank(path)
    assert [(q.stem, q.options) for q in bank] == [("哪個是\nA？", ("_x0041_", "ab"))]


def test_dates_in_the_formats_that_chinese_excel_writes_without_a_code(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "bank.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["題目", "A", "B", "C", "答案"])
    sheet.write_row(1, 0, ["何日？", "", "", "", "A"])
    for column, (number, value) in enumerate([(31, 45413), (58, 45413), (32, 0.25)], 1):
        sheet.write_number(1, column, value, book.add_format({"num_format": number}))
    book.close()
    bank = read_bank(path)
    assert [q.options for q in bank] == [("2024年5月1日", "2024/5/1", "6:00")]
    unknown = [p.column for p in bank.problems if p.code == "display_unknown"]
    assert unknown == ["B", "C"]  # 58 is 5月1日 in China, 113年5月1日 in Taiwan


@pytest.mark.parametrize(
    "renamed",
    [str.upper, lambda name: name.replace("/", "\\"), lambda name: f"/{name}"],
    ids=["case", "backslashes", "root"],
)
def test_parts_are_found_however_a_program_spells_their_names(
    tmp_path: Path, renamed: Callable[[str], str]
) -> None:
    path = write_pictured(tmp_path / "bank.xlsx")
    with zipfile.ZipFile(path) as book, zipfile.ZipFile(tmp_path / "other.xlsx", "w") as other:
        for name in book.namelist():
            other.writestr(renamed(name), book.read(name))
    bank = read_bank(tmp_path / "other.xlsx")
    assert [q.options for q in bank] == [("一", "二")]
    assert codes(bank) == codes(read_bank(path))
