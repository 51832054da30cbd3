"""Formats are added to those of a workbook."""

from __future__ import annotations

import re

import pytest

from zhmcq.errors import ReadError
from zhmcq.reports._workbook import AddedCell
from zhmcq.reports._workbook._styles import EMPTY_STYLES, MAX_FORMATS, Styles

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def styled(inside: str) -> Styles:
    return Styles(f'<styleSheet xmlns="{MAIN}">{inside}</styleSheet>'.encode(), "styles")


def changed(styles: Styles) -> str:
    result = styles.changed()
    assert result is not None
    return re.sub("</?styleSheet[^>]*>", "", result.decode())


def test_without_new_formats_the_part_stays_as_it_was() -> None:
    styles = styled('<cellXfs><xf numFmtId="0"/><xf numFmtId="49"/></cellXfs>')
    assert styles.number(AddedCell("甲"), None) == 0
    assert styles.number(AddedCell("甲"), 1) == 1
    assert styles.changed() is None


def test_formats_are_put_behind_those_that_are_there() -> None:
    styles = styled(
        '<numFmts count="1"><numFmt numFmtId="170" formatCode="0.0"/></numFmts>'
        '<fonts count="1"><font><sz val="9"/></font></fonts>'
        '<fills count="1"><fill/></fills>'
        '<cellXfs count="1"><xf fontId="0" numFmtId="14" x="&lt;"><protection locked="0"/></xf>'
        "</cellXfs><extLst><ext/></extLst>"
    )
    assert styles.number(AddedCell(0.5, "percent", "unsure"), 0) == 1
    assert styles.number(AddedCell(0.5, "percent", "unsure"), 0) == 1
    assert styles.number(AddedCell("題", "header"), None) == 2
    assert styles.number(AddedCell("=1"), 0) == 3
    assert styles.number(AddedCell(None, colour="warning"), 0) == 4
    assert changed(styles) == (
        '<numFmts count="2"><numFmt numFmtId="170" formatCode="0.0"/>'
        '<numFmt numFmtId="171" formatCode="0.0%"/></numFmts>'
        '<fonts count="2"><font><sz val="9"/></font><font><b/><sz val="9"/></font></fonts>'
        '<fills count="2"><fill/><fill><patternFill patternType="solid">'
        '<fgColor rgb="FFFFEB9C"/><bgColor indexed="64"/></patternFill></fill></fills>'
        '<cellXfs count="5"><xf fontId="0" numFmtId="14" x="&lt;"><protection locked="0"/></xf>'
        '<xf fontId="0" numFmtId="171" x="&lt;" applyNumberFormat="1" fillId="1" applyFill="1">'
        '<protection locked="0"/></xf>'
        '<xf fontId="1" numFmtId="0" x="&lt;" applyNumberFormat="1" applyFont="1">'
        '<protection locked="0"/></xf>'
        '<xf fontId="0" numFmtId="0" x="&lt;" applyNumberFormat="1" quotePrefix="1">'
        '<protection locked="0"/></xf>'
        '<xf fontId="0" numFmtId="14" x="&lt;" fillId="1" applyFill="1">'
        '<protection locked="0"/></xf></cellXfs><extLst><ext/></extLst>'
    )


def test_a_format_for_percentages_that_is_there_is_used() -> None:
    styles = styled(
        '<numFmts><numFmt numFmtId="165" formatCode="0.0%"/></numFmts><cellXfs><xf/></cellXfs>'
    )
    styles.number(AddedCell(0.5, "percent"), 0)
    assert '<xf numFmtId="165" applyNumberFormat="1"/>' in changed(styles)
    assert changed(styles).count("<numFmt ") == 1


def test_white_text_gets_dark_where_its_ground_gets_light() -> None:
    styles = styled(
        '<fonts count="2"><font><color theme="1"/></font><font><b/><color rgb="FFFFFFFF"/></font>'
        '</fonts><cellXfs><xf fontId="0"/><xf fontId="1"/></cellXfs>'
    )
    assert styles.number(AddedCell(None, colour="error"), 0) == 2
    assert styles.number(AddedCell(None, colour="error"), 1) == 3
    assert re.findall("<xf ([^>]*)/>", changed(styles)) == [
        'fontId="0"',
        'fontId="1"',
        'fontId="0" fillId="2" applyFill="1"',
        'fontId="2" applyFont="1" fillId="2" applyFill="1"',
    ]
    assert "<font><b/></font></fonts>" in changed(styles)


def test_coloured_text_gets_dark_where_its_ground_gets_a_colour() -> None:
    styles = styled(
        '<fonts><font><color rgb="FFFF0000"/></font><font><color rgb="FF000000"/></font></fonts>'
        '<cellXfs><xf fontId="0"/><xf fontId="1"/></cellXfs>'
    )
    styles.number(AddedCell("對", colour="right"), 0)
    styles.number(AddedCell("對", colour="right"), 1)
    assert re.findall('<xf fontId="([0-9])"', changed(styles)) == ["0", "1", "2", "1"]
    assert "<font></font></fonts>" in changed(styles)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("<xf/>", '<xf applyAlignment="1"><alignment horizontal="right"/></xf>'),
        (
            '<xf><alignment indent="1"/><protection/></xf>',
            '<xf applyAlignment="1"><alignment indent="1" horizontal="right"/><protection/></xf>',
        ),
        (
            "<xf><protection/></xf>",
            '<xf applyAlignment="1"><alignment horizontal="right"/><protection/></xf>',
        ),
    ],
)
def test_a_range_stands_where_numbers_do(first: str, expected: str) -> None:
    styles = styled(f"<cellXfs>{first}</cellXfs>")
    styles.number(AddedCell("24% – 26%", "range"), None)
    assert expected in changed(styles)


def test_lists_that_are_missing_are_made_in_their_order() -> None:
    styles = Styles(f'<s:styleSheet xmlns:s="{MAIN}"><s:dxfs/></s:styleSheet>'.encode(), "styles")
    assert styles.number(AddedCell(0.5, "percent", "right"), None) == 1
    assert styles.number(AddedCell("題", "header"), None) == 2
    result = changed(styles)
    assert re.findall("<(s:[a-zA-Z]+s|s:dxfs) ?c?", result) == [
        "s:numFmts",
        "s:fonts",
        "s:fills",
        "s:cellXfs",
        "s:dxfs",
    ]
    assert '<s:xf numFmtId="0" fontId="1" fillId="0" borderId="0" applyFont="1"/>' in result
    assert '<s:fills count="3"><s:fill><s:patternFill patternType="none"/></s:fill>' in result


def test_the_number_of_a_format_that_is_not_there_is_none() -> None:
    styles = styled("<cellXfs><xf/></cellXfs>")
    assert styles.number(AddedCell("甲"), 700) == 0


def test_more_formats_than_excel_takes_are_refused() -> None:
    styles = styled(f"<cellXfs>{'<xf/>' * MAX_FORMATS}</cellXfs>")
    assert styles.number(AddedCell("甲"), 5) == 5
    with pytest.raises(ReadError, match="more formats of cells than Excel takes"):
        styles.number(AddedCell(0.5, "percent"), 5)


def test_styles_that_are_damaged_or_hostile_are_refused() -> None:
    with pytest.raises(ReadError, match="styles: its XML is damaged"):
        Styles(b"<styleSheet>", "styles")
    with pytest.raises(ReadError, match="document type"):
        Styles(b"<!DOCTYPE styleSheet><styleSheet/>", "styles")


def test_styles_in_utf_16_stay_in_it() -> None:
    text = EMPTY_STYLES.format(namespace=MAIN).replace("UTF-8", "UTF-16")
    styles = Styles(text.encode("utf-16"), "styles")
    styles.number(AddedCell(0.5, "percent"), None)
    result = styles.changed()
    assert result is not None
    assert 'formatCode="0.0%"' in result.decode("utf-16")
