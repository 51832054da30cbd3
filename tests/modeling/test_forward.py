"""Threads that share a model compute what one computes alone."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from families import VOCABULARY, make_model

from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import collate
from zhmcq.encoding._tree import pack, plain_row
from zhmcq.modeling import _forward as forward
from zhmcq.modeling._forward import evaluated, token_log_likelihoods, without_earlier_state
from zhmcq.modeling._loading import loading

ORIGINAL = 12  # positions before the scaling
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [3.0] * 4,
    "original_max_position_embeddings": ORIGINAL,
    "factor": 4.0,
}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 2.0}


@pytest.fixture(autouse=True)
def quick_turns() -> Iterator[None]:
    """Let threads interrupt each other a thousand times as often."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(interval)


def rows() -> list[tuple[int, ...]]:
    rng = random.Random(3)
    lengths = [ORIGINAL // 2, 2 * ORIGINAL, ORIGINAL - 1, 3 * ORIGINAL]
    return [tuple(rng.randrange(3, VOCABULARY) for _ in range(length)) for length in lengths]


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_parameters": LONGROPE},
        {"rope_parameters": DYNAMIC, "max_position_embeddings": ORIGINAL},
    ],
    ids=["longrope", "dynamic"],
)
def test_rows_that_change_a_models_frequencies_do_not_meet(changes: dict[str, Any]) -> None:
    model = make_model("llama", **changes)

    def score(ids: tuple[int, ...]) -> list[float]:
        batch = collate([plain_row(ids, 3)], "equal")
        return evaluated(model, lambda: token_log_likelihoods(model, batch)).tolist()

    expected = [score(ids) for ids in rows()]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            assert list(pool.map(score, rows())) == expected


def enters_beside_another(model: Any) -> bool:
    """Whether a second thread may compute with the model while one is at it."""

    def enter() -> None:
        with without_earlier_state(model):
            pass

    with ThreadPoolExecutor(1) as pool, without_earlier_state(model):
        try:
            pool.submit(enter).result(0.2)
        except TimeoutError:
            return False
        return True


def test_threads_take_turns_only_with_models_that_keep_a_state() -> None:
    assert enters_beside_another(make_model("llama"))
    assert not enters_beside_another(make_model("llama", rope_parameters=LONGROPE))
    quantised = make_model("llama")
    quantised.hf_quantizer = "made up"
    assert not enters_beside_another(quantised)


def test_code_of_others_computes_alone() -> None:
    class Foreign(torch.nn.Module):
        pass

    assert forward._state_of(Foreign()).alone is loading


@pytest.mark.parametrize(
    ("family", "masks"), [("llama", 1), ("gemma3", 2)], ids=["one mask", "one for each window"]
)
def test_a_backward_pass_keeps_one_mask_for_all_layers(family: str, masks: int) -> None:
    model = make_model(family, num_hidden_layers=4)
    prompt = tuple(range(3, 16))
    question = EncodedQuestion("q", "", prompt, ((20, 2), (21, 22, 2)), ((0,), (1,)), 0, "sum")
    ((row,),) = pack([question], [range(2)], budget=100)
    width = len(row)
    kept: dict[int, torch.dtype] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.shape[-2:] == (width, width):
            kept[tensor.untyped_storage().data_ptr()] = tensor.dtype
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scores = token_log_likelihoods(model, collate([row], "tree"))
    assert scores.requires_grad
    assert list(kept.values()) == [torch.float32] * masks
