"""The example of a plugin's package, installed without a network into a folder of its own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zhmcq
from zhmcq.prompts import describe_prompt, recall_prompt
from zhmcq.testing import check_parser, check_prompt, isolated_plugins, tiny_llama

PACKAGE = Path(__file__).parents[2] / "examples" / "plugin_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the installed package and what pip writes of it."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--target", str(folder), str(PACKAGE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def package(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The package on the path, as a module; its plugins are forgotten after the test."""
    monkeypatch.syspath_prepend(str(installed))
    with isolated_plugins():
        yield importlib.import_module("zhmcq_bracket")


def test_a_new_process_knows_both_plugins_by_name(installed: Path) -> None:
    code = "import zhmcq; print(zhmcq.get_prompt('bracket'), zhmcq.get_parser('bracket'))"
    path = os.pathsep.join([str(installed), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.stdout == "BracketPrompt(lead='答案是') BracketParser()\n", done.stderr


def test_they_do_what_is_expected_of_plugins(package: Any) -> None:
    check_prompt(package.BracketPrompt())
    check_parser(package.BracketParser())


def test_the_prompt_shows_and_supervises_labels_in_brackets(package: Any) -> None:
    question = zhmcq.Question("q", "水的化學式是？", ("CO2", "H2O"), answer=(1,))
    rendered = package.BracketPrompt(lead="答：").render(question)
    assert rendered.input_text == "水的化學式是？\n（A）CO2\n（B）H2O\n答："
    assert rendered.target_text == "（B）"


@pytest.mark.parametrize(
    ("reply", "kind", "status", "answer"),
    [
        ("（A）太重，所以是（B）", "single", "answered", (1,)),
        ("應該是 B", "single", "none", None),
        ("（D）", "single", "out_of_range", None),
        ("（AC）", "multiple", "answered", (0, 2)),
        ("（AC）", "single", "out_of_range", None),
    ],
)
def test_the_parser_reads_the_last_brackets_and_guesses_nothing(
    package: Any, reply: str, kind: Any, status: str, answer: tuple[int, ...] | None
) -> None:
    question = zhmcq.Question("q", "哪些？", ("甲", "乙", "丙"), kind=kind)
    parsed = package.BracketParser().parse(reply, question)
    assert (parsed.status, parsed.answer) == (status, answer)


def test_an_adapter_would_remember_the_prompt_by_its_name(package: Any, tmp_path: Path) -> None:
    prompt = zhmcq.get_prompt("bracket", lead="答：")
    record = describe_prompt(prompt)
    assert (record.name, record.options) == ("bracket", {"lead": "答："})
    assert recall_prompt(record) == prompt
    predictor = zhmcq.MCQPredictor(tiny_llama(tmp_path / "model"), prompt="bracket")
    (prediction,) = predictor.predict([zhmcq.Question("q", "誰？", ("小明", "小華"))])
    assert prediction.label in ("A", "B")
