"""What is measured, kept and read back, and how long it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import bench_prefix_tree
from bench_prefix_tree import arguments, calibrate, measure_round, pending, runnable
from prefix_tree import child, machine, matmul
from prefix_tree.bench import Bench
from prefix_tree.estimate import Measurement, remaining_minutes
from prefix_tree.plan import SIDES, Side, Variant, variants
from prefix_tree.runs import Record, Run, read_run
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama

BANK = QuestionBank([Question("1", "問？", ("甲", "乙"), "文", answer=(1,))])
BANKS = {"train": BANK, "predict": BANK}
SETUP: Record = {
    "machine": {"processor": "X"},
    "model": "tiny",
    "questions": 2,
    "train_questions": 8,
    "trial_questions": 8,
}


def side(name: str) -> Side:
    return next(side for side in SIDES if side.name == name)


class FakeBench(Bench):
    """A benchmark whose measurements are looked up: seconds of each batch size."""

    def __init__(self, seconds: dict[int, float | None], results: Path | None = None) -> None:
        super().__init__("model", results, "2")
        self.by_batch = seconds
        self.requests: list[dict[str, Any]] = []

    def _measure(self, what: str, request: dict[str, Any]) -> Record | None:
        self.requests.append(request)
        seconds = self.by_batch[request["job"]["batch"]] if request["job"] else 1.0
        if seconds is None:
            return {"failed": "does not fit in memory"}
        return {"seconds": seconds, "rows": [[1, 30], [2, 20]], "sequences": [[[1], [[2]]]]}


def test_the_fastest_batch_is_chosen_and_smaller_ones_stand_by() -> None:
    bench = FakeBench({1: 4.0, 4: 3.0, 8: 2.0, 16: None})
    harness = Variant(side("labels-harness"), "bfloat16")
    assert calibrate(bench, [harness], [1, 4, 8, 16], BANKS) == {harness: [8, 4, 1]}
    assert [record["what"] for record in bench.records] == [
        "trial, labels-harness, bfloat16, batch 1",
        "trial, labels-harness, bfloat16, batch 4",
        "trial, labels-harness, bfloat16, batch 8",
        "trial, labels-harness, bfloat16, batch 16",
    ]
    assert bench.failed == []
    assert bench.seconds == {harness: 2.0}


def test_with_one_batch_size_nothing_is_tried() -> None:
    bench = FakeBench({})
    harness = Variant(side("labels-harness"), "float32")
    assert calibrate(bench, [harness], [4], BANKS) == {harness: [4]}
    assert bench.records == []


def test_a_round_measures_each_side_in_its_dtype_with_matmuls_and_an_audit() -> None:
    bench = FakeBench({1: 4.0, 4: 2.0, 8: None})
    turns = variants([side("labels-tree"), side("labels-harness")], ["float32", "bfloat16"])
    measure_round(bench, turns, {key: [8, 4, 1] for key in turns}, BANKS, 2)
    run = Run.from_records([{"stage": "run"}, *bench.records])
    assert [(key, turn["batch"], turn["keys"]) for key, turn in run.rounds[2].turns.items()] == [
        (("labels-tree", "float32"), 4, [1]),
        (("labels-tree", "bfloat16"), 4, [1]),
        (("labels-harness", "float32"), 4, [1]),
        (("labels-harness", "bfloat16"), 4, [1]),
    ]
    jobs = [request["job"] for request in bench.requests if request["job"]]
    assert [job["dtype"] for job in jobs] == ["float32"] * 2 + ["bfloat16"] * 2 + [
        *("float32", "float32", "bfloat16", "bfloat16", "float32")
    ]
    assert [r["options"] for r in bench.requests if r["run"] == "matmul.measure"] == [
        {"model": "model", "tokens": [512, 35], "dtype": "float32"},
        {"model": "model", "tokens": [512, 35], "dtype": "bfloat16"},
    ]
    assert bench.requests[-1]["run"] == "engine.audit"
    assert bench.requests[-1]["options"] == {"sequences": [[[1], [[2]]]]}


def test_a_side_that_fits_at_no_batch_size_is_a_failure() -> None:
    bench = FakeBench({1: None})
    trl = Variant(side("train-trl"), "float32")
    measure_round(bench, [trl], {trl: [1]}, BANKS, 1)
    assert bench.failed == ["round 1, train-trl, float32: memory"]


def test_a_run_that_was_cut_off_does_not_measure_again(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    harness = Variant(side("labels-harness"), "float32")
    for expected in (1, 0):
        bench = FakeBench({4: 3.0}, results)
        bench.begin(SETUP)
        bench.turn(harness, 4, BANK, {"stage": "round", "round": 1})
        assert len(bench.requests) == expected
        assert bench.seconds == {harness: 3.0}
    run = read_run(results)
    assert run.setup["model"] == "tiny"
    assert run.speeds(("labels-harness", "float32")) == [1 / 3]


def test_results_of_another_machine_or_size_are_not_added_to(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    FakeBench({}, results).begin(SETUP)
    with pytest.raises(ValueError, match=r"of another run \(questions: 2 there, 60 now\)"):
        FakeBench({}, results).begin(SETUP | {"questions": 60})


def test_files_without_a_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a file of results"):
        read_run(tmp_path / "missing.jsonl")
    old = tmp_path / "old.jsonl"
    old.write_text('{"what": "round 1, train-tree", "stage": "round"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="measure again"):
        read_run(old)


def test_the_rest_of_a_run_is_what_is_not_in_the_results() -> None:
    bench = FakeBench({1: 4.0, 4: 3.0})
    sizes = ["--batch-sizes", "1", "4", "--trial-questions", "16"]
    parsed = arguments().parse_args(["--rounds", "2", *sizes])
    trl = Variant(side("train-trl"), "float32")
    assert [one.questions for one in pending(bench, [trl], parsed, trials=True)] == [24, 24, 16, 16]
    bench.turn(trl, 4, BANK, {"stage": "trial"})
    bench.turn(trl, 4, BANK, {"stage": "round", "round": 1})
    assert [one.questions for one in pending(bench, [trl], parsed, trials=True)] == [24, 16]
    assert [one.questions for one in pending(bench, [trl], parsed, trials=False)] == [24]


def test_the_estimate_takes_measured_speeds_before_rough_ones() -> None:
    trl, tree = Variant(side("train-trl"), "float32"), Variant(side("train-tree"), "float32")
    rest = [Measurement(trl, 24), Measurement(tree, 24)]
    # 12 s to start each; 6 and 0.6 s a question by the sides, 1 s as measured.
    assert remaining_minutes(rest, {}) == pytest.approx((24 + 144 + 14.4) / 60)
    assert remaining_minutes(rest, {trl: 1.0}) == pytest.approx((24 + 24 + 14.4) / 60)


def test_llama_cpp_is_left_out_where_it_cannot_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = [side("labels-tree"), side("llama-cpp")]
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert runnable(sides, str(tmp_path)) == sides[:1]
    assert "pip install xllamacpp" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: "there")
    monkeypatch.setattr("zhmcq.demo_model", lambda: tmp_path / "demo")
    assert runnable(sides, str(tmp_path)) == sides[:1]
    assert "the demo model only" in capsys.readouterr().err
    assert runnable(sides, str((tmp_path / "demo").resolve())) == sides


def test_memory_that_runs_out_is_a_result_and_other_errors_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = "[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate"

    def fail(**_options: Any) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(matmul, "measure", fail)
    request: dict[str, Any] = {"run": "matmul.measure", "job": None, "options": {}}
    assert child.measure(request) == {"failed": "does not fit in memory"}
    message = "another error"
    with pytest.raises(RuntimeError, match="another error"):
        child.measure(request)


def test_matmuls_are_measured_in_the_dtype(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(matmul, "SECONDS", 0.0)
    folder = str(tiny_llama(tmp_path / "model"))
    dtypes = set()
    linear = torch.nn.functional.linear

    def watched(inputs: Any, weight: Any) -> Any:
        product = linear(inputs, weight)
        dtypes.add((inputs.dtype, weight.dtype, product.dtype))
        return product

    monkeypatch.setattr(torch.nn.functional, "linear", watched)
    measured = matmul.measure(folder, [4], "bfloat16")
    assert dtypes == {(torch.bfloat16,) * 3}
    assert len(measured["rates"]) == 1


def test_a_processor_is_told_by_its_name_and_flags() -> None:
    text = "processor\t: 0\nmodel name\t: X\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\n" * 2
    assert machine.processor(text) == ("X", ("avx2", "avx512f", "avx512_bf16"))
    assert machine.processor("Features\t: fp bf16\n") == ("", ("bf16",))


def test_the_page_is_written_from_files_of_results(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    results, page = tmp_path / "results.jsonl", tmp_path / "benchmarks.md"
    about = machine.describe("2")
    results.write_text(json.dumps({"stage": "run", **SETUP, "machine": about}) + "\n", "utf-8")
    page.write_text("<!-- speed: begin -->\nold\n<!-- speed: end -->\n", encoding="utf-8")
    command = ["bench", "--join", str(results), "--write", str(page)]
    monkeypatch.setattr("sys.argv", command)
    assert bench_prefix_tree.main() == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!-- speed: begin -->\n\ntiny on ")
    assert "old" not in text
