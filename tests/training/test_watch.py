"""A run that goes wrong or is stopped says why, and leaves what can be gone on with."""

from __future__ import annotations

import logging
import os
import pickle
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

import zhmcq
from conftest import unseen
from zhmcq import errors
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama
from zhmcq.training import _loop as loop_module
from zhmcq.training._checkpoints import HASHES, Budgets, Checkpoints

PLACES = ("山上", "海邊", "家裡", "學校")
BANK = [
    Question(f"q{i}", f"{who}在哪裡？", PLACES, f"{who}今天出門了。", answer=(i % 4,))
    for i, who in enumerate("子丑寅卯辰巳午未")
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


def trainer(base: Path, *callbacks: TrainerCallback, **settings: Any) -> zhmcq.LoraTrainer:
    values = {"num_train_epochs": 3, "gradient_accumulation_steps": 4, "learning_rate": 1e-3}
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4),
        training=zhmcq.TrainingSettings(**{**values, "logging_steps": 1, **settings}),
        callbacks=callbacks,
    )


class At(TrainerCallback):
    """Does something as a step begins, or as an epoch ends."""

    def __init__(self, step: int, act: Any, event: str = "on_step_begin") -> None:
        def handle(args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == step:
                act(kwargs["model"])

        setattr(self, event, handle)


def adapter_bytes(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


def stop(_model: Any) -> None:
    raise KeyboardInterrupt


def press_ctrl_c(_model: Any) -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_saves_a_checkpoint_and_says_how_to_resume(base: Path, tmp_path: Path) -> None:
    # Step 3 is in the middle of an epoch: no evaluation belongs there.
    straight = trainer(base).train(BANK, unseen(BANK[:4]), tmp_path / "straight")
    stopped = trainer(base, At(2, press_ctrl_c))
    with pytest.raises(KeyboardInterrupt) as caught:
        stopped.train(BANK, unseen(BANK[:4]), tmp_path / "run")
    assert str(caught.value) == (
        "training was stopped after step 3 of 6; a checkpoint was saved, and the same call "
        "resumes from it (resume='auto')"
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    checkpoint = Checkpoints(tmp_path / "run" / "checkpoints").newest()
    assert checkpoint is not None
    assert checkpoint.name == "checkpoint-3"
    resumed = trainer(base).train(BANK, unseen(BANK[:4]), tmp_path / "run")
    assert adapter_bytes(tmp_path / "run") == adapter_bytes(tmp_path / "straight")
    assert (resumed.best_step, resumed.accuracy) == (straight.best_step, straight.accuracy)


def test_a_stopped_call_that_would_start_anew_is_told_how_to_go_on(
    base: Path, tmp_path: Path
) -> None:
    stopped = trainer(base, At(2, press_ctrl_c))
    with pytest.raises(KeyboardInterrupt, match=r"the same call without overwrite=True resumes"):
        stopped.train(BANK, None, tmp_path / "run", overwrite=True)
    with pytest.raises(errors.SettingsError, match=r"give only one of them"):
        trainer(base).train(BANK, None, tmp_path / "run", overwrite=True, resume=True)
    assert trainer(base).train(BANK, None, tmp_path / "run", resume=True).steps == 6


def test_a_second_ctrl_c_stops_at_once(base: Path, tmp_path: Path) -> None:
    def twice(model: Any) -> None:
        press_ctrl_c(model)
        press_ctrl_c(model)

    with pytest.raises(KeyboardInterrupt):
        trainer(base, At(2, twice)).train(BANK, unseen(BANK[:4]), tmp_path / "run")
    assert not list((tmp_path / "run" / "checkpoints").glob("checkpoint-*"))


def test_ctrl_c_in_the_last_step_lets_the_run_end(base: Path, tmp_path: Path) -> None:
    result = trainer(base, At(5, press_ctrl_c)).train(BANK, unseen(BANK[:4]), tmp_path / "run")
    assert result.steps == 6


def test_an_embedder_with_a_handler_of_its_own_keeps_it(base: Path, tmp_path: Path) -> None:
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, *_: pressed.append(number))
    try:
        result = trainer(base, At(2, press_ctrl_c)).train(BANK, None, tmp_path / "run")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (result.steps, pressed) == (6, [signal.SIGINT])


@pytest.mark.skipif(not hasattr(signal, "SIGTERM"), reason="needs SIGTERM")
def test_sigterm_saves_a_checkpoint_as_ctrl_c_does(base: Path, tmp_path: Path) -> None:
    def end(_model: Any) -> None:
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match="stopped after step 3 of 6; a checkpoint was"):
        trainer(base, At(2, end)).train(BANK, unseen(BANK[:4]), tmp_path / "run")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    trainer(base).train(BANK, unseen(BANK[:4]), tmp_path / "run")
    trainer(base).train(BANK, unseen(BANK[:4]), tmp_path / "straight")
    assert adapter_bytes(tmp_path / "run") == adapter_bytes(tmp_path / "straight")


@pytest.mark.parametrize("moment", ["before", "during"])
def test_a_handler_of_sigterm_that_the_application_sets_stays(
    base: Path, tmp_path: Path, moment: str
) -> None:
    came: list[int] = []

    def handler(number: int, *_: Any) -> None:
        came.append(number)

    def install(_model: Any = None) -> None:
        signal.signal(signal.SIGTERM, handler)

    def end(model: Any) -> None:
        if moment == "during":
            install()
        signal.raise_signal(signal.SIGTERM)

    if moment == "before":
        install()
    try:
        assert trainer(base, At(2, end)).train(BANK, None, tmp_path / "run").steps == 6
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert came == [signal.SIGTERM]


def test_a_callback_that_changes_the_working_directory_does_not_part_the_run(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    def change(_model: Any) -> None:
        monkeypatch.chdir(tmp_path / "elsewhere")

    result = trainer(base, At(2, change), save_steps=1).train(BANK, unseen(BANK[:4]), "run")
    assert result.adapter_dir == tmp_path / "run"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "run"]
    assert list((tmp_path / "elsewhere").iterdir()) == []
    monkeypatch.chdir(tmp_path)
    assert trainer(base).train(BANK, None, "again").adapter_dir == Path("again")


def test_trainings_in_threads_take_turns_and_end_as_each_alone(base: Path, tmp_path: Path) -> None:
    def run(name: str) -> bytes:
        # Dropout draws from the random state in every step.
        lora = zhmcq.LoraSettings(r=2, lora_dropout=0.5)
        settings = zhmcq.TrainingSettings(max_steps=4, learning_rate=1e-2)
        zhmcq.LoraTrainer(base, lora=lora, training=settings).train(BANK, None, tmp_path / name)
        return adapter_bytes(tmp_path / name)

    expected = run("alone")
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, ["a", "b", "c"])) == [expected] * 3


def test_a_training_within_a_training_is_refused(base: Path, tmp_path: Path) -> None:
    def another(_model: Any) -> None:
        trainer(base).train(BANK, None, tmp_path / "inner")

    with pytest.raises(errors.TrainingError, match="cannot start within another one"):
        trainer(base, At(2, another)).train(BANK, None, tmp_path / "outer")
    assert trainer(base).train(BANK, None, tmp_path / "outer").steps == 6


def test_a_run_cut_off_after_an_epochs_checkpoint_has_its_evaluation(
    base: Path, tmp_path: Path
) -> None:
    straight = trainer(base, save_steps=2).train(BANK, unseen(BANK[:4]), tmp_path / "straight")
    cut = trainer(base, At(4, stop, "on_epoch_end"), save_steps=2)
    with pytest.raises(KeyboardInterrupt):
        cut.train(BANK, unseen(BANK[:4]), tmp_path / "run")
    resumed = trainer(base, save_steps=2).train(BANK, unseen(BANK[:4]), tmp_path / "run")
    evaluated = [h["step"] for h in resumed.history if "eval_accuracy" in h]
    assert evaluated == [2, 4, 6]
    assert resumed.best_step == straight.best_step
    assert adapter_bytes(tmp_path / "run") == adapter_bytes(tmp_path / "straight")


def spoil_weight(model: Any) -> None:
    next(p for p in model.parameters() if p.requires_grad).data.fill_(float("nan"))


def spoil_gradient(model: Any) -> None:
    parameter = next(p for p in model.parameters() if p.requires_grad)
    parameter.register_hook(lambda gradient: gradient * float("inf"))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [(spoil_weight, "the loss is nan"), (spoil_gradient, "is not finite")],
)
def test_a_loss_that_is_not_finite_stops_with_the_steps_questions(
    base: Path, tmp_path: Path, spoil: Any, problem: str
) -> None:
    seen: list[str] = []

    class Watched(loop_module.TrainingLoop):
        def training_step(self, model: Any, inputs: Any, *args: Any) -> Any:
            seen[:] = [self.train_questions[index].id for index in inputs["indexes"]]
            return super().training_step(model, inputs, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop_module, "TrainingLoop", Watched)
        with pytest.raises(errors.TrainingError, match=f"step 4: .*{problem}") as caught:
            trainer(base, At(3, spoil), save_steps=1).train(
                BANK, unseen(BANK[:4]), tmp_path / "run"
            )
    assert f"questions of the step: {', '.join(seen)}. Check" in str(caught.value)
    assert "float32" not in str(caught.value)  # it is in fp32 already
    assert len(seen) == 4
    last = Checkpoints(tmp_path / "run" / "checkpoints").newest()
    assert last is not None
    assert last.name == "checkpoint-3"
    trainer(base, save_steps=1).train(BANK, unseen(BANK[:4]), tmp_path / "straight")
    trainer(base, save_steps=1).train(BANK, unseen(BANK[:4]), tmp_path / "run")
    assert adapter_bytes(tmp_path / "run") == adapter_bytes(tmp_path / "straight")


def test_scores_that_are_no_numbers_are_no_accuracy(base: Path, tmp_path: Path) -> None:
    # The last step of an epoch: nothing but the evaluation follows it.
    spoilt = trainer(base, At(5, spoil_weight, "on_step_end"), num_train_epochs=1, max_steps=5)
    expected = r"^after step 5, the scores of 4 questions .*\(v-q0, v-q1, v-q2, v-q3\), computed"
    with pytest.raises(errors.TrainingError, match=expected):
        spoilt.train(BANK, unseen(BANK[:4]), tmp_path / "run")
    assert not (tmp_path / "run" / "zhmcq_manifest.json").exists()


def test_weights_that_are_no_numbers_are_not_saved(base: Path, tmp_path: Path) -> None:
    for name, settings in (("checkpoint", {"save_steps": 3}), ("adapter", {"max_steps": 3})):
        spoilt = trainer(base, At(3, spoil_weight, "on_step_end"), **settings)
        with pytest.raises(errors.TrainingError, match=r"step 3 made weights that are not finite"):
            spoilt.train(BANK, None, tmp_path / name)
        assert not list((tmp_path / name).rglob("adapter_model.safetensors"))


def test_the_time_of_a_run_is_told_from_its_first_steps(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trainer(base).train(BANK, None, tmp_path / "run")
    (line,) = [text for text in caplog.messages if "timed on" in text]
    assert re.fullmatch(
        r"about .+ for the 2 steps that are left \(.+ each, timed on 3\), evaluations.*",
        line,
    )


class Harmful:
    def __reduce__(self) -> Any:
        return os.system, (f'{sys.executable} -c \'open("harm", "w")\'',)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_code_in_a_checkpoint_is_not_run(
    base: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trainer(base, At(3, stop), save_steps=2).train(BANK, None, tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoints" / "checkpoint-2"
    # Whoever can write the file can write its hash as well.
    (checkpoint / name).write_bytes(pickle.dumps(Harmful()))
    (checkpoint / HASHES).unlink()
    Checkpoints(checkpoint.parent).mark_complete(2, Budgets(512, 2048))
    with pytest.raises(errors.CheckpointError, match="more than tensors and plain values"):
        trainer(base, save_steps=2).train(BANK, None, tmp_path / "run")
    assert not (tmp_path / "harm").exists()
    pickle.loads((checkpoint / name).read_bytes())  # noqa: S301  the harm is real
    assert (tmp_path / "harm").exists()


def test_models_are_written_as_safetensors_only(base: Path, tmp_path: Path) -> None:
    trainer(base, save_steps=2).train(BANK, unseen(BANK[:4]), tmp_path / "run")
    zhmcq.Merger().merge(tmp_path / "run", tmp_path / "merged")
    for folder in (tmp_path / "run", tmp_path / "merged"):
        pickled = [
            path
            for path in folder.rglob("*")
            if path.is_file() and path.read_bytes()[:4] == b"PK\x03\x04" and "model" in path.name
        ]
        assert pickled == []
        assert list(folder.glob("*.safetensors"))
    outside = [path for path in (tmp_path / "run").iterdir() if path.suffix in (".bin", ".pt")]
    assert outside == []


HOLDER = """
import sys, time
from pathlib import Path
from zhmcq.training._run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_in_the_same_folder_is_refused_until_the_first_is_gone(
    base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE, encoding="utf-8"
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for overwrite in (False, True):
            with pytest.raises(
                errors.OutputError, match=r"another training run is writing to .*run"
            ):
                trainer(base).train(BANK, None, out, overwrite=overwrite)
        os.kill(holder.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    finally:
        holder.kill()
        holder.communicate()
    assert (out / ".lock").exists()
    result = trainer(base).train(BANK, None, out)
    assert result.steps == 6
    assert not (out / ".lock").exists()


def test_a_refused_run_leaves_no_folder(base: Path, tmp_path: Path) -> None:
    keyless = Question("k", "誰？", ("甲", "乙"))
    with pytest.raises(errors.PreflightError):
        trainer(base).train([keyless], None, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_loss_is_looked_at_before_the_step_is_taken(base: Path) -> None:
    from zhmcq.training._watch import refuse_non_finite_step

    class Pretended:
        class accelerator:  # noqa: N801
            scaler = object()

        class state:  # noqa: N801
            global_step = 7

        model = torch.nn.Linear(1, 1)

    Pretended.model.weight.grad = torch.tensor([[float("inf")]])
    # A scaler of fp16 losses looks for infinite gradients itself, and skips the step.
    refuse_non_finite_step(torch.tensor(1.0), Pretended(), [])
    with pytest.raises(errors.TrainingError, match="step 8: the loss is inf"):
        refuse_non_finite_step(torch.tensor(float("inf")), Pretended(), [])
