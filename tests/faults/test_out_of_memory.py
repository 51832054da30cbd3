"""Memory that runs out: an error of zhmcq that says what needs less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM

import zhmcq
from zhmcq.errors import MergeError, ModelError, PredictionError, TrainingError
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama

BANK = QuestionBank(
    [Question(f"q{n}", f"第{n}題？", ("甲", "乙"), "文章。", answer=(0,)) for n in range(3)]
)
ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
]


def train(base: Path, out: Path) -> Path:
    settings = zhmcq.TrainingSettings(max_steps=2, use_cpu=True)
    return zhmcq.LoraTrainer(base, training=settings).train(BANK, None, out).adapter_dir


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_memory_that_runs_out_is_an_error_of_each_step_with_its_remedy(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    run = train(base, tmp_path / "run")
    predictor = zhmcq.MCQPredictor(base)
    expected = predictor.predict(BANK)
    with monkeypatch.context() as patch:
        patch.setattr(LlamaForCausalLM, "forward", fail)
        with pytest.raises(PredictionError, match=r"while answering: give a lower batch_size"):
            predictor.predict(BANK)
        with pytest.raises(TrainingError, match=r"while training: lower max_length"):
            train(base, tmp_path / "other")
        with pytest.raises(MergeError, match=r"while merging: give device='cpu'"):
            zhmcq.Merger().merge(run, tmp_path / "merged", base_model=base)
        patch.setattr(AutoModelForCausalLM, "from_pretrained", fail)
        with pytest.raises(ModelError, match=r"while loading .*: take a 16-bit dtype"):
            zhmcq.MCQPredictor(base).predict(BANK)
    assert not (tmp_path / "merged").exists()
    assert [item.label for item in predictor.predict(BANK)] == [item.label for item in expected]
    assert train(base, tmp_path / "other") == tmp_path / "other"


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
