"""The training arguments that transformers gets of the settings of a run."""

from __future__ import annotations

from typing import Any

import pytest

from zhmcq.errors import SettingsError
from zhmcq.settings import TrainingSettings
from zhmcq.training._arguments import training_arguments


def test_training_defaults_are_the_recipes(tmp_path: Any) -> None:
    settings = TrainingSettings()
    assert settings.per_device_train_batch_size == 1
    assert settings.gradient_accumulation_steps == 8
    assert settings.questions_per_step == 8
    assert settings.max_length == 512
    assert (settings.packing, settings.objective) == ("tree", "next_token")
    assert (settings.valid_metric, settings.dtype) == ("accuracy", "auto")
    arguments = training_arguments(settings, str(tmp_path))
    assert arguments.num_train_epochs == 2
    assert arguments.learning_rate == 1e-4
    assert (arguments.save_steps, arguments.eval_steps, arguments.logging_steps) == (1000, 500, 100)
    assert arguments.report_to == []
    assert arguments.seed == 42
    assert (arguments.lr_scheduler_type.value, arguments.warmup_steps) == ("linear", 0)
    assert arguments.output_dir == str(tmp_path)


def test_transformers_sees_one_batch_a_step() -> None:
    settings = TrainingSettings(per_device_train_batch_size=4, gradient_accumulation_steps=6)
    arguments = training_arguments(settings, "x")
    assert arguments.per_device_train_batch_size == 24
    assert arguments.gradient_accumulation_steps == 1
    assert arguments.remove_unused_columns is False
    assert arguments.eval_strategy.value == "steps"


def test_without_validation_questions_nothing_is_evaluated() -> None:
    settings = TrainingSettings(eval_strategy="epoch")
    assert training_arguments(settings, "x").eval_strategy.value == "epoch"
    assert training_arguments(settings, "x", evaluate=False).eval_strategy.value == "no"


def test_other_fields_of_transformers_are_passed_on() -> None:
    arguments = training_arguments(
        TrainingSettings(
            weight_decay=0.01,
            optim="adafactor",
            max_steps=7,
            eval_strategy="no",
            lr_scheduler_type="cosine",
            report_to=("tensorboard",),
            use_cpu=True,
        ),
        "x",
    )
    assert (arguments.weight_decay, arguments.max_steps) == (0.01, 7)
    assert arguments.optim.value == "adafactor"
    assert arguments.eval_strategy.value == "no"
    assert arguments.lr_scheduler_type.value == "cosine"
    assert arguments.report_to == ["tensorboard"]
    assert arguments.use_cpu is True


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optim": "adamx"}, "transformers refuses them: adamx is not a valid OptimizerNames"),
        (
            {"fp16": True, "bf16": True, "use_cpu": True},
            "transformers refuses them: At most one of fp16 and bf16",
        ),
    ],
)
def test_what_transformers_refuses_is_a_settings_error(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        training_arguments(TrainingSettings(**values), "y")


def test_a_file_of_settings_that_is_not_there_is_a_settings_error(tmp_path: Any) -> None:
    settings = TrainingSettings(accelerator_config=str(tmp_path / "gone.json"))
    with pytest.raises(SettingsError, match=r"transformers refuses them: .*gone\.json"):
        training_arguments(settings, str(tmp_path))
