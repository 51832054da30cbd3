"""``overwrite=True`` removes what zhmcq wrote there, and never anything else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import zhmcq
from conftest import unseen
from zhmcq.dataset import Splits
from zhmcq.errors import OutputError, OutputExistsError, ReadError
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import save_bank
from zhmcq.reports import write_problems
from zhmcq.testing import tiny_llama

BANK = QuestionBank(
    [
        Question(f"q{n}", f"第{n}題在哪裡？", ("甲", "乙", "丙"), f"第{n}篇文章。", answer=(0,))
        for n in range(4)
    ]
)
ROWS = [["題號", "問題", "選項1", "選項2", "正確答案"], [1, "誰？", "甲", "乙", 1]]


def train(base: Path, out: Path, *, overwrite: bool = False, seed: int = 0) -> Path:
    trainer = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=2, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(max_steps=2, save_steps=1, seed=seed, use_cpu=True),
    )
    return trainer.train(BANK, unseen(BANK[:2]), out, overwrite=overwrite).adapter_dir


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``base``, ``run`` (of two steps) and ``merged``; tests work on copies."""
    folder = tmp_path_factory.mktemp("trained")
    base = tiny_llama(folder / "base")
    train(base, folder / "run")
    zhmcq.Merger().merge(folder / "run", folder / "merged", base_model=base)
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "work"))


def contents(folder: Path) -> dict[str, bytes]:
    """What lies below a folder, but for the lock files that come and go."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def refused(call: Callable[[], object], folder: Path, match: str) -> None:
    """The call is refused, and every file below the folder is what it was."""
    before = contents(folder)
    with pytest.raises(OutputExistsError, match=match):
        call()
    assert contents(folder) == before


def test_merging_into_the_folder_that_holds_the_adapter_is_refused(folder: Path) -> None:
    (folder / "run" / "notes.txt").write_text("mine", encoding="utf-8")
    shutil.move(folder / "run", folder / "out" / "adapter")

    def merge() -> None:
        base = folder / "base"
        out = folder / "out"
        zhmcq.Merger().merge(out / "adapter", out, base_model=base, overwrite=True)

    refused(merge, folder, r"holds what zhmcq did not write there \(adapter\)")


@pytest.mark.parametrize("out", ["run", "base", "."])
def test_merging_over_an_input_is_refused(folder: Path, out: str) -> None:
    for path in (folder / "run" / "run.json", folder / "run" / "checkpoints"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def merge() -> None:
        zhmcq.Merger().merge(
            folder / "run", folder / out, base_model=folder / "base", overwrite=True
        )

    refused(merge, folder, "this call reads|zhmcq did not write there")


def test_a_merged_model_is_replaced_but_not_with_a_strangers_file_in_it(folder: Path) -> None:
    def merge() -> None:
        merged = folder / "merged"
        zhmcq.Merger().merge(folder / "run", merged, base_model=folder / "base", overwrite=True)

    before = contents(folder / "merged")
    merge()
    assert contents(folder / "merged") == before
    (folder / "merged" / "NOTES.md").write_text("my words on this model", encoding="utf-8")
    refused(merge, folder, r"\(NOTES\.md\)")


def test_training_into_the_folder_of_its_own_base_is_refused(folder: Path) -> None:
    base = folder / "merged"  # it has a manifest of zhmcq
    refused(lambda: train(base, base, overwrite=True), folder, "this call reads .*merged")


def test_training_over_the_run_that_its_base_lies_in_is_refused(folder: Path) -> None:
    shutil.move(folder / "merged", folder / "run" / "merged")
    base = folder / "run" / "merged"
    refused(lambda: train(base, folder / "run", overwrite=True), folder, "this call reads .*merged")


@pytest.mark.parametrize(
    "stranger", ["notes.txt", "checkpoints/notes.txt", "checkpoints/checkpoint-2/notes.txt"]
)
def test_training_over_a_run_with_a_strangers_file_is_refused_by_its_name(
    folder: Path, stranger: str
) -> None:
    (folder / "run" / stranger).write_text("mine", encoding="utf-8")
    refused(
        lambda: train(folder / "base", folder / "run", overwrite=True),
        folder,
        rf"zhmcq did not write there \({stranger}\)",
    )


def test_training_over_a_run_replaces_all_of_it(folder: Path) -> None:
    before = contents(folder / "run")
    (folder / "run" / "README.md").write_text("an edited card", encoding="utf-8")
    train(folder / "base", folder / "run", overwrite=True, seed=7)
    after = contents(folder / "run")
    assert after.keys() == before.keys()
    assert after["adapter_model.safetensors"] != before["adapter_model.safetensors"]
    assert b"edited" not in after["README.md"]


@pytest.mark.parametrize("files", [("run.json",), ("zhmcq_manifest.json",), ("a.txt",)])
def test_files_that_only_look_like_those_of_a_run_stay(
    folder: Path, files: tuple[str, ...]
) -> None:
    out = folder / "mine"
    out.mkdir()
    for name in (*files, "data.xlsx"):
        (out / name).write_text("{}", encoding="utf-8")
    refused(lambda: train(folder / "base", out, overwrite=True), folder, "data.xlsx")


def test_splits_leave_the_workbook_that_lies_in_their_folder(
    tmp_path: Path, write_xlsx: Callable[..., Path]
) -> None:
    write_xlsx(ROWS, "data.xlsx")
    splits = Splits(BANK, QuestionBank([]))
    refused(
        lambda: splits.save(tmp_path, overwrite=True),
        tmp_path,
        r"zhmcq did not write there \(data\.xlsx\)",
    )


def test_splits_replace_splits_and_no_file_of_the_same_names(tmp_path: Path) -> None:
    splits = Splits(BANK, QuestionBank([]))
    splits.save(tmp_path / "data")
    splits.save(tmp_path / "data", prompt="zh-cloze", overwrite=True)
    (tmp_path / "data" / "questions.json").write_text('["mine"]', encoding="utf-8")
    refused(
        lambda: splits.save(tmp_path / "data", overwrite=True),
        tmp_path,
        r"\(questions\.json, train\.json, valid\.json\)",
    )


def test_no_result_is_written_over_the_file_that_the_questions_came_from(
    tmp_path: Path, write_xlsx: Callable[..., Path]
) -> None:
    source = write_xlsx(ROWS, "bank.xlsx")
    bank = zhmcq.DatasetBuilder().read(source)
    answer = zhmcq.Prediction("1", (0,), "1")
    predictions = zhmcq.Predictions(bank, (answer,))
    link = tmp_path / "link.xlsx"
    link.symlink_to(source)
    for path in (source, link):
        for write in (predictions.to_xlsx, predictions.to_csv, predictions.to_json):
            refused(lambda path=path, write=write: write(path), tmp_path, "this call reads")  # type: ignore[misc]
        refused(lambda path=path: write_problems(bank, path), tmp_path, "this call reads")  # type: ignore[misc]
    predictions.to_xlsx(tmp_path / "answers.xlsx")
    predictions.to_xlsx(tmp_path / "answers.xlsx")


def test_a_saved_bank_does_not_replace_the_json_it_was_read_from(tmp_path: Path) -> None:
    source = tmp_path / "bank.json"
    source.write_text(
        '[{"question": "誰？", "options": ["甲", "乙"], "answer": 0}]', encoding="utf-8"
    )
    bank = zhmcq.DatasetBuilder().read(source)
    assert len(bank) == 1
    refused(lambda: save_bank(bank, source), tmp_path, "this call reads")
    save_bank(bank, tmp_path / "saved.json")
    save_bank(zhmcq.DatasetBuilder().read(tmp_path / "saved.json"), tmp_path / "saved.json")


@pytest.mark.parametrize(
    "name",
    ["data/train.json", "merged/tokenizer.json", "run/README.md", "run/checkpoints/best/README.md"],
)
def test_a_folder_with_the_name_of_one_of_our_files_stays(folder: Path, name: str) -> None:
    splits = Splits(BANK, QuestionBank([]))
    splits.save(folder / "data")
    (folder / name).unlink()
    (folder / name).mkdir()
    (folder / name / "notes.txt").write_text("mine", encoding="utf-8")

    def overwrite() -> None:
        if name.startswith("data"):
            splits.save(folder / "data", overwrite=True)
        elif name.startswith("merged"):
            out, base = folder / "merged", folder / "base"
            zhmcq.Merger().merge(folder / "run", out, base_model=base, overwrite=True)
        else:
            train(folder / "base", folder / "run", overwrite=True)

    refused(overwrite, folder, rf"zhmcq did not write there \(.*{Path(name).name}\)")


def test_a_file_of_the_name_of_a_runs_lock_stays(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / ".lock").write_text("mine", encoding="utf-8")
    before = contents(folder)
    with pytest.raises(OutputError, match=r"\.lock is no lock file of zhmcq"):
        train(folder / "base", folder / "out")
    assert contents(folder) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_splits_over_a_pipe_are_refused_and_loading_it_is_an_error(tmp_path: Path) -> None:
    splits = Splits(BANK, QuestionBank([]))
    splits.save(tmp_path / "data")
    (tmp_path / "data" / "questions.json").unlink()
    os.mkfifo(tmp_path / "data" / "questions.json")
    with pytest.raises(ReadError, match="it is no file"):
        Splits.load(tmp_path / "data")
    refused(lambda: splits.save(tmp_path / "data", overwrite=True), tmp_path, "questions.json")


def test_a_run_that_begins_again_leaves_what_others_put_among_its_checkpoints(
    folder: Path,
) -> None:
    run = folder / "run"
    for path in run.iterdir():
        if path.name not in ("run.json", "checkpoints"):
            path.unlink()
    for path in (run / "checkpoints").iterdir():
        if path.name.startswith("checkpoint-"):
            shutil.rmtree(path)
    (run / "checkpoints" / "notes.txt").write_text("mine", encoding="utf-8")
    refused(lambda: train(folder / "base", run), folder, r"\(notes\.txt\)")
