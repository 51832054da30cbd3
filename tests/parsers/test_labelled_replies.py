"""What the parser promises on real replies; skipped where the data is not at hand."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _benchmark() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "bench_parsers.py"
    spec = importlib.util.spec_from_file_location("bench_parsers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


bench = _benchmark()
pytestmark = pytest.mark.skipif(
    not (bench.data_folder() / "tricky.jsonl").exists(), reason="the labelled replies are absent"
)


def test_labelled_replies_are_read_right_and_silence_is_respected() -> None:
    counts = bench.score(bench.load("labelled_replies"))
    assert counts["replies"] == 120
    assert counts["right"] >= 0.93 * 120
    assert counts["answered_without"] <= 0.08 * counts["without"]
    assert counts["right_with"] >= 0.92 * (120 - counts["without"])


def test_tricky_replies_are_read_right() -> None:
    rows = bench.load("tricky")
    single = [row for row in rows if row.kind == "single"]
    others = [row for row in rows if row.kind != "single"]
    assert (len(single), len(others)) == (57, 8)
    assert bench.score(single)["right"] >= 50
    assert bench.score(others)["right"] >= 6


def test_every_decision_is_counted_under_its_rule() -> None:
    rows = bench.load("labelled_replies")
    counts = bench.per_rule(rows)
    assert sum(decided for _, _, _, decided, _ in counts) >= 0.7 * len(rows)
    assert all(right <= decided for _, _, _, decided, right in counts)
