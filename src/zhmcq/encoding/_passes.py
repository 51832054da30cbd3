"""Questions and the candidates to compute → the rows of each forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from zhmcq.encoding._batch import Layout, batches
from zhmcq.encoding._encode import EncodedQuestion
from zhmcq.encoding._stages import is_plain, paths_of, plan_stages
from zhmcq.encoding._tree import PackedRow, pack, pack_flat

__all__ = ["PassPlan", "pass_tokens"]


@dataclass(frozen=True, slots=True)
class PassPlan:
    """How sequences are put into rows, and rows into forward passes.

    Training, its estimate and scoring share this plan, so that an estimate counts exactly what
    training computes and a self-check compares exactly what scoring would use.

    Attributes:
        layout: The layout of the rows of a forward pass.
        budget: The most tokens of a forward pass, padding included; one sequence that is longer
            goes alone.
    """

    layout: Layout
    budget: int

    def groups(
        self,
        questions: Sequence[EncodedQuestion],
        candidates: Sequence[Sequence[int]] | None = None,
    ) -> Iterator[list[PackedRow]]:
        """The rows of each forward pass, the longest rows first.

        A question whose candidates exceed the budget is cut between them into several passes.

        Args:
            questions: Encoded questions.
            candidates: For each question, the indexes of the candidates to compute; all of them
                if ``None``.
        """
        units = self._units(questions, candidates)
        return self._passes(piece for unit in units for piece in self._pieces(unit))

    def joint_groups(
        self,
        questions: Sequence[EncodedQuestion],
        candidates: Sequence[Sequence[int]] | None = None,
    ) -> Iterator[list[list[PackedRow]]]:
        """The same, where all candidates of a question are needed together.

        Args:
            questions: Encoded questions.
            candidates: As in :meth:`groups`.

        Yields:
            Forward passes that belong together: with all packed candidates of their questions.
        """
        whole = []
        for unit in self._units(questions, candidates):
            pieces = self._pieces(unit)
            if len(pieces) > 1:
                yield [list(piece) for piece in pieces]
            else:
                whole.append(unit)
        for rows in self._passes(whole):
            yield [rows]

    def cut(
        self, rows: Sequence[PackedRow], questions: Sequence[EncodedQuestion]
    ) -> list[list[PackedRow]]:
        """A forward pass that was planned with a larger budget, as passes that fit this one.

        Args:
            rows: The rows of the pass.
            questions: What the rows were packed from.

        Returns:
            Passes with the same branches; the pass alone if it fits, or holds one sequence.
        """
        members: dict[int, list[int]] = {}
        for row in rows:
            for branch in row.branches:
                members.setdefault(branch.question, []).append(branch.candidate)
        if pass_tokens(rows) <= self.budget or sum(map(len, members.values())) == 1:
            return [list(rows)]
        indexes = list(members)
        passes = self.groups([questions[index] for index in indexes], list(members.values()))
        return [[_renumbered(row, indexes) for row in rows] for rows in passes]

    def _units(
        self,
        questions: Sequence[EncodedQuestion],
        candidates: Sequence[Sequence[int]] | None,
    ) -> Iterator[tuple[PackedRow, ...]]:
        if candidates is None:
            candidates = [range(len(question.candidates)) for question in questions]
        if self.layout not in ("flat", "equal"):
            return pack(questions, candidates, self.budget)
        return pack_flat(questions, candidates)

    def _pieces(self, unit: tuple[PackedRow, ...]) -> list[tuple[PackedRow, ...]]:
        """The unit, cut into forward passes if one cannot hold it."""
        lengths = set(map(len, unit))
        mixed = self.layout == "equal" and len(lengths) > 1
        if len(unit) * max(lengths) <= self.budget and not mixed:
            return [unit]
        return [tuple(rows) for rows in self._passes((row,) for row in unit)]

    def _passes(self, units: Iterable[tuple[PackedRow, ...]]) -> Iterator[list[PackedRow]]:
        if self.layout in ("cached", "stepped"):
            yield from self._cached_passes(row for unit in units for row in unit)
            return
        if self.layout != "equal":
            yield from batches(units, self.budget)
            return
        by_length: dict[int, list[tuple[PackedRow, ...]]] = {}
        for unit in units:
            by_length.setdefault(len(unit[0]), []).append(unit)
        for length in sorted(by_length, reverse=True):
            yield from batches(by_length[length], self.budget)

    def _cached_passes(self, rows: Iterable[PackedRow]) -> Iterator[list[PackedRow]]:
        """Each row that shares by itself, and the others as plain rows together."""
        sharing: list[PackedRow] = []
        plain: list[tuple[PackedRow, ...]] = []
        for row in rows:
            stages = plan_stages(paths_of(row), stepped=self.layout == "stepped")
            if is_plain(stages):
                plain += [(single,) for single in stages[0].rows]
            else:
                sharing.append(row)
        yield from ([row] for row in sorted(sharing, key=len, reverse=True))
        yield from batches(plain, self.budget)


def pass_tokens(rows: Sequence[PackedRow]) -> int:
    """The tokens of a forward pass, padding included."""
    return len(rows) * max(map(len, rows))


def _renumbered(row: PackedRow, indexes: Sequence[int]) -> PackedRow:
    """The row with the questions that its branches count among others at their own indexes."""
    branches = (replace(branch, question=indexes[branch.question]) for branch in row.branches)
    return replace(row, branches=tuple(branches))
