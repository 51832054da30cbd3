"""Two processes train as one does: the same losses, no question lost or counted twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import zhmcq
from make_sample import write_sample
from zhmcq.manifest import Manifest
from zhmcq.testing import tiny_llama

EXAMPLES = Path(__file__).parents[2] / "examples"

SCRIPT = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
import torch
import zhmcq
from zhmcq.questions import Question

folder, out, per_process = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
places = ("山上", "海邊", "家裡", "學校")
# 11 questions: the last step of an epoch has 3, so one process has fewer than the other.
bank = [
    Question(f"q{i}", f"{who}在哪裡？", places, f"{who}在{places[i % 4]}。", answer=(i % 4,))
    for i, who in enumerate("甲乙丙丁戊己庚辛壬癸子")
]
valid = [replace(q, id="v-" + q.id, stem="請問，" + q.stem) for q in bank[:5]]
NAMES = ("loss", "eval_loss", "eval_accuracy", "eval_accuracy_low", "eval_candidate_mass",
         "eval_recall_1", "eval_recall_4")


def curve(out):
    result = zhmcq.LoraTrainer(
        folder,
        lora=zhmcq.LoraSettings(lora_dropout=0.0),
        training=zhmcq.TrainingSettings(
            gradient_accumulation_steps=per_process,
            num_train_epochs=3,
            learning_rate=1e-3,
            logging_steps=1,
            # Four rows of a question exceed the budget: its loss is put together from two passes.
            objective="contrastive",
            packing="flat",
            max_length=110,
            shuffle_options=True,
            use_cpu=True,
        ),
    ).train(bank, valid, out)
    return [[h.get(name) for name in NAMES] for h in result.history if "train_runtime" not in h]


curves = [curve(out)]
if os.environ.get("WORLD_SIZE") == "2":
    backward, passes = torch.Tensor.backward, []

    def fails_at_times(tensor, *args, **kwargs):
        backward(tensor, *args, **kwargs)
        passes.append(tensor)
        if os.environ["RANK"] == "1" and len(passes) in (2, 6):
            raise torch.OutOfMemoryError("CUDA out of memory.")

    torch.Tensor.backward = fails_at_times
    curves.append(curve(Path(f"{out}-again")))
sys.stdout.write(json.dumps(curves) + "\\n")  # in one piece: both processes write to one pipe
"""

# Each process measures another speed of bf16; that of the first one counts.
DTYPES_SCRIPT = """
import json, os, sys
from pathlib import Path
import zhmcq
from zhmcq.modeling import _probe
from zhmcq.questions import Question

folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
bank = [Question(f"q{n}", f"第{n}題？", ("甲", "乙"), "文章。", answer=(0,)) for n in range(4)]
_probe.SMALLEST = 0
_probe.ratio_of = lambda _products: (2.1, 0.5)[rank]
lora = zhmcq.LoraSettings(r=2, lora_dropout=0.0)
training = zhmcq.TrainingSettings(max_steps=1, gradient_accumulation_steps=2, use_cpu=True)
zhmcq.LoraTrainer(folder / "base", lora=lora, training=training).train(bank, None, folder / "run")
seen = [json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))["dtype"]]
for speeds in ((2.1, 0.5), (0.5, 2.1)):
    _probe._ratios.clear()
    _probe.ratio_of = lambda _products: speeds[rank]
    predictor = zhmcq.MCQPredictor(folder / "base", device="cpu")
    before = predictor.dtype
    predictor.predict(bank)
    seen += [before, predictor.dtype]
(folder / f"dtypes{rank}.json").write_text(json.dumps(seen), encoding="utf-8")
"""

Curve = list[list[float | None]]


def run(folder: Path, processes: int) -> list[Curve]:
    """The loss curve; of two processes also that of a run in which one of them lacks memory."""
    script = folder / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    arguments = [str(folder / "base"), str(folder / f"out{processes}"), str(4 // processes)]
    if processes > 1:
        done = launched(script, *arguments)
    else:
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=240,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    printed = [line for line in done.stdout.splitlines() if line.startswith("[[[")]
    assert len(printed) == processes
    if processes > 1:  # the process that lacked memory has said so, and only once a run
        assert done.stderr.count("memory ran out: the token budget of a forward pass") == 1
    curves: list[Curve] = json.loads(printed[0])
    return curves


def launched(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in two processes on the CPU."""
    # --multi_gpu starts the processes; use_cpu in the script keeps them on the CPU (gloo).
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launcher += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    launcher += ["--main_process_port=0", "--num_processes=2", "--num_cpu_threads_per_process=1"]
    return subprocess.run(
        [*launcher, str(script), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
    )


def test_the_example_trains_in_two_processes_and_one_of_them_tells(tmp_path: Path) -> None:
    bank, _ = write_sample(tmp_path / "bank.xlsx")
    base = tiny_llama(tmp_path / "base")
    arguments = ["--train", str(bank), "--base-model", str(base), "--cpu", "--epochs", "0.2"]
    arguments += ["--output-dir", str(tmp_path / "run"), "--test", str(bank)]
    done = launched(EXAMPLES / "train.py", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("validation questions right; the adapter is in") == 1
    assert done.stdout.count("; added to ") == 1
    assert "| bank.xlsx | " in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    manifest = Manifest.read(tmp_path / "run")
    assert manifest.training["processes"] == 2
    zhmcq.MCQPredictor(base, adapter=tmp_path / "run")


def test_the_first_process_measures_and_all_compute_in_its_dtype(tmp_path: Path) -> None:
    tiny_llama(tmp_path / "base")
    script = tmp_path / "dtypes.py"
    script.write_text(DTYPES_SCRIPT, encoding="utf-8")
    done = launched(script, str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (
        json.loads((tmp_path / f"dtypes{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)
    )
    # The run, then a predictor before and after its first prediction, twice.
    assert first == ["bfloat16", "bfloat16", "bfloat16", "float32", "float32"]
    assert second == ["bfloat16", "float32", "bfloat16", "bfloat16", "float32"]


def test_two_processes_have_the_loss_curve_of_one_even_if_one_of_them_lacks_memory(
    tmp_path: Path,
) -> None:
    tiny_llama(tmp_path / "base")
    (alone,), (together, lowered) = run(tmp_path, 1), run(tmp_path, 2)
    assert len(alone) == len(together) == len(lowered) == 12  # 9 steps and 3 evaluations
    for curve in (together, lowered):
        for first, second in zip(alone, curve, strict=True):
            for a, b in zip(first, second, strict=True):
                assert (a is None) == (b is None)
                if a is not None and b is not None:
                    assert a == pytest.approx(b, abs=2e-3)
    weights = [
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("out2", "out2-again")
    ]
    for name, tensor in weights[0].items():
        # Nine steps of 0.001. Adam makes as much of the rounding of a gradient near 0 as of others.
        torch.testing.assert_close(tensor, weights[1][name], rtol=0, atol=5e-4)
    names = sorted(path.name for path in (tmp_path / "out2").iterdir())
    assert "zhmcq_manifest.json" in names
    assert not [name for name in names if name.startswith(".")]
