"""Run as a script: print the rows of a workbook as json lines. Imports nothing of zhmcq."""

import datetime as dt
import json
import sys
from typing import Any

MEMORY = 2 * 2**30
CPU_SECONDS = 240
MAX_ROWS = 1_048_576
MAX_COLUMNS = 702


def limit() -> None:
    """Bound memory and time where the system can; the parent has a clock of its own."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def stored(value: Any) -> Any:
    """A cell as json: dates and times as an object that names their type."""
    if isinstance(value, dt.datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, dt.date):
        return {"date": value.isoformat()}
    if isinstance(value, dt.time):
        return {"time": value.isoformat()}
    if isinstance(value, dt.timedelta):
        return {"seconds": value.total_seconds()}
    return value


def holds_anything(cells: list[Any]) -> bool:
    """Whether a cell of the row holds more than spaces."""
    return any(not isinstance(cell, str) or cell.strip() for cell in cells)


def send(message: Any) -> None:
    """One line."""
    sys.stdout.write(json.dumps(message) + "\n")


def main(path: str) -> None:
    """Print each sheet's name, merged ranges, number of rows and rows, then an end mark."""
    from python_calamine import CalamineWorkbook

    workbook = CalamineWorkbook.from_path(path)
    for name in workbook.sheet_names:
        sheet = workbook.get_sheet_by_name(name)
        first_row, first_column = sheet.start or (0, 0)
        if first_column + sheet.width > MAX_COLUMNS or first_row + sheet.height > MAX_ROWS:
            sys.exit(f"a cell lies beyond column {MAX_COLUMNS} or row {MAX_ROWS}")
        merges = [
            [low[1] + 1, low[0] + 1, high[0] + 1]
            for low, high in sheet.merged_cell_ranges or ()
            if high[0] > low[0]
        ]
        rows = sheet.to_python(skip_empty_area=True)
        send({"sheet": name, "merges": merges, "rows": sum(map(holds_anything, rows))})
        blanks = [""] * first_column
        for number, cells in enumerate(rows, first_row + 1):
            while cells and cells[-1] == "":
                cells.pop()
            if holds_anything(cells):
                send([number, *blanks, *map(stored, cells)])
    send({"end": True})


if __name__ == "__main__":
    limit()
    main(sys.argv[1])
