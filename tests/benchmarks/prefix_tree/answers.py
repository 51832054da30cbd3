"""How many answers of another side differ from this engine's, and why each of them does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = [
    "TIES",
    "best",
    "harness_differences",
    "llama_cpp_differences",
    "pipeline_differences",
    "plain_differences",
]

# Closer scores than these are a tie. Two orders of the same fp32 sums differ by about 1e-5 a token.
# In bf16 a token's log-likelihood differs from fp32's by 0.025 on average and 0.24 at the worst
# (Gemma 3 270M), and the harness's softmax rounds log-likelihoods of -16 to multiples of 0.125.
TIES = {"float32": 1e-3, "bfloat16": 0.25}

Scores = Sequence[Sequence[float]]


def best(scores: Scores) -> list[int]:
    """For each question the candidate with the highest score; of equal ones the first."""
    return [max(range(len(one)), key=one.__getitem__) for one in scores]


def plain_differences(ours: Scores, theirs: Scores, tie: float = TIES["float32"]) -> Counter[str]:
    """Differences between two sides that score the same tokens.

    Args:
        ours: The scores of one.
        theirs: The scores of the other.
        tie: Closer scores than this are a tie.
    """
    reasons: Counter[str] = Counter()
    for one, mine, other in zip(ours, best(ours), best(theirs), strict=True):
        if mine != other:
            reasons["tie" if one[mine] - one[other] < tie else "unexplained"] += 1
    return reasons


def harness_differences(
    ours: Scores, theirs: Scores, audit: dict[str, Any], tie: float = TIES["float32"]
) -> Counter[str]:
    """Differences between this engine and the harness, each put down to what undoes it.

    The engine scores the end after a candidate (EOS), since a candidate that may go on is not the
    answer; the harness does not. The harness encodes prompt and candidate together, so that a
    token may stand across the seam between them; the engine encodes them apart.

    Args:
        ours: The engine's scores.
        theirs: The harness's, normalised alike.
        audit: What :func:`prefix_tree.engine.audit` gives.
        tie: Closer scores than this are a tie.
    """
    reasons: Counter[str] = Counter()
    mine, other = best(ours), best(theirs)
    bare, seam = best(audit["without_end"]), best(audit["their_tokens"])
    for place in range(len(mine)):
        if mine[place] == other[place]:
            continue
        scores = audit["their_tokens"][place]
        if bare[place] == other[place]:
            reasons["the end is scored here and not there"] += 1
        elif seam[place] == other[place] and not audit["same_tokens"][place]:
            reasons["other tokens at the seam"] += 1
        elif scores[seam[place]] - scores[other[place]] < tie:
            reasons["tie"] += 1
        else:
            reasons["unexplained"] += 1
    return reasons


def pipeline_differences(
    ours: Scores, answers: Sequence[int | None], audit: dict[str, Any]
) -> Counter[str]:
    """Differences between this engine's choice of a label and a reply that was read.

    Args:
        ours: The engine's scores.
        answers: What the replies were read as.
        audit: What :func:`prefix_tree.engine.audit` gives.
    """
    reasons: Counter[str] = Counter()
    for mine, bare, other in zip(best(ours), best(audit["without_end"]), answers, strict=True):
        if other is None:
            reasons["the reply names no option"] += 1
        elif mine != other:
            same = bare == other
            reasons["the end is scored here and not there" if same else "the reply goes on"] += 1
    return reasons


def llama_cpp_differences(
    ours: Scores, answers: Sequence[int | None], audit: dict[str, Any]
) -> Counter[str]:
    """Differences between this engine's choice of a label and llama.cpp's.

    llama.cpp compares the first tokens of the labels without an end, and computes otherwise than
    torch: its products are of 4-bit weights and of activations in 8 bits.

    Args:
        ours: The engine's scores.
        answers: llama.cpp's choices.
        audit: What :func:`prefix_tree.engine.audit` gives.
    """
    reasons: Counter[str] = Counter()
    for mine, bare, other in zip(best(ours), best(audit["without_end"]), answers, strict=True):
        if mine != other:
            same = bare == other
            reasons["the end is scored here and not there" if same else "its arithmetic"] += 1
    return reasons
