"""What a run ran on, without naming the machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["describe", "line", "processor"]

CPUINFO = Path("/proc/cpuinfo")
# What products in bf16 are computed with, and llama.cpp's and torch's widest vectors.
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "bf16")
PACKAGES = ("torch", "transformers", "peft", "trl", "lm_eval", "xllamacpp")


def processor(cpuinfo: str) -> tuple[str, tuple[str, ...]]:
    """The processor's name and those of ``FLAGS`` that it has, from the text of /proc/cpuinfo."""
    fields: dict[str, str] = {}
    for entry in cpuinfo.splitlines():
        key, _, value = entry.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags", fields.get("Features", "")).split()
    name = fields.get("model name", "")
    return name, tuple(flag for flag in FLAGS if flag in flags)


def describe(threads: str) -> dict[str, Any]:
    """The processor, its cores, the threads used, and the versions of what is compared."""
    name, flags = processor(CPUINFO.read_text() if CPUINFO.exists() else "")
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue  # the sides that need it are left out
    return {
        "processor": name or platform.processor() or platform.machine(),
        "flags": list(flags),
        "cores": os.cpu_count() or 1,
        "threads": int(threads),
        "python": platform.python_version(),
        "versions": versions,
    }


def line(machine: dict[str, Any]) -> str:
    """One line of what :func:`describe` gave."""
    flags = ", ".join(machine["flags"]) or "none of the flags looked for"
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores ({flags}), {machine['threads']} "
        f"threads, Python {machine['python']}, {versions}"
    )
