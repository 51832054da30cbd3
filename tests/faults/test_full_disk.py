"""A disk that is full: an error that names what could not be written, and nothing lost or left."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import zhmcq
from zhmcq.dataset import Splits
from zhmcq.errors import OutputError
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama

BANK = QuestionBank(
    [
        Question(f"q{n}", f"第{n}題？", ("甲", "乙", "丙"), f"第{n}篇。" * 20, answer=(0,))
        for n in range(100)
    ]
)
FULL = "No space left on device; free some space and run it again"

Disk = Callable[[int], Path]


def mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of so many kilobytes; called again, it gets that size."""
    folder = tmp_path / "disk"

    def make(size: int) -> Path:
        is_new = not folder.exists()
        folder.mkdir(exist_ok=True)
        if not mount(folder, f"{'' if is_new else 'remount,'}size={size}k"):
            pytest.skip("needs the right to mount a small disk")
        return folder

    yield make
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


def train(base: Path, out: Path) -> bytes:
    trainer = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=16, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(max_steps=2, save_steps=1, use_cpu=True),
    )
    folder = trainer.train(BANK[:4], None, out).adapter_dir
    return (folder / "adapter_model.safetensors").read_bytes()


def test_a_training_that_fills_the_disk_resumes_once_there_is_space(
    base: Path, disk: Disk, tmp_path: Path
) -> None:
    expected = train(base, tmp_path / "straight")
    # Each size stops it in another file: weights, tokenizer, optimizer, second checkpoint.
    for size in (100, 300, 600, 900):
        out = disk(size) / "run"
        with pytest.raises(OutputError, match=FULL):
            train(base, out)
    assert train(base, disk(10_000) / "run") == expected
    assert [path.name for path in (out).iterdir() if path.name.startswith(".")] == []


def test_a_merged_model_that_does_not_fit_leaves_nothing(
    base: Path, disk: Disk, tmp_path: Path
) -> None:
    train(base, tmp_path / "run")
    folder = disk(1000)
    with pytest.raises(OutputError, match=f"cannot write {folder}/merged: {FULL}"):
        zhmcq.Merger().merge(tmp_path / "run", folder / "merged", base_model=base)
    assert list(folder.iterdir()) == []


def test_results_that_do_not_fit_leave_the_older_ones(base: Path, disk: Disk) -> None:
    folder = disk(28)
    predictions = zhmcq.MCQPredictor(base).predict(BANK)
    writes: dict[str, Callable[[Path], object]] = {
        "a.xlsx": predictions.to_xlsx,
        "a.json": predictions.to_json,
        "data": Splits(BANK, QuestionBank([])).save,
    }
    (folder / "a.xlsx").write_text("older", encoding="utf-8")
    for name, write in writes.items():
        with pytest.raises(OutputError, match=f"cannot write {folder}/{name}: {FULL}"):
            write(folder / name)
    assert [path.name for path in folder.iterdir()] == ["a.xlsx"]
    assert (folder / "a.xlsx").read_text(encoding="utf-8") == "older"


def test_a_journal_that_does_not_fit_resumes_once_there_is_space(base: Path, disk: Disk) -> None:
    predictor = zhmcq.MCQPredictor(base)
    expected = predictor.predict(BANK)
    journal = disk(8) / "journal"
    with pytest.raises(OutputError, match=r"journal .* cannot be written: No space left"):
        predictor.predict(BANK, journal=journal)
    disk(1000)
    resumed = predictor.predict(BANK, journal=journal)
    assert [item.label for item in resumed] == [item.label for item in expected]


def test_a_disk_itself_is_refused_as_a_folder_to_replace_and_a_folder_on_it_is_not(
    disk: Disk,
) -> None:
    folder = disk(1000)
    splits = Splits(BANK[:2], QuestionBank([]))
    with pytest.raises(OutputError, match="it is the current folder or a mount point"):
        splits.save(folder)
    splits.save(folder / "data")
    assert [path.name for path in folder.iterdir()] == ["data"]
