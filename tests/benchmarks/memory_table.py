"""What fits on which card, by the library's estimate of memory; needs no GPU.

``python tests/benchmarks/memory_table.py`` prints the tables of docs/en/gpu.md, and with
``--write docs/en/gpu.md`` puts them there. Models are configurations with the shapes of Llama 3.2
and 3.1, without weights. The questions have passages longer than the maximum length, so that
forward passes are as large as they can be.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import page_blocks
import zhmcq
from zhmcq.modeling._load import ModelSource, load_skeleton, quantization_config
from zhmcq.testing import tiny_llama
from zhmcq.training import RunEstimate, estimate_memory
from zhmcq.training._lora import attach_adapter

GB = 1e9
CARDS = (8, 16, 24)  # GB
# The most that tensors took on a GPU was 1 to 2 % above the estimate (docs/en/benchmarks.md).
# Kernels' buffers and the gaps of the allocator come on top, and the CUDA context.
FACTOR = 1.1
CONTEXT = 1.0  # GB

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 128_256,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0},
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
MODELS: dict[str, dict[str, Any]] = {
    "1B": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "head_dim": 64,
        "tie_word_embeddings": True,
    },
    "3B": {
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": 28,
        "num_attention_heads": 24,
        "head_dim": 128,
        "tie_word_embeddings": True,
    },
    "8B": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "head_dim": 128,
        "tie_word_embeddings": False,
    },
}
# How the weights are stored: the dtype, and whether they are quantised. fp16 is as large as bf16.
STORED = {
    "fp32": (torch.float32, False),
    "bf16, fp16": (torch.bfloat16, False),
    "nf4": (torch.bfloat16, True),
}
LENGTHS = (512, 1024)
PLAIN = zhmcq.TrainingSettings()
SAVING = zhmcq.TrainingSettings(activation_checkpointing=True)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimates of one model, in GB.

    Attributes:
        model: Its name in ``MODELS``.
        stored: The name in ``STORED`` of how its weights are stored.
        weights: Its weights alone.
        totals: In training, for each of ``LENGTHS`` plain and with activation checkpointing.
    """

    model: str
    stored: str
    weights: float
    totals: tuple[tuple[float, float], ...]


def estimates(folder: Path) -> list[Estimate]:
    """Estimate every model as it may be stored, as the preflight does.

    Args:
        folder: An empty folder, where configurations and a tokenizer are written.
    """
    tokenizer = tiny_llama(folder / "tokenizer")
    runs = {length: _run(tokenizer, length) for length in LENGTHS}
    result = []
    for model, shapes in MODELS.items():
        base = folder / model
        base.mkdir()
        (base / "config.json").write_text(json.dumps(LLAMA | shapes), encoding="utf-8")
        for stored, (dtype, quantised) in STORED.items():
            settings = zhmcq.QuantizationSettings(kind="nf4")
            skeleton = load_skeleton(
                ModelSource(str(base)),
                dtype=dtype,
                quantization=quantization_config(settings, dtype) if quantised else None,
            )
            adapted = attach_adapter(skeleton, zhmcq.LoraSettings(), initialised=False)
            memory = [
                [
                    estimate_memory(adapted, training, run, device="cuda")
                    for training in (PLAIN, SAVING)
                ]
                for run in runs.values()
            ]
            totals = tuple((plain.total / GB, saving.total / GB) for plain, saving in memory)
            result.append(Estimate(model, stored, memory[0][0].weights / GB, totals))
    return result


def _run(tokenizer: Path, length: int) -> RunEstimate:
    """A run whose passages are longer than the maximum length, which each pass then has."""
    options = ("小明", "小華", "小美", "小王")
    bank = [
        zhmcq.Question(str(i), "誰最高興？", options, text * 2_000, answer=(i % 4,))
        for i, text in enumerate("子丑寅卯辰巳午未")
    ]
    settings = zhmcq.TrainingSettings(max_length=length, num_train_epochs=1)
    run = zhmcq.LoraTrainer(tokenizer, training=settings).preflight(bank).run
    if run is None or run.longest_row != length - 1:  # the last token is predicted only
        raise ValueError(f"expected rows of {length - 1} tokens, found {run}")
    return run


def card(total: float) -> str:
    """The smallest card that an estimate in GB fits on, by the page's rule."""
    needed = FACTOR * total + CONTEXT
    return next((f"{size} GB" for size in CARDS if needed <= size), "more than 24 GB")


def tables(estimated: Sequence[Estimate]) -> str:
    """The page's two tables: the estimates, and which card each fits on."""
    columns = [f"{length:,} | {length:,}, checkpointed" for length in LENGTHS]
    shown = [f"| model | weights as | weights alone | {' | '.join(columns)} |", f"|{'---|' * 7}"]
    fits = [f"| model | weights as | {' | '.join(columns)} |", f"|{'---|' * 6}"]
    for one in estimated:
        totals = [total for pair in one.totals for total in pair]
        head = f"| {one.model} | {one.stored} | "
        cells = [f"{size:.1f} GB" for size in (one.weights, *totals)]
        shown.append(head + " | ".join(cells) + " |")
        fits.append(head + " | ".join(map(card, totals)) + " |")
    return "\n".join(["Estimated:", "", *shown, "", "The smallest card by this rule:", "", *fits])


def rewritten(text: str, block: str) -> str:
    """A page's text with the block between its marks."""
    return page_blocks.rewritten(text, block, "memory")


def main() -> None:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(description="Estimate what fits on which card.")
    parser.add_argument("--write", type=Path, help="the page to put the tables into")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        block = tables(estimates(Path(folder)))
    print(block)
    if arguments.write:
        page: Path = arguments.write
        text = rewritten(page.read_text(encoding="utf-8"), block)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
