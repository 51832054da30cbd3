"""What LoraTrainer is given: its settings as transformers has them, its questions as questions."""

from __future__ import annotations

import dataclasses
import logging
import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zhmcq._phrases import counted, records
from zhmcq._refused_fields import REFUSED
from zhmcq.dataset import Splits
from zhmcq.errors import ReadError, SettingsError
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import BankSource, read_bank
from zhmcq.reading._sources import SourceError
from zhmcq.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

__all__ = ["training_arguments", "training_questions"]

logger = logging.getLogger(__name__)

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
    values["disable_tqdm"] = True  # zhmcq reports progress itself
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


def training_questions(
    train: BankSource, valid: BankSource | None
) -> tuple[Sequence[Question], Sequence[Question]]:
    """The questions to train on and those of validation, read where they are something else.

    Args:
        train: What ``LoraTrainer.train`` was given.
        valid: Likewise; ``None`` for none.

    Raises:
        ReadError: If they cannot be read, or are of another type.
    """
    if isinstance(valid, numbers.Real):
        raise ReadError(
            f"valid={valid!r}: expected validation questions, found a number: draw them with "
            "splits = DatasetBuilder(valid_fraction=0.1).split(bank) and give splits.train and "
            "splits.valid"
        )
    if isinstance(train, Splits):
        raise ReadError(
            "train: expected training questions, found Splits: give splits.train and splits.valid"
        )
    return _questions(train, "train"), () if valid is None else _questions(valid, "valid")


def _questions(source: BankSource, argument: str) -> Sequence[Question]:
    if isinstance(source, QuestionBank):
        return source
    # Of one's own questions some may be there twice, to be seen more often.
    if isinstance(source, list | tuple) and all(isinstance(item, Question) for item in source):
        return source
    try:
        bank = read_bank(source)
    except SourceError as error:
        raise ReadError(f"{argument}: {error}") from error
    errors = sum(problem.severity == "error" for problem in bank.problems)
    if errors:
        logger.warning(
            "%s: %s, %s left out; read_bank(…).problems says why",
            argument,
            counted(len(bank), "question"),
            counted(errors, "row"),
        )
    else:
        logger.info("%s", records.read_argument(argument, len(bank), errors))
    return bank


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
