"""A fresh LoRA adapter on a base model, and the optimizer of its weights."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zhmcq.files import atomic_folder
from zhmcq.training.dropout import use_fast_dropout

if TYPE_CHECKING:
    from zhmcq.training.settings import LoraSettings

__all__ = ["attach_adapter", "make_optimizer", "remember_start"]

logger = logging.getLogger(__name__)

ATTENTION = {"q_proj", "k_proj", "v_proj"}


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
        lacking = wanted - present
        # Phi-3 has o_proj and down_proj, and the rest under other names: too little to adapt.
        if lacking == wanted or lacking & ATTENTION:
            logger.warning(
                "the model has none of the layers %s: all its linear layers are adapted",
                ", ".join(sorted(lacking)),
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


def remember_start(peft_model: Any, folder: Path) -> None:
    """Keep the first weights of an adapter that changes its base, to subtract them at the end.

    Such an adapter begins as a part of the base model's weights, which are lessened by it. What
    it learned is therefore the difference to its beginning, and that fits the base as it was.
    """
    with atomic_folder(folder, overwrite=True) as beside:
        peft_model.save_pretrained(beside)


def make_optimizer(peft_model: Any, args: Any, settings: LoraSettings) -> Any:
    """LoRA+'s optimizer if it is asked for; ``None`` leaves it to transformers.

    Args:
        peft_model: Whose weights are trained.
        args: ``TrainingArguments``: the optimizer's class, rate and weight decay.
        settings: Where ``loraplus_lr_ratio`` is.
    """
    if settings.loraplus_lr_ratio is None:
        return None
    from peft.optimizers import create_loraplus_optimizer
    from transformers import Trainer

    kind, values = Trainer.get_optimizer_cls_and_kwargs(args, peft_model)
    return create_loraplus_optimizer(
        peft_model,
        kind,
        loraplus_lr_ratio=settings.loraplus_lr_ratio,
        loraplus_weight_decay=args.weight_decay,
        **values,
    )
