"""The best adapter so far is the one that the run stored, or the run is not resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

import zhmcq
from conftest import unseen
from zhmcq.errors import CheckpointError
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama
from zhmcq.training._best import BestAdapter, _digest, best_fault
from zhmcq.training._checkpoints import listed

BANK = QuestionBank(
    [Question(f"q{n}", f"第{n}題在哪裡？", ("甲", "乙"), "文章。", answer=(0,)) for n in range(4)]
)


class Model:
    """Saves its number in place of an adapter."""

    number = 0

    def save_pretrained(self, folder: Path, **_: Any) -> None:
        (folder / "adapter_model.safetensors").write_text(str(self.number), encoding="utf-8")


@pytest.fixture
def best(tmp_path: Path) -> BestAdapter:
    return BestAdapter(tmp_path / "best", "accuracy", Model(), "run 1")


def stored(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "best.json").read_text(encoding="utf-8"))
    return record


def test_a_better_evaluation_replaces_the_stored_adapter_and_an_equal_one_does_not(
    best: BestAdapter, tmp_path: Path
) -> None:
    expected = {1: 1, 2: 2, 3: 2, 4: 4}
    for step, (accuracy, loss) in enumerate([(0.5, 1.0), (0.6, 1.0), (0.6, 1.0), (0.6, 0.9)], 1):
        Model.number = step
        best.consider(step, {"accuracy": accuracy, "loss": loss})
        assert stored(tmp_path / "best")["step"] == expected[step]
        saved = (tmp_path / "best" / "adapter_model.safetensors").read_text(encoding="utf-8")
        assert saved == str(expected[step])


def test_what_is_not_as_it_was_stored_is_neither_replaced_nor_restored(
    best: BestAdapter, tmp_path: Path
) -> None:
    best.consider(1, {"accuracy": 0.5, "loss": 1.0})
    (tmp_path / "best" / "adapter_model.safetensors").write_text("another", encoding="utf-8")
    for call in (best.restore, lambda: best.consider(2, {"accuracy": 0.9, "loss": 1.0})):
        with pytest.raises(CheckpointError, match=r"adapter_model.safetensors is not as it was"):
            call()
    shutil.rmtree(tmp_path / "best")
    with pytest.raises(CheckpointError, match=r"best.json is missing"):
        best.restore()


def claim(accuracy: float) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        record = stored(folder)
        record["metrics"]["accuracy"] = accuracy
        (folder / "best.json").write_text(json.dumps(record), encoding="utf-8")

    return change


def flip_a_bit(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]))


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (flip_a_bit, "adapter_model.safetensors is not as it was written"),
    (lambda f: (f / "adapter_model.safetensors").unlink(), "adapter_model.safetensors is missing"),
    (lambda f: (f / "best.json").unlink(), "best.json is missing"),
    (lambda f: (f / "best.json").write_text('{"step": 1', encoding="utf-8"), "cannot be read"),
    (lambda f: (f / "best.json").write_text("[]", encoding="utf-8"), "cannot be read"),
    (lambda f: (f / "best.json").write_text("[" * 100_000, encoding="utf-8"), "cannot be read"),
    (claim(1.0), "best.json is not as it was written"),
    (shutil.rmtree, "it is missing"),
]


@pytest.mark.parametrize(("change", "expected"), FAULTS)
def test_a_changed_best_adapter_is_noticed(
    best: BestAdapter, tmp_path: Path, change: Callable[[Path], object], expected: str
) -> None:
    from zhmcq.manifest import file_sha256

    best.consider(1, {"accuracy": 0.5, "loss": 1.0})
    folder = tmp_path / "best"
    sha256 = file_sha256(folder / "best.json")
    assert best_fault(folder, "run 1", 1, sha256) is None
    assert best_fault(folder, "run 2", 1, sha256) == "best.json is of another run"
    change(folder)
    assert expected in str(best_fault(folder, "run 1", 1, sha256))


def test_a_later_evaluation_than_the_checkpoints_may_have_been_better(
    best: BestAdapter, tmp_path: Path
) -> None:
    best.consider(3, {"accuracy": 0.5, "loss": 1.0})
    assert best_fault(tmp_path / "best", "run 1", 2, None) is None
    assert best_fault(tmp_path / "best", "run 1", 3, None) == (
        "best.json is not as it was when the checkpoint of step 3 was written"
    )


class StopAfter(transformers.TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            raise KeyboardInterrupt


def train(base: Path, out: Path, *callbacks: Any) -> zhmcq.training.TrainingResult:
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=2, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(
            max_steps=3, eval_steps=1, save_steps=1, learning_rate=1e-2, use_cpu=True
        ),
        callbacks=callbacks,
    ).train(BANK, unseen(BANK[:2]), out)


def test_a_run_with_another_best_adapter_is_not_resumed(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base")
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(base, out, StopAfter(3))
    assert listed(out / "checkpoints" / "checkpoint-2")[1] is not None
    best = out / "checkpoints" / "best"
    shutil.copytree(best, tmp_path / "kept")
    for change in (shutil.rmtree, lambda f: (f / "best.json").unlink(), claim(0.25)):
        change(best)
        with pytest.raises(CheckpointError, match="another adapter than the run stored there"):
            train(base, out)
        shutil.rmtree(best, ignore_errors=True)
        shutil.copytree(tmp_path / "kept", best)
    assert train(base, out).steps == 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"files": [1]}, "expected an object as 'files', found [1]"),
        ({"step": "9"}, "expected a step as 'step', found '9'"),
        ({"metrics": []}, "expected an object as 'metrics', found []"),
        ({"metrics": {"accuracy": 1.0}}, "'metrics' lacks 'loss'"),
        (
            {"metrics": {"accuracy": 1.0, "loss": "low"}},
            "expected a number as 'loss' in 'metrics', found 'low'",
        ),
        (
            {"metrics": {"accuracy": 1.0, "loss": 1.0, "weight_of_sum": -2}},
            "'weight_of_sum' in 'metrics': Input should be greater than or equal to 0, found -2",
        ),
    ],
)
def test_a_record_with_the_right_hash_and_wrong_fields_is_a_fault(
    best: BestAdapter, tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    best.consider(1, {"accuracy": 0.5, "loss": 1.0})
    record = {**stored(tmp_path / "best"), **change}
    del record["sha256"]
    path = tmp_path / "best" / "best.json"
    path.write_text(json.dumps({**record, "sha256": _digest(record)}), encoding="utf-8")
    fault = best_fault(tmp_path / "best", "run 1", 1, None)
    assert fault == f"best.json cannot be used: {expected}"
