"""Bars in notebooks: html that the notebook replaces, and that stays in what is saved."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from zhmcq import _bars
from zhmcq._progress import reporting


class Cell:
    """Stands in for IPython: the outputs of a cell, each as it was shown last."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, str]] = []
        self.messages = 0

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        index = len(self.outputs)
        self.outputs.append({})

        def update(data: dict[str, str], *, raw: bool) -> None:
            assert raw
            self.outputs[index] = data
            self.messages += 1

        update(data, raw=True)
        return SimpleNamespace(update=update)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    cell = Cell()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=cell.display))
    return cell


def test_each_stage_has_a_bar_that_ends_as_it_was_last(cell: Cell) -> None:
    with reporting(None) as report:
        report(0, 4, "train")
        for done in (0, 3, 0, 3):
            report(done, 3, "validation")
        report(2, 4, "train")
    assert [output["text/plain"] for output in cell.outputs] == [
        "train: 2 of 4 (50%), stopped after less than 0.1 s",
        "validation: 3 of 3 (100%), in less than 0.1 s",
    ]
    assert '<progress value="2" max="4"' in cell.outputs[0]["text/html"]


def test_the_name_of_a_file_is_no_markup(cell: Cell) -> None:
    with reporting(None) as report:
        report(1, 2, "reading <script>.csv")
    assert "reading &lt;script&gt;.csv" in cell.outputs[0]["text/html"]
    assert "<script>" not in cell.outputs[0]["text/html"]


def test_the_browser_is_sent_four_changes_a_second(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(_bars, "time", SimpleNamespace(monotonic=lambda: now))
    with reporting(None) as report:
        for done in range(1001):
            report(done, 1000, "answering")
            now += 0.01
    assert cell.messages == pytest.approx(40, abs=2)
    assert cell.outputs[0]["text/plain"].startswith("answering: 1,000 of 1,000")


def test_a_shell_without_a_kernel_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for shell in (SimpleNamespace(), None):  # ipython in a terminal; python that imports it
        module = SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert not _bars._in_notebook()


def test_nobody_is_told_to_install_widgets() -> None:
    code = "import warnings, zhmcq._progress; warnings.warn('IProgress not found. Please update')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_jupyter_kernel_shows_and_saves_the_bars() -> None:
    client: Any = importlib.import_module("nbclient")
    v4: Any = importlib.import_module("nbformat").v4
    code = (
        "import time\n"
        "from zhmcq._progress import reporting\n"
        "with reporting(None) as report:\n"
        "    for done in range(3):\n"
        "        report(done, 2, 'answering')\n"
        "        time.sleep(0.01)"
    )
    notebook = v4.new_notebook(cells=[v4.new_code_cell(code)])
    client.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert output.data["text/plain"] == "answering: 2 of 2 (100%), in less than 0.1 s"
    assert '<progress value="2" max="2"' in output.data["text/html"]
