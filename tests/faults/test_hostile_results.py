"""Formulas, scripts, escape sequences and turned text of a bank, through every file of results."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest

from zhmcq.prediction import Prediction, Predictions
from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reports._new_workbook import Sheet, write_xlsx

HOSTILE = (
    '=HYPERLINK("http://evil.example","x")',
    "=cmd|' /C calc'!A0",
    "@SUM(1+9)",
    "＝1+1",
    "<script>alert(1)</script>",
    "\x1b[31m紅\x1b[0m",
    "答\u202e案\u2066",
    "]]>&<c t='str'><f>1+1</f></c>",
    "_x0041_",
)
HEADER = ("題號", "題目", "A", "B", "答案")


@pytest.fixture(params=["xlsx", "csv"])
def bank(request: pytest.FixtureRequest, tmp_path: Path) -> QuestionBank:
    """Hostile ids, stems and options; keys are texts; the last row has no stem."""
    rows = [(f"{text}{n}", f"{text}？", f"{text}甲", f"{text}乙") for n, text in enumerate(HOSTILE)]
    cells = [dict(zip(HEADER, (*row, row[2]), strict=True)) for row in rows]
    cells.append(dict(zip(HEADER, ("=bad()", "", "甲", "乙", "甲"), strict=True)))
    source = tmp_path / f"=1+1.{request.param}"
    if request.param == "xlsx":
        write_xlsx(source, {"=SUM(1)": Sheet(HEADER, cells)})
    else:
        with source.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([HEADER, *(row.values() for row in cells)])
    bank = read_bank(source)
    assert len(bank) == len(HOSTILE)
    return bank


def predictions_of(bank: QuestionBank) -> Predictions:
    items = [
        Prediction(q.id, (1,), q.labels[1], 0.4, probabilities=(0.6, 0.4), reason=f"{text} \x1b[2J")
        for q, text in zip(bank, HOSTILE, strict=True)
    ]
    return Predictions(bank, tuple(items))


def test_a_workbook_holds_no_formula_link_or_hidden_character_of_ours(
    bank: QuestionBank, tmp_path: Path
) -> None:
    path = tmp_path / "out.xlsx"
    predictions_of(bank).to_xlsx(path)
    book = openpyxl.load_workbook(path)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value]
    assert {cell.data_type for cell in cells} <= {"s", "n", "inlineStr"}
    assert not any(cell.hyperlink for cell in cells)
    sheet = book.worksheets[0]
    first = [cell.value for cell in sheet[1]].index("預測答案") + 1
    answers = [str(sheet.cell(row, first).value) for row in range(2, 2 + len(HOSTILE))]
    # openpyxl leaves escapes of texts inside a sheet's own part as they are; Excel does not.
    answers = [answer.replace("_x005F_", "_") for answer in answers]
    assert answers == [question.options[1] for question in bank]
    width = sheet.max_column
    reasons = [str(sheet.cell(row, width).value) for row in range(2, 2 + len(HOSTILE))]
    assert reasons[0] == HOSTILE[0] + r" \x1b[2J"
    assert not any(re.search("[\x00-\x08\x1b\u202e\u2066]", reason) for reason in reasons)
    parts = zipfile.ZipFile(path)
    for name in parts.namelist():
        if name.startswith("xl/worksheets/"):
            assert b"<f>" not in parts.read(name)


def test_a_csv_holds_no_formula(bank: QuestionBank, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    for encoding in ("utf-8", "utf-8-sig"):
        predictions_of(bank).to_csv(path, encoding=encoding)
        with path.open(encoding=encoding, newline="") as file:
            rows = list(csv.reader(file))
        assert len(rows) == len(HOSTILE) + 2
        assert not [cell for row in rows for cell in row if cell.startswith(tuple("=+-@＝\t\r"))]


def test_json_gives_everything_back(bank: QuestionBank, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    predictions_of(bank).to_json(path)
    text = path.read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert [record["id"] for record in json.loads(text)][:-1] == [q.id for q in bank]
