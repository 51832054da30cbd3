"""The orders in which the options of a question are shown, and what an answer in one means.

An order says for each position which option stands there. Labels stay in their positions: the
first option that is shown has the first label, whichever it is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import islice, permutations
from typing import TypeAlias

from zhmcq.questions import Question
from zhmcq.zh import fixed_order_reason

__all__ = ["Order", "aligned", "cyclic_orders", "in_original_terms", "option_orders"]

Order: TypeAlias = tuple[int, ...]

# Of so many options all orders can be listed (120 of five); of more, drawing at random seldom
# repeats one.
LISTED = 5


def option_orders(question: Question, count: int, seed: int) -> tuple[Order, ...]:
    """The orders to show a question's options in: fewer than ``count`` where there are no more.

    The first is the one that was given. Then come its cyclic shifts, in which after as many orders
    as there are options each has stood once in every position, then others by chance. The orders
    depend on the question's id, the number of its options and the seed alone, and the first ones
    are the same for any count.

    Args:
        question: The question; if its options must keep their order (see
            :func:`zhmcq.zh.fixed_order_reason`), it has one.
        count: How many are wanted.
        seed: Another seed gives others after the cyclic shifts.
    """
    options = len(question.options)
    if count == 1 or fixed_order_reason(question) is not None:
        return (tuple(range(options)),)
    orders = list(islice(_shifts(options), count))
    wanted = min(count, math.factorial(options))
    if len(orders) == wanted:
        return tuple(orders)
    chance = random.Random(f"{seed}-{question.id}")
    seen = set(orders)
    if options <= LISTED:
        others = [order for order in permutations(range(options)) if order not in seen]
        chance.shuffle(others)
        return (*orders, *others[: wanted - len(orders)])
    while len(orders) < wanted:
        drawn = tuple(chance.sample(range(options), options))
        if drawn not in seen:
            seen.add(drawn)
            orders.append(drawn)
    return tuple(orders)


def cyclic_orders(question: Question) -> tuple[Order, ...]:
    """The given order and all its cyclic shifts; the given one alone if the options must keep it.

    Args:
        question: The question.
    """
    return option_orders(question, len(question.options), 0)


def _shifts(options: int) -> list[Order]:
    """For each shift, the option that stands in each position; the first shift is by none."""
    return [
        tuple((index + shift) % options for index in range(options)) for shift in range(options)
    ]


def in_original_terms(answer: Sequence[int], order: Order) -> tuple[int, ...]:
    """The options, by their indexes in the given order, that an answer in another order means.

    Args:
        answer: 0-based positions in the other order.
        order: The option that stands in each position.
    """
    return tuple(sorted(order[index] for index in answer))


def aligned(
    given: Sequence[tuple[int, ...]], shown: Sequence[tuple[int, ...]], order: Order
) -> list[int] | None:
    """For each candidate of the given order, the candidate of another order that means the same.

    Args:
        given: The answers that the candidates stand for, in the given order.
        shown: The answers that the candidates stand for where the options are in another order.
        order: That order.

    Returns:
        Indexes in ``shown``; ``None`` if the candidates do not stand for the same options.
    """
    meant = [in_original_terms(answer, order) for answer in shown]
    # Sorting is stable: of several candidates for one answer, the first goes with the first.
    ours = sorted(range(len(given)), key=given.__getitem__)
    theirs = sorted(range(len(meant)), key=meant.__getitem__)
    if [given[index] for index in ours] != [meant[index] for index in theirs]:
        return None
    return [other for _, other in sorted(zip(ours, theirs, strict=True))]
