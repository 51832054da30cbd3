"""The notebook of the examples, its whole path with the tiny model and a small sample."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import zhmcq

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = json.loads((EXAMPLES / "colab.ipynb").read_text(encoding="utf-8"))
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def run_in_kernel(folder: Path) -> str:
    """Run the notebook as Jupyter does; what its cells put out, as html where there is html."""
    nbformat: Any = import_module("nbformat")
    nbclient: Any = import_module("nbclient")
    notebook = nbformat.read(EXAMPLES / "colab.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}).execute()
    shown = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            shown.append(data.get("text/html") or data.get("text/plain") or output.get("text", ""))
    return "\n".join(shown)


def test_its_cells_go_the_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZHMCQ_TINY", "1")
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(EXAMPLES), str(EXAMPLES.parent / "src")]))

    shown = run_in_kernel(tmp_path)

    assert '<progress value="' in shown
    assert "Warning" not in shown
    assert "findings: none" in shown
    assert "the model computes in float32" in shown or "bfloat16" in shown
    assert "題的答案改變 answers changed by merging" in shown
    answered = zhmcq.DatasetBuilder().read("predictions.xlsx")
    assert [question.id for question in answered] == [
        f"U{n:03}" for n in range(1, len(answered) + 1)
    ]
    names = zipfile.ZipFile("results.zip").namelist()
    assert {"predictions.xlsx", "careful.xlsx", "submission.csv", "report.html"} <= set(names)
    assert "adapter/adapter_model.safetensors" in names
    assert not [name for name in names if "checkpoint" in name]


def test_it_is_stored_without_outputs_of_a_machine() -> None:
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in cells] == [[]] * len(cells)
    assert {cell["execution_count"] for cell in cells} == {None}
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])


def test_a_folder_of_the_name_is_not_taken_for_the_installed_package(tmp_path: Path) -> None:
    (tmp_path / "zhmcq").mkdir()
    code = CODE[1].split("    if IN_COLAB")[0] + "    print('to be installed')\n"
    command = [sys.executable, "-S", "-c", code]  # without site-packages
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.stdout == "to be installed\n", done.stderr


def test_what_needs_colab_is_guarded() -> None:
    for source in CODE:
        assert not [line for line in source.splitlines() if line.startswith(("!", "%"))]
        for line in source.splitlines():
            assert "google.colab" not in line or line.startswith(" "), line
