"""Where the time of a training step goes: products, attention, and everything that is neither.

From the root of the repository::

    python tests/benchmarks/profile_training.py --model FOLDER --train AI.xlsx

Trains as ``train-tree`` and ``train-flat`` of ``bench_prefix_tree.py`` do, with torch's profiler on
from the second step, and sorts its operations by what they are for. Products are told apart by
their shapes: the adapter's have its rank for a side, the head's the vocabulary. Their rate is
given as a share of what plain matmuls of the model's sizes reach right after. The profiler itself
takes a few hundredths of the time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, TrainerCallback

import zhmcq
from prefix_tree import matmul
from prefix_tree.plan import MAX_LENGTH, QUESTIONS_PER_STEP, draw
from prefix_tree.report import write_table
from zhmcq.reading import read_bank

BATCH = 4  # questions: the forward pass's budget that the benchmark finds fastest
ROWS = 480  # of the plain matmuls: about a mean forward pass of train-tree
PRODUCTS = {"aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm"}
ATTENTION = ("aten::_scaled_dot_product", "aten::_softmax", "aten::softmax")
KINDS = (
    "frozen projections",
    "head",
    "adapter's products",
    "attention",
    "optimizer",
    "all else",
)


class Profile(TrainerCallback):
    """Profiles every step but the first."""

    def __init__(self) -> None:
        self.profiler = torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True
        )
        self.seconds = 0.0
        self.steps = 0
        self._start = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Switch the profiler on before the second step."""
        if state.global_step == 1:
            self.profiler.start()
            self._start = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count the step; off after the last."""
        if state.global_step > 1:
            self.steps += 1
            self.seconds = time.perf_counter() - self._start
        if state.global_step == state.max_steps:
            self.profiler.stop()


def kind_of(name: str, shapes: Sequence[Sequence[int]], rank: int, vocabulary: int) -> str:
    """What an operation is for.

    Args:
        name: Of the operation, as the profiler writes it.
        shapes: Of its inputs.
        rank: Of the adapter.
        vocabulary: Tokens of the output head.
    """
    sides = {side for shape in shapes[:3] for side in shape}
    if name.startswith(ATTENTION) or name == "aten::bmm":
        return "attention"
    if name in PRODUCTS:
        if vocabulary in sides:
            return "head"
        return "adapter's products" if rank in sides else "frozen projections"
    if name.startswith(("aten::_foreach", "Optimizer", "aten::_fused_adam")):
        return "optimizer"
    return "all else"


def operations(name: str, shapes: Sequence[Sequence[int]]) -> int:
    """Multiplications and additions of a product of two matrices; 0 for anything else."""
    if name not in {"aten::mm", "aten::addmm", "aten::addmm_"}:
        return 0
    (rows, inner), (_, columns) = [shape for shape in shapes[:3] if len(shape) == 2][-2:]
    return 2 * rows * inner * columns


def tables(events: Iterable[Any], seconds: float, rank: int, vocabulary: int, rate: float) -> str:
    """Two tables: time by kind, and the longest of all that is neither product nor attention.

    Args:
        events: The profiler's averages, grouped by input shape.
        seconds: Wall-clock time of the profiled steps.
        rank: Of the adapter.
        vocabulary: Tokens of the output head.
        rate: Operations a second of plain matmuls.
    """
    spent: dict[str, float] = defaultdict(float)
    done: dict[str, int] = defaultdict(int)
    others: dict[str, float] = defaultdict(float)
    for event in events:
        kind = kind_of(event.key, event.input_shapes, rank, vocabulary)
        used = event.self_cpu_time_total / 1e6
        spent[kind] += used
        done[kind] += event.count * operations(event.key, event.input_shapes)
        if kind == "all else":
            others[event.key] += used
    total = sum(spent.values())
    rows = []
    for kind in KINDS:
        share = f"{100 * spent[kind] / total:.0f} %"
        reached = f"{100 * done[kind] / spent[kind] / rate:.0f} %" if done[kind] else "–"
        rows.append([kind, f"{spent[kind]:.2f}", share, reached])
    rows.append(["together", f"{total:.2f}", f"of {seconds:.2f} s on the clock", ""])
    longest = sorted(others.items(), key=lambda item: -item[1])[:10]
    return "\n".join(
        [
            write_table(["what", "seconds", "share", "of a plain matmul's rate"], rows),
            write_table(
                ["of all else", "seconds", "share"],
                [[name, f"{used:.2f}", f"{100 * used / total:.1f} %"] for name, used in longest],
            ),
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Train with the profiler on, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True, help="the folder of a causal language model")
    parser.add_argument("--train", required=True, help="a workbook of questions with keys")
    parser.add_argument("--questions", type=int, default=40)
    parsed = parser.parse_args(argv)
    (bank,) = draw(read_bank(parsed.train), [parsed.questions])
    rank = zhmcq.LoraSettings().r
    config = AutoConfig.from_pretrained(parsed.model, local_files_only=True)
    vocabulary = config.get_text_config().vocab_size
    rates = matmul.measure(parsed.model, [ROWS])["rates"]
    for packing in ("tree", "flat"):
        profile = Profile()
        settings = zhmcq.TrainingSettings(
            per_device_train_batch_size=BATCH,
            gradient_accumulation_steps=QUESTIONS_PER_STEP // BATCH,
            num_train_epochs=1,
            max_length=MAX_LENGTH["train"],
            packing=packing,
            disable_tqdm=True,
            eval_strategy="no",
        )
        with tempfile.TemporaryDirectory() as folder:
            trainer = zhmcq.LoraTrainer(
                parsed.model, training=settings, prompt="zh-exam", callbacks=[profile]
            )
            trainer.train(bank, output_dir=Path(folder) / "run")
        averages = profile.profiler.key_averages(group_by_input_shape=True)
        print(f"\n## {packing}, {profile.steps} steps\n")
        print(tables(averages, profile.seconds, rank, vocabulary, rates[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
