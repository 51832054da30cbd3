from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import zhmcq

PROMISED = [
    "DatasetBuilder",
    "GenerateSettings",
    "LoraSettings",
    "LoraTrainer",
    "MCQPredictor",
    "Merger",
    "Prediction",
    "Predictions",
    "Progress",
    "QuantizationSettings",
    "Question",
    "QuestionBank",
    "ScoreSettings",
    "TrainingSettings",
    "compare",
    "demo_model",
    "errors",
    "get_parser",
    "get_prompt",
    "log_to_stderr",
    "register_parser",
    "register_prompt",
]
HEAVY = ("torch", "transformers", "peft", "pandas", "datasets", "openpyxl", "scipy", "opencc")
SOURCE = Path(zhmcq.__file__).parents[1]
ROOT = Path(__file__).parents[1]


def loaded_by(code: str) -> str:
    """Which heavy packages a fresh interpreter has loaded after ``code``."""
    report = f"import sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.strip()


def test_the_public_names_are_the_promised_ones_sorted() -> None:
    assert zhmcq.__all__ == PROMISED
    assert dir(zhmcq) == sorted([*PROMISED, "__version__"])


@pytest.mark.parametrize("name", PROMISED)
def test_each_public_name_is_there_under_its_own_name(name: str) -> None:
    found = getattr(zhmcq, name)
    assert found.__name__ in (name, f"zhmcq.{name}")
    assert getattr(zhmcq, name) is found


def test_the_version_is_the_one_in_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert zhmcq.__version__ == project["project"]["version"]


def test_an_unknown_name_is_an_attribute_error_like_any_modules() -> None:
    with pytest.raises(AttributeError, match="module 'zhmcq' has no attribute 'Trainer'"):
        zhmcq.Trainer  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(zhmcq, "DatasetBuilders")


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import zhmcq, zhmcq.errors; dir(zhmcq)") == ""


def test_settings_load_nothing_heavy() -> None:
    code = """
import zhmcq
zhmcq.LoraSettings(r=8, use_dora=True)
zhmcq.TrainingSettings(weight_decay=0.01)
zhmcq.QuantizationSettings(), zhmcq.ScoreSettings(), zhmcq.GenerateSettings()
try:
    zhmcq.LoraSettings(rank=8)
except zhmcq.errors.SettingsError:
    pass
"""
    assert loaded_by(code) == ""


def test_registries_prompts_parsers_and_questions_load_nothing_heavy() -> None:
    code = """
import zhmcq, zhmcq.registry, zhmcq.testing, zhmcq._files, zhmcq.manifest
question = zhmcq.Question("q", "誰？", ("甲", "乙"), "甲來了。")
zhmcq.QuestionBank([question])[:1].answered
for name in ("zh-exam", "zh-cloze", "zh-chat"):
    zhmcq.get_prompt(name).render(question)
zhmcq.register_prompt("mine")(object)
zhmcq.register_parser("mine")(object)
zhmcq.get_parser("strict")
zhmcq.get_parser("json")
"""
    assert loaded_by(code) == ""


def test_reading_checking_and_reports_load_neither_torch_nor_pandas() -> None:
    code = """
import zhmcq.dataset, zhmcq.evaluation, zhmcq.reading, zhmcq.reports._page, zhmcq.reports._tables
from zhmcq import DatasetBuilder, compare
"""
    loaded = loaded_by(code).split()
    assert not {"torch", "transformers", "peft", "pandas", "datasets"} & set(loaded)
