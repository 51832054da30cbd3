"""What is wrong with a workbook: its problems on the terminal, and in a copy with marked cells.

Without a file, a workbook is made that has the faults of real ones. With your own::

    python examples/messy_workbook.py 題庫.xlsx --output 題庫_marked.xlsx
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

import openpyxl
from rich.console import Console
from rich.table import Table

import zhmcq
from zhmcq.checks import problem_table
from zhmcq.reports import write_problems

console = Console(highlight=False, markup=False)  # messages quote cells, brackets and all

HEADERS = ("題號", "題目（必填）", "選項Ａ", "選項B", "選項 C", "選項D", "標準答案", "學生答案")
ROWS: tuple[tuple[object, ...], ...] = (
    (1, "一年有幾季？", "二", "三", "四", "五", "Ｃ", "A"),  # full width
    (2, "水的化學式是？", "CO2", "H2O", "O2", "N2", "(B)", "B"),
    (3, "最小的質數是？", 0, 1, 2, 3, 3, "C"),  # a number that may be a label or an option
    (4, "下列何者是偶數？", "3", "5", "6", "7", "E", "C"),  # no such option
    (5, "太陽從哪一邊升起？", "東", "西", "西", "北", "西", "A"),  # two options alike
    (6, "一打有幾個？", "10", "11", "12", "13", None, "C"),  # no key
    (7, None, "甲", "乙", "丙", "丁", "A", "A"),  # no question
    (8, "哪一個分數最大？", date(2026, 1, 2), "1/3", "1/4", "1/5", "A", "A"),  # was 1/2
    (9, "台灣最高的山是？", "雪山", "玉山", "大霸尖山", "合歡山", "玉山", "B"),  # a text
    (2, "哪一個是液體？", "冰", "水", "鐵", "木", "②", "B"),  # an id that is there already
    (11, "一年有幾季？", "二", "三", "四", "五", "C", "C"),  # question 1 again
)
TRUE_FALSE = (("題號", "題目", "答案"), (1, "地球是圓的。", "○"), (2, "一公斤是一百公克。", "錯"))


def main() -> int:
    """Run it; 0 if all went well, 1 after an error that zhmcq explains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("workbook", type=Path, nargs="?", help="a question bank (default: one is made)")
    add("--output", type=Path, help="the marked copy (default: NAME_marked.xlsx)")
    options = parser.parse_args()
    try:
        show(options.workbook or messy_workbook(Path("messy.xlsx")), options.output)
    except zhmcq.errors.ZhmcqError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def show(workbook: Path, output: Path | None) -> None:
    """Print what was read and what is wrong, and write the marked copy."""
    bank = zhmcq.DatasetBuilder().read(workbook)
    console.print(f"{workbook}: {len(bank)} questions")
    fields = ", ".join(f"{field} = {header}" for field, header in bank.columns.items())
    console.print(f"columns: {fields}")
    table = Table("problem", "severity", "rows", "what is wrong in the first of them")
    for problem in problem_table(bank):
        table.add_row(problem.code, problem.severity, problem.rows, problem.example)
    if bank.problems:
        console.print(table)
    marked = output or workbook.with_name(f"{workbook.stem}_marked.xlsx")
    write_problems(bank, marked)
    console.print(f"written: {marked}, with these cells coloured and commented")


def messy_workbook(path: Path) -> Path:
    """Make a workbook with a title, odd headers, faulty rows and a second sheet, if none is there.

    Returns:
        ``path``.
    """
    if path.exists():  # perhaps somebody's own
        return path
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "選擇題"
    sheet.append(["一一四學年度自然科題庫"])
    sheet.merge_cells("A1:H1")
    sheet.append([])
    for row in (HEADERS, *ROWS):
        sheet.append(list(row))
    second = book.create_sheet("是非題")
    for row in TRUE_FALSE:
        second.append(row)
    book.save(path)
    return path


if __name__ == "__main__":
    sys.exit(main())
