"""What type checkers and editors see of the public names: one run of mypy, one of basedpyright."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zhmcq

SOURCE = Path(zhmcq.__file__).parents[1]

ACCEPTED = """
import zhmcq
from zhmcq import (
    GenerateSettings,
    LoraSettings,
    QuantizationSettings,
    ScoreSettings,
    TrainingSettings,
)

LoraSettings(r=8)
LoraSettings(use_dora=True, target_modules=["q_proj"])
TrainingSettings(learning_rate=1, weight_decay=0.01, report_to=["tensorboard"])
QuantizationSettings(kind="int8")
ScoreSettings(packing="flat")
GenerateSettings(parser=zhmcq.get_parser("zh"), max_new_tokens=8, num_beams=4)
"""
REFUSED = [
    "LoraSettings(rank=8)",
    'LoraSettings(use_dora="yes")',
    'TrainingSettings(learning_rate="fast")',
    "TrainingSettings(lerning_rate=1)",
    'TrainingSettings(output_dir="here")',
    "QuantizationSettings(bits=4)",
    'ScoreSettings(packing="dense")',
    "GenerateSettings(parser=3)",
    'GenerateSettings(num_beams="4")',
    "GenerateSettings(eos_token_id=2)",
    "zhmcq.nothing",
]

# Without the libraries that are slow to read, and our modules that need them.
MYPY = """
[mypy]
strict = True
[mypy-torch.*,transformers.*,peft.*,numpy.*,pandas.*,scipy.*,openpyxl.*,accelerate.*,datasets.*,\
zhmcq.training.*,zhmcq.modeling.*,zhmcq.prediction.*,zhmcq.merging,zhmcq.encoding.*,\
zhmcq.reading.*,zhmcq.dataset,zhmcq.evaluation]
follow_imports = skip
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(ACCEPTED + "\n".join(REFUSED) + "\n", encoding="utf-8")
    return path


def refused_lines(program: Path, lines: set[int]) -> list[str]:
    text = program.read_text(encoding="utf-8").splitlines()
    return [text[line - 1] for line in sorted(lines)]


def test_mypy_refuses_wrong_settings_and_unknown_names(program: Path) -> None:
    (program.parent / "mypy.ini").write_text(MYPY.replace("\\\n", ""), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=mypy.ini", program.name],
        cwd=program.parent,
        env={**os.environ, "MYPYPATH": str(SOURCE)},
        capture_output=True,
        encoding="utf-8",
    )
    lines = {int(line) for line in re.findall(r"program\.py:(\d+): error", done.stdout)}
    assert refused_lines(program, lines) == REFUSED, done.stdout + done.stderr


def test_basedpyright_refuses_wrong_settings_and_unknown_names(program: Path) -> None:
    pytest.importorskip("basedpyright")
    config = {"include": ["program.py"], "extraPaths": [str(SOURCE)]}
    (program.parent / "pyrightconfig.json").write_text(
        json.dumps({**config, "typeCheckingMode": "standard"}), encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", f"--pythonpath={sys.executable}"],
        cwd=program.parent,
        capture_output=True,
        encoding="utf-8",
    )
    problems = json.loads(done.stdout)["generalDiagnostics"]
    errors = [problem for problem in problems if problem["severity"] == "error"]
    lines = {problem["range"]["start"]["line"] + 1 for problem in errors}
    assert refused_lines(program, lines) == REFUSED, done.stdout
