import pytest
import torch

from zhmcq.training.lora import FastDropout, use_fast_dropout


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
