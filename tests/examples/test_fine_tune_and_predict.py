"""The notebook of the recipe: run with the tiny model, and its stored outputs looked through."""

from __future__ import annotations

import ast
import base64
import json
import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import refresh_outputs
import zhmcq
from zhmcq.testing import tiny_llama

EXAMPLES = Path(__file__).parents[2] / "examples"
PATH = EXAMPLES / "fine_tune_and_predict.ipynb"
NOTEBOOK = json.loads(PATH.read_text(encoding="utf-8"))
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
CODE = ["".join(cell["source"]) for cell in CELLS]
COLAB = json.loads((EXAMPLES / "colab.ipynb").read_text(encoding="utf-8"))

# The beginning of an absolute path, in html or in text.
ABSOLUTE = re.compile(r"(?<![\w.<:/])(?:/(?!/)\w|[A-Z]:\\|~/)")

# Runs before the first cell: a small sample, and the tiny model in place of the demo model.
SMALL = """
import make_sample
import zhmcq

make_sample.PASSAGES, make_sample.UNANSWERED_PASSAGES = 24, 4
zhmcq.demo_model = lambda: "tiny"
"""


def texts(cells: list[Any]) -> list[str]:
    """What each cell put out, as text, html included."""
    return ["\n".join(_texts(cell.get("outputs", ()))) for cell in cells]


def _texts(outputs: Any) -> Iterator[str]:
    for output in outputs:
        data = {**output.get("data", {}), "text": output.get("text", "")}
        for kind, text in data.items():
            if not kind.startswith("image/"):
                yield text if isinstance(text, str) else "".join(text)


def run_in_kernel(copy: Path, folder: Path) -> list[str]:
    """Run a copy of the notebook as Jupyter does; what each cell put out."""
    nbformat: Any = import_module("nbformat")
    notebook = nbformat.read(PATH, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(SMALL))
    nbformat.write(notebook, copy)
    refresh_outputs.refresh_notebook(copy, folder)
    cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    assert {json.dumps(cell["metadata"]) for cell in cells} == {"{}"}
    return texts([cell for cell in cells if cell["cell_type"] == "code"][1:])


def puts_out(source: str) -> bool:
    """Whether a cell prints something, or ends with a value that a notebook shows."""
    return "print(" in source or isinstance(ast.parse(source).body[-1], ast.Expr)


def test_its_cells_go_the_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = tmp_path / "running"
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(EXAMPLES), str(EXAMPLES.parent / "src")]))
    tiny_llama(running / "tiny")

    shown = run_in_kernel(tmp_path / "copy.ipynb", running)

    for source, text in zip(CODE, shown, strict=True):
        assert bool(text) == puts_out(source), source
    everything = "\n".join(shown)
    assert "Warning" not in everything
    assert "檢查結果：沒有問題" in everything
    assert "'</s>'" in everything  # the answer's end is in the loss
    folder = running / "fine-tune-run"
    rows = json.loads((folder / "data" / "train.json").read_text(encoding="utf-8"))
    assert {"input_text", "target_text"} <= rows[0].keys()
    answered = zhmcq.DatasetBuilder().read(folder / "predictions.xlsx")
    assert [question.id for question in answered] == [
        f"U{n:03}" for n in range(1, len(answered) + 1)
    ]
    assert (folder / "adapter" / "adapter_model.safetensors").exists()
    assert (folder / "merged" / "model.safetensors").exists()
    assert {path.name for path in running.iterdir()} == {"examples", "fine-tune-run", "tiny"}


def test_one_line_changes_the_model_and_with_it_how_questions_are_put() -> None:
    settings, prompt = CODE[0], next(source for source in CODE if "OBJECTIVE =" in source)
    chosen = prompt.partition("Splits(train")[0]
    names: dict[str, Any] = {}
    exec(settings + "\n" + chosen, names)  # noqa: S102  a cell of the notebook
    assert (names["WORKBOOK"], names["TO_ANSWER"], names["BASE_MODEL"]) == ("", "", "")
    assert (names["PROMPT"], names["OBJECTIVE"]) == ("zh-cloze", "next_token")

    other = settings.replace('BASE_MODEL = ""', 'BASE_MODEL = "owner/name"')
    exec(other + "\n" + chosen, names)  # noqa: S102
    assert (names["PROMPT"], names["OBJECTIVE"]) == ("zh-exam", "next_token")


def test_it_installs_as_the_other_notebook_does() -> None:
    others = ["".join(cell["source"]) for cell in COLAB["cells"] if cell["cell_type"] == "code"]
    theirs = next(source for source in others if "find_spec" in source)
    ours = next(source for source in CODE if "find_spec" in source)
    begin = "spec = importlib"
    assert ours.partition(begin)[2].replace("[demo,plot]", "[demo]") == theirs.partition(begin)[2]


def test_its_cells_are_python_and_what_needs_colab_is_guarded() -> None:
    for source in CODE:
        ast.parse(source)
        for line in source.splitlines():
            assert "google.colab" not in line or line.startswith(" "), line


def test_its_cells_have_ids_and_no_times() -> None:
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    assert {json.dumps(cell["metadata"]) for cell in NOTEBOOK["cells"]} == {"{}"}


def test_it_is_stored_as_it_ran_from_top_to_bottom() -> None:
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    for source, text in zip(CODE, texts(CELLS), strict=True):
        assert bool(text) == puts_out(source), source


def test_its_stored_outputs_are_those_of_no_machine() -> None:
    for cell in CELLS:
        for output in cell["outputs"]:
            assert output["output_type"] in {"stream", "display_data", "execute_result"}
            assert output.get("name") != "stderr", output["text"]
            for kind, data in output.get("data", {}).items():
                if kind.startswith("image/"):
                    assert len(base64.b64decode("".join(data))) < 60_000
    for text in texts(CELLS):
        assert not ABSOLUTE.search(text)
        assert "Traceback" not in text
        assert "<progress " not in text
        assert not re.search("[\x1b\r█▏▎▍▌▋▊▉]", text)
