"""Json: names that are there twice, numbers that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from zhmcq.errors import ReadError
from zhmcq.reading import read_bank, save_bank

SOUND = '{"question": "一？", "A": "甲", "B": "乙", "answer": "A"}'
REPEATED = '{"question": "二？", "A": "甲", "B": "乙", "answer": "A", "answer": "B"}'
SAME = '{"question": "三？", "A": "甲", "B": "乙", "answer": "A", "answer": "A"}'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bank.json", f"[{SOUND}, {REPEATED}, {SAME}]"),
        ("bank.jsonl", f"{SOUND}\n{REPEATED}\n{SAME}\n"),
        ("bank.json", f'{{"subject": "甲", "data": [{SOUND}, {REPEATED}, {SAME}]}}'),
    ],
)
def test_a_record_with_two_values_of_one_name_is_left_out_and_reported(
    tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    bank = read_bank(path)
    assert [question.stem for question in bank] == ["一？", "三？"]
    problems = [(p.row, p.column, p.code, p.message) for p in bank.problems]
    message = "answer is there twice in one object, with different values; keep the right one"
    assert problems == [(2, "answer", "repeated_name", message)]


@pytest.mark.parametrize(
    "text",
    [
        REPEATED,
        f'{{"data": [{SOUND}], "data": [{SAME}]}}',
        f'{{"subject": "甲", "subject": "乙", "data": [{SOUND}]}}',
    ],
)
def test_a_document_with_two_values_of_one_name_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bank.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ReadError, match="is there twice in one object") as caught:
        read_bank(path)
    assert type(caught.value) is ReadError


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_saved_bank_with_two_values_of_one_name_is_refused(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "source.json"
    source.write_text(f"[{SOUND}]", encoding="utf-8")
    path = tmp_path / f"saved{suffix}"
    save_bank(read_bank(source), path)
    saved = path.read_text(encoding="utf-8")
    path.write_text(saved.replace('"stem"', '"stem": "零？", "stem"'), encoding="utf-8")
    with pytest.raises(ReadError, match="the name 'stem' is there twice"):
        read_bank(path)


def test_a_number_with_more_digits_than_python_converts_stays_as_it_is_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bank.json"
    path.write_text(f'[{{"id": {"9" * 5000}, {SOUND[1:]}]', encoding="utf-8")
    assert read_bank(path)[0].source_id == "9" * 5000
