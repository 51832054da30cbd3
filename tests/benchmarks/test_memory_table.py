"""The page's tables of what fits on a card are those that the estimator gives."""

from __future__ import annotations

from pathlib import Path

import pytest

import memory_table

PAGE = Path(__file__).parents[2] / "docs" / "en" / "gpu.md"


@pytest.fixture(scope="module")
def estimated(tmp_path_factory: pytest.TempPathFactory) -> list[memory_table.Estimate]:
    return memory_table.estimates(tmp_path_factory.mktemp("models"))


def test_the_page_has_the_tables_of_the_estimator(
    estimated: list[memory_table.Estimate],
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == memory_table.rewritten(text, memory_table.tables(estimated)), (
        "run python tests/benchmarks/memory_table.py --write docs/en/gpu.md"
    )


def test_the_models_have_as_many_weights_as_those_they_stand_for(
    estimated: list[memory_table.Estimate],
) -> None:
    weights = {e.model: e.weights for e in estimated if e.stored == "bf16, fp16"}
    # Of the published models, in billions: 1.236, 3.213 and 8.030, two bytes each.
    assert weights == {
        "1B": pytest.approx(2 * 1.236, abs=0.002),
        "3B": pytest.approx(2 * 3.213, abs=0.002),
        "8B": pytest.approx(2 * 8.030, abs=0.002),
    }


def test_an_estimate_fits_on_a_card_with_a_tenth_and_a_gigabyte_to_spare() -> None:
    assert memory_table.card(6.3) == "8 GB"
    assert memory_table.card(6.4) == "16 GB"
    assert memory_table.card(13.7) == "24 GB"
    assert memory_table.card(21.0) == "more than 24 GB"
