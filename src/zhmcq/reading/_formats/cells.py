"""A stored cell value → the text a person saw, and what is doubtful about it."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from zhmcq.reading._formats.number_formats import (
    general,
    render_date,
    render_duration,
    render_number,
)
from zhmcq.zh._fold import tidy

__all__ = ["cell_text", "unescape"]

# What Excel allows for a format code.
MAX_CODE = 255
# Only characters that XML forbids are written so, and the underscore of a text that looks so.
_ESCAPE = re.compile(r"_x(00[01][0-9A-Fa-f]|007[Ff]|005[Ff]|[Ff]{3}[EeFf])_")
_ERROR = re.compile(
    r"#(?:REF!|VALUE!|N/A|NAME\?|DIV/0!|NULL!|NUM!|SPILL!|CALC!|BUSY!|GETTING_DATA)"
)


def unescape(text: str) -> str:
    """Undo the ``_x000D_`` escapes by which workbooks write characters that XML forbids.

    ``_x0041_`` stays, which some programs store as it was typed; others store
    ``_x005F_x0041_``.
    """
    if "_x" not in text:
        return text
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text)


def cell_text(value: Any, number_format: str | None = None) -> tuple[str, str]:
    """The text that a cell showed, and a problem code where that is in doubt.

    Args:
        value: The stored value; ``None`` for an empty cell.
        number_format: The cell's format code; ``None`` where the reader can't know it.

    Returns:
        The text without outer whitespace, and ``""``, ``"error_value"`` (a formula's error),
        ``"time_serial"`` (a plain number that is a time of day to the second: Excel stores
        both 0:01 and a typed score of 0:1 so) or ``"display_unknown"``.
    """
    if value is None:
        return "", ""
    if isinstance(value, str):
        text = tidy(unescape(value))
        return text, "error_value" if text[:1] == "#" and _ERROR.fullmatch(text) else ""
    if isinstance(value, bool):
        return ("TRUE" if value else "FALSE"), ""
    if isinstance(value, int | float):
        return _number_text(value, number_format)
    if isinstance(value, dt.timedelta):
        return render_duration(value, (number_format or "[h]:mm:ss")[:MAX_CODE]), ""
    if isinstance(value, dt.datetime | dt.date | dt.time):
        note = "" if number_format and len(number_format) <= MAX_CODE else "display_unknown"
        number_format = None if note else number_format
        return render_date(value, number_format or _plain_format(value)).strip(), note
    return tidy(str(value)), ""


def _number_text(value: float, number_format: str | None) -> tuple[str, str]:
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value), "error_value"
    if isinstance(value, float) and abs(value) >= 1e300:
        return repr(value), "display_unknown"
    if number_format in (None, "General", "@", "") or len(str(number_format)) > MAX_CODE:
        return general(value), "time_serial" if _is_time_serial(value) else ""
    return render_number(value, str(number_format)).strip(), ""


def _is_time_serial(value: float) -> bool:
    """Whether a number has the endless decimals of a time of day in whole minutes."""
    if not 0 < value < 1 or len(repr(float(value))) <= 10:
        return False
    minutes = value * 24 * 60
    return abs(minutes - round(minutes)) < 1e-6


def _plain_format(value: dt.datetime | dt.date | dt.time) -> str:
    if isinstance(value, dt.time):
        return "h:mm:ss" if value.second else "h:mm"
    if isinstance(value, dt.datetime) and (value.hour or value.minute or value.second):
        return "yyyy/m/d h:mm"
    return "yyyy/m/d"
