"""Memory that runs out: what does not fit is computed in smaller pieces, or is an error.

Where something is too large for the memory that is left, its budget is halved and it is computed
again in pieces that fit the new budget. What cannot be cut is an :class:`OutOfMemoryError`.
"""

from __future__ import annotations

import contextlib
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import torch

from zhmcq.errors import OutOfMemoryError, ZhmcqError

__all__ = [
    "SMALLER",
    "Budget",
    "Divisible",
    "Shortage",
    "attempt",
    "device_memory",
    "enough_memory",
    "errors_of_others",
    "free_memory",
    "in_pieces",
    "is_out_of_memory",
    "memory_errors",
    "once_more",
]

logger = logging.getLogger(__name__)

# What the messages of torch and its libraries say, where the error is no class of its own: always
# with the name of who says it, since anything may be said to be out of memory.
# accelerate's should_reduce_batch_size() has another list: it lacks "CUDA error: out of memory",
# cuBLAS and the CPU allocator of Windows, and takes every operation that cuDNN does not support
# for one that lacks memory.
OF_DEVICES = re.compile(
    r"\b(?:(?:CUDA|HIP|XPU|NPU|MPS backend)(?: driver)?(?: error:)?|Triton Error \[\w+\]:)"
    " out of memory"
)
MESSAGES = (
    "STATUS_ALLOC_FAILED",  # cuBLAS, cuDNN, cuSOLVER, cuSPARSE: for their workspaces
    "CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate",  # whose handle needs memory
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",  # on Windows
    "MODULE:PT_DEVMEM Allocation failed",  # HPU
    "Invalid buffer size",  # MPS: one tensor is larger than any buffer may be
    "std::bad_alloc",
)
MAX_QUOTED = 300  # characters of torch's error: CUDA's says how much memory the device has
# What needs less memory where nothing can be cut further.
SMALLER = (
    "lower max_length, give a quantization such as QuantizationSettings(kind='nf4'), take a "
    "smaller model, or close other programs"
)
GIB = 2**30
OF_OTHERS = "_zhmcq_of_others"  # the attribute of an error that the caller's code raised

T = TypeVar("T")
R = TypeVar("R")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python says that there is too little memory, on any device."""
    if isinstance(error, ZhmcqError) or hasattr(error, OF_OTHERS):
        return False  # dealt with already, or nothing to be dealt with here
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    message = str(error)
    return OF_DEVICES.search(message) is not None or any(text in message for text in MESSAGES)


@contextlib.contextmanager
def errors_of_others() -> Iterator[None]:
    """In the block runs code of the caller's: what it raises reaches the caller as it is.

    Nothing that is computed here needs less memory because of it, and no advice that is given
    here would help.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        with contextlib.suppress(AttributeError):  # a class of the caller's may refuse it
            setattr(error, OF_OTHERS, True)
        raise


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turn what torch raises when memory runs out into Python's own error.

    Raises:
        MemoryError: If memory runs out.
    """
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise


@contextlib.contextmanager
def enough_memory(task: str, remedy: str) -> Iterator[None]:
    """Turn the error that memory runs out into one with a remedy.

    Args:
        task: What was done, to follow "memory ran out while".
        remedy: What needs less memory.

    Raises:
        OutOfMemoryError: If memory runs out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        # A notebook keeps the last error, and with it all that its frames refer to.
        _clear_frames(error)
        raise OutOfMemoryError(
            f"memory ran out while {task}: {remedy}, or close other programs{_quoted(error)}"
        ) from error


def free_memory() -> None:
    """Free the memory of models and tensors without references, on whichever device."""
    from accelerate.utils import release_memory

    release_memory()  # collects garbage: the modules of a model refer to each other


@dataclass(frozen=True, slots=True)
class Shortage:
    """Stands for a result where memory ran out.

    Attributes:
        text: What torch said, in brackets, for the end of a message. Only its text: an error
            refers to the frames that it came through, and so to their tensors.
    """

    text: str


def attempt(compute: Callable[[], R]) -> R | Shortage:
    """Compute something; if memory runs out, free all that the computation took.

    Args:
        compute: Computes something.
    """
    try:
        return compute()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        shortage = Shortage(_quoted(error))
    free_memory()  # now that the error is gone
    return shortage


def once_more(compute: Callable[[], R]) -> R:
    """Compute something that cannot be cut, a second time if memory runs out in the first.

    The first may have failed for memory that other computations left in use or in fragments.

    Raises:
        MemoryError: If memory runs out again.
    """
    result = attempt(compute)
    if isinstance(result, Shortage):
        result = attempt(compute)
    if isinstance(result, Shortage):
        raise MemoryError(result.text.strip(" ()"))
    return result


class Budget:
    """How much is computed at once. It is lowered for good when memory runs out.

    Args:
        size: Where it begins.
        advice: Says what to set so that memory does not run out, given the size that it had to be
            lowered to.
        name: What it is called in the log.
        remember: Called with each size that it is lowered to, for what is computed later.

    Attributes:
        size: The most tokens of a forward pass, or questions of a batch.
    """

    def __init__(
        self,
        size: int,
        advice: Callable[[int], str] = lambda size: f"lower the token budget to {size}",
        name: str = "token budget of a forward pass",
        remember: Callable[[int], None] = lambda size: None,  # noqa: ARG005
    ) -> None:
        self.size = size
        self._advice = advice
        self._name = name
        self._remember = remember
        self._before: int | None = None
        self._said = False

    def lower(self, size: int) -> None:
        """Lower it, since memory ran out."""
        self._before = self._before or self.size
        self.size = size
        self._remember(size)

    def settle(self) -> None:
        """Say in the log what it was lowered to, now that something was computed with it.

        The first time is a warning; it stays the only one, so that a long run does not repeat it.
        """
        if self._before is None:
            return
        logger.log(
            logging.INFO if self._said else logging.WARNING,
            "memory ran out: the %s is lowered from %d to %d from here on, which gives the "
            "same results and takes longer. So that memory does not run out, %s",
            self._name, self._before, self.size, self._advice(self.size),
        )  # fmt: skip
        self._before, self._said = None, True


@dataclass(frozen=True, slots=True)
class Divisible(Generic[T, R]):
    """A computation that can be done in pieces.

    Attributes:
        compute: Computes a piece.
        cut: Cuts a piece by a budget's size; gives it alone if it fits, or cannot be cut.
        measure: How much a piece takes of a budget.
        describe: What a piece is, to follow "memory ran out in".
        remedy: What needs less memory where a piece cannot be cut.
    """

    compute: Callable[[T], R]
    cut: Callable[[T, int], list[T]]
    measure: Callable[[T], int]
    describe: Callable[[T], str]
    remedy: str

    def smaller(self, piece: T, size: int) -> int | None:
        """The budget, halved until it cuts a piece; ``None`` if nothing smaller comes of it."""
        while size > 1:
            size //= 2
            if max(map(self.measure, self.cut(piece, size))) < self.measure(piece):
                return size
        return None


def in_pieces(
    whole: T, work: Divisible[T, R], budget: Budget, device: torch.device
) -> Iterator[tuple[T, R]]:
    """Compute something by a budget, which is lowered each time that memory runs out.

    A piece that cannot be cut is computed once more, with the memory that could be freed.

    Args:
        whole: What to compute.
        work: How to compute and to cut it.
        budget: How much to compute at once.
        device: Where it is computed, for the error.

    Yields:
        Pieces with what was computed of them, in the order of the whole.

    Raises:
        OutOfMemoryError: If memory runs out in a piece that cannot be cut.
    """
    waiting = work.cut(whole, budget.size)
    while waiting:
        piece = waiting[0]
        result = attempt(partial(work.compute, piece))
        if isinstance(result, Shortage):
            size = work.smaller(piece, budget.size)
            if size is not None:
                budget.lower(size)
                waiting = [part for piece in waiting for part in work.cut(piece, size)]
                continue
            result = attempt(partial(work.compute, piece))
        if isinstance(result, Shortage):
            raise OutOfMemoryError(
                f"memory ran out in {work.describe(piece)}, which cannot be cut further"
                f"{device_memory(device)}: {work.remedy}{result.text}"
            )
        budget.settle()
        yield piece, result
        waiting = waiting[1:]


def device_memory(device: torch.device) -> str:
    """The memory of a device, to follow what ran out of it; empty where it is not known."""
    if device.type != "cuda":
        return ""
    try:
        free, total = torch.cuda.mem_get_info(device)
    except (RuntimeError, AssertionError):
        return ""
    return f"; {device} has {total / GIB:.1f} GiB of memory, of which {free / GIB:.1f} GiB are free"


def _quoted(error: BaseException) -> str:
    text = str(error)
    return f" ({text.splitlines()[0]:.{MAX_QUOTED}})" if text.strip() else ""


def _clear_frames(error: BaseException | None) -> None:
    """Drop the local variables of the frames that an error and its causes came through."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__
