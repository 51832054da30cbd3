from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from zhmcq.errors import OutputError
from zhmcq.reports._html import Bar, ChangedAnswer, FigureRow, write_comparison

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """What a browser would make of a page: its tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


def written(
    tmp_path: Path,
    *,
    summary: str = "0.0% → 50.0%",
    names: tuple[str, str] = ("base", "tuned"),
    figure: str = "Right",
    heading: str = "Right only after tuning",
    cells: tuple[str, str, str, str] = ("q1", "誰？", "A", "B"),
) -> str:
    path = tmp_path / "report.html"
    write_comparison(
        path,
        summary=summary,
        bars=[Bar(names[0], 0.0, (0.0, 0.25)), Bar(names[1], 0.5, (0.25, 1.0))],
        figures=[FigureRow(figure, figure, figure)],
        changes={heading: [ChangedAnswer(*cells)], "Right only before tuning": []},
    )
    return path.read_text(encoding="utf-8")


def test_markup_in_any_place_is_shown_and_not_run(tmp_path: Path) -> None:
    plain = Page(written(tmp_path))
    hostile = Page(
        written(
            tmp_path,
            summary=EVIL,
            names=(EVIL, EVIL),
            figure=EVIL,
            heading=EVIL,
            cells=(EVIL, EVIL, EVIL, EVIL),
        )
    )
    assert hostile.tags == plain.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in plain.attributes]
    # The summary, two bars, three cells of figures, four of a question, and a heading with more.
    assert hostile.text.count(EVIL) == 10
    assert f"{EVIL} (1)" in hostile.text
    assert ("aria-label", EVIL) in hostile.attributes


def test_the_page_stands_alone(tmp_path: Path) -> None:
    page = Page(written(tmp_path))
    assert not {"script", "link", "img", "iframe", "a"} & set(page.tags)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert ("content", policy) in page.attributes
    assert ("charset", "utf-8") in page.attributes


def test_bars_and_intervals_are_drawn_to_scale(tmp_path: Path) -> None:
    text = written(tmp_path)
    assert re.findall(r'<rect class="bar \w+" x="90" y="\d+" width="([\d.]+)"', text) == [
        "0.0",
        "200.0",
    ]
    assert re.findall(r'<line class="whisker" x1="([\d.]+)" x2="([\d.]+)"', text) == [
        ("90.0", "190.0"),
        ("190.0", "490.0"),
    ]


def test_questions_that_changed_are_listed_and_empty_lists_say_so(tmp_path: Path) -> None:
    page = Page(written(tmp_path))
    at = page.text.index("Right only after tuning (1)")
    assert page.text[at + 1 : at + 9] == [
        "ID",
        "Question",
        "Key",
        "Tuned answer",
        "q1",
        "誰？",
        "A",
        "B",
    ]
    assert page.text[at + 9 :] == ["Right only before tuning (0)", "None."]


def test_a_lone_surrogate_does_not_stop_the_page(tmp_path: Path) -> None:
    assert r"a\ud800b" in Page(written(tmp_path, cells=("a\ud800b", "", "", ""))).text


def test_a_folder_in_the_way_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"):
        write_comparison(tmp_path, summary="", bars=[], figures=[], changes={})
