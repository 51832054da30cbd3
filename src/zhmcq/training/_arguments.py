"""TrainingSettings as transformers' TrainingArguments."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from zhmcq._refused_fields import REFUSED
from zhmcq.errors import SettingsError
from zhmcq.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

__all__ = ["training_arguments"]

# Fields that transformers never sees.
OWN_FIELDS = {
    "dtype",
    "early_stopping_patience",
    "max_length",
    "objective",
    "packing",
    "shuffle_options",
    "valid_metric",
}


def training_arguments(
    settings: TrainingSettings,
    output_dir: str,
    *,
    evaluate: bool = True,
    device: str | None = None,
) -> Any:
    """The ``TrainingArguments`` of these settings.

    Accumulation happens within a step of the trainer, since how many forward passes a step
    needs depends on what its questions share; transformers sees one batch for each step.

    Args:
        settings: Settings of the run.
        output_dir: Where transformers writes checkpoints.
        evaluate: Whether there are validation questions.
        device: The name of the device to train on; ``None`` leaves it to transformers.

    Raises:
        SettingsError: If the installed transformers lacks a field, or refuses a value; if the
            settings stop early and there are no validation questions; if transformers would
            train on another device.
    """
    import transformers

    if settings.early_stopping_patience is not None and not evaluate:
        raise SettingsError(
            "TrainingSettings: early_stopping_patience needs validation questions: give "
            "them to train(), or leave it out"
        )
    values = settings.model_dump(exclude=OWN_FIELDS | set(REFUSED))
    known = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
    if lacking := sorted(set(values) - known):
        raise SettingsError(
            f"TrainingSettings: transformers {transformers.__version__} has no field "
            f"{', '.join(lacking)}: leave it out, or install a version that has it"
        )
    values |= {
        "per_device_train_batch_size": settings.questions_per_step,
        "gradient_accumulation_steps": 1,
        "remove_unused_columns": False,
    }
    values.setdefault("eval_strategy", "steps")
    if not evaluate:
        values["eval_strategy"] = "no"
    if device == "cpu":
        values["use_cpu"] = True
    values.setdefault("disable_tqdm", not sys.stderr.isatty())
    if not isinstance(settings.report_to, str):
        values["report_to"] = list(settings.report_to)
    try:
        arguments = transformers.TrainingArguments(output_dir=output_dir, **values)
    except (TypeError, ValueError, ImportError, OSError) as error:
        raise SettingsError(f"TrainingSettings: transformers refuses them: {error}") from error
    # One process with several GPUs would have its rows cut up by DataParallel, which knows
    # nothing of masks; a launcher gives each GPU a process of its own.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    _refuse_other_device(arguments.device, device)
    return arguments


def _refuse_other_device(chosen: torch.device, name: str | None) -> None:
    """Refuse a device that transformers would not train on.

    transformers trains on the first CUDA device that the process sees, and under a launcher on the
    one with the number of the process.
    """
    if name is None or name in (chosen.type, str(chosen)):
        return
    remedy = f"give device={chosen.type!r}, or leave it out"
    if chosen.type == "cuda" and name.startswith("cuda:"):
        remedy = (
            f"set the environment variable CUDA_VISIBLE_DEVICES={name.removeprefix('cuda:')} "
            "before Python starts and give device='cuda'"
        )
    elif chosen.type == "cpu":
        remedy = "leave out use_cpu=True and the environment variable ACCELERATE_USE_CPU"
    raise SettingsError(f"LoraTrainer(device={name!r}): transformers trains on {chosen}; {remedy}")
