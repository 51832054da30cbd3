"""Run the code of README and docs with the demo model, and write down what it prints.

An output stands after its code, below a marker that names it::

    ```python
    print(1 + 1)
    ```

    <!-- output: sum -->
    ```text
    2
    ```

``python docs/refresh_outputs.py`` runs every document that has outputs, in a scratch folder that
holds the workbooks the documents speak of, and rewrites the outputs. Documents whose code differs
in its comments only (README and pages in two languages) are run once. Commands (``bash`` blocks
before an output) are run as well. The tests run the same blocks with a tiny model and compare the
outputs but for their numbers.

A notebook among the documents is run as Jupyter does, and stored with what its cells put out.
"""

from __future__ import annotations

import argparse
import ast
import base64
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import openpyxl
from sybil import Document, Example, Region
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))

import make_sample  # noqa: E402  the examples are scripts; their folder was put on the path above
from zhmcq.testing import isolated_plugins  # noqa: E402

DOCUMENTS = (
    *(ROOT / "README.md", ROOT / "README.zh-TW.md"),
    *sorted((ROOT / "docs" / "en").glob("*.md")),
    *sorted((ROOT / "docs" / "zh").glob("*.md")),
)
NOTEBOOK = ROOT / "examples" / "fine_tune_and_predict.ipynb"
OUTPUT = re.compile(
    r"^<!-- output: (?P<name>[\w-]+) -->\n```text\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
COMMAND = re.compile(r"^```bash\n(?P<text>(?:(?!```).*\n)+)```\n(?=\n<!-- output: )", re.MULTILINE)
OWN_PASSAGES = 12


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a document.

    Attributes:
        name: What its marker says.
        start: Where its text begins in the document.
        end: Where its text ends.
        written: Its text as the document has it.
        printed: What the code before it printed; ``None`` if that is a command and was not run.
    """

    name: str
    start: int
    end: int
    written: str
    printed: str | None


@dataclass(frozen=True, slots=True)
class _Command:
    text: str


def _nothing(_example: Example) -> None:
    return None


def _outputs(document: Document) -> Iterator[Region]:
    for match in OUTPUT.finditer(document.text):
        yield Region(match.start(), match.end(), parsed=match, evaluator=_nothing)


def _commands(document: Document) -> Iterator[Region]:
    for match in COMMAND.finditer(document.text):
        yield Region(match.start(), match.end(), parsed=_Command(match["text"]), evaluator=_nothing)


def parse(path: Path) -> Document:
    """The python blocks, outputs and commands of a document."""
    return Document.parse(str(path), PythonCodeBlockParser(), _outputs, _commands)


def run(document: Document, *, commands: bool) -> list[Output]:
    """Run a document's blocks in turn, in one namespace and in the present folder.

    Args:
        document: Of :func:`parse`.
        commands: Whether to run commands, too.

    Returns:
        Its outputs.
    """
    outputs: list[Output] = []
    printed: str | None = ""
    for example in document.examples():
        parsed = example.region.parsed
        if isinstance(parsed, re.Match):
            start, end = parsed.span("text")
            outputs.append(Output(parsed["name"], start, end, parsed["text"], printed))
        elif isinstance(parsed, _Command):
            printed = _run_command(parsed.text) if commands else None
        else:
            caught = io.StringIO()
            # Progress bars are drawn on terminals only, and what they print goes to stdout.
            with contextlib.redirect_stdout(caught), contextlib.redirect_stderr(io.StringIO()):
                example.evaluate()
            printed = caught.getvalue()
    return outputs


def _run_command(text: str) -> str:
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": search, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(  # noqa: S603  the documents' own commands
        ["bash", "-euc", text],  # noqa: S607
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        sys.exit(f"{text}ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def write_workbooks(folder: Path) -> None:
    """Write the workbooks that the documents speak of.

    ``sample.xlsx`` and ``sample_unanswered.xlsx`` are the synthetic sample. ``AI.xlsx``,
    ``題庫.xlsx`` and ``AI1000.xlsx`` hold a part of it, with some faults that real workbooks have;
    the headers of ``quiz.xlsx`` have to be named, and ``no_header.csv`` has none.
    """
    make_sample.write_sample(folder / "sample.xlsx")
    sample = make_sample.sample_questions()
    headers = ["題號", "文章", "問題", "選項1", "選項2", "選項3", "選項4"]
    passages = list(dict.fromkeys(question.passage for question in sample.answered))
    chosen = set(passages[:OWN_PASSAGES])
    rows: list[list[str | int | None]] = [
        [number, q.passage, q.stem, *q.options, int(q.answer_label)]
        for number, q in enumerate((q for q in sample.answered if q.passage in chosen), start=1)
    ]
    rows[4][7] = None  # no key
    rows[9][7] = 7  # a key that names none of the options
    rows[14][5] = rows[14][4]  # two options alike
    rows[19][2] = None  # no question
    for name in ("AI.xlsx", "題庫.xlsx"):
        _write(folder / name, [*headers, "正確答案"], rows)
    _write(folder / "quiz.xlsx", ["內文", "第一", "第二", "鍵"], [["1 + 1 = ?", "2", "3", "A"]])
    lines = ["1,最長的河是？,甲河,乙河,丙河,B", "2,最高的山是？,甲山,乙山,丙山,A"]
    (folder / "no_header.csv").write_text("\n".join(lines), encoding="utf-8")
    unanswered: list[list[str | int | None]] = [
        [number, q.passage, q.stem, *q.options]
        for number, q in enumerate(sample.unanswered[:12], start=1)
    ]
    unanswered[3][4:] = [None, None, None]  # one option only
    _write(folder / "AI1000.xlsx", headers, unanswered)


def _write(path: Path, headers: list[str], rows: Iterable[list[str | int | None]]) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(headers)
    for row in rows:
        sheet.append(row)
    book.save(path)


def rewritten(text: str, outputs: Iterable[Output]) -> str:
    """The document's text with what was printed in place of what was written."""
    for output in sorted(outputs, key=lambda one: one.start, reverse=True):
        if output.printed is not None:
            ended = output.printed.rstrip("\n") + "\n"
            text = text[: output.start] + ended + text[output.end :]
    return text


def code_of(document: Document) -> tuple[str, ...]:
    """What a document runs, without its comments."""
    blocks = [region.parsed for _, region in document.regions]
    return tuple(
        block.text if isinstance(block, _Command) else ast.dump(ast.parse(str(block)))
        for block in blocks
        if not isinstance(block, re.Match)
    )


def refresh(paths: Iterable[Path], folder: Path) -> list[Path]:
    """Rewrite the outputs of documents.

    Args:
        paths: The documents.
        folder: An empty folder to run them in; each gets a folder of its own there.

    Returns:
        The documents that have outputs.
    """
    known: dict[tuple[str, ...], dict[str, str | None]] = {}
    done = []
    for path in paths:
        document = parse(path)
        if not OUTPUT.search(document.text):
            continue
        key = code_of(document)
        if key not in known:
            place = folder / str(len(known))
            place.mkdir()
            write_workbooks(place)
            (place / "examples").symlink_to(ROOT / "examples")
            with contextlib.chdir(place), isolated_plugins():
                known[key] = {one.name: one.printed for one in run(document, commands=True)}
        outputs = [
            Output(m["name"], *m.span("text"), m["text"], known[key][m["name"]])
            for m in OUTPUT.finditer(document.text)
        ]
        path.write_text(rewritten(document.text, outputs), encoding="utf-8")
        done.append(path)
    return done


def refresh_notebook(path: Path, folder: Path) -> None:
    """Run a notebook from top to bottom, and store it with its outputs.

    Bars of progress are not stored: their times are those of whatever else the machine did.
    Pictures are stored in 256 colours, in a third of the bytes.

    Args:
        path: The notebook.
        folder: An empty folder to run it in.
    """
    nbformat: Any = import_module("nbformat")
    nbclient: Any = import_module("nbclient")
    notebook = nbformat.read(path, as_version=4)
    before = dict(notebook.metadata)
    (folder / "examples").symlink_to(ROOT / "examples")
    resources = {"metadata": {"path": str(folder)}}
    # Without the times at which cells ran, and with what a cell prints as one output.
    nbclient.NotebookClient(
        notebook, timeout=None, record_timing=False, coalesce_streams=True, resources=resources
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = stored_outputs(cell.outputs)
    notebook.metadata.clear()  # the run has written the version of Python there
    notebook.metadata.update(before)
    nbformat.write(notebook, path)


def stored_outputs(outputs: Iterable[Any]) -> list[Any]:
    """The outputs of a cell as they are stored: no bars of progress, small pictures."""
    stored = [o for o in outputs if "<progress " not in o.get("data", {}).get("text/html", "")]
    for output in stored:
        data = output.get("data", {})
        if "image/png" in data:
            data["image/png"] = _in_few_colours(data["image/png"])
    return stored


def _in_few_colours(picture: str) -> str:
    """A png with at most 256 colours; both as base64."""
    from PIL import Image  # comes with matplotlib, which draws such pictures

    small = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        image.convert("RGB").quantize(256).save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode("ascii") + "\n"


def main() -> None:
    """Refresh the documents named on the command line, or all of them."""
    parser = argparse.ArgumentParser(description="Rewrite stored outputs.")
    parser.add_argument("documents", nargs="*", type=Path, help="default: all")
    arguments = parser.parse_args()
    os.environ["ZHMCQ_LANG"] = "en"  # the outputs are in English, whoever refreshes them
    paths = [path.resolve() for path in arguments.documents] or [*DOCUMENTS, NOTEBOOK]
    for path in [path for path in paths if path.suffix == ".ipynb"]:
        with tempfile.TemporaryDirectory() as folder:
            refresh_notebook(path, Path(folder))
        print(f"refreshed: {path}")
    with tempfile.TemporaryDirectory() as folder:
        for path in refresh([path for path in paths if path.suffix == ".md"], Path(folder)):
            print(f"refreshed: {path}")


if __name__ == "__main__":
    main()
