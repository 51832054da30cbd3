"""What peft and transformers make of the settings; the one module that imports both for it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from zhmcq.errors import SettingsError
from zhmcq.modeling.load import quantization_config
from zhmcq.settings import (
    REFUSED,
    LoraSettings,
    QuantizationSettings,
    TrainingSettings,
)
from zhmcq.training.arguments import training_arguments
from zhmcq.training.lora import lora_config

PROJECTIONS = {
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
}


def test_lora_defaults_are_the_recipes() -> None:
    config = lora_config(LoraSettings())
    assert (config.r, config.lora_alpha, config.lora_dropout) == (32, 16, 0.05)
    assert config.target_modules == PROJECTIONS
    assert config.task_type == "CAUSAL_LM"
    assert config.bias == "none"


def test_training_defaults_are_the_recipes(tmp_path: Any) -> None:
    settings = TrainingSettings()
    assert settings.per_device_train_batch_size == 1
    assert settings.gradient_accumulation_steps == 8
    assert settings.questions_per_step == 8
    assert settings.max_length == 512
    assert (settings.packing, settings.objective) == ("tree", "next_token")
    assert (settings.valid_metric, settings.dtype) == ("accuracy", "auto")
    found = training_arguments(settings, str(tmp_path))
    assert found.num_train_epochs == 2
    assert found.learning_rate == 1e-4
    assert (found.save_steps, found.eval_steps, found.logging_steps) == (1000, 500, 100)
    assert found.report_to == []
    assert found.seed == 42
    assert (found.lr_scheduler_type.value, found.warmup_steps) == ("linear", 0)
    assert found.output_dir == str(tmp_path)


def test_transformers_is_told_of_one_batch_a_step() -> None:
    settings = TrainingSettings(per_device_train_batch_size=4, gradient_accumulation_steps=6)
    found = training_arguments(settings, "x")
    assert found.per_device_train_batch_size == 24
    assert found.gradient_accumulation_steps == 1
    assert found.remove_unused_columns is False
    assert found.eval_strategy.value == "steps"


def test_without_validation_questions_nothing_is_evaluated() -> None:
    settings = TrainingSettings(eval_strategy="epoch")
    assert training_arguments(settings, "x").eval_strategy.value == "epoch"
    assert training_arguments(settings, "x", evaluate=False).eval_strategy.value == "no"


def test_other_fields_of_peft_are_passed_on() -> None:
    config = lora_config(
        LoraSettings(
            r=4,
            target_modules="all-linear",
            use_dora=True,
            use_rslora=True,
            modules_to_save=["lm_head"],
            rank_pattern={"q_proj": 2},
        )
    )
    assert config.r == 4
    assert config.target_modules == "all-linear"
    assert (config.use_dora, config.use_rslora) == (True, True)
    assert config.modules_to_save == ["lm_head"]
    assert config.rank_pattern == {"q_proj": 2}
    assert lora_config(LoraSettings(target_modules=["q_proj"])).target_modules == {"q_proj"}


def test_other_fields_of_transformers_are_passed_on() -> None:
    found = training_arguments(
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
    assert (found.weight_decay, found.max_steps) == (0.01, 7)
    assert found.optim.value == "adafactor"
    assert found.eval_strategy.value == "no"
    assert found.lr_scheduler_type.value == "cosine"
    assert found.report_to == ["tensorboard"]
    assert found.use_cpu is True


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("rank", "r"),
        ("alpha", "lora_alpha"),
        ("dropout", "lora_dropout"),
        ("lora_aplha", "lora_alpha"),
        ("targets", "target_modules"),
        ("use_dorra", "use_dora"),
    ],
)
def test_an_unknown_lora_field_is_refused_with_the_one_that_is_meant(name: str, meant: str) -> None:
    message = f"^LoraSettings has no field '{name}'; did you mean '{meant}'"
    with pytest.raises(SettingsError, match=message):
        LoraSettings(**{name: 1})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lr", "learning_rate"),
        ("epochs", "num_train_epochs"),
        ("batch_size", "per_device_train_batch_size"),
        ("warmup_ratio", "warmup_steps"),
        ("evaluation_strategy", "eval_strategy"),
        ("max_seq_length", "max_length"),
        ("pakcing", "packing"),
        ("weight_decy", "weight_decay"),
    ],
)
def test_an_unknown_training_field_is_refused_with_the_one_that_is_meant(
    name: str, meant: str
) -> None:
    message = f"^TrainingSettings has no field '{name}'; did you mean '{meant}'"
    with pytest.raises(SettingsError, match=message):
        TrainingSettings(**{name: 1})


@pytest.mark.parametrize("name", REFUSED)
def test_a_field_that_would_be_passed_over_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(
        SettingsError, match=f"^TrainingSettings: {name} is not taken: {re.escape(REFUSED[name])}"
    ):
        TrainingSettings(**{name: 1})


def test_a_name_like_no_field_gets_no_suggestion() -> None:
    with pytest.raises(SettingsError, match=r"^LoraSettings has no field 'zzz'$"):
        LoraSettings(zzz=1)


def test_quantization_has_no_other_fields() -> None:
    with pytest.raises(SettingsError, match="no field 'bits'; did you mean 'kind'"):
        QuantizationSettings(bits=4)  # type: ignore[call-arg]
    with pytest.raises(SettingsError, match="no field 'double_quan'; did you mean 'double_quant'"):
        QuantizationSettings(double_quan=True)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        (LoraSettings, {"r": 0}, r"LoraSettings\(r=0\): Input should be greater than 0"),
        (LoraSettings, {"r": 1.5}, r"LoraSettings\(r=1\.5\)"),
        (LoraSettings, {"lora_dropout": 1.0}, r"LoraSettings\(lora_dropout=1\.0\)"),
        (LoraSettings, {"target_modules": ()}, r"LoraSettings\(target_modules=\(\)\)"),
        (TrainingSettings, {"learning_rate": float("nan")}, "learning_rate=nan"),
        (TrainingSettings, {"learning_rate": float("inf")}, "learning_rate=inf"),
        (TrainingSettings, {"learning_rate": "fast"}, "learning_rate='fast'"),
        (TrainingSettings, {"max_length": 8}, "max_length=8"),
        (TrainingSettings, {"packing": "dense"}, "Input should be 'tree' or 'flat'"),
        (TrainingSettings, {"dtype": "fp16"}, "Input should be 'auto', 'float32'"),
        (TrainingSettings, {"save_steps": 0, "eval_steps": 0}, r"save_steps=0.*; .*eval_steps=0"),
        (QuantizationSettings, {"kind": "fp4"}, "Input should be 'nf4' or 'int8'"),
    ],
)
def test_impossible_values_are_refused_when_they_are_given(
    settings: Any, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        settings(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optim": "adamx"}, "transformers refuses them: adamx is not a valid OptimizerNames"),
        ({"lr_scheduler_type": "lineer"}, "transformers refuses them: lineer is not a valid Sched"),
        ({"output_dir": "x"}, r"output_dir is not taken: give it to LoraTrainer\.train\(\)"),
    ],
)
def test_what_transformers_refuses_is_a_settings_error(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        training_arguments(TrainingSettings(**values), "y")


def test_what_peft_refuses_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="peft refuses them: Invalid task type: 'SEQ'"):
        lora_config(LoraSettings(task_type="SEQ"))


def test_settings_are_not_changed_in_place_and_compare_by_value() -> None:
    with pytest.raises(ValueError, match="frozen"):
        LoraSettings().r = 3
    assert LoraSettings(r=4, use_dora=True) == LoraSettings(r=4, use_dora=True)
    assert LoraSettings(r=4) != LoraSettings(r=4, use_dora=True)


def test_settings_come_back_from_what_a_manifest_keeps() -> None:
    for settings in (LoraSettings(use_dora=True), TrainingSettings(report_to=("tensorboard",))):
        kept = settings.model_dump(mode="json")
        again = type(settings)(**kept)
        assert again.model_dump(mode="json") == kept


def test_quantization_becomes_bitsandbytes_configs() -> None:
    import torch

    four = quantization_config(QuantizationSettings(), torch.float32)
    assert (four.load_in_4bit, four.bnb_4bit_quant_type) == (True, "nf4")
    assert four.bnb_4bit_use_double_quant is True
    assert four.bnb_4bit_compute_dtype == torch.float32
    eight = quantization_config(QuantizationSettings(kind="int8"), torch.float32)
    assert (eight.load_in_8bit, eight.load_in_4bit) == (True, False)
