"""A bank as a pandas frame, and back."""

from __future__ import annotations

from dataclasses import replace

from zhmcq.questions import Origin, Question, QuestionBank
from zhmcq.reading import read_bank

BANK = QuestionBank(
    [
        Question(
            "a",
            "誰來了？",
            ("甲", "乙"),
            "甲來了。",
            labels=("1", "2"),
            answer=(0,),
            subject="國文",
            group="g",
            explanation="文中有說",
            source="期中考",
            origin=Origin("bank.xlsx", "甲班", 7),
        ),
        Question("b", "哪些？", ("一", "二", "三"), answer=(0, 2), kind="multiple"),
        Question("c", "對嗎？", ("對", "錯"), kind="true_false"),
    ]
)


def test_each_question_is_a_line_with_its_parts() -> None:
    frame = BANK.to_pandas()
    assert list(frame.columns) == [
        "id", "passage", "stem", "labels", "options", "key", "kind", "subject", "group",
        "explanation", "source", "sheet", "row",
    ]  # fmt: skip
    assert frame.iloc[0].to_dict() == {
        "id": "a",
        "passage": "甲來了。",
        "stem": "誰來了？",
        "labels": ["1", "2"],
        "options": ["甲", "乙"],
        "key": "1",
        "kind": "single",
        "subject": "國文",
        "group": "g",
        "explanation": "文中有說",
        "source": "期中考",
        "sheet": "甲班",
        "row": 7,
    }
    assert list(frame["key"]) == ["1", "AC", ""]
    assert list(frame["row"]) == [7, 0, 0]


def test_an_empty_bank_has_the_same_columns() -> None:
    frame = QuestionBank([]).to_pandas()
    assert len(frame) == 0
    assert frame.dtypes.equals(BANK.to_pandas().dtypes)


def test_a_frame_is_read_as_the_questions_that_it_was_made_of() -> None:
    with_letters = [replace(question, labels=(), origin=None) for question in BANK]
    bank = read_bank(QuestionBank(with_letters).to_pandas())
    assert [problem.code for problem in bank.problems] == ["no_key"]
    assert [replace(q, source_id=None, origin=None) for q in bank] == with_letters


def test_labels_in_another_order_come_back_with_their_options() -> None:
    question = Question("a", "誰？", ("甲", "乙", "丙"), labels=("C", "A", "B"), answer=(0,))
    (back,) = read_bank(QuestionBank([question]).to_pandas())
    assert back.labels == ("C", "A", "B")
    assert back.answer == (0,)
