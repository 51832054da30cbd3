"""A fresh LoRA adapter on a base model, and the optimizer of its weights."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zhmcq.errors import SettingsError
from zhmcq.files import atomic_folder
from zhmcq.training.dropout import use_fast_dropout

if TYPE_CHECKING:
    from zhmcq.training.settings import LoraSettings

__all__ = ["attach_adapter", "make_optimizer", "refuse_unknown_layers", "remember_start"]

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

    Raises:
        SettingsError: If the model lacks a layer that the settings name, or peft cannot adapt it.
    """
    from peft import get_peft_model

    if not isinstance(settings.target_modules, str):
        refuse_unknown_layers(model, settings)
        lacking = _lacking(model, settings.target_modules)
        # Phi-3 has o_proj and down_proj, and the rest under other names: too little to adapt.
        if len(lacking) == len(settings.target_modules) or ATTENTION & set(lacking):
            logger.warning(
                "the model has none of the layers %s: all its linear layers are adapted",
                ", ".join(lacking),
            )
            config.target_modules = "all-linear"
        elif lacking:
            logger.warning(
                "the model has none of the layers %s: the others are adapted", ", ".join(lacking)
            )
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=False)
    with warnings.catch_warnings():
        # peft asks by a name that transformers is about to drop.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
        try:
            peft_model = get_peft_model(model, config)
        except ValueError as error:
            raise SettingsError(
                f"LoraSettings: peft cannot adapt this model so: {error}"
            ) from error
    for parameter in peft_model.parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()
    if next(peft_model.parameters()).device.type == "cpu":
        use_fast_dropout(peft_model)
    return peft_model


def refuse_unknown_layers(model: Any, settings: LoraSettings) -> None:
    """Refuse layers that the settings name and the model lacks, before anything is written.

    Raises:
        SettingsError: If there are any. The default names are not refused.
    """
    given = settings.target_modules
    if "target_modules" not in settings.model_fields_set or given == "all-linear":
        return
    if isinstance(given, str):  # a pattern, as peft takes it
        found = any(re.fullmatch(given, name) for name, _ in model.named_modules())
        lacking = [] if found else [given]
    else:
        lacking = _lacking(model, given)
    if lacking:
        raise SettingsError(
            f"LoraSettings(target_modules=…): the model has no layer {', '.join(lacking)}; its "
            f"linear layers are {', '.join(_linear_names(model))}. Name some of these, or give "
            "target_modules='all-linear'"
        )


def _lacking(model: Any, targets: Sequence[str]) -> list[str]:
    """The targets that no layer's name is, or ends with after a dot, as peft compares them."""
    names = [name for name, _ in model.named_modules()]
    return sorted(
        target
        for target in targets
        if not any(name == target or name.endswith(f".{target}") for name in names)
    )


def _linear_names(model: Any) -> list[str]:
    linear = (
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
    )
    return sorted(set(linear))


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
