"""What does not fit in memory is computed in pieces; what cannot be cut is an error."""

from __future__ import annotations

import copy
import logging
import weakref

import pytest
import torch

from zhmcq.errors import OutOfMemoryError, PredictionError
from zhmcq.modeling._memory import (
    Budget,
    Divisible,
    Shortage,
    attempt,
    enough_memory,
    errors_of_others,
    in_pieces,
    is_out_of_memory,
    once_more,
)

CPU = torch.device("cpu")
SHORTAGES = [
    MemoryError(),
    torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.74 GiB "
        "of which 1.06 GiB is free."
    ),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA driver error: out of memory"),
    RuntimeError("Triton Error [CUDA]: out of memory"),
    RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("XPU out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError(
        "MPS backend out of memory (MPS allocated: 17.97 GB, other allocations: 64.00 KB, max "
        "allowed: 18.13 GB). Tried to allocate 1.00 GB on private pool."
    ),
    RuntimeError("Invalid buffer size: 22.35 GiB"),
    RuntimeError(
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "more"
    ),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 64 bytes."),
    RuntimeError("FATAL ERROR :: MODULE:PT_DEVMEM Allocation failed for size::1"),
    RuntimeError("std::bad_alloc"),
]
OTHERS = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED."),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasSgemm( handle)`"),
    RuntimeError(),
    RuntimeError("the queue of the logging server is out of memory"),
    ValueError("out of memory"),
    OutOfMemoryError("memory ran out, and was dealt with"),
    PredictionError("out of memory"),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda error: str(error)[:40] or "MemoryError")
def test_errors_of_every_device_that_lacks_memory_are_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: str(error)[:40] or "RuntimeError")
def test_other_errors_are_not_taken_for_it(error: BaseException) -> None:
    assert not is_out_of_memory(error)


def test_what_a_real_allocator_raises_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**62, dtype=torch.int8)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda error: str(error)[:40] or "MemoryError")
def test_what_code_of_the_caller_raises_is_left_to_the_caller(error: Exception) -> None:
    raised = copy.copy(error)
    with (
        pytest.raises(type(error)) as caught,
        enough_memory("training", "lower it"),
        errors_of_others(),
    ):
        raise raised
    assert caught.value is raised
    assert not is_out_of_memory(raised)


class Memory:
    """Lists of numbers can be added up if they are no longer than there is room for."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.tried: list[int] = []

    def total(self, numbers: list[int]) -> int:
        self.tried.append(len(numbers))
        if len(numbers) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")
        return sum(numbers)

    def work(self) -> Divisible[list[int], int]:
        def cut(numbers: list[int], size: int) -> list[list[int]]:
            return [numbers[start : start + size] for start in range(0, len(numbers), size)]

        return Divisible(self.total, cut, len, lambda numbers: f"{numbers}", "count on fingers")


def test_the_budget_is_halved_until_the_pieces_fit_and_stays_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = Memory(room=3)
    lowered: list[int] = []
    budget = Budget(16, lambda size: f"set it to {size}", "budget of a sum", lowered.append)
    with caplog.at_level(logging.INFO, "zhmcq"):
        first = list(in_pieces([1, 2, 3, 4, 5, 6], memory.work(), budget, CPU))
        second = list(in_pieces([7, 8, 9], memory.work(), budget, CPU))
    assert first == [([1, 2], 3), ([3, 4], 7), ([5, 6], 11)]
    assert second == [([7, 8], 15), ([9], 9)]
    # 8 would cut nothing of 6 numbers; 4 is tried and too large.
    assert memory.tried == [6, 4, 2, 2, 2, 2, 1]
    assert (budget.size, lowered) == (2, [4, 2])
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            (
                "memory ran out: the budget of a sum is lowered from 16 to 2 from here on, which "
                "gives the same results and takes longer. So that memory does not run out, set it "
                "to 2"
            ),
        )
    ]


def test_it_warns_once_and_later_says_it_below_warnings(caplog: pytest.LogCaptureFixture) -> None:
    memory, budget = Memory(room=4), Budget(8)
    with caplog.at_level(logging.INFO, "zhmcq"):
        list(in_pieces(list(range(8)), memory.work(), budget, CPU))
        memory.room = 2
        list(in_pieces(list(range(8)), memory.work(), budget, CPU))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "from 4 to 2" in caplog.records[1].getMessage()


def test_what_cannot_be_cut_is_computed_once_more_and_then_an_error() -> None:
    memory = Memory(room=0)
    expected = (
        r"memory ran out in \[7\], which cannot be cut further: count on fingers "
        r"\(CUDA out of memory\. Tried to allocate 1\.00 GiB\.\)"
    )
    with pytest.raises(OutOfMemoryError, match=expected) as caught:
        list(in_pieces([7], memory.work(), Budget(1), CPU))
    assert memory.tried == [1, 1]
    # A chain of errors would refer to frames, and they to what fills the memory.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_tensors_of_a_failed_attempt_are_gone_before_the_next() -> None:
    alive: list[weakref.ref[torch.Tensor]] = []

    def fails() -> None:
        tensor = torch.ones(3)
        alive.append(weakref.ref(tensor))
        circle: list[object] = [tensor]
        circle.append(circle)
        raise torch.OutOfMemoryError("CUDA out of memory.")

    assert attempt(fails) == Shortage(" (CUDA out of memory.)")
    assert alive[0]() is None


def test_the_error_that_reaches_the_user_keeps_no_tensor_alive() -> None:
    alive: list[weakref.ref[torch.Tensor]] = []

    def fails() -> None:
        tensor = torch.ones(3)
        alive.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with (
        pytest.raises(OutOfMemoryError, match=r"while testing: test less, or close") as caught,
        enough_memory("testing", "test less"),
    ):
        fails()
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)
    assert alive[0]() is None


def test_an_error_that_is_dealt_with_passes_through() -> None:
    error = OutOfMemoryError("this advice")
    with pytest.raises(OutOfMemoryError) as caught, enough_memory("testing", "other advice"):
        raise error
    assert caught.value is error


def test_a_second_attempt_is_the_last() -> None:
    attempts: list[int] = []

    def works_at_second() -> int:
        attempts.append(1)
        if len(attempts) < 2:
            raise MemoryError
        return 5

    def never() -> int:
        attempts.append(2)
        raise RuntimeError("CUDA error: out of memory")

    assert once_more(works_at_second) == 5
    with pytest.raises(MemoryError, match=r"^CUDA error: out of memory$"):
        once_more(never)
    assert attempts == [1, 1, 2, 2]


def test_other_errors_and_interrupts_are_not_caught() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    def wrong() -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(KeyboardInterrupt):
        attempt(interrupted)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        attempt(wrong)
