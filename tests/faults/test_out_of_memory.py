"""Memory that runs out is no end: the same answers and weights, or an error with its remedy."""

from __future__ import annotations

import copy
import functools
import gc
import json
import logging
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaForCausalLM, TrainerCallback

import zhmcq
from conftest import unseen
from zhmcq.errors import ModelError, OutOfMemoryError
from zhmcq.modeling import _decoding, _layout
from zhmcq.prediction import Predictions
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama

PLACES = ("山上", "海邊", "家裡", "學校")
WHO = "甲乙丙"
# Three passages: of two questions, of two and of one, and the last the longest.
BANK = QuestionBank(
    [
        Question(
            f"q{n}",
            f"第{n}題，在哪裡？",
            PLACES,
            f"{WHO[n // 2]}在{PLACES[n % 4]}。" * (1 + n // 2),
            answer=(n % 4,),
        )
        for n in range(5)
    ]
)
VALID = unseen(BANK[:3])
ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.97 GB, max allowed: 18.13 GB)."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


class Faults:
    """Counts the passes of models, and has memory run out in some of them.

    Attributes:
        fails: Called with what a pass is, its number and its tokens; its error is raised.
        passes: What was computed so far, "learning" and "scoring" being forward passes and
            "backward" the others, and how many tokens they have (0 of a backward pass).
        raised: How often memory has run out.
    """

    def __init__(self) -> None:
        self.reset(lambda *_: None)

    def reset(self, fails: Callable[[str, int, int], BaseException | None]) -> None:
        self.fails = fails
        self.passes: list[tuple[str, int]] = []
        self.raised = 0

    def at(self, number: int) -> None:
        """Have memory run out in one pass, counted from 0."""
        self.reset(lambda _, n, __: ERRORS[n % len(ERRORS)] if n == number else None)

    def beyond(self, tokens: int) -> None:
        """Have memory run out in every forward pass of more tokens, padding included."""
        self.reset(lambda _, __, n: ERRORS[0] if n > tokens else None)

    def largest(self, kind: str) -> int:
        """The most tokens of a pass so far."""
        return max(tokens for name, tokens in self.passes if name == kind)

    def arrive(self, kind: str, tokens: int) -> None:
        error = self.fails(kind, len(self.passes), tokens)
        self.passes.append((kind, tokens))
        if error is not None:
            self.raised += 1
            raise error


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    faults = Faults()
    forward: Any = LlamaForCausalLM.forward
    backward: Any = torch.Tensor.backward

    @functools.wraps(forward)
    def counted_forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        kind = "learning" if torch.is_grad_enabled() else "scoring"
        faults.arrive(kind, kwargs["input_ids"].numel())
        return forward(self, *args, **kwargs)

    def counted_backward(self: Any, *args: Any, **kwargs: Any) -> Any:
        backward(self, *args, **kwargs)
        faults.arrive("backward", 0)  # now that it has added to every gradient

    monkeypatch.setattr(LlamaForCausalLM, "forward", counted_forward)
    monkeypatch.setattr(torch.Tensor, "backward", counted_backward)
    return faults


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


def forget_checks() -> None:
    """Have layout and decoding of a model that was used already checked again."""
    _layout._decided.clear()
    _decoding._decided.clear()


def assert_same(predictions: Predictions, expected: Predictions) -> None:
    for item, other in zip(predictions, expected, strict=True):
        assert (item.id, item.answer, item.status) == (other.id, other.answer, other.status)
        assert item.reply == other.reply
        assert item.scores == pytest.approx(other.scores, abs=1e-5)


MODES: dict[str, dict[str, Any]] = {
    "scores": {},
    "rows": {"mode": zhmcq.ScoreSettings(packing="flat")},
    "orders": {"orders": 3},
    "replies": {"mode": zhmcq.GenerateSettings(max_new_tokens=4)},
    "constrained": {"mode": zhmcq.GenerateSettings(constrain=True)},
    "reasoning": {"mode": zhmcq.GenerateSettings(constrain=True, reasoning_tokens=2)},
}


@pytest.mark.parametrize("mode", MODES)
def test_answers_are_the_same_whichever_forward_pass_runs_out_of_memory(
    base: Path, tmp_path: Path, faults: Faults, mode: str
) -> None:
    predictor = zhmcq.MCQPredictor(base, batch_size=3)
    forget_checks()
    expected = predictor.predict(BANK, **MODES[mode])
    count = len(faults.passes)
    assert count > 6
    seen: list[int] = []
    for number in range(count):
        forget_checks()
        predictor._fitting.clear()
        faults.at(number)
        journal = tmp_path / f"{number}.jsonl"
        assert_same(
            predictor.predict(
                BANK, **MODES[mode], journal=journal, progress=lambda done, *_: seen.append(done)
            ),
            expected,
        )
        assert faults.raised == 1
        assert seen == sorted(seen)
        assert seen[-1] == len(BANK)
        seen.clear()
        records = [json.loads(line) for line in journal.read_text("utf-8").splitlines()[1:]]
        assert sorted(record["id"] for record in records) == [f"q{n}" for n in range(5)]
        faults.reset(lambda *_: pytest.fail("expected every answer to come from the journal"))
        assert_same(predictor.predict(BANK, **MODES[mode], journal=journal), expected)


def test_a_smaller_budget_is_said_once_and_kept_by_the_predictor(
    base: Path, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    predictor = zhmcq.MCQPredictor(base, batch_size=4)
    expected = predictor.predict(BANK)
    largest = faults.largest("scoring")
    faults.beyond(largest // 2)
    with caplog.at_level(logging.WARNING, "zhmcq"):
        assert_same(predictor.predict(BANK), expected)
        assert faults.raised > 0
        faults.beyond(largest // 2)
        assert_same(predictor.predict(BANK), expected)
    assert faults.raised == 0
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert re.fullmatch(
        r"memory ran out: the token budget of a forward pass is lowered from \d+ to \d+ from here "
        r"on, which gives the same results and takes longer\. So that memory does not run out, "
        r"give MCQPredictor\(…, batch_size=[12]\)",
        said[0],
    )


def test_a_smaller_batch_of_replies_is_said_once_and_kept_by_the_predictor(
    base: Path, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    predictor = zhmcq.MCQPredictor(base, batch_size=5)
    settings = zhmcq.GenerateSettings(max_new_tokens=3)
    expected = predictor.predict(BANK, settings)
    largest = faults.largest("scoring")
    faults.beyond(largest // 2)
    with caplog.at_level(logging.WARNING, "zhmcq"):
        assert_same(predictor.predict(BANK, settings), expected)
        faults.beyond(largest // 2)
        assert_same(predictor.predict(BANK, settings), expected)
    assert faults.raised == 0
    (said,) = (record.getMessage() for record in caplog.records)
    assert said == (
        "memory ran out: the batch size is lowered from 5 to 2 from here on, which gives the same "
        "results and takes longer. So that memory does not run out, give MCQPredictor(…, "
        "batch_size=2)"
    )


@pytest.mark.parametrize("mode", ["scores", "rows", "orders", "replies", "constrained"])
def test_what_cannot_be_cut_is_an_error_after_which_the_journal_is_resumed(
    base: Path, tmp_path: Path, faults: Faults, mode: str
) -> None:
    predictor = zhmcq.MCQPredictor(base, batch_size=4)
    expected = predictor.predict(BANK, **MODES[mode])
    longest = max(len(question.passage) for question in BANK)
    journal = tmp_path / "journal.jsonl"
    faults.beyond(longest)  # less than its prompt
    with pytest.raises(
        OutOfMemoryError,
        match=r"memory ran out in .* \d+ tokens.*, which cannot be cut further: .*lower max_length,"
        r" give a quantization .*take a smaller model.*\(CUDA out of memory",
    ):
        predictor.predict(BANK, **MODES[mode], journal=journal)
    faults.reset(lambda *_: None)
    assert_same(predictor.predict(BANK, **MODES[mode], journal=journal), expected)


def test_an_interrupt_while_a_pass_is_computed_again_leaves_journal_and_predictor_right(
    base: Path, tmp_path: Path, faults: Faults
) -> None:
    predictor = zhmcq.MCQPredictor(base, batch_size=2)
    expected = predictor.predict(BANK)
    journal = tmp_path / "journal.jsonl"
    faults.reset(lambda _, n, __: {1: ERRORS[0], 3: KeyboardInterrupt()}.get(n))
    with pytest.raises(KeyboardInterrupt):
        predictor.predict(BANK, journal=journal)
    assert faults.raised == 2
    faults.reset(lambda *_: None)
    assert_same(predictor.predict(BANK, journal=journal), expected)
    assert_same(predictor.predict(BANK), expected)


def test_a_journal_whose_dtype_does_not_fit_leaves_the_predictor_as_it_was(
    base: Path, tmp_path: Path, faults: Faults
) -> None:
    journal = tmp_path / "journal.jsonl"
    zhmcq.MCQPredictor(base, dtype="float16").predict(BANK[:1], journal=journal)
    predictor = zhmcq.MCQPredictor(base, batch_size=2)
    expected, dtype = predictor.predict(BANK[:1]), predictor.dtype
    faults.beyond(0)
    message = r"while answering: lower max_length, give a quantization, take a smaller model"
    with pytest.raises(OutOfMemoryError, match=message):
        predictor.predict(BANK[:1], journal=journal)
    faults.reset(lambda *_: None)
    assert predictor.dtype == dtype != "float16"
    assert_same(predictor.predict(BANK[:1]), expected)


def test_another_error_of_torch_is_not_taken_for_it(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("shapes do not fit")

    predictor = zhmcq.MCQPredictor(base)
    predictor.predict(BANK)
    monkeypatch.setattr(LlamaForCausalLM, "forward", fail)
    with pytest.raises(ModelError, match="shapes do not fit"):
        predictor.predict(BANK)


def trainer(base: Path, callbacks: Any = (), **settings: Any) -> zhmcq.LoraTrainer:
    given: dict[str, Any] = {
        "per_device_train_batch_size": 3,
        "gradient_accumulation_steps": 1,
        "per_device_eval_batch_size": 3,
        "max_steps": 2,
        # Plain gradient descent: Adam and clipping hide gradients that are too large.
        "optim": "sgd",
        "max_grad_norm": 0,
        "learning_rate": 0.1,
        "max_length": 64,
        "logging_steps": 1,
        "use_cpu": True,
    }
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=2, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(**(given | settings)),
        callbacks=callbacks,
    )


def curve(result: Any) -> list[dict[str, float]]:
    """Losses and metrics of a run, without times and what a resumed run counts from its start."""
    times = ("runtime", "per_second", "flos", "epoch", "train_loss")
    return [
        {name: value for name, value in entry.items() if not any(t in name for t in times)}
        for entry in result.history
    ]


def assert_same_weights(result: Any, expected: Any) -> None:
    here, there = (
        load_file(r.adapter_dir / "adapter_model.safetensors") for r in (result, expected)
    )
    assert here.keys() == there.keys()
    for name, tensor in here.items():
        torch.testing.assert_close(tensor, there[name], rtol=0, atol=1e-5)


def assert_same_run(result: Any, expected: Any) -> None:
    assert_same_weights(result, expected)
    assert curve(result) == [pytest.approx(entry, abs=1e-4) for entry in curve(expected)]
    assert (result.best_step, result.accuracy) == (expected.best_step, expected.accuracy)
    assert result.tokens_given == expected.tokens_given


@pytest.mark.parametrize("objective", ["next_token", "contrastive"])
def test_weights_and_metrics_are_the_same_whichever_pass_runs_out_of_memory(
    base: Path, tmp_path: Path, faults: Faults, objective: str
) -> None:
    run = trainer(base, objective=objective, save_strategy="no")
    expected = run.train(BANK, VALID, tmp_path / "expected")
    gc.collect()
    gc.freeze()  # what training loads: each error is followed by a collection, which would walk it
    kinds = [kind for kind, _ in faults.passes]
    assert kinds.count("scoring") >= 7
    assert kinds.count("backward") >= 2
    for number in range(len(kinds)):
        if objective == "contrastive" and kinds[number] == "scoring":
            continue  # as with the other objective
        faults.at(number)
        assert_same_run(run.train(BANK, VALID, tmp_path / f"{number}"), expected)
        assert faults.raised == 1


def test_with_the_optimizer_and_rate_of_the_recipe_the_weights_are_the_same(
    base: Path, tmp_path: Path, faults: Faults
) -> None:
    recipe: dict[str, Any] = {"optim": "adamw_torch", "learning_rate": 1e-4, "max_grad_norm": 1.0}
    run = trainer(base, max_steps=4, **recipe)
    expected = run.train(BANK, None, tmp_path / "expected")
    limit = faults.largest("learning") // 2
    faults.reset(lambda kind, _, n: ERRORS[0] if kind == "learning" and n > limit else None)
    assert_same_run(run.train(BANK, None, tmp_path / "lowered"), expected)
    assert faults.raised > 0


def test_a_step_draws_the_dropout_that_it_would_have_drawn_with_the_smaller_budget(
    base: Path, tmp_path: Path, faults: Faults
) -> None:
    def weights(name: str, batch_size: int) -> dict[str, torch.Tensor]:
        step = {"per_device_train_batch_size": batch_size}
        step["gradient_accumulation_steps"] = 6 // batch_size
        run = trainer(base, **step)
        run.lora = zhmcq.LoraSettings(r=2, lora_dropout=0.5)
        folder = run.train(BANK, None, tmp_path / name).adapter_dir
        return load_file(folder / "adapter_model.safetensors")

    small = weights("small", 1)
    limit = faults.largest("learning")
    faults.reset(lambda kind, _, n: ERRORS[0] if kind == "learning" and n > limit else None)
    lowered = weights("lowered", 2)
    assert faults.raised > 0
    for name, tensor in small.items():
        assert torch.equal(tensor, lowered[name])


def test_a_run_is_interrupted_while_memory_runs_out_and_resumed_with_the_smaller_budget(
    base: Path, tmp_path: Path, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    run = trainer(base, max_steps=3, save_steps=1, eval_steps=1)
    expected = run.train(BANK, VALID, tmp_path / "expected")
    limit = min(tokens for kind, tokens in faults.passes if kind == "learning") - 1

    def interrupts(kind: str, _: int, tokens: int) -> BaseException | None:
        if kind != "learning" or tokens <= limit:
            return None
        signal.raise_signal(signal.SIGINT)
        return ERRORS[0]

    faults.reset(interrupts)
    with (
        caplog.at_level(logging.WARNING, "zhmcq"),
        pytest.raises(KeyboardInterrupt, match=r"stopped after step 1 of 3; a checkpoint was save"),
    ):
        run.train(BANK, VALID, tmp_path / "run")
    assert faults.raised == 1
    (said,) = (text for text in caplog.messages if text.startswith("memory ran out"))
    assert said == (
        "memory ran out: the token budget of a forward pass in training is lowered from 192 to 96 "
        "from here on, which gives the same results and takes longer. So that memory does not run "
        "out, give TrainingSettings(per_device_train_batch_size=1, gradient_accumulation_steps=3), "
        "with which a step has as many questions"
    )
    saved = tmp_path / "run" / "checkpoints" / "checkpoint-1" / "zhmcq_checkpoint.json"
    budgets = json.loads(saved.read_text("utf-8"))["budgets"]
    assert budgets == {"training": 96, "evaluation": 192}

    # The budget of the settings would exceed the memory in both steps that are left.
    faults.reset(lambda kind, _, n: ERRORS[0] if kind == "learning" and n > limit else None)
    resumed = run.train(BANK, VALID, tmp_path / "run")
    assert faults.raised == 0
    assert_same_weights(resumed, expected)
    assert curve(resumed) == [pytest.approx(entry, abs=1e-4) for entry in curve(expected)]


@pytest.mark.parametrize("kind", ["learning", "backward"])
def test_a_question_that_does_not_fit_alone_ends_training_with_an_error(
    base: Path, tmp_path: Path, faults: Faults, kind: str
) -> None:
    def fails(present: str, *_: int) -> BaseException | None:
        return ERRORS[0] if present == kind else None

    faults.reset(fails)
    with pytest.raises(
        OutOfMemoryError,
        match=r"memory ran out in training, in a forward and backward pass of \d+ tokens for 'q\d'"
        r", which cannot be cut further: give activation_checkpointing=True, lower max_length, "
        r"give a quantization .*, take a smaller model, or close other programs \(CUDA out of",
    ):
        trainer(base).train(BANK, None, tmp_path / "run")
    faults.reset(lambda *_: None)
    trainer(base).train(BANK, None, tmp_path / "run")


def test_a_check_of_the_model_that_does_not_fit_is_an_error_before_anything_is_written(
    base: Path, tmp_path: Path, faults: Faults
) -> None:
    faults.beyond(0)
    message = "while training: lower max_length, give a quantization, take a smaller model, or"
    with pytest.raises(OutOfMemoryError, match=message):
        trainer(base).train(BANK, VALID, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_optimizer_that_does_not_fit_is_an_error_with_its_advice(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ERRORS[0]

    monkeypatch.setattr(torch.optim.AdamW, "step", fail)
    with pytest.raises(
        OutOfMemoryError,
        match=r"while training, outside of forward and backward passes: lower r in LoraSettings or "
        r"name fewer target_modules, give optim='adamw_bnb_8bit'",
    ):
        trainer(base, optim="adamw_torch").train(BANK, None, tmp_path / "run")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:20] or "MemoryError")
def test_what_a_callback_raises_reaches_the_caller_as_it_is(
    base: Path, tmp_path: Path, error: Exception
) -> None:
    class Broken(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            raise raised

    raised = copy.copy(error)
    with pytest.raises(type(error)) as caught:
        trainer(base, callbacks=[Broken()]).train(BANK, None, tmp_path / "run")
    assert caught.value is raised


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:20] or "MemoryError")
def test_weights_that_do_not_fit_are_an_error_of_each_step(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    loading = r"memory ran out while loading '.*llama': take a 16-bit dtype, a quantization such as"
    for owner, name in ((AutoModelForCausalLM, "from_pretrained"), (LlamaForCausalLM, "to")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(OutOfMemoryError, match=loading):
                zhmcq.MCQPredictor(base)
            with pytest.raises(OutOfMemoryError, match=loading):
                trainer(base).train(BANK, None, tmp_path / "run")


def test_an_adapter_or_a_merge_that_does_not_fit_is_an_error_that_changes_nothing(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ERRORS[0]

    adapter = trainer(base).train(BANK, None, tmp_path / "run").adapter_dir
    predictor = zhmcq.MCQPredictor(base)
    expected = predictor.predict(BANK)
    with monkeypatch.context() as patch:
        patch.setattr("peft.set_peft_model_state_dict", fail)
        with pytest.raises(OutOfMemoryError, match="while loading the adapter: give a quantiz"):
            predictor.use_adapter(adapter)
    assert_same(predictor.predict(BANK), expected)
    with monkeypatch.context() as patch:
        patch.setattr(LlamaForCausalLM, "forward", fail)
        with pytest.raises(OutOfMemoryError, match="while merging: give device='cpu'"):
            zhmcq.Merger().merge(adapter, tmp_path / "merged", base_model=base)
    assert not (tmp_path / "merged").exists()
