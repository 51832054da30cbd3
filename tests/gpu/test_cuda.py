"""On a CUDA device: the dtype that is chosen, exact rows, quantised models, ``device="cpu"``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from families import make_model
from transformers import TrainerCallback

import zhmcq
from conftest import unseen
from zhmcq.encoding import EncodedQuestion
from zhmcq.modeling import _device
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama


@pytest.fixture(autouse=True)
def cuda() -> torch.device:
    """The CUDA device, its count of the most memory set back."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.device("cuda", torch.cuda.current_device())


PLACES = ("山上", "海邊", "家裡", "學校")
BANK = [
    Question(f"q{i}", f"{who}在哪裡？", PLACES, f"{who}今天一早就出門了。", answer=(i % 4,))
    for i, who in enumerate("子丑寅卯辰巳午未申酉戌亥")
]


def trainer(
    base: Path, *, settings: dict[str, Any] | None = None, **changes: Any
) -> zhmcq.LoraTrainer:
    training = zhmcq.TrainingSettings(
        num_train_epochs=1,
        gradient_accumulation_steps=4,
        learning_rate=5e-3,
        save_steps=2,
        eval_steps=2,
        **(settings or {}),
    )
    return zhmcq.LoraTrainer(
        base, lora=zhmcq.LoraSettings(r=4, lora_alpha=8), training=training, **changes
    )


def test_auto_takes_bf16_where_the_card_has_units_for_it(tmp_path: Path) -> None:
    predictor = zhmcq.MCQPredictor(tiny_llama(tmp_path / "base"))
    predictor.predict(BANK)
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    assert predictor.dtype == ("bfloat16" if native else "float16")


def test_a_model_that_overflows_in_fp16_is_used_in_fp32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import AutoModelForCausalLM

    base = tiny_llama(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.mul_(1e8)
    model.save_pretrained(base)
    monkeypatch.setattr(_device, "candidate_dtypes", lambda _d: (torch.float16, torch.float32))
    predictor = zhmcq.MCQPredictor(base)
    answers = [p.answer for p in predictor.predict(BANK)]
    assert predictor.dtype == "float32"
    assert caplog.text.count("cannot be used in float16") == 1
    on_cpu = zhmcq.MCQPredictor(base, device="cpu", dtype="float32").predict(BANK)
    assert answers == [p.answer for p in on_cpu]
    with pytest.raises(zhmcq.errors.ModelError, match="float16"):
        zhmcq.MCQPredictor(base, dtype="float16").predict(BANK)


def questions(lengths: list[int]) -> list[EncodedQuestion]:
    generator = torch.Generator().manual_seed(5)

    def ids(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, 97, (count,), generator=generator).tolist())

    passage = (1, *ids(30))
    return [
        EncodedQuestion(
            id=str(number),
            passage="shared" if number % 2 else "",
            prompt=passage + ids(length),
            candidates=tuple((*ids(2 + option), 2) for option in range(4)),
            answers=tuple((option,) for option in range(4)),
            target=0,
            normalization="mean",
        )
        for number, length in enumerate(lengths)
    ]


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3", "mistral"])
def test_tree_rows_score_as_one_sequence_at_a_time(family: str, cuda: torch.device) -> None:
    bank = questions([5, 9, 9, 14, 20, 33])
    model = make_model(family)
    alone = ScoringEngine(model, "flat", budget=1).scores(bank)  # on the CPU
    engine = ScoringEngine(model.to(cuda), "tree", budget=256)
    for scores, expected in zip(engine.scores(bank), alone, strict=True):
        assert scores == pytest.approx(expected, abs=1e-4)
    assert engine.layout == "tree"


def test_scores_in_bf16_are_near_those_in_fp32(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base")
    exact = zhmcq.MCQPredictor(base, dtype="float32").predict(BANK)
    rounded = zhmcq.MCQPredictor(base, dtype="bfloat16").predict(BANK)
    for one, other in zip(exact, rounded, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=0.05)


def test_scores_are_the_same_where_the_memory_of_the_card_runs_out(
    cuda: torch.device, caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes: dict[str, Any] = {"vocab_size": 32_000, "hidden_size": 128, "intermediate_size": 256}
    config = LlamaConfig(**sizes, num_hidden_layers=2, num_attention_heads=2)
    model: Any = LlamaForCausalLM(config)
    model = model.eval().to(cuda)
    encoded = questions([20] * 200)

    def scores(budget: int) -> tuple[list[Any], int]:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return ScoringEngine(model, "flat", budget).scores(
            encoded
        ), torch.cuda.max_memory_reserved()

    expected, together = scores(1_000_000)
    _, alone = scores(1)
    assert alone < together / 2
    share = (alone + together) / 2 / torch.cuda.mem_get_info(cuda)[1]
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(share, cuda)
    try:
        here, _ = scores(1_000_000)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, cuda)
    assert caplog.text.count("memory ran out: the token budget") == 1
    for row, other in zip(here, expected, strict=True):
        assert row == pytest.approx(other, abs=1e-3)


def test_attention_makes_no_plan_for_each_shape(tmp_path: Path) -> None:
    from torch.profiler import ProfilerActivity, profile

    base = tiny_llama(tmp_path / "base", hidden_size=128, num_attention_heads=2)
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        zhmcq.MCQPredictor(base, dtype="bfloat16").predict(BANK)
        trainer(base, settings={"dtype": "bfloat16"}).train(BANK, None, tmp_path / "adapter")
    names = {event.key for event in recorded.key_averages()}
    assert "aten::scaled_dot_product_attention" in names
    assert not [name for name in names if "cudnn_attention" in name]


def test_a_gradient_that_is_not_finite_is_named(tmp_path: Path) -> None:
    class Spoil(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            parameters = kwargs["model"].named_parameters()
            weights = next(values for name, values in parameters if "lora_B" in name)
            weights.register_hook(lambda gradient: gradient * float("nan"))

    with pytest.raises(zhmcq.errors.TrainingError, match=r"a gradient of .*lora_B.* not finite"):
        trainer(tiny_llama(tmp_path / "base"), callbacks=[Spoil()]).train(
            BANK, None, tmp_path / "adapter"
        )


def test_device_cpu_leaves_the_card_alone(tmp_path: Path) -> None:
    before = torch.cuda.memory_allocated()
    base = tiny_llama(tmp_path / "base")
    result = trainer(base, device="cpu").train(BANK, unseen(BANK[:4]), tmp_path / "adapter")
    merged = zhmcq.Merger(device="cpu").merge(
        tmp_path / "adapter", tmp_path / "merged", verify_with=BANK
    )
    zhmcq.MCQPredictor(merged.output_dir, device="cpu").predict(BANK)
    assert torch.cuda.max_memory_allocated() == before
    assert result.steps == 3


def test_one_process_trains_on_the_cpu_and_then_on_the_card(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base")
    devices: dict[str, str] = {}
    for device in ("cpu", "cuda", "cpu"):
        name = f"{device}-{len(devices)}"
        result = trainer(base, device=device).train(BANK, unseen(BANK[:4]), tmp_path / name)
        manifest = json.loads((result.adapter_dir / "zhmcq_manifest.json").read_text("utf-8"))
        devices[name] = manifest["training"]["device"]
    assert list(devices.values()) == ["cpu", "cuda", "cpu"]


@pytest.mark.parametrize("kind", ["full", "nf4", "int8"])
def test_the_whole_path_gives_one_set_of_answers(tmp_path: Path, kind: str) -> None:
    if kind != "full":
        pytest.importorskip("bitsandbytes")
    quantization = None if kind == "full" else zhmcq.QuantizationSettings(kind=kind)  # type: ignore[arg-type]
    base = tiny_llama(tmp_path / "base")
    trainer(base, quantization=quantization).train(BANK, unseen(BANK[:4]), tmp_path / "adapter")
    predictor = zhmcq.MCQPredictor(base, tmp_path / "adapter", quantization=quantization)
    tuned = predictor.predict(BANK)
    merged = zhmcq.Merger().merge(tmp_path / "adapter", tmp_path / "merged", verify_with=BANK)
    assert merged.verified == len(BANK)
    assert merged.answer_flips <= (0 if kind == "full" else 2)
    replies = predictor.predict(BANK, mode=zhmcq.GenerateSettings(constrain=True))
    same = sum(a.answer == b.answer for a, b in zip(tuned, replies, strict=True))
    assert same >= len(BANK) - 1


def test_no_tensor_on_the_card_has_64_bits(tmp_path: Path) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class NoDoubles(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):  # type: ignore[no-untyped-def]
            result = func(*args, **(kwargs or {}))
            for value in tree_leaves(result):
                if isinstance(value, torch.Tensor) and value.is_cuda:
                    assert value.dtype != torch.float64, func
            return result

    predictor = zhmcq.MCQPredictor(tiny_llama(tmp_path / "base"))
    with NoDoubles():  # type: ignore[no-untyped-call]
        predictor.predict(BANK)
