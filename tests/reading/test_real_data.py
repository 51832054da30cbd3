"""The real banks, where they are at hand: how many questions each gives, and a few of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from zhmcq.questions import QuestionBank
from zhmcq.reading import read_bank

COUNTS = {
    "nycu_reading/AI.xlsx": (11_547, 3),
    "nycu_reading/AI1000.xlsx": (1_000, 0),
    "tw_economics/題庫.csv": (60, 0),
    "xxt_questions/题库.xlsx": (290, 0),
    "xxt_questions/题库.json": (290, 0),
    "nchupei_quiz/題目.xlsx": (44, 8),
    "religion_quiz/题库.xlsx": (283, 0),
    "c3/c3-d-dev.json": (1_825, 0),
    "c3/c3-m-dev.json": (1_991, 0),
    "agieval/gaokao-biology.jsonl": (210, 0),
    "agieval/gaokao-history.jsonl": (233, 2),
    "agieval/gaokao-mathcloze.jsonl": (0, 118),
    "agieval/gaokao-mathqa.jsonl": (351, 0),
    "agieval/gaokao-physics.jsonl": (200, 0),
    "agieval/logiqa-zh.jsonl": (651, 0),
    "gaokao/2010-2013_English_MCQs.json": (105, 0),
    "gaokao/2010-2022_Chinese_Lang_and_Usage_MCQs.json": (77, 1),
    "gaokao/2010-2022_English_Fill_in_Blanks.json": (559, 3),
    "gaokao/2010-2022_English_Reading_Comp.json": (460, 4),
    "gaokao/2010-2022_Math_I_MCQs.json": (214, 0),
    "gaokao/2010-2022_Political_Science_MCQs.json": (316, 4),
    "gaokao/2012-2022_English_Cloze_Test.json": (125, 1),
}


def errors(bank: QuestionBank) -> int:
    return sum(problem.severity == "error" for problem in bank.problems)


@pytest.mark.parametrize("name", COUNTS)
def test_each_real_bank_gives_its_questions(real_data: Path, name: str) -> None:
    bank = read_bank(real_data / name)
    assert (len(bank), errors(bank)) == COUNTS[name]


def test_all_of_cmmlu_is_read(real_data: Path) -> None:
    banks = [read_bank(path) for path in sorted((real_data / "cmmlu").rglob("*.csv"))]
    # One question is in it twice, with two different keys.
    assert sum(map(len, banks)) == 5_948
    problems = [problem for bank in banks for problem in bank.problems]
    assert [p.code for p in problems if p.severity == "error"] == ["two_keys", "two_keys"]


def test_the_workbook_and_the_json_of_one_bank_agree(real_data: Path) -> None:
    book = read_bank(real_data / "xxt_questions/题库.xlsx")
    records = read_bank(real_data / "xxt_questions/题库.json")
    assert [(q.kind, q.answer) for q in book] == [(q.kind, q.answer) for q in records]
    assert Counter(q.kind for q in book) == {"multiple": 152, "single": 138}


def test_keys_of_the_reading_workbook_are_those_of_its_cells(real_data: Path) -> None:
    bank = read_bank(real_data / "nycu_reading/AI.xlsx")
    written = Counter(type(row["正確答案"]).__name__ for row in bank.table.rows.values())
    assert written == {"int": 11_504, "str": 46}
    for question in bank:
        assert question.origin is not None
        cell = str(bank.table.rows[question.origin]["正確答案"])
        assert question.answer_label == cell.removeprefix("選項")
    assert "duplicate" in {problem.code for problem in bank.problems}


def test_keys_of_c3_are_its_answers_texts(real_data: Path) -> None:
    path = real_data / "c3/c3-m-dev.json"
    items = json.loads(path.read_text(encoding="utf-8"))
    answers = [question["answer"].strip() for item in items for question in item[1]]
    bank = read_bank(path)
    assert [q.options[q.answer[0]] for q in bank if q.answer] == answers
    assert bank[0].passage == "\n".join(items[0][0])
