"""What a process has in memory is known, free memory is returned, and caches are bounded."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zhmcq.modeling import _process_memory as memory
from zhmcq.modeling._process_memory import (
    KeptMemory,
    bound_kernel_caches,
    process_memory,
    return_to_system,
)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says it by a file")
def test_the_memory_of_the_process_grows_with_what_it_holds() -> None:
    # Pages of the system itself: an allocator may hand out what an earlier test has freed.
    before = process_memory()
    with mmap.mmap(-1, 100_000_000) as held:
        held[:: mmap.PAGESIZE] = b"1" * len(range(0, len(held), mmap.PAGESIZE))
        assert 95_000_000 < process_memory() - before < 150_000_000


def test_a_system_that_does_not_say_how_much_memory_a_process_has_counts_as_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_args: object, **_fields: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert process_memory() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="its allocator is glibc's at most there")
def test_memory_that_is_free_is_returned_to_the_system() -> None:
    pieces = [bytearray(100_000) for _ in range(1000)]  # small enough for the heap
    last = [bytearray(100_000)]
    before = process_memory()
    pieces.clear()
    return_to_system()
    assert before - process_memory() > 80_000_000 or not hasattr(ctypes.CDLL(None), "malloc_trim")
    assert len(last) == 1


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the process has in memory at each question about it; 0 each time memory is returned."""
    answers: list[int] = []
    monkeypatch.setattr(memory, "process_memory", lambda: answers.pop(0))
    monkeypatch.setattr(memory, "return_to_system", lambda: answers.insert(0, answers.pop(0) - 50))
    return answers


def test_memory_is_returned_where_a_process_has_more_than_its_limit(sizes: list[int]) -> None:
    bounded = KeptMemory(100)
    sizes[:] = [100]
    bounded.keep()
    assert sizes == []
    sizes[:] = [101, 70]  # the second is what it has after 50 of it were returned
    bounded.keep()
    assert sizes == []


def test_a_limit_that_cannot_be_kept_is_raised_to_what_can(sizes: list[int]) -> None:
    bounded = KeptMemory(100)
    sizes[:] = [250, 210]  # 160 remain: with a quarter more, 200
    bounded.keep()
    sizes[:] = [200]
    bounded.keep()
    assert sizes == []
    sizes[:] = [201, 170]
    bounded.keep()
    assert sizes == []


def test_without_a_limit_nothing_is_returned(sizes: list[int]) -> None:
    KeptMemory(0).keep()
    assert sizes == []


GROWTH = """
import json, sys, torch
from zhmcq.modeling._process_memory import bound_kernel_caches, process_memory, return_to_system
torch.set_num_threads(1)
if sys.argv[1] == "bounded":
    bound_kernel_caches()
weights = [torch.ones(64, inner).bfloat16() for inner in (256, 288, 320, 352, 384)]
grown = []
for rows in (*range(64, 74), *range(74, 194)):
    for weight in weights:
        torch.nn.functional.linear(torch.ones(rows, weight.shape[1]).bfloat16(), weight)
    if rows in (73, 193):
        return_to_system()
        grown.append(process_memory())
print(json.dumps(grown))
"""


def grown(how: str) -> int:
    """Bytes that 600 products of as many shapes leave behind in a process of their own."""
    environment = {k: v for k, v in os.environ.items() if k not in memory.KERNEL_CACHES}
    command = [sys.executable, "-c", GROWTH, how]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    first, last = json.loads(result.stdout)
    return int(last - first)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process has in memory")
def test_products_of_many_shapes_leave_little_in_memory() -> None:
    unbounded = grown("unbounded")
    if unbounded < 20_000_000:
        pytest.skip("this build of torch keeps nothing for each shape")
    assert grown("bounded") < unbounded / 2


def test_a_size_of_the_caches_that_is_set_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    bound_kernel_caches()
    assert os.environ["LRU_CACHE_CAPACITY"] == "7"
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "128"
