"""Passes keep to the token budget, and to rows that the model reads, in training as in scoring.

A question that exceeds the budget is learned from in pieces, exactly as in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

import zhmcq
from conftest import unseen
from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import Layout, PackedBatch, collate
from zhmcq.encoding._passes import PassPlan
from zhmcq.errors import ModelError, SettingsError
from zhmcq.modeling import _forward, _layout
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.testing import tiny_llama
from zhmcq.training import _loop
from zhmcq.training._loop import objective_sum
from zhmcq.training._watch import refuse_without_gradient

VOCABULARY = 50


def question(name: str, normalization: Any, count: int = 9) -> EncodedQuestion:
    return EncodedQuestion(
        id=name,
        passage="",
        prompt=(1, *range(5, 17), 3 + len(name)),
        candidates=tuple((20 + n, *range(30, 30 + n % 3), 2) for n in range(count)),
        answers=tuple((n,) for n in range(count)),
        target=4,
        normalization=normalization,
    )


QUESTIONS = [question("a", "mean", 14), question("bb", "sum", 6)]


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(2)
    base = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=64,
        )
    )
    lora = LoraConfig(
        r=4,
        target_modules=["q_proj", "v_proj", "down_proj"],
        lora_dropout=getattr(request, "param", 0.0),
        init_lora_weights=False,
    )
    return get_peft_model(base, lora).train()


def gradients(model: Any) -> torch.Tensor:
    parts = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return torch.cat(parts)


def learned(
    model: Any, passes: Sequence[Sequence[PackedBatch]], seed: int = 0
) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    torch.manual_seed(seed)
    total = 0.0
    for batches in passes:
        loss = objective_sum(model, batches, QUESTIONS, "contrastive") / len(QUESTIONS)
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total, gradients(model)


def collated(layout: Layout, budget: int) -> list[list[PackedBatch]]:
    groups = PassPlan(layout, budget).joint_groups(QUESTIONS)
    return [[collate(rows, layout) for rows in passes] for passes in groups]


def test_the_key_is_made_least_likely_where_it_is_to_be_that(model: Any) -> None:
    turned = replace(QUESTIONS[0], least_likely=True)
    batches = [collate(rows, "tree") for rows in PassPlan("tree", 10_000).groups([turned])]
    with torch.no_grad():
        (scores,) = ScoringEngine(model, packing="flat").scores([turned])
        loss = objective_sum(model, batches, [turned], "contrastive").item()
    # The engine's scores are minus the means of log-likelihoods, which go into the softmax.
    expected = -torch.log_softmax(torch.tensor(scores), dim=0)[turned.key_index].item()
    assert min(scores) > 0
    assert loss == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("layout", "counts"), [("tree", [2, 1]), ("flat", [7, 3]), ("equal", [8, 3])]
)
def test_pieces_have_the_loss_and_gradients_of_one_pass(
    model: Any, layout: Layout, counts: list[int]
) -> None:
    whole = collated("flat", 10_000)
    pieces = collated(layout, 40)
    assert [len(passes) for passes in whole] == [1]
    assert [len(passes) for passes in pieces] == counts
    assert max(b.input_ids.numel() for passes in pieces for b in passes) <= 40
    loss, gradient = learned(model, whole)
    cut_loss, cut_gradient = learned(model, pieces)
    assert cut_loss == pytest.approx(loss, abs=1e-6)
    assert float(gradient.norm()) > 1e-2
    assert torch.allclose(cut_gradient, gradient, atol=1e-6)


@pytest.mark.parametrize("model", [0.3], indirect=True)
def test_dropout_of_a_piece_is_the_same_when_it_is_computed_again(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pieces, held in memory until the backward pass, draw the same numbers."""
    pieces = collated("flat", 40)
    recomputed = learned(model, pieces)
    monkeypatch.setattr(_loop, "checkpoint", lambda f, *args, **_options: f(*args))
    held = learned(model, pieces)
    assert recomputed[0] == held[0]
    assert torch.equal(recomputed[1], held[1])
    assert learned(model, pieces, seed=1)[0] != held[0]


def test_only_one_piece_is_held_in_memory_at_a_time(model: Any) -> None:
    held = peak = 0

    class Stored:
        def __init__(self, tensor: torch.Tensor) -> None:
            nonlocal held, peak
            self.tensor = tensor
            held += tensor.numel()
            peak = max(peak, held)

        def __del__(self) -> None:
            nonlocal held
            held -= self.tensor.numel()

    def most_stored(budget: int) -> int:
        nonlocal held, peak
        held = peak = 0
        with torch.autograd.graph.saved_tensors_hooks(Stored, lambda stored: stored.tensor):
            for batches in collated("flat", budget):
                loss = objective_sum(model, batches, QUESTIONS, "contrastive")
                loss.backward()  # type: ignore[no-untyped-call]
        return peak

    assert most_stored(40) < most_stored(10_000) / 4


class WithoutDoubles(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What a device without float64 computes: any tensor of that dtype is an error."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in [*args, *(result if isinstance(result, tuple) else [result])]:
            if isinstance(value, torch.Tensor) and value.dtype == torch.float64:
                raise TypeError(f"{func}: this device has no float64")
        return result


@pytest.mark.parametrize("layout", ["tree", "flat"])
def test_neither_scoring_nor_a_step_needs_float64(model: Any, layout: Any) -> None:
    with WithoutDoubles():  # type: ignore[no-untyped-call]
        with pytest.raises(TypeError, match="no float64"):
            torch.ones(2).double()
        engine = ScoringEngine(model, layout, budget=40)
        assert len(engine.scores(QUESTIONS)) == 2
        optimizer = torch.optim.AdamW(model.parameters())
        learned(model, collated(layout, 40))
        optimizer.step()


def test_a_question_of_many_candidates_is_scored_within_the_budget(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    logits = _forward.token_logits

    def measured(model: Any, batch: PackedBatch, past: Any = None) -> torch.Tensor:
        sizes.append(batch.input_ids.numel())
        return logits(model, batch, past)

    large = EncodedQuestion(
        id="multiple",
        passage="",
        prompt=(1, *range(3, 40)),
        # Every subset of ten options but the empty one, as ids 3 … 12 and an end.
        candidates=tuple(
            (*(3 + n for n in range(10) if subset >> n & 1), 2) for subset in range(1, 1024)
        ),
        answers=((0,),) * 1023,
        target=None,
        normalization="sum",
    )
    others = [QUESTIONS[0], large, QUESTIONS[1]]
    engine = ScoringEngine(model, "tree", budget=400)
    engine.resolve(others)
    monkeypatch.setattr(_forward, "token_logits", measured)
    scored = [index for done in engine.stream(others) for index, _ in done]
    assert sorted(scored) == [0, 1, 2]
    assert max(sizes) <= 400
    expected = ScoringEngine(model, "tree", budget=100_000).scores(others)
    assert max(sizes) > 1023
    for scores, reference in zip(engine.scores(others), expected, strict=True):
        assert scores.tolist() == pytest.approx(reference.tolist(), abs=1e-4)
    assert engine.stats.questions == 6


BANK = [
    zhmcq.Question(f"q{n}", f"{who}在哪裡？", ("山上", "海邊", "家裡的花園"), answer=(n % 3,))
    for n, who in enumerate("甲乙丙丁")
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose numbers depend on how long a row is, and whose rows are never padded."""
    dynamic = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}
    folder = tmp_path_factory.mktemp("base") / "dynamic"
    return tiny_llama(folder, max_position_embeddings=16, rope_parameters=dynamic)


def trainer(base: Path) -> zhmcq.LoraTrainer:
    settings = zhmcq.TrainingSettings(
        objective="contrastive", gradient_accumulation_steps=2, num_train_epochs=1, max_length=64
    )
    return zhmcq.LoraTrainer(base, training=settings, prompt="zh-cloze")


def test_a_model_that_needs_rows_of_one_length_is_trained_with_them(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = trainer(base).preflight(BANK, unseen(BANK[:2]))
    result = trainer(base).train(BANK, unseen(BANK[:2]), tmp_path / "run")
    predictor = zhmcq.MCQPredictor(base, adapter=tmp_path / "run")
    assert predictor.predict(BANK).stats.tokens_computed == result.tokens_computed
    assert report.run is not None
    assert report.run == result.preflight.run
    assert report.run.tokens_computed == report.run.tokens_given == result.tokens_given
    # Two candidates have 17 ids with their prompt, the third has 20.
    assert (report.run.largest_pass, report.run.longest_row) == (32, 19)
    warned = [record for record in caplog.records if "are not padded" in record.getMessage()]
    assert len(warned) == 2  # once for the trainer's model, once for the predictor's


def test_a_model_that_is_refused_leaves_no_folder(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: Any) -> Any:
        raise ModelError("it is not causal")

    monkeypatch.setattr(_layout, "_decide", refuse)
    with pytest.raises(ModelError, match="not causal"):
        trainer(base).train(BANK, None, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_layers_that_take_no_part_in_the_loss_are_named(model: Any) -> None:
    trained = torch.nn.Linear(2, 2)
    model.requires_grad_(False)
    model.vision = trained
    loss = objective_sum(model, collated("flat", 10_000)[0], QUESTIONS, "contrastive")
    with pytest.raises(SettingsError, match=r"does not depend .*: vision\.weight, vision\.bias\. "):
        refuse_without_gradient(loss, model)
