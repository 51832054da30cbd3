from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zhmcq.testing import tiny_llama


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One token a character; BOS 1, EOS 2."""
    return load(tiny_llama(tmp_path_factory.mktemp("tiny") / "plain"))


@pytest.fixture(scope="session")
def chat_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(tiny_llama(tmp_path_factory.mktemp("tiny") / "chat", chat=True))


def load(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)
