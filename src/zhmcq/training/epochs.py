"""The training questions as each epoch asks them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from zhmcq.encoding.encode import EncodedQuestion, Encoder
from zhmcq.questions import Question
from zhmcq.zh import fixed_order_reason, shuffle_options

__all__ = ["ShuffledEpochs"]

logger = logging.getLogger(__name__)


class ShuffledEpochs:
    """Encodes the training questions of each epoch with their options in that epoch's order.

    The orders depend on the seed, the epoch and the question's id alone: a resumed run and every
    process of several have the same ones. One epoch's questions are kept at a time.

    Args:
        questions: The training questions.
        encoded: The same, encoded in their own order.
        encoder: What encoded them.
        seed: Of the orders.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        encoded: Sequence[EncodedQuestion],
        encoder: Encoder,
        seed: int,
    ) -> None:
        self._questions = questions
        self._encoded = encoded
        self._encoder = encoder
        self._seed = seed
        self._epoch: int | None = None
        self._asked: Sequence[EncodedQuestion] = encoded

    def __call__(self, epoch: int) -> Sequence[EncodedQuestion]:
        """The questions of an epoch, by its 0-based number, in the places they were given in."""
        if epoch != self._epoch:
            self._asked = self._shuffled(epoch)
            self._epoch = epoch
        return self._asked

    def _shuffled(self, epoch: int) -> list[EncodedQuestion]:
        turned = [shuffle_options(one, f"{self._seed}-{epoch}") for one in self._questions]
        encoded, unfit = self._encoder.encode(turned)
        # Another order can be a token longer. What no longer fits is asked in its own order.
        own = {one.index for one in unfit}
        waiting = iter(encoded)
        return [
            self._encoded[index] if index in own else next(waiting) for index in range(len(turned))
        ]

    def log_what_changes(self) -> None:
        """Say how many questions are shuffled, and whether that changes what is learned."""
        fixed = [one for one in self._questions if fixed_order_reason(one) is not None]
        logger.info(
            "options are shuffled in %d of %d questions; in the others their order matters%s",
            len(self._questions) - len(fixed),
            len(self._questions),
            f" (such as {fixed[0].id!r}: {fixed_order_reason(fixed[0])})" if fixed else "",
        )
        if all(map(_teach_the_same, self._encoded, self(0))):
            logger.warning(
                "shuffle_options changes nothing of what is learned: the prompt does not list the "
                "options"
            )


def _teach_the_same(one: EncodedQuestion, other: EncodedQuestion) -> bool:
    """Whether prompt, right candidate and wrong candidates are the same, in whatever order."""
    return (
        one.prompt == other.prompt
        and one.candidates[one.target or 0] == other.candidates[other.target or 0]
        and sorted(one.candidates) == sorted(other.candidates)
    )
