"""The marks that learning platforms give for each option → which options are right."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["right_by_weight"]

# Moodle rounds thirds and sevenths to five places.
_WHOLE = range(99, 102)


def right_by_weight(weights: Sequence[float], *, single: bool | None = None) -> list[bool] | str:
    """Which options are right, or a key that no reader takes, where the marks don't say it.

    An option that earns full marks alone is right, and one beside it that earns a part is not.
    Without such an option, those that earn full marks together are right.

    Args:
        weights: What each option earns, in percent; 0 or less where it is wrong.
        single: Whether the source says that one option is to be chosen; ``None`` where it
            doesn't say.
    """
    full = [weight >= _WHOLE[0] for weight in weights]
    if any(full):
        return full
    parts = [weight for weight in weights if weight > 0]
    if parts and not single and round(sum(parts)) in _WHOLE:
        return [weight > 0 for weight in weights]
    if not parts:
        return [False] * len(weights)
    return "/".join(f"{weight:g}%" for weight in weights)
