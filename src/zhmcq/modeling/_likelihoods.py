"""Log-likelihoods of tokens from logits, and their gradient, a few rows of the table at a time.

With a vocabulary of 262,000 the logits of 300 positions are 315 MB in fp32. What
``torch.log_softmax`` computes of them is as large again, and so are the two tables of its backward
pass. On a CPU such tables come from the operating system page by page, which takes longer than
computing them. Here a few rows are computed at once, and their gradient takes the memory of the
logits, which nothing needs any more. The numbers are those of ``torch.log_softmax``, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["log_likelihoods"]

BYTES_AT_ONCE = 2**23  # of rows in fp32: eight for a vocabulary of 262,000

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
        for rows in _pieces(logits):
            part = torch.log_softmax(logits[rows].float(), dim=-1)
            here = (predictor >= rows.start) & (predictor < rows.stop)
            scores[here] = part[predictor[here] - rows.start, target[here]]
        return scores

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        logits, predictor, target = ctx.saved_tensors
        result = logits if ctx.overwrite else torch.empty_like(logits)
        for rows in _pieces(logits):
            part = torch.log_softmax(logits[rows].float(), dim=-1)
            here = (predictor >= rows.start) & (predictor < rows.stop)
            of_part = torch.zeros_like(part)
            index = (predictor[here] - rows.start, target[here])
            of_part.index_put_(index, gradient[here], accumulate=True)
            result[rows] = torch._log_softmax_backward_data(of_part, part, -1, torch.float32)
        return result, None, None, None


def _pieces(logits: torch.Tensor) -> Iterator[slice]:
    """Slices of rows that are computed at once."""
    size = max(1, BYTES_AT_ONCE // (4 * logits.shape[-1]))
    for start in range(0, len(logits), size):
        yield slice(start, min(start + size, len(logits)))
