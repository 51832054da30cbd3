"""How fast plain matmuls of a model's own sizes run on this machine in a dtype, and the sizes."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import torch

from prefix_tree.arithmetic import ModelShape
from zhmcq import LoraSettings

__all__ = ["measure"]

SECONDS = 3.0  # of each size: long enough that a busy moment does not decide it


def measure(model: str, tokens: list[int], dtype: str = "float32") -> dict[str, Any]:
    """Multiply as many rows with each weight of the model's layers, one weight after another.

    Args:
        model: The model's folder; only its configuration is read.
        tokens: Numbers of rows to measure.
        dtype: Of both factors and of the product, by torch's name.

    Returns:
        ``rates``: for each number of rows the operations a second, the median of passes through
        all weights. ``shape``: the fields of a ``ModelShape``.
    """
    sizes, shape = _sizes(model)
    numbers: torch.dtype = getattr(torch, dtype)
    weights = [torch.randn(size, dtype=numbers) for size in sizes]
    rates = []
    for count in tokens:
        inputs = {width: torch.randn(count, width, dtype=numbers) for _, width in sizes}
        operations = 2 * count * sum(out * width for out, width in sizes)
        passes: list[float] = []
        with torch.inference_mode():
            while sum(passes) < SECONDS or len(passes) < 4:
                start = time.perf_counter()
                for weight in weights:
                    torch.nn.functional.linear(inputs[weight.shape[1]], weight)
                passes.append(time.perf_counter() - start)
        settled = sorted(passes[1:])
        rates.append(operations / settled[len(settled) // 2])
    return {"rates": rates, "shape": asdict(shape)}


def _sizes(folder: str) -> tuple[list[tuple[int, int]], ModelShape]:
    """Shapes of the layers' weights, and what the formula needs to know."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    head = model.get_output_embeddings().weight
    lora = LoraSettings()
    sizes, adapter = [], 0
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear) or module is model.get_output_embeddings():
            continue
        sizes.append((module.out_features, module.in_features))
        if name.rpartition(".")[2] in lora.target_modules:
            adapter += lora.r * (module.in_features + module.out_features)
    text = config.get_text_config()
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    shape = ModelShape(
        body=sum(out * width for out, width in sizes),
        head=head.numel(),
        attention=text.num_hidden_layers * text.num_attention_heads * head_dim,
        adapter=adapter,
    )
    return sizes, shape
