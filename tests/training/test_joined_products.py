"""Adapted layers compute and learn what peft's own would, and leave to peft what is not plain."""

from __future__ import annotations

import copy
from typing import Any

import peft
import pytest
import torch

from zhmcq.training._joined_products import join_products
from zhmcq.training._lora import FastDropout


class Base(torch.nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.first = torch.nn.Linear(24, 40, dtype=dtype)
        self.second = torch.nn.Linear(40, 24, bias=False, dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(torch.tanh(self.first(x)))
        return result


def adapted(dtype: torch.dtype = torch.float32, dropout: float = 0.0, **lora: Any) -> Any:
    torch.manual_seed(2)
    config = peft.LoraConfig(
        r=4,
        lora_alpha=12,
        target_modules=["first", "second"],
        lora_dropout=dropout,
        init_lora_weights=False,
        **lora,
    )
    model: Any = peft.get_peft_model(Base(dtype), config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    for module in model.modules():
        if dropout and hasattr(module, "lora_dropout"):
            module.lora_dropout["default"] = FastDropout(dropout)
    return model


def learned(model: Any, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """The output, and the gradients of the input and the adapter, in fp32."""
    torch.manual_seed(5)
    x = torch.randn(3, 7, 24).to(dtype).requires_grad_()
    output = model(x)
    (output.float() * torch.randn(3, 7, 24)).sum().backward()
    results = {"output": output, "input": x.grad}
    results |= {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    return {name: value.detach().float() for name, value in results.items()}


def counting(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The layers that computed as peft does, in order."""
    calls: list[Any] = []
    original = peft.tuners.lora.layer.Linear.forward

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(peft.tuners.lora.layer.Linear, "forward", forward)
    return calls


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_layer_computes_and_learns_as_pefts(
    dropout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = learned(adapted(dropout=dropout))
    model = adapted(dropout=dropout)
    join_products(model)
    calls = counting(monkeypatch)
    results = learned(model)
    assert calls == []
    assert results.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(results[name], value, rtol=1e-5, atol=1e-4), name


def test_beside_a_16_bit_model_it_is_as_near_to_fp32_as_pefts() -> None:
    exact = adapted(torch.bfloat16).float()
    expected = learned(exact)
    errors = []
    for join in (False, True):
        model = adapted(torch.bfloat16)
        if join:
            join_products(model)
        results = learned(model, torch.bfloat16)
        errors.append(
            max(
                float((results[name] - value).norm() / value.norm())
                for name, value in expected.items()
            )
        )
    assert errors[1] < 0.02
    assert errors[1] < 2 * errors[0]


def test_the_adapters_gradients_are_in_fp32_and_the_input_is_stored_once() -> None:
    model = adapted(torch.bfloat16)
    join_products(model)
    x = torch.randn(5, 24).to(torch.bfloat16).requires_grad_()
    stored: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        stored.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model.base_model.model.first(x)
    assert {tensor.dtype for tensor in stored} == {torch.bfloat16}
    assert sum(tensor.data_ptr() == x.data_ptr() for tensor in stored) == 1
    output.sum().backward()
    trained = [p for n, p in model.named_parameters() if p.requires_grad and "first" in n]
    assert [p.grad.dtype for p in trained if p.grad is not None] == [torch.float32] * 2


def test_an_input_without_gradient_gets_none() -> None:
    model = adapted()
    join_products(model)
    x = torch.randn(5, 24)
    model(x).sum().backward()
    assert x.grad is None


def adapter_to_float64(model: Any) -> None:
    layer = model.base_model.model.first
    layer.lora_A.double()
    layer.lora_B.double()


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.base_model.model.first.base_layer.weight.requires_grad_(),
        lambda model: model.base_model.merge_adapter(),
        lambda model: model.base_model.disable_adapter_layers(),
        lambda model: model.base_model.model.first.base_layer.register_forward_hook(
            lambda *_: None
        ),
        adapter_to_float64,
    ],
    ids=["trained base", "merged", "switched off", "hooked", "other dtype"],
)
def test_what_is_not_plain_computes_as_pefts(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, reference = adapted(), adapted()
    join_products(model)
    for one in (model, reference):
        change(one)
    calls = counting(monkeypatch)
    x = torch.randn(5, 24)
    output = model(x)
    assert model.base_model.model.first in calls
    assert torch.allclose(output, reference(x), atol=1e-5)


def test_variants_of_lora_compute_as_pefts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, reference = adapted(use_dora=True), adapted(use_dora=True)
    join_products(model)
    calls = counting(monkeypatch)
    x = torch.randn(5, 24)
    assert torch.equal(model(x), reference(x))
    assert len(calls) == 4


def test_a_copy_of_a_model_computes_with_its_own_layers() -> None:
    model = adapted()
    join_products(model)
    copied = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.data.zero_()
    x = torch.randn(5, 24)
    assert torch.allclose(copied(x), adapted()(x), atol=1e-5)
