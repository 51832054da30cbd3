from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import make_sample
import refresh_outputs
from zhmcq.testing import isolated_plugins, tiny_llama

ROOT = refresh_outputs.ROOT
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


@pytest.fixture(scope="module")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which ``demo_model()`` finds a tiny model, as if it had converted one."""
    cache = tmp_path_factory.mktemp("cache")
    tiny_llama(cache / "gemma-3-270m")
    return cache


@pytest.fixture
def one_thread() -> Iterator[None]:
    """A tiny model's products are too small to share; on a busy machine, threads wait in vain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def workplace(
    model_cache: Path, one_thread: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The current folder: small workbooks by the documents' names, isolated plugins."""
    monkeypatch.setenv("ZHMCQ_CACHE", str(model_cache))
    monkeypatch.setenv("ZHMCQ_LANG", "en")  # as it was again, after a document that sets it
    folder = tmp_path / "workplace"
    folder.mkdir()
    refresh_outputs.write_workbooks(folder)
    monkeypatch.setattr(make_sample, "PASSAGES", 12)
    monkeypatch.setattr(make_sample, "UNANSWERED_PASSAGES", 4)
    make_sample.write_sample(folder / "sample.xlsx")
    monkeypatch.chdir(folder)
    with isolated_plugins():
        yield folder


def shape(text: str) -> list[list[str]]:
    """The words of each line, every number as ``#``.

    The small sample has too few validation questions to calibrate confidences on.
    """
    text = text.replace(", uncalibrated>", ">")
    return [NUMBER.sub("#", line).split() for line in text.splitlines()]


# README.zh-TW.md runs the same code as README.md, as the test after this one says; what says so of
# the pages in docs/zh is test_docs_languages.py.
RUN = [
    path
    for path in refresh_outputs.DOCUMENTS
    if path.name != "README.zh-TW.md"
    and path.parent.name != "zh"
    and refresh_outputs.parse(path).regions
]


@pytest.mark.parametrize(
    "path",
    RUN,
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_code_of_a_document_runs_and_prints_what_the_document_says(
    path: Path, workplace: Path
) -> None:
    outputs = refresh_outputs.run(refresh_outputs.parse(path), commands=False)

    for output in outputs:
        if output.printed is not None:
            assert shape(output.written) == shape(output.printed), (
                f"output {output.name!r} of {path.name}: run python docs/refresh_outputs.py"
            )
        else:
            assert len(output.written.splitlines()) > 1, (
                f"output {output.name!r} of {path.name}: run python docs/refresh_outputs.py"
            )


def test_both_readmes_run_the_same_code_and_show_the_same_outputs() -> None:
    english, chinese = (
        refresh_outputs.parse(ROOT / name) for name in ("README.md", "README.zh-TW.md")
    )

    def outputs(text: str) -> list[tuple[str, ...]]:
        return [match.groups() for match in refresh_outputs.OUTPUT.finditer(text)]

    assert refresh_outputs.code_of(english) == refresh_outputs.code_of(chinese) != ()
    assert outputs(english.text) == outputs(chinese.text) != []


@pytest.mark.parametrize("name", ["README.md", "README.zh-TW.md", "CONTRIBUTING.md"])
def test_documents_install_what_ci_installs(name: str) -> None:
    extras = re.compile(r"'(\.\[[\w,]*dev[\w,]*\])'")

    in_ci = extras.findall((ROOT / ".ci/run").read_text(encoding="utf-8"))
    in_document = extras.findall((ROOT / name).read_text(encoding="utf-8"))

    assert len(in_ci) == 1
    assert set(in_document) == set(in_ci)


def test_refreshing_writes_what_was_printed_and_runs_equal_code_once(tmp_path: Path) -> None:
    code = 'from pathlib import Path\n{}\nwith Path("../runs").open("a") as runs:\n'
    code += '    runs.write("x")\nprint("一", 1 + 1)\n'
    text = "# 標題\n\n```python\n{}```\n\n<!-- output: sum -->\n```text\nold\n```\n\nEnd.\n"
    for name, comment in (("one.md", "# a comment"), ("two.md", "# 註解")):
        (tmp_path / name).write_text(text.format(code.format(comment)), encoding="utf-8")
    (tmp_path / "three.md").write_text("```python\nraise ValueError\n```\n", encoding="utf-8")
    paths = [tmp_path / name for name in ("one.md", "two.md", "three.md")]
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    done = refresh_outputs.refresh(paths, scratch)

    assert done == paths[:2]
    assert (scratch / "runs").read_text() == "x"
    for path, comment in zip(paths, ("# a comment", "# 註解"), strict=False):
        expected = text.format(code.format(comment)).replace("old", "一 2")
        assert path.read_text(encoding="utf-8") == expected


def test_refreshing_runs_the_command_before_an_output(tmp_path: Path) -> None:
    document = tmp_path / "command.md"
    text = "```bash\nls AI*.xlsx sample*.xlsx\n```\n\n<!-- output: list -->\n```text\n```\n"
    text += "\n```bash\nfalse\n```\n"
    document.write_text(text, encoding="utf-8")
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    refresh_outputs.refresh([document], scratch)

    listed = "AI.xlsx\nAI1000.xlsx\nsample.xlsx\nsample_unanswered.xlsx\n"
    assert document.read_text(encoding="utf-8") == text.replace("text\n```", f"text\n{listed}```")
