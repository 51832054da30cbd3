"""What a run will take: steps and tokens by packing them, memory by counting what is kept.

Time cannot be known beforehand: :class:`zhmcq.training.watch.TimedSteps` tells it once a few steps
are done.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from zhmcq.encoding.batch import batches
from zhmcq.encoding.encode import EncodedQuestion
from zhmcq.encoding.tree import PackedRow, pack, pack_flat
from zhmcq.settings import TrainingSettings
from zhmcq.training.steps import StepSampler

__all__ = ["Memory", "RunEstimate", "estimate_memory", "estimate_run"]

MAX_PACKED = 100  # steps; of a longer run, so many of all are packed
GB = 1e9


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that training needs at its widest forward pass; see :func:`estimate_memory`."""

    weights: int
    adapter: int
    activations: int
    head: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.adapter + self.activations + self.head

    def text(self) -> str:
        """One line."""
        parts = {
            "weights": self.weights,
            "adapter with optimizer": self.adapter,
            "activations": self.activations,
            "head": self.head,
        }
        shown = ", ".join(f"{name} {size / GB:.2g}" for name, size in parts.items())
        return f"about {self.total / GB:.2g} GB of memory ({shown})"


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run computes.

    Attributes:
        steps: Optimizer steps.
        tokens_given: Tokens of the sequences in rows of their own.
        tokens_computed: Tokens that go through the model, padding left out.
        exact: Whether all steps were packed to count tokens, or some of them.
        widest: Tokens of the largest forward pass, padding included.
        row: Tokens of its longest row.
        heads: The most positions of a forward pass that go through the output head.
        memory: Where a model was looked at.
    """

    steps: int
    tokens_given: int
    tokens_computed: int
    exact: bool
    widest: int
    row: int
    heads: int
    memory: Memory | None = None

    def text(self) -> str:
        """One or two lines."""
        about = "" if self.exact else "about "
        line = (
            f"{self.steps} steps; {about}{self.tokens_given:,} tokens given, {about}"
            f"{self.tokens_computed:,} computed, at most {self.widest:,} at once"
        )
        return line if self.memory is None else f"{line}\n{self.memory.text()}"


def estimate_run(
    questions: Sequence[EncodedQuestion], settings: TrainingSettings, processes: int = 1
) -> RunEstimate:
    """Pack the steps of a run as the trainer will, without a model.

    Args:
        questions: Encoded training questions.
        settings: Of the run.
        processes: How many processes share it; tokens are those of all of them.
    """
    sampler = StepSampler(
        [question.passage for question in questions], settings.questions_per_step, settings.seed
    )
    per_epoch = math.ceil(len(questions) / (settings.questions_per_step * processes))
    limit = getattr(settings, "max_steps", -1)
    steps = limit if limit > 0 else math.ceil(settings.num_train_epochs * per_epoch)
    every = math.ceil(steps * processes / MAX_PACKED)
    given = computed = widest = longest = heads = packed = 0
    for step in islice(_steps(sampler), 0, steps * processes, every):
        packed += 1
        for rows in batches(
            _units([questions[index] for index in step], settings), settings.train_budget
        ):
            given += sum(row.given for row in rows)
            computed += sum(map(len, rows))
            longest = max(longest, *map(len, rows))
            widest = max(widest, len(rows) * max(map(len, rows)))
            heads = max(heads, sum(map(_predictors, rows)))
    share = steps * processes / packed
    # Options in another order have other tokens in common.
    exact = every == 1 and processes == 1 and not settings.shuffle_options
    return RunEstimate(
        steps, round(given * share), round(computed * share), exact, widest, longest, heads
    )


def _steps(sampler: StepSampler) -> Iterator[list[int]]:
    epoch = 0
    while True:
        sampler.set_epoch(epoch)
        yield from sampler
        epoch += 1


def _units(
    chosen: Sequence[EncodedQuestion], settings: TrainingSettings
) -> Iterator[tuple[PackedRow, ...]]:
    """The rows of one step, as the trainer packs them."""
    candidates: list[Sequence[int]] = [
        [q.target or 0] if settings.objective == "next_token" else range(len(q.candidates))
        for q in chosen
    ]
    if settings.packing == "tree":
        return pack(chosen, candidates, settings.train_budget)
    return pack_flat(chosen, candidates)


def _predictors(row: PackedRow) -> int:
    return len({int(row.parents[node]) for branch in row.branches for node in branch.nodes})


def estimate_memory(model: Any, settings: TrainingSettings, run: RunEstimate) -> Memory:
    """Bytes that training needs, counted for a LLaMA-like decoder.

    Buffers of kernels and allocators come on top, and other architectures differ: take it for
    the right order, not for a promise.

    - Weights: the frozen parameters as they are stored.
    - Adapter: 16 bytes a parameter: weight, gradient and the two moments of Adam, in fp32.
    - Activations: what autograd keeps for the backward pass. Counted from the tensors that it
      keeps for a LLaMA layer with LoRA on all its linear layers, a layer keeps for each token
      ``8 h + 4 f + 7 r`` numbers (``h`` hidden size, ``f`` feed-forward size, ``r`` rank) and a
      row of the mask; with dropout each linear layer's input is kept twice more, ``12 h + 2 f``.
      With activation checkpointing, one layer's and each layer's input, ``h``.
    - Head: the logits of the supervised positions in fp32, with two more of their size in the
      backward pass.

    Args:
        model: With its adapter attached; its parameters may be on the meta device.
        settings: Of the run.
        run: How wide its forward passes are.
    """
    frozen = trained = 0
    dtype_bytes = 2
    for parameter in model.parameters():
        if parameter.requires_grad:
            trained += parameter.numel()
            continue
        frozen += parameter.numel() * parameter.element_size()
        if parameter.is_floating_point():
            dtype_bytes = max(dtype_bytes, parameter.element_size())
    config = model.config.get_text_config()
    lora = next(iter(model.peft_config.values()))
    hidden = config.hidden_size
    feed = getattr(config, "intermediate_size", None) or 4 * hidden
    layer = 8 * hidden + 4 * feed + 7 * lora.r + run.row
    if lora.lora_dropout:
        layer += 12 * hidden + 2 * feed
    kept = config.num_hidden_layers * layer
    if any(
        getattr(settings, name, False)
        for name in ("activation_checkpointing", "gradient_checkpointing")
    ):
        kept = config.num_hidden_layers * hidden + layer
    return Memory(
        weights=frozen,
        adapter=16 * trained,
        activations=run.widest * kept * dtype_bytes,
        head=3 * 4 * run.heads * config.vocab_size,
    )
