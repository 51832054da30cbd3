"""Log-likelihoods by a model's own cache: what sequences share is computed once, then branched.

It is for models that cannot read prefix trees, such as those with recurrent layers, and for scoring
alone: no gradient goes through a cache.

The model is given no mask. It masks by itself what comes after a token, and only last stages are
padded, on the right: nothing goes on from the cache that padding has gone into.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from zhmcq.encoding._batch import Layout, collate
from zhmcq.encoding._stages import FEWEST, Path, Stage, paths_of, plan_stages, stage
from zhmcq.encoding._tree import Branch, PackedRow
from zhmcq.modeling._forward import Past, accepted_inputs, base_of, token_log_likelihoods

__all__ = ["CachedPasses", "ScoredTokens", "cache_name", "check_stages", "planned"]

# What models call their cache, as an argument and in their output.
CACHES = ("past_key_values", "cache_params", "state")
STEPS_CHECKED = 8  # tokens of a prompt that the check goes on by, where each takes a pass


@dataclass(frozen=True, slots=True)
class ScoredTokens:
    """Log-likelihoods of some tokens of a candidate, one after the other.

    Attributes:
        question: The question's index in what was encoded.
        candidate: The candidate's index in its question.
        start: The index, in the prompt with the candidate, of the token before the first of them.
        values: Their log-likelihoods, on the CPU.
    """

    question: int
    candidate: int
    start: int
    values: torch.Tensor


def cache_name(base: Any) -> str | None:
    """What a base model calls its cache; ``None`` if its forward method takes none."""
    accepted = accepted_inputs(base)
    return next((name for name in CACHES if name in accepted), None)


def planned(rows: Sequence[PackedRow], layout: Layout) -> tuple[Stage, ...]:
    """The stages of the rows of a pass: of one that shares, or of plain ones together.

    Args:
        rows: What :class:`zhmcq.encoding._passes.PassPlan` gives for the layout.
        layout: ``"cached"`` or ``"stepped"``.
    """
    if len(rows) == 1:
        return plan_stages(paths_of(rows[0]), stepped=layout == "stepped")
    return (Stage(0, tuple(rows)),)


class CachedPasses:
    """Computes stages, depth first: only the caches on the way to a candidate are there at once.

    Args:
        model: A causal language model, with or without an adapter around it.
        layout: ``"cached"`` or ``"stepped"``: go on from a cache by several tokens a pass, or one.
        budget: The most tokens of a forward pass, those in its cache and padding included; one
            row that is longer goes alone.

    Attributes:
        computed: Tokens that went through the model so far, padding left out.
    """

    def __init__(self, model: Any, layout: Layout, budget: int) -> None:
        self.model = model
        self.budget = budget
        self.computed = 0
        self._stepped = layout == "stepped"
        self._name = cache_name(base_of(model))

    def run(self, stages: Sequence[Stage], cache: Any = None) -> Iterator[ScoredTokens]:
        """Compute stages that go on from one cache.

        Args:
            stages: The stages.
            cache: What the model gave back as its cache, of one row; ``None`` to begin.

        Yields:
            Each candidate's tokens in their order, in as many parts as stages have some of them.
        """
        for each in stages:
            at_once = max(1, self.budget // (each.start + each.width))
            for first in range(0, len(each.rows), at_once):
                rows = each.rows[first : first + at_once]
                past = self._past(cache, len(rows), keep=bool(each.then or cache is not None))
                yield from self._computed(rows, each.start, past, last=not each.then)
                if each.then and past is not None:
                    yield from self.run(each.then, past.cache)

    def _past(self, cache: Any, rows: int, *, keep: bool) -> Past | None:
        if not keep or self._name is None:
            return None
        return Past(self._name, None if cache is None else branched(cache, rows))

    def _computed(
        self, rows: Sequence[PackedRow], start: int, past: Past | None, *, last: bool
    ) -> Iterator[ScoredTokens]:
        self.computed += sum(map(len, rows))
        if past is None or past.cache is None or not self._stepped:
            yield from self._pass(rows, start, past, FEWEST if last else 1)
            return
        for index in range(max(map(len, rows))):
            column = [_token(row, index) for row in rows]
            yield from self._pass(column, start + index, past, 1)

    def _pass(
        self, rows: Sequence[PackedRow], start: int, past: Past | None, fewest: int
    ) -> Iterator[ScoredTokens]:
        batch = collate(rows, "cached", fewest).to(self.model.device)
        values = token_log_likelihoods(self.model, batch, past).cpu()
        branches = [branch for row in rows for branch in row.branches]
        parts = torch.split(values, [len(branch.targets) for branch in branches])
        for branch, part in zip(branches, parts, strict=True):
            first = start + branch.predictors[0]
            yield ScoredTokens(branch.question, branch.candidate, first, part)


def branched(cache: Any, rows: int) -> Any:
    """A copy of a cache of one row, with that row as often as it takes.

    Args:
        cache: A cache of transformers, or tensors whose first dimension is the row.
        rows: How often.
    """
    same: Any = copy.deepcopy(cache)  # models write into the tensors of a cache
    if rows == 1:
        return same
    if hasattr(same, "reorder_cache"):
        same.reorder_cache(torch.zeros(rows, dtype=torch.long))
        return same
    return [tensor.repeat_interleave(rows, dim=0) for tensor in same]


def check_stages(paths: Sequence[Path], layout: Layout) -> tuple[Stage, ...]:
    """Stages that go on from a cache in every way that planned ones do, for a check.

    They have padded rows without a cache; a cache of a cache; several rows of different length from
    one cache; and single rows from the same cache afterwards, which must be as it was.

    Args:
        paths: One or more candidates of one question.
        layout: ``"cached"`` or ``"stepped"``.
    """
    first, *others = paths
    prompt = first.computed - first.scored + 1
    rows = [(path, path.computed) for path in paths]
    padded = [*rows, (first, first.computed - 1)]  # at least two rows, not all of one length
    begin = max(prompt // 2, prompt - STEPS_CHECKED if layout == "stepped" else 0)
    middle = (begin + prompt) // 2
    then = [stage(middle, padded), *(stage(middle, [row]) for row in rows)]
    if middle - begin >= FEWEST:
        then = [stage(begin, [(first, middle)], then, others), stage(begin, padded)]
    elif middle > begin:
        then = [stage(begin, padded), *(stage(begin, [row]) for row in rows)]
    go_on = [stage(0, [(first, begin)], then, others)] if begin >= FEWEST else []
    return (stage(0, padded), *go_on)


def _token(row: PackedRow, index: int) -> PackedRow:
    """One token of a row, with what it predicts; padding behind the row's end."""
    branches = tuple(
        Branch(branch.question, branch.candidate, (0,), branch.targets[at : at + 1])
        for branch in row.branches
        if 0 <= (at := index - branch.predictors[0]) < len(branch.predictors)
    )
    part = slice(index, index + 1)
    if index >= len(row):
        return PackedRow(np.zeros(1, np.int64), np.full(1, -1), np.zeros(1, np.int64), (), 1)
    return PackedRow(row.ids[part], np.full(1, -1), row.positions[part], branches, 1)
