"""Small files that tests write, and the folder of real ones where it is there."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zhmcq.questions import Question
from zhmcq.testing import tiny_llama

# Models in tests are so small that threads of one operation wait for each other longer than they
# compute. It has to be set before torch is loaded; the processes that tests start have it too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests compare what is printed in English, unless they set it.
os.environ.pop("ZHMCQ_LANG", None)

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that: tests
# that press it would wait for nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The examples, the script of the docs, tiny models and chat templates are no packages: their
# folders are put on the path.
BUILT_IN_PROMPTS = {
    "zh-affirmative",
    "zh-affirmative-hans",
    "zh-chat",
    "zh-cloze",
    "zh-cloze-hans",
    "zh-exam",
    "zh-exam-hans",
}
FOLDERS = (
    *("examples", "docs"),
    *("tests/modeling", "tests/encoding", "tests/evaluation", "tests/prediction"),
    "tests/reading/formats",
)
sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in FOLDERS]


def pytest_collection_finish() -> None:
    """Spare the garbage collections of every training the walk through the loaded libraries."""
    gc.collect()
    gc.freeze()


WriteXlsx = Callable[..., Path]


def unseen(questions: Sequence[Question]) -> list[Question]:
    """Questions of validation: these ones, worded so that they are not those to train on."""
    return [replace(q, id=f"v-{q.id}", stem=f"請問，{q.stem}") for q in questions]


@pytest.fixture
def write_xlsx(tmp_path: Path) -> WriteXlsx:
    """Write rows to a workbook: ``write_xlsx(rows, name="bank.xlsx", formats={"B2": "0%"})``."""

    def write(
        rows: Sequence[Sequence[Any]],
        name: str = "bank.xlsx",
        formats: dict[str, str] | None = None,
        merges: Sequence[str] = (),
        sheets: dict[str, Sequence[Sequence[Any]]] | None = None,
    ) -> Path:
        import openpyxl

        book = openpyxl.Workbook()
        for title, cells in (sheets or {"Sheet1": rows}).items():
            sheet = book.create_sheet(title)
            for row in cells:
                sheet.append(list(row))
        book.remove(book.worksheets[0])
        first = book.worksheets[0]
        for reference, code in (formats or {}).items():
            first[reference].number_format = code
        for merge in merges:
            first.merge_cells(merge)
        path = tmp_path / name
        book.save(path)
        return path

    return write


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real banks; the test is skipped where it is absent."""
    default = Path(__file__).parents[1] / "../shared/data"
    folder = Path(os.environ.get("ZHMCQ_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real banks in {folder}")
    return folder


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One token a character; BOS 1, EOS 2."""
    return _load_tokenizer(tiny_llama(tmp_path_factory.mktemp("tiny") / "plain"))


@pytest.fixture(scope="session")
def chat_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _load_tokenizer(tiny_llama(tmp_path_factory.mktemp("tiny") / "chat", chat=True))


@pytest.fixture
def candidates(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the dtypes that ``auto`` tries, as on a GPU: ``candidates("float16", "float32")``."""
    import torch

    from zhmcq.modeling import _device

    def set_to(*names: str) -> None:
        dtypes = tuple(getattr(torch, name) for name in names)
        monkeypatch.setattr(_device, "candidate_dtypes", lambda _device: dtypes)

    return set_to


@pytest.fixture
def bf16_speed(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set how many times as fast as in fp32 a CPU is in bf16: tiny models count, nothing is timed.

    Without it no test has such a figure, since its models are too small to be measured.
    """
    from zhmcq.modeling import _probe

    def set_to(ratio: float) -> None:
        monkeypatch.setattr(_probe, "SMALLEST", 0)
        monkeypatch.setattr(_probe, "_ratios", {})
        monkeypatch.setattr(_probe, "ratio_of", lambda _products: ratio)

    return set_to


@pytest.fixture(scope="session")
def overflowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that is right in fp32 and bf16 and NaN in fp16, as many models of today."""
    folder = tmp_path_factory.mktemp("overflowing")
    return scaled(tiny_llama(folder / "good"), folder / "model", 1e5)


def scaled(folder: Path, copy: Path, factor: float) -> Path:
    """Write a copy of a tiny LLaMA with the feed-forward weights of its first layer scaled."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, copy)
    weights = load_file(copy / "model.safetensors")
    for name in ("up_proj", "down_proj"):
        weights[f"model.layers.0.mlp.{name}.weight"] *= factor
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def with_swapped_ids(folder: Path, copy: Path, one: str, other: str) -> Path:
    """Write a copy of a model whose tokenizer has the ids of two tokens swapped."""
    shutil.copytree(folder, copy)
    path = copy / "tokenizer.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = values["model"]["vocab"]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    path.write_text(json.dumps(values), encoding="utf-8")
    return copy


def _load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)
