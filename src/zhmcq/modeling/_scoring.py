"""Scores of candidate answers: what the predictor answers by and the trainer evaluates by."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import collate
from zhmcq.encoding._passes import PassPlan
from zhmcq.encoding._tree import PackedRow
from zhmcq.modeling._forward import base_of, branch_scores, token_log_likelihoods
from zhmcq.modeling._support import unsupported_reason
from zhmcq.settings import Packing

__all__ = ["ScoringEngine", "ScoringStats"]

logger = logging.getLogger(__name__)

# Two orders of the same fp32 sums differ by about 1e-5 here; a wrong mask by 1e-2 and more.
SELF_CHECK_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.25}


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


class ScoringEngine:
    """Log-likelihoods of any candidates of any questions, shared text computed once.

    Args:
        model: A causal language model, with or without an adapter around it.
        pad_id: An id to pad with.
        packing: ``"tree"`` shares prefixes where the model is known to support it, ``"flat"``
            gives each candidate a row of its own.
        budget: The most tokens of a forward pass, padding included.

    Attributes:
        packing: The packing in use: the one that was given, or ``"flat"`` once the model was seen
            not to support trees.
        stats: What scoring took so far.
    """

    def __init__(
        self, model: Any, pad_id: int, packing: Packing = "tree", budget: int = 2048
    ) -> None:
        self.model = model
        self.pad_id = pad_id
        self.packing: Packing = packing
        self.budget = budget
        self.stats = ScoringStats()
        self._checked = False

    def scores(
        self,
        questions: Sequence[EncodedQuestion],
        progress: Callable[[int, int, str], None] | None = None,
    ) -> list[NDArray[np.float32]]:
        """Score every candidate of every question.

        Args:
            questions: Encoded questions.
            progress: Called after each forward pass as ``progress(done, total, "scoring")``, with
                the number of questions scored so far and of all questions.

        Returns:
            For each question its candidates' scores, shape ``(candidates,)``: the sum or the
            mean of the log-likelihoods of a candidate's tokens, as the prompt says.
        """
        result = [np.zeros(len(q.candidates), dtype=np.float32) for q in questions]
        done = 0
        for scored in self.stream(questions):
            for index, scores in scored:
                result[index] = scores
            done += len(scored)
            if progress is not None:
                progress(done, len(questions), "scoring")
        return result

    def stream(
        self, questions: Sequence[EncodedQuestion]
    ) -> Iterator[list[tuple[int, NDArray[np.float32]]]]:
        """Score questions, giving those of each forward pass as soon as it is done.

        Yields:
            Pairs of a question's index and its candidates' scores.
        """
        plan = PassPlan(self.resolve(questions), self.budget)
        start = time.perf_counter()
        for rows in plan.groups(questions):
            sums = self._forward(rows)
            done = []
            for index, values in sums.items():
                question = questions[index]
                mean = question.normalization == "mean"
                divisors = [len(ids) if mean else 1 for ids in question.candidates]
                done.append((index, (values / divisors).astype(np.float32)))
            now = time.perf_counter()
            self.stats.seconds += now - start
            start = now
            self.stats.questions += len(done)
            self.stats.computed += sum(map(len, rows))
            self.stats.given += sum(row.given for row in rows)
            yield done
            start = time.perf_counter()

    def _forward(self, rows: Sequence[PackedRow]) -> dict[int, NDArray[np.float64]]:
        """For each question in the rows, its candidates' summed log-likelihoods."""
        batch = collate(rows, self.pad_id).to(self.model.device)
        training = self.model.training
        self.model.eval()
        with torch.inference_mode():
            scores = branch_scores(token_log_likelihoods(self.model, batch), batch, mean=False)
        self.model.train(training)
        sums: dict[int, NDArray[np.float64]] = {}
        for question, candidate, score in zip(
            batch.questions, batch.candidates, scores.double().tolist(), strict=True
        ):
            values = sums.setdefault(question, np.full(candidate + 1, np.nan))
            if candidate >= len(values):
                values = np.pad(values, (0, candidate + 1 - len(values)), constant_values=np.nan)
                sums[question] = values
            values[candidate] = score
        return sums

    def resolve(self, questions: Sequence[EncodedQuestion]) -> Packing:
        """The packing to use: the one that was given, unless the model cannot read it.

        Args:
            questions: The first of them is scored packed and unpacked, once.
        """
        if self.packing == "flat" or self._checked or not questions:
            return self.packing
        self._checked = True
        reason = unsupported_reason(base_of(self.model)) or self._self_check(questions[0])
        if reason is not None:
            logger.warning(
                "prefix-tree packing is off for this model (%s): every candidate gets a row of "
                "its own, which is slower and gives the same answers",
                reason,
            )
            self.packing = "flat"
        return self.packing

    def _self_check(self, question: EncodedQuestion) -> str | None:
        """Compare one question packed and unpacked; why they differ too much, else ``None``."""
        (rows,) = PassPlan("tree", self.budget).groups([question])
        packed = self._forward(rows)[0]
        flat = np.concatenate(
            [
                self._forward([row])[0][-1:]
                for rows in PassPlan("flat", self.budget).groups([question])
                for row in rows
            ]
        )
        lengths = np.array([len(ids) for ids in question.candidates])
        difference = float(np.abs((packed - flat) / lengths).max())
        dtype = next(p.dtype for p in self.model.parameters() if p.is_floating_point())
        if difference <= SELF_CHECK_TOLERANCE.get(dtype, 0.25):
            return None
        return f"packed and separate rows differ by {difference:.3g} a token"
