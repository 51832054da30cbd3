"""Compiled layers train what the layers as they are would train, or say why they cannot."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file

import zhmcq
from conftest import unseen
from zhmcq import errors
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.modeling import ModelSource, load_model
from zhmcq.prompts import get_prompt
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama
from zhmcq.training import _compiled
from zhmcq.training._compiled import compiled_layers, prove_compiled
from zhmcq.training._lora import attach_adapter

Forward = Callable[..., Any]

BANK = [
    Question(
        f"q{number}",
        f"{who}在哪裡？",
        ("山上", "海邊", "家裡", "學校"),
        f"{'甲乙丙丁'[number // 2]}和他的朋友今天都出門了。",
        answer=(number % 4,),
    )
    for number, who in enumerate("子丑寅卯辰巳午未")
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


@pytest.fixture
def model(base: Path) -> Any:
    torch.manual_seed(3)
    lora = zhmcq.LoraSettings(r=4, lora_dropout=0.1)
    return attach_adapter(load_model(ModelSource(str(base)))[0], lora)


@pytest.fixture
def questions(tokenizer: Any) -> list[EncodedQuestion]:
    return Encoder(tokenizer, get_prompt("zh-exam"), 512).encode(BANK)[0]


def run(model: Any, rows: int) -> torch.Tensor:
    """The logits of so many rows of 9 tokens."""
    torch.manual_seed(5)
    logits: torch.Tensor = model(torch.randint(3, 90, (rows, 9)), use_cache=False).logits
    return logits


def stand_in(monkeypatch: pytest.MonkeyPatch, change: Callable[[Forward], Forward]) -> None:
    """Let torch "compile" a forward pass to what ``change`` makes of it."""
    monkeypatch.setattr(torch, "compile", lambda forward, **_settings: change(forward))


def raising(error: Exception) -> Callable[[Forward], Forward]:
    def change(_forward: Forward) -> Forward:
        def compiled(*_args: Any, **_kwargs: Any) -> Any:
            raise error

        return compiled

    return change


class Counted:
    """Counts the calls of compiled layers by their rows."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, forward: Forward) -> Forward:
        def compiled(hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            self.rows.append(len(hidden))
            return forward(hidden, *args, **kwargs)

        return compiled


def trainer(base: Path, **settings: Any) -> zhmcq.LoraTrainer:
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4, lora_dropout=0.1),
        training=zhmcq.TrainingSettings(
            num_train_epochs=2,
            learning_rate=1e-3,
            per_device_train_batch_size=4,
            gradient_accumulation_steps=1,
            **settings,
        ),
    )


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with a C++ compiler")
def test_a_run_with_compiled_layers_trains_the_same_adapter(base: Path, tmp_path: Path) -> None:
    import torch._dynamo

    adapters = []
    compiled_graphs = []
    reset = torch._dynamo.reset

    def counted() -> None:
        counters = torch._dynamo.utils.counters
        compiled_graphs.append((counters["stats"]["unique_graphs"], dict(counters["graph_break"])))
        reset()

    with patch.object(torch._dynamo, "reset", counted):
        for compiled in (False, True):
            folder = tmp_path / str(compiled)
            trainer(base, torch_compile=compiled).train(BANK, None, folder)
            adapters.append(load_file(folder / "adapter_model.safetensors"))
    ((graphs, breaks),) = compiled_graphs
    assert graphs > 0
    assert breaks == {}
    plain, with_compiled = adapters
    assert plain.keys() == with_compiled.keys()
    for name, weights in plain.items():
        torch.testing.assert_close(with_compiled[name], weights, rtol=1e-3, atol=1e-4)


def test_training_computes_by_compiled_layers_and_evaluates_by_layers_as_they_are(
    monkeypatch: pytest.MonkeyPatch, base: Path, tmp_path: Path
) -> None:
    counted = Counted()
    stand_in(monkeypatch, counted)
    trained, valid = BANK[:4], unseen(BANK[4:])
    result = trainer(base, torch_compile=True).train(trained, valid, tmp_path / "run")
    layers, proofs, passes = 2, 2, 2  # proofs: rows as they are, and one row; a pass for each step
    assert result.steps == passes
    assert len(counted.rows) == layers * (proofs + passes)


def test_a_proof_leaves_weights_and_random_numbers_as_they_were(
    monkeypatch: pytest.MonkeyPatch, model: Any, questions: list[EncodedQuestion]
) -> None:
    counted = Counted()
    stand_in(monkeypatch, counted)
    torch.manual_seed(4)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    prove_compiled(model, questions, "tree")
    assert counted.rows
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def wrong_output(forward: Forward) -> Forward:
    return lambda hidden, *args, **kwargs: 1.01 * forward(hidden, *args, **kwargs)


def wrong_gradient(forward: Forward) -> Forward:
    """What is added is zero, but not its gradient."""
    return lambda hidden, *args, **kwargs: (
        forward(hidden, *args, **kwargs) + hidden.detach() - hidden
    )


def undefined_gradient(forward: Forward) -> Forward:
    """What is added is zero, and its gradient 0 / 0."""
    return lambda hidden, *args, **kwargs: (
        forward(hidden, *args, **kwargs) + (hidden - hidden).square().sum().sqrt()
    )


@pytest.mark.parametrize("change", [wrong_output, wrong_gradient, undefined_gradient])
def test_layers_that_are_compiled_to_something_else_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    model: Any,
    questions: list[EncodedQuestion],
    change: Callable[[Forward], Forward],
) -> None:
    stand_in(monkeypatch, change)
    with pytest.raises(errors.SettingsError, match=r"as they are, found others .* be rounding"):
        prove_compiled(model, questions, "tree")


def test_an_adapter_that_is_left_out_is_refused_although_a_new_one_adds_nothing(
    monkeypatch: pytest.MonkeyPatch, model: Any, questions: list[EncodedQuestion]
) -> None:
    def without_adapter(forward: Forward) -> Forward:
        def compiled(*args: Any, **kwargs: Any) -> Any:
            with model.disable_adapter():
                return forward(*args, **kwargs)

        return compiled

    stand_in(monkeypatch, without_adapter)
    with pytest.raises(errors.SettingsError, match="found others"):
        prove_compiled(model, questions, "tree")


def test_layers_that_torch_cannot_compile_are_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, base: Path, tmp_path: Path
) -> None:
    stand_in(monkeypatch, raising(RuntimeError("No working\n C++ compiler")))
    expected = (
        r"TrainingSettings\(torch_compile=True\): expected .* needs a C\+\+ compiler, found "
        r"RuntimeError: No working C\+\+ compiler: leave torch_compile out"
    )
    with pytest.raises(errors.SettingsError, match=expected):
        trainer(base, torch_compile=True).train(BANK, None, tmp_path / "run")
    monkeypatch.undo()
    trainer(base).train(BANK, None, tmp_path / "run")


def test_memory_that_runs_out_while_compiling_stays_an_error_of_memory(
    monkeypatch: pytest.MonkeyPatch, model: Any, questions: list[EncodedQuestion]
) -> None:
    stand_in(monkeypatch, raising(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(torch.OutOfMemoryError):
        prove_compiled(model, questions, "tree")


def test_what_cannot_be_compiled_later_is_an_error_of_settings_too(
    monkeypatch: pytest.MonkeyPatch, model: Any
) -> None:
    import torch._dynamo

    stand_in(monkeypatch, raising(torch._dynamo.exc.InternalTorchDynamoError("broken")))
    with pytest.raises(errors.SettingsError, match="broken"), compiled_layers(model):
        run(model, 2)


def test_layers_below_the_first_that_is_trained_compute_as_they_are(
    monkeypatch: pytest.MonkeyPatch, base: Path
) -> None:
    lora = zhmcq.LoraSettings(r=4, layers_to_transform=[1])
    model = attach_adapter(load_model(ModelSource(str(base)))[0], lora)
    counted = Counted()
    stand_in(monkeypatch, counted)
    with compiled_layers(model):
        assert run(model, 2).requires_grad
    assert counted.rows == [2]


def test_layers_compute_as_they_are_after_the_block_and_after_an_error(model: Any) -> None:
    model.eval()
    expected = run(model, 2)
    with pytest.raises(KeyError), compiled_layers(model):
        raise KeyError
    assert not any("forward" in vars(layer) for layer in model.base_model.model.model.layers)
    assert torch.equal(run(model, 2), expected)


def test_a_model_with_a_recurrent_state_is_refused(
    model: Any, questions: list[EncodedQuestion]
) -> None:
    model.base_model.model._is_stateful = True
    with pytest.raises(errors.SettingsError, match="prefix-tree rows, found a recurrent state"):
        prove_compiled(model, questions, "tree")


def test_a_model_without_layers_of_transformers_is_refused(
    monkeypatch: pytest.MonkeyPatch, model: Any, questions: list[EncodedQuestion]
) -> None:
    monkeypatch.setattr(_compiled, "_decoder_layers", lambda _model: [])
    with pytest.raises(errors.SettingsError, match="found none in LlamaForCausalLM"):
        prove_compiled(model, questions, "tree")


@pytest.mark.parametrize("field", ["torch_compile_backend", "torch_compile_mode"])
def test_other_ways_to_compile_are_refused(field: str) -> None:
    with pytest.raises(errors.SettingsError, match="give torch_compile=True"):
        zhmcq.TrainingSettings(**{field: "eager"})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["activation_checkpointing", "bf16", "fp16"])
def test_compiled_layers_do_not_go_with_what_changes_their_computing(field: str) -> None:
    fields: dict[str, Any] = {field: True}
    zhmcq.TrainingSettings(**fields)
    with pytest.raises(errors.SettingsError, match=f"torch_compile=True, {field}=True"):
        zhmcq.TrainingSettings(torch_compile=True, **fields)
