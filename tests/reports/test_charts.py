"""Charts as SVG: well-formed, in both languages, escaped, the same each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.reports._charts import (
    BinShare,
    ChartSide,
    PromiseMark,
    RiskPoint,
    Share,
    accuracy_chart,
    position_chart,
    reliability_chart,
    risk_coverage_chart,
)
from zhmcq.zh._language import Language

Chart = Callable[..., str]
CHARTS: list[Chart] = [accuracy_chart, position_chart, reliability_chart, risk_coverage_chart]
SVG = "{http://www.w3.org/2000/svg}"

BASE = ChartSide(
    {"zh-Hant": "微調前", "zh-Hans": "微调前", "en": "Before tuning"},
    Share(0.5, 12_345, (0.45, 0.55)),
    [BinShare(0.4, 0.5, 12_000, 0.45, 0.5, (0.4, 0.6)), BinShare(0.9, 1, 345, 0.95, 0.9, (0.8, 1))],
    [RiskPoint(0.95, 0.01, 1.0), RiskPoint(0.45, 0.5, 0.1), RiskPoint(0.4, 1.0, 0.3)],
    {1: Share(0.6, 100, (0.5, 0.7)), 2: Share(0.4, 90, (0.3, 0.5))},
    calibrated=False,
)
TUNED = replace(
    BASE,
    name={"zh-Hant": "微調後", "zh-Hans": "微调后", "en": "After tuning"},
    calibrated=True,
    promise=PromiseMark(0.45, 0.1),
)


def parsed(chart: str) -> Element:
    root: Element = fromstring(chart)  # noqa: S314 - written just now
    return root


def texts(chart: str) -> list[str]:
    """What is written in a picture, but for hints and what is read out."""
    return [element.text or "" for element in parsed(chart).iter(f"{SVG}text")]


def test_accuracies_are_written_with_the_chance_of_guesses() -> None:
    chart = accuracy_chart([BASE, TUNED], language="zh-Hant", chance=0.25)
    assert texts(chart) == [
        "微調前  50%", "微調後  50%", "0%", "25%", "50%", "75%", "100%", "猜測 25%",
    ]  # fmt: skip


def test_a_bar_ends_at_its_accuracy_and_its_whisker_at_the_interval() -> None:
    root = parsed(accuracy_chart([BASE], language="en"))
    bar = next(root.iter(f"{SVG}rect")).attrib
    assert (bar["x"], bar["width"]) == ("8", "170")  # of 340
    whisker = next(root.iter(f"{SVG}line")).attrib
    assert (whisker["x1"], whisker["x2"]) == ("161", "195")


def test_reliability_has_a_count_below_each_bin_and_names_uncalibrated_sides() -> None:
    written = texts(reliability_chart([BASE, TUNED], language="zh-Hant"))
    assert written[:2] == ["微調前（未校準）", "微調後"]
    assert written[-5:] == ["題數", "12k", "345", "12k", "345"]


def test_the_scale_of_the_error_is_not_decided_by_the_first_few_answers() -> None:
    written = texts(risk_coverage_chart([BASE], language="en"))
    assert "40%" in written
    assert "100%" in written  # of the coverage
    assert written.count("100%") == 1


def test_a_promise_is_marked_on_the_side_that_has_it() -> None:
    assert 'class="zc-promise"' not in risk_coverage_chart([BASE], language="en")
    written = texts(risk_coverage_chart([TUNED], language="en"))
    assert "error at most 10%" in written
    assert "Confidence ≥ 0.45" in written


def test_positions_have_their_counts_and_many_positions_do_not_touch() -> None:
    written = texts(position_chart([BASE], language="en"))
    assert written[-7:-2] == ["100%", "1", "2", "Which option is the key", "Questions"]
    assert written[-2:] == ["100", "90"]
    many = {position: Share(0.5, 10, (0.2, 0.8)) for position in range(1, 27)}
    written = texts(position_chart([replace(BASE, by_position=many)], language="en"))
    assert "25" in written
    assert "26" not in written


def test_what_cannot_be_drawn_is_no_picture() -> None:
    bare = ChartSide("甲", Share(0.0, 1, (0.0, 0.8)))
    for chart in (position_chart, reliability_chart, risk_coverage_chart):
        assert chart([bare], language="en") == ""
    both = reliability_chart([bare, TUNED], language="en")
    assert texts(both)[0] == "After tuning"


@pytest.mark.parametrize("chart", CHARTS)
def test_words_are_there_in_both_languages_for_a_switch(chart: Chart) -> None:
    languages: dict[Language, str] = {"zh-Hant": "微調前", "zh-Hans": "微调前", "en": "微調前"}
    for language, chinese in languages.items():
        root = parsed(chart([BASE, TUNED], language=language))
        switched = [element for element in root.iter() if element.get("class") == "t"]
        assert switched
        shown = "data-en" if language == "en" else "data-zh"
        assert all(element.get(shown) == element.text for element in switched)
        assert any((element.get("data-zh") or "").startswith(chinese) for element in switched)
        assert any("Before tuning" in (element.get("data-en") or "") for element in switched)


@pytest.mark.parametrize("chart", CHARTS)
def test_a_picture_is_named_and_described_for_those_who_hear_it(chart: Chart) -> None:
    root = parsed(chart([TUNED], language="en"))
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert (root[1].text or "").startswith("After tuning: ")


def test_the_description_has_the_figures() -> None:
    root = parsed(accuracy_chart([BASE], language="en"))
    expected = "Before tuning: 50% (95 % interval 45%–55%; Questions 12,345)"
    assert root[1].text == expected


def test_the_first_side_is_dashed_and_a_side_alone_is_drawn_like_the_second() -> None:
    two = risk_coverage_chart([BASE, TUNED], language="en")
    assert 'class="zc-side zc-a"' in two
    assert 'stroke-dasharray="5 3"' in two
    alone = risk_coverage_chart([BASE], language="en")
    assert 'class="zc-side zc-b"' in alone
    assert 'zc-a"' not in alone


def test_a_curve_of_many_points_is_thinned_to_its_shape() -> None:
    points = [RiskPoint(1 - n / 20_000, n / 20_000, n / 50_000) for n in range(1, 20_001)]
    chart = risk_coverage_chart([replace(BASE, risk_coverage=points)], language="en")
    line = next(parsed(chart).iter(f"{SVG}polyline")).attrib["points"].split()
    assert 290 <= len(line) <= 310
    assert line[-1].split(",")[0] == "346"  # the right edge
    assert len(chart) < 20_000


@pytest.mark.parametrize("chart", CHARTS)
@given(name=st.text(max_size=60), language=st.sampled_from(["zh-Hant", "zh-Hans", "en"]))
@settings(max_examples=25, deadline=None)
def test_any_name_is_written_as_text_and_seen(chart: Chart, name: str, language: Language) -> None:
    picture = chart([replace(TUNED, name=name)], language=language)
    root = parsed(picture)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "text", "line", "rect", "circle", "polyline", "g"}
    assert not any(key.startswith("on") for element in root.iter() for key in element.attrib)
    assert picture == chart([replace(TUNED, name=name)], language=language)


def test_hostile_names_are_escaped() -> None:
    chart = accuracy_chart([replace(BASE, name="<script>\u202e\x1b&\"'")], language="en")
    assert "<script>" not in chart
    assert texts(chart)[0] == "<script>\\u202e\\x1b&\"'  50%"
