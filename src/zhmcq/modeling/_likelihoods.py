"""Log-likelihoods of tokens from logits, and their gradient, a few rows of the table at a time.

With a vocabulary of 262,000 the logits of 300 positions are 315 MB in fp32. What
``torch.log_softmax`` computes of them is as large again, and so are the two tables of its backward
pass. On a CPU such tables come from the operating system page by page, which takes longer than
computing them. Here a few rows are computed at once, in the same few megabytes again and again,
which stay in the cache of the CPU, and their gradient takes the memory of the logits, which nothing
needs any more. The numbers are those of ``torch.log_softmax``, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["log_likelihoods"]

# Of rows in fp32: two for a vocabulary of 262,000. Each thread has a row of its own, since torch
# divides a table among threads by rows.
BYTES_AT_ONCE = 2**21

# Operations whose backward pass does not need their result, so that it may be overwritten.
RESULT_UNUSED = {
    "AddBackward0",
    "AddmmBackward0",
    "IndexBackward0",
    "MmBackward0",
    "MulBackward0",
    "ToCopyBackward0",
}


def log_likelihoods(
    logits: torch.Tensor, predictor: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """Log-likelihood of each scored token.

    On other devices than CPUs it is one operation of torch, for which memory is at hand.

    Args:
        logits: Shape ``(predictors, vocabulary)``, of any floating dtype. In a backward pass they
            are overwritten.
        predictor: For each scored token the row of its logits, ``(scored,)``.
        target: For each scored token its id, ``(scored,)``.

    Returns:
        Shape ``(scored,)``, float32, natural logarithms.
    """
    if logits.device.type != "cpu":
        return torch.log_softmax(logits.float(), dim=-1)[predictor, target]
    function: Any = _LogLikelihoods
    scores: torch.Tensor = function.apply(
        logits, predictor, target, type(logits.grad_fn).__name__ in RESULT_UNUSED
    )
    return scores


class _LogLikelihoods(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: torch.Tensor,
        predictor: torch.Tensor,
        target: torch.Tensor,
        overwrite: bool,
    ) -> torch.Tensor:
        ctx.save_for_backward(logits, predictor, target)
        ctx.overwrite = overwrite
        scores = torch.empty(len(target), dtype=torch.float32)
        for rows, part, _ in _pieces(logits):
            here = (predictor >= rows.start) & (predictor < rows.stop)
            scores[here] = part[predictor[here] - rows.start, target[here]]
        return scores

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        logits, predictor, target = ctx.saved_tensors
        result = logits if ctx.overwrite else torch.empty_like(logits)
        zeros = torch.zeros(_rows_at_once(logits), logits.shape[-1], dtype=torch.float32)
        for rows, part, spare in _pieces(logits):
            here = (predictor >= rows.start) & (predictor < rows.stop)
            index = (predictor[here] - rows.start, target[here])
            of_part = zeros[: len(part)].index_put_(index, gradient[here], accumulate=True)
            torch._log_softmax_backward_data(of_part, part, -1, torch.float32, out=spare)
            result[rows] = spare
            of_part[index] = 0.0
        return result, None, None, None


def _pieces(logits: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Slices of rows that are computed at once, their log-probabilities, and a table as large.

    The tables are the same ones each time: what is in them is overwritten by the next slice.
    """
    size = _rows_at_once(logits)
    shape = (2, min(size, len(logits)), logits.shape[-1])
    spare, part = torch.empty(shape, dtype=torch.float32).unbind()
    for start in range(0, len(logits), size):
        rows = slice(start, min(start + size, len(logits)))
        count = rows.stop - start
        spare[:count].copy_(logits[rows])
        torch.log_softmax(spare[:count], dim=-1, out=part[:count])
        yield rows, part[:count], spare[:count]


def _rows_at_once(logits: torch.Tensor) -> int:
    return max(torch.get_num_threads(), BYTES_AT_ONCE // (4 * logits.shape[-1]))
