"""A workbook edited as a package: which of its parts change, and a copy of it with those."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Collection, Mapping
from pathlib import Path

from zhmcq._files import atomic_write
from zhmcq._phrases import counted
from zhmcq.errors import OutputError, ReadError
from zhmcq.reading._formats.workbook_parts import MAIN_NAMESPACES, relations
from zhmcq.reports._tables import MAX_CELL, MAX_ROWS, sheet_names
from zhmcq.reports._workbook._cells import MAX_SHEET_COLUMN, new_sheet_xml, reference
from zhmcq.reports._workbook._comments import (
    EMPTY_COMMENTS,
    EMPTY_DRAWING,
    with_boxes,
    with_comments,
)
from zhmcq.reports._workbook._merges import shown_cells
from zhmcq.reports._workbook._package import Package, Written, open_package, rels_of
from zhmcq.reports._workbook._references import CONTENT_TYPES, ContentTypes, Relationships
from zhmcq.reports._workbook._sheet import SheetEditor
from zhmcq.reports._workbook._space import free_column
from zhmcq.reports._workbook._styles import EMPTY_STYLES, Styles
from zhmcq.reports._workbook._values import EditedWorkbook, NewSheet, NotEditable, SheetEdit
from zhmcq.reports._workbook._xml import SmallPart, attribute_text, prefix_of, storable

__all__ = ["covered_cells", "edit_workbook", "first_free_columns"]

logger = logging.getLogger(__name__)

_MAIN = "application/vnd.openxmlformats-officedocument.spreadsheetml."
_WORKBOOK_TYPES = {
    ".xlsx": f"{_MAIN}sheet.main+xml",
    ".xlsm": "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
}
_TYPES = {
    "worksheet": f"{_MAIN}worksheet+xml",
    "styles": f"{_MAIN}styles+xml",
    "comments": f"{_MAIN}comments+xml",
    "vmlDrawing": "application/vnd.openxmlformats-officedocument.vmlDrawing",
}
# By the namespace of the workbook's elements.
_RELATIONS = dict(
    zip(
        MAIN_NAMESPACES,
        (
            "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            "http://purl.oclc.org/ooxml/officeDocument/relationships",
        ),
        strict=True,
    )
)
_MACROS = ("vbaProject", "attachedToolbars")
_MACRO_SHEETS = ("xlMacrosheet", "xlIntlMacrosheet")
_SIGNATURE = "origin"
MACROS_DROPPED = "Its macros are left out: a workbook whose name ends with .xlsx can hold none."
SIGNATURE_DROPPED = (
    "Its digital signature is left out: it does not hold for a workbook that was changed."
)


def first_free_columns(source: Path, sheets: Collection[str]) -> dict[str, int] | NotEditable:
    """The first column of each sheet that is free, right of everything in it.

    Cells that hold something count, merged cells, tables, and drawings such as pictures, charts
    and text boxes; comments and cells that are only formatted don't.

    Args:
        source: The workbook.
        sheets: The titles of the sheets.

    Returns:
        Columns, from 1, by the titles of the sheets; or why the workbook can't be edited.
    """
    try:
        with open_package(source) as package:
            return {title: free_column(package, _part_of(package, title)) for title in sheets}
    except (ReadError, OSError) as error:
        return NotEditable(str(error))


def covered_cells(
    source: Path, cells: Mapping[str, Collection[tuple[int, int]]]
) -> dict[str, dict[tuple[int, int], tuple[int, int]]] | NotEditable:
    """Which cells are covered by merged cells, and by which cell each of them is shown.

    Args:
        source: The workbook.
        cells: Rows and columns, both from 1, by the titles of the sheets.

    Returns:
        For each sheet, the first cell of the merged range for each covered cell; or why the
        workbook can't be edited.
    """
    try:
        with open_package(source) as package:
            return {
                title: shown_cells(package, _part_of(package, title), cells[title])
                for title in cells
            }
    except (ReadError, OSError) as error:
        return NotEditable(str(error))


def edit_workbook(
    source: Path,
    target: Path,
    edits: Mapping[str, SheetEdit],
    new_sheets: Mapping[str, NewSheet],
) -> EditedWorkbook | NotEditable:
    """Write a copy of a workbook with cells put into its sheets, and new sheets behind them.

    The copy has the source's parts, byte for byte and in their order, but for: the sheets that get
    cells, and the comments and their drawing where they get any; the lists of formats, sheets,
    relationships and content types. In those too everything stays but what is added. A workbook
    that is saved under another ending, such as a template, gets the content type of that ending.

    Args:
        source: An ``.xlsx``, ``.xlsm``, ``.xltx`` or ``.xltm`` file.
        target: The ``.xlsx`` or ``.xlsm`` file to write; an older one is replaced when the new one
            is complete. Macros are kept in ``.xlsm`` alone.
        edits: What is put in, by the titles of the sheets.
        new_sheets: The new sheets by their titles, in order; a title that the workbook has already
            is numbered.

    Returns:
        What was left out; or why the workbook can't be edited, and nothing was written.

    Raises:
        OutputError: If the file cannot be written, or has another ending.
    """
    if target.suffix.lower() not in _WORKBOOK_TYPES:
        raise OutputError(f"cannot write {target}: expected a name in .xlsx or .xlsm")
    try:
        with open_package(source) as package, atomic_write(target) as temporary:
            written = Written(temporary.with_name("changed-parts.zip"))
            try:
                edit = _Edit(package, written, target.suffix.lower())
                for title, sheet in edits.items():
                    edit.change_sheet(title, sheet)
                names = {title: edit.add_sheet(title, new_sheets[title]) for title in new_sheets}
                dropped = edit.finish()
            finally:
                written.close()
            written.assemble(package, temporary, edit.dropped)
    except ReadError as error:
        return NotEditable(str(error))
    if edit.cut:
        logger.warning(
            "%s: %s cut to %d characters, Excel's limit",
            target,
            counted(edit.cut, "cell was", "cells were"),
            MAX_CELL,
        )
    return EditedWorkbook(tuple(dropped), names)


def _part_of(package: Package, title: str) -> str:
    if title not in package.sheets:
        raise ReadError(
            f"{package.name}: it has no sheet {title!r}, but {sorted(package.sheets)[:5]}"
        )
    return package.sheets[title]


class _Edit:
    """The changes to one workbook.

    Args:
        package: The workbook.
        written: Takes the parts that are changed or new.
        suffix: How the target's name ends.

    Attributes:
        dropped: The parts that are left out.
        cut: How many texts were cut to what Excel takes.
    """

    def __init__(self, package: Package, written: Written, suffix: str) -> None:
        self._package = package
        self._written = written
        self._suffix = suffix
        self._folder = posixpath.dirname(package.book)
        self._book = SmallPart(package.read(package.book), package.where(package.book))
        self._namespace = self._book.root.name.partition(" ")[0]
        self._kinds = _RELATIONS[self._namespace]
        self._types = ContentTypes(package)
        self._relations = Relationships(package, package.book)
        self._new: list[str] = []
        self._sheets: list[str] = []  # elements of the list of sheets
        lists = self._book.root.named("sheets")
        self._listed = lists[0].children if lists else []
        self._titles = [e.attributes.get("name", "") for e in self._listed]
        self._last_id = max(
            (int(i) for e in self._listed if (i := e.attributes.get("sheetId", "")).isdecimal()),
            default=0,
        )
        self._styles_part, data = self._open_styles()
        self._styles = Styles(data, package.where(self._styles_part))
        self.dropped: set[str] = set()
        self.cut = 0

    def change_sheet(self, title: str, edit: SheetEdit) -> None:
        """Put cells into a sheet."""
        package = self._package
        part = _part_of(package, title)
        where = f"{package.name}, sheet {title!r}"
        for row, column in edit.cells:
            if row > MAX_ROWS or column > MAX_SHEET_COLUMN:
                raise ReadError(f"{where}: there is no room for {reference(row, column)} in it")
        comments = {at: cell.comment for at, cell in edit.cells.items() if cell.comment}
        rels = Relationships(package, part) if comments else None
        new_id = rels.new_id() if rels else ""
        drawing = f'<{{}}legacyDrawing xmlns:r="{self._kinds}" r:id="{new_id}"/>' if rels else ""
        editor = SheetEditor(edit, self._styles, where, drawing)
        with package.archive.open(part) as source, self._written.open(part) as stream:
            editor.run(source, stream.write)
        self.cut += editor.cut
        if rels is not None:
            self._comment(part, rels, editor.drawing_id, new_id, comments)

    def add_sheet(self, title: str, sheet: NewSheet) -> str:
        """Put a new sheet behind the others; its name."""
        name = sheet_names([*self._titles, storable(title)])[-1]
        self._titles.append(name)
        part = self._name(f"{self._folder}/worksheets/sheet{{}}.xml", "worksheet")
        data, cut = new_sheet_xml(sheet, self._styles, self._namespace)
        self.cut += cut
        self._written.write(part, data)
        new_id = self._relations.new_id()
        self._relations.add(new_id, f"{self._kinds}/worksheet", part)
        self._last_id += 1
        self._sheets.append(
            f'<{{}}sheet name="{attribute_text(name)}" sheetId="{self._last_id}" '
            f'xmlns:r="{self._kinds}" r:id="{new_id}"/>'
        )
        return name

    def finish(self) -> list[str]:
        """Write the lists of the package; what is left out, in sentences."""
        package = self._package
        sentences = self._drop()
        if self._sheets:
            element = self._book.root.named("sheets")[0]
            prefix = prefix_of(self._book.tag(element))
            xml = "".join(sheet.replace("{}", prefix, 1) for sheet in self._sheets)
            self._book.append(element, xml, {})
            self._written.write(package.book, self._book.changed())
        self._types.change(package.book, _WORKBOOK_TYPES[self._suffix])
        for part, data in (
            (self._styles_part, self._styles.changed()),
            (self._relations.name, self._relations.changed()),
            (CONTENT_TYPES, self._types.changed()),
        ):
            if data is not None:
                self._written.write(part, data)
        return sentences

    def _open_styles(self) -> tuple[str, bytes]:
        """The part with the styles and its content, which is made where there is none."""
        package = self._package
        related = relations(package.archive, package.book, package.name).values()
        for relation in related:
            if relation.kind == "styles" and (data := package.read(relation.part)):
                return relation.part, data
        # The usual name, if it is free: openpyxl knows no other.
        usual = f"{self._folder}/styles.xml"
        taken = usual in package.archive.NameToInfo
        part = self._name(f"{self._folder}/styles{{}}.xml" if taken else usual, "styles")
        self._relations.add(self._relations.new_id(), f"{self._kinds}/styles", part)
        data = EMPTY_STYLES.format(namespace=self._namespace).encode()
        return part, data

    def _comment(
        self,
        part: str,
        rels: Relationships,
        drawing_id: str,
        new_id: str,
        comments: Mapping[tuple[int, int], str],
    ) -> None:
        """Write the comments of a sheet, and the drawing of their boxes."""
        package = self._package
        related = relations(package.archive, part, package.name)
        existing = [relation.part for relation in related.values() if relation.kind == "comments"]
        if existing:
            texts = existing[0]
        else:
            texts = self._name(f"{self._folder}/comments{{}}.xml", "comments")
            rels.add(rels.new_id(), f"{self._kinds}/comments", texts)
        empty = EMPTY_COMMENTS.format(namespace=self._namespace).encode()
        data, cells = with_comments(package.read(texts) or empty, comments, package.where(texts))
        self._written.write(texts, data)
        if drawing_id:
            if drawing_id not in related:
                raise ReadError(f"{package.where(part)}: its drawing of comments is missing")
            drawing = related[drawing_id].part
        else:
            drawing = self._name(f"{self._folder}/drawings/vmlDrawing{{}}.vml", "vmlDrawing")
            rels.add(new_id, f"{self._kinds}/vmlDrawing", drawing)
        boxes = package.read(drawing) or EMPTY_DRAWING.encode()
        self._written.write(drawing, with_boxes(boxes, cells, package.where(drawing)))
        changed = rels.changed()
        if changed is not None:
            # In the letters of the sheet's name, which other programs look for.
            stored = package.archive.getinfo(part).filename.replace("\\", "/").lstrip("/")
            self._written.write(rels_of(stored), changed)

    def _name(self, pattern: str, kind: str) -> str:
        """The name of a new part, whose type is noted."""
        name = self._package.unused(pattern, self._new)
        self._new.append(name)
        self._types.add(name, _TYPES[kind])
        return name

    def _drop(self) -> list[str]:
        """Leave out macros and signatures; what that means, in sentences."""
        package = self._package
        of_book = relations(package.archive, package.book, package.name).values()
        of_package = relations(package.archive, "", package.name).values()
        macros = [relation.part for relation in of_book if relation.kind in _MACROS]
        signatures = [relation.part for relation in of_package if relation.kind == _SIGNATURE]
        if self._suffix == ".xlsm":
            macros = []
        elif any(relation.kind in _MACRO_SHEETS for relation in of_book):
            raise ReadError(
                f"{package.name}: it has sheets of macros, which a workbook whose name ends with "
                ".xlsx can't hold"
            )
        roots = {*macros, *signatures}
        if not roots:
            return []
        stay = package.subtree("", without=roots)
        self.dropped = {part for root in roots for part in package.subtree(root)} - stay
        self._relations.remove(self.dropped)
        of_root = Relationships(package, "")
        of_root.remove(self.dropped)
        if (data := of_root.changed()) is not None:
            self._written.write(of_root.name, data)
        self._types.remove(self.dropped, package.archive.NameToInfo.keys() - self.dropped)
        return [MACROS_DROPPED] * bool(macros) + [SIGNATURE_DROPPED] * bool(signatures)
