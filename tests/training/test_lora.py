"""The peft configuration of LoRA settings, and the dropout of an adapter."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from families import make_model

from zhmcq.errors import SettingsError
from zhmcq.settings import LoraSettings
from zhmcq.training._lora import FastDropout, attach_adapter, lora_config, use_fast_dropout

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


def test_what_peft_refuses_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="peft refuses them: Invalid task type: 'SEQ'"):
        lora_config(LoraSettings(task_type="SEQ"))


def test_a_field_that_the_installed_peft_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import peft

    @dataclasses.dataclass
    class Older:
        r: int = 8

    monkeypatch.setattr(peft, "LoraConfig", Older)
    monkeypatch.setattr(peft, "__version__", "0.1")
    with pytest.raises(SettingsError, match=r"peft 0\.1 has no field init_lora_weights"):
        lora_config(LoraSettings(use_dora=True))


def test_drops_as_many_as_it_says_and_scales_up_the_others() -> None:
    torch.manual_seed(3)
    dropped = FastDropout(0.25)(torch.ones(1000, 1001))
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.002)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.003)


def test_neighbours_are_dropped_independently_of_each_other() -> None:
    torch.manual_seed(4)
    gone = (FastDropout(0.5)(torch.ones(400_003)) == 0).double()
    for distance in range(1, 9):  # four neighbours share a random number
        together = float((gone[distance:] * gone[:-distance]).mean())
        assert together == pytest.approx(0.25, abs=0.004)


def test_the_same_seed_drops_the_same_and_the_next_call_others() -> None:
    x = torch.ones(64, 65)
    drop = FastDropout(0.1)
    torch.manual_seed(5)
    first, second = drop(x), drop(x)
    torch.manual_seed(5)
    assert torch.equal(drop(x), first)
    assert not torch.equal(first, second)


def test_the_gradient_is_dropped_where_the_value_was() -> None:
    x = torch.full((30, 31), 2.0, requires_grad=True)
    y = FastDropout(0.3)(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach() / 2)


def test_in_evaluation_and_at_zero_nothing_is_changed() -> None:
    x = torch.ones(5)
    assert FastDropout(0.0)(x) is x
    assert FastDropout(0.9).eval()(x) is x


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_dtype_stays(dtype: torch.dtype) -> None:
    assert FastDropout(0.5)(torch.ones(7, dtype=dtype)).dtype == dtype


def test_takes_the_place_of_the_adapters_dropout_only() -> None:
    layer = torch.nn.Module()
    layer.lora_dropout = torch.nn.ModuleDict(
        {"default": torch.nn.Dropout(0.05), "none": torch.nn.Identity()}
    )
    model = torch.nn.ModuleDict({"layer": layer, "own": torch.nn.Dropout(0.1)})
    use_fast_dropout(model)
    assert isinstance(layer.lora_dropout["default"], FastDropout)
    assert layer.lora_dropout["default"].threshold == 3277
    assert isinstance(layer.lora_dropout["none"], torch.nn.Identity)
    assert type(model["own"]) is torch.nn.Dropout


def test_nothing_below_the_first_adapted_layer_is_in_the_backward_pass() -> None:
    model = attach_adapter(make_model("llama"), LoraSettings(layers_to_transform=[2, 3]))
    in_graph: list[bool] = []
    for layer in model.get_base_model().model.layers:
        layer.register_forward_hook(lambda _, __, output: in_graph.append(output.requires_grad))
    model(torch.tensor([[5, 6, 7]]))
    assert in_graph == [False, False, True, True]
