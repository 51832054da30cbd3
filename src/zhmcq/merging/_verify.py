"""The answers of two models: the merged one, and the adapter on its base model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import collate
from zhmcq.encoding._passes import PassPlan
from zhmcq.errors import MergeError, PredictionError
from zhmcq.modeling._forward import token_logits
from zhmcq.modeling._memory import Budget
from zhmcq.modeling._scoring import ScoringEngine

__all__ = ["Answers", "answers_of", "refuse_another_model"]

BUDGET = 2048  # tokens of a forward pass while verifying

# The largest root mean square difference of logits that counts as rounding, as a share of their
# standard deviation. Measured on Gemma 3 270M with weak and strong adapters: 5e-6 in fp32, up to
# 0.05 in bf16.
ROUNDING = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.15}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model answers.

    Attributes:
        choices: The index of the best candidate of each question, shape ``(questions,)``.
        logits: The logits that score the first question's candidates, shape
            ``(positions, vocabulary)``.
    """

    choices: NDArray[np.int64]
    logits: torch.Tensor

    def flips(self, other: Answers) -> int:
        """How many questions the other model answers differently."""
        return int((self.choices != other.choices).sum())

    def logit_difference(self, other: Answers) -> float:
        """The largest difference of a logit."""
        return float((self.logits - other.logits).abs().max())


def answers_of(model: Any, questions: Sequence[EncodedQuestion]) -> Answers:
    """Answer questions, at least one.

    Raises:
        MergeError: If a score or a logit is not finite.
    """
    budget = Budget(BUDGET, lambda _: "give Merger(device='cpu') or a 16-bit dtype")
    with _as_merge_error():
        engine = ScoringEngine(model, "tree", budget)
        scores = engine.scores(questions, "verification")
    choices = np.array([int(np.argmax(values)) for values in scores])
    return Answers(choices, _logits_of(model, questions[0]))


def _logits_of(model: Any, question: EncodedQuestion) -> torch.Tensor:
    """The logits that score a question's candidates, shape ``(positions, vocabulary)``, fp32.

    Raises:
        MergeError: If one is not finite.
    """
    plan = PassPlan("equal", BUDGET)  # which every model can read, quantised or not
    batches = [collate(rows, plan.layout).to(model.device) for rows in plan.groups([question])]
    with torch.inference_mode():
        logits = torch.cat([token_logits(model, batch).cpu().float() for batch in batches])
    if not logits.isfinite().all():
        dtype = str(model.dtype).removeprefix("torch.")
        remedy = (
            "the adapter is damaged, or its training diverged"
            if model.dtype == torch.float32
            else "merge with Merger(dtype='float32')"
        )
        raise MergeError(f"the model's logits are not finite in {dtype}: {remedy}")
    return logits


def refuse_another_model(
    expected: torch.Tensor, present: torch.Tensor, dtype: torch.dtype, folder: object
) -> None:
    """Refuse a merged model that is not base model plus adapter.

    Args:
        expected: Logits of the adapter on the base model that it was merged into.
        present: Logits of the merged model, loaded again, for the same question.
        dtype: The dtype of both.
        folder: The adapter's folder, for the message.

    Raises:
        MergeError: If they differ by more than rounding in that dtype.
    """
    expected, present = expected.double(), present.double()
    spread = (expected - expected.mean(dim=-1, keepdim=True)).square().mean().sqrt()
    difference = (expected - present).square().mean().sqrt()
    share = float(difference / spread)
    if not share <= ROUNDING[dtype]:
        name = str(dtype).removeprefix("torch.")
        raise MergeError(
            f"{folder} cannot be merged: the merged model, loaded again, is another model than "
            f"the adapter on its base model (logits differ by {share:.2g} standard deviations; "
            f"rounding in {name} moves them by {ROUNDING[dtype]:g} at most). Use the adapter with "
            "MCQPredictor(…, adapter=…), and please report which model and settings these are"
        )


@contextmanager
def _as_merge_error() -> Iterator[None]:
    try:
        yield
    except PredictionError as error:
        raise MergeError(f"the merge cannot be verified: {error}") from error
