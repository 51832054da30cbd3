from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import WriteXlsx
from zhmcq.errors import OutputError, ReadError
from zhmcq.questions import Kind, Origin, Question, QuestionBank, RowProblem, SourceTable
from zhmcq.reading import read_bank, save_bank

kinds: list[Kind] = ["single", "multiple"]
texts = st.text(max_size=12)
origins = st.builds(Origin, texts, texts, st.integers(0, 9))
source_ids = st.none() | texts | st.integers() | st.floats(allow_nan=False)


@st.composite
def questions(draw: st.DrawFn, number: int) -> Question:
    count = draw(st.integers(2, 6))
    kind: Kind = draw(st.sampled_from(kinds))
    most = 1 if kind == "single" else count
    answer = st.sets(st.integers(0, count - 1), min_size=1, max_size=most)
    return Question(
        id=str(number),
        stem=draw(texts),
        options=tuple(draw(st.lists(texts, min_size=count, max_size=count))),
        passage=draw(texts),
        answer=draw(st.none() | answer.map(lambda key: tuple(sorted(key)))),
        kind=kind,
        group=draw(texts),
        subject=draw(texts),
        source_id=draw(source_ids),
        origin=draw(st.none() | origins),
    )


@st.composite
def banks(draw: st.DrawFn) -> QuestionBank:
    count = draw(st.integers(0, 4))
    problem: st.SearchStrategy[RowProblem] = st.builds(
        RowProblem,
        st.integers(0, 9),
        texts,
        texts,
        texts,
        st.sampled_from(["error", "warning"]),
        texts,
        texts,
        source_ids,
        st.integers(0, count),
    )
    rows: dict[Origin, Any] = draw(
        st.dictionaries(origins, st.dictionaries(texts, texts | st.integers(), max_size=2))
    )
    return QuestionBank(
        [draw(questions(number)) for number in range(count)],
        draw(st.lists(problem, max_size=3)),
        draw(st.dictionaries(texts, texts, max_size=2)),
        SourceTable(tuple(draw(st.lists(texts, max_size=3, unique=True))), rows),
    )


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
@settings(derandomize=True, max_examples=60, deadline=None)
@given(bank=banks())
def test_a_saved_bank_reads_back_equal(suffix: str, bank: QuestionBank) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"bank{suffix}"
        save_bank(bank, path)
        again = read_bank(path)
    assert again == bank
    assert again.columns == bank.columns
    assert again.table == bank.table


def test_a_bank_from_a_workbook_keeps_its_cells(write_xlsx: WriteXlsx, tmp_path: Path) -> None:
    bank = read_bank(write_xlsx([["題目", "A", "B", "註"], ["哪個？", "甲", "乙", 3]]))
    save_bank(bank, tmp_path / "bank.json")
    again = read_bank(tmp_path / "bank.json")
    assert again == bank
    row = next(iter(again.table.rows.values()))
    assert dict(row) == {"題目": "哪個？", "A": "甲", "B": "乙", "註": 3}


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.json or \.jsonl"):
        save_bank(QuestionBank([]), tmp_path / "bank.pickle")


@pytest.mark.parametrize(
    "damage",
    [
        '"version": 1|"version": 9',
        '"stem": "一？"|"stem": 7',
        '"options": [|"options": [3,',
        '"id"|"idd"',
        '"answer": [|"answer": ["0",',
    ],
)
def test_a_damaged_bank_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "bank.json"
    save_bank(QuestionBank([Question("1", "一？", ("甲", "乙"), answer=(0,))]), path)
    old, new = damage.split("|")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ReadError):
        read_bank(path)


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_saved_bank_is_not_checked_again(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "source.csv"
    source.write_text("題目,A,B,答案\n誰？,甲,乙,A\n誰？,甲,乙,A\n", encoding="utf-8")
    bank = read_bank(source)
    assert [problem.code for problem in bank.problems] == ["duplicate"]
    save_bank(bank, tmp_path / f"bank{suffix}")
    assert read_bank(tmp_path / f"bank{suffix}") == bank


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ('"stem": "誰？", "points": 2', "part 1 is damaged .*unknown field 'points'"),
        ('"stem": 3', "part 1 is damaged .*stem: Input should be a valid string, found 3"),
        ('"stem": "誰？", "answer": ["0"]', "part 1 is damaged .*answer: .* valid integer"),
        ('"stem": "誰？", "answer": [2]', "part 1 is damaged .*points outside the 2 options"),
    ],
)
def test_a_damaged_part_is_named_with_its_field(tmp_path: Path, damage: str, message: str) -> None:
    head = '{"format": "zhmcq-bank", "version": 1, "columns": {}, "headers": []}'
    path = tmp_path / "bank.jsonl"
    path.write_text(f'{head}\n{{"id": "1", "options": ["甲", "乙"], {damage}}}\n', "utf-8")
    with pytest.raises(ReadError, match=message):
        read_bank(path)
