"""What a notebook shows: a few rows, escaped, without script and without colours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zhmcq
from zhmcq._notebook import bank_html, html_view, table
from zhmcq.questions import Question, QuestionBank, RowProblem


def parsed(view: str) -> Element:
    root: Element = fromstring(view)  # noqa: S314 - written just now
    return root


def cells(view: str, number: int = 0) -> list[list[str]]:
    """The texts of one table of a view, row by row."""
    chosen = list(parsed(view).iter("table"))[number]
    return [["".join(cell.itertext()) for cell in row] for row in chosen.iter("tr")]


def test_a_bank_shows_its_first_questions_and_counts_its_problems() -> None:
    questions = [
        Question(f"q{n}", f"{n}？", ("甲", "乙"), "文。", answer=(n % 2,)) for n in range(12)
    ]
    problems = [
        RowProblem(4, "", "no_key", "no key", severity="warning"),
        RowProblem(1234, "", "no_stem", "no stem", sheet="一"),
        RowProblem(7, "", "no_stem", "no stem"),
    ]
    view = QuestionBank(questions, problems)._repr_html_()
    assert "<strong>QuestionBank: 12 questions, 2 rows left out</strong>" in view
    assert cells(view)[:3] == [
        ["id", "kind", "passage", "stem", "options", "key"],
        ["q0", "single", "文。", "0？", "A 甲 / B 乙", "A"],
        ["q1", "single", "文。", "1？", "A 甲 / B 乙", "B"],
    ]
    assert len(cells(view)) == 1 + 10
    assert "<p>… 2 more</p>" in view
    assert cells(view, 1) == [
        ["severity", "problem", "times", "sheet", "first row", "what is wrong there"],
        ["error", "no_stem", "2", "一", "1234", "no stem"],
        ["warning", "no_key", "1", "", "4", "no key"],
    ]


def test_an_empty_bank_is_one_line() -> None:
    view = QuestionBank([])._repr_html_()
    assert [element.tag for element in parsed(view).iter()] == ["div", "p", "strong"]


def test_long_texts_are_cut() -> None:
    view = table(("a",), [("很" * 81,), ("很" * 80,)], total=2)
    assert f">{'很' * 79}…<" in view
    assert f">{'很' * 80}<" in view


def test_formulas_are_left_as_they_are_written() -> None:
    view = html_view("$5 and $10")
    assert 'class="zhmcq tex2jax_ignore mathjax_ignore"' in view
    assert "$5 and $10" in view


@given(text=st.text(max_size=60), label=st.text(max_size=5))
@settings(max_examples=50, deadline=None)
def test_any_text_is_seen_and_does_nothing(text: str, label: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    question = Question("x" + text, text, (text, "乙"), text, subject=text)
    problem = RowProblem(1, "", "x", text, sheet=text)
    view = bank_html(text + label, [question], [problem])
    root = parsed(view)
    tags = {element.tag for element in root.iter()}
    assert tags <= {"div", "p", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert {key for element in root.iter() for key in element.attrib} <= {"class", "style"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"), ("\x1b[2J\u202e", r"\x1b[2J\u202e")],
)
def test_hostile_text_is_escaped(text: str, shown: str) -> None:
    view = QuestionBank([Question("1", text, (text, "乙"))])._repr_html_()
    assert shown in view
    assert text not in view


def test_views_take_the_colours_of_the_theme_and_load_no_pandas() -> None:
    code = (
        "import sys, zhmcq\n"
        "question = zhmcq.Question('1', '誰？', ('甲', '乙'), answer=(0,))\n"
        "bank = zhmcq.QuestionBank([question])\n"
        "answers = zhmcq.Predictions(bank, (zhmcq.Prediction('1', (0,), 'A'),))\n"
        "views = [bank, answers, answers.evaluate(), zhmcq.compare(answers, answers)]\n"
        "text = ''.join(view._repr_html_() for view in views)\n"
        "assert 'color' not in text and 'background' not in text\n"
        "print('pandas' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(zhmcq.__file__).parents[1])},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.strip() == "False"
