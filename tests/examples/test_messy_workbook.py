"""The messy workbook: what is wrong with it, on the terminal and in the marked copy."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

import messy_workbook
from conftest import WriteXlsx
from zhmcq.reading import read_bank


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["messy_workbook.py", *map(str, arguments)])
    return messy_workbook.main()


def test_the_faults_of_the_made_workbook_are_listed_and_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch) == 0
    printed = capsys.readouterr().out
    assert "messy.xlsx: 9 questions\n" in printed
    assert "answer = 標準答案" in printed
    codes = [line.split()[1] for line in printed.splitlines() if " error " in line]
    assert codes == ["ambiguous_answer", "answer_out_of_range", "no_stem"]
    codes = [line.split()[1] for line in printed.splitlines() if " warning " in line]
    assert codes == ["date_option", "duplicate", "no_key", "skipped_row"]
    sheet = openpyxl.load_workbook("messy_marked.xlsx")["選擇題"]
    comments = {cell.coordinate for row in sheet.rows for cell in row if cell.comment}
    assert comments >= {"G6", "G7", "G8", "B10", "C11"}
    assert sheet["G7"].fill.fgColor.rgb != sheet["G4"].fill.fgColor.rgb


def test_keys_are_read_in_every_form_that_the_workbook_has(tmp_path: Path) -> None:
    bank = read_bank(messy_workbook.messy_workbook(tmp_path / "messy.xlsx"))
    keys = {question.stem: question.answer_label for question in bank}
    assert keys["水的化學式是？"] == "B"
    assert keys["台灣最高的山是？"] == "B"
    assert keys["哪一個是液體？"] == "B"
    assert keys["一打有幾個？"] == ""
    assert [question.kind for question in bank].count("true_false") == 2


def test_a_workbook_that_is_there_is_not_written_over(
    write_xlsx: WriteXlsx,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_xlsx(
        [["題目", "A", "B", "答案"], ["誰？", "小[/明]", "小華", "[/x]"]], "messy.xlsx"
    )
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch) == 0
    assert "[/x]" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_what_is_no_workbook_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path / "none.xlsx") == 1
    assert capsys.readouterr().err.startswith("ReadError: ")
