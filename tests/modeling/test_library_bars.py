"""transformers' bars go where zhmcq's reports go, in the thread and block that they belong to."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from transformers.utils import logging as bars

from zhmcq._progress import reporting
from zhmcq.modeling._library_bars import GGUF_MODULE, reported_bars

gguf: Any = importlib.import_module(GGUF_MODULE)


@pytest.fixture(autouse=True)
def bars_as_they_were() -> Iterator[None]:
    was_enabled = bars.is_progress_bar_enabled()
    yield
    if was_enabled:
        bars.enable_progress_bar()  # type: ignore[no-untyped-call]


def test_items_are_passed_on_and_counted() -> None:
    calls: list[tuple[int, int, str]] = []
    with reporting(lambda *call: calls.append(call)), reported_bars():
        assert list(bars.tqdm(["a", "b"], desc="Loading weights")) == ["a", "b"]
        with bars.tqdm(total=30, desc="Fetching: ", unit="B") as bar:
            bar.set_postfix(speed=3)
            bar.update(30)
    assert calls == [
        *((done, 2, "loading weights") for done in range(3)),
        *((done, 30, "fetching") for done in (0, 30)),
    ]


def test_after_the_block_bars_are_transformers_own_again() -> None:
    before = gguf.tqdm
    with reported_bars():
        assert gguf.tqdm is not before
    assert gguf.tqdm is before
    previous = bars.set_tqdm_hook(None)
    assert previous is None


def test_bars_of_other_threads_stay_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    calls: list[Any] = []
    with reporting(lambda *call: calls.append(call)), reported_bars():
        other = threading.Thread(target=lambda: list(bars.tqdm([1], desc="Theirs")))
        other.start()
        other.join()
    assert calls == []
    assert "Theirs" in capfd.readouterr().err


def test_bars_that_are_disabled_are_not_reported() -> None:
    calls: list[Any] = []
    bars.disable_progress_bar()  # type: ignore[no-untyped-call]
    with reporting(lambda *call: calls.append(call)), reported_bars():
        assert list(bars.tqdm([1], desc="Loading weights")) == [1]
        assert list(gguf.tqdm([1], desc="Converting")) == [1]
    assert calls == []
