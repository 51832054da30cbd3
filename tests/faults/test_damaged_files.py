"""Files that are damaged or made up: an error of zhmcq that names them, never a library's own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zhmcq
from zhmcq.dataset import Splits
from zhmcq.errors import (
    CheckpointError,
    ManifestError,
    ModelError,
    OutputError,
    ReadError,
    ZhmcqError,
)
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama

BANK = QuestionBank(
    [Question(f"q{n}", f"第{n}題？", ("甲", "乙", "丙"), "文" * 60, answer=(0,)) for n in range(3)]
)
NESTED = "[" * 100_000


def train(base: Path, out: Path, *callbacks: Any) -> Path:
    trainer = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=2, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(max_steps=2, save_steps=1, use_cpu=True),
        callbacks=callbacks,
    )
    return trainer.train(BANK, None, out).adapter_dir


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(tiny_llama(folder / "base"), folder / "run")
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content, encoding="utf-8")


def values(name: str, **changed: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        old = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps({**old, **changed}), encoding="utf-8")

    return change


def splitting(pattern: str) -> Callable[[Path], object]:
    split = {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    return values("base/tokenizer.json", pre_tokenizer=split)


BASES: dict[str, Callable[[Path], object]] = {
    "truncated weights": cut("base/model.safetensors", 5000),
    "empty weights": cut("base/model.safetensors", 0),
    "a header of weights that is too long": text("base/model.safetensors", "\xff" * 64),
    "empty config": cut("base/config.json", 0),
    "config that is a list": text("base/config.json", "[]"),
    "nested config": text("base/config.json", NESTED),
    "config of a negative size": values("base/config.json", hidden_size=-1),
    "config of a size in words": values("base/config.json", num_hidden_layers="two"),
    "truncated tokenizer": cut("base/tokenizer.json", 500),
    "tokenizer that is a list": text("base/tokenizer.json", "[]"),
    "tokenizer with a broken pattern": splitting("("),
    "tokenizer with a pattern that is too deep": splitting("(" * 5000 + ")" * 5000),
    "nested tokenizer_config": text("base/tokenizer_config.json", '{"a":' * 20_000),
    "tokenizer_config that is a list": text("base/tokenizer_config.json", "[]"),
}


@pytest.mark.parametrize("fault", BASES)
def test_a_damaged_base_model_is_a_model_error_wherever_it_is_used(
    folder: Path, fault: str
) -> None:
    BASES[fault](folder)
    base, run, out = folder / "base", folder / "run", folder / "out"
    for use in (
        lambda: zhmcq.MCQPredictor(base),
        lambda: train(base, out),
        lambda: zhmcq.Merger().merge(run, out, base_model=base),
    ):
        with pytest.raises(ModelError, match=r"copy/base"):
            use()
    assert not out.exists()


def test_a_tokenizer_with_a_pattern_that_takes_too_long_fails_on_the_question_and_is_no_panic(
    folder: Path,
) -> None:
    splitting("(文+)+甲")(folder)
    question = BANK[0]
    easy = Question("easy", "誰？", question.options, answer=(0,))
    predictions = zhmcq.MCQPredictor(folder / "base").predict([question, easy])
    assert [item.status for item in predictions] == ["unusable", "answered"]
    assert predictions[0].reason.startswith("the tokenizer refuses the text ")


ADAPTERS: dict[str, Callable[[Path], object]] = {
    "truncated weights": cut("run/adapter_model.safetensors", 50),
    "nested config": text("run/adapter_config.json", NESTED),
    "nested manifest": text("run/zhmcq_manifest.json", NESTED),
    "manifest that is a list": text("run/zhmcq_manifest.json", "[]"),
    "manifest that is not UTF-8": lambda f: (f / "run/zhmcq_manifest.json").write_bytes(b"\xff"),
}


@pytest.mark.parametrize("fault", ADAPTERS)
def test_a_damaged_adapter_is_a_manifest_error_wherever_it_is_used(
    folder: Path, fault: str
) -> None:
    ADAPTERS[fault](folder)
    base, run = folder / "base", folder / "run"
    for use in (
        lambda: zhmcq.MCQPredictor(base, run),
        lambda: zhmcq.Merger().merge(run, folder / "out", base_model=base),
    ):
        with pytest.raises(ManifestError, match=r"copy/run"):
            use()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_a_manifest_that_is_no_file_is_not_passed_over(
    folder: Path, make: Callable[[Path], object]
) -> None:
    make(folder / "base" / "zhmcq_manifest.json")
    with pytest.raises(ManifestError, match=r"copy/base"):
        zhmcq.MCQPredictor(folder / "base")


@pytest.mark.parametrize(
    "record", [NESTED, "[]", "{}", '{"dtype": ["float32"]}', '{"dtype": "float32", "base": 3}', ""]
)
def test_a_damaged_record_of_a_run_is_a_checkpoint_error(folder: Path, record: str) -> None:
    (folder / "run" / "zhmcq_manifest.json").unlink()  # as if the run had not ended
    (folder / "run" / "run.json").write_text(record, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"copy/run"):
        train(folder / "base", folder / "run")


@pytest.mark.parametrize("record", [NESTED, "[]", '{"format": "zhmcq-splits", "train": 3}', ""])
def test_damaged_splits_are_a_read_error(tmp_path: Path, record: str) -> None:
    (tmp_path / "questions.json").write_text(record, encoding="utf-8")
    with pytest.raises(ReadError, match=r"questions\.json"):
        Splits.load(tmp_path)


LONG, NULL = "x" * 300, "a\0b"


@pytest.mark.parametrize("name", [LONG, NULL], ids=["too long", "null character"])
def test_names_that_no_system_takes_are_errors_at_every_door(
    whole: Path, tmp_path: Path, name: str
) -> None:
    base = whole / "base"
    predictor = zhmcq.MCQPredictor(base)
    predictions = predictor.predict(BANK)
    out = f"{tmp_path}/{name}"
    doors: dict[str, tuple[Callable[[], object], type[ZhmcqError]]] = {
        "train": (lambda: train(base, Path(out)), OutputError),
        "merge": (lambda: zhmcq.Merger().merge(whole / "run", out, base_model=base), OutputError),
        "journal": (lambda: predictor.predict(BANK, journal=out), OutputError),
        "csv": (lambda: predictions.to_csv(out), OutputError),
        "xlsx": (lambda: predictions.to_xlsx(out), OutputError),
        "json": (lambda: predictions.to_json(out), OutputError),
        "splits": (lambda: Splits(BANK, QuestionBank([])).save(out), OutputError),
        "base": (lambda: zhmcq.MCQPredictor(out), ModelError),
        "adapter": (lambda: predictor.use_adapter(out), ManifestError),
        "read": (lambda: zhmcq.DatasetBuilder().read(f"{out}.xlsx"), ReadError),
        "load": (lambda: Splits.load(out), ReadError),
    }
    for use, expected in doors.values():
        with pytest.raises(expected):
            use()
    assert list(tmp_path.iterdir()) == []
