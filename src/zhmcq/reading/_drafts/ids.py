"""The id cell of a row or record: whole numbers in full, however a program wrote them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, NamedTuple

from zhmcq.questions import SourceId
from zhmcq.zh._fold import normal_text, tidy

__all__ = ["GivenId", "given_id"]

# How Excel shows and exports numbers of 12 digits and more.
_EXPONENT = re.compile(r"[+-]?\d(?:\.\d{1,15})?[Ee](?P<sign>\+?)(?P<power>\d{1,2})")
# 1E5 may be the name of a room; 1.2E+05 is how a cell shows a number.
_LEAST_POWER = {"+": 5, "": 11}
_MOST_POWER = 40
# Excel keeps 15 digits of a number, and floats not many more.
_ROUNDED_FROM = 10**15


class GivenId(NamedTuple):
    """An id as the source gives it.

    Attributes:
        value: Text, or a number; ``None`` where the cell is blank or holds no number (NaN).
        rounded: Whether digits of it were lost, or are when the file is saved by Excel.
    """

    value: SourceId = None
    rounded: bool = False


def given_id(value: Any, shown: str | None = None) -> GivenId:
    """Read an id.

    Args:
        value: What is stored.
        shown: How a cell shows it; ``None`` for what is no cell of a sheet.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return GivenId(shown or None)
    if isinstance(value, str):
        return _of_text(tidy(value) if shown is None else shown)
    if value != value:
        return GivenId()
    if not float("-inf") < value < float("inf") or int(value) != value:
        return GivenId(value if shown is None else shown)
    exact = shown is None and isinstance(value, int)
    rounded = abs(value) >= _ROUNDED_FROM and not exact
    # The digits that a program writes: 1.2E+17 is not the nearest float's 119999999999999984.
    whole = value if isinstance(value, int) else int(Decimal(repr(float(value))))
    if shown is None:
        return GivenId(whole if rounded else value, rounded)
    digits = shown.removeprefix("-")
    if _EXPONENT.fullmatch(shown) or (digits.isascii() and digits.isdigit() and digits[0] != "0"):
        return GivenId(whole, rounded)
    return GivenId(int(shown) if shown == "0" else shown or None, rounded)


def _of_text(text: str) -> GivenId:
    match = _EXPONENT.fullmatch(normal_text(text)) if len(text) < 30 else None
    if match and _LEAST_POWER[match["sign"]] <= int(match["power"]) <= _MOST_POWER:
        return GivenId(int(Decimal(normal_text(text))), rounded=True)
    return GivenId(text or None)
