"""Numbers in sentences."""

from __future__ import annotations

import pytest

from zhmcq._phrases import counted, duration


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1200, "1,200 rows")],
)
def test_a_noun_is_in_the_singular_after_one(count: int, expected: str) -> None:
    assert counted(count, "row") == expected


def test_a_verb_goes_with_its_noun() -> None:
    sentences = [counted(count, "cell was", "cells were") for count in (1, 2)]
    assert sentences == ["1 cell was", "2 cells were"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "less than 0.1 s"),
        (0.996, "1 s"),
        (3.24, "3.2 s"),
        (9.96, "10 s"),
        (95.4, "95 s"),
        (119.9, "120 s"),
        (120.0, "2 minutes"),
        (811.0, "14 minutes"),
        (7199.0, "120 minutes"),
        (7200.0, "2 h"),
        (12_000.0, "3 h 20 min"),
        (86_400.0, "24 h"),
        (172_799.0, "48 h"),
        (172_800.0, "2 days"),
        (190_000.0, "2 days 5 h"),
    ],
)
def test_a_time_has_the_unit_that_people_give_it(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected
