"""Which cells of a worksheet have a picture laid over them; openpyxl's read-only mode drops it."""

from __future__ import annotations

import posixpath
import re
import zipfile

__all__ = ["pictured_cells"]

LARGEST = 32 * 2**20
_DRAWING = re.compile(rb"<(?:\w{1,20}:)?Relationship\s[^<>]{0,2000}?>")
_TARGET = re.compile(rb'\bTarget="([^"<>]{1,500})"')
_FROM = re.compile(
    rb"<(?:\w{1,20}:)?from>\s{0,99}<(?:\w{1,20}:)?col>(\d{1,5})</[^<>]{1,30}>"
    rb"[^<]{0,99}(?:<(?:\w{1,20}:)?colOff>-?\d{1,15}</[^<>]{1,30}>)?"
    rb"[^<]{0,99}<(?:\w{1,20}:)?row>(\d{1,7})</"
)
_ANCHOR_END = re.compile(rb"</(?:\w{1,20}:)?(?:twoCell|oneCell)Anchor>")
_PICTURE = re.compile(rb"<(?:\w{1,20}:)?pic[\s>]")


def pictured_cells(archive: zipfile.ZipFile, sheet_part: str) -> dict[int, set[int]]:
    """Row (from 1) → columns (from 0) in which the upper left corner of a picture lies.

    Read with patterns, like the sheets: no parser is let at the XML. What is missing, or larger
    than 32 MB, counts as having no pictures.

    Args:
        archive: The workbook.
        sheet_part: The name of the sheet's part in it.
    """
    folder, name = posixpath.split(sheet_part.lstrip("/"))
    cells: dict[int, set[int]] = {}
    for relation in _DRAWING.findall(_part(archive, f"{folder}/_rels/{name}.rels")):
        target = _TARGET.search(relation)
        if b'/drawing"' not in relation or target is None:
            continue
        place = target.group(1).decode("utf-8", "replace")
        drawing = posixpath.normpath(posixpath.join("/", folder, place)).lstrip("/")
        for anchor in _ANCHOR_END.split(_part(archive, drawing)):
            start = _FROM.search(anchor)
            if start and _PICTURE.search(anchor):
                cells.setdefault(int(start.group(2)) + 1, set()).add(int(start.group(1)))
    return cells


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        if archive.getinfo(name).file_size > LARGEST:
            return b""
        with archive.open(name) as stream:
            return stream.read(LARGEST)
    except KeyError:
        return b""
