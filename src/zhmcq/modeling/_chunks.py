"""Chunks of recurrent layers that fit what a forward pass reads.

Mamba-2 layers compute a row in chunks: within one, each token with each before it, and from chunk
to chunk by the state. However long they are, the numbers are the same but for rounding. Models come
with chunks that a GPU's kernels like, often of 256 tokens, and a row is filled up to whole ones: a
candidate of six tokens is then computed as 256.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

__all__ = ["chunk_of", "fit_chunks", "fitted_chunk", "mixers"]

# In tokens. A row of 300 tokens took a layer of 16 heads, of 64 numbers each, 22 ms in chunks of 32
# or 64 and 49 ms in chunks of 256 where a head's state has 64 numbers for each of these, and 55, 42
# and 72 ms where it has 256. Measured on two cores.
LONGEST_CHUNK = 64
SHORTEST_CHUNK = 4


def fit_chunks(base: Any) -> None:
    """Let the recurrent layers of a model choose their chunks anew in each pass on a CPU.

    On a GPU nothing changes: what its kernels are fastest with is not known here.

    Args:
        base: The base model, without an adapter around it.
    """
    for module in mixers(base):
        # Not from the layer, which may be a copy of one that has chosen already.
        longest = chunk_of(base.config.get_text_config())
        if longest is not None:
            module.register_forward_pre_hook(partial(_fit, longest), with_kwargs=True)


def mixers(base: Any) -> list[Any]:
    """The Mamba-2 layers of a model of transformers', which take any length of chunks.

    Args:
        base: The base model, without an adapter around it.
    """
    if not type(base).__module__.startswith("transformers."):
        return []  # code that nobody here knows
    return [module for module in base.modules() if _in_chunks(module)]


def chunk_of(config: Any) -> int | None:
    """The length of a model's chunks by its configuration, in tokens; ``None`` without any.

    Args:
        config: Its text configuration.
    """
    named = (getattr(config, name, None) for name in ("mamba_chunk_size", "chunk_size"))
    return next((chunk for chunk in named if isinstance(chunk, int)), None)


def fitted_chunk(longest: int, width: int) -> int:
    """The length of the chunks of a pass.

    Args:
        longest: That of the model's configuration, in tokens.
        width: The tokens of the pass's rows.
    """
    chunk = SHORTEST_CHUNK
    while chunk < min(width, LONGEST_CHUNK):
        chunk *= 2
    return min(longest, chunk)


def _in_chunks(module: Any) -> bool:
    """Whether a module is a Mamba-2 layer."""
    return hasattr(module, "A_log") and isinstance(getattr(module, "chunk_size", None), int)


def _fit(longest: int, module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    hidden = args[0] if args else kwargs["hidden_states"]
    on_cpu = hidden.device.type == "cpu"
    module.chunk_size = fitted_chunk(longest, hidden.shape[1]) if on_cpu else longest
