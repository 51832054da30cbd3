"""For mkdocs: the foot of each page says which version of zhmcq the page describes."""

from __future__ import annotations

import tomllib
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the version of ``pyproject.toml`` where the theme shows a copyright."""
    project = Path(config.config_file_path).with_name("pyproject.toml")
    version = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    config.copyright = f"zhmcq {version}"
    return config
