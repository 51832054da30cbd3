"""cuDNN's attention is off while a model computes, and afterwards as it was."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import torch
from families import make_model

import zhmcq
from zhmcq.encoding._batch import collate
from zhmcq.encoding._tree import plain_row
from zhmcq.modeling._attention import attention_without_plans
from zhmcq.modeling._forward import evaluated, token_log_likelihoods
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama

library: Any = torch.backends.cuda  # whose functions have no types


def switched_on() -> bool:
    return bool(library.cudnn_sdp_enabled())


@pytest.fixture(autouse=True)
def switch() -> Iterator[None]:
    """The switch is on before the test, and after it as it was."""
    before = switched_on()
    library.enable_cudnn_sdp(True)
    yield
    library.enable_cudnn_sdp(before)


def watched(model: Any) -> list[bool]:
    """A list to which each forward pass of a model adds whether the switch is on."""
    seen: list[bool] = []
    model.register_forward_pre_hook(lambda *_: seen.append(switched_on()))
    return seen


def test_a_forward_pass_has_it_off() -> None:
    model = make_model("llama")
    seen = watched(model)
    batch = collate([plain_row((1, 5, 6, 7), 2)], "equal")
    evaluated(model, lambda: token_log_likelihoods(model, batch))
    assert seen == [False]
    assert switched_on()


def test_a_backward_pass_of_training_has_it_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import Accelerator

    seen: list[bool] = []
    backward = Accelerator.backward

    def recorded(*args: Any, **kwargs: Any) -> None:
        seen.append(switched_on())
        backward(*args, **kwargs)

    monkeypatch.setattr(Accelerator, "backward", recorded)
    bank = [Question("q", "誰在山上？", ("甲", "乙", "丙"), "甲在山上。", answer=(0,))]
    trainer = zhmcq.LoraTrainer(
        tiny_llama(tmp_path / "base"), training=zhmcq.TrainingSettings(num_train_epochs=1)
    )
    trainer.train(bank, None, tmp_path / "adapter")
    assert seen == [False]
    assert switched_on()


def test_a_caller_who_has_switched_it_off_finds_it_off() -> None:
    library.enable_cudnn_sdp(False)
    with attention_without_plans():
        pass
    assert not switched_on()


def test_it_is_set_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), attention_without_plans():
        raise ZeroDivisionError
    assert switched_on()


def test_the_last_thread_that_leaves_sets_it_back() -> None:
    both_are_in, first_is_out = Barrier(2, timeout=30), Barrier(2, timeout=30)

    def first() -> None:
        with attention_without_plans():
            both_are_in.wait()
        first_is_out.wait()

    def last() -> bool:
        with attention_without_plans():
            both_are_in.wait()
            first_is_out.wait()
            return switched_on()

    with ThreadPoolExecutor(2) as pool:
        leaving, staying = pool.submit(first), pool.submit(last)
        leaving.result()
        assert staying.result() is False
    assert switched_on()
