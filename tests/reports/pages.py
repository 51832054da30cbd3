"""Answers made by hand, for the tests of the report page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zhmcq.prediction import Prediction, Predictions
from zhmcq.questions import Origin, Question, QuestionBank, RowProblem

EVIL = "</script><script>alert(1)</script><!--\"'><img src=x onerror=alert(1)>\u2028\u202e"

RIVER = "那條河很長。"


def bank() -> QuestionBank:
    """Six questions and a row that is none; of two sheets, two subjects and three kinds."""
    options = ("甲", "乙", "丙", "丁")

    def question(name: str, stem: str, row: int, **fields: Any) -> Question:
        sheet = "上學期" if row < 5 else "下學期"
        given = {"options": options, "origin": Origin("/home/user/考卷.xlsx", sheet, row), **fields}
        return Question(name, stem, **given)

    return QuestionBank(
        [
            question("q1", "河在哪裡？", 2, passage=RIVER, answer=(0,), subject="地理"),
            question("q2", "河有多長？", 3, passage=RIVER, answer=(1,), subject="地理"),
            question("q3", "哪些是魚？", 4, answer=(0, 2), kind="multiple", subject="生物"),
            question(
                "q4", "魚會飛。", 5, options=("是", "否"), labels=("○", "×"), answer=(1,),
                kind="true_false", subject="生物",
            ),
            question("q5", "沒有答案的題目", 6, subject="生物"),
            question("q6", "ＦＵＬＬ　width？", 7, answer=(3,), subject="地理"),
        ],
        [
            RowProblem(
                8, "答案", "no_key", "the key is empty", file="/home/user/考卷.xlsx",
                sheet="下學期", position=6,
            )
        ],
    )  # fmt: skip


def answered(name: str, answer: tuple[int, ...], *probabilities: float) -> Prediction:
    """An answer with probabilities, whose label is filled in by :func:`predictions`."""
    sureness = max(probabilities) if probabilities else None
    return Prediction(name, answer, "", confidence=sureness, probabilities=probabilities)


def predictions(*items: Prediction) -> Predictions:
    """These answers to the questions of :func:`bank`."""
    questions = bank()
    labelled = [
        replace(item, label=question.label_of(item.answer))
        for question, item in zip(questions, items, strict=True)
    ]
    return Predictions(questions, tuple(labelled))


def base() -> Predictions:
    return predictions(
        answered("q1", (1,), 0.3, 0.5, 0.1, 0.1),
        answered("q2", (1,), 0.2, 0.6, 0.1, 0.1),
        answered("q3", (0,), 0.7, 0.1, 0.1, 0.1),
        answered("q4", (1,), 0.1, 0.9),
        answered("q5", (2,), 0.1, 0.1, 0.7, 0.1),
        answered("q6", (0,), 0.8, 0.1, 0.05, 0.05),
    )


def tuned() -> Predictions:
    return predictions(
        answered("q1", (0,), 0.95, 0.05, 0.0, 0.0),
        answered("q2", (1,), 0.1, 0.7, 0.1, 0.1),
        answered("q3", (0, 2), 0.6, 0.1, 0.55, 0.1),
        answered("q4", (0,), 0.65, 0.35),
        answered("q5", (3,), 0.1, 0.1, 0.1, 0.7),
        replace(
            answered("q6", (0,), 0.4, 0.3, 0.2, 0.1), answer=None, status="withheld",
            reason="A withheld: confidence 0.4, below 0.5", option_set=(0, 1), agreement=0.5,
        ),
    )  # fmt: skip


def hostile() -> Predictions:
    """A bank in which every text is markup, with 26 options, empty and long texts."""
    questions = [
        Question(
            EVIL, EVIL, (EVIL, "b"), passage=EVIL, labels=(EVIL, "2"), answer=(0,), subject=EVIL,
            group=EVIL, explanation=EVIL, source="javascript:alert(1)",
            origin=Origin(f"a{EVIL.replace('/', '')}.xlsx", EVIL, 2),
        ),
        Question("26", "很多選項", tuple(f"選項{i}" for i in range(26)), answer=(25,)),
        Question("__proto__", "", ("", " "), answer=(0,), subject="constructor"),
        Question(
            "long", "長" * 5000, ("a" * 3000, "b"), passage="很長的文章。" * 20000, answer=(0,)
        ),
        Question("=1+1", "<b>粗體</b> ![圖](https://example.com/a.png)", ("a", "b"), subject="all"),
    ]  # fmt: skip
    problem = RowProblem(9, "x", "no_key", EVIL, file="a.xlsx", sheet=EVIL, position=2)
    items = [
        Prediction(
            question.id, (0,), question.labels[0], confidence=0.5, probabilities=(0.5, 0.5),
            reason=EVIL, reply=EVIL,
        )
        for question in questions
    ]  # fmt: skip
    items[1] = replace(items[1], answer=None, label="", status="ambiguous", probabilities=())
    return Predictions(QuestionBank(questions, [problem]), tuple(items))
