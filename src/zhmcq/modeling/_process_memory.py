"""The memory that this process has from the system, and how it is kept within bounds on a CPU."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from pathlib import Path

__all__ = ["KeptMemory", "bound_kernel_caches", "process_memory", "return_to_system"]

# oneDNN, which torch multiplies 16-bit numbers with on a CPU, keeps what it made for the last 1,024
# shapes of a product, and so does the layer between it and torch. A passage of another length has
# about twenty shapes, of 0.3 MB in either cache: 650 MB for 200 lengths, measured with the weights
# of Gemma 3 270M. A forward and backward pass over one length needs about 40 of them.
KERNEL_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
SHAPES = "128"

# How much more than it had after memory was returned a process may have before it is done again:
# what is returned is taken from the system page by page, so not in each step.
MARGIN = 1.25


class KeptMemory:
    """Keeps a process near the memory that was estimated for it.

    C's allocator holds on to freed memory in gaps that nothing larger fits into. Passes of many
    lengths leave ever more of them.

    Args:
        limit: The estimate, in bytes; 0 for no limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def keep(self) -> None:
        """Return free memory to the system if the process has more than the limit.

        A limit that cannot be kept is raised to what can.
        """
        if not self._limit or process_memory() <= self._limit:
            return
        return_to_system()
        self._limit = max(self._limit, round(MARGIN * process_memory()))


def bound_kernel_caches() -> None:
    """Bound what is kept for each shape of a product of 16-bit numbers on a CPU.

    The caches read their sizes from environment variables, once, when the first such product is
    computed. A size that is set already stays.
    """
    for name in KERNEL_CACHES:
        os.environ.setdefault(name, SHAPES)


def process_memory() -> int:
    """The bytes that this process has in memory, mapped files included; 0 where it is not known.

    Its resident set size, which Linux gives in pages.
    """
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * mmap.PAGESIZE


def return_to_system() -> None:
    """Return to the system what C's allocator has free, where that is glibc's; else do nothing.

    It holds on to freed memory in gaps, which nothing larger fits into. Whoever computes next takes
    memory from the system page by page, so this is not for every step.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
