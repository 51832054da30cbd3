"""Log-likelihoods of tokens, and their gradient, are those of torch and take less memory."""

from __future__ import annotations

import pytest
import torch

from zhmcq.modeling import _likelihoods as likelihoods
from zhmcq.modeling._likelihoods import log_likelihoods

PREDICTOR = torch.tensor([0, 0, 1, 2, 4, 4])  # one predicts several tokens, one none
TARGET = torch.tensor([5, 9, 0, 3, 10, 10])


@pytest.fixture
def hidden() -> torch.Tensor:
    return torch.randn(5, 7, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def head() -> torch.Tensor:
    return 3 * torch.randn(7, 11, generator=torch.Generator().manual_seed(2))


def learned(hidden: torch.Tensor, head: torch.Tensor, *, by_torch: bool) -> list[torch.Tensor]:
    """Log-likelihoods, and the gradient of a weighted sum of them."""
    hidden = hidden.clone().requires_grad_()
    logits = hidden @ head
    if by_torch:
        scores = torch.log_softmax(logits.float(), dim=-1)[PREDICTOR, TARGET]
    else:
        scores = log_likelihoods(logits, PREDICTOR, TARGET)
    (scores * torch.tensor([1.0, -2.0, 0.5, 3.0, -1.0, 0.25])).sum().backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is not None
    return [scores.detach(), hidden.grad]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 2, 8])
def test_the_numbers_are_those_of_torch_bit_by_bit(
    hidden: torch.Tensor,
    head: torch.Tensor,
    dtype: torch.dtype,
    rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(likelihoods, "BYTES_AT_ONCE", rows * 4 * head.shape[1])
    hidden, head = hidden.to(dtype), head.to(dtype)
    expected = learned(hidden, head, by_torch=True)
    computed = learned(hidden, head, by_torch=False)
    assert all(map(torch.equal, computed, expected))


def test_scores_are_fp32_whatever_the_dtype_of_the_logits(
    hidden: torch.Tensor, head: torch.Tensor
) -> None:
    logits = (hidden @ head).bfloat16()
    assert log_likelihoods(logits, PREDICTOR, TARGET).dtype == torch.float32


def test_the_gradient_takes_the_memory_of_the_logits(
    hidden: torch.Tensor, head: torch.Tensor
) -> None:
    product = hidden.requires_grad_() @ head
    gradients: list[torch.Tensor] = []
    product.register_hook(gradients.append)  # type: ignore[no-untyped-call]
    log_likelihoods(product, PREDICTOR, TARGET).sum().backward()  # type: ignore[no-untyped-call]
    assert gradients[0].data_ptr() == product.data_ptr()


def test_logits_that_their_own_backward_pass_needs_are_not_overwritten(
    hidden: torch.Tensor, head: torch.Tensor
) -> None:
    hidden.requires_grad_()
    logits = torch.tanh(hidden @ head)
    before = logits.detach().clone()
    log_likelihoods(logits, PREDICTOR, TARGET).sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(logits, before)
    expected = hidden.detach().clone().requires_grad_()
    table = torch.log_softmax(torch.tanh(expected @ head), dim=-1)
    table[PREDICTOR, TARGET].sum().backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is not None
    assert expected.grad is not None
    assert torch.equal(hidden.grad, expected.grad)


def test_a_second_backward_pass_is_refused_since_the_logits_are_gone(
    hidden: torch.Tensor, head: torch.Tensor
) -> None:
    total = log_likelihoods(hidden.requires_grad_() @ head, PREDICTOR, TARGET).sum()
    total.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()  # type: ignore[no-untyped-call]
