"""How much memory the weights of a quantised model take, without quantising any."""

from __future__ import annotations

from math import ceil
from typing import Any

import torch

__all__ = ["is_quantised", "quantise_skeleton", "stored_bytes"]

# bitsandbytes: the weights of a block share a scale, and with double_quant 256 scales share one.
SCALES_PER_BLOCK = 256
FLOAT32_BYTES = 4


def quantise_skeleton(model: Any, config: Any, dtype: torch.dtype) -> None:
    """Give a model on the meta device the layers that loading it quantised would give it.

    Args:
        model: A model without weights, of :func:`zhmcq.modeling._load.load_skeleton`.
        config: The ``BitsAndBytesConfig``.
        dtype: The dtype of what stays as it is, such as biases.

    Raises:
        ImportError: If bitsandbytes is not installed.
    """
    import bitsandbytes  # noqa: F401 - transformers would raise a NameError
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.quantizers.base import HfQuantizer

    unfit = HfQuantizer.get_modules_to_not_convert(model, None, model._keep_in_fp32_modules)
    replace_with_bnb_linear(model, unfit, quantization_config=config)
    for module in model.modules():
        if _kind(getattr(module, "weight", None)) and getattr(module, "bias", None) is not None:
            module.bias = torch.nn.Parameter(module.bias.to(dtype), requires_grad=False)


def stored_bytes(parameter: Any) -> int:
    """The bytes that a weight takes once it is loaded, with the scales of a quantised one.

    Args:
        parameter: A parameter of a model, whose weights may be on the meta device. It is one of
            bitsandbytes or stays as it is stored.
    """
    kind = _kind(parameter)
    if not kind:
        return int(parameter.numel() * parameter.element_size())
    state = getattr(parameter, "quant_state", None)
    # 4-bit weights are packed in pairs when they are loaded.
    shape = torch.Size(parameter.shape if state is None else state.shape)
    count = shape.numel()
    if kind == "Int8Params":
        return count + FLOAT32_BYTES * shape[0]
    scales = ceil(count / int(parameter.blocksize))
    if parameter.compress_statistics:
        return ceil(count / 2) + scales + FLOAT32_BYTES * ceil(scales / SCALES_PER_BLOCK)
    return ceil(count / 2) + FLOAT32_BYTES * scales


def is_quantised(parameter: Any) -> bool:
    """Whether a parameter is, or once it is loaded will be, of 4 or 8 bits."""
    return bool(_kind(parameter))


def _kind(parameter: Any) -> str:
    """The class of bitsandbytes that a parameter has, or ``""``; without loading bitsandbytes."""
    name = type(parameter).__name__
    return name if name in ("Params4bit", "Int8Params") else ""
