"""The widths of a worksheet's columns, some of which are changed."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping

from zhmcq.errors import ReadError
from zhmcq.reports._workbook._cells import col_xml
from zhmcq.reports._workbook._xml import prefix_of, with_attributes

__all__ = ["Widths"]

_NUMBER = re.compile("[0-9]{1,6}")


class Widths:
    """The widths that columns get.

    Args:
        widths: By column, from 1.
    """

    def __init__(self, widths: Mapping[int, float]) -> None:
        self._columns = sorted(widths)
        self.left = dict(sorted(widths.items()))  # not written yet

    def before(self, column: int, prefix: str) -> str:
        """The columns before ``column`` that are not written yet, as XML."""
        columns = [each for each in self.left if each < column]
        return "".join(col_xml(each, self.left.pop(each), prefix) for each in columns)

    def around(self, tag: bytes, attributes: dict[str, str], where: str) -> bytes | None:
        """What stands in place of an element for some columns; ``None`` if it stays.

        A column that gets a width is taken out of it, and is neither hidden nor grouped.

        Args:
            tag: The element's first tag.
            attributes: Its attributes.
            where: How messages call the sheet.
        """
        bounds = [attributes.get(key, "").strip() for key in ("min", "max")]
        if not all(_NUMBER.fullmatch(bound) for bound in bounds):
            raise ReadError(f"{where}: expected columns from min to max, found {bounds}")
        first, last = map(int, bounds)
        prefix = prefix_of(tag)
        pieces = [self.before(first, prefix).encode()]
        inner = self._columns[bisect_left(self._columns, first) : bisect_right(self._columns, last)]
        if not inner:
            return pieces[0] + tag if pieces[0] else None
        parts = []
        for column in inner:
            if column not in self.left:
                raise ReadError(f"{where}: its columns are out of order")
            if first < column:
                parts.append(_bounded(tag, first, column - 1))
            shown: dict[str, str | None] = {
                "width": f"{self.left.pop(column):g}",
                "customWidth": "1",
            }
            shown |= dict.fromkeys(("hidden", "collapsed", "outlineLevel", "bestFit"))
            parts.append(with_attributes(_bounded(tag, column, column), shown))
            first = column + 1
        if first <= last:
            parts.append(_bounded(tag, first, last))
        closing = b"" if tag.endswith(b"/>") else f"</{prefix}col>".encode()
        return pieces[0] + closing.join(parts)


def _bounded(tag: bytes, first: int, last: int) -> bytes:
    return with_attributes(tag, {"min": str(first), "max": str(last)})
