"""Putting a fresh LoRA adapter on a base model."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch

from zhmcq.training.dropout import use_fast_dropout

if TYPE_CHECKING:
    from zhmcq.training.settings import LoraSettings

__all__ = ["attach_adapter"]

logger = logging.getLogger(__name__)


def attach_adapter(model: Any, config: Any, settings: LoraSettings) -> Any:
    """Wrap ``model`` with a new adapter whose weights alone are trained.

    Args:
        model: A base model, plain or quantised.
        config: A peft ``LoraConfig``.
        settings: What the config was made of.

    Returns:
        A ``PeftModel``.
    """
    from peft import get_peft_model

    if not isinstance(settings.target_modules, str):
        wanted = set(settings.target_modules)
        present = {name.rpartition(".")[2] for name, _ in model.named_modules()}
        if not wanted & present:
            logger.warning(
                "the model has none of the layers %s: all its linear layers are adapted",
                ", ".join(sorted(wanted)),
            )
            config.target_modules = "all-linear"
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=False)
    with warnings.catch_warnings():
        # peft asks by a name that transformers is about to drop.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
        peft_model = get_peft_model(model, config)
    for parameter in peft_model.parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()
    if next(peft_model.parameters()).device.type == "cpu":
        use_fast_dropout(peft_model)
    return peft_model
