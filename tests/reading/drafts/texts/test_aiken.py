from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank, stream_bank

CASES = Path(__file__).parents[2] / "cases"
# Texts that look like nothing else in the form: no label, key or number at their beginnings.
TEXTS = (
    st.text("山水火土木金日月星雲花草 魚鳥", min_size=1, max_size=12).map(str.strip).filter(bool)
)


def read(folder: Path, text: str, encoding: str = "utf-8") -> QuestionBank:
    path = folder / "bank.txt"
    path.write_bytes(text.encode(encoding))
    return read_bank(path)


def test_the_case_is_read_as_a_person_reads_it() -> None:
    bank = read_bank(CASES / "aiken.txt")
    assert [(q.stem, q.options, q.answer_label, q.origin and q.origin.row) for q in bank] == [
        ("最長的河是？", ("甲河", "乙河", "丙河"), "B", 1),
        ("最高的山是？", ("甲山", "乙山"), "A", 7),
    ]
    assert bank.problems == []


@pytest.mark.parametrize("mark", [".", ")", "．", "、"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_marks_and_line_ends_may_vary_and_no_blank_lines_are_needed(
    tmp_path: Path, mark: str, ends: str
) -> None:
    lines = ["哪個？", f"A{mark} 甲", f"B{mark} 乙", "ANSWER: B"] * 2
    bank = read(tmp_path, ends.join(lines), "utf-8-sig")
    assert [(q.stem, q.options, q.answer) for q in bank] == [("哪個？", ("甲", "乙"), (1,))] * 2


def test_a_key_in_chinese_and_several_right_options_are_read(tmp_path: Path) -> None:
    bank = read(tmp_path, "哪些？\nA. 甲\nB. 乙\nC. 丙\n答案：A, C\n")
    assert (bank[0].answer, bank[0].kind) == ((0, 2), "multiple")


def test_a_stem_may_have_several_paragraphs(tmp_path: Path) -> None:
    question = "從前有山。\n\n何者？\n\nA. 甲\n\nB. 乙\n\nANSWER: A\n\n"
    bank = read(tmp_path, "一？\nA. 甲\nB. 乙\nANSWER: B\n\n" + question)
    assert [q.stem for q in bank] == ["一？", "從前有山。\n何者？"]


def test_words_for_the_parts_of_a_question_are_no_part_of_it(tmp_path: Path) -> None:
    bank = read(tmp_path, "#1 題目：哪個？\n選項：\n(A) 甲\n(B) 乙\n答案：B\n")
    assert [(q.stem, q.options, q.answer) for q in bank] == [("哪個？", ("甲", "乙"), (1,))]


def test_a_letter_that_is_an_options_text_is_still_a_label(tmp_path: Path) -> None:
    bank = read(tmp_path, "哪個？\nA. B\nB. A\nANSWER: B\n")
    assert bank[0].answer == (1,)


def test_labels_out_of_order_are_an_error(tmp_path: Path) -> None:
    bank = read(tmp_path, "哪個？\nA. 甲\nB. 乙\nD. 丁\nANSWER: B\n")
    assert [(p.row, p.code) for p in bank.problems] == [(1, "damaged_options")]


def test_a_key_beyond_the_options_is_an_error(tmp_path: Path) -> None:
    bank = read(tmp_path, "哪個？\nA. 甲\nB. 乙\nANSWER: D\n")
    assert [(p.row, p.code) for p in bank.problems] == [(1, "answer_out_of_range")]


def test_a_question_without_its_answer_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    bank = read(tmp_path, "一？\nA. 甲\nB. 乙\n\n二？\nA. 丙\nB. 丁\nANSWER: A\n")
    assert [(q.stem, q.options, q.answer) for q in bank] == [
        ("一？", ("甲", "乙"), None),
        ("二？", ("丙", "丁"), (0,)),
    ]
    assert [(p.row, p.code) for p in bank.problems] == [(1, "no_key")]


def test_lines_of_no_question_are_said_to_be_skipped(tmp_path: Path) -> None:
    bank = read(tmp_path, "期中考\n範圍\n\n哪個？\nA. 甲\nB. 乙\nANSWER: A\n\n完\n")
    assert [(p.row, p.code, p.severity) for p in bank.problems] == [
        (1, "skipped_row", "warning"),
        (9, "skipped_row", "warning"),
    ]
    assert "lines 1 to 2" in bank.problems[0].message
    assert "'期中考…'" in bank.problems[0].message


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    questions=st.lists(
        st.tuples(TEXTS, st.lists(TEXTS, min_size=2, max_size=6, unique=True), st.integers(0, 5)),
        min_size=1,
        max_size=5,
    ),
    blank=st.booleans(),
)
def test_a_bank_that_is_written_in_aiken_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    questions: list[tuple[str, list[str], int]],
    blank: bool,
) -> None:
    text, expected = "", []
    for stem, options, chosen in questions:
        key = chosen % len(options)
        lines = [stem, *(f"{'ABCDEF'[i]}. {o}" for i, o in enumerate(options))]
        text += "\n".join([*lines, f"ANSWER: {'ABCDEF'[key]}", "\n" if blank else ""])
        expected.append((stem, tuple(options), (key,)))
    path = tmp_path_factory.mktemp("aiken") / "bank.txt"
    path.write_text(text, encoding="utf-8")
    found = [item for item in stream_bank(path) if isinstance(item, Question)]
    assert [(q.stem, q.options, q.answer) for q in found] == expected


def test_an_explanation_after_the_key_belongs_to_its_question(tmp_path: Path) -> None:
    path = tmp_path / "bank.txt"
    path.write_text(
        "何者？\nA. 甲\nB. 乙\n答案：A\n解析：因為\n是甲\n\n"
        "何者呢？\nA. 丙\nB. 丁\n答案：B\n解析：無\n"
        "何者啊？\nA. 戊\nB. 己\n答案：B\n",
        encoding="utf-8",
    )
    assert [(q.stem, q.explanation) for q in read_bank(path)] == [
        ("何者？", "因為\n是甲"),
        ("何者呢？", "無"),
        ("何者啊？", ""),
    ]
