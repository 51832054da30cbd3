"""Speed and memory on the GPU of this machine, with a random model of a real one's shapes.

What a pass costs depends on shapes and not on what the weights know, so that no model has to be
fetched: ``python tests/benchmarks/bench_gpu.py --bank AI.xlsx --output gpu.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import zhmcq
from zhmcq.settings import DtypeName, Objective, Packing
from zhmcq.testing import tiny_llama

# Llama 3.2 1B.
SHAPES: dict[str, Any] = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
}
MAX_LENGTH = 1024
WARM_UP = 20  # questions that are answered before the clock starts


def peak_gigabytes() -> float:
    """The most memory that tensors took on the card since the count was set back."""
    return torch.cuda.max_memory_allocated() / 1e9


def start_over() -> None:
    """Give memory back and set its count back."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def scoring(
    base: Path, bank: Any, dtype: DtypeName, packing: Packing
) -> tuple[dict[str, Any], list[Any]]:
    """Questions a second, memory, and the answers."""
    start_over()
    predictor = zhmcq.MCQPredictor(base, dtype=dtype, batch_size=16, max_length=MAX_LENGTH)
    mode = zhmcq.ScoreSettings(packing=packing)
    predictor.predict(bank.select(range(WARM_UP)), mode=mode)
    start = time.perf_counter()
    answers = [prediction.answer for prediction in predictor.predict(bank, mode=mode)]
    seconds = time.perf_counter() - start
    figures = {"questions_per_second": len(bank) / seconds, "peak_gb": peak_gigabytes()}
    return figures, answers


def training(base: Path, bank: Any, packing: Packing, objective: Objective) -> dict[str, Any]:
    """Questions a second, memory, and what preflight estimated."""
    start_over()
    settings = zhmcq.TrainingSettings(
        num_train_epochs=1,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=4,
        max_length=MAX_LENGTH,
        packing=packing,
        objective=objective,
    )
    trainer = zhmcq.LoraTrainer(
        base, training=settings, lora=zhmcq.LoraSettings(r=16, lora_dropout=0.0)
    )
    with tempfile.TemporaryDirectory() as folder:
        result = trainer.train(bank, None, Path(folder) / "adapter")
    run = result.preflight.run
    if run is None or run.memory is None:
        raise SystemExit("expected an estimate of the run's memory, found none")
    return {
        "questions_per_second": result.questions_per_second,
        "peak_gb": peak_gigabytes(),
        "estimated_gb": run.memory.total / 1e9,
        "largest_pass": run.largest_pass,
    }


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", required=True, help="a workbook of questions with keys")
    parser.add_argument("--questions", type=int, default=300, help="to answer, and to train on")
    parser.add_argument("--output", type=Path, help="a json file to write")
    parsed = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device")
    bank = zhmcq.DatasetBuilder().read(parsed.bank).answered.select(range(parsed.questions))
    figures: dict[str, Any] = {"card": torch.cuda.get_device_name(), "torch": torch.__version__}
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        base = tiny_llama(Path(folder) / "base", **SHAPES)
        cases: tuple[tuple[DtypeName, Packing], ...] = (
            ("float32", "tree"),
            ("bfloat16", "tree"),
            ("bfloat16", "flat"),
            ("float16", "tree"),
        )
        for dtype, packing in cases:
            name = f"scoring, {dtype}, {packing}"
            figures[name], answers[name] = scoring(base, bank, dtype, packing)
            same = sum(map(tuple.__eq__, answers[name], answers["scoring, float32, tree"]))
            figures[name]["answers_as_float32"] = same / len(bank)
            print(name, json.dumps(figures[name]), flush=True)
        runs: tuple[tuple[Packing, Objective], ...] = (
            ("tree", "contrastive"),
            ("flat", "contrastive"),
            ("tree", "next_token"),
        )
        for packing, objective in runs:
            name = f"training, {objective}, {packing}"
            figures[name] = training(base, bank, packing, objective)
            print(name, json.dumps(figures[name]), flush=True)
    if parsed.output is not None:
        parsed.output.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
