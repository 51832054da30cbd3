"""Estimated and measured peak memory of a process that trains on a CPU, in three runs.

``python tests/benchmarks/memory_estimate.py --workbook AI.xlsx`` prints the table of
docs/en/training.md. Each run has a process of its own, and few steps:

- ``recipe``: ``examples/recipe.py``, on the questions with the longest passages that it trains on;
- ``quick start``: ``examples/quickstart.py``, on its synthetic sample;
- ``vocabulary``: a random LLaMA of 8 layers with a vocabulary of 128,256, on the same sample.

Measured is the peak resident set size, from the beginning of the training to its end with its
evaluations and checkpoints. It needs Linux, where a process can reset that peak.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zhmcq
from zhmcq.questions import QuestionBank
from zhmcq.testing import tiny_llama

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

import recipe  # the examples are scripts; their folder was put on the path above
from make_sample import write_sample

GB = 1e9
LORA = zhmcq.LoraSettings(r=16, lora_alpha=32, lora_dropout=0.0)
VALIDATION = 40
Run = tuple[str | Path, zhmcq.LoraSettings, dict[str, Any], QuestionBank, QuestionBank]


def recipe_run(options: argparse.Namespace) -> Run:
    """The recipe's model, data and forward passes; its longest passages."""
    train, valid, *_ = recipe.draw(options.workbook)
    longest = sorted(range(len(train)), key=lambda index: -len(train[index].passage))
    train = train.select(sorted(longest[: options.questions]))
    model = zhmcq.demo_model()
    chosen = argparse.Namespace(objective="contrastive", prompt="zh-affirmative")
    trainer = recipe.trainer_of(chosen, str(model), epochs=1)
    shape = ("per_device_train_batch_size", "gradient_accumulation_steps")
    settings = {name: getattr(trainer.training, name) for name in shape}
    return model, trainer.lora, settings, train, valid[:VALIDATION]


def quick_start_run(options: argparse.Namespace) -> Run:
    """The quick start's model, settings and data; some of its questions."""
    write_sample(options.folder / "sample.xlsx")
    builder = zhmcq.DatasetBuilder(valid_fraction=0.27)
    splits = builder.split(builder.read(options.folder / "sample.xlsx"))
    train = splits.train.sample(options.questions)
    return zhmcq.demo_model(), LORA, {}, train, splits.valid.sample(VALIDATION)


def vocabulary_run(options: argparse.Namespace) -> Run:
    """A random model whose logits take much of its memory."""
    *_, train, valid = quick_start_run(options)
    shapes: dict[str, Any] = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8}
    heads: dict[str, Any] = {"num_attention_heads": 8, "num_key_value_heads": 4}
    model = tiny_llama(options.folder / "model", vocab_size=128_256, **shapes, **heads)
    return model, LORA, {}, train, valid


RUNS: dict[str, Callable[[argparse.Namespace], Run]] = {
    "recipe": recipe_run,
    "quick start": quick_start_run,
    "vocabulary": vocabulary_run,
}


def measure(options: argparse.Namespace) -> None:
    """Train in this process, and print what was estimated and measured."""
    model, lora, settings, train, valid = RUNS[options.run](options)
    trainer = zhmcq.LoraTrainer(
        model,
        lora=lora,
        training=zhmcq.TrainingSettings(
            objective="contrastive",
            num_train_epochs=1,
            learning_rate=5e-4,
            warmup_steps=4,
            dtype=options.dtype,
            **settings,
        ),
        prompt="zh-cloze",
    )
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    result = trainer.train(train, valid, options.folder / "adapter")
    run = result.preflight.run
    if run is None or run.memory is None:
        raise SystemExit("expected an estimate of the run's memory, found none")
    figures = {
        "estimated": run.memory.total,
        "measured": peak(),
        "largest_pass": run.largest_pass,
        "head_positions": run.head_positions,
        "text": run.memory.text(),
    }
    print(json.dumps(figures))


def peak() -> int:
    """The peak resident set size of this process, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def row(name: str, dtype: str, figures: dict[str, Any]) -> str:
    """A run's row of the table."""
    estimated, measured = figures["estimated"], figures["measured"]
    sizes = f"{figures['largest_pass']:,} | {figures['head_positions']:,}"
    gigabytes = f"{estimated / GB:.2f} GB | {measured / GB:.2f} GB"
    return f"| {name} | {dtype} | {sizes} | {gigabytes} | {estimated / measured:.2f} |"


def main() -> None:
    """Print the table, or measure one run."""
    parser = argparse.ArgumentParser(description="Compare estimates of memory with measurements.")
    parser.add_argument("--workbook", type=Path, help="what the recipe trains on; left out without")
    parser.add_argument("--questions", type=int, default=64, help="to train on (default: 64)")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--run", choices=list(RUNS), help=argparse.SUPPRESS)
    parser.add_argument("--dtype", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        measure(options)
        return
    print("| run | dtype | tokens at once | positions | estimated | measured | ratio |")
    print(f"|{'---|' * 7}", flush=True)
    for name in options.runs:
        if name == "recipe" and options.workbook is None:
            continue
        for dtype in options.dtypes:
            print(row(name, dtype, measured(name, dtype, options)), flush=True)


def measured(name: str, dtype: str, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of a run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--run", name, "--dtype", dtype, "--folder", folder]
        command += ["--questions", str(options.questions)]
        command += ["--workbook", str(options.workbook)] if options.workbook else []
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(figures["text"], file=sys.stderr)
    return figures


if __name__ == "__main__":
    main()
