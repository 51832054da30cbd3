"""Cells are put into the XML of a sheet, and everything else in it stays as it is."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhmcq.errors import ReadError
from zhmcq.reading._formats import xml_events
from zhmcq.reports._workbook import AddedCell, SheetEdit
from zhmcq.reports._workbook._sheet import SheetEditor
from zhmcq.reports._workbook._styles import EMPTY_STYLES, Styles
from zhmcq.reports._workbook._xml import storable

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
X = AddedCell("x")
CELL = '<c r="{}" t="inlineStr"><is><t xml:space="preserve">x</t></is></c>'


def edited(sheet: str | bytes, edit: SheetEdit, drawing: str = "") -> bytes:
    styles = Styles(EMPTY_STYLES.format(namespace=MAIN).encode(), "styles")
    pieces: list[bytes] = []
    data = sheet.encode() if isinstance(sheet, str) else sheet
    SheetEditor(edit, styles, "bank.xlsx, sheet 'S'", drawing).run(io.BytesIO(data), pieces.append)
    return b"".join(pieces)


def sheet(inside: str) -> str:
    return f'<worksheet xmlns="{MAIN}">{inside}</worksheet>'


def put(inside: str, *cells: tuple[int, int]) -> str:
    """What is in a sheet after a cell with an x is put into some cells of it."""
    result = edited(sheet(inside), SheetEdit(dict.fromkeys(cells, X))).decode()
    return result.removeprefix(f'<worksheet xmlns="{MAIN}">').removesuffix("</worksheet>")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", f'<row r="2">{CELL.format("B2")}</row>'),
        ('<row r="2"/>', f'<row r="2">{CELL.format("B2")}</row>'),
        ('<row r="2" ></row >', f'<row r="2" >{CELL.format("B2")}</row >'),
        ("<row/><row/><row/>", f"<row/><row>{CELL.format('B2')}</row><row/>"),
        (
            '<row r="1"/><row r="3"/>',
            f'<row r="1"/><row r="2">{CELL.format("B2")}</row><row r="3"/>',
        ),
        (
            "<row/><row><c><v>1</v></c></row>",
            f"<row/><row><c><v>1</v></c>{CELL.format('B2')}</row>",
        ),
        (
            '<row r="2" spans="1:1"><c r="A2"/><c r="C2"/></row>',
            f'<row r="2" spans="1:2"><c r="A2"/>{CELL.format("B2")}<c r="C2"/></row>',
        ),
        ('<row spans="1:1 4:5" r="2"/>', f'<row r="2">{CELL.format("B2")}</row>'),
        ('<row r="2"><c r="B2"/></row>', f'<row r="2">{CELL.format("B2")}</row>'),
        ('<row r="2"><c r="B2"> <v> </v></c></row>', f'<row r="2">{CELL.format("B2")}</row>'),
        ("<row r='2' ht='9' x='a>b'/>", f"<row r='2' ht='9' x='a>b'>{CELL.format('B2')}</row>"),
    ],
)
def test_a_cell_is_put_where_it_belongs(rows: str, expected: str) -> None:
    assert put(f"<sheetData>{rows}</sheetData>", (2, 2)) == f"<sheetData>{expected}</sheetData>"


def test_a_sheet_without_rows_gets_some() -> None:
    expected = f'<sheetData ><row r="2">{CELL.format("B2")}</row></sheetData>'
    assert put("<sheetData />", (2, 2)) == expected


def test_the_range_of_the_cells_grows() -> None:
    assert put('<dimension ref="B2:C3"/><sheetData/>', (5, 4)).startswith(
        '<dimension ref="B2:D5"/>'
    )
    assert put('<dimension ref="A1"/><sheetData/>', (5, 4)).startswith('<dimension ref="A1:D5"/>')


def test_prefixes_and_the_namespace_of_strict_workbooks_are_kept() -> None:
    source = (
        f'<x:worksheet xmlns:x="{STRICT}"><x:sheetData><x:row r="1"/></x:sheetData></x:worksheet>'
    )
    edit = SheetEdit({(1, 1): AddedCell(1.5), (2, 1): AddedCell(True)}, {1: 9})
    assert edited(source, edit).decode() == (
        f'<x:worksheet xmlns:x="{STRICT}"><x:cols><x:col min="1" max="1" width="9" '
        'customWidth="1"/></x:cols><x:sheetData><x:row r="1"><x:c r="A1"><x:v>1.5</x:v></x:c>'
        '</x:row><x:row r="2"><x:c r="A2" t="b"><x:v>1</x:v></x:c></x:row></x:sheetData>'
        "</x:worksheet>"
    )


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", ""),
        ("utf-8-sig", '<?xml version="1.0" encoding="UTF-8"?>'),
        ("utf-16", '<?xml version="1.0" encoding="UTF-16"?>'),
        ("utf-16-le", '<?xml version="1.0" encoding="UTF-16"?>'),
        ("utf-16-be", ""),
        ("latin-1", '<?xml version="1.0" encoding="ISO-8859-1"?>'),
    ],
)
@pytest.mark.parametrize("chunk", [1, 3, 65_536])
def test_a_sheet_stays_in_its_encoding(
    encoding: str, declared: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xml_events, "CHUNK", chunk)
    character = "é" if encoding == "latin-1" else "題𠮷"
    row = f'<row r="1"><c r="A1" t="str"><v>{character}</v></c></row>'
    source = (declared + sheet(f"<sheetData>{row}</sheetData>")).encode(encoding)
    result = edited(source, SheetEdit({(1, 2): AddedCell("答𠮷")}))
    added = CELL.format("B1").replace("x<", "答𠮷<")
    if encoding == "latin-1":
        added = added.replace("答𠮷", "&#31572;&#134071;")
    expected = source.decode(encoding).replace("</row>", f"{added}</row>")
    assert result.decode(encoding) == expected
    assert [e.text for e in ElementTree.fromstring(result).iter() if e.text] == [  # noqa: S314
        character,
        "答𠮷",
    ]


def test_columns_get_widths_out_of_those_they_were_in() -> None:
    source = sheet(
        '<cols><col min="1" max="2" width="5"/><col min="4" max="16384" style="3" width="0" '
        'hidden="1" outlineLevel="1"/></cols><sheetData/>'
    )
    result = edited(source, SheetEdit({}, {3: 10, 4: 11, 6: 12.5})).decode()
    assert re.findall("<col [^>]*>", result) == [
        '<col min="1" max="2" width="5"/>',
        '<col min="3" max="3" width="10" customWidth="1"/>',
        '<col min="4" max="4" style="3" width="11" customWidth="1"/>',
        '<col min="5" max="5" style="3" width="0" hidden="1" outlineLevel="1"/>',
        '<col min="6" max="6" style="3" width="12.5" customWidth="1"/>',
        '<col min="7" max="16384" style="3" width="0" hidden="1" outlineLevel="1"/>',
    ]


@pytest.mark.parametrize("cols", ["<cols/>", "<cols></cols>", ""])
def test_a_sheet_without_widths_gets_some(cols: str) -> None:
    result = edited(sheet(f"{cols}<sheetData/>"), SheetEdit({}, {2: 8})).decode()
    assert '<cols><col min="2" max="2" width="8" customWidth="1"/></cols><sheetData>' in result


def test_text_is_text_whatever_it_begins_with_and_holds() -> None:
    cells = {
        (1, 1): AddedCell("=1+1"),
        (1, 2): AddedCell("a<b>&\x07\r\n_x0041_ "),
        (1, 3): AddedCell(float("nan")),
        (1, 4): AddedCell(10**17),
        (1, 5): AddedCell("\U00020bb7" * 20_000),
    }
    root = ElementTree.fromstring(edited(sheet("<sheetData/>"), SheetEdit(cells)))  # noqa: S314
    texts = ["".join(cell.itertext()) for cell in root.iter(f"{{{MAIN}}}c")]
    assert {cell.get("t") for cell in root.iter(f"{{{MAIN}}}c")} == {"inlineStr"}
    assert texts[:4] == ["=1+1", "a<b>&_x0007_\r\n_x005F_x0041_ ", "nan", str(10**17)]
    assert texts[4] == "\U00020bb7" * 16_383
    assert not list(root.iter(f"{{{MAIN}}}f"))


@given(st.text(max_size=20), st.sampled_from(["utf-8", "utf-16", "ascii"]))
def test_any_text_can_be_put_in_and_read_back(text: str, encoding: str) -> None:
    declared = f'<?xml version="1.0" encoding="{encoding}"?>{sheet("<sheetData/>")}'
    result = edited(declared.encode(encoding), SheetEdit({(1, 1): AddedCell(f"_{text}_")}))
    assert "".join(ElementTree.fromstring(result).itertext()) == storable(f"_{text}_")  # noqa: S314


def test_a_mark_changes_the_format_of_a_cell_and_nothing_else() -> None:
    rows = '<row r="1"><c r="A1" s="0" t="s" cm="1"><f>B1</f><v>0</v></c></row>'
    mark = AddedCell(None, colour="error")
    result = edited(sheet(f"<sheetData>{rows}</sheetData>"), SheetEdit({(1, 1): mark})).decode()
    assert result == sheet(f"<sheetData>{rows}</sheetData>").replace('s="0"', 's="1"')


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<sheetData/>", "</sheetData>{}"),
        ('<sheetData/><drawing id="1"/><tableParts/>', '<drawing id="1"/>{}<tableParts/>'),
        ("<sheetData/><pageMargins/><extLst/>", "<pageMargins/>{}<extLst/>"),
    ],
)
def test_the_drawing_of_comments_is_referred_to_where_the_format_wants_it(
    inside: str, expected: str
) -> None:
    tag = '<legacyDrawing r:id="rId1"/>'
    result = edited(sheet(inside), SheetEdit({(1, 1): X}), tag.replace("<", "<{}")).decode()
    assert expected.format(tag) in result


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ('<sheetData><row r="2"/><row r="1"/></sheetData>', "out of order"),
        ('<sheetData><row r="2"/><row r="2"/></sheetData>', "two have one number"),
        ('<sheetData><row r="0"/></sheetData>', "expected rows"),
        ('<sheetData><row r="9999999999"/></sheetData>', "expected rows"),
        ('<sheetData><row r="2"><c r="2"/></row></sheetData>', "expected a cell"),
        ('<sheetData><row r="2"><c r="B2"><v>0</v></c></row></sheetData>', "B2 holds something"),
        ('<sheetData><row r="2"><c r="B2"><f>A1</f></c></row></sheetData>', "B2 holds something"),
        (
            '<sheetData/><mergeCells><mergeCell ref="A1:B2"/></mergeCells>',
            "B2 lies within the merged",
        ),
        ("<sheetData/><sheetData/>", "two lists"),
        ("<dialog/>", "no rows of cells"),
        ("<sheetData>", "damaged"),
        ('<cols><col min="x" max="3"/></cols><sheetData/>', "expected columns"),
        ('<cols><col min="5" max="5"/><col min="1" max="3"/></cols><sheetData/>', "out of order"),
    ],
)
def test_a_sheet_that_cannot_be_edited_is_refused(inside: str, reason: str) -> None:
    with pytest.raises(ReadError, match=f"sheet 'S'.*{reason}"):
        edited(sheet(inside), SheetEdit({(2, 2): X}, {2: 9}))


def test_a_document_type_is_refused() -> None:
    with pytest.raises(ReadError, match="document type"):
        edited("<!DOCTYPE worksheet []>" + sheet("<sheetData/>"), SheetEdit({(1, 1): X}))


def test_a_cell_looks_like_most_cells_to_its_left() -> None:
    formats = "".join(f'<xf fontId="{number}"/>' for number in (7, 8, 9))
    data = EMPTY_STYLES.format(namespace=MAIN).replace("</cellXfs>", f"{formats}</cellXfs>")
    rows = (
        '<row r="1"><c r="A1" s="3"/><c r="B1" s="1"/><c r="C1" s="1"/><c r="D1" s="2"/></row>'
        '<row r="2"><c r="A2" s="1"/><c r="B2" s="2"/></row>'
        '<row r="3" s="3" customFormat="1"><c r="A3" s="1"/></row>'
    )
    pieces: list[bytes] = []
    edit = SheetEdit({(row, 5): AddedCell("甲") for row in (1, 2, 3)})
    SheetEditor(edit, Styles(data.encode(), "styles"), "S").run(
        io.BytesIO(sheet(f"<sheetData>{rows}</sheetData>").encode()), pieces.append
    )
    added = re.findall('<c r="E[0-9]" s="([0-9]+)"', b"".join(pieces).decode())
    assert added == ["1", "2", "1"]


def test_a_cell_looks_like_its_neighbour_on_the_left() -> None:
    data = EMPTY_STYLES.format(namespace=MAIN).replace(
        "</cellXfs>", '<xf numFmtId="9" fontId="7"><alignment wrapText="1"/></xf></cellXfs>'
    )
    styles = Styles(data.encode(), "styles")
    rows = (
        '<row r="1"><c r="A1" s="1"><v>1</v></c><c r="B1"/><c r="Z1"/></row>'
        '<row r="2" s="1" customFormat="1"/>'
    )
    pieces: list[bytes] = []
    edit = SheetEdit(
        {(1, 2): AddedCell("a"), (1, 4): AddedCell(1), (2, 4): AddedCell(1), (3, 4): X}
    )
    editor = SheetEditor(edit, styles, "S")
    editor.run(io.BytesIO(sheet(f"<sheetData>{rows}</sheetData>").encode()), pieces.append)
    assert re.findall('<c r="([A-Z0-9]+)"(?: s="([0-9]+)")?', b"".join(pieces).decode()) == [
        ("A1", "1"),
        ("B1", "2"),
        ("D1", "2"),
        ("Z1", ""),
        ("D2", "2"),
        ("D3", ""),
    ]
    changed = styles.changed()
    assert changed is not None
    assert (
        b'<xf numFmtId="0" fontId="7" applyNumberFormat="1"><alignment wrapText="1"/></xf>'
        in changed
    )


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),  # rows that are missing before it
        st.booleans(),  # whether it says its number, which it has to if some are missing
        st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), max_size=4),
        st.sampled_from(["", ' spans="1:4"', ' x:y="a&gt;b"', " ht = '12'"]),
    ),
    max_size=6,
)
SPACE = st.sampled_from(["", "\n", "<!-- <row/> -->", "<?p <c/>?>"])


def built(
    rows: list[tuple[int, bool, list[tuple[int, bool, bool]], str]], space: str, p: str
) -> str:
    """A sheet of some rows."""
    number = 0
    pieces = []
    for gap, numbered, cells, other in rows:
        number += gap + 1
        r = f' r="{number}"' if numbered or gap else ""
        column, inner = 0, []
        for skipped, referred, holds in cells:
            column += skipped + 1
            ref = f' r="{chr(64 + column)}{number}"' if referred or skipped else ""
            inner.append(f"<{p}c{ref}><{p}v>1</{p}v></{p}c>" if holds else f"<{p}c{ref} s='0'/>")
        content = space.join(inner)
        pieces.append(
            f"<{p}row{r}{other}>{content}</{p}row>" if content else f"<{p}row{r}{other}/>"
        )
    return (
        f'<{p}worksheet xmlns{":" if p else ""}{p[:-1]}="{MAIN}" xmlns:x="urn:x">{space}'
        f"<{p}sheetData>{space.join(pieces)}</{p}sheetData>{space}</{p}worksheet>"
    )


@given(
    ROWS,
    SPACE,
    st.sampled_from(["", "s:"]),
    st.sets(st.tuples(st.integers(1, 20), st.integers(20, 23)), max_size=12),
    st.sampled_from([1, 2, 5, 64, 65_536]),
)
def test_what_is_left_without_the_new_cells_is_the_sheet_as_it_was(
    rows: list[tuple[int, bool, list[tuple[int, bool, bool]], str]],
    space: str,
    prefix: str,
    cells: set[tuple[int, int]],
    chunk: int,
) -> None:
    source = built(rows, space, prefix)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_events, "CHUNK", chunk)
        result = edited(source, SheetEdit(dict.fromkeys(cells, X))).decode()
    root = ElementTree.fromstring(result)  # noqa: S314
    positions = []
    number = 0
    for row in root.iter(f"{{{MAIN}}}row"):
        assert int(row.get("r", number + 1)) > number
        number = int(row.get("r", number + 1))
        columns = [20 + "TUVW".index(cell.get("r", "A")[0]) for cell in row if cell.get("t")]
        assert columns == sorted(columns)
        positions += [(number, column) for column in columns]
    assert sorted(cells) == positions
    without = re.sub(f"<{prefix}c [^>]*inlineStr.*?</{prefix}c>", "", result)
    if cells:
        without = re.sub(f'<{prefix}row r="[0-9]+"></{prefix}row>', "", without)
        without = re.sub(r'spans="1:2\d"', 'spans="1:4"', without)
    bare = [re.sub(f"></{prefix}row>", "/>", text) for text in (without, source)]
    dropped = re.sub(f'<{prefix}row r="[0-9]+"/>', "", bare[1])
    assert re.sub(f'<{prefix}row r="[0-9]+"/>', "", bare[0]) == dropped
