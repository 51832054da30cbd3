"""Tests of this folder need a CUDA device, and are skipped without one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "modeling"))  # the families of tiny models


@pytest.fixture(autouse=True)
def cuda() -> torch.device:
    """The CUDA device, its count of the most memory set back."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.device("cuda", torch.cuda.current_device())
