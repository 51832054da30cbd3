"""Which of torch's attention kernels fits rows of many lengths."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["attention_without_plans"]

_library: Any = torch.backends.cuda  # whose functions have no types


class _CudnnAttention:
    """The switch of cuDNN's attention, which torch has one of for the whole process.

    The first computation that comes in turns it off, and the last that leaves sets it back, so
    that threads do not set back what others still need.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._computations = 0
        self._before = True

    def enter(self) -> None:
        with self._lock:
            if self._computations == 0:
                self._before = bool(_library.cudnn_sdp_enabled())
                _library.enable_cudnn_sdp(False)
            self._computations += 1

    def leave(self) -> None:
        with self._lock:
            self._computations -= 1
            if self._computations == 0:
                _library.enable_cudnn_sdp(self._before)


_cudnn = _CudnnAttention()


@contextlib.contextmanager
def attention_without_plans() -> Iterator[None]:
    """Compute without cuDNN's attention, whose plans are made anew for each shape of its inputs.

    On GPUs of the Hopper generation and later torch prefers it. A plan takes the processor some
    4 ms in each layer, forward and backward again, and packed rows hardly ever have the same
    shape twice: on an H200 half the time of a training step went into plans. The other kernels
    need none and give the same numbers but for rounding. On other devices nothing changes.
    """
    _cudnn.enter()
    try:
        yield
    finally:
        _cudnn.leave()
