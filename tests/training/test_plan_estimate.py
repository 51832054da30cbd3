"""What a run will take, against what it took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import zhmcq
from zhmcq.encoding import Encoder
from zhmcq.encoding._batch import collate
from zhmcq.modeling import ModelSource, load_model, load_tokenizer
from zhmcq.modeling._load import load_skeleton
from zhmcq.prompts import get_prompt
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama
from zhmcq.training import MemoryEstimate, estimate_memory
from zhmcq.training import _plan as plan
from zhmcq.training._loop import objective_sum
from zhmcq.training._lora import attach_adapter
from zhmcq.training._plan import StepPlan

BANK = [
    Question(
        f"q{i}",
        f"{who}在哪裡？",
        ("山上", "海邊", "家裡的花園", "學校"),
        f"{'甲乙丙丁'[i // 2] * (9 + i)}和他的朋友今天都出門了。",
        answer=(i % 4,),
    )
    for i, who in enumerate("子丑寅卯辰巳午")
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Tokens enough that activations count for something beside the weights.
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama", num_hidden_layers=4)


def settings(**values: Any) -> zhmcq.TrainingSettings:
    return zhmcq.TrainingSettings(
        **{"gradient_accumulation_steps": 3, "num_train_epochs": 2, **values}
    )


@pytest.mark.parametrize("packing", ["tree", "flat"])
@pytest.mark.parametrize("objective", ["next_token", "contrastive"])
def test_steps_and_tokens_are_those_of_the_run(
    base: Path, tmp_path: Path, packing: Any, objective: Any
) -> None:
    trainer = zhmcq.LoraTrainer(
        base, training=settings(packing=packing, objective=objective), prompt="zh-cloze"
    )
    report = trainer.preflight(BANK)
    result = trainer.train(BANK, output_dir=tmp_path / "run")
    assert report.run is not None
    assert report.run.exact
    assert report.run.steps == result.steps == 6
    assert report.run.tokens_given == result.tokens_given
    assert report.run.tokens_computed == result.tokens_computed
    assert result.preflight.run == report.run


def test_a_long_run_is_estimated_from_some_of_its_steps(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(load_tokenizer(ModelSource(str(base))), get_prompt("zh-exam"))
    encoded, _ = encoder.encode([replace(q, id=f"{q.id}-{i}") for i in range(9) for q in BANK])
    whole = StepPlan.of(settings(num_train_epochs=3)).estimate(encoded)
    monkeypatch.setattr(plan, "MAX_PACKED", 20)
    part = StepPlan.of(settings(num_train_epochs=3)).estimate(encoded)
    assert (whole.steps, whole.exact, part.steps, part.exact) == (63, True, 63, False)
    assert part.tokens_given == pytest.approx(whole.tokens_given, rel=0.05)
    assert part.text().startswith("63 steps; about ")


def test_what_wider_passes_would_save_is_what_they_save(base: Path) -> None:
    encoder = Encoder(load_tokenizer(ModelSource(str(base))), get_prompt("zh-exam"))
    passages = ["甲" * 60, "乙" * 60, "丙" * 60, "丁" * 60]
    encoded, _ = encoder.encode(replace(q, passage=passages[i // 2]) for i, q in enumerate(BANK))
    # Two questions of one passage have more than 120 tokens together: each then reads it alone.
    narrow = settings(max_length=120, per_device_train_batch_size=1, gradient_accumulation_steps=4)
    wide = settings(max_length=120, per_device_train_batch_size=2, gradient_accumulation_steps=2)
    run, wider = (StepPlan.of(chosen).estimate(encoded) for chosen in (narrow, wide))
    assert (run.steps, run.tokens_given) == (wider.steps, wider.tokens_given)
    assert run.tokens_if_wider == wider.tokens_computed < run.tokens_computed
    assert run.saved_if_wider == 1 - wider.tokens_computed / run.tokens_computed
    assert run.text().splitlines()[-1] == (
        "with twice per_device_train_batch_size and half gradient_accumulation_steps, the same "
        f"steps would compute {run.saved_if_wider:.0%} fewer tokens, in more memory"
    )


def test_passes_that_hold_their_passages_whole_are_wide_enough(base: Path) -> None:
    encoder = Encoder(load_tokenizer(ModelSource(str(base))), get_prompt("zh-exam"))
    encoded, _ = encoder.encode(BANK)
    wide = settings(per_device_train_batch_size=2, gradient_accumulation_steps=2)
    run = StepPlan.of(wide).estimate(encoded)
    assert run.tokens_if_wider == run.tokens_computed
    assert run.saved_if_wider == 0
    assert len(run.text().splitlines()) == 1


def test_a_step_of_an_odd_number_of_passes_cannot_have_half_as_many(base: Path) -> None:
    encoder = Encoder(load_tokenizer(ModelSource(str(base))), get_prompt("zh-exam"))
    encoded, _ = encoder.encode(replace(q, passage="甲" * 60) for q in BANK)
    run = StepPlan.of(settings(max_length=120, gradient_accumulation_steps=3)).estimate(encoded)
    assert run.tokens_if_wider is None
    assert run.saved_if_wider == 0
    assert len(run.text().splitlines()) == 1


def test_steps_are_counted_as_transformers_does(base: Path) -> None:
    encoder = Encoder(load_tokenizer(ModelSource(str(base))), get_prompt("zh-exam"))
    encoded, _ = encoder.encode(BANK)
    assert StepPlan.of(settings(num_train_epochs=0.5)).estimate(encoded).steps == 2
    assert StepPlan.of(settings(max_steps=4)).estimate(encoded).steps == 4
    assert StepPlan.of(settings()).estimate(encoded, processes=2).steps == 4


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_activations_are_what_autograd_keeps(base: Path, dtype: Any, dropout: float) -> None:
    model, tokenizer = load_model(ModelSource(str(base)), dtype=dtype)
    lora = zhmcq.LoraSettings(r=8, lora_dropout=dropout)
    tuned = attach_adapter(model, lora).train()
    encoded, _ = Encoder(tokenizer, get_prompt("zh-exam")).encode(BANK[:2])
    ((rows,),) = StepPlan.of(settings()).groups(encoded)
    run = StepPlan.of(settings(num_train_epochs=1)).estimate(encoded)
    assert run.largest_pass == len(rows) * max(map(len, rows))
    memory = estimate_memory(tuned, settings(), run)

    parameters = {p.untyped_storage().data_ptr() for p in tuned.parameters()}
    stored: dict[int, Any] = {}

    def store(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            stored[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(store, lambda tensor: tensor):
        loss = objective_sum(tuned, [collate(rows, "tree")], encoded, "next_token")
    assert torch.isfinite(loss)
    measured = sum(storage.nbytes() for storage in stored.values())
    trained = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    copied = 2 * trained if dtype == "bfloat16" else 0  # of the adapter, in the model's dtype
    measured -= copied
    stored_size = 4 if dtype == "float32" else 2
    logits = run.head_positions * tuned.config.vocab_size * stored_size
    assert memory.head == logits
    # With dropout an fp32 model is counted generously.
    tolerance = 0.25 if dropout and dtype == "float32" else 0.05
    assert memory.activations == pytest.approx(measured - logits, rel=tolerance)
    assert memory.adapter == 16 * trained + copied
    total = sum(p.numel() for p in model.parameters())
    assert memory.weights == stored_size * (total - trained)


def test_memory_is_shown_in_one_line() -> None:
    memory = MemoryEstimate(2_000_000_000, 100_000_000, 500_000_000, 30_000_000)
    assert memory.total == 2_630_000_000
    assert memory.text() == (
        "about 2.6 GB of memory at most (weights 2, adapter with optimizer 0.1, activations 0.5, "
        "head 0.03)"
    )


def test_memory_of_a_process_counts_what_it_had_before_and_what_it_wastes() -> None:
    memory = MemoryEstimate(1_000_000_000, 1, 2, 3, gaps=300_000_000, process=700_000_000)
    assert memory.total == 2_000_000_006
    assert "gaps of the allocator 0.3, process before loading 0.7" in memory.text()


def test_weights_are_converted_before_there_is_anything_else_beside_them() -> None:
    small = MemoryEstimate(500, 10, 20, 30, conversion=1000, process=7)
    large = MemoryEstimate(500, 10, 2000, 30, conversion=1000, process=7)
    assert (small.total, large.total) == (1507, 2547)


def test_an_evaluation_is_in_place_of_what_training_takes() -> None:
    memory = MemoryEstimate(500, 10, 20, 30, gaps=5, evaluation=100)
    assert memory.total == 610


def test_tensors_on_a_card_are_counted_apart_from_the_process(base: Path) -> None:
    encoder = Encoder(load_tokenizer(ModelSource(str(base))), get_prompt("zh-exam"))
    encoded, _ = encoder.encode(BANK)
    run = StepPlan.of(settings()).estimate(encoded)
    skeleton = load_skeleton(ModelSource(str(base)), dtype=torch.float32)
    model = attach_adapter(skeleton, zhmcq.LoraSettings(r=8), initialised=False)
    stored: dict[str, Any] = {"process": 10**9, "stored": torch.bfloat16}
    card = estimate_memory(model, settings(), run, device="cuda", **stored)
    cpu = estimate_memory(model, settings(), run, device="cpu", **stored)
    assert (card.process, card.gaps, card.conversion) == (0, 0, 0)
    assert (cpu.process, cpu.conversion) == (1_080_000_000, cpu.weights // 2)
    assert card.head == 3 * 4 * run.head_positions * model.config.vocab_size == 3 * cpu.head
    # Each layer stores a row of the mask there: 4 layers, 4 bytes a number.
    assert card.activations - cpu.activations == run.largest_pass * 4 * 4 * run.longest_row


def test_activation_checkpointing_keeps_one_layer(base: Path) -> None:
    plain, saving = (
        zhmcq.LoraTrainer(base, training=settings(activation_checkpointing=on)).preflight(BANK)
        for on in (False, True)
    )
    assert plain.run is not None
    assert saving.run is not None
    assert plain.run.memory is not None
    assert saving.run.memory is not None
    assert saving.run.memory.activations < plain.run.memory.activations / 2
    assert saving.run.memory.weights == plain.run.memory.weights
