from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path

import pytest

from zhmcq.errors import ReadError
from zhmcq.reading import read_bank
from zhmcq.reading._formats import calamine

CONTENT = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body>
<office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"""


MANIFEST = """<?xml version="1.0"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>"""


def write_ods(path: Path, sheets: dict[str, list[list[str | float]]]) -> Path:
    def cell(value: str | float) -> str:
        if isinstance(value, float):
            return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
        kind = 'office:value-type="string"'
        return f"<table:table-cell {kind}><text:p>{value}</text:p></table:table-cell>"

    tables = ""
    for name, rows in sheets.items():
        cells = "".join(
            f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows
        )
        tables += f'<table:table table:name="{name}">{cells}</table:table>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", MANIFEST)
        archive.writestr("content.xml", CONTENT.format(tables=tables))
    return path


needs_extra = pytest.mark.skipif(
    importlib.util.find_spec("python_calamine") is None, reason="needs the extra 'sheets'"
)


@needs_extra
def test_an_ods_workbook_is_read_sheet_by_sheet(tmp_path: Path) -> None:
    header: list[str | float] = ["題目", "A", "B", "答案"]
    path = write_ods(
        tmp_path / "bank.ods",
        {
            "甲": [["標題"], header, ["一？", "甲", "乙", "B"], ["二？", 0.25, 3.0, "A"]],
            "說明": [["請勿修改"]],
            "乙": [header, ["三？", "甲", "乙", "A"]],
        },
    )
    bank = read_bank(path)
    assert [(q.stem, q.options, q.answer) for q in bank] == [
        ("一？", ("甲", "乙"), (1,)),
        ("二？", ("0.25", "3"), (0,)),
        ("三？", ("甲", "乙"), (0,)),
    ]
    assert [q.origin.row for q in bank if q.origin] == [3, 4, 2]
    assert [(p.sheet, p.row, p.code) for p in bank.problems] == [
        ("甲", 1, "skipped_row"),
        ("甲", 4, "display_unknown"),
        ("說明", 0, "sheet_not_read"),
    ]


@needs_extra
@pytest.mark.parametrize("suffix", [".xls", ".ods", ".xlsb"])
@pytest.mark.parametrize(
    "content", [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 1400, b"PK\x03\x04", b"text"]
)
def test_a_damaged_workbook_takes_down_the_child_only(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"bank{suffix}"
    path.write_bytes(content)
    with pytest.raises(ReadError, match="damaged, hostile or too large"):
        read_bank(path)


@needs_extra
@pytest.mark.parametrize(
    "script", ["import os; os.abort()", "print('[1'); raise SystemExit(3)", "print('7', '\\n{}')"]
)
def test_a_child_that_dies_or_talks_nonsense_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(script, encoding="utf-8")
    monkeypatch.setattr(calamine, "WORKER", worker)
    path = tmp_path / "bank.xls"
    path.write_bytes(b"anything")
    with pytest.raises(ReadError, match=r"bank\.xls"):
        read_bank(path)


@needs_extra
def test_more_rows_than_a_file_of_its_size_has_are_refused_before_one_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker.py"
    sheet = {"sheet": "S", "merges": [], "rows": 335_545}  # 200 characters each: 2**26 and more
    script = f"import time; print('{json.dumps(sheet)}', flush=True); time.sleep(60)"
    worker.write_text(script, encoding="utf-8")
    monkeypatch.setattr(calamine, "WORKER", worker)
    path = tmp_path / "bank.ods"
    path.write_bytes(b"anything")
    with pytest.raises(ReadError, match="out of proportion"):
        read_bank(path)


@needs_extra
def test_a_child_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import time; time.sleep(60)", encoding="utf-8")
    monkeypatch.setattr(calamine, "WORKER", worker)
    monkeypatch.setattr(calamine, "TIMEOUT", 0.3)
    path = tmp_path / "bank.xls"
    path.write_bytes(b"anything")
    with pytest.raises(ReadError, match="too large"):
        read_bank(path)


def test_without_the_extra_the_install_line_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    path = tmp_path / "bank.xls"
    path.write_bytes(b"anything")
    with pytest.raises(ReadError, match=r"pip install 'zhmcq\[sheets\]'"):
        read_bank(path)
