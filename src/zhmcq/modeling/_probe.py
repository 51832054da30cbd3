"""Whether a CPU computes a model's products faster in bf16 than in fp32: measured, not listed.

CPUs differ, and so do the kernels of a build of torch: on one machine a product took seven times
as long in bf16 as in fp32, on another, with units for bf16, less than half as long. What a CPU
says of its instructions does not tell them apart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear

from zhmcq._phrases import records
from zhmcq.errors import GatedModelError, ModelError
from zhmcq.modeling._load import ModelSource, is_stored_quantised, load_skeleton
from zhmcq.modeling._process_memory import bound_kernel_caches
from zhmcq.settings import DtypeName

__all__ = ["ENOUGH", "Product", "bf16_speed", "products_of", "ratio_of"]

logger = logging.getLogger(__name__)

ENOUGH = 1.3  # times as fast as fp32, from which on bf16 is taken

# Weights of a model's layers, from which on it is measured. The products of a smaller model are
# over so soon that its time goes elsewhere, and a measurement of them would be chance.
SMALLEST = 10_000_000

ROWS = 256  # tokens of a short forward pass
HEAD_ROWS = 32  # of these, tokens that predict a scored one and go through the output head
NARROW = 32  # a side from which on a weight takes part in a product: convolutions do not
SIDE = 1024  # a side of a matrix at most: larger ones have the rate of this size, and take longer
TASTE = (256, 256)  # the sides of the first product, which tells whether bf16 is emulated
HOPELESS = 2 / 3  # a ratio of it at which nothing larger is computed: it could take seconds
ROUNDS = 4  # of which the fastest counts, in either dtype

# What torch raises where it has no kernel for a product in bf16.
NO_KERNEL = (RuntimeError, NotImplementedError, TypeError)


@dataclass(frozen=True, slots=True, order=True)
class Product:
    """A matrix product that a model computes for each token, or for each that it predicts.

    Attributes:
        rows: Tokens that are multiplied at once.
        inner: Numbers of a token before it.
        outer: Numbers of a token after it.
    """

    rows: int
    inner: int
    outer: int


_ratios: dict[tuple[Any, int], float] = {}
_measuring = threading.Lock()  # two measurements at once would measure each other


def bf16_speed(
    source: ModelSource, *, dtype: DtypeName, device: torch.device, quantised: bool = False
) -> float | None:
    """How many times as fast as in fp32 this CPU computes the model's products in bf16.

    It is measured in milliseconds, by as many threads as torch is set to use, and once in a
    process for the same shapes and number of threads.

    Args:
        source: The model, whose weights are not loaded.
        dtype: The dtype that was given.
        device: The device that the model is to be on.
        quantised: Whether it is to be quantised.

    Returns:
        ``None`` where nothing is to be measured: if a dtype was given by name, on other devices
        than CPUs, for quantised models, and for models with fewer than 10 million weights in their
        layers.
    """
    if dtype != "auto" or device.type != "cpu" or quantised:
        return None
    try:
        if is_stored_quantised(source):
            return None
        skeleton = load_skeleton(source)
    except GatedModelError:
        raise
    except ModelError as error:
        # Code that came with the weights may need them to build its layers. What else is wrong
        # with a model is an error when it is loaded.
        logger.info("%s", records.bf16_not_measured(error))
        return None
    products = products_of(skeleton)
    if sum(count * p.inner * p.outer for p, count in products.items() if p.rows == ROWS) < SMALLEST:
        return None
    key = (tuple(sorted(products.items())), torch.get_num_threads())
    with _measuring:
        if key not in _ratios:
            bound_kernel_caches()
            _ratios[key] = ratio_of(products)
        return _ratios[key]


def products_of(model: Any) -> Counter[Product]:
    """The products of a model and how often it computes them, by the shapes of its weights.

    Args:
        model: The model, which may be on the meta device.
    """
    head = model.get_output_embeddings()
    products: Counter[Product] = Counter()
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            continue
        for weight in module.parameters(recurse=False):
            if weight.dim() >= 2 and min(weight.shape[-2:]) >= NARROW:
                outer, inner = weight.shape[-2:]  # of experts there are several in one tensor
                rows = HEAD_ROWS if module is head else ROWS
                products[Product(rows, inner, outer)] += weight.numel() // (outer * inner)
    return products


def ratio_of(
    products: Counter[Product],
    seconds: Callable[[Product, int], Iterator[tuple[float, float]]] | None = None,
) -> float:
    """The time of all products in fp32, as a multiple of their time in bf16.

    Args:
        products: The products, and how often each is computed.
        seconds: Measures a product a number of times, each time in fp32 and in bf16, in seconds;
            the clock of this machine by default.

    Returns:
        0.0 if the CPU cannot compute in bf16. A ratio of two thirds or less is that of one small
        product.
    """
    seconds = seconds or _seconds
    try:
        exact, rounded = _fastest(seconds(Product(ROWS, *TASTE), ROUNDS))
        if exact <= HOPELESS * rounded:
            return exact / rounded
        exact = rounded = 0.0
        for product, times in sorted(_measured(products).items()):
            fp32, bf16 = _fastest(seconds(product, ROUNDS))
            exact += fp32 * times
            rounded += bf16 * times
    except NO_KERNEL as error:
        logger.info("%s", records.bf16_not_computed(error))
        return 0.0
    return exact / rounded


def _measured(products: Counter[Product]) -> dict[Product, float]:
    """The products to measure, and how often each is computed if large ones are cut in parts."""
    measured: dict[Product, float] = {}
    for product, count in products.items():
        part = Product(product.rows, min(product.inner, SIDE), min(product.outer, SIDE))
        parts = product.inner * product.outer / (part.inner * part.outer)
        measured[part] = measured.get(part, 0.0) + count * parts
    return measured


def _fastest(times: Iterator[tuple[float, float]]) -> tuple[float, float]:
    """The shortest time in fp32 and in bf16: whatever else the machine does only adds to it."""
    next(times)  # in which kernels are made
    exact, rounded = zip(*times, strict=True)
    return min(exact), min(rounded)


def _seconds(product: Product, rounds: int) -> Iterator[tuple[float, float]]:
    """Times of a product in fp32 and in bf16 in turns, with the one that its gradient takes."""

    def filled(*shape: int) -> torch.Tensor:
        return torch.full(shape, 0.5, dtype=torch.float32, device="cpu")

    exact = (
        filled(product.rows, product.inner),
        filled(product.outer, product.inner),
        filled(product.rows, product.outer),
    )
    pair = (exact, tuple(tensor.bfloat16() for tensor in exact))
    with torch.inference_mode():
        for _ in range(rounds + 1):
            taken = []
            for inputs, weights, gradients in pair:
                start = time.perf_counter()
                linear(inputs, weights)
                torch.mm(gradients, weights)
                taken.append(time.perf_counter() - start)
            yield taken[0], taken[1]
