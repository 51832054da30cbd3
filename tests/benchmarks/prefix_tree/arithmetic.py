"""How much arithmetic a model's tokens take, by formula, and what that is of a plain matmul's rate.

Counted is what computed tokens need, each multiplication and addition as one operation:

- a token through the layers: 2 a weight, forward (``body``: all linear weights but the head);
- a position through the head: 2·d·V, forward;
- a row of n tokens through attention: 4·n²·heads·head_dim a layer, forward: the scores and the
  weighted sum of values are 2·n²·heads·head_dim each, the mask being dense;
- a token through the adapter: 2 a weight, forward (r·(in + out) weights a layer).

A training step takes the forward pass again for the gradients of the activations (frozen weights
get none of their own): 4 a weight and 4·d·V a position. Attention has two operands that both want
a gradient: 12·n²·heads·head_dim. The adapter's weights want theirs as well: 6 a weight.

Not counted: norms, activation functions, softmax, the optimizer, and what a kernel computes again
in its backward pass. Padding is not counted for tokens, but a row of a batch attends over the
batch's width. The first layer's inputs want no gradient through its frozen projections: the
formula counts that all the same, which is less than 1 % of the whole from 18 layers on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ModelShape", "forward_operations", "training_operations"]


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What the formula needs to know of a model.

    Attributes:
        body: Weights of its linear layers, the head left out.
        head: Weights of its output head: width × vocabulary.
        attention: Over all layers the sum of heads × head_dim.
        adapter: Weights of the adapter.
    """

    body: int
    head: int
    attention: int
    adapter: int


def forward_operations(
    shape: ModelShape, tokens: int, projected: int, rows: Sequence[tuple[int, int]]
) -> int:
    """Operations of forward passes without an adapter.

    Args:
        shape: Of the model.
        tokens: Tokens computed, padding left out.
        projected: Positions through the head.
        rows: For each forward pass its rows and their width.
    """
    squares = sum(count * width**2 for count, width in rows)
    return 2 * shape.body * tokens + 2 * shape.head * projected + 4 * shape.attention * squares


def training_operations(
    shape: ModelShape, tokens: int, projected: int, rows: Sequence[tuple[int, int]]
) -> int:
    """Operations of forward and backward passes that train a LoRA adapter on a frozen model.

    Args:
        shape: Of the model and its adapter.
        tokens: Tokens computed, padding left out.
        projected: Positions through the head.
        rows: For each forward pass its rows and their width.
    """
    squares = sum(count * width**2 for count, width in rows)
    return (
        (4 * shape.body + 6 * shape.adapter) * tokens
        + 4 * shape.head * projected
        + 12 * shape.attention * squares
    )
