"""What an installation holds, as it is told to installers and shown by a package index.

``.ci/packages`` runs these tests with the wheel, and with what the source archive installs.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

import zhmcq

ROOT = Path(__file__).parents[1]
INSTALLED = distribution("zhmcq")
DESCRIPTION = str(INSTALLED.metadata.json["description"])


def test_its_version_is_that_of_the_package() -> None:
    assert INSTALLED.version == zhmcq.__version__


def test_its_types_are_for_others_to_check_against() -> None:
    assert files("zhmcq").joinpath("py.typed").is_file()


def test_an_index_shows_the_readme_with_its_script_and_output() -> None:
    script, output = re.findall(
        r"^```(?:python|text)\n.*?^```$",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )[:2]

    assert INSTALLED.metadata["Description-Content-Type"] == "text/markdown"
    assert script in DESCRIPTION
    assert output in DESCRIPTION
    assert DESCRIPTION.rstrip().endswith("(`CONTRIBUTING.md`).")


def test_no_link_that_an_index_shows_leads_to_a_file_of_the_repository() -> None:
    targets = re.findall(r"\]\(([^)\s]+)", DESCRIPTION)

    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


def test_an_index_names_pages_that_are_there() -> None:
    named = re.findall(r"\(`([\w./-]+\.(?:md|txt))`\)|`(docs/[\w./-]*)`", DESCRIPTION)
    paths = {first or second for first, second in named}

    assert "docs/en/quickstart.md" in paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_dependencies_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requires = [r for r in INSTALLED.requires or () if "extra ==" not in r]

    assert len(requires) == len(project["dependencies"])
    assert set(INSTALLED.metadata.get_all("Provides-Extra") or ()) == set(
        project["optional-dependencies"]
    )
