"""Characters that act instead of being seen, at every door through which text leaves."""

from __future__ import annotations

import ast
import copy
import io
import sys
from pathlib import Path

import pytest

from zhmcq import errors
from zhmcq._visible import console_text, visible
from zhmcq.checks import describe
from zhmcq.prediction import Prediction
from zhmcq.questions import Question, QuestionBank, RowProblem
from zhmcq.reports._page import ListedAnswer, ListedQuestion, Page, write_page

SOURCE = Path(__file__).parents[1] / "src" / "zhmcq"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m紅", r"\x1b[31m紅"),
        ("a\x00b\x07\x7f\x9b", r"a\x00b\x07\x7f\x9b"),
        ("a\rb", r"a\rb"),
        ("答案\u202eA\u2066", r"答案\u202eA\u2066"),
        ("a\u200bb\ufeff\u061c", r"a\u200bb\ufeff\u061c"),
        ("\ud800\uffff\ufffe\ufdd0", r"\ud800\uffff\ufffe\ufdd0"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\U000e0041", r"\U000e0041"),
        ("一\n\t二　三\u00a0四 ｱ", "一\n\t二　三\u00a0四 ｱ"),
        ("👨\u200d👩\u200d👧 ✊\ufe0f 造字\ue000", "👨\u200d👩\u200d👧 ✊\ufe0f 造字\ue000"),
        (r"\x1b", r"\x1b"),
    ],
)
def test_characters_that_act_are_shown_as_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


@pytest.mark.parametrize("name", errors.__all__)
def test_no_message_of_an_error_holds_a_control_character(name: str) -> None:
    error = getattr(errors, name)("file \x1b]0;x\x07\u202e.xlsx:\n  row 1")
    assert str(error) == "file \\x1b]0;x\\x07\\u202e.xlsx:\n  row 1"
    assert str(copy.copy(error)) == str(error)


def test_problems_predictions_and_summaries_hold_none_either() -> None:
    problem = RowProblem(1, "A", "x", "only one option: \x1b[2J")
    assert problem.message == r"only one option: \x1b[2J"
    assert "\x1b" not in describe(QuestionBank([], [problem]))
    assert Prediction("1", None, "", reason="found \x9b2J").reason == r"found \x9b2J"


def test_a_page_shows_them_as_escapes(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    question = Question("1", "哪個\u202e？<b>", ("A", "\x1b"))
    answer = ListedAnswer((0,), reply="\x07")
    listed = ListedQuestion("1", question, answer)
    write_page(path, Page(["answers"], [(listed, [answer])], {"en": "a\x00b"}))
    page = path.read_text(encoding="utf-8")
    assert r'"stem":"哪個\\u202e？\u003cb\u003e","options":["A","\\x1b"]' in page
    assert r'"reply":"\\x07"' in page
    assert r">a\x00b</p>" in page


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("cp950", r"國\u56fd…"), ("ascii", r"\u570b\u56fd\u2026"), ("utf-8", "國国…")],
)
def test_what_a_console_lacks_is_printed_as_escapes(
    monkeypatch: pytest.MonkeyPatch, encoding: str, shown: str
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert console_text("國国…") == shown


def constants_of_messages(path: Path) -> list[str]:
    """The texts inside what a module raises, logs, or returns from ``text`` and ``__str__``."""
    texts = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        is_text = isinstance(node, ast.FunctionDef) and node.name in (
            "text", "__str__", "__repr__", "describe",
        )  # fmt: skip
        is_log = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger.")
        if is_text or is_log or isinstance(node, ast.Raise):
            parts = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
            texts += [part.value for part in parts if isinstance(part.value, str)]
    return texts


def test_messages_and_reports_are_written_in_characters_that_cp950_has() -> None:
    texts = [text for path in SOURCE.rglob("*.py") for text in constants_of_messages(path)]
    assert len(texts) > 500
    for text in texts:
        text.encode("cp950")
