"""The adapter: its peft configuration, its layers on a base model, its dropout and optimizer."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from zhmcq._files import atomic_folder
from zhmcq._warnings import ignored_warnings
from zhmcq.errors import SettingsError
from zhmcq.modeling._adapters import PEFT_ERRORS
from zhmcq.modeling._loading import loading
from zhmcq.modeling._memory import memory_errors
from zhmcq.modeling._tied import embeddings_are_tied, shared_names
from zhmcq.settings import LoraSettings
from zhmcq.training._best import PEFT_FILES
from zhmcq.training._joined_products import join_products
from zhmcq.training._lora_exact import refuse_inexact

__all__ = [
    "FastDropout",
    "attach_adapter",
    "lora_config",
    "make_optimizer",
    "save_initial_weights",
    "use_fast_dropout",
]

logger = logging.getLogger(__name__)

ATTENTION = {"q_proj", "k_proj", "v_proj"}
FUSED = ("dt_proj", "out_proj", "x_proj")

# Whether to drop is decided by 16 bits, so that one 64-bit random number serves four elements.
# torch draws one for each element, in one thread: of a training step on a CPU that was a seventh.
DROPOUT_STEPS = 2**16


def lora_config(settings: LoraSettings, *, initialised: bool = True) -> Any:
    """The ``LoraConfig`` of these settings.

    Args:
        settings: LoRA settings.
        initialised: Whether the adapter's weights are to be set, or are never looked at.

    Raises:
        SettingsError: If the installed peft lacks a field, or refuses a value.
    """
    import peft

    values = settings.model_dump(exclude={"loraplus_lr_ratio"})
    if not initialised:
        values["init_lora_weights"] = False
    known = {field.name for field in dataclasses.fields(peft.LoraConfig)}
    if lacking := sorted(set(values) - known):
        raise SettingsError(
            f"LoraSettings: peft {peft.__version__} has no field {', '.join(lacking)}: leave it "
            "out, or install a version that has it"
        )
    if not isinstance(settings.target_modules, str):
        values["target_modules"] = list(settings.target_modules)
    try:
        return peft.LoraConfig(**{"task_type": "CAUSAL_LM", **values})
    except (TypeError, ValueError) as error:
        raise SettingsError(f"LoraSettings: peft refuses them: {error}") from error


@loading()
def attach_adapter(model: Any, settings: LoraSettings, *, initialised: bool = True) -> Any:
    """Wrap ``model`` with a new adapter whose weights alone are trained.

    Args:
        model: A base model, at full precision or quantised.
        settings: LoRA settings.
        initialised: Whether the adapter's weights are to be set, or are never looked at.

    Returns:
        A ``PeftModel``.

    Raises:
        SettingsError: If the model lacks a layer that the settings name, peft cannot adapt it, or
            the adapter could not be saved and merged as it is trained.
    """
    from peft import get_peft_model

    base_parameters = set(map(id, model.parameters()))
    shared = shared_names(model)
    tied = id(model.get_input_embeddings().weight) if embeddings_are_tied(model) else None

    _refuse_unknown_layers(model, settings)
    config = lora_config(settings, initialised=initialised)
    if not isinstance(settings.target_modules, str):
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
    if config.target_modules == "all-linear" and not isinstance(config.exclude_modules, str):
        config.exclude_modules = [*(config.exclude_modules or ()), *_unfit_layers(model)]
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=False)
    # peft calls a method that transformers is about to drop, and warns of tied weights, which
    # merging separates.
    with (
        ignored_warnings(".*is_gradient_checkpointing.*"),
        ignored_warnings(".*tie_word_embeddings=True.*"),
    ):
        try:
            with memory_errors():
                peft_model = get_peft_model(model, config)
        except PEFT_ERRORS as error:
            hint = ""
            if "ParamWrapper" in str(error) and settings.lora_dropout:
                hint = " Experts are adapted without dropout: give lora_dropout=0"
            raise SettingsError(
                f"LoraSettings: peft cannot adapt this model with them: {error}{hint}"
            ) from error
    refuse_inexact(peft_model, settings, shared, tied)
    _train_in_float32(peft_model, base_parameters)
    if next(peft_model.parameters()).device.type == "cpu":
        use_fast_dropout(peft_model)
        join_products(peft_model)
    return peft_model


def _train_in_float32(peft_model: Any, base_parameters: set[int]) -> None:
    """Convert what is trained to fp32, so that small steps are not lost to rounding.

    Whole modules (``modules_to_save``) then compute in fp32, and their inputs and outputs are cast.
    Biases of the base model stay in its dtype, since their layers add them to numbers of that
    dtype.

    Args:
        peft_model: The model with a new adapter.
        base_parameters: The ``id`` of each parameter of the base model.
    """
    from peft.utils.other import ModulesToSaveWrapper

    for parameter in peft_model.parameters():
        if parameter.requires_grad and id(parameter) not in base_parameters:
            parameter.data = parameter.data.float()
    dtype = peft_model.get_base_model().dtype
    if dtype == torch.float32:
        return
    for wrapper in peft_model.modules():
        if isinstance(wrapper, ModulesToSaveWrapper):
            for module in wrapper.modules_to_save.values():
                module.register_forward_pre_hook(
                    lambda _, args, kwargs: _cast((args, kwargs), torch.float32), with_kwargs=True
                )
                module.register_forward_hook(lambda _, __, output: _cast(output, dtype))


def _cast(value: Any, dtype: torch.dtype) -> Any:
    """The value with all floating tensors in it in another dtype."""
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _cast(item, dtype) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_cast(item, dtype) for item in value)
    return value


def _refuse_unknown_layers(model: Any, settings: LoraSettings) -> None:
    """Refuse layers that the settings name and the model lacks, before anything is written.

    Args:
        model: The base model.
        settings: LoRA settings; default names that the model lacks are no mistake.

    Raises:
        SettingsError: If a name was given that the model lacks, with the names that it has.
    """
    names = [name for name, _ in model.named_modules()]
    saved = (settings.model_extra or {}).get("modules_to_save") or ()
    if unknown := [end for end in saved if not any(name.endswith(end) for name in names)]:
        raise SettingsError(
            f"LoraSettings(modules_to_save=…): the model has no layer {', '.join(unknown)}"
        )
    given = settings.target_modules
    if "target_modules" not in settings.model_fields_set or given == "all-linear":
        return
    if isinstance(given, str):  # a pattern, as peft takes it
        matches = any(re.fullmatch(given, name) for name, _ in model.named_modules())
        lacking = [] if matches else [given]
    else:
        lacking = _lacking(model, given)
    if lacking:
        raise SettingsError(
            f"LoraSettings(target_modules=…): the model has no layer {', '.join(lacking)}; its "
            f"linear layers are {', '.join(_linear_names(model))}. Name some of these, or give "
            "target_modules='all-linear'"
        )


def _lacking(model: Any, targets: Sequence[str]) -> list[str]:
    """The targets without a layer of that name, whole or its end after a dot, as peft compares."""
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


def _unfit_layers(model: Any) -> list[str]:
    """Linear layers that LoRA cannot be added to, by their names.

    Routers that are linear layers themselves return more than a product. The mixers of Mamba use
    some weights without calling the layers that have them, and so without an adapter: peft refuses
    some of them, and the others would learn nothing.
    """
    unfit = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and "router" in type(module).__name__.lower():
            unfit.append(name)
        if hasattr(module, "A_log") and hasattr(module, "D"):  # a mixer of Mamba
            unfit += [f"{name}.{child}" for child in FUSED if hasattr(module, child)]
    return unfit


def save_initial_weights(peft_model: Any, folder: Path) -> None:
    """Save the first weights of an adapter that changes its base, to subtract them at the end.

    Such an adapter begins as a part of the base model's weights, which are lessened by it. What
    it learned is therefore the difference to its beginning, and that fits the base as it was.
    """
    with atomic_folder(folder, overwrite=True, ours=PEFT_FILES) as temporary:
        peft_model.save_pretrained(temporary, save_embedding_layers=False)


def make_optimizer(peft_model: Any, args: Any, settings: LoraSettings) -> Any:
    """The optimizer of LoRA+ if ``loraplus_lr_ratio`` is set; else ``None``, for transformers' own.

    Args:
        peft_model: The model whose adapter is trained.
        args: ``TrainingArguments``: the optimizer's class, learning rate and weight decay.
        settings: LoRA settings.
    """
    if settings.loraplus_lr_ratio is None:
        return None
    from peft.optimizers import create_loraplus_optimizer
    from transformers import Trainer

    optimizer_class, values = Trainer.get_optimizer_cls_and_kwargs(args, peft_model)
    return create_loraplus_optimizer(
        peft_model,
        optimizer_class,
        loraplus_lr_ratio=settings.loraplus_lr_ratio,
        loraplus_weight_decay=args.weight_decay,
        **values,
    )


class FastDropout(torch.nn.Module):
    """``torch.nn.Dropout``, with four decisions from each random number.

    Args:
        p: The probability of dropping, taken to the nearest of 65,536 steps.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.threshold = min(round(p * DROPOUT_STEPS), DROPOUT_STEPS - 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop elements of ``x`` and scale up the others, so that its mean stays."""
        if not self.training or not self.threshold:
            return x
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
        decisions = words.random_(-(2**63), None).view(torch.int16)[: x.numel()].view(x.shape)
        keep = decisions >= self.threshold - DROPOUT_STEPS // 2
        return x * keep.to(x.dtype).mul_(DROPOUT_STEPS / (DROPOUT_STEPS - self.threshold))

    def extra_repr(self) -> str:
        """The part of ``repr()`` between the brackets."""
        return f"p={self.threshold / DROPOUT_STEPS:.5f}"


def use_fast_dropout(peft_model: Any) -> None:
    """Put :class:`FastDropout` in place of the dropout that peft gave each adapted layer."""
    for module in peft_model.modules():
        dropouts = getattr(module, "lora_dropout", None) or {}
        for name, dropout in dropouts.items():
            if type(dropout) is torch.nn.Dropout:
                dropouts[name] = FastDropout(dropout.p)
