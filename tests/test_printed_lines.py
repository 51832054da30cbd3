"""A whole run prints nothing: no line that nobody can explain, of zhmcq or what it is made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
import zhmcq
from zhmcq import _bars
from zhmcq.testing import tiny_llama

_bars.FIRST_LINE = 1e9  # of progress, if this machine is slow
folder = Path(sys.argv[1])
rows = [f"{n},{n}加{n % 7}是多少？,{n},{n + n % 7},{n + 50},{'ABC'[n % 3]}" for n in range(40)]
text = "\\n".join(["題號,題目,選項1,選項2,選項3,答案", *rows])
(folder / "bank.csv").write_text(text, encoding="utf-8")

class Cancelled(Exception):
    pass

def cancel(done, total, stage):
    if (done, stage) == (3, "train"):
        raise Cancelled

def trainer(**options):
    settings = zhmcq.TrainingSettings(max_steps=4, per_device_train_batch_size=2, save_steps=2)
    return zhmcq.LoraTrainer(base, training=settings, device="cpu", **options)

base = tiny_llama(folder / "base", hidden_size=32, num_hidden_layers=1)
builder = zhmcq.DatasetBuilder(valid_fraction=0.2)
splits = builder.split(builder.read(folder / "bank.csv"))
splits.save(folder / "splits")
trainer().preflight(splits.train, splits.valid)
try:
    trainer().train(splits.train, splits.valid, folder / "adapter", progress=cancel)
except Cancelled:
    adapter = trainer().train(splits.train, splits.valid, folder / "adapter").adapter_dir
merged = zhmcq.Merger(device="cpu").merge(adapter, folder / "merged", verify_with=splits.valid)
tuned = zhmcq.MCQPredictor(base, adapter, device="cpu")
scored = tuned.predict(folder / "bank.csv", orders=2, journal=folder / "journal")
scored.to_xlsx(folder / "answers.xlsx")
tuned.use_adapter(None)
predictor = zhmcq.MCQPredictor(merged.output_dir, device="cpu")
replies = predictor.predict(folder / "bank.csv", zhmcq.GenerateSettings(max_new_tokens=3))
zhmcq.compare(scored, replies).to_html(folder / "report.html")
if sys.platform != "darwin":  # where bitsandbytes is installed
    for kind in ("nf4", "int8"):
        options = {"quantization": zhmcq.QuantizationSettings(kind=kind)}
        adapter = trainer(**options).train(splits.train, None, folder / kind).adapter_dir
        zhmcq.MCQPredictor(base, adapter, device="cpu", **options).predict(splits.valid)
"""


def test_reading_training_resuming_merging_and_predicting_print_nothing(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script, tmp_path],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert done.returncode == 0
