"""The project holds to what it says of itself: faces, words, dependencies, the steps of CI."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from mkdocs.config.defaults import MkDocsConfig

import version_hook

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "zhmcq"
MODULES = sorted(SOURCE.rglob("*.py"))
DOCUMENTED = re.findall(
    r"^::: (\S+)", (ROOT / "docs" / "en" / "reference.md").read_text(encoding="utf-8"), re.MULTILINE
)


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_inner(name: str) -> bool:
    return any(part.startswith("_") for part in name.split("."))


FACES = [name for name in map(module_name, MODULES) if not is_inner(name)]


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def bound_names(path: Path) -> Iterator[str]:
    """Names that a module gives to variables, attributes, parameters, functions and classes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_name_is_on_a_face(name: str) -> None:
    if name in FACES:
        return
    face, _, attribute = name.rpartition(".")
    assert face in FACES, f"{face} is an inner module"
    module = importlib.import_module(face)
    assert attribute in module.__all__
    assert getattr(module, attribute).__name__ == attribute


@pytest.mark.parametrize("name", FACES)
def test_a_face_has_all_names_that_it_lists(name: str) -> None:
    module = importlib.import_module(name)

    assert [listed for listed in module.__all__ if not hasattr(module, listed)] == []


@pytest.mark.parametrize("name", FACES)
def test_every_class_and_function_of_a_face_is_documented(name: str) -> None:
    if name in DOCUMENTED:  # as a whole
        return
    module = importlib.import_module(name)
    documented = {reference.rpartition(".")[2] for reference in DOCUMENTED}

    assert {
        listed
        for listed in module.__all__
        if inspect.isclass(getattr(module, listed)) or inspect.isfunction(getattr(module, listed))
    } <= documented


def test_the_tests_that_the_page_on_security_names_are_there() -> None:
    page = (ROOT / "docs" / "en" / "security.md").read_text(encoding="utf-8")
    names = re.findall(r"`(tests/[\w/]+\.py)`", page)

    assert len(names) > 20
    assert [name for name in names if not (ROOT / name).is_file()] == []


def test_modules_inside_a_package_are_marked_as_inner() -> None:
    public = [name for name in FACES if name.count(".") > 1]

    assert public == []


def test_code_binds_none_of_the_words_that_say_nothing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    sentence = re.search(r"A test holds that:\n((?:`\w+`[,.]?\s)+)", text)
    assert sentence is not None
    words = set(re.findall(r"`(\w+)`", sentence.group(1)))
    assert {"told", "place", "kept"} <= words

    used = {
        f"{module_name(path)}: {name}"
        for path in MODULES
        for name in bound_names(path)
        if name.strip("_") in words
    }

    assert used == set()


def test_every_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *itertools.chain(*extras)]
    declared = {
        re.split(r"[^\w.-]", requirement)[0].lower().replace("-", "_")
        for requirement in requirements
    }
    distributions = packages_distributions()

    imported = {name.split(".")[0] for path in MODULES for name in imported_names(path)}
    undeclared = {
        package
        for package in imported - set(sys.stdlib_module_names) - {"zhmcq", "__future__"}
        if not declared
        & {name.lower().replace("-", "_") for name in distributions.get(package, [package])}
    }

    assert undeclared == set()


def test_the_citation_is_valid_and_says_what_the_project_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    command += ["vendor.citation-file-format", str(ROOT / "CITATION.cff")]

    checked = subprocess.run(command, capture_output=True, encoding="utf-8")

    assert checked.returncode == 0, checked.stdout
    for field in ("version", "license", "keywords"):
        assert citation[field] == project[field]
    assert citation["authors"] == project["authors"]


def test_the_site_says_which_version_it_describes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    config = MkDocsConfig(str(ROOT / "mkdocs.yml"))

    assert version_hook.on_config(config).copyright == f"zhmcq {project['version']}"


def test_the_steps_of_pre_commit_are_those_of_ci() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    commands = re.findall(r"^ +entry: (.+)$", hooks, re.MULTILINE)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

    assert len(commands) == 6
    for command in commands:
        assert any(line.startswith(command.split(" --site-dir")[0]) for line in ci), command
