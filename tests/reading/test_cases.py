"""Small files in shapes that people keep: each is read as its ``.expected.json`` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zhmcq.questions import Question
from zhmcq.reading import read_bank

CASES = Path(__file__).parent / "cases"
# Read with header=False, as the error says that they get without it.
WITHOUT_HEADER = {"headerless"}
# What the refusal must say, and what it must not: some advice would make a question a header.
REFUSED: dict[str, tuple[str, str]] = {}
# The key of each question in words, where the file gives the key by marking options.
MARKED = {
    "2nd option": ("single", (1,)),
    "1st and 3rd option, kind multiple": ("multiple", (0, 2)),
    "2nd option, kind true_false": ("true_false", (1,)),
}
CODES = {"label_misprint or damaged_options": {"label_misprint", "damaged_options"}}


def expected_of(name: str) -> dict[str, Any]:
    path = CASES / f"{name}.expected.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def input_of(name: str) -> Path:
    (path,) = (p for p in CASES.glob(f"{name}.*") if not p.name.endswith(".expected.json"))
    return path


def names() -> list[str]:
    return sorted(p.name.removesuffix(".expected.json") for p in CASES.glob("*.expected.json"))


def assert_key(question: Question, key: str) -> None:
    """The key as the case writes it: a label, digits of labels, or an option's text."""
    if key in MARKED:
        assert (question.kind, question.answer) == MARKED[key]
    elif key in question.options:
        assert question.answer == (question.options.index(key),)
    elif key == "O" or key == "X":
        assert question.answer_label == key
    elif key in ("0", "2"):  # counted from 0, as this file's keys are
        assert question.answer == (int(key),)
    elif key.isdecimal():
        assert question.answer == tuple(int(digit) - 1 for digit in key)
    else:
        assert question.answer == (tuple("ABCDEFG".index(letter) for letter in key) or None)


@pytest.mark.parametrize("name", [n for n in names() if "questions" in expected_of(n)])
def test_a_case_gives_the_questions_that_a_person_reads_in_it(name: str) -> None:
    expected = expected_of(name)
    bank = read_bank(input_of(name), header=False if name in WITHOUT_HEADER else None)
    assert [q.stem for q in bank] == [q["stem"] for q in expected["questions"]]
    for question, wanted in zip(bank, expected["questions"], strict=True):
        assert list(question.options) == wanted["options"]
        assert_key(question, wanted["key"])
        assert question.passage == wanted.get("passage", "")
        assert question.kind == wanted.get("kind", question.kind)
        assert str(question.source_id) == wanted.get("id", str(question.source_id))


@pytest.mark.parametrize("name", [n for n in names() if "problems" in expected_of(n)])
def test_a_case_has_an_error_for_each_row_that_is_no_question(name: str) -> None:
    wanted = expected_of(name)["problems"]
    errors = [p for p in read_bank(input_of(name)).problems if p.severity == "error"]
    assert [p.row for p in errors] == [problem["row"] for problem in wanted]
    for problem, row in zip(errors, wanted, strict=True):
        assert problem.code in CODES.get(row["code"], {row["code"]})
