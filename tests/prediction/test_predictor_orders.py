"""Answers in several orders of the options, computed with a tiny model."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zhmcq
from zhmcq.encoding._orders import option_orders
from zhmcq.errors import PluginError, PredictionError, SettingsError
from zhmcq.prompts import ChatPrompt, ExamPrompt, RenderedPrompt
from zhmcq.questions import Question, QuestionBank
from zhmcq.settings import GenerateSettings, ScoreSettings
from zhmcq.testing import tiny_llama
from zhmcq.zh._option_order import reordered

PASSAGE = "小明上午在學校，下午到公園去，晚上回家。"
SINGLE = [
    Question("s1", "他上午在哪裡？", ("公園", "學校", "家裡", "車站"), PASSAGE, answer=(1,)),
    Question("s2", "他晚上在哪裡？", ("家裡", "海邊", "山上"), PASSAGE, answer=(0,)),
    Question("s3", "一加一等於多少？", ("一", "二", "三", "四"), answer=(1,)),
]
MULTIPLE = Question("m", "哪些是水果？", ("梨", "石", "桃"), kind="multiple", answer=(0, 2))
FIXED = Question("f", "哪些是花？", ("梅", "蘭", "以上皆是"), answer=(2,))
BANK = QuestionBank([*SINGLE, MULTIPLE, FIXED])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("orders") / "base")


@pytest.fixture(scope="module")
def predictor(base: Path) -> zhmcq.MCQPredictor:
    return zhmcq.MCQPredictor(base, prompt="zh-exam", dtype="float32")


def log_shares(scores: tuple[float, ...]) -> list[float]:
    whole = math.log(sum(map(math.exp, scores)))
    return [score - whole for score in scores]


def many(count: int) -> QuestionBank:
    """Questions about passages of two."""
    return QuestionBank(
        Question(
            f"q{n}", f"第{n}個？", ("梅", "蘭", "竹", "菊"), f"第{n // 2}篇。", answer=(n % 4,)
        )
        for n in range(count)
    )


# --- exactness ---------------------------------------------------------------------------


def test_one_order_gives_exactly_what_no_orders_give(predictor: zhmcq.MCQPredictor) -> None:
    assert list(predictor.predict(BANK, orders=1)) == list(predictor.predict(BANK))
    assert predictor.predict(BANK, orders=1).stats.orders == 0


@pytest.mark.parametrize("packing", ["tree", "flat"])
def test_each_order_has_the_scores_of_a_bank_in_that_order(
    predictor: zhmcq.MCQPredictor, tmp_path: Path, packing: Any
) -> None:
    settings = ScoreSettings(orders=5, packing=packing)
    predictor.predict(BANK, settings, journal=tmp_path / "journal")
    lines = (tmp_path / "journal").read_text(encoding="ascii").splitlines()
    records = {record["id"]: record for record in map(json.loads, lines[1:])}
    for turn in range(5):
        orders = {q.id: option_orders(q, 5, settings.seed) for q in BANK}
        shown = [reordered(q, orders[q.id][turn]) for q in BANK if len(orders[q.id]) == 5]
        assert [question.id for question in shown] == ["s1", "s2", "s3", "m"]
        for alone in predictor.predict(shown):
            assert records[alone.id]["orders"][turn] == pytest.approx(alone.scores, abs=1e-4)
    (alone,) = predictor.predict([FIXED])
    assert records["f"]["scores"] == pytest.approx(alone.scores, abs=1e-4)


def test_chats_are_scored_in_several_orders_as_well(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "chat", chat=True)
    predictor = zhmcq.MCQPredictor(base, prompt=ChatPrompt(labels="甲乙丙丁"), dtype="float32")
    (answered,) = predictor.predict(SINGLE[:1], orders=2)
    (given,) = predictor.predict(SINGLE[:1])
    (shifted,) = predictor.predict([reordered(SINGLE[0], (1, 2, 3, 0))])
    back = [log_shares(shifted.scores)[index] for index in (3, 0, 1, 2)]
    means = [(a + b) / 2 for a, b in zip(log_shares(given.scores), back, strict=True)]
    assert answered.scores == pytest.approx(means, abs=1e-4)


def test_the_answer_is_that_of_the_means_over_banks_in_other_orders(
    predictor: zhmcq.MCQPredictor,
) -> None:
    (answered,) = predictor.predict(SINGLE[:1], orders=4)
    means = np.zeros(4)
    own = []
    for turn in range(4):
        order = [(place + turn) % 4 for place in range(4)]
        (alone,) = predictor.predict([reordered(SINGLE[0], order)])
        for place, share in enumerate(log_shares(alone.scores)):
            means[order[place]] += share / 4
        own.append((order[(alone.answer or (9,))[0]],))
    assert answered.scores == pytest.approx(means.tolist(), abs=1e-4)
    assert answered.answer == (int(means.argmax()),)
    assert answered.label == SINGLE[0].labels[int(means.argmax())]
    assert [item.answer for item in answered.by_order] == own
    assert answered.agreement == own.count(answered.answer) / 4


def test_the_tree_computes_a_passage_and_a_stem_once_for_all_orders(
    predictor: zhmcq.MCQPredictor,
) -> None:
    questions = [SINGLE[0], SINGLE[2]]  # one with a passage, one without
    one, four = (predictor.predict(questions, orders=n).stats for n in (1, 4))
    assert (one.orders, four.orders) == (0, 8)
    # Of another order, what follows the first label: the rest of the lines, and the answers.
    added = [
        len("".join(f"A. {option}\n" for option in question.options)[len("A. ") :] + "答案：")
        + len("A") * 4  # their ends are predicted, and not computed
        for question in questions
    ]  # fmt: skip
    assert four.tokens_computed - one.tokens_computed == 3 * sum(added)
    assert four.tokens_given > 3.9 * one.tokens_given


def test_questions_in_one_order_have_the_scores_and_no_agreement(
    predictor: zhmcq.MCQPredictor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="zhmcq"):
        answered = predictor.predict(BANK, orders=2)
    assert [item.agreement is None for item in answered] == [False, False, False, False, True]
    (alone,) = predictor.predict([FIXED])
    assert answered[4].scores == pytest.approx(alone.scores, abs=1e-4)
    assert "4 of 5 questions are answered in up to 2 orders; 1 must keep their order" in caplog.text


def test_where_options_are_not_listed_the_answers_are_those_of_one_order(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cloze = zhmcq.MCQPredictor(base, prompt="zh-cloze", dtype="float32")
    for orders in (4, "prior"):
        assert list(cloze.predict(BANK, orders=orders)) == list(cloze.predict(BANK))
    assert "0 of 5 questions are answered in up to 4 orders" in caplog.text


def test_a_passage_is_cut_alike_in_all_orders_of_all_its_questions(base: Path) -> None:
    long = [replace(question, passage="文" * 400) for question in SINGLE[:2]]
    predictor = zhmcq.MCQPredictor(base, prompt="zh-exam", dtype="float32", max_length=120)
    one, four = (predictor.predict(long, orders=n) for n in (1, 4))
    assert {item.status for item in four} == {"answered"}
    assert four.stats.tokens_computed < 120 + 8 * 60
    assert one.stats.tokens_computed >= 120


class ParticularPrompt:
    """Lists the options, and refuses a question whose first option is 桃 or 石."""

    def render(self, question: Question) -> RenderedPrompt:
        if question.options[0] in "桃石":
            raise PluginError(f"not {question.options[0]} first")
        return ExamPrompt().render(question)


def test_an_order_that_is_refused_is_left_out_unless_it_is_the_given_one(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    predictor = zhmcq.MCQPredictor(base, prompt=ParticularPrompt(), dtype="float32")
    options = ("梨", "桃", "李")
    with caplog.at_level(logging.INFO, logger="zhmcq"):
        left, refused = predictor.predict(
            [Question("a", "誰？", options), Question("b", "誰？", options[1:])], orders=3
        )
    assert [item.order for item in left.by_order] == [(0, 1, 2), (2, 0, 1)]
    assert (refused.status, refused.reason) == ("unusable", "not 桃 first")
    assert "1 of the added orders of options is left out: the prompt refuses them" in caplog.text


# --- the label prior ---------------------------------------------------------------------


def test_the_prior_is_estimated_on_some_and_divided_out_of_the_others(
    predictor: zhmcq.MCQPredictor,
) -> None:
    bank = many(40)
    answered = predictor.predict(bank, orders="prior")
    estimated = [item for item in answered if item.agreement is not None]
    others = [item for item in answered if item.agreement is None]
    assert (len(estimated), len(others)) == (20, 20)
    assert answered.stats.orders == 20 * 2 + 20
    plain = {item.id: item for item in predictor.predict(bank)}
    in_two = {item.id: item for item in predictor.predict(bank, orders=2)}
    priors = {item.label_prior for item in answered}
    assert len(priors) == 1
    for item in estimated:
        # In the mean of both orders each option has met two labels.
        of_labels = np.log(item.label_prior)
        expected = np.array(in_two[item.id].scores) - (of_labels + np.roll(of_labels, 1)) / 2
        assert log_shares(item.scores) == pytest.approx(log_shares(tuple(expected)), abs=1e-4)
    assert sum(next(iter(priors))) == pytest.approx(1.0)
    for item in others:
        expected = np.exp(log_shares(plain[item.id].scores)) / np.array(item.label_prior)
        shares = np.exp(np.array(item.scores))
        assert shares == pytest.approx((expected / expected.sum()).tolist(), abs=1e-4)
        assert item.by_order[0].answer == plain[item.id].answer


def test_other_numbers_of_options_are_left_without_a_prior(predictor: zhmcq.MCQPredictor) -> None:
    bank = QuestionBank([*many(24), FIXED])
    answered = predictor.predict(bank, orders="prior")
    assert (answered[-1].label_prior, answered[-1].by_order) == ((), ())
    (alone,) = predictor.predict([FIXED])
    assert answered[-1].scores == pytest.approx(alone.scores, abs=1e-4)


def test_options_that_keep_their_order_have_the_prior_of_their_labels(
    predictor: zhmcq.MCQPredictor,
) -> None:
    fixed = Question("f", "哪些是花？", ("梅", "蘭", "竹", "以上皆是"))
    answered = predictor.predict([*many(24), fixed], orders="prior")
    assert len(answered[-1].label_prior) == 4
    assert answered[-1].agreement is None


# --- settings and arguments --------------------------------------------------------------


def test_orders_and_settings_say_the_same(predictor: zhmcq.MCQPredictor) -> None:
    short = predictor.predict(SINGLE, orders=3)
    assert list(short) == list(predictor.predict(SINGLE, ScoreSettings(orders=3)))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("generate", "a generated reply has no scores that could be averaged over orders"),
        (GenerateSettings(), "a generated reply has no scores"),
        (ScoreSettings(), r"give mode=ScoreSettings\(orders=…\)"),
    ],
)
def test_orders_go_with_the_short_form_of_scoring_only(
    predictor: zhmcq.MCQPredictor, mode: Any, expected: str
) -> None:
    message = f"orders=2 goes with mode='score' alone: .*{expected}"
    with pytest.raises(PredictionError, match=message):
        predictor.predict(BANK, mode, orders=2)


@pytest.mark.parametrize("orders", [0, -1, 121, 2.0, True, "all", [2]])
def test_other_orders_are_refused(predictor: zhmcq.MCQPredictor, orders: Any) -> None:
    with pytest.raises(SettingsError, match=r"ScoreSettings\(orders="):
        predictor.predict(BANK, orders=orders)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, math.nan, "5 %"])
def test_a_share_of_no_questions_or_more_than_all_is_refused(share: Any) -> None:
    with pytest.raises(SettingsError, match=r"ScoreSettings\(prior_share="):
        ScoreSettings(orders="prior", prior_share=share)


def test_no_questions_are_answered_in_any_order(predictor: zhmcq.MCQPredictor) -> None:
    for orders in (2, "prior"):
        assert len(predictor.predict([], orders=orders)) == 0


# --- the journal -------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    pairs = zip(one, other, strict=True)
    return all(
        a.answer == b.answer
        and a.by_order == b.by_order
        and a.scores == pytest.approx(b.scores, abs=1e-4)
        for a, b in pairs
    )


@pytest.mark.parametrize(("orders", "expected"), [(3, "orders=3, seed=42"), ("prior", "prior_sh")])
def test_a_journal_of_other_orders_is_refused_with_what_differs(
    predictor: zhmcq.MCQPredictor, tmp_path: Path, orders: Any, expected: str
) -> None:
    path = tmp_path / "journal"
    predictor.predict(BANK, orders=orders, journal=path)
    before = path.read_bytes()
    for mode in (ScoreSettings(), ScoreSettings(orders=2), ScoreSettings(orders=orders, seed=1)):
        with pytest.raises(PredictionError, match=rf"options in other orders .*{expected}"):
            predictor.predict(BANK, mode, journal=path)
    with pytest.raises(PredictionError, match=r"options in other orders .*expected orders=1"):
        predictor.predict(BANK, GenerateSettings(max_new_tokens=2), journal=path)
    assert path.read_bytes() == before


def test_a_journal_of_one_order_is_refused_for_several(
    predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    predictor.predict(BANK, journal=tmp_path / "journal")
    with pytest.raises(PredictionError, match=r"\(orders=1, expected orders=2, seed=42\)"):
        predictor.predict(BANK, orders=2, journal=tmp_path / "journal")


@pytest.mark.parametrize("orders", [3, "prior"])
def test_a_run_is_resumed_wherever_it_was_interrupted(
    base: Path, tmp_path: Path, orders: Any
) -> None:
    predictor = zhmcq.MCQPredictor(base, prompt="zh-exam", dtype="float32", batch_size=1)
    bank, path = many(30), tmp_path / "journal"
    whole = predictor.predict(bank, orders=orders, journal=path)
    lines = path.read_bytes().splitlines(keepends=True)
    # The 20 that the prior is estimated on have a second record, with the prior.
    assert len(lines) == (51 if orders == "prior" else 31)
    for rest in (1, 4, 21, 24, 31, len(lines)):
        path.write_bytes(b"".join(lines[:rest]))
        resumed = predictor.predict(bank, orders=orders, journal=path)
        assert same(whole, resumed)
        finished = {json.loads(line)["id"] for line in lines[1:rest]}
        assert resumed.stats.questions == 30 - len(finished)
    assert path.read_bytes() == b"".join(lines)
    # A line of those that the prior is estimated on was removed by hand, as a message may advise.
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    assert same(whole, predictor.predict(bank, orders=orders, journal=path))


def test_a_question_is_done_once_all_its_orders_are(base: Path) -> None:
    predictor = zhmcq.MCQPredictor(base, prompt="zh-exam", dtype="float32", batch_size=1)
    calls: list[tuple[int, int, str]] = []
    answered = predictor.predict(many(6), orders=4, progress=lambda *call: calls.append(call))
    assert calls[0] == (0, 6, "answering")
    assert calls[-1] == (6, 6, "answering")
    assert answered.stats.questions == 6


# --- calibration ---------------------------------------------------------------------------------


def test_answers_in_two_orders_are_calibrated_by_answers_in_two_orders(
    predictor: zhmcq.MCQPredictor,
) -> None:
    bank = many(64)
    asked, known = (predictor.predict(part, orders=2) for part in (bank[60:], bank[:60]))
    given = asked.calibrate(calibrated_on=known)
    assert not asked.calibrated
    assert given.calibrated
    assert given.calibration is not None
    weight = given.calibration.weight_of_sum
    for before, item in zip(asked, given, strict=True):
        assert item.candidates == ((0,), (1,), (2,), (3,))
        assert (item.answer, item.agreement) == (before.answer, before.agreement)
        assert sum(item.probabilities) == pytest.approx(1.0)
        best = item.answer[0] if item.answer else -1
        assert item.confidence == item.probabilities[best]
        assert item.confidence == pytest.approx(max(item.probabilities))
        # The others share what is left as a softmax has it.
        first, second, *_ = (index for index in range(4) if index != best)
        ratio = item.probabilities[first] / item.probabilities[second]
        assert ratio == pytest.approx(
            math.exp(weight * (before.scores[first] - before.scores[second]))
        )
    with pytest.raises(PredictionError, match="another model, adapter, prompt or mode"):
        asked.calibrate(calibrated_on=predictor.predict(bank[:60]))
