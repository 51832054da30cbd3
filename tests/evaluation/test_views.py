"""Figures for people to read: as text, and in a notebook."""

from __future__ import annotations

import re

from outcomes import outcome, paired

from zhmcq.evaluation import compare, evaluate_outcomes
from zhmcq.questions import Origin

ROWS = [
    outcome("1", True, subject="國文", origin=Origin("x.xlsx", "甲班", 2), confidence=0.75),
    outcome("2", True, subject="國文", origin=Origin("x.xlsx", "乙班", 2), confidence=0.75),
    outcome("3", False, subject="\x1bEnglish", origin=Origin("x.xlsx", "甲班", 3), key="B"),
    outcome("4", False, origin=Origin("x.xlsx", "甲班", 4), key="B"),
]


def tables(view: str) -> list[list[list[str]]]:
    return [
        [re.findall(r">([^<]*)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", part)]
        for part in re.findall(r"<table>(.*?)</table>", view)
    ]


def test_an_evaluation_is_printed_with_the_parts_of_its_questions() -> None:
    assert evaluate_outcomes(ROWS).text() == (
        "50.0% right (2 of 4; 95 % interval 15.0% to 85.0%)\n"
        "\n"
        "by sheet  questions   right    95 % interval\n"
        "乙班              1  100.0%  20.7% to 100.0%\n"
        "甲班              3   33.3%    6.1% to 79.2%\n"
        "\n"
        "by subject   questions   right    95 % interval\n"
        "(none)               1    0.0%    0.0% to 79.3%\n"
        "\\x1bEnglish          1    0.0%    0.0% to 79.3%\n"
        "國文                 2  100.0%  34.2% to 100.0%\n"
        "\n"
        "by position  questions   right    95 % interval\n"
        "1                    2  100.0%  34.2% to 100.0%\n"
        "2                    2    0.0%    0.0% to 65.8%"
    )


def test_parts_that_are_the_same_are_printed_once() -> None:
    rows = [
        outcome("1", True, subject="國文", origin=Origin("x.xlsx", "國文", 2)),
        outcome("2", True, subject="英文", origin=Origin("x.xlsx", "英文", 2)),
    ]
    text = evaluate_outcomes(rows).text()
    assert "by sheet" in text
    assert "by subject" not in text


def test_a_notebook_shows_figures_and_parts() -> None:
    view = evaluate_outcomes(ROWS)._repr_html_()
    figures, sheets, subjects, _ = tables(view)
    assert figures == [
        ["figure", "value"],
        ["questions", "4"],
        ["right", "2"],
        ["accuracy", "50.0%"],
        ["95 % interval", "15.0% to 85.0%"],
        ["by chance", "25.0%"],
        ["answered", "100.0%"],
        ["calibration error", "0.250 (uncalibrated)"],
    ]
    assert sheets[0] == ["sheet", "questions", "right", "95 % interval"]
    assert sheets[1][:3] == ["乙班", "1", "100.0%"]
    assert [row[0] for row in subjects] == ["subject", "(none)", "\\x1bEnglish", "國文"]


def test_a_notebook_shows_both_sides_of_a_comparison_and_what_changed() -> None:
    view = compare(*paired(30, 8, 1, 11))._repr_html_()
    figures, gained, lost = tables(view)
    assert figures[0] == ["figure", "base", "tuned"]
    assert figures[3] == ["accuracy", "62.0%", "76.0%"]
    assert figures[-2][2].startswith("+14.0% (")
    assert "Right only in the second: 8</caption>" in view
    assert "Right only in the first: 1</caption>" in view
    assert "<p>… 3 more</p>" in view
    assert gained[1] == ["30", "30？", "A", "A"]
    assert lost[1] == ["38", "38？", "A", "B"]
    assert "Right only" not in compare(*paired(2, 0, 0, 2))._repr_html_()
