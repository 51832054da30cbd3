"""Values of any size go through torch's store as json, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.distributed import HashStore  # type: ignore[attr-defined]  # has no stub

import zhmcq
from zhmcq.errors import PredictionError
from zhmcq.prediction._processes import exchange as module
from zhmcq.prediction._processes.exchange import Exchange


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(HashStore())


def test_a_value_of_any_size_comes_out_as_it_went_in(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART", 7)
    value = {"id": "甲\ud800", "scores": [-0.1, 1e-300, 12345678901234567890], "more": [None, True]}
    exchange.put("a", value)
    exchange.put("b", "")
    assert exchange.get("a") == value
    assert exchange.get("b") == ""


def test_no_part_is_larger_than_what_torchs_store_takes() -> None:
    assert module.PART < 8 * 2**20


def test_what_was_dropped_leaves_nothing_behind() -> None:
    store = HashStore()
    exchange = Exchange(store).within("1")
    before = store.num_keys()
    exchange.put("a", ["甲"] * 3)
    assert exchange.has("a")
    exchange.drop("a")
    exchange.drop("a")
    assert not exchange.has("a")
    assert store.num_keys() == before


def test_names_within_another_exchange_are_its_own(exchange: Exchange) -> None:
    exchange.within("1").put("a", 1)
    exchange.within("2").put("a", 2)
    assert not exchange.has("a")
    assert [exchange.within(name).get("a") for name in "12"] == [1, 2]
    assert [exchange.count("n", 2), exchange.count("n")] == [2, 2]


def test_a_store_that_is_gone_is_an_error_that_says_so() -> None:
    class Gone(HashStore):
        def check(self, _names: list[str]) -> bool:
            raise RuntimeError("Connection reset by peer\x1b[31m")

    with pytest.raises(PredictionError, match=r"cannot be reached.*Connection reset.*\\x1b"):
        Exchange(Gone()).has("a")


def test_processes_exchange_nothing_that_is_unpickled() -> None:
    folder = Path(zhmcq.__file__).parent / "prediction"
    sources = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    for name in ("object_list", "gather_object", "all_gather_object", "import pickle"):
        assert not [text for text in sources if name in text]
