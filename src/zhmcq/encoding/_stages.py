"""Token sequences → stages: forward passes that go on from what a model keeps of earlier ones.

A model that cannot read a prefix tree in one row can still compute what sequences share once, if
it keeps a cache: a stage computes some tokens after those in a cache, and the stages after it go
on from what it leaves. A tree of stages is a prefix tree of coarser pieces; which pieces are worth
a pass of their own is decided by cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from zhmcq.encoding._batch import PASS_COST
from zhmcq.encoding._tree import Branch, PackedRow

__all__ = ["FEWEST", "Path", "Stage", "is_plain", "paths_of", "plan_stages", "stage"]

# A pass of one token runs other code in many models than one of several. It has faults of its own
# (transformers 5.23: Nemotron-H and Zamba2 are off by 1e-3), and is not needed.
FEWEST = 2


@dataclass(frozen=True, slots=True)
class Path:
    """One candidate with its prompt.

    Attributes:
        question: The question's index in what was encoded.
        candidate: The candidate's index in its question.
        ids: The prompt's token ids and the candidate's.
        scored: How many of them are the candidate's.
    """

    question: int
    candidate: int
    ids: tuple[int, ...]
    scored: int

    @property
    def computed(self) -> int:
        """How many of its tokens a model has to read: all but the last, which is predicted."""
        return len(self.ids) - 1


@dataclass(frozen=True, slots=True)
class Stage:
    """A forward pass that goes on from a cache of one row.

    Attributes:
        start: How many tokens of each row's path are in the cache.
        rows: The tokens after those, a row for each way on. Their branches are the candidates of
            which a token is predicted here, with predictors that count from ``start``.
        then: The stages that go on from what this one leaves; none unless it has one row.
    """

    start: int
    rows: tuple[PackedRow, ...]
    then: tuple[Stage, ...] = ()

    @property
    def width(self) -> int:
        """The tokens of its longest row."""
        return max(map(len, self.rows))


def paths_of(row: PackedRow) -> list[Path]:
    """The candidates of a row as sequences.

    Args:
        row: A prefix-tree row, or a plain one.
    """
    ids, parents = row.ids.tolist(), row.parents.tolist()
    paths = []
    for branch in row.branches:
        backwards = [branch.targets[-1]]
        index = branch.predictors[-1]
        while index >= 0:
            backwards.append(ids[index])
            index = parents[index]
        path = Path(
            branch.question, branch.candidate, tuple(reversed(backwards)), len(branch.targets)
        )
        paths.append(path)
    return paths


def plan_stages(paths: Sequence[Path], *, stepped: bool) -> tuple[Stage, ...]:
    """The stages that compute sequences at the least cost.

    A stage costs its tokens, padding included, and as much again as a forward pass costs whatever
    is in it. So a passage and a prompt are computed once where the others that share them would
    cost more, and a few tokens that candidates begin with are computed for each.

    Args:
        paths: Sequences, at least one.
        stepped: Whether a cache is gone on from one token a pass; each costs a pass then.

    Returns:
        Stages that go on from nothing. Where nothing is worth sharing, it is one stage with a plain
        row for each sequence, which may be computed with those of others.
    """
    return _Planner(stepped).plan(list(paths), 0)[1]


def is_plain(stages: Sequence[Stage]) -> bool:
    """Whether stages are rows that share nothing."""
    return len(stages) == 1 and not stages[0].start and not stages[0].then


def stage(
    start: int,
    ends: Iterable[tuple[Path, int]],
    then: Sequence[Stage] = (),
    also: Sequence[Path] = (),
) -> Stage:
    """A stage that computes the tokens of some paths from one index to another.

    Args:
        start: The first of them, the same for all.
        ends: The path of each row, and the index behind its last token.
        then: The stages that go on from it.
        also: Other paths that run through its one row.
    """
    rows = []
    for path, end in ends:
        ids = np.array(path.ids[start:end], dtype=np.int64)
        index = np.arange(len(ids), dtype=np.int64)
        through = [branch for each in (path, *also) if (branch := _branch(each, start, end))]
        rows.append(PackedRow(ids, index - 1, index + start, tuple(through), len(ids)))
    return Stage(start, tuple(rows), tuple(then))


def _branch(path: Path, start: int, end: int) -> Branch | None:
    """The candidate's tokens that are predicted by those from ``start`` to ``end``, if any are."""
    first = max(start, path.computed - path.scored)
    last = min(end, path.computed)
    if first >= last:
        return None
    predictors = tuple(range(first - start, last - start))
    return Branch(path.question, path.candidate, predictors, path.ids[first + 1 : last + 1])


class _Planner:
    """Chooses stages by cost."""

    def __init__(self, stepped: bool) -> None:
        self._stepped = stepped

    def plan(self, paths: list[Path], start: int) -> tuple[int, tuple[Stage, ...]]:
        """The cost of some paths from an index on, and their stages.

        Args:
            paths: Paths that are one up to the index and go on behind it.
            start: The index.
        """
        end = _shared_end(paths)
        plans = [self._together(paths, start)]
        if end == start:
            plans.append(self._parted(paths, start, start))
        else:
            plans.append(self._shared(paths, start, end))
            if not start:  # each question with the passage may cost less than going on from it
                plans.append(self._parted(paths, start, end))
        return min(plans, key=lambda plan: plan[0])

    def _cost(self, start: int, rows: int, width: int, *, last: bool = False) -> int:
        if last and not start:
            return rows * width  # its pass has rows of other questions, too
        if self._stepped and start:
            return width * (rows + PASS_COST)
        return rows * max(width, FEWEST) + PASS_COST

    def _together(self, paths: list[Path], start: int) -> tuple[int, tuple[Stage, ...]]:
        """All of them in one stage, each in a row of its own."""
        width = max(path.computed for path in paths) - start
        last = stage(start, [(path, path.computed) for path in paths])
        return self._cost(start, len(paths), width, last=True), (last,)

    def _shared(self, paths: list[Path], start: int, end: int) -> tuple[int, tuple[Stage, ...]]:
        """What they share in a stage of one row, and what follows it."""
        rest = [path for path in paths if path.computed > end]
        if not rest or end - start < FEWEST:
            return self._together(paths, start)
        cost, then = self.plan(rest, end)
        first, *others = paths
        shared = stage(start, [(first, end)], then, others)
        return cost + self._cost(start, 1, end - start), (shared,)

    def _parted(self, paths: list[Path], start: int, end: int) -> tuple[int, tuple[Stage, ...]]:
        """Those that part at an index by themselves, where that costs less than rows of others."""
        ways: dict[int, list[Path]] = {}
        others: list[Path] = []
        for path in paths:
            if path.computed > end:
                ways.setdefault(path.ids[end], []).append(path)
            else:
                others.append(path)
        width = max(path.computed for path in paths) - start
        cost = 0
        stages: list[Stage] = []
        for members in ways.values():
            apart = self.plan(members, start) if 1 < len(members) < len(paths) else None
            if apart is not None and apart[0] < len(members) * width:
                cost += apart[0]
                stages += apart[1]
            else:
                others += members
        if others:
            joint = self._together(others, start)
            cost += joint[0]
            stages += joint[1]
        return cost, tuple(stages)


def _shared_end(paths: Sequence[Path]) -> int:
    """How many tokens that are computed all paths begin with."""
    low, high = min(path.ids for path in paths), max(path.ids for path in paths)
    most = min(path.computed for path in paths)
    return next((i for i in range(most) if low[i] != high[i]), most)
