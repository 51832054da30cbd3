from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from zhmcq.errors import PluginError
from zhmcq.prediction._order_plan import added_orders
from zhmcq.prompts import Candidate, RenderedPrompt, get_prompt
from zhmcq.questions import Question
from zhmcq.settings import GenerateSettings, ScoreSettings

EXAM = get_prompt("zh-exam").render
CLOZE = get_prompt("zh-cloze").render
FREE = Question("free", "誰？", ("梅", "蘭", "竹"))
FIXED = Question("fixed", "誰？", ("梅", "蘭", "以上皆是"))


def many(count: int, options: str = "梅蘭竹", per_passage: int = 1) -> list[Question]:
    passages = [f"第{n // per_passage}篇。" for n in range(count)]
    return [
        Question(f"{options}{n}", f"問{n}？", tuple(options), passages[n]) for n in range(count)
    ]


def test_the_added_orders_are_those_after_the_given_one() -> None:
    assert added_orders([FREE, FIXED], EXAM, ScoreSettings(orders=2)) == [((1, 2, 0),), ()]
    assert added_orders([FREE], EXAM, ScoreSettings(orders=99))[0][:2] == ((1, 2, 0), (2, 0, 1))
    assert len(added_orders([FREE], EXAM, ScoreSettings(orders=99))[0]) == 5


@pytest.mark.parametrize("settings", [ScoreSettings(), GenerateSettings()])
def test_one_order_adds_none(settings: ScoreSettings | GenerateSettings) -> None:
    assert added_orders([FREE, FIXED], EXAM, settings) == [(), ()]


@pytest.mark.parametrize("orders", [4, "prior"])
def test_a_prompt_that_does_not_list_the_options_is_asked_in_one_order_with_a_warning(
    orders: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="zhmcq"):
        assert added_orders([FREE], CLOZE, ScoreSettings(orders=orders)) == [()]
    assert caplog.records[0].levelname == "WARNING"


def test_the_log_says_how_many_questions_are_asked_in_one_order_and_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    alike = replace(FREE, id="alike", options=("梅", "梅", "梅"))
    with caplog.at_level(logging.INFO, logger="zhmcq"):
        assert added_orders([FREE, FIXED, alike], EXAM, ScoreSettings(orders=2))[1:] == [(), ()]
    assert caplog.text.endswith(
        "1 of 3 questions are answered in up to 2 orders; 1 must keep their order (such as "
        "'fixed': an option speaks of others: '以上皆是'); the prompt is the same in any order for "
        "1\n"
    )


def test_the_prior_is_estimated_on_a_share_of_the_questions_and_at_least_20() -> None:
    def taken(count: int, share: float) -> int:
        settings = ScoreSettings(orders="prior", prior_share=share)
        return sum(map(bool, added_orders(many(count), EXAM, settings)))

    assert [taken(10, 0.05), taken(100, 0.05), taken(400, 0.1)] == [10, 20, 40]


def test_questions_of_the_prior_are_shown_shifted_by_one() -> None:
    added = added_orders(many(5), EXAM, ScoreSettings(orders="prior"))
    assert added == [((1, 2, 0),)] * 5


def test_each_number_of_options_and_each_kind_of_labels_has_its_own_share() -> None:
    numbered = [replace(q, id=f"n{q.id}", labels=("1", "2", "3")) for q in many(30)]
    bank = [*many(200), *many(25, "梅蘭竹菊"), *numbered, FIXED]
    added = added_orders(bank, EXAM, ScoreSettings(orders="prior"))
    parts = (added[:200], added[200:225], added[225:255], added[255:])
    assert [sum(map(bool, part)) for part in parts] == [20, 20, 20, 0]


def test_the_seed_draws_whole_passages() -> None:
    bank = many(120, per_passage=4)
    drawn = []
    for seed in (1, 1, 2):
        added = added_orders(bank, EXAM, ScoreSettings(orders="prior", seed=seed))
        passages = {n // 4 for n, orders in enumerate(added) if orders}
        assert len(passages) == 5
        drawn.append(passages)
    assert drawn[0] == drawn[1] != drawn[2]


def test_candidates_that_are_texts_have_no_label_prior(caplog: pytest.LogCaptureFixture) -> None:
    def listed_texts(question: Question) -> RenderedPrompt:
        candidates = tuple(Candidate(o, (n,)) for n, o in enumerate(question.options))
        return RenderedPrompt(question, "、".join(question.options), candidates, "mean")

    assert added_orders(many(5), listed_texts, ScoreSettings(orders="prior")) == [()] * 5
    assert "orders='prior' changes nothing" in caplog.text
    assert len(added_orders(many(1), listed_texts, ScoreSettings(orders=3))[0]) == 2


def test_a_question_that_the_prompt_refuses_is_left_to_the_encoder() -> None:
    def refusing(question: Question) -> RenderedPrompt:
        raise PluginError(f"no {question.id}")

    assert added_orders([FREE], refusing, ScoreSettings(orders=2)) == [((1, 2, 0),)]
    assert added_orders([FREE], refusing, ScoreSettings(orders="prior")) == [()]
