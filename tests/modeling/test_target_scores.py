"""Scores of targets, and their gradient, are those of a log-softmax over all logits."""

from __future__ import annotations

import pytest
import torch

from zhmcq.modeling._target_scores import target_scores

VOCABULARY = 50
PREDICTOR = torch.tensor([0, 0, 3, 8, 8, 8, 18])  # of 19 rows: two whole chunks and a part of one
TARGET = torch.tensor([4, 4, 0, 49, 1, 2, 7])


def logits_in(dtype: torch.dtype) -> torch.Tensor:
    torch.manual_seed(11)
    return (3 * torch.randn(19, VOCABULARY)).to(dtype).requires_grad_()


def by_autograd(logits: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(logits.float(), dim=-1)[PREDICTOR, TARGET]


@pytest.mark.parametrize(
    ("dtype", "rounding"), [(torch.float32, 1e-6), (torch.bfloat16, 2**-8)], ids=["fp32", "bf16"]
)
def test_scores_and_gradients_are_those_of_a_log_softmax(
    dtype: torch.dtype, rounding: float
) -> None:
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.0, -1.0, 2.0])
    gradients = []
    for compute in (lambda x: target_scores(x, PREDICTOR, TARGET), by_autograd):
        logits = logits_in(dtype)
        (compute(logits) * weights).sum().backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        assert logits.grad.dtype == dtype
        gradients.append(logits.grad.float())
    assert torch.equal(target_scores(logits, PREDICTOR, TARGET), by_autograd(logits))
    first, second = gradients
    assert torch.allclose(first, second, rtol=rounding, atol=rounding)


def test_a_row_without_a_target_has_no_gradient() -> None:
    logits = logits_in(torch.float32)
    target_scores(logits, PREDICTOR, TARGET).sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.abs().sum(dim=1).nonzero().flatten().tolist() == [0, 3, 8, 18]


def test_logits_that_are_not_finite_give_scores_that_are_not() -> None:
    logits = torch.zeros(19, VOCABULARY)
    logits[3, 5] = torch.inf
    logits[8, 5] = torch.nan
    finite = target_scores(logits, PREDICTOR, TARGET).isfinite()
    assert finite.tolist() == [True, True, False, False, False, False, True]
