"""Which orders of its options each question of a bank is shown in."""

from __future__ import annotations

import logging
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from zhmcq._phrases import records
from zhmcq.encoding._orders import Order, aligned, cyclic_orders, option_orders
from zhmcq.errors import PluginError
from zhmcq.evaluation import clusters_of
from zhmcq.prompts import RenderedPrompt
from zhmcq.questions import Question
from zhmcq.settings import GenerateSettings, ScoreSettings
from zhmcq.zh import fixed_order_reason
from zhmcq.zh._option_order import reordered

__all__ = ["LEAST_QUESTIONS", "added_orders", "order_fields"]

logger = logging.getLogger(__name__)

Render = Callable[[Question], RenderedPrompt]

# A prior of fewer questions would carry what is particular to these into all the others.
LEAST_QUESTIONS = 20


def added_orders(
    questions: Sequence[Question], render: Render, settings: ScoreSettings | GenerateSettings
) -> list[tuple[Order, ...]]:
    """For each question the orders that it is shown in besides the given one.

    A question has none if its options must keep their order, or if the prompt is the same in any
    order: since it does not list the options, or since these are alike.

    Args:
        questions: The questions of a bank.
        render: Renders a question as the prompt does.
        settings: How many orders there are to be, or that a prior is to be estimated; a generated
            reply is given in the order as it is.
    """
    if isinstance(settings, GenerateSettings) or settings.orders == 1:
        return [()] * len(questions)
    if settings.orders == "prior":
        return _for_the_prior(questions, render, settings)
    added = [option_orders(question, settings.orders, settings.seed)[1:] for question in questions]
    fixed = [index for index, orders in enumerate(added) if not orders]
    unlisted = []
    for index, orders in enumerate(added):
        if orders and _is_the_same(questions[index], orders[0], render):
            added[index] = ()
            unlisted.append(index)
    _log_how_many(questions, fixed, unlisted, settings.orders)
    return added


def order_fields(settings: ScoreSettings | GenerateSettings) -> dict[str, Any]:
    """How orders are chosen, as a journal keeps it; nothing where there is one order."""
    if isinstance(settings, GenerateSettings) or settings.orders == 1:
        return {}
    share = {"prior_share": settings.prior_share} if settings.orders == "prior" else {}
    return {"orders": settings.orders, **share, "seed": settings.seed}


def _is_the_same(question: Question, order: Order, render: Render) -> bool:
    """Whether the prompt is the same in another order.

    One that refuses the question, or fails, is not: encoding it says so.
    """
    try:
        return render(question).prompt == render(reordered(question, order)).prompt
    except PluginError:
        return False


def _for_the_prior(
    questions: Sequence[Question], render: Render, settings: ScoreSettings
) -> list[tuple[Order, ...]]:
    """One cyclic shift for the questions that the label prior is estimated on, none for others.

    Questions whose candidates are the same have a prior of their own, so that one of four options
    says nothing about five, nor one of ``A`` to ``D`` about ``1`` to ``4``. Of each such group
    ``prior_share`` are taken, and at least 20 or all. Whole passages are drawn by chance: a
    passage is read once however many of its questions are taken.
    """
    added: list[tuple[Order, ...]] = [()] * len(questions)
    usable: dict[int, tuple[str, ...]] = {}
    for index, question in enumerate(questions):
        labels = _labels(question, render)
        if labels is not None:
            usable[index] = labels
    if questions and not usable:
        logger.warning(
            "orders='prior' changes nothing: there is no question whose options may be put in "
            "another order and whose prompt lists them and is answered with their labels"
        )
    sizes = Counter(usable.values())
    lacking = {
        labels: max(LEAST_QUESTIONS, math.ceil(settings.prior_share * size))
        for labels, size in sizes.items()
    }
    members: dict[int, list[int]] = {}
    for index, cluster in enumerate(clusters_of(questions)):
        members.setdefault(cluster, []).append(index)
    drawn = list(members.values())
    random.Random(settings.seed).shuffle(drawn)
    for indexes in drawn:
        for index in indexes:
            labels = usable.get(index)
            if labels is not None and lacking[labels] > 0:
                lacking[labels] -= 1
                added[index] = cyclic_orders(questions[index])[1:2]
    logger.info("%s", records.prior_sample(sum(map(bool, added)), len(questions)))
    return added


def _labels(question: Question, render: Render) -> tuple[str, ...] | None:
    """The texts of a question's candidates, if they are labels of options that may be moved."""
    orders = cyclic_orders(question)
    if len(orders) == 1:
        return None
    try:
        rendered = (render(question), render(reordered(question, orders[1])))
    except PluginError:
        return None
    texts, shown = (tuple(candidate.text for candidate in item.candidates) for item in rendered)
    answers = [[candidate.answer for candidate in item.candidates] for item in rendered]
    if (
        rendered[0].prompt == rendered[1].prompt
        or texts != shown
        or aligned(answers[0], answers[1], orders[1]) is None
    ):
        return None
    return texts


def _log_how_many(
    questions: Sequence[Question], fixed: Sequence[int], unlisted: Sequence[int], count: int
) -> None:
    """Log in how many questions the options are shown in several orders, and why not in others."""
    several = len(questions) - len(fixed) - len(unlisted)
    examples = ((questions[index].id, fixed_order_reason(questions[index])) for index in fixed)
    example = next(((name, reason) for name, reason in examples if reason is not None), None)
    text = records.several_orders(
        several, len(questions), count, len(fixed), example, len(unlisted)
    )
    logger.log(logging.INFO if several or not questions else logging.WARNING, "%s", text)
