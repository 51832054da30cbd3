"""The memory that a run will need: of its process on a CPU, of its tensors elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from zhmcq._phrases import summaries
from zhmcq.modeling._quantised import is_quantised, stored_bytes
from zhmcq.settings import TrainingSettings
from zhmcq.training._joined_products import joins_products

if TYPE_CHECKING:
    from zhmcq.training._plan import RunEstimate

__all__ = ["MemoryEstimate", "estimate_memory"]

GB = 1e9
FLOAT32_BYTES = 4
# Of what the backward pass needs, how much more the allocator of a CPU takes from the system: freed
# pieces that nothing fits into. With glibc 2.36 a pass of 1,044 tokens through Gemma 3 270M had
# 1,226 MB to store and took 665 MB more.
GAPS = 0.5
# What training loads once the questions are checked: transformers' Trainer, peft, code of kernels.
LIBRARIES = 80_000_000
HEAD_COPIES = 3  # of the logits in fp32, on other devices than CPUs


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes that training needs at most; see :func:`estimate_memory`.

    On a CPU the sum is the peak of the whole process's memory, elsewhere that of the tensors on the
    device.

    Attributes:
        weights: The frozen weights of the base model.
        adapter: The adapter's weights, their gradients and the optimizer's moments.
        activations: What autograd stores for the backward pass.
        head: The logits of the supervised positions, and what their backward pass takes.
        gaps: What the allocator of a CPU cannot use between tensors.
        conversion: The stored weights, while they are converted to the dtype on a CPU. By then
            there are neither activations nor an adapter.
        process: What the process had before the model was loaded: the interpreter, libraries, the
            tokenizer and the questions. 0 on devices with memory of their own, and where the
            system does not say.
        evaluation: The logits of an evaluation on a CPU and the numbers of one layer, in place of
            what training takes.
    """

    weights: int
    adapter: int
    activations: int
    head: int
    gaps: int = 0
    conversion: int = 0
    process: int = field(default=0, compare=False)
    evaluation: int = 0

    @property
    def total(self) -> int:
        """The most there is at once."""
        training = self.adapter + self.activations + self.head + self.gaps
        evaluation = self.adapter + self.evaluation
        return self.process + self.weights + max(training, evaluation, self.conversion)

    def text(self) -> str:
        """The estimate in one line."""
        always = {
            "weights": self.weights,
            "adapter": self.adapter,
            "activations": self.activations,
            "head": self.head,
        }
        optional = {
            "gaps": self.gaps,
            "evaluation": self.evaluation,
            "conversion": self.conversion,
            "process": self.process,
        }
        parts = always | {name: size for name, size in optional.items() if size}
        return summaries.memory_summary(
            self.total / GB, {name: size / GB for name, size in parts.items()}
        )


def estimate_memory(
    model: Any,
    settings: TrainingSettings,
    run: RunEstimate,
    *,
    device: str | torch.device = "cpu",
    process: int = 0,
    stored: torch.dtype | None = None,
) -> MemoryEstimate:
    """Estimate the memory that training needs, counted for a LLaMA-like decoder.

    On a CPU it is the most that the process has in memory, mapped files included (its peak
    resident set size); ``tests/benchmarks/memory_estimate.py`` compares it with measurements. On
    other devices it is that of tensors; buffers of kernels and the device's context come on top.
    Other architectures differ.

    - Weights: the frozen parameters as they are stored, those of 4 or 8 bits with their scales.
      On a CPU, weights of a file in another dtype are in memory in both while they are loaded.
    - Adapter: 16 bytes a parameter: weight, gradient and the two moments of Adam, in fp32. Where
      its products are joined with those of a 16-bit model, 2 more for a copy in the model's dtype.
    - Activations: what autograd stores for the backward pass. Counted from the tensors that it
      stores for a LLaMA layer with LoRA on all its linear layers, a layer of an fp32 model has for
      each token ``8 h + 4 f + 7 r`` numbers (``h`` hidden size, ``f`` feed-forward size, ``r``
      rank); with dropout each linear layer's input is stored twice more, ``12 h + 2 f``. In a
      16-bit model the norms store ``2 h`` numbers in fp32. On a CPU the rest, ``6 h + 4 f + 7 r``
      or with dropout ``16 h + 5 f + 7 r``, is in the model's dtype where the adapter's products
      are joined with the frozen ones; else each layer of the adapter, which stays in fp32, stores
      a copy of its input in fp32: ``8 h + f + 7 r`` numbers are in fp32, ``6 h + f`` more with
      dropout, and ``4 h + 3 f`` in the model's dtype. Elsewhere than on a CPU each layer stores a
      row of the mask. With activation checkpointing, one layer's and each layer's input, ``h``.
    - Head: on a CPU the logits of the supervised positions in the model's dtype; elsewhere in fp32,
      with two more of their size in the backward pass.
    - Evaluation: on a CPU, the logits of its largest forward pass, and for each of its tokens the
      ``8 h + 4 f`` numbers of one layer.
    - Gaps: on a CPU half of the activations, as measured with glibc's allocator.

    Args:
        model: A model with its adapter attached; its parameters may be on the meta device.
        settings: Settings of the run: whether activations are checkpointed.
        run: The estimate of the run's steps: how large its forward passes are.
        device: Where the model will be trained.
        process: What the process has in memory before the model is loaded, in bytes.
        stored: The dtype of the weights in their file; ``None`` if it is not known.
    """
    on_cpu = torch.device(device).type == "cpu"
    frozen = trained = plain = 0
    dtype_bytes = 2
    config = model.config.get_text_config()
    for parameter in model.parameters():
        if parameter.requires_grad:
            trained += parameter.numel()
            continue
        frozen += stored_bytes(parameter)
        if parameter.is_floating_point() and not is_quantised(parameter):
            dtype_bytes = max(dtype_bytes, parameter.element_size())
            plain += parameter.numel()
    hidden = config.hidden_size
    layers = config.num_hidden_layers
    joined = on_cpu and joins_products(model)
    copied = dtype_bytes if joined and dtype_bytes < FLOAT32_BYTES else 0
    layer = _layer_bytes(model, dtype_bytes, joined, 0 if on_cpu else run.longest_row)
    a_token = layers * layer
    if any(
        getattr(settings, name, False)
        for name in ("activation_checkpointing", "gradient_checkpointing")
    ):
        a_token = layers * hidden * dtype_bytes + layer
    logit_bytes = dtype_bytes if on_cpu else HEAD_COPIES * FLOAT32_BYTES
    converted = on_cpu and stored is not None and stored.itemsize != dtype_bytes
    activations = run.largest_pass * a_token
    feed = getattr(config, "intermediate_size", None) or 4 * hidden
    evaluated = run.evaluated_positions * config.vocab_size
    evaluated += run.evaluated_pass * (8 * hidden + 4 * feed)
    return MemoryEstimate(
        weights=frozen,
        adapter=(16 + copied) * trained,
        activations=activations,
        head=logit_bytes * run.head_positions * config.vocab_size,
        gaps=round(GAPS * activations) if on_cpu else 0,
        conversion=plain * stored.itemsize if converted and stored is not None else 0,
        process=process + LIBRARIES if on_cpu and process else 0,
        evaluation=dtype_bytes * evaluated if on_cpu else 0,
    )


def _layer_bytes(model: Any, dtype_bytes: int, joined: bool, mask: int) -> int:
    """What autograd stores of one layer for each token.

    Args:
        model: The model with its adapter.
        dtype_bytes: Bytes of a number in the model's dtype.
        joined: Whether the adapter's products are joined with the frozen ones.
        mask: Numbers of a row of the mask, where each layer stores it.
    """
    config = model.config.get_text_config()
    lora = next(iter(model.peft_config.values()))
    hidden = config.hidden_size
    feed = getattr(config, "intermediate_size", None) or 4 * hidden
    dropped = 6 * hidden + feed if lora.lora_dropout else 0  # inputs, once each
    wide, narrow = 8 * hidden + 7 * lora.r, 4 * feed + mask
    if dtype_bytes == FLOAT32_BYTES:
        wide += 2 * dropped
    elif joined:
        # The inputs of the layers, or what dropout leaves of them and its masks.
        inputs = 2 * dropped or 2 * hidden + feed
        wide, narrow = 2 * hidden, 4 * hidden + 3 * feed + 7 * lora.r + inputs
    else:
        wide, narrow = wide + feed + dropped, 4 * hidden + 3 * feed + mask
    return int(FLOAT32_BYTES * wide + dtype_bytes * narrow)
