"""What the settings take and refuse, without torch, peft or transformers."""

from __future__ import annotations

import ast
import copy
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zhmcq.settings
from zhmcq import _library_fields
from zhmcq._refused_fields import REFUSED, REFUSED_GENERATION
from zhmcq.errors import SettingsError
from zhmcq.settings import (
    GenerateSettings,
    LoraSettings,
    QuantizationSettings,
    ScoreSettings,
    TrainingSettings,
)


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
def test_an_unknown_lora_field_is_refused_with_the_nearest_name(name: str, meant: str) -> None:
    values: dict[str, Any] = {name: 1}
    message = f"^LoraSettings has no field '{name}'; did you mean '{meant}'"
    with pytest.raises(SettingsError, match=message):
        LoraSettings(**values)


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
def test_an_unknown_training_field_is_refused_with_the_nearest_name(name: str, meant: str) -> None:
    values: dict[str, Any] = {name: 1}
    message = f"^TrainingSettings has no field '{name}'; did you mean '{meant}'"
    with pytest.raises(SettingsError, match=message):
        TrainingSettings(**values)


@pytest.mark.parametrize(
    ("settings", "name", "reason"),
    [
        *[(TrainingSettings, *item) for item in REFUSED.items()],
        *[(GenerateSettings, *item) for item in REFUSED_GENERATION.items()],
    ],
)
def test_a_field_that_would_be_passed_over_is_refused_with_a_reason(
    settings: Any, name: str, reason: str
) -> None:
    message = f"^{settings.__name__}: {name} is not accepted: {re.escape(reason)}"
    with pytest.raises(SettingsError, match=message):
        settings(**{name: 1})


def test_a_name_like_no_field_gets_no_suggestion() -> None:
    with pytest.raises(SettingsError, match=r"^LoraSettings has no field 'zzz'$"):
        LoraSettings(zzz=1)  # type: ignore[call-arg]


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


def test_settings_are_not_changed_in_place_and_compare_by_value() -> None:
    with pytest.raises(ValueError, match="frozen"):
        LoraSettings().r = 3
    assert LoraSettings(r=4, use_dora=True) == LoraSettings(r=4, use_dora=True)
    assert LoraSettings(r=4) != LoraSettings(r=4, use_dora=True)


def test_settings_come_back_from_a_manifest() -> None:
    for settings in (LoraSettings(use_dora=True), TrainingSettings(report_to=("tensorboard",))):
        saved = settings.model_dump(mode="json")
        again = type(settings)(**saved)
        assert again.model_dump(mode="json") == saved


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        (LoraSettings, {"r": "8"}, r"LoraSettings\(r='8'\): Input should be a valid integer"),
        (LoraSettings, {"r": True}, r"LoraSettings\(r=True\): Input should be a valid integer"),
        (LoraSettings, {"use_dora": "yes"}, r"use_dora='yes'\): Input should be a valid boolean"),
        (LoraSettings, {"target_modules": 3}, "a valid tuple or Input should be a valid string"),
        (LoraSettings, {"modules_to_save": "lm_head"}, "modules_to_save='lm_head'"),
        (TrainingSettings, {"weight_decay": "0.1"}, r"TrainingSettings\(weight_decay='0\.1'\)"),
        (TrainingSettings, {"output_dir": "x"}, "output_dir is not accepted: give it to"),
        (ScoreSettings, {"packing": "dense"}, "Input should be 'tree' or 'flat'"),
        (ScoreSettings, {"packng": "flat"}, "no field 'packng'; did you mean 'packing'"),
        (GenerateSettings, {"max_new_tokens": 0}, "max_new_tokens=0"),
        (
            GenerateSettings,
            {"parser": 3},
            r"parser=3\): expected the name of a parser or",
        ),
        (GenerateSettings, {"reasoning_tokens": 8}, r"reasoning_tokens=8\) needs constrain=True"),
        (
            GenerateSettings,
            {"num_beams": 0},
            r"num_beams=0\): Input should be greater than",
        ),
        (GenerateSettings, {"num_beams": "4"}, r"num_beams='4'\): Input should be a valid integer"),
        (GenerateSettings, {"top_p": 1.5, "do_sample": True}, r"top_p=1.5\): Input should be less"),
        (GenerateSettings, {"beams": 4}, "no field 'beams'; did you mean 'num_beams'"),
        (GenerateSettings, {"pad_token_id": 0}, "pad_token_id is not accepted: the ids that begin"),
        (GenerateSettings, {"temperature": 0.7}, r"temperature=0.7\): it needs do_sample=True"),
        (
            GenerateSettings,
            {"length_penalty": 2.0},
            r"length_penalty=2.0\): it needs num_beams",
        ),
        (
            GenerateSettings,
            {"min_new_tokens": 9, "max_new_tokens": 8},
            r"min_new_tokens=9\): expected at most 8, the most tokens of a reply",
        ),
        (
            GenerateSettings,
            {"use_cache": False, "cache_implementation": "static"},
            r"cache_implementation='static'\): it needs a cache, but use_cache=False was given",
        ),
        (
            GenerateSettings,
            {"constrain": True, "do_sample": True},
            r"do_sample=True\): with constrain=True it applies to the reasoning.*reasoning_tokens",
        ),
    ],
)
def test_wrong_types_and_contradictions_are_refused_when_they_are_given(
    settings: Any, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        settings(**values)


def test_settings_of_a_mode_hold_what_belongs_to_it() -> None:
    assert ScoreSettings().packing == "tree"
    defaults = GenerateSettings()
    assert (defaults.parser, defaults.max_new_tokens) == ("zh", 256)
    assert (defaults.constrain, defaults.reasoning_tokens) == (False, 0)
    parser = zhmcq.get_parser("json")
    assert GenerateSettings(parser=parser, constrain=True, reasoning_tokens=8).parser is parser


def test_the_defaults_of_refused_fields_are_taken() -> None:
    values: dict[str, Any] = dict.fromkeys(REFUSED, False)
    assert TrainingSettings(**values).seed == 42
    values = dict.fromkeys(REFUSED_GENERATION)
    assert GenerateSettings(**values).generation_fields == {}


def test_fields_of_generation_are_passed_on_as_json_has_them() -> None:
    settings = GenerateSettings(num_beams=4, bad_words_ids=((5, 6),), temperature=None)
    assert settings.generation_fields == {"num_beams": 4, "bad_words_ids": [[5, 6]]}
    assert settings.model_copy(update={"parser": "strict"}).generation_fields["num_beams"] == 4
    reasoning = GenerateSettings(
        constrain=True, reasoning_tokens=9, do_sample=True, temperature=0.6, top_k=0
    )
    assert reasoning.generation_fields == {"do_sample": True, "temperature": 0.6, "top_k": 0}
    assert GenerateSettings(constrain=True, cache_implementation="static").constrain


@pytest.mark.parametrize("start", ["loftq", "corda", "eva", "pissa_niter", "mica"])
def test_initialisations_that_need_data_or_change_the_base_are_refused(start: str) -> None:
    with pytest.raises(SettingsError, match=f"init_lora_weights='{start}'.*expected True, False"):
        LoraSettings(init_lora_weights=start)


@pytest.mark.parametrize(
    "values",
    [
        {"use_dora": True},
        {"bias": "all"},
        {"modules_to_save": ["lm_head"]},
        {"use_rslora": True, "rank_pattern": {"q_proj": 4}},
    ],
)
def test_what_the_conversion_of_pissa_would_lose_is_refused(values: dict[str, Any]) -> None:
    name = list(values)[-1]
    with pytest.raises(SettingsError, match=f"'pissa'.* cannot be joined with {name}: the saved"):
        LoraSettings(init_lora_weights="pissa", **values)
    assert LoraSettings(init_lora_weights=True, **values).changes_base is False


def test_copies_are_checked_like_new_settings() -> None:
    settings = LoraSettings(r=8, use_dora=True)
    changed = settings.model_copy(update={"lora_alpha": 32})
    assert changed == LoraSettings(r=8, use_dora=True, lora_alpha=32)
    assert changed.model_fields_set == {"r", "use_dora", "lora_alpha"}
    assert copy.copy(settings) == settings.model_copy(deep=True) == settings
    with pytest.raises(SettingsError, match="no field 'rank'; did you mean 'r'"):
        settings.model_copy(update={"rank": 4})
    with pytest.raises(SettingsError, match=r"LoraSettings\(r=0\)"):
        settings.model_copy(update={"r": 0})
    with pytest.raises(SettingsError, match="no field 'rank'; did you mean 'r'"):
        LoraSettings.model_construct(rank=4)


def test_settings_read_by_pydantic_are_checked_as_well() -> None:
    read = LoraSettings.model_validate_json('{"r": 8, "target_modules": ["q_proj"]}')
    assert read == LoraSettings(r=8, target_modules=("q_proj",))
    with pytest.raises(ValueError, match="no field 'rank'; did you mean 'r'"):
        LoraSettings.model_validate({"rank": 8})


def test_fields_are_given_by_name() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        LoraSettings(8)  # type: ignore[call-arg]


def test_token_budgets_are_batch_size_times_maximum_length() -> None:
    settings = TrainingSettings(
        per_device_train_batch_size=2, per_device_eval_batch_size=3, max_length=100
    )
    assert (settings.train_budget, settings.eval_budget) == (200, 300)


def test_a_field_of_a_newer_library_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ("peft", "tuners/lora/config.py", "LoraConfig")
    assert {"r", "use_dora"} <= _library_fields.fields_in_source(*source)
    generation = _library_fields.fields_in_source(*GenerateSettings.library_source)
    assert {"num_beams", "stop_strings"} <= generation
    assert "_from_model_config" not in generation
    assert _library_fields.fields_in_source("peft", "tuners/lora/config.py", "Nothing") == set()
    assert _library_fields.fields_in_source("peft", "nothing.py", "LoraConfig") == set()
    assert _library_fields.fields_in_source("no_such_package", "x.py", "LoraConfig") == set()

    monkeypatch.setattr(zhmcq.settings, "fields_in_source", lambda *_source: {"brand_new"})
    settings: Any = LoraSettings(brand_new=3)  # type: ignore[call-arg]
    assert settings.brand_new == 3


@pytest.mark.parametrize("settings", [LoraSettings, TrainingSettings])
def test_the_arguments_that_type_checkers_see_are_the_fields_with_their_defaults(
    settings: Any,
) -> None:
    """Both are written out in the source: the signature must not drift from the fields."""
    tree = ast.parse(Path(inspect.getfile(settings)).read_text(encoding="utf-8"))
    body = next(
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == settings.__name__
    )
    fields = {
        node.target.id: ast.unparse(node.annotation).replace("Names", "Sequence[str]")
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    (signature,) = (
        node.body[0].args
        for node in body
        if isinstance(node, ast.If) and isinstance(node.body[0], ast.FunctionDef)
    )
    arguments = {
        argument.arg: ast.unparse(argument.annotation)
        for argument in signature.kwonlyargs
        if argument.annotation
    }
    defaults = [ast.literal_eval(default) for default in signature.kw_defaults if default]
    assert list(arguments.items()) == list(fields.items())
    assert list(arguments) == list(settings.model_fields)
    assert defaults == [field.default for field in settings.model_fields.values()]


@pytest.mark.parametrize(
    "settings",
    [LoraSettings, TrainingSettings, QuantizationSettings, ScoreSettings, GenerateSettings],
)
def test_each_field_is_documented(settings: Any) -> None:
    # Python 3.13 takes the indentation off a docstring; cleandoc does so everywhere.
    text = inspect.cleandoc(settings.__doc__)
    documented = re.findall(r"^ {4}(\w+): \S", text, flags=re.MULTILINE)
    assert documented == list(settings.model_fields)


def test_numbers_of_numpy_become_those_of_python_and_can_be_written() -> None:
    ranks: dict[str, Any] = {"r": np.int64(8), "rank_pattern": {"q_proj": np.int64(4)}}
    lora = LoraSettings(**ranks)
    values: dict[str, Any] = {
        "max_length": np.int32(64),
        "shuffle_options": np.bool_(True),
        "weight_decay": np.float32(0.5),
    }
    training = TrainingSettings(**values)
    assert (type(lora.r), lora.r) == (int, 8)
    assert lora.model_dump(mode="json")["rank_pattern"] == {"q_proj": 4}
    assert (training.max_length, training.shuffle_options) == (64, True)
    assert training.model_dump(mode="json")["weight_decay"] == 0.5


def test_a_whole_array_is_still_refused() -> None:
    values: dict[str, Any] = {"r": np.array([8])}
    with pytest.raises(SettingsError, match="valid integer"):
        LoraSettings(**values)


def test_a_value_that_no_record_can_hold_is_refused_at_once() -> None:
    message = r"LoraSettings\(runtime_config=<object.*cannot be written to the run's record"
    with pytest.raises(SettingsError, match=message):
        LoraSettings(runtime_config=object())


def test_a_library_field_is_refused_if_it_is_not_finite() -> None:
    with pytest.raises(SettingsError, match=r"weight_decay=nan\): Input should be a finite number"):
        TrainingSettings(weight_decay=float("nan"))


def test_a_field_named_self_is_refused_like_any_other() -> None:
    values: dict[str, Any] = {"self": 1}
    with pytest.raises(SettingsError, match="LoraSettings has no field 'self'"):
        LoraSettings(**values)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("lr_scheduler_type", "cosin", "'cosine'"),
        ("eval_strategy", "never", "'no', 'steps' or 'epoch'"),
        ("save_strategy", "all", "'no', 'steps', 'epoch' or 'best'"),
    ],
)
def test_a_name_that_transformers_lacks_is_refused_with_those_it_has(
    name: str, value: str, expected: str
) -> None:
    with pytest.raises(SettingsError, match=rf"TrainingSettings\({name}='{value}'\).*{expected}"):
        TrainingSettings(**{name: value})  # type: ignore[arg-type]


def test_an_access_token_of_a_wrong_type_is_not_shown() -> None:
    with pytest.raises(SettingsError, match=r"TrainingSettings\(hub_token=…\)") as caught:
        TrainingSettings(hub_token=12345)  # type: ignore[arg-type]
    assert "12345" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"), [("LEARNING_RATE", "learning_rate"), ("epochs", "num_train_epochs")]
)
def test_the_nearest_name_ignores_case_and_knows_other_names(name: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"no field '{name}'; did you mean '{meant}'"):
        TrainingSettings(**{name: 1})  # type: ignore[arg-type]
