"""The layout of a model's forward passes: chosen by rule and checked, once for each model.

The layouts are tried from the fastest to the one that every causal model reads: prefix trees; in
scoring, what is shared by the model's own cache; rows padded to one length; rows of equal length.
What each must give are the log-likelihoods of every sequence alone in a row of its own, without a
mask.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch

from zhmcq._phrases import records
from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import Layout, collate
from zhmcq.encoding._passes import PassPlan
from zhmcq.encoding._stages import Path, Stage
from zhmcq.encoding._tree import PackedRow, plain_row
from zhmcq.errors import ModelError
from zhmcq.modeling._cached import CachedPasses, ScoredTokens, check_stages
from zhmcq.modeling._finite import refuse_non_finite
from zhmcq.modeling._forward import (
    FORWARD_ERRORS,
    base_of,
    evaluated,
    model_dtype,
    token_log_likelihoods,
    unreadable,
)
from zhmcq.modeling._memory import Shortage, attempt, once_more
from zhmcq.modeling._support import (
    cache_reason,
    in_long_chunks,
    padding_reason,
    refusal_reason,
    tree_reason,
)
from zhmcq.settings import Packing

__all__ = ["choose_layout"]

logger = logging.getLogger(__name__)

# Two orders of the same fp32 sums differ by about 1e-5 here; a wrong mask by 1e-2 and more.
SELF_CHECK_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.25}
CACHED: tuple[Layout, ...] = ("cached", "stepped")
CONSIDERED = 256  # the first questions, of which the check takes two
SCORED = 8  # tokens at a sequence's end whose log-likelihoods are compared, or its whole candidate
# Weak keys: what was decided about a model is forgotten when the model is.
_decided: WeakKeyDictionary[Any, dict[tuple[Packing, bool], Layout]] = WeakKeyDictionary()
_deciding = threading.RLock()


def choose_layout(
    model: Any, questions: Sequence[EncodedQuestion], packing: Packing, *, scoring: bool = False
) -> Layout:
    """The layout of a model's forward passes: the fastest that it reads.

    It is decided when it is first needed, with a line in the log if it differs from the packing.
    Later calls with the same base model return the same layout, in every engine and thread.

    Args:
        model: A causal language model, with or without an adapter around it.
        questions: Encoded questions, some of which are computed to check; at least one.
        packing: The fastest layout to take: ``"tree"`` or ``"flat"``.
        scoring: Whether no gradient is needed, so that ``"cached"`` and ``"stepped"`` will do.

    Raises:
        ModelError: If the model is not causal, or gives other numbers in every layout than alone.
        PredictionError: If its log-likelihoods are not finite.
        MemoryError: If memory runs out for the shortest of the questions.
    """
    base = base_of(model)
    scoring = scoring and packing == "tree"
    with _deciding:
        decided = _decided.setdefault(base, {})
        if (packing, scoring) not in decided:
            sample = _sample(questions)
            decision = attempt(lambda: _decide(model, sample, packing, scoring))
            if isinstance(decision, Shortage):  # a check compares more than a pass need hold
                decision = once_more(lambda: _decide(model, sample.shortest(), packing, scoring))
            layout, reasons = decision
            _say(layout, reasons, said=decided.get(("tree", False)) == layout)
            decided[packing, scoring] = layout
            if packing == "tree" and layout not in CACHED:  # the same with gradients
                decided["tree", False] = layout
                if layout == "tree":
                    decided["tree", True] = layout
                else:
                    decided["flat", False] = layout
        return decided[packing, scoring]


def _say(layout: Layout, reasons: dict[Layout, str], *, said: bool) -> None:
    """Say in the log why a layout is taken; a warning where it takes longer."""
    if not reasons:
        return
    reason = reasons.get("flat" if layout == "equal" else "tree", "")
    if layout not in CACHED and reasons.get("cached", reason) != reason:
        reason += f"; of its cache: {reasons['cached']}"
    if layout in CACHED:
        logger.info("%s", records.no_packing(reason, stepped=layout == "stepped"))
    else:
        logger.log(logging.INFO if said else logging.WARNING, _SLOWER[layout], reason)


_SLOWER = {
    "flat": "prefix-tree packing is off for this model (%s): every candidate gets a row of its "
    "own, which is slower and gives the same answers",
    "equal": "this model's rows are not padded (%s): every candidate gets a row of its own, and "
    "rows of the same length are computed together, which is slower and gives the same answers",
}


@dataclass(frozen=True, slots=True)
class _Sample:
    """A few questions to compare layouts on, and which of their candidates.

    Attributes:
        questions: One question, or two of different length.
        candidates: For each of them the indexes of one or two candidates.
    """

    questions: list[EncodedQuestion]
    candidates: list[list[int]]

    def shortest(self) -> _Sample:
        """The shortest of the questions alone."""
        return _Sample(self.questions[-1:], self.candidates[-1:])

    def sequences(self) -> list[Path]:
        """The candidates with their prompts."""
        return [
            Path(
                number,
                candidate,
                question.prompt + question.candidates[candidate],
                len(question.candidates[candidate]),
            )
            for number, (question, chosen) in enumerate(
                zip(self.questions, self.candidates, strict=True)
            )
            for candidate in chosen
        ]

    def rows(self, layout: Layout) -> list[list[PackedRow]]:
        """The rows of the forward passes to compare: of the whole sample in one, if it can be."""
        plan = PassPlan(layout, sum(len(s.ids) for s in self.sequences()))
        rows = [row for group in plan.groups(self.questions, self.candidates) for row in group]
        if layout != "equal":
            return [rows]
        by_length: dict[int, list[PackedRow]] = {}
        for row in rows:
            by_length.setdefault(len(row), []).append(row)
        # Twice, so that no row is alone in its pass.
        return [members * 2 for members in by_length.values()]


def _sample(questions: Sequence[EncodedQuestion]) -> _Sample:
    """Two candidates of the shortest question that has some that part, and one of another length.

    Where the rows of two candidates do not part, a tree of them is a plain row and proves nothing.
    """
    ordered = sorted(questions[:CONSIDERED], key=lambda question: question.length)
    branching = next((question for question in ordered if _parting(question)), ordered[0])
    others = (ordered[len(ordered) // 2], ordered[-1], ordered[0])
    other = next((question for question in others if question.length != branching.length), None)
    first = _parting(branching) or sorted({0, len(branching.candidates) - 1})
    if other is None:
        return _Sample([branching], [first])
    if other.length < branching.length:
        return _Sample([branching, other], [first, [0]])
    return _Sample([other, branching], [[0], first])


def _parting(question: EncodedQuestion) -> list[int]:
    """The indexes of two candidates whose rows part; none where each continues the other."""
    rows = [ids[:-1] for ids in question.candidates]  # as a tree has them, without their targets
    for index in reversed(range(1, len(rows))):
        shared = min(len(rows[0]), len(rows[index]))
        if rows[0][:shared] != rows[index][:shared]:
            return [0, index]
    return []


def _decide(
    model: Any, sample: _Sample, packing: Packing, scoring: bool
) -> tuple[Layout, dict[Layout, str]]:
    """The layout, and the reasons against those before it."""
    base = base_of(model)
    refused = refusal_reason(base.config)
    if refused is not None:
        raise ModelError(f"this model cannot answer by log-likelihoods: {refused}")
    alone = _alone(model, sample)
    rules: list[tuple[Layout, Callable[[Any], str | None]]] = [
        ("tree", tree_reason),
        *((name, cache_reason) for name in (CACHED[::-1] if in_long_chunks(base) else CACHED)),
        ("flat", padding_reason),
        ("equal", lambda _base: None),
    ]
    reasons: dict[Layout, str] = {}
    for layout, rule in rules:
        if (layout == "tree" and packing != "tree") or (layout in CACHED and not scoring):
            continue
        reason = rule(base) or _difference(model, sample, layout, alone)
        if reason is None:
            return layout, reasons
        reasons[layout] = reason
    raise ModelError(
        f"{type(base).__name__} gives other numbers for a sequence when others are computed with "
        f"it ({reasons['equal']}): its answers would depend on the other questions. Use another "
        "base model"
    )


def _alone(model: Any, sample: _Sample) -> list[torch.Tensor]:
    """The log-likelihoods of each candidate's tokens, each sequence computed alone.

    Raises:
        ModelError: If they change with what was computed before, or with a token after them.
        PredictionError: If they are not finite.
    """
    sequences = sample.sequences()
    scored = [min(max(SCORED, s.scored), len(s.ids) - 1) for s in sequences]
    results: list[torch.Tensor] = []
    # The shortest first, and again after the others: a state that long rows leave changes it.
    for sequence, count in zip(reversed(sequences), reversed(scored), strict=True):
        values = _end_alone(model, sequence.ids, count)
        if not torch.isfinite(values).all():
            refuse_non_finite([sample.questions[sequence.question].id], model)
        results.insert(0, values)
    _refuse_stateful_or_not_causal(model, sequences[-1].ids, results[-1])
    return [values[-s.scored :] for values, s in zip(results, sequences, strict=True)]


def _refuse_stateful_or_not_causal(model: Any, ids: tuple[int, ...], before: torch.Tensor) -> None:
    """Refuse a model that depends on earlier calls, or on tokens after those it predicts.

    Args:
        model: The model, which has computed other sequences since.
        ids: A sequence.
        before: The log-likelihoods of its last tokens.
    """
    # Of the same length, since some rotary scalings depend on the length of a row. The last token
    # that the model is given is the last but one of the sequence.
    last = ids[-2]
    other = next((i for i in ids if i != last), int(not last))
    after = _end_alone(model, (*ids[:-2], other, ids[-1]), len(before))
    change = float((after - before)[:-2].abs().mean()) if len(before) > 2 else 0.0
    if change <= _tolerance(model):
        return
    name = type(base_of(model)).__name__
    drift = float((_end_alone(model, ids, len(before)) - before).abs().mean())
    if not drift <= _tolerance(model):
        raise ModelError(
            f"{name} gives other numbers for a row after other rows than before them (by "
            f"{drift:.3g} a token): it keeps a state between calls. Use another base model"
        )
    raise ModelError(
        f"{name} is not causal: with another last token in a row, the log-likelihoods of those "
        f"before it change by {change:.3g} a token. Expected a model that predicts each token "
        "from those before it"
    )


def _end_alone(model: Any, ids: tuple[int, ...], scored: int) -> torch.Tensor:
    """The log-likelihoods of the last tokens of a sequence that is computed alone."""
    try:
        return _log_likelihoods(model, [plain_row(ids, scored)], "equal")
    except FORWARD_ERRORS as error:
        raise unreadable(model, len(ids), error) from error


def _tolerance(model: Any, layout: Layout = "equal") -> float:
    tolerance = SELF_CHECK_TOLERANCE.get(model_dtype(model), 0.25)
    # A state that is lost, or the code for one token (a little wrong in transformers 5.23 for
    # Nemotron-H and Zamba2), may change the few tokens of a check by no more than 1e-3.
    strict = layout in CACHED and model_dtype(model) == torch.float32
    return tolerance / 10 if strict else tolerance


def _difference(
    model: Any, sample: _Sample, layout: Layout, alone: Sequence[torch.Tensor]
) -> str | None:
    """Why the sample's numbers in a layout are not those of its sequences alone, else ``None``."""
    expected = {
        (s.question, s.candidate): values
        for s, values in zip(sample.sequences(), alone, strict=True)
    }
    worst = 0.0
    try:
        for tokens in _scored(model, sample, layout):
            reference = expected[tokens.question, tokens.candidate]
            first = tokens.start + 1 - len(sample.questions[tokens.question].prompt)
            part = reference[first : first + len(tokens.values)]
            difference = float((tokens.values - part).abs().mean())
            worst = difference if math.isnan(difference) else max(worst, difference)
            if not worst <= _tolerance(model, layout):
                return (
                    f"a text in this layout differs by {worst:.3g} a token from the same text alone"
                )
    except FORWARD_ERRORS as error:
        message = f": {error}" if str(error).strip() else ", without a message"
        return f"its forward method raises {type(error).__name__}{message}"
    return None


def _scored(model: Any, sample: _Sample, layout: Layout) -> Iterator[ScoredTokens]:
    """Log-likelihoods of the sample's candidates in a layout, each pass after the other."""
    sequences = sample.sequences()
    if layout in CACHED:
        passes = CachedPasses(model, layout, budget=sum(len(s.ids) for s in sequences) * 2)
        for index in range(len(sample.questions)):
            stages = check_stages([s for s in sequences if s.question == index], layout)
            yield from evaluated(model, partial(_listed, passes, stages))
        return
    for rows in sample.rows(layout):
        values = _log_likelihoods(model, rows, layout)
        branches = [branch for row in rows for branch in row.branches]
        parts = torch.split(values, [len(branch.targets) for branch in branches])
        for branch, part in zip(branches, parts, strict=True):
            start = len(sample.questions[branch.question].prompt) - 1
            yield ScoredTokens(branch.question, branch.candidate, start, part)


def _listed(passes: CachedPasses, stages: Sequence[Stage]) -> list[ScoredTokens]:
    return list(passes.run(stages))


def _log_likelihoods(model: Any, rows: Sequence[PackedRow], layout: Layout) -> torch.Tensor:
    """Log-likelihoods of the rows' scored tokens in the order of their branches, on the CPU."""
    batch = collate(rows, layout)
    return evaluated(model, lambda: token_log_likelihoods(model, batch.to(model.device)).cpu())
