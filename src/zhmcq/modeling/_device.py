"""Devices and dtypes by their names, and which dtypes a device is tried with."""

from __future__ import annotations

import os
import re
from typing import cast, get_args

import torch

from zhmcq.errors import SettingsError
from zhmcq.settings import DtypeName

__all__ = [
    "candidate_dtypes",
    "choose_device",
    "dtype_name",
    "dtypes_to_try",
]


def choose_device(name: str | None = None) -> torch.device:
    """The device of that name; by default the fastest: CUDA, then Apple's MPS, then the CPU.

    Args:
        name: ``"cpu"``, ``"cuda"`` (the current CUDA device, under a launcher that of this
            process), ``"cuda:1"`` (any number), ``"mps"``, or ``None``.

    Raises:
        SettingsError: If there is no such name, or no such device on this machine.
    """
    if name is None:
        if torch.cuda.is_available():
            return _current_cuda()
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not isinstance(name, str) or not re.fullmatch(r"cpu|mps|cuda(:\d{1,3})?", name):
        raise SettingsError(
            f"device={name!r}: expected 'cpu', 'cuda', 'cuda:1' (any number), 'mps', or None for "
            "the fastest of this machine"
        )
    device = torch.device(name)
    problem = None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if device.index is None and count:
            return _current_cuda()
        if (device.index or 0) >= count:
            problem = f"PyTorch finds {count} CUDA devices here"
    elif device.type == "mps" and not torch.backends.mps.is_available():
        problem = "PyTorch finds no MPS device here"
    if problem is not None:
        raise SettingsError(
            f"device={name!r}: {problem}; give device='cpu', or leave it out for the fastest device"
        )
    return device


def _current_cuda() -> torch.device:
    """The current CUDA device; of several processes on a machine, each has one of its own."""
    current, rank = torch.cuda.current_device(), os.environ.get("LOCAL_RANK", "")
    if current == 0 and rank.isdecimal():  # nobody has chosen another one
        current = int(rank) % torch.cuda.device_count()
    return torch.device("cuda", current)


def candidate_dtypes(device: torch.device) -> tuple[torch.dtype, ...]:
    """The dtypes that ``"auto"`` tries on a device, in order; the last is fp32, which is exact.

    A CUDA device gets bf16 if it has units for it, otherwise fp16. MPS gets fp32, and so does a
    CPU, even if it lists bf16 instructions: unless the whole kernel library uses them, bf16 is
    several times slower there. What a measurement shows to be faster on a CPU is put before it
    (:mod:`zhmcq.modeling._probe`).
    """
    if device.type != "cuda":
        return (torch.float32,)
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return (torch.bfloat16 if native else torch.float16, torch.float32)


def dtypes_to_try(name: DtypeName, device: torch.device) -> tuple[torch.dtype, ...]:
    """The dtype of that name alone; for ``"auto"`` the candidates of the device, in order.

    Args:
        name: A name of a dtype, or ``"auto"``.
        device: The device that the model is to be on.

    Raises:
        SettingsError: If there is no such name.
    """
    if name not in get_args(DtypeName):
        raise SettingsError(f"dtype={name!r}: expected one of {get_args(DtypeName)}")
    return candidate_dtypes(device) if name == "auto" else (getattr(torch, name),)


def dtype_name(dtype: torch.dtype) -> DtypeName:
    """The name of a dtype, such as ``"float32"``."""
    return cast("DtypeName", str(dtype).removeprefix("torch."))
