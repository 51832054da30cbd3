"""The gradients of an optimizer step: computed again where memory runs out, summed over processes.

A step that runs out of memory is computed again from its beginning, in forward passes of a smaller
token budget, so that nothing remains of what it had added to the gradients. Its loss is a sum that
is divided by what the whole step supervises: it is the same however the rows are cut.

Several processes exchange their gradients once, when all that could run out of memory is computed.
So any of them may compute its part of the step again while the others wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import torch

from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._passes import pass_tokens
from zhmcq.encoding._tree import PackedRow
from zhmcq.errors import OutOfMemoryError
from zhmcq.modeling._memory import SMALLER, Budget, Shortage, attempt, device_memory
from zhmcq.training._plan import StepPlan

__all__ = ["StepGradients", "sum_over_processes"]

BUCKET = 2**22  # numbers that are exchanged at once: 16 MiB in fp32
REMEDY = f"give activation_checkpointing=True, {SMALLER}"

R = TypeVar("R")


class StepGradients:
    """Computes the gradients of steps by a token budget, which is lowered when memory runs out.

    Args:
        plan: What each step computes.
        budget: The most tokens of a forward pass.
        model: The model that is trained.
        device: Where it is.
        again: Whether a step may be computed again. Not where processes exchange something within
            a forward or backward pass, since the others would wait for it elsewhere.
    """

    def __init__(
        self, plan: StepPlan, budget: Budget, model: Any, device: torch.device, *, again: bool
    ) -> None:
        self._plan = plan
        self._budget = budget
        self._model = model
        self._device = device
        self._again = again

    def compute(
        self,
        questions: Sequence[EncodedQuestion],
        learn: Callable[[list[list[PackedRow]], bool], R],
    ) -> list[R]:
        """Compute the gradients of a step.

        Random numbers are drawn anew from the state at the step's beginning: a step that ran out of
        memory is as if its budget had been the smaller one before.

        Args:
            questions: The step's questions, with keys.
            learn: Called with forward passes whose loss is one term, and whether they are the
                step's last; adds to the gradients.

        Returns:
            What ``learn`` returned, of each term.

        Raises:
            OutOfMemoryError: If memory runs out in what cannot be cut.
        """
        restore = _random_state(self._device)
        is_second = False
        while True:
            begun: list[list[PackedRow]] = []
            result = attempt(partial(self._step, questions, learn, begun))
            if not isinstance(result, Shortage):
                self._budget.settle()
                return result
            restore()
            size = self._smaller(questions, begun)
            if not self._again or (size is None and is_second):
                raise OutOfMemoryError(self._message(questions, begun) + result.text)
            # What cannot be cut may fit now that the memory of other passes is free.
            is_second = size is None
            if size is not None:
                self._budget.lower(size)

    def _step(
        self,
        questions: Sequence[EncodedQuestion],
        learn: Callable[[list[list[PackedRow]], bool], R],
        begun: list[list[PackedRow]],
    ) -> list[R]:
        """What ``learn`` returns of each term; ``begun`` holds the last passes it was given."""
        for parameter in self._model.parameters():
            parameter.grad = None
        terms = list(self._plan.within(self._budget.size).groups(questions))
        results = []
        for number, passes in enumerate(terms, start=1):
            begun[:] = passes
            results.append(learn(passes, number == len(terms)))
        return results

    def _smaller(
        self, questions: Sequence[EncodedQuestion], passes: list[list[PackedRow]]
    ) -> int | None:
        """The budget, halved until it cuts these passes; ``None`` if nothing cuts them."""
        members = [questions[index] for index in _questions_of(passes)]
        size, largest = self._budget.size, max(map(pass_tokens, passes))
        while size > 1:
            size //= 2
            smaller = self._plan.within(size).groups(members)
            if max(pass_tokens(rows) for rows in chain(*smaller)) < largest:
                return size
        return None

    def _message(self, questions: Sequence[EncodedQuestion], passes: list[list[PackedRow]]) -> str:
        names = ", ".join(repr(questions[index].id) for index in _questions_of(passes)[:5])
        reason = "cannot be cut further" if self._again else "cannot be repeated in this process"
        return (
            f"memory ran out in training, in a forward and backward pass of "
            f"{max(map(pass_tokens, passes))} tokens for {names}, which {reason}"
            f"{device_memory(self._device)}: {REMEDY}"
        )


def sum_over_processes(model: Any) -> None:
    """Add up the gradients of all processes. All of them have to call this.

    A process whose rows reach no such weight (as of an expert that none of its tokens chose) adds
    nothing to its gradient; one that no process reaches stays without.

    Args:
        model: The model that is trained, with the gradients of this process's questions.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    reached = torch.tensor(
        [parameter.grad is not None for parameter in trained],
        dtype=torch.float32,
        device=trained[0].device,
    )
    torch.distributed.all_reduce(reached)
    gradients = []
    for parameter, count in zip(trained, reached.tolist(), strict=True):
        if count:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
    for bucket in _buckets(gradients):
        together = torch.cat([gradient.flatten() for gradient in bucket])
        torch.distributed.all_reduce(together)
        parts = torch.split(together, [gradient.numel() for gradient in bucket])
        for gradient, part in zip(bucket, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


def _buckets(gradients: Iterable[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Neighbouring gradients of one dtype and device, so many that exchanging them pays."""
    bucket: list[torch.Tensor] = []
    for gradient in gradients:
        same = not bucket or (bucket[0].dtype, bucket[0].device) == (
            gradient.dtype,
            gradient.device,
        )
        if not same or sum(map(torch.numel, bucket)) + gradient.numel() > BUCKET:
            if bucket:
                yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket


def _questions_of(passes: list[list[PackedRow]]) -> list[int]:
    """The indexes of the questions that have a branch in the passes."""
    rows = chain(*passes)
    return list(dict.fromkeys(branch.question for row in rows for branch in row.branches))


def _random_state(device: torch.device) -> Callable[[], None]:
    """What restores the present state of the random numbers that a model draws.

    Args:
        device: The device of the model: dropout draws from the device's own generator.
    """
    on_cpu = torch.get_rng_state()
    module: Any = None if device.type == "cpu" else torch.get_device_module(device)
    on_device = None if module is None else module.get_rng_state()

    def restore() -> None:
        torch.set_rng_state(on_cpu)
        if module is not None:
            module.set_rng_state(on_device)

    return restore
