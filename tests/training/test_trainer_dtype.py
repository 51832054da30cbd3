"""LoraTrainer: the dtype that is proven on its questions, recorded and resumed in; its device."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

import zhmcq
from zhmcq.errors import CheckpointError, ModelError, SettingsError
from zhmcq.questions import Question
from zhmcq.settings import DtypeName
from zhmcq.training import _arguments
from zhmcq.training._arguments import training_arguments

BANK = [
    Question(f"q{n}", f"第{n}題？", ("甲", "乙", "丙"), "文章。", answer=(0,)) for n in range(2)
]


def trainer(
    base: Path, dtype: DtypeName = "auto", device: str | None = None, **settings: Any
) -> zhmcq.LoraTrainer:
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=2, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(
            max_steps=2, gradient_accumulation_steps=1, save_steps=1, dtype=dtype, **settings
        ),
        device=device,
    )


class Interrupt(TrainerCallback):
    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 1:
            raise KeyboardInterrupt


def interrupted(run: zhmcq.LoraTrainer, out: Path) -> dict[str, Any]:
    run.callbacks.append(Interrupt())
    with pytest.raises(KeyboardInterrupt):
        run.train(BANK, None, out)
    record: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return record


def test_a_run_goes_on_in_the_next_dtype_and_remembers_it(
    overflowing: Path,
    tmp_path: Path,
    candidates: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    candidates("float16", "float32")
    result = trainer(overflowing).train(BANK, None, tmp_path / "run")
    lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert [line for line in lines if "loaded again in float32" in line] == lines
    assert len(lines) == 1
    manifest = json.loads((result.adapter_dir / "zhmcq_manifest.json").read_text(encoding="utf-8"))
    assert manifest["training"]["dtype"] == "float32"
    assert manifest["settings"]["training"]["dtype"] == "auto"


class Dtypes(TrainerCallback):
    """Notes the dtypes of base model, adapter and optimizer in the last step."""

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        parameters = dict(kwargs["model"].named_parameters())
        states = [v for part in kwargs["optimizer"].state.values() for v in part.values()]
        self.base = {str(p.dtype) for name, p in parameters.items() if "lora" not in name}
        self.adapter = {str(p.dtype) for name, p in parameters.items() if "lora" in name}
        self.gradients = {str(p.grad.dtype) for p in parameters.values() if p.grad is not None}
        self.optimizer = {str(value.dtype) for value in states if value.dim()}


def test_a_cpu_that_is_fast_in_bf16_trains_an_adapter_in_float32_on_it(
    overflowing: Path,
    tmp_path: Path,
    bf16_speed: Callable[[float], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "zhmcq")
    bf16_speed(2.1)
    run, dtypes = trainer(overflowing), Dtypes()
    run.callbacks.append(dtypes)
    result = run.train(BANK, None, tmp_path / "run")
    line = "the model computes in bfloat16 on cpu: bf16 products are 2.1 times as fast as fp32 here"
    assert caplog.messages.count(line) == 1
    assert dtypes.base == {"torch.bfloat16"}
    assert dtypes.adapter == dtypes.gradients == dtypes.optimizer == {"torch.float32"}
    manifest = json.loads((result.adapter_dir / "zhmcq_manifest.json").read_text(encoding="utf-8"))
    assert manifest["training"]["dtype"] == "bfloat16"
    bf16_speed(0.5)  # another machine
    predictor = zhmcq.MCQPredictor(overflowing, result.adapter_dir)
    predictor.predict(BANK)
    assert predictor.dtype == "float32"


def test_a_cpu_that_is_slow_in_bf16_trains_as_before(
    overflowing: Path, tmp_path: Path, bf16_speed: Callable[[float], None]
) -> None:
    bf16_speed(1.1)
    adapters = [
        trainer(overflowing, dtype).train(BANK, None, tmp_path / dtype).adapter_dir
        for dtype in ("auto", "float32")
    ]
    one, other = ((path / "adapter_model.safetensors").read_bytes() for path in adapters)
    assert one == other


def test_a_resumed_run_is_not_measured_again(
    overflowing: Path, tmp_path: Path, bf16_speed: Callable[[float], None]
) -> None:
    bf16_speed(2.1)
    assert interrupted(trainer(overflowing), tmp_path / "run")["dtype"] == "bfloat16"
    bf16_speed(0.5)
    trainer(overflowing).train(BANK, None, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["dtype"] == "bfloat16"


def test_an_adapter_is_merged_in_float32_where_bf16_is_fast(
    overflowing: Path, tmp_path: Path, bf16_speed: Callable[[float], None]
) -> None:
    bf16_speed(2.1)
    result = trainer(overflowing).train(BANK, None, tmp_path / "run")
    merged = zhmcq.Merger().merge(result.adapter_dir, tmp_path / "merged", verify_with=BANK)
    weights = load_file(merged.output_dir / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert merged.answer_flips == 0


def test_a_run_is_resumed_in_the_dtype_that_it_recorded(
    overflowing: Path, tmp_path: Path, candidates: Callable[..., None]
) -> None:
    out = tmp_path / "run"
    candidates("bfloat16", "float32")
    assert interrupted(trainer(overflowing), out)["dtype"] == "bfloat16"
    candidates("float32")
    with pytest.raises(CheckpointError, match="an interrupted run with other dtype: give the same"):
        trainer(overflowing, "float32").train(BANK, None, out)
    result = trainer(overflowing).train(BANK, None, out)
    record = json.loads((result.adapter_dir / "run.json").read_text(encoding="utf-8"))
    assert record["dtype"] == "bfloat16"
    assert result.steps == 2


def test_a_new_run_chooses_whatever_the_folder_recorded(
    overflowing: Path, tmp_path: Path, candidates: Callable[..., None]
) -> None:
    out = tmp_path / "run"
    candidates("bfloat16", "float32")
    interrupted(trainer(overflowing), out)
    candidates("float32")
    trainer(overflowing).train(BANK, None, out, overwrite=True)
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["dtype"] == "float32"


def test_a_named_dtype_that_fails_is_an_error_before_anything_is_written(
    overflowing: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="dtype 'float16': its log-likelihoods are not finite"):
        trainer(overflowing, "float16").train(BANK, None, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_estimate_of_memory_follows_the_dtype(
    overflowing: Path, candidates: Callable[..., None], bf16_speed: Callable[[float], None]
) -> None:
    def weights(dtype: DtypeName) -> int:
        run = trainer(overflowing, dtype).preflight(BANK).run
        assert run is not None
        assert run.memory is not None
        return run.memory.weights

    candidates("float16", "float32")
    assert 2 * weights("auto") == weights("float32")
    candidates("float32")
    bf16_speed(2.1)
    assert 2 * weights("auto") == weights("float32")


# --- devices -----------------------------------------------------------------------------


def test_a_device_that_is_none_or_not_here_is_refused(overflowing: Path) -> None:
    for device in ("gpu", 3, "cuda:99"):
        with pytest.raises(SettingsError, match=rf"device={device!r}"):
            trainer(overflowing, device=device)  # type: ignore[arg-type]


def test_the_cpu_is_taken_on_request_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process trains on the CPU and then on what transformers takes by itself."""
    settings = zhmcq.TrainingSettings()
    monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", "meta")  # stands for a GPU
    taken = []
    for device in (None, "cpu", None, "cpu"):
        arguments = training_arguments(settings, "unused", device=device)
        taken.append(arguments.device.type)
        assert arguments.n_gpu <= 1
    assert taken == ["meta", "cpu", "meta", "cpu"]


@pytest.mark.parametrize(
    ("taken", "name", "message"),
    [
        (
            "cuda:0",
            "cuda:1",
            "trains on cuda:0; set the environment variable CUDA_VISIBLE_DEVICES=1 before Python",
        ),
        ("cpu", "cuda", "trains on cpu; leave out use_cpu=True and the environment variable"),
        ("cuda:0", "mps", "trains on cuda:0; give device='cuda', or leave it out"),
    ],
)
def test_a_device_that_transformers_does_not_take_is_refused(
    taken: str, name: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        _arguments._refuse_other_device(torch.device(taken), name)
    for same in ("cuda", "cuda:0"):
        _arguments._refuse_other_device(torch.device("cuda:0"), same)


class AnotherLoads(TrainerCallback):
    """What a thread that loads a 16-bit model does to the process for a moment."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        torch.set_default_dtype(torch.bfloat16)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        torch.set_default_dtype(torch.float32)


def test_a_step_is_the_same_while_another_thread_loads_a_16_bit_model(
    overflowing: Path, tmp_path: Path
) -> None:
    # 303 tokens are supervised, a number that bf16 does not have.
    bank = [Question(f"q{n}", "誰？", ("甲" * 100, "乙"), answer=(0,)) for n in range(3)]
    losses, weights = [], []
    for name, callbacks in (("alone", []), ("beside", [AnotherLoads()])):
        run = zhmcq.LoraTrainer(
            overflowing,
            lora=zhmcq.LoraSettings(r=2, lora_dropout=0.0),
            training=zhmcq.TrainingSettings(
                max_steps=2, gradient_accumulation_steps=3, logging_steps=1, dtype="float32"
            ),
            prompt="zh-cloze",
            callbacks=callbacks,
        )
        try:
            result = run.train(bank, None, tmp_path / name)
        finally:
            torch.set_default_dtype(torch.float32)
        losses.append([entry["loss"] for entry in result.history if "loss" in entry])
        weights.append((result.adapter_dir / "adapter_model.safetensors").read_bytes())
    assert losses[0] == losses[1]
    assert weights[0] == weights[1]
