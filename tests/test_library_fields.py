"""The frozen names of peft's and transformers' fields are those of the installed versions."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_type_hints

import peft
import pytest
import transformers
from transformers.trainer_utils import IntervalStrategy, SaveStrategy, SchedulerType

from zhmcq._library_fields import (
    GenerationConfigFields,
    LoraConfigFields,
    SchedulerName,
    TrainingArgumentsFields,
)
from zhmcq._refused_fields import (
    BEAM_FIELDS,
    COMPUTING_FIELDS,
    REFUSED,
    REFUSED_GENERATION,
    REFUSED_LORA,
    SAMPLING_FIELDS,
)
from zhmcq.settings import GenerateSettings, LoraSettings, TrainingSettings


def fields_of(installed: Any) -> dict[str, Any]:
    """Names and types of a class's fields; of a class without annotations, names alone."""
    if dataclasses.is_dataclass(installed):
        return {field.name: field.type for field in dataclasses.fields(installed)}
    return {name: Any for name in vars(installed()) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("installed", "version", "listed", "elsewhere"),
    [
        (
            peft.LoraConfig,
            peft.__version__,
            LoraConfigFields,
            {*LoraSettings.model_fields, *REFUSED_LORA},
        ),
        (
            transformers.TrainingArguments,
            transformers.__version__,
            TrainingArgumentsFields,
            {*TrainingSettings.model_fields, *REFUSED},
        ),
        (
            transformers.GenerationConfig,
            transformers.__version__,
            GenerationConfigFields,
            {*GenerateSettings.model_fields, *REFUSED_GENERATION},
        ),
    ],
)
def test_the_frozen_fields_are_those_of_the_installed_version(
    installed: Any, version: str, listed: Any, elsewhere: set[str]
) -> None:
    types = fields_of(installed)
    missing = sorted(set(types) - set(listed.__annotations__) - elsewhere)
    gone = sorted(set(listed.__annotations__) - set(types))
    message = "\n".join(
        [
            f"{installed.__name__} {version} has other fields than {listed.__name__}:",
            *[f"Add a line, or refuse it in REFUSED:    {name}: {types[name]}" for name in missing],
            *[f"Delete the line:    {name}" for name in gone],
        ]
    )
    assert (missing, gone) == ([], []), message


def test_no_field_is_listed_twice() -> None:
    others = {*LoraSettings.model_fields, *REFUSED_LORA}
    assert not set(LoraConfigFields.__annotations__) & others
    others = {*TrainingSettings.model_fields, *REFUSED}
    assert not set(TrainingArgumentsFields.__annotations__) & others
    others = {*GenerateSettings.model_fields, *REFUSED_GENERATION}
    assert not set(GenerationConfigFields.__annotations__) & others


def test_each_field_with_a_rule_is_one_of_its_library() -> None:
    assert set(REFUSED) <= set(fields_of(transformers.TrainingArguments))
    assert set(REFUSED_GENERATION) <= set(fields_of(transformers.GenerationConfig))
    ruled = {*SAMPLING_FIELDS, *BEAM_FIELDS, *COMPUTING_FIELDS}
    assert ruled <= set(GenerationConfigFields.__annotations__)
    assert set(REFUSED_LORA) <= set(fields_of(peft.LoraConfig))


@pytest.mark.parametrize(
    ("names", "installed"),
    [
        (SchedulerName, SchedulerType),
        (get_type_hints(TrainingArgumentsFields)["eval_strategy"], IntervalStrategy),
        (get_type_hints(TrainingArgumentsFields)["logging_strategy"], IntervalStrategy),
        (get_type_hints(TrainingArgumentsFields)["save_strategy"], SaveStrategy),
    ],
)
def test_the_frozen_values_are_those_of_the_installed_version(names: Any, installed: Any) -> None:
    assert set(get_args(names)) == {member.value for member in installed}
