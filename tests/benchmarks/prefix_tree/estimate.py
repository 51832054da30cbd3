"""How long the rest of a run will take, from what was measured and, before that, rough figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prefix_tree.plan import Variant

__all__ = ["START", "Measurement", "remaining_minutes"]

START = 12.0  # seconds for a process to import its libraries and load its model


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement that is still to be made.

    Attributes:
        variant: What is measured.
        questions: On how many questions.
    """

    variant: Variant
    questions: int


def remaining_minutes(
    measurements: Iterable[Measurement], measured: Mapping[Variant, float]
) -> float:
    """Minutes that measurements will take.

    Args:
        measurements: What is still to be done.
        measured: Seconds a question of what was measured already; of others the side's own rough
            figure counts, which is that of fp32 on two cores.
    """
    seconds = sum(
        START + one.questions * measured.get(one.variant, one.variant.side.seconds)
        for one in measurements
    )
    return seconds / 60
