"""Comments are put behind those that a sheet has."""

from __future__ import annotations

import pytest

from zhmcq.errors import ReadError
from zhmcq.reports._workbook._comments import EMPTY_DRAWING, with_boxes, with_comments

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def test_a_cell_that_has_a_comment_gets_the_other_below_it() -> None:
    before = (
        f'<x:comments xmlns:x="{MAIN}"><x:authors><x:author>師</x:author></x:authors>'
        '<x:commentList><x:comment ref="B2" authorId="0"><x:text><x:t>註</x:t></x:text>'
        "</x:comment></x:commentList></x:comments>"
    )
    result, new = with_comments(before.encode(), {(2, 2): "甲<", (3, 1): "乙\x07"}, "comments")
    assert new == [(3, 1)]
    assert result.decode() == (
        f'<x:comments xmlns:x="{MAIN}"><x:authors><x:author>師</x:author>'
        "<x:author>zhmcq</x:author></x:authors>"
        '<x:commentList><x:comment ref="B2" authorId="0"><x:text><x:t>註</x:t>'
        '<x:r><x:t xml:space="preserve">\n甲&lt;</x:t></x:r></x:text></x:comment>'
        '<x:comment ref="A3" authorId="1"><x:text><x:r><x:t xml:space="preserve">乙_x0007_</x:t>'
        "</x:r></x:text></x:comment></x:commentList></x:comments>"
    )


def test_boxes_are_put_behind_those_that_are_there_in_what_need_not_be_xml() -> None:
    before = EMPTY_DRAWING.encode().replace(
        b"</xml>", b'<v:shape id="_x0000_s2049"><br></v:shape></xml>\r\n'
    )
    result = with_boxes(before, [(3, 1), (9, 4)], "drawing").decode()
    assert result.startswith(before.decode().removesuffix("</xml>\r\n"))
    assert result.endswith("</xml>\r\n")
    added = result[len(before) - len("</xml>\r\n") :]
    assert added.count("<v:shapetype ") == 1
    assert 'id="_x0000_s2050" type="#_x0000_t202"' in added
    assert "<x:Row>2</x:Row><x:Column>0</x:Column>" in added
    assert 'id="_x0000_s2051"' in added
    assert "<x:Row>8</x:Row><x:Column>3</x:Column>" in added


def test_boxes_bring_their_namespaces_where_the_drawing_has_others() -> None:
    result = with_boxes(b"<a:xml xmlns:a='b'></a:xml>", [(1, 1)], "drawing").decode()
    assert '<v:shape xmlns:v="urn:schemas-microsoft-com:vml"' in result


def test_what_is_no_list_of_comments_or_drawing_is_refused() -> None:
    with pytest.raises(ReadError, match="expected authors and a list of comments"):
        with_comments(b"<comments/>", {(1, 1): "x"}, "comments")
    with pytest.raises(ReadError, match="ends with </xml>"):
        with_boxes(b"<html></html>", [(1, 1)], "drawing")
