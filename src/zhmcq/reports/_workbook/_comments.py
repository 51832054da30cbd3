"""Comments on cells: their texts, and the drawing of the boxes that show them.

Excel keeps such comments in two parts, and shows none that is missing in either (the older kind,
which every program shows; threads of comments are another part, and stay as they are).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from zhmcq.errors import ReadError
from zhmcq.reports._workbook._cells import cell_range, reference
from zhmcq.reports._workbook._xml import DECLARATION, SmallPart, attribute_text, storable

__all__ = ["EMPTY_COMMENTS", "EMPTY_DRAWING", "with_boxes", "with_comments"]

AUTHOR = "zhmcq"
EMPTY_COMMENTS = f'{DECLARATION}<comments xmlns="{{namespace}}"><authors/><commentList/></comments>'
_NAMESPACES = (
    'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:x="urn:schemas-microsoft-com:office:excel"'
)
EMPTY_DRAWING = (
    f'<xml {_NAMESPACES}><o:shapelayout v:ext="edit"><o:idmap v:ext="edit" data="1"/>'
    "</o:shapelayout></xml>"
)
_SHAPE_TYPE = (
    '<v:shapetype {namespaces}id="_x0000_t202" coordsize="21600,21600" o:spt="202" '
    'path="m,l,21600r21600,l21600,xe"><v:stroke joinstyle="miter"/>'
    '<v:path gradientshapeok="t" o:connecttype="rect"/></v:shapetype>'
)
_SHAPE = (
    '<v:shape {namespaces}id="_x0000_s{number}" type="#_x0000_t202" style="position:absolute;'
    'margin-left:60pt;margin-top:2pt;width:270pt;height:90pt;z-index:1;visibility:hidden" '
    'fillcolor="#ffffe1" o:insetmode="auto"><v:fill color2="#ffffe1"/>'
    '<v:shadow color="black" obscured="t"/><v:path o:connecttype="none"/>'
    '<v:textbox style="mso-direction-alt:auto"><div style="text-align:left"></div></v:textbox>'
    '<x:ClientData ObjectType="Note"><x:MoveWithCells/><x:SizeWithCells/>'
    "<x:Anchor>{column}, 15, {top}, 2, {right}, 31, {bottom}, 9</x:Anchor>"
    "<x:AutoFill>False</x:AutoFill><x:Row>{row0}</x:Row><x:Column>{column0}</x:Column>"
    "</x:ClientData></v:shape>"
)
_NUMBERED = re.compile(rb"_x0000_s([0-9]{1,9})\b")
_LAST_TAG = re.compile(rb"</(?:[\w.-]{1,40}:)?xml\s*>\s*\Z")
_FIRST_NUMBER = 1025  # Excel numbers the shapes of the first drawing from here


def with_comments(
    data: bytes, comments: Mapping[tuple[int, int], str], where: str
) -> tuple[bytes, list[tuple[int, int]]]:
    """Comments with others put behind them; a cell that has one gets the other below it.

    Args:
        data: The part with a sheet's comments.
        comments: Their texts by row and column, both from 1.
        where: How messages call the part.

    Returns:
        The part, and the cells that had no comment, which need a box.

    Raises:
        ReadError: If it is damaged or hostile.
    """
    part = SmallPart(data, where, depth=4)
    p = part.prefix
    authors, lists = part.root.named("authors"), part.root.named("commentList")
    if not authors or not lists:
        raise ReadError(f"{where}: expected authors and a list of comments")
    by_cell = {
        ranges[:2]: element
        for element in lists[0].children
        if (ranges := cell_range(element.attributes.get("ref", "")))
    }
    added, new = [], []
    for (row, column), text in sorted(comments.items()):
        content = attribute_text(storable(text))
        element = by_cell.get((row, column))
        texts = element.named("text") if element else []
        if texts:
            below = f'<{p}r><{p}t xml:space="preserve">\n{content}</{p}t></{p}r>'
            part.append(texts[0], below, {})
            continue
        new.append((row, column))
        added.append(
            f'<{p}comment ref="{reference(row, column)}" authorId="{len(authors[0].children)}">'
            f'<{p}text><{p}r><{p}t xml:space="preserve">{content}</{p}t></{p}r></{p}text>'
            f"</{p}comment>"
        )
    if added:
        part.append(authors[0], f"<{p}author>{AUTHOR}</{p}author>", {})
        part.append(lists[0], "".join(added), {})
    return part.changed(), new


def with_boxes(data: bytes, cells: list[tuple[int, int]], where: str) -> bytes:
    """A drawing with boxes for comments on cells.

    Such drawings need not be XML, since Excel writes ``<br>`` into some: they are not parsed.

    Args:
        data: The part with the drawing.
        cells: Rows and columns, both from 1.
        where: How messages call the part.

    Raises:
        ReadError: If it has no end that anything could be put before.
    """
    last = _LAST_TAG.search(data)
    if last is None:
        raise ReadError(f"{where}: expected a drawing that ends with </xml>")
    head = data[:2000]
    declared = all(
        f'xmlns:{prefix}="urn:schemas-microsoft-com:{name}"'.encode() in head
        for prefix, name in (("v", "vml"), ("o", "office:office"), ("x", "office:excel"))
    )
    namespaces = "" if declared else f"{_NAMESPACES} "
    number = max([_FIRST_NUMBER - 1, *(int(n) for n in _NUMBERED.findall(data))])
    pieces = [] if b'id="_x0000_t202"' in data else [_SHAPE_TYPE.format(namespaces=namespaces)]
    for row, column in cells:
        number += 1
        pieces.append(
            _SHAPE.format(
                namespaces=namespaces,
                number=number,
                column=column,
                right=column + 5,
                top=max(row - 2, 0),
                bottom=max(row - 2, 0) + 6,
                row0=row - 1,
                column0=column - 1,
            )
        )
    return data[: last.start()] + "".join(pieces).encode() + data[last.start() :]
