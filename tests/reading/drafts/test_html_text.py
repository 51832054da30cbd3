"""Html in texts becomes what a browser shows; other texts stay as they are."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhmcq.reading._drafts.html_text import is_wrapped, picture_link, plain_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<p>下列何者為真？</p>", "下列何者為真？"),
        ("<p>甲</p>\n<p>乙</p>", "甲\n乙"),
        ("甲<br>乙<br/>丙", "甲\n乙\n丙"),
        ("<div><span style='color: red'>甲</span> <b>乙</b></div>", "甲 乙"),
        ("甲&nbsp;&amp;&nbsp;乙", "甲 & 乙"),
        ("<p>a &lt; b &#x4E2D; &#20013;</p>", "a < b 中 中"),
        ("CO<sub>2</sub>", "CO₂"),
        ("x<sup>2</sup> + 10<sup>-5</sup>", "x² + 10⁻⁵"),
        ("V<sub>A</sub>, x<sup>ab</sup>", "V_A, x^(ab)"),
        ("<table><tr><th>年</th><th>量</th></tr><tr><td>1</td><td>2</td></tr></table>",
         "年 | 量\n1 | 2"),
        ("<ul><li>甲</li><li>乙</li></ul>", "甲\n乙"),
        ("<ol><li>甲</li><li>乙</li></ol>", "1. 甲\n2. 乙"),
        ('<ol type="A"><li>甲</li><li>乙</li></ol>', "A. 甲\nB. 乙"),
        ("<ol><li>甲</li></ol>", "甲"),
        ("<p>甲</p><script>if (a<b) { c(); }</script><style>p { }</style>", "甲"),
        ("<p>甲<!-- 乙 <b> --></p>", "甲"),
        ("<p>甲<o:p></o:p></p>", "甲"),
        ("<pre>if a:\n    b()</pre>", "if a:\n    b()"),
        ("<ruby>漢<rt>ㄏㄢˋ</rt></ruby>字", "漢(ㄏㄢˋ)字"),
        ("<P CLASS=x>甲</P>", "甲"),
        ('<p>如圖 <img src="a (1).png" alt="圖[1]"></p>', "如圖 ![圖(1)](a%20%281%29.png)"),
        ('<img src="data:image/png;base64,AAAA">', "![](data:sha256-bde6da8e9d3902a8)"),
        ('聽<audio src="q1.mp3"></audio>', "聽![audio](q1.mp3)"),
    ],
)  # fmt: skip
def test_html_is_shown_as_text(text: str, shown: str) -> None:
    assert plain_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "若 a<b 且 c>d",
        "List<String> names = new ArrayList<>();",
        "a<b and b>c",
        "x<b>y",
        "0<p<1",
        "int *p=&sum; f(&a);",
        "AT&T",
        "<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math>",
        "<!-- 沒有結尾",
        "<stdio.h>",
        "1 <2> 3",
        "  <  ",
    ],
)
def test_what_is_no_html_stays(text: str) -> None:
    assert plain_text(text) == text


@given(st.text(st.characters(exclude_characters="<&")))
def test_a_text_without_tags_and_entities_is_unchanged(text: str) -> None:
    assert plain_text(text) == text


@given(st.text(alphabet="<>/&;!-= \"'pbliasrc#x3甲\n", max_size=80))
def test_any_text_of_signs_is_read(text: str) -> None:
    assert isinstance(plain_text(text), str)


@given(st.lists(st.text(st.characters(categories=["Lo", "Nd"]), min_size=1), min_size=1))
def test_paragraphs_become_lines(lines: list[str]) -> None:
    assert plain_text("".join(f"<p>{line}</p>" for line in lines)) == "\n".join(lines)


def test_marked_words_keep_their_tags_where_a_question_asks_about_them() -> None:
    text = '<p>他<u class="x">走</u>了，<strong>快</strong>！</p>'
    assert plain_text(text) == "他走了，快！"
    assert plain_text(text, marks=True) == "他<u>走</u>了，<strong>快</strong>！"


def test_a_wrapped_text_stands_between_tags_as_a_whole() -> None:
    assert is_wrapped("<p>甲<br>乙</p>")
    assert not is_wrapped("<br>")
    assert not is_wrapped("甲<p>乙</p>")


def test_two_pictures_with_other_bytes_have_other_links() -> None:
    first, second = (picture_link(f"data:image/png;base64,{b}") for b in ("AAAA", "AAAB"))
    assert first != second
    assert len(first) < 60


@pytest.mark.parametrize(
    "part",
    ["<", "&amp;", "&", "&#", "<p>", "<!--", "<script>", "<b>", "<sup>", "<ol><li>", "<p ",
     '<p a="', "<p a='\"", "<p a ", "![](", "![](data:", "<!DOCTYPE ", "<![if", "<p x  =  "],
)  # fmt: skip
def test_a_megabyte_of_signs_takes_linear_time(part: str) -> None:
    def seconds(size: int) -> float:
        text = part * (size // len(part))
        start = time.process_time()
        plain_text(text)
        return time.process_time() - start

    # Sixteen times the text would take 256 times as long in quadratic time.
    short = max(seconds(2**16), 0.01)
    assert seconds(2**20) < short * 100
