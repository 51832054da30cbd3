"""Dropout on an adapter's input that does not wait for random numbers."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["FastDropout", "use_fast_dropout"]

# Whether to drop is decided by 16 bits, so that one 64-bit random number serves four elements.
# torch draws one for each element, in one thread: of a training step on a CPU that was a seventh.
STEPS = 2**16


class FastDropout(torch.nn.Module):
    """``torch.nn.Dropout``, with four decisions from each random number.

    Args:
        p: The probability of dropping, taken to the nearest of 65,536 steps.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropped = min(round(p * STEPS), STEPS - 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop elements of ``x`` and scale up the others, so that its mean stays."""
        if not self.training or not self.dropped:
            return x
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
        decisions = words.random_(-(2**63), None).view(torch.int16)[: x.numel()].view(x.shape)
        keep = decisions >= self.dropped - STEPS // 2
        return x * keep.to(x.dtype).mul_(STEPS / (STEPS - self.dropped))

    def extra_repr(self) -> str:
        """Shown inside ``repr()``."""
        return f"p={self.dropped / STEPS:.5f}"


def use_fast_dropout(peft_model: Any) -> None:
    """Put it in place of the dropout that peft gave each adapted layer."""
    for module in peft_model.modules():
        dropouts = getattr(module, "lora_dropout", None) or {}
        for name, dropout in dropouts.items():
            if type(dropout) is torch.nn.Dropout:
                dropouts[name] = FastDropout(dropout.p)
