"""Stopping early, and by a progress function: the same after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import zhmcq
from conftest import unseen
from zhmcq import errors
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama
from zhmcq.training._loop import TrainingLoop
from zhmcq.training._run_folder import RunFolder
from zhmcq.training._watch import EarlyStopping

BANK = [Question(f"q{i}", f"{i}？", ("甲", "乙"), answer=(i % 2,)) for i in range(4)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


@pytest.mark.parametrize(
    ("accuracies", "over"),
    [
        ([], False),
        ([0.5], False),
        ([0.5, 0.4], False),
        ([0.5, 0.4, 0.5], True),  # as good is no better
        ([0.5, 0.4, 0.6], False),
        ([0.5, 0.4, 0.6, 0.5, 0.6], True),
    ],
)
def test_evaluations_in_a_row_without_a_better_accuracy_are_counted(
    accuracies: list[float], over: bool
) -> None:
    history: list[dict[str, Any]] = [{"loss": 1.0, "step": 1}]
    history += [{"eval_accuracy": value, "eval_loss": 1.0} for value in accuracies]
    assert EarlyStopping(2, "accuracy").is_over(history) is over


def test_a_loss_is_better_when_it_is_lower() -> None:
    falling = [{"eval_loss": 1.0}, {"eval_loss": 0.9}]
    assert not EarlyStopping(1, "loss").is_over(falling)
    assert EarlyStopping(1, "loss").is_over(falling[::-1])


def train(
    base: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, callbacks: Any = (), **settings: Any
) -> zhmcq.training.TrainingResult:
    """Eight epochs of one step, with accuracies that are best at step 2."""
    accuracies = dict(enumerate([0.25, 0.75, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0], start=1))

    def pretend(self: TrainingLoop) -> dict[str, float]:
        return {"accuracy": accuracies[self.state.global_step], "loss": 1.0}

    monkeypatch.setattr(TrainingLoop, "_validation_figures", pretend)
    values = {"num_train_epochs": 8, "save_steps": 1, "early_stopping_patience": 2, **settings}
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(**values),
        callbacks=callbacks,
    ).train(BANK, unseen(BANK), folder)


def test_a_run_stops_and_keeps_the_best_adapter(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train(base, tmp_path / "run", monkeypatch)
    assert (result.steps, result.best_step, result.accuracy) == (4, 2, 0.75)
    unstopped = train(base, tmp_path / "all", monkeypatch, early_stopping_patience=None)
    assert (unstopped.steps, unstopped.best_step) == (8, 5)


@pytest.mark.parametrize("last_checkpoint", [3, 4])
def test_a_resumed_run_goes_on_counting(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last_checkpoint: int
) -> None:
    from transformers import TrainerCallback

    class Cut(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == last_checkpoint:
                raise KeyboardInterrupt

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            raise KeyboardInterrupt  # stopped, but the adapter is not written yet

    with pytest.raises(KeyboardInterrupt):
        train(base, tmp_path / "run", monkeypatch, [Cut()])
    result = train(base, tmp_path / "run", monkeypatch)
    assert (result.steps, result.best_step, result.accuracy) == (4, 2, 0.75)
    evaluated = [h["step"] for h in result.history if "eval_accuracy" in h]
    assert evaluated == [1, 2, 3, 4]


def test_stopping_early_without_validation_questions_is_refused(base: Path, tmp_path: Path) -> None:
    settings = zhmcq.TrainingSettings(early_stopping_patience=2)
    with pytest.raises(errors.SettingsError, match="early_stopping_patience needs validation"):
        zhmcq.LoraTrainer(base, training=settings).train(BANK, None, tmp_path / "run")
    with pytest.raises(errors.SettingsError, match="early_stopping_patience=0"):
        zhmcq.TrainingSettings(early_stopping_patience=0)


def test_a_run_killed_after_it_had_stopped_does_not_train_on(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("killed before the adapter was written")

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save", killed)
        with pytest.raises(RuntimeError, match="killed"):
            train(base, tmp_path / "run", patch, save_steps=1000)
    result = train(base, tmp_path / "run", monkeypatch, save_steps=1000)
    assert (result.steps, result.best_step) == (4, 2)
    assert [e["step"] for e in result.history if "eval_accuracy" in e] == [1, 2, 3, 4]


def test_epochs_are_evaluated_once_where_they_are_asked_for(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train(base, tmp_path / "run", monkeypatch, eval_strategy="epoch")
    assert [e["step"] for e in result.history if "eval_accuracy" in e] == [1, 2, 3, 4]


def train_reported(base: Path, folder: Path, progress: Any) -> zhmcq.training.TrainingResult:
    """Three epochs of two steps, a checkpoint after every fifth step alone."""
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(
            num_train_epochs=3, per_device_train_batch_size=2, gradient_accumulation_steps=1,
            save_steps=5, learning_rate=1e-2,
        ),
    ).train(BANK, unseen(BANK), folder, progress=progress)  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(base: Path) -> Path:
    return train_reported(base, base.parent / "unbroken", None).adapter_dir


def weights(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


def test_steps_and_validation_questions_are_reported(base: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int, str]] = []
    train_reported(base, tmp_path / "run", lambda *call: calls.append(call))
    steps = [call for call in calls if call[2] == "train"]
    assert steps == [(step, 6, "train") for step in range(7)]
    # After each epoch's last step, before the next epoch's first.
    assert calls[calls.index((2, 6, "train")) + 1] == (0, 4, "validation")
    assert calls[calls.index((3, 6, "train")) - 1] == (4, 4, "validation")
    assert calls.count((4, 4, "validation")) == 3


@pytest.mark.parametrize("last", [(0, "train"), (4, "train"), (6, "train")])
def test_a_progress_function_that_raises_stops_a_run_that_can_be_resumed(
    base: Path, unbroken: Path, tmp_path: Path, last: tuple[int, str]
) -> None:
    class CancelledError(BaseException):
        pass

    def progress(done: int, total: int, stage: str) -> None:
        calls.append((done, stage))
        if (done, stage) == last:
            raise CancelledError

    calls: list[tuple[int, str]] = []
    with pytest.raises(CancelledError):
        train_reported(base, tmp_path / "run", progress)
    assert calls[-1] == last  # it is not called again
    assert not (tmp_path / "run" / "adapter_config.json").exists()
    steps: list[int] = []

    def count(done: int, total: int, stage: str) -> None:
        if stage == "train":
            steps.append(done)

    resumed = train_reported(base, tmp_path / "run", count)
    assert steps == list(range(last[0], 7))  # with a checkpoint of the very step
    assert weights(resumed.adapter_dir) == weights(unbroken)


def test_an_evaluation_can_be_cancelled_too(base: Path, unbroken: Path, tmp_path: Path) -> None:
    def progress(done: int, total: int, stage: str) -> None:
        if stage == "validation":
            raise OSError("nobody listens")

    with pytest.raises(OSError, match="nobody listens"):
        train_reported(base, tmp_path / "run", progress)
    resumed = train_reported(base, tmp_path / "run", None)
    assert weights(resumed.adapter_dir) == weights(unbroken)


def test_what_cannot_be_called_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.SettingsError, match="progress=3: expected a function"):
        zhmcq.LoraTrainer(base).train(BANK, None, tmp_path / "run", progress=3)  # type: ignore[arg-type]
