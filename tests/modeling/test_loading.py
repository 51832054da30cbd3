"""Threads that load models at once all get theirs, and leave the process as it was."""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from zhmcq.modeling._load import (
    ModelSource,
    load_config,
    load_skeleton,
    load_tokenizer,
    load_weights,
    rebuilt,
)
from zhmcq.modeling._loading import loading
from zhmcq.settings import LoraSettings
from zhmcq.testing import tiny_llama
from zhmcq.training._lora import attach_adapter

CPU = torch.device("cpu")
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float32]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    folder: Path = tiny_llama(tmp_path_factory.mktemp("loading") / "model")
    return ModelSource(str(folder))


@pytest.fixture
def quick_turns() -> Iterator[None]:
    """Let threads interrupt each other five hundred times as often."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("quick_turns")
def test_models_that_are_loaded_at_once_have_their_weights(source: ModelSource) -> None:
    expected = load_weights(source, dtype=torch.float32, device=CPU).state_dict()
    tie_weights = PreTrainedModel.tie_weights
    together = threading.Barrier(len(DTYPES))

    def load(dtype: torch.dtype) -> Any:
        together.wait(10)
        return load_weights(source, dtype=dtype, device=CPU)

    with ThreadPoolExecutor(len(DTYPES)) as pool:
        for _ in range(3):
            for dtype, model in zip(DTYPES, pool.map(load, DTYPES), strict=True):
                assert model.dtype == dtype
                assert model.lm_head.weight is model.model.embed_tokens.weight
                for name, tensor in model.state_dict().items():
                    assert torch.equal(tensor, expected[name].to(dtype)), name
    assert torch.get_default_dtype() == torch.float32
    assert PreTrainedModel.tie_weights is tie_weights


@pytest.fixture(scope="module")
def model(source: ModelSource) -> Any:
    made = load_weights(source, dtype=torch.float32, device=CPU)
    attach_adapter(copy.deepcopy(made), LoraSettings(r=2))  # imports peft, which takes seconds
    return made


MADE: dict[str, Callable[[ModelSource, Any], object]] = {
    "weights": lambda source, _: load_weights(source, dtype=torch.float32, device=CPU),
    "a skeleton": lambda source, _: load_skeleton(source),
    "a configuration": lambda source, _: load_config(source),
    "a tokenizer": lambda source, _: load_tokenizer(source),
    "a model anew": lambda _, model: rebuilt(copy.deepcopy(model)),
    "an adapter": lambda _, model: attach_adapter(copy.deepcopy(model), LoraSettings(r=2)),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
def test_nothing_is_made_while_another_thread_loads(
    make: Callable[[ModelSource, Any], object], source: ModelSource, model: Any
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with loading():
            made = pool.submit(make, source, model)
            with pytest.raises(TimeoutError):
                made.result(0.3)
        assert made.result(30) is not None


def test_a_thread_that_loads_may_load_what_belongs_to_it(source: ModelSource) -> None:
    with loading():
        assert load_tokenizer(source).eos_token == "</s>"  # noqa: S105
