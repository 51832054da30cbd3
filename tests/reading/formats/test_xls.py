"""Old .xls workbooks, made here byte by byte: one sheet of texts and numbers.

The layouts are those of Microsoft's [MS-XLS] (records) and [MS-CFB] (the file around them).
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from zhmcq.reading import read_bank

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("python_calamine") is None, reason="needs the extra 'sheets'"
)
Cells = Sequence[Sequence[str | float]]
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
SECTOR = 512


def record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def begin(kind: int) -> bytes:
    return record(0x809, struct.pack("<HHHHII", 0x600, kind, 0x1DBB, 1996, 0, 6))


def text(value: str, count: str = "<H") -> bytes:
    return struct.pack(count, len(value)) + b"\x01" + value.encode("utf-16-le")


def workbook_stream(title: str, rows: Cells) -> bytes:
    texts = [cell for row in rows for cell in row if isinstance(cell, str)]
    shared = struct.pack("<II", len(texts), len(texts)) + b"".join(map(text, texts))
    strings, end = record(0xFC, shared), record(0x0A, b"")
    head = begin(5) + record(0x42, struct.pack("<H", 1200))
    name = text(title, "<B")
    start = len(head) + 4 + 6 + len(name) + len(strings) + len(end)
    globals_ = head + record(0x85, struct.pack("<IH", start, 0) + name) + strings + end
    cells, number = b"", 0
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            if isinstance(cell, str):
                cells += record(0xFD, struct.pack("<HHHI", i, j, 0, number))
                number += 1
            else:
                cells += record(0x203, struct.pack("<HHHd", i, j, 0, cell))
    size = record(0x200, struct.pack("<IIHHH", 0, len(rows), 0, max(map(len, rows)), 0))
    return globals_ + begin(0x10) + size + cells + end


def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    raw = f"{name}\0".encode("utf-16-le")
    links = struct.pack("<HBBIII", len(raw), kind, 1, FREE, FREE, child)
    return raw.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, size)


def write_xls(path: Path, rows: Cells, title: str = "題庫") -> Path:
    """Sector 0 is the allocation table, 1 the directory, the workbook comes after them."""
    stream = workbook_stream(title, rows)
    stream = stream.ljust(max(4096, -(-len(stream) // SECTOR) * SECTOR), b"\0")
    sectors = len(stream) // SECTOR
    table = [FAT, END, *range(3, sectors + 2), END]
    table += [FREE] * (SECTOR // 4 - len(table))
    directory = entry("Root Entry", 5, 1, END, 0) + entry("Workbook", 2, FREE, 2, len(stream))
    head = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16)
    head += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<10I", 0, 1, 1, 0, 4096, END, 0, END, 0, 0) + b"\xff" * 432
    body = struct.pack(f"<{len(table)}I", *table) + directory.ljust(SECTOR, b"\0") + stream
    path.write_bytes(head + body)
    return path


def test_an_old_workbook_is_read(tmp_path: Path) -> None:
    rows: Cells = [
        ["題號", "題目", "選項1", "選項2", "正確答案"],
        [7.0, "一加一？", "二", "三", 1.0],
        [8.0, "一加二？", "_x0041_", "三", 2.0],
    ]
    bank = read_bank(write_xls(tmp_path / "bank.xls", rows))
    assert bank.problems == []
    assert [(q.id, q.stem, q.options, q.answer) for q in bank] == [
        ("7", "一加一？", ("二", "三"), (0,)),
        ("8", "一加二？", ("_x0041_", "三"), (1,)),
    ]
    assert bank[0].origin is not None
    assert (bank[0].origin.sheet, bank[0].origin.row) == ("題庫", 2)


def test_a_number_of_unknown_display_in_an_old_workbook_is_warned_of(tmp_path: Path) -> None:
    rows: Cells = [["題目", "A", "B", "答案"], ["多少？", 0.25, 0.5, "B"]]
    bank = read_bank(write_xls(tmp_path / "bank.xls", rows))
    assert bank[0].options == ("0.25", "0.5")
    assert {problem.code for problem in bank.problems} == {"display_unknown"}
