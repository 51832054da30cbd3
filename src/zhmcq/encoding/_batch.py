"""Rows → the tensors of one forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import torch

from zhmcq.encoding._tree import PackedRow

__all__ = ["Layout", "PackedBatch", "batches", "collate"]

# The layout of the rows of a forward pass: "tree" stores what the questions of a passage share
# once, "flat" gives each candidate a row of its own, padded on the right, and "equal" does so
# without padding, with rows of the same length in each pass. In scoring alone, "cached" and
# "stepped" compute what is shared once and go on from copies of the model's cache: by several
# tokens a pass, and by one.
Layout = Literal["tree", "cached", "stepped", "flat", "equal"]

# Reading the weights and starting the kernels costs about as much as this many tokens do: measured
# with a 270M model in training, on two CPU cores.
PASS_COST = 64


@dataclass(slots=True)
class PackedBatch:
    """Rows of one forward pass, and the positions that their candidates' scores are read from.

    Attributes:
        input_ids: Token ids, ``(rows, tokens)``.
        position_ids: Depths in the trie, ``(rows, tokens)``, 0 at padding; ``None`` but for
            prefix-tree rows, since a model counts the tokens of a plain row itself.
        visible: Which tokens each token sees, boolean, ``(rows, 1, tokens, tokens)``, where rows
            are prefix trees; padding sees itself only, since a row of a softmax with nothing in
            it is NaN. ``None`` otherwise.
        attended: 1 at tokens and 0 at padding, ``(rows, tokens)``, where plain rows are padded to
            one length; ``None`` otherwise.
        predicts: Where logits are needed, boolean, ``(rows, tokens)``.
        predictor: For each scored token, the index among the true entries of ``predicts`` of the
            token before it on its path, ``(scored,)``. One predictor may have several targets.
        target: For each scored token its id, ``(scored,)``.
        branch: For each scored token the branch it belongs to, ``(scored,)``.
        questions: For each branch the index of its question.
        candidates: For each branch the index of its candidate.
        computed: Tokens in the rows, padding left out.
        given: Tokens that would be computed if each sequence had a row of its own.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor | None
    visible: torch.Tensor | None
    attended: torch.Tensor | None
    predicts: torch.Tensor
    predictor: torch.Tensor
    target: torch.Tensor
    branch: torch.Tensor
    questions: tuple[int, ...]
    candidates: tuple[int, ...]
    computed: int
    given: int

    def to(self, device: torch.device) -> PackedBatch:
        """The same batch with its tensors on ``device``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors: dict[str, Any] = {
            name: value.to(device)
            for name, value in values.items()
            if isinstance(value, torch.Tensor)
        }
        return replace(self, **tensors)


def collate(rows: Sequence[PackedRow], layout: Layout, fewest: int = 1) -> PackedBatch:
    """Pad rows on the right to one length and find the positions that predict scored tokens.

    Nothing sees padding, and 0 is a token of every vocabulary: rows are padded with it.

    Args:
        rows: One or more rows; of one length for ``"equal"``, with one branch each for ``"flat"``
            and ``"equal"``.
        layout: The layout of the forward pass.
        fewest: The least tokens to pad rows to.
    """
    width = max(fewest, *map(len, rows))
    shape = (len(rows), width)
    ids = np.zeros(shape, dtype=np.int64)
    predictors: list[int] = []
    targets: list[int] = []
    branch_of: list[int] = []
    questions: list[int] = []
    candidates: list[int] = []
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row.ids
        for branch in row.branches:
            predictors += [number * width + index for index in branch.predictors]
            targets += branch.targets
            branch_of += [len(questions)] * len(branch.targets)
            questions.append(branch.question)
            candidates.append(branch.candidate)
    distinct, predictor = np.unique(np.array(predictors, dtype=np.int64), return_inverse=True)
    predicts = np.zeros(shape[0] * shape[1], dtype=np.bool_)
    predicts[distinct] = True
    positions, visible = _tree_inputs(rows, width) if layout == "tree" else (None, None)
    return PackedBatch(
        input_ids=torch.from_numpy(ids),
        position_ids=positions,
        visible=visible,
        attended=_attended(rows, width) if layout == "flat" else None,
        predicts=torch.from_numpy(predicts.reshape(shape)),
        predictor=torch.from_numpy(predictor.astype(np.int64)),
        target=torch.tensor(targets, dtype=torch.int64),
        branch=torch.tensor(branch_of, dtype=torch.int64),
        questions=tuple(questions),
        candidates=tuple(candidates),
        computed=sum(map(len, rows)),
        given=sum(row.given for row in rows),
    )


def _tree_inputs(rows: Sequence[PackedRow], width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions, and which tokens each token sees."""
    positions = np.zeros((len(rows), width), dtype=np.int64)
    visible = np.zeros((len(rows), 1, width, width), dtype=np.bool_)
    visible[:, 0, np.arange(width), np.arange(width)] = True
    for number, row in enumerate(rows):
        span = slice(len(row))
        positions[number, span] = row.positions
        visible[number, 0, span, span] = row.ancestors()
    return torch.from_numpy(positions), torch.from_numpy(visible)


def _attended(rows: Sequence[PackedRow], width: int) -> torch.Tensor:
    lengths = np.array([[len(row)] for row in rows])
    return torch.from_numpy((np.arange(width) < lengths).astype(np.int64))


def batches(
    units: Iterable[tuple[PackedRow, ...]], budget: int, pass_cost: int = PASS_COST
) -> Iterator[list[PackedRow]]:
    """Group rows of like length into forward passes, so that little is padded.

    Of all ways to cut the rows, sorted by length, into groups within the budget, the cheapest is
    taken: the one with the least padded tokens and passes together.

    Args:
        units: Rows that belong in one forward pass, as :func:`pack` and :func:`pack_flat` give
            them.
        budget: The most tokens of a group, padding included; a larger unit goes alone.
        pass_cost: What a forward pass costs whatever is in it, in tokens.

    Yields:
        Groups of rows, the longest first, so that what does not fit in memory shows at once.
    """
    ordered = sorted(units, key=_width, reverse=True)
    widths = [_width(unit) for unit in ordered]
    # cheapest[end]: the cost of the first ``end`` units, and where their last group starts.
    cheapest = [(0, 0)]
    for end in range(1, len(ordered) + 1):
        possible: list[tuple[int, int]] = []
        rows = 0
        for start in range(end - 1, -1, -1):
            rows += len(ordered[start])
            tokens = rows * widths[start]
            if tokens > budget and possible:
                break
            possible.append((cheapest[start][0] + tokens + pass_cost, start))
        cheapest.append(min(possible))
    cuts = [len(ordered)]
    while cuts[-1] > 0:
        cuts.append(cheapest[cuts[-1]][1])
    for end, start in zip(cuts[-2::-1], cuts[:0:-1], strict=True):
        yield [row for unit in ordered[start:end] for row in unit]


def _width(unit: tuple[PackedRow, ...]) -> int:
    return max(map(len, unit))
