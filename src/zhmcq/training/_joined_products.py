"""Adapted linear layers on a CPU: the frozen product and the adapter's, with fewer copies.

peft computes ``W x``, ``B (A x)``, its multiple by the scaling and the sum one after another. Each
is as large as the layer's output and goes through memory once each way. Beside a 16-bit model all
of these are in fp32, and each layer stores a copy of its input in fp32. Here the adapter's product
is added to the frozen one within the product itself, in the model's dtype, and the input is stored
as it is. The adapter's weights and their gradients stay in fp32: what is rounded to 16 bits are
the operands and results of single products, as in mixed precision training
(https://arxiv.org/abs/1710.03740).
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch.autograd.function import once_differentiable

__all__ = ["join_products", "joins_products"]

JOINED = (torch.float32, torch.bfloat16)


def join_products(peft_model: Any) -> None:
    """Let the adapted linear layers of a model on a CPU compute as this module says.

    A layer that is anything but a frozen ``torch.nn.Linear`` with one plain adapter computes as
    peft does. That is decided in each call, since adapters can be switched off or merged.

    Args:
        peft_model: A model with an adapter whose weights are in fp32.
    """
    from peft.tuners.lora.layer import Linear

    layers: list[Any] = [module for module in peft_model.modules() if type(module) is Linear]
    for layer in layers:
        layer.forward = MethodType(_forward, layer)


def joins_products(peft_model: Any) -> bool:
    """Whether an adapted layer would compute as this module says, were the model on a CPU."""
    from peft.tuners.lora.layer import Linear

    return any(
        type(layer) is Linear and layer.base_layer.weight.dtype in JOINED and _is_plain(layer)
        for layer in peft_model.modules()
    )


def _forward(layer: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """The layer's output, in place of ``peft.tuners.lora.layer.Linear.forward``."""
    if args or kwargs or not (_takes(layer, x) and _is_plain(layer)):
        result: torch.Tensor = type(layer).forward(layer, x, *args, **kwargs)
        return result
    (name,) = layer.active_adapters
    dropped = layer.lora_dropout[name](x)
    compute: Any = _Joined.apply
    joined: torch.Tensor = compute(
        x,
        None if dropped is x else dropped,
        layer.base_layer.weight,
        layer.base_layer.bias,
        layer.lora_A[name].weight,
        layer.lora_B[name].weight,
        layer.scaling[name],
    )
    return joined


def _is_plain(layer: Any) -> bool:
    """Whether the layer's output is ``W x + b + scaling * B (A x)`` with ``W`` and ``b`` frozen."""
    names = layer.active_adapters
    if layer.disable_adapters or layer.merged or len(names) != 1:
        return False
    (name,) = names
    if name not in layer.lora_A or name in layer.lora_variant:
        return False
    parts = (layer.base_layer, layer.lora_A[name], layer.lora_B[name])
    if any(type(part) is not torch.nn.Linear or _has_hooks(part) for part in parts):
        return False
    base, *adapter = parts
    return not any(parameter.requires_grad for parameter in base.parameters()) and all(
        part.bias is None and part.weight.dtype == torch.float32 for part in adapter
    )


def _takes(layer: Any, x: torch.Tensor) -> bool:
    """Whether the input is one whose products can be joined."""
    return (
        x.device.type == "cpu"
        and x.dtype in JOINED
        and not torch.is_autocast_enabled("cpu")
        and all(parameter.dtype == x.dtype for parameter in layer.base_layer.parameters())
    )


def _has_hooks(module: Any) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


class _Joined(torch.autograd.Function):
    """``W x + b + scaling * B (A x')``, where ``x'`` is ``x`` with or without dropout."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        dropped: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        rows = (x if dropped is None else dropped).reshape(-1, x.shape[-1])
        down, up = down.to(x.dtype), up.to(x.dtype)
        narrow = rows @ down.t()
        # No view of anything, since a model may change what its layers give in place.
        result = torch.nn.functional.linear(x, weight, bias)
        result.view(-1, result.shape[-1]).addmm_(narrow, up.t(), alpha=scaling)
        ctx.save_for_backward(rows, weight, down, up, narrow)
        ctx.scaling, ctx.shape, ctx.is_dropped = scaling, x.shape, dropped is not None
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weight, down, up, narrow = ctx.saved_tensors
        gradient = gradient.reshape(-1, gradient.shape[-1])
        of_narrow = (gradient @ up).mul_(ctx.scaling)
        of_down = (of_narrow.t() @ rows).float()
        of_up = (gradient.t() @ narrow).float().mul_(ctx.scaling)
        of_x = of_dropped = None
        if ctx.needs_input_grad[0]:
            of_x = gradient @ weight
            if ctx.is_dropped:
                of_dropped = (of_narrow @ down).view(ctx.shape)
            else:
                of_x.addmm_(of_narrow, down)
            of_x = of_x.view(ctx.shape)
        return of_x, of_dropped, None, None, of_down, of_up, None
