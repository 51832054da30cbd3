"""Log-likelihoods of targets from logits on a CPU, with no second table as large as the logits."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

__all__ = ["target_scores"]

ROWS_AT_ONCE = 8  # of logits, 8 MB for a vocabulary of 262,000


def target_scores(
    logits: torch.Tensor, predictor: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """``log_softmax(logits.float())[predictor, target]``, computed some rows after another.

    A table as large as the logits comes from the operating system page by page, which takes three
    times as long as computing it; a few rows fit in what is at hand. Autograd would make four of
    them, all in fp32; here the backward pass makes one, in the logits' dtype.

    Args:
        logits: Shape ``(predictors, vocabulary)``, in any floating dtype, on the CPU.
        predictor: For each target the index of its logits, ``(scored,)``.
        target: Token ids, ``(scored,)``.

    Returns:
        Shape ``(scored,)``, float32, natural logarithms.
    """
    compute: Any = _TargetScores.apply
    scores: torch.Tensor = compute(logits, predictor, target)
    return scores


class _TargetScores(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: torch.Tensor, predictor: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        scores = torch.empty(len(target), dtype=torch.float32)
        for start in range(0, len(logits), ROWS_AT_ONCE):
            part = torch.log_softmax(logits[start : start + ROWS_AT_ONCE].float(), dim=-1)
            here = (predictor >= start) & (predictor < start + len(part))
            scores[here] = part[predictor[here] - start, target[here]]
        ctx.save_for_backward(logits, predictor, target)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        logits, predictor, target = ctx.saved_tensors
        of_rows = gradient.new_zeros(len(logits), 1).index_add_(0, predictor, -gradient[:, None])
        of_logits = torch.empty_like(logits)
        for start in range(0, len(logits), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            part = torch.softmax(logits[rows].float(), dim=-1).mul_(of_rows[rows])
            here = (predictor >= start) & (predictor < start + len(part))
            entries = (predictor[here] - start, target[here])
            part.index_put_(entries, gradient[here], accumulate=True)
            of_logits[rows] = part
        return of_logits, None, None
