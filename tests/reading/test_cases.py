"""Small files in shapes that people keep: each is read as its ``.expected.json`` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zhmcq import Prediction, Predictions
from zhmcq.errors import ColumnsError
from zhmcq.questions import Question
from zhmcq.reading import read_bank

CASES = Path(__file__).parent / "cases"
# Read with header=False, as the error says that they get without it.
WITHOUT_HEADER = {"headerless"}
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


def test_questions_that_differ_in_case_or_script_are_not_one_with_two_keys() -> None:
    bank = read_bank(input_of("two_keys_case"))
    assert (len(bank), bank.problems) == (8, [])


def test_every_row_is_handed_in_with_an_id(tmp_path: Path) -> None:
    bank = read_bank(input_of("no_id_bad_row"))
    items = tuple(Prediction(question.id, (0,), "A") for question in bank)
    Predictions(bank, items).to_csv(tmp_path / "submission.csv")
    lines = (tmp_path / "submission.csv").read_text(encoding="utf-8").splitlines()
    assert [line.partition(",")[0] for line in lines[1:]] == ["row2", "row3", "row4"]


def test_texts_that_are_no_tables_are_read_as_what_they_are() -> None:
    aiken = read_bank(input_of("aiken"))
    assert [(q.stem, q.options, q.answer_label) for q in aiken] == [
        ("最長的河是？", ("甲河", "乙河", "丙河"), "B"),
        ("最高的山是？", ("甲山", "乙山"), "A"),
    ]
    json_text = read_bank(input_of("json_in_txt"))
    assert [(q.stem, q.options, q.answer_label) for q in json_text] == [
        ("最長的河？", ("甲河", "乙河"), "A")
    ]


def test_a_table_without_a_header_is_refused_with_the_way_to_read_it() -> None:
    with pytest.raises(ColumnsError, match="header=False reads it: column 1 as stem") as caught:
        read_bank(input_of("headerless"))
    assert "columns=" not in str(caught.value)
