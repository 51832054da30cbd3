"""The profile of training: operations told apart by what they are for, and the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import profile_training
from make_sample import write_sample
from zhmcq.testing import tiny_llama


@dataclass
class Event:
    """What the tables read of a profiler's event."""

    key: str
    input_shapes: list[list[int]]
    self_cpu_time_total: float
    count: int = 1


@pytest.mark.parametrize(
    ("name", "shapes", "kind"),
    [
        ("aten::mm", [[480, 640], [640, 2048]], "frozen projections"),
        ("aten::mm", [[480, 640], [640, 32]], "adapter's products"),
        ("aten::mm", [[32, 480], [480, 640]], "adapter's products"),
        ("aten::addmm", [[5], [3, 640], [640, 99]], "head"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", [[1, 4, 480, 256]], "attention"),
        ("aten::bmm", [[4, 480, 32], [4, 32, 480]], "attention"),
        ("aten::_foreach_addcdiv_", [], "optimizer"),
        ("aten::mul", [[480, 2048], [480, 2048]], "all else"),
        ("aten::linear", [[480, 640], [32, 640]], "all else"),
    ],
)
def test_an_operation_is_told_by_its_name_and_shapes(
    name: str, shapes: Sequence[Sequence[int]], kind: str
) -> None:
    assert profile_training.kind_of(name, shapes, rank=32, vocabulary=99) == kind


def test_operations_are_those_of_the_product() -> None:
    assert profile_training.operations("aten::mm", [[3, 5], [5, 7]]) == 2 * 3 * 5 * 7
    assert profile_training.operations("aten::addmm", [[7], [3, 5], [5, 7]]) == 2 * 3 * 5 * 7
    assert profile_training.operations("aten::mul", [[3, 5], [3, 5]]) == 0


def test_the_tables_give_share_and_rate() -> None:
    events = [
        Event("aten::mm", [[10, 20], [20, 50]], 3e6, count=2),  # 40,000 operations in 3 s
        Event("aten::mul", [[10, 50], [10, 50]], 1e6),
    ]
    output = profile_training.tables(events, 4.5, rank=32, vocabulary=99, rate=20_000)
    assert "| frozen projections | 3.00 | 75 % | 67 % |" in output
    assert "| all else | 1.00 | 25 % | – |" in output
    assert "| together | 4.00 | of 4.50 s on the clock |  |" in output
    assert "| aten::mul | 1.00 | 25.0 % |" in output


def test_it_runs_on_a_tiny_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workbook, _ = write_sample(tmp_path / "bank.xlsx")
    model = tiny_llama(tmp_path / "base")
    arguments = ["--model", str(model), "--train", str(workbook), "--questions", "23"]
    assert profile_training.main(arguments) == 0
    output = capsys.readouterr().out
    assert "## tree, 2 steps" in output
    assert "## flat, 2 steps" in output
    assert output.count("| frozen projections | ") == 2
