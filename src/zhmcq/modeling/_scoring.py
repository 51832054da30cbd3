"""Scores of candidate answers: what the predictor answers by and the trainer evaluates by."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zhmcq._progress import current_progress
from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import Layout, collate
from zhmcq.encoding._passes import PassPlan, pass_tokens
from zhmcq.encoding._tree import PackedRow
from zhmcq.modeling._cached import CachedPasses, planned
from zhmcq.modeling._finite import refuse_non_finite
from zhmcq.modeling._forward import (
    FORWARD_ERRORS,
    branch_scores,
    evaluated,
    token_log_likelihoods,
    unreadable,
)
from zhmcq.modeling._layout import choose_layout
from zhmcq.modeling._memory import SMALLER, Budget, Divisible, in_pieces
from zhmcq.settings import Packing

__all__ = ["ScoringEngine", "ScoringStats"]


@dataclass(slots=True)
class ScoringStats:
    """Counts and time of scoring.

    Attributes:
        questions: Questions scored.
        given: Tokens of all candidates with their prompts in rows of their own.
        computed: Tokens that went through the model.
        seconds: Wall-clock time in forward passes and packing.
    """

    questions: int = 0
    given: int = 0
    computed: int = 0
    seconds: float = 0.0

    @property
    def questions_per_second(self) -> float:
        """Questions scored in a second; 0.0 before any was."""
        return self.questions / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class _Scored:
    """What comes of a piece of work.

    Attributes:
        branches: Question, candidate and summed log-likelihood of each branch.
        computed: Tokens that went through the model, padding left out.
    """

    branches: list[tuple[int, int, float]]
    computed: int


class ScoringEngine:
    """Log-likelihoods of any candidates of any questions, shared text computed once.

    Args:
        model: A causal language model, with or without an adapter around it.
        packing: ``"tree"`` shares prefixes where the model is known to support it, ``"flat"``
            gives each candidate a row of its own.
        budget: The most tokens of a forward pass, padding included; one sequence that is longer
            goes alone. It is lowered when memory runs out.

    Attributes:
        layout: The layout of rows in forward passes: that of the packing, until the check of the
            model has shown that it needs another.
        stats: What scoring took so far.
    """

    def __init__(self, model: Any, packing: Packing = "tree", budget: int | Budget = 2048) -> None:
        self.model = model
        self.packing: Packing = packing
        self.layout: Layout = packing
        self.budget = budget if isinstance(budget, Budget) else Budget(budget)
        self.stats = ScoringStats()

    def scores(
        self, questions: Sequence[EncodedQuestion], stage: str = ""
    ) -> list[NDArray[np.float32]]:
        """Score every candidate of every question.

        Args:
            questions: Encoded questions.
            stage: The name under which the questions scored so far are reported, before the first
                and after each forward pass; they are not reported without one.

        Returns:
            For each question its candidates' scores, shape ``(candidates,)``: the sum or the
            mean of the log-likelihoods of a candidate's tokens, or minus it, as the prompt says.

        Raises:
            PredictionError: If a score is not finite.
            ModelError: If the model gives other numbers in every layout than alone.
            OutOfMemoryError: If memory runs out in a forward pass of one sequence.
        """
        result = [np.zeros(len(q.candidates), dtype=np.float32) for q in questions]
        done = 0
        with current_progress() if stage else contextlib.nullcontext(None) as report:
            if report is not None:
                report(done, len(questions), stage)
            for scored in self.stream(questions):
                for index, scores in scored:
                    result[index] = scores
                done += len(scored)
                if report is not None:
                    report(done, len(questions), stage)
        return result

    def stream(
        self, questions: Sequence[EncodedQuestion]
    ) -> Iterator[list[tuple[int, NDArray[np.float32]]]]:
        """Score questions, giving those that a forward pass completes as soon as it is done.

        Yields:
            Pairs of a question's index and its candidates' scores.

        Raises:
            PredictionError: If a score is not finite.
            ModelError: If the model gives other numbers in every layout than alone.
            OutOfMemoryError: If memory runs out in a forward pass of one sequence.
        """
        plan = PassPlan(self.resolve(questions), self.budget.size)
        sums = [np.zeros(len(question.candidates)) for question in questions]
        missing = [len(question.candidates) for question in questions]
        start = time.perf_counter()
        for rows, scored in self._passes(questions, plan):
            done = []
            for index, candidate, score in scored.branches:
                sums[index][candidate] = score
                missing[index] -= 1
                if not missing[index]:
                    done.append((index, _normalised(questions[index], sums[index])))
            now = time.perf_counter()
            self.stats.seconds += now - start
            start = now
            self.stats.questions += len(done)
            self.stats.computed += scored.computed
            self.stats.given += sum(row.given for row in rows)
            if done:
                yield done
                start = time.perf_counter()

    def _passes(
        self, questions: Sequence[EncodedQuestion], plan: PassPlan
    ) -> Iterator[tuple[list[PackedRow], _Scored]]:
        """The rows of each forward pass, cut where memory runs out, with what is scored in it."""

        def cut(rows: list[PackedRow], size: int) -> list[list[PackedRow]]:
            return PassPlan(plan.layout, size).cut(rows, questions)

        def describe(rows: list[PackedRow]) -> str:
            name = questions[rows[0].branches[0].question].id
            return f"a forward pass of {pass_tokens(rows)} tokens for question {name!r}"

        forward = self._cached if plan.layout in ("cached", "stepped") else self._forward
        forward = partial(forward, questions, layout=plan.layout)
        work = Divisible(forward, cut, pass_tokens, describe, SMALLER)
        for rows in plan.groups(questions):
            yield from in_pieces(rows, work, self.budget, self.model.device)

    def _forward(
        self, questions: Sequence[EncodedQuestion], rows: Sequence[PackedRow], layout: Layout
    ) -> _Scored:
        """Scores of the branches in the rows, by one forward pass."""
        batch = collate(rows, layout).to(self.model.device)

        def summed() -> torch.Tensor:
            scores = token_log_likelihoods(self.model, batch)
            # Double only once it is off the device: Apple's GPUs have no float64.
            return branch_scores(scores, batch, mean=False).cpu()

        try:
            sums = evaluated(self.model, summed).tolist()
        except FORWARD_ERRORS as error:
            raise unreadable(self.model, batch.input_ids.shape[1], error) from error
        branches = list(zip(batch.questions, batch.candidates, sums, strict=True))
        return self._finite(questions, _Scored(branches, sum(map(len, rows))))

    def _cached(
        self, questions: Sequence[EncodedQuestion], rows: Sequence[PackedRow], layout: Layout
    ) -> _Scored:
        """Scores of the branches in the rows, by as many passes as go on from each other."""
        passes = CachedPasses(self.model, layout, self.budget.size)
        sums: dict[tuple[int, int], float] = {}

        def add_up() -> None:
            for tokens in passes.run(planned(rows, layout)):
                key = tokens.question, tokens.candidate
                sums[key] = sums.get(key, 0.0) + float(tokens.values.sum())

        try:
            evaluated(self.model, add_up)
        except FORWARD_ERRORS as error:
            longest = max(int(row.positions.max()) + 1 for row in rows)
            raise unreadable(self.model, longest, error) from error
        branches = [(*key, score) for key, score in sums.items()]
        return self._finite(questions, _Scored(branches, passes.computed))

    def _finite(self, questions: Sequence[EncodedQuestion], scored: _Scored) -> _Scored:
        """What was scored, if all of it is finite."""
        affected = [index for index, _, score in scored.branches if not math.isfinite(score)]
        if affected:
            refuse_non_finite([questions[i].id for i in dict.fromkeys(affected)], self.model)
        return scored

    def resolve(self, questions: Sequence[EncodedQuestion]) -> Layout:
        """The layout of rows in forward passes: that of the packing, if the model can read it.

        Args:
            questions: What is to be scored; the layout is decided on some of them, once for each
                base model.

        Raises:
            PredictionError: If a log-likelihood is not finite.
            ModelError: If the model gives other numbers in every layout than alone.
        """
        if questions:
            self.layout = choose_layout(self.model, questions, self.packing, scoring=True)
        return self.layout


def _normalised(question: EncodedQuestion, sums: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scores by sums of log-likelihoods: as they are, or divided by the number of tokens.

    Where the least likely candidate is the answer, their signs change.
    """
    if question.normalization == "mean":
        sums = sums / [len(ids) for ids in question.candidates]
    return (-sums if question.least_likely else sums).astype(np.float32)
